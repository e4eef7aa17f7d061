"""Every attribute type that MISP knows has a row: what it becomes, or why it becomes nothing."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

from misp_modules_ext.model.indicator import Kind
from misp_modules_ext.translate import PARSERS, observe
from misp_modules_ext.translate.types import PARSERS_IN_OBJECTS, RELATIONS, TYPES
from tests.support.build import attribute

ADDRESSES = ("203.0.113.9", "2001:db8::9", "203.0.113.0/25", "2001:db8::/48")
#: A value of each kind.
VALUES = {
    Kind.DOMAIN_NAME: ("evil.example",),
    Kind.EMAIL_ADDR: ("a@evil.example",),
    Kind.FILE_MD5: ("a" * 32,),
    Kind.FILE_SHA1: ("a" * 40,),
    Kind.FILE_SHA256: ("a" * 64,),
    Kind.FILE_NAME: ("a.exe", "C:\\Windows\\a.exe"),
    Kind.IPV4_ADDR: ADDRESSES,
    Kind.FILE_SHA224: ("a" * 56,),
    Kind.FILE_SHA384: ("a" * 96,),
    Kind.FILE_SHA512: ("a" * 128,),
    Kind.FILE_SHA512_224: ("a" * 56,),
    Kind.FILE_SHA512_256: ("a" * 64,),
    Kind.FILE_SHA3_224: ("a" * 56,),
    Kind.FILE_SHA3_256: ("a" * 64,),
    Kind.FILE_SHA3_384: ("a" * 96,),
    Kind.FILE_SHA3_512: ("a" * 128,),
    Kind.FILE_AUTHENTIHASH: ("a" * 64,),
    Kind.FILE_IMPHASH: ("a" * 32,),
    Kind.FILE_SSDEEP: ("96:QRWkwoBevsL0/sIQ3+q8:QRWktBe80",),
    Kind.FILE_TLSH: ("T1" + "A" * 70,),
    Kind.X509_MD5: ("a" * 32,),
    Kind.X509_SHA1: ("a" * 40,),
    Kind.X509_SHA256: ("a" * 64,),
    Kind.JA3: ("a" * 32,),
    Kind.URL: ("http://evil.example/a", "evil.example/a"),
    Kind.USER_AGENT: ("curl/8",),
    Kind.AUTONOMOUS_SYSTEM: ("AS64496",),
    Kind.EMAIL_SUBJECT: ("Invoice",),
    Kind.EMAIL_SENDER_NAME: ("The Bank",),
    Kind.EMAIL_MESSAGE_ID: ("<1@evil.example>",),
    Kind.EMAIL_X_MAILER: ("The Bat!",),
    Kind.MUTEX: ("Global\\x",),
    Kind.WINDOWS_REGISTRY_KEY: ("HKLM\\Software\\x",),
    Kind.BTC: ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",),
    Kind.DASH: ("XdSrfZRP3gGEbtUpK8o9RV9S7LiGfDmTju",),
    Kind.XMR: ("4" + "A" * 94,),
    Kind.IBAN: ("GB82 WEST 1234 5698 7654 32",),
    Kind.BIC: ("DEUTDEFF",),
    Kind.BANK_ACCOUNT_NR: ("12345678",),
    Kind.ABA_RTN: ("021000021",),
    Kind.BIN: ("411111",),
    Kind.PHONE_NUMBER: ("+1 555 010 9999",),
}
#: Types that take not all the values of their kinds.
ONLY = {
    "onion-address": "aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dyp3kead.onion",
    "url": "http://evil.example/a",
    "regkey|value": "HKLM\\Software\\x|y",
}
SILENT = {type_: row.reason for type_, row in TYPES.items() if not row.kinds}
YIELDS = {type_: row for type_, row in TYPES.items() if row.kinds}


def _values(type_: str) -> list[str]:
    """Values of a type, one for each kind that it may be."""
    if type_ in ONLY:
        return [ONLY[type_]]
    plain = VALUES[YIELDS[type_].kinds[0]]
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
    assert sorted(TYPES) == sorted(described)
    assert not TYPES.keys() & RELATIONS.keys()


@pytest.mark.parametrize("type_", [*TYPES, *RELATIONS])
def test_a_row_becomes_something_or_says_why_not(type_: str) -> None:
    """It has kinds and a reader, or a reason in a sentence; never both, never neither."""
    row = (TYPES | RELATIONS)[type_]
    assert bool(row.kinds) is bool(row.read) is (type_ in PARSERS_IN_OBJECTS) is not bool(row.reason)
    assert (type_ in PARSERS) is (type_ in TYPES and bool(row.kinds))
    assert not row.reason or row.reason.endswith(".")


def test_every_kind_comes_from_some_type() -> None:
    """None is a name without a way to it."""
    assert {kind for row in (*TYPES.values(), *RELATIONS.values()) for kind in row.kinds} == set(Kind)


@pytest.mark.parametrize("type_", YIELDS)
def test_a_type_becomes_what_its_row_says(type_: str) -> None:
    """All the kinds of the row, and no other."""
    found = {o.kind for value in _values(type_) for o in observe(attribute(type_, value)).observables}
    assert found == set(YIELDS[type_].kinds)


@pytest.mark.parametrize("type_", SILENT)
def test_a_type_that_becomes_nothing_says_why(type_: str) -> None:
    """In the words of its row."""
    seen = observe(attribute(type_, "x"))
    assert not seen.observables
    assert seen.message.endswith(SILENT[type_])
