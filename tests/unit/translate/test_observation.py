"""`observe` never raises, always answers, and its observables are fixed points."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.model.misp import Attribute
from misp_modules_ext.model.outcome import Reason
from misp_modules_ext.translate import PARSERS, Observation, observe, special
from misp_modules_ext.translate.files import HASHES
from misp_modules_ext.translate.text import MAX_LENGTH
from tests.support.build import attribute

#: A MISP type that holds one observable of this kind and nothing else.
TYPE_OF = {
    Kind.IPV4_ADDR: "ip-dst",
    Kind.IPV6_ADDR: "ip-dst",
    Kind.IPV4_CIDR: "ip-dst",
    Kind.IPV6_CIDR: "ip-dst",
    Kind.DOMAIN_NAME: "domain",
    Kind.URL: "url",
    Kind.EMAIL_ADDR: "email",
    Kind.FILE_MD5: "md5",
    Kind.FILE_SHA1: "sha1",
    Kind.FILE_SHA256: "sha256",
    Kind.FILE_NAME: "filename",
    Kind.FILE_PATH: "filename",
    **{kind: type_ for type_, kind in HASHES.items()},
    Kind.FILE_SSDEEP: "ssdeep",
    Kind.FILE_TLSH: "tlsh",
    Kind.X509_MD5: "x509-fingerprint-md5",
    Kind.X509_SHA1: "x509-fingerprint-sha1",
    Kind.X509_SHA256: "x509-fingerprint-sha256",
    Kind.JA3: "ja3-fingerprint-md5",
    Kind.URI: "uri",
    Kind.USER_AGENT: "user-agent",
    Kind.AUTONOMOUS_SYSTEM: "AS",
    Kind.EMAIL_SUBJECT: "email-subject",
    Kind.EMAIL_SENDER_NAME: "email-src-display-name",
    Kind.EMAIL_MESSAGE_ID: "email-message-id",
    Kind.EMAIL_X_MAILER: "email-x-mailer",
    Kind.MUTEX: "mutex",
    Kind.WINDOWS_REGISTRY_KEY: "regkey",
    Kind.BTC: "btc",
    Kind.DASH: "dash",
    Kind.XMR: "xmr",
    Kind.IBAN: "iban",
    Kind.BIC: "bic",
    Kind.BANK_ACCOUNT_NR: "bank-account-nr",
    Kind.ABA_RTN: "aba-rtn",
    Kind.BIN: "bin",
    Kind.PHONE_NUMBER: "phone-number",
}
TYPES = sorted(PARSERS)
# Pieces that values are made of, so that random text comes near to what the readers look for.
PIECES = st.lists(
    st.sampled_from(
        [
            "http",
            "hxxps",
            "://",
            "[:]//",
            "evil",
            "EXAMPLE",
            ".",
            "[.]",
            "(dot)",
            "@",
            "[at]",
            ":",
            "80",
            "/",
            "|",
            "*",
            "192",
            "0",
            "2",
            "01",
            "::",
            "2001:db8",
            "ffff",
            "[",
            "]",
            "%",
            "#",
            "?",
            "_",
            "-",
            "xn--",
            "ü",
            "❤",
            "。",
            " ",
            "\\",
            "'",
            "{",
            "}",
            "\u200b",
            "\n",
            "0a" * 16,
            "0B" * 20,
            "a" * 64,
            "HKLM",
            "hkey_users",
            "HKCU:",
            "\\REGISTRY\\MACHINE",
            "Computer\\",
            "Software\\Run",
            "AS",
            "64496",
            "1.10",
            "<",
            ">",
            "+",
            "(0)",
            "00",
            "GB82WEST12345698765432",
            "DEUTDEFFXXX",
            "021000021",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            "3:abc:def",
            "T1",
            "ab" * 35,
            ":ab",
        ]
    ),
    max_size=12,
).map("".join)
VALUES = st.one_of(st.text(st.characters(), max_size=60), PIECES)


def _attribute(type_: str, value: str) -> Attribute:
    """Straight from the record: half a surrogate pair has no UUID of its own."""
    return Attribute("u", type_, value)


def test_the_reasons_for_no_observable() -> None:
    """A part that cannot be read, a type without meaning for sensors, and a value that is not what its type says."""
    assert observe(attribute("domain", "evil.example", problem="no value")) == Observation(
        (), reason=Reason.MALFORMED, message="no value"
    )
    unknown = observe(attribute("comment", "Global\\x"))
    assert (unknown.reason, unknown.observables) == (Reason.UNSUPPORTED_TYPE, ())
    assert "`comment`" in unknown.message
    invalid = observe(attribute("ip-dst", "999.1.1.1"))
    assert (invalid.reason, invalid.observables) == (Reason.INVALID_VALUE, ())
    assert "`999.1.1.1`" in invalid.message


def test_what_is_observed_carries_facts_and_notes() -> None:
    """The whole answer for a composite that needed work."""
    assert observe(attribute("ip-dst|port", " 192[.]0.2.1|8443")) == Observation(
        (Observable(Kind.IPV4_ADDR, "192.0.2.1"),),
        ("port: 8443",),
        ("surrounding white space removed", "refanged from `192[.]0.2.1`"),
    )


@pytest.mark.parametrize(
    "type_", ["link", "text", "comment", "port", "size-in-bytes", "cc-number", "file-path", "Domain", ""]
)
def test_other_types_are_said_to_be_unsupported(type_: str) -> None:
    """Links and comments are for people, a port or size alone matches everything; types are case-sensitive in MISP."""
    observation = observe(attribute(type_, "https://evil.example/"))
    assert observation.reason is Reason.UNSUPPORTED_TYPE
    assert observation.message.endswith(".")


@given(st.sampled_from(TYPES), VALUES)
def test_any_value_of_any_type_gets_an_answer(type_: str, value: str) -> None:
    """No text raises; a reason is set exactly when there are no observables; everything can be written as UTF-8."""
    observation = observe(_attribute(type_, value))
    assert bool(observation.observables) is (observation.reason is None)
    assert bool(observation.message) is (observation.reason is not None)
    for text in (
        observation.message,
        *observation.facts,
        *observation.notes,
        *(o.value for o in observation.observables),
    ):
        text.encode("utf-8")


@given(st.sampled_from(TYPES), VALUES)
def test_observables_are_fixed_points(type_: str, value: str) -> None:
    """Reading an observable's value again gives the same one and nothing to note: one thing, one spelling."""
    for observable in observe(_attribute(type_, value)).observables:
        found = PARSERS[TYPE_OF[observable.kind]](observable.value)
        assert Observation(*found) == Observation((observable,))


@given(st.sampled_from(TYPES), VALUES)
def test_whatever_is_observed_can_be_judged(type_: str, value: str) -> None:
    """`special` takes every observable, and what it allows with documentation refused it allows with it."""
    for observable in observe(_attribute(type_, value)).observables:
        if not special(observable, False):
            assert not special(observable, True)


@pytest.mark.parametrize("type_", TYPES)
def test_a_value_of_nothing_but_separators_gets_its_answer_too(type_: str) -> None:
    """The longest values that are read, made of what the readers split at: none takes long (a quadratic one did)."""
    for piece in ("1", "1.", "01.", "a.", ":", "1:", "[.]", "(dot)", "@", "ü.", "|", "*", "/", "%", "[", "::", "xn--"):
        for start in ("", "hxxp://a[.]", "a@"):
            observation = observe(_attribute(type_, (start + piece * MAX_LENGTH)[: MAX_LENGTH - 1] + "!"))
            assert bool(observation.observables) is (observation.reason is None)
