"""A `config.py` is data: literals and names of literals are read, everything else is named, nothing is executed."""

from __future__ import annotations

import builtins
import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misp_modules_ext.config.findings import Invalid
from misp_modules_ext.importing.old_values import Env, Unknown, Value, Vault
from misp_modules_ext.importing.python_data import LARGEST, MOST_BYTES, parse


def _plain(value: Value) -> Any:
    data = value.data
    if isinstance(data, dict):
        return {key: _plain(part) for key, part in data.items()}
    if isinstance(data, tuple):
        return [_plain(part) for part in data]
    return data


def _read(source: str) -> dict[str, Any]:
    return {name: _plain(value) for name, value in parse(source.encode()).names.items()}


@pytest.mark.parametrize(
    ("source", "data"),
    [
        ("x = 'a'", "a"),
        ("x: str = 'a'", "a"),
        ("x = 'a' 'b'", "ab"),
        ("x = 'a' + 'b'", "ab"),
        ("x = 'a'\nx += 'b'", "ab"),
        ("y = 'b'\nx = 'a' + y", "ab"),
        ("y = 'b'\nx = f'a{y}c{1}'", "abc1"),
        ("x = f'{\"a\"}'", "a"),
        ("x = y = 5", 5),
        ("x = -5", -5),
        ("x = not True", False),
        ("x = None", None),
        ("x = ['a', ('b',), {'c'}]", ["a", ["b"], ["c"]]),
        ("x = ['a'] + ['b']", ["a", "b"]),
        ("x = {'a': {'b': 1}, 2: 'c'}", {"a": {"b": 1}, "2": "c"}),
        ("t = {'a': 'b'}\nx = t['a']", "b"),
        ("x = dict(a='b')", {"a": "b"}),
        ("x = {}\nx['a'] = 'b'", {"a": "b"}),
        ("y, x = 'a', 'b'", "b"),
        ("import os\nx = os.environ['A']", Env("A")),
        ("x = environ.get('A')", Env("A")),
        ("x = os.getenv('A', '')", Env("A")),
        ("x = os.getenv('A', 'b')", Env("A", has_default=True)),
        ("x = int(os.getenv('A', '30'))", Env("A", has_default=True)),
        ("x = f\"{os.getenv('A')}\"", Env("A")),
        ("r = client.get_secret('A')\nx = r.value", Vault("A")),
        ("x = ''\nif y:\n  x = client.get_secret('A').value\nelse:\n  x = os.getenv('B')", Env("B")),
        ("x = os.getenv('B')\nif y:\n  x = client.get_secret('A').value", Env("B")),
        ("try:\n  x = 'a'\nexcept E:\n  pass", "a"),
        ("with y:\n  x = 'a'", "a"),
    ],
)
def test_what_is_read(source: str, data: object) -> None:
    """Literals, names of earlier ones, environment variables and secrets of a vault."""
    assert _read(source)["x"] == data


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('true')",
        "exec('y = 1')",
        "eval('1')",
        "open('/etc/passwd').read()",
        "(lambda: 'a')()",
        "[y for y in 'ab']",
        "'a' if y else 'b'",
        "'a' % 1",
        "'{}'.format(1)",
        "'a' * 1000000000",
        "10 ** 10 ** 10",
        "1 << 1000000",
        "f'{1!r}'",
        "f'{1:>1000000000}'",
        "f'a{os.getenv(\"A\")}'",
        "'a' + os.getenv('A')",
        "never_said",
        "b'bytes'",
        "...",
        "{**{}}",
        "dict(**{})",
        "[*[]]",
        "os.environ",
        "1j",
        "0x" + "f" * 1000,
        "(y := 'a')",
    ],
)
def test_what_is_no_data(expression: str) -> None:
    """It is said to be none, without its text; nothing of it happens."""
    found = _read(f"x = {expression}")["x"]
    while isinstance(found, list | dict):
        found = next(iter(found.values() if isinstance(found, dict) else found))
    assert isinstance(found, Unknown)
    assert "passwd" not in found.what


