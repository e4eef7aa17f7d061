"""Every attribute type that MISP knows has a row: what it becomes, or why it becomes nothing."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest

from misp_modules_ext.model.indicator import Kind
from misp_modules_ext.translate import PARSERS, observe, types_markdown
from misp_modules_ext.translate.catalogue import YIELDS
from misp_modules_ext.translate.silent import SILENT
from tests.support.build import attribute

PAGE = Path(__file__).parents[3] / "docs" / "types.md"
ADDRESSES = ("203.0.113.9", "2001:db8::9", "203.0.113.0/25", "2001:db8::/48")
#: A value of each kind.
VALUES = {
    Kind.DOMAIN_NAME: ("evil.example",),
    Kind.URL: ("http://evil.example/a",),
    Kind.EMAIL_ADDR: ("a@evil.example",),
    Kind.FILE_MD5: ("a" * 32,),
    Kind.FILE_SHA1: ("a" * 40,),
    Kind.FILE_SHA256: ("a" * 64,),
    Kind.FILE_NAME: ("a.exe",),
    Kind.IPV4_ADDR: ADDRESSES,
}


def _values(type_: str) -> list[str]:
    """Values of a type, one for each kind that it may be."""
    kinds, _ = YIELDS[type_]
    plain = VALUES[kinds[0]]
    if type_ == "domain|ip":
        return [f"evil.example|{address}" for address in ADDRESSES]
    if type_.endswith("|port"):
        return [f"{value}|443" for value in plain]
    if type_.startswith("filename|") or type_ == "malware-sample":
        return [f"a.exe|{value}" for value in plain]
    return list(plain)


def test_pymisp_knows_no_type_without_a_row() -> None:
    """A PyMISP that brings a new type makes this fail: the type needs a decision."""
    described = json.loads(files("pymisp").joinpath("data", "describeTypes.json").read_text("utf-8"))["result"]["types"]
    assert sorted([*YIELDS, *SILENT]) == sorted(described)


def test_what_is_read_is_what_the_table_says() -> None:
    """No reader without a row, no row without a reader."""
    assert YIELDS.keys() == PARSERS.keys()


@pytest.mark.parametrize("type_", YIELDS)
def test_a_type_becomes_what_its_row_says(type_: str) -> None:
    """All the kinds of the row, and no other."""
    found = {o.kind for value in _values(type_) for o in observe(attribute(type_, value)).observables}
    assert found == set(YIELDS[type_][0])


@pytest.mark.parametrize("type_", SILENT)
def test_a_type_that_becomes_nothing_says_why(type_: str) -> None:
    """In the words of its row."""
    seen = observe(attribute(type_, "x"))
    assert not seen.observables
    assert seen.message.endswith(SILENT[type_])


def test_the_page_is_the_table() -> None:
    """`docs/types.md` holds what the program does."""
    assert types_markdown() in PAGE.read_text(encoding="utf-8")
