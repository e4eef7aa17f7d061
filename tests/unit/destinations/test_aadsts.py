"""Entra's codes."""

from __future__ import annotations

import json
import re

import pytest

from misp_modules_ext.destinations import aadsts
from tests.support.shared import shared


def test_every_code_of_microsofts_page_has_a_hint() -> None:
    """The shared facts are covered whole; each hint has a meaning and a remedy."""
    facts = json.loads(shared("microsoft", "aadsts.json").read_text())
    codes = {code for fact in facts["codes"] for code in re.findall(r"\d{4,8}", fact["code"])}
    assert codes
    assert codes <= set(aadsts.HINTS)
    assert all(hint.meaning and hint.remedy.endswith(".") for hint in aadsts.HINTS.values())


@pytest.mark.parametrize(
    ("description", "code", "line"),
    [
        ("AADSTS7000222: Expired.\r\nTrace ID: a\r\nCorrelation ID: b", "7000222", "AADSTS7000222: Expired."),
        ("AADSTS90002: No tenant. Trace ID: a Correlation ID: b", "90002", "AADSTS90002: No tenant."),
        ("No code here", "", "No code here"),
        ("", "", ""),
    ],
)
def test_code_and_sentence_are_taken_out_of_a_description(description: str, code: str, line: str) -> None:
    """Ids that only Microsoft can use are left away."""
    assert (aadsts.code_in(description), aadsts.first_line(description)) == (code, line)


def test_codes_that_pass_are_told_apart() -> None:
    """A throttled tenant is no wrong secret."""
    assert aadsts.passes("90055")
    assert not aadsts.passes("7000215")
    assert not aadsts.passes("0")
    assert aadsts.hint("0") is aadsts.UNKNOWN