def test_what_may_change_a_name_later_is_not_overlooked() -> None:
    """An earlier value does not stand for one that cannot be read."""
    assert isinstance(_read("x = 'a'\nx = f()")["x"], Unknown)
    assert isinstance(_read("x = 'a'\ndel x")["x"], Unknown)
    assert isinstance(_read("x = 'a'\nx, y = f()")["x"], Unknown)
    assert isinstance(_read("x = 'a'\nfrom mine import x")["x"], Unknown)
    assert isinstance(_read("x = 'a'\ndef x(): pass")["x"], Unknown)
    assert isinstance(_read("x = 'a'\nmatch y:\n  case 1:\n    x = 'b'")["x"], Unknown)
    assert parse(b"x = {}\nx.update(a='b')").names["x"].condition == 2
    assert parse(b"x = 'a'\nif y:\n  x = 'b'").names["x"].condition == 2
    assert [line for line, _ in parse(b"from mine import *\nf()\nx[1] = 2\nraise E\n").notes] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"print 'Python 2'", "Python 3 (line 1)"),
        (b"x = = 1", "Python 3"),
        (b"x = 1\n\ty = 2", "Python 3"),
        (b"x = 'a\xff'", "UTF-8"),
        ("x = 1".encode("utf-16"), "UTF-16"),
        (b"x = '\0'", "zero bytes"),
        (b"#" * (MOST_BYTES + 1), "longer than"),
        (b"x = " + b"(" * 5_000 + b")" * 5_000, ""),
        (b"x = " + b"[" * 90 + b"]" * 90 + b"\n" + b"x = " + b"-" * 50_000 + b"1", ""),
        (b"x = " + b"9" * 60_000, ""),
        (b"x = 1" + b" + 1" * 16_000, ""),
        (b"x" + b".y" * 32_000 + b" = 1", ""),
        (b"x = f" + b"()" * 32_000, ""),
        (b"x = a" + b"@a" * 32_000, ""),
    ],
)
def test_what_is_no_configuration(data: bytes, words: str) -> None:
    """Our own error or a reading that names nothing; never a crash, never a quoted line."""
    try:
        module = parse(data)
    except Invalid as error:
        assert words in f"{error.message} {error.remedy}"  # noqa: PT017
        assert "Python 2'" not in error.message  # noqa: PT017
    else:
        assert not words
        assert not any(value.known for value in module.names.values())


def test_line_ends_and_a_byte_order_mark() -> None:
    """As editors of Windows write them."""
    module = parse("\ufeffx = 'ä'\r\ny = 'b'\r\n".encode())
    assert _plain(module.names["x"]) == "ä"
    assert module.names["y"].line == 2


def test_names_that_stand_for_names_do_not_blow_up() -> None:
    """Doubling a value again and again ends, whatever it is made of."""
    for start, step in (("'ab'", "a + a"), ("['ab']", "a + a"), ("['ab']", "[a, a]"), ("{'b': 1}", "{1: a, 2: a}")):
        found = parse(f"a = {start}\n".encode() + f"a = {step}\n".encode() * 60).names["a"]
        assert found.size <= LARGEST
        assert not isinstance(found.data, str)


def test_elif_after_elif() -> None:
    """A chain is nested in the tree: it ends at a depth, and what it assigns is not told as known."""
    chain = "if a:\n  x = 1\n" + "".join(f"elif b{n}:\n  x = {n}\n" for n in range(80))
    assert isinstance(_read(chain)["x"], Unknown)


def test_values_do_not_show() -> None:
    """Neither in a representation nor in a traceback with local variables."""
    module = parse(b"x = 'secret-value'\ny = {'a': 'secret-value'}")
    assert "secret-value" not in repr(module)
    assert "secret-value" not in repr(module.names)


def test_odd_escapes_do_not_warn() -> None:
    """Windows paths in an old file are no matter of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _read(r"x = 'C:\misp'")["x"] == r"C:\misp"


_NAMES = st.sampled_from(["a", "b", "ms_auth", "os", "open", "exec", "__import__"])
_ATOMS = st.one_of(
    st.text(max_size=5).map(repr), st.integers().map(repr), _NAMES, st.just("os.getenv('A')"), st.floats().map(repr)
)
_EXPRESSIONS = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: f"[{', '.join(parts)}]"),
        st.tuples(inner, st.sampled_from("+-*/%"), inner).map(lambda t: f"({' '.join(t)})"),
        st.tuples(inner, inner).map(lambda t: f"{{{t[0]}: {t[1]}}}"),
        st.tuples(_NAMES, inner).map(lambda t: f"{t[0]}({t[1]})"),
        st.tuples(inner, inner).map(lambda t: f"({t[0]})[{t[1]}]"),
        inner.map(lambda part: f"({part}).value"),
        inner.map(lambda part: f"f'{{({part})}}'" if "'" not in part and "\\" not in part else part),
    ),
    max_leaves=6,
)
_STATEMENTS = st.one_of(
    st.tuples(_NAMES, _EXPRESSIONS).map(lambda t: f"{t[0]} = {t[1]}"),
    st.tuples(_NAMES, _EXPRESSIONS, _EXPRESSIONS).map(lambda t: f"{t[0]}[{t[1]}] = {t[2]}"),
    st.tuples(_NAMES, _EXPRESSIONS).map(lambda t: f"{t[0]} += {t[1]}"),
    st.tuples(_EXPRESSIONS, _NAMES, _EXPRESSIONS).map(lambda t: f"if {t[0]}:\n    {t[1]} = {t[2]}"),
    _EXPRESSIONS,
)


def _forbidden(*_arguments: object, **_more: object) -> None:
    raise AssertionError("executed")


@given(st.lists(_STATEMENTS, max_size=8).map("\n".join))
def test_no_program_is_executed(source: str) -> None:
    """Programs of calls and data: read, or our own error; `exec`, `eval` and imports never run."""
    kept = {name: getattr(builtins, name) for name in ("exec", "eval", "__import__")}
    try:
        for name in kept:
            setattr(builtins, name, _forbidden)
        parse(source.encode("utf-8", "surrogatepass"))
    except Invalid:
        pass
    finally:
        for name, function in kept.items():
            setattr(builtins, name, function)


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    """Read, or our own error."""
    try:
        parse(data)
    except Invalid as error:
        assert str(error)  # noqa: PT017
