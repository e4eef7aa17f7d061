"""Entra's codes."""

from __future__ import annotations

import json
import re

import pytest

from misp_modules_ext.config.settings import Auth
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


@pytest.mark.parametrize(
    ("auth", "key"),
    [(Auth.SECRET, "appSecret"), (Auth.CERTIFICATE, "certificate"), (Auth.WORKLOAD_IDENTITY, "federatedTokenFile")],
)
def test_hints_name_the_key_of_the_kind(auth: Auth, key: str) -> None:
    """Of a missing credential, and of a code that nobody knows."""
    for code in ("7000218", "900144", "0", ""):
        assert f"`{key}`" in aadsts.hint(code, auth).remedy
    assert aadsts.hint("700016", auth) is aadsts.HINTS["700016"]


@pytest.mark.parametrize("words", ["Identity not found", "400, No Managed Identity found for specified ClientId"])
def test_an_identity_endpoint_has_words_in_place_of_codes(words: str) -> None:
    """Those of IMDS and of App Service; other words get the general hint."""
    assert "no such identity" in aadsts.hint("", Auth.MANAGED_IDENTITY, words).meaning
    assert "Azure portal" in aadsts.hint("", Auth.MANAGED_IDENTITY, "Something else").remedy
    assert aadsts.hint("500011", Auth.MANAGED_IDENTITY, words) is aadsts.HINTS["500011"]
