"""Lists whose entries are looked for within a value."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misp_modules_ext.warninglists.patterns import Expressions, Parts, expression

TEXT = st.text(alphabet="ab.@", min_size=1, max_size=6)


@given(st.lists(TEXT, min_size=1, max_size=90), st.lists(st.text(alphabet="ab.@", max_size=12), max_size=20))
def test_parts_are_found_wherever_they_stand(texts: list[str], values: list[str]) -> None:
    """With few texts and with many, which are found in another way."""
    expected = [value for value in values if any(text in value for text in texts)]
    assert Parts(texts).among(values) == expected
    padded = [*texts, *(f"never-{number}" for number in range(100))]
    assert Parts(padded).among(values) == expected


def test_expressions_are_php_s() -> None:
    """Delimiters and modifiers; `g`, which lists have, changes nothing."""
    assert expression("/^(noc|abuse)@/i").flags & re.IGNORECASE
    assert expression("{^a{2}$}").fullmatch("aa")
    found = Expressions(["/^(noc|abuse)\\@.*$/i", "#55501([0-9]{2})#g"]).among(
        ["NOC@x.example", "a noc@x.example", "+15555550123"]
    )
    assert found == ["NOC@x.example", "+15555550123"]


@pytest.mark.parametrize("written", ["", "abc", "/abc", "/a/q", "/(/", "/"])
def test_what_is_no_expression_is_told(written: str) -> None:
    """It must not end as one that never matches."""
    with pytest.raises(ValueError, match=r"."):
        expression(written)
