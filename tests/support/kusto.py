"""A reader of Kusto's string literals, character by character, written apart from the code that makes them."""

from __future__ import annotations

from collections.abc import Iterator

_SIMPLE = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "'": "'", "\\": "\\", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
#: What ends a line for one reader or another: no literal may hold it as it is.
LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"


def taken_apart(query: str) -> tuple[str, list[str]]:
    """A query without its literals (an empty pair of quotes in place of each), and their values.

    Raises:
        AssertionError: a literal does not end, ends its line, or holds an escape that Kusto does not have.
    """
    rest, values = "", []
    chars = iter(query)
    for char in chars:
        rest += char
        if char == '"':
            values.append(_value(chars))
            rest += '"'
        else:
            assert char not in "'`@", "another kind of literal"
    return rest, values


def _value(chars: Iterator[str]) -> str:
    value = ""
    for char in chars:
        if char == '"':
            return value
        assert char not in LINE_ENDS, "the literal ends in the middle of a line"
        value += _escaped(chars) if char == "\\" else char
    raise AssertionError("the literal does not end")


def _escaped(chars: Iterator[str]) -> str:
    code = next(chars)
    if code == "u":
        return chr(int("".join(next(chars) for _ in range(4)), 16))
    return _SIMPLE[code]
