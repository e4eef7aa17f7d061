"""The `$filter` parser."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misp_modules_ext.emulator.odata import FilterError, parse_filter

FIELDS = {"a", "b", "on", "flag", "groups"}
ENTITY: dict[str, Any] = {
    "a": "it's",
    "b": 2,
    "on": "2026-11-24T10:00:00Z",
    "flag": True,
    "groups": ["x", "y"],
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("a eq 'it''s'", True),
        ("a eq 'it'", False),
        ("a ne 'it'", True),
        ("b eq 2", True),
        ("b gt 2", False),
        ("b ge 2 and b le 2", True),
        ("b lt 3", True),
        ("flag eq true", True),
        ("flag eq false", False),
        ("on lt 2026-11-24T11:00:00Z", True),
        ("on gt 2026-11-24T11:00:00+00:00", False),
        ("groups eq 'y'", True),
        ("a eq null", False),
        ("a gt 7", False),
        ("a eq 'x' or b eq 2 and flag eq true", True),
        ("(a eq 'x' or b eq 2) and flag eq false", False),
        ("a eq 'x' and b eq 3 or flag eq true", True),
        ("a eq '(or and)' or b eq 3", False),
    ],
)
def test_filters(text: str, holds: bool) -> None:
    """Comparisons, precedence, parentheses and doubled quotes."""
    assert parse_filter(text, FIELDS)(ENTITY) is holds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a eq",
        "a eq it",
        "a eq 'it's'",
        "a eq 'x",
        "A eq 'x'",
        "c eq 'x'",
        "a like 'x'",
        "a eq 'x' b eq 2",
        "(a eq 'x'",
        "a eq 'x')",
        "a eq 'x' and",
        "'a' eq 'x'",
        "contains(a,'x')",
        "(" * 60 + "a eq 'x'" + ")" * 60,
    ],
)
def test_what_cannot_be_read(text: str) -> None:
    """Everything else is an error that says why."""
    with pytest.raises(FilterError, match=r"\w"):
        parse_filter(text, FIELDS)


@given(st.text())
def test_a_quoted_value_is_found_again(value: str) -> None:
    """Whatever text, quoted by doubling, equals itself and nothing else slips in."""
    quoted = value.replace("'", "''")
    holds = parse_filter(f"a eq '{quoted}'", FIELDS)
    assert holds({"a": value})
    assert not holds({"a": value + "x"})
