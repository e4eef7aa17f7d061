"""The awkward cases that were found in events of the wild, by the names of their list, with values of our own."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest

from misp_modules_ext.config.settings import IndicatorRules
from misp_modules_ext.destinations.sentinel_payload import observable as read_back
from misp_modules_ext.destinations.sentinel_payload import pattern, refusal
from misp_modules_ext.misp.parse import parse_event
from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.model.misp import Tlp
from misp_modules_ext.model.outcome import Reason
from misp_modules_ext.translate import evidence, observe
from tests.support.build import NOW, attribute
from tests.support.shared import shared

MD5, SHA256 = "0a" * 16, "0b" * 32
ONION = "aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dyp3kead.onion"


class Case(NamedTuple):
    """What becomes of an odd value.

    Attributes:
        name: in the list.
        kind: `None` when it is refused.
        said: a part of the sentence of the refusal, or of the notes; `""` when there is nothing to note.
    """

    name: str
    type: str
    value: str
    kind: Kind | None
    kept: str = ""
    said: str = ""


CASES = [
    Case("filename with backslash path", "filename", r"C:\a\b.exe", Kind.FILE_PATH, r"C:\a\b.exe"),
    Case("filename with slash path", "filename", "/tmp/b", Kind.FILE_PATH, "/tmp/b"),  # noqa: S108 - a value
    Case("filename with %ENV%", "filename", r"%TEMP%\b.exe", Kind.FILE_PATH, r"%TEMP%\b.exe"),
    Case(".onion", "onion-address", ONION, Kind.DOMAIN_NAME, ONION),
    Case(".onion", "domain", ONION, Kind.DOMAIN_NAME, ONION),
    Case(".onion", "url", f"http://{ONION}/a", Kind.URL, f"http://{ONION}/a"),
    Case("value non-ASCII (ioc)", "filename", "ünïcode 😀.exe", Kind.FILE_NAME, "ünïcode 😀.exe"),
    Case("url with IP host", "url", "http://192.0.2.1/a", Kind.URL, "http://192.0.2.1/a"),
    Case("url with port", "url", "http://evil.example:80/", Kind.URL, "http://evil.example:80/"),
    Case("url with space", "url", "http://evil.example/a b", None, said="white space"),
    Case("url without scheme", "url", "evil.example/a", None, said="no scheme"),
    Case("url host uppercase", "url", "http://EVIL.Example/A", Kind.URL, "http://evil.example/A", "lower case"),
    Case("url scheme other than http(s)", "url", "ftp://evil.example/a", Kind.URL, "ftp://evil.example/a"),
    Case("url with userinfo/@ in host", "url", "http://a:b@evil.example/@", Kind.URL, "http://a:b@evil.example/@"),
    Case("url with double quote", "url", 'http://evil.example/"a"', Kind.URL, 'http://evil.example/"a"'),
    Case("url with single quote", "url", "http://evil.example/'a'", Kind.URL, "http://evil.example/'a'"),
    Case("punycode IDN", "domain", "xn--mnchen-3ya.example", Kind.DOMAIN_NAME, "xn--mnchen-3ya.example"),
    Case("uppercase domain/hostname", "hostname", "C2.EVIL.example", Kind.DOMAIN_NAME, "c2.evil.example", "lower case"),
    Case("trailing dot domain", "domain", "evil.example.", Kind.DOMAIN_NAME, "evil.example", "trailing dot"),
    Case("uppercase hash", "sha256", SHA256.upper(), Kind.FILE_SHA256, SHA256, "lower case"),
    Case("non-hex hash", "filename|sha256", f"a.exe|t1{'0c' * 35}", None, said="other characters"),
    Case("defanged value", "domain", "evil[.]example", Kind.DOMAIN_NAME, "evil.example", "refanged"),
    Case("defanged value", "ip-dst", "192(.)0.2.1", Kind.IPV4_ADDR, "192.0.2.1", "refanged"),
    Case("defanged value", "url", "hxxp://evil[.]example/a", Kind.URL, "http://evil.example/a", "refanged"),
    Case("defanged value", "email-src", "a[at]evil[.]example", Kind.EMAIL_ADDR, "a@evil.example", "refanged"),
    Case("value leading/trailing whitespace", "md5", f" {MD5}\n", Kind.FILE_MD5, MD5, "white space removed"),
    Case("value with newline", "domain", "evil.example\nevil2.example", None, said="line feed"),
    Case("value with newline", "mutex", "a\r\nb", None, said="carriage return"),
    Case("value > 2048 chars", "url", f"http://evil.example/{'a' * 3000}", Kind.URL),
    Case("value is bool", "boolean", "True", None, said="`boolean` becomes no indicator"),
    Case("composite: number of | differs from type", "filename|md5", MD5, Kind.FILE_MD5, MD5, "no file name"),
    Case("composite: number of | differs from type", "filename|md5", f"a|b|{MD5}", Kind.FILE_MD5, MD5),
    Case(
        "composite: number of | differs from type", "domain|ip", "evil.example", Kind.DOMAIN_NAME, said="there is none"
    ),
    Case("composite: number of | differs from type", "ip-dst|port", "192.0.2.1", Kind.IPV4_ADDR, said="there is none"),
    Case("composite regkey|value", "regkey|value", r"HKU\a|b", Kind.WINDOWS_REGISTRY_KEY, r"HKEY_USERS\a", "in full"),
    Case("regkey short hive (HKLM/HKCU)", "regkey", r"HKLM\a", Kind.WINDOWS_REGISTRY_KEY, said="in full"),
    Case("regkey without hive", "regkey", r"Software\a", None, said="a guess"),
    Case("to_ids=true on non-detectable type text", "text", "a", None, said="not something that a sensor can match"),
    Case("to_ids=true on non-detectable type comment", "comment", "a", None, said="not something that a sensor"),
    Case("to_ids=true on non-detectable type link", "link", "http://evil.example/", None, said="for people to read"),
]


def test_the_list_has_these_cases() -> None:
    """By these names, each with at least one file."""
    known = json.loads(shared("events", "awkward.json").read_text("utf-8"))
    assert all(known[case.name]["n"] and known[case.name]["files"] for case in CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}: {case.type}")
def test_an_awkward_value(case: Case) -> None:
    """It becomes what it means, with a note of each change, or is refused with a sentence that says what is wrong."""
    seen = observe(attribute(case.type, case.value))
    if case.kind is None:
        assert not seen.observables
        assert seen.reason in (Reason.INVALID_VALUE, Reason.UNSUPPORTED_TYPE)
        assert case.said in seen.message
        return
    (observable,) = seen.observables
    assert observable.kind is case.kind
    assert observable.value == (case.kept or observable.value)
    assert case.said in "; ".join(seen.notes)
    assert bool(seen.notes) is bool(case.said)
    if refusal(observable) is None:
        assert read_back(pattern(observable)) == observable


@pytest.mark.parametrize("value", ["it's", r"a\b", "a\\", r"a\'b", "'", "a']", '"', "a' OR [b:c = 'd"])
def test_quotes_and_backslashes_go_as_they_are(value: str) -> None:
    """In the value of an indicator, and through its pattern and back."""
    for type_, kind in (("email-subject", Kind.EMAIL_SUBJECT), ("user-agent", Kind.USER_AGENT), ("mutex", Kind.MUTEX)):
        (observable,) = observe(attribute(type_, value)).observables
        assert observable == Observable(kind, value)
        assert refusal(observable) or read_back(pattern(observable)) == observable


@pytest.mark.parametrize("moment", [NOW - 60, str(NOW - 60)])
@pytest.mark.parametrize("tag", [{"name": "TLP:Green"}, {"name": "tlp:GREEN", "colour": "#0f0", "exportable": True}])
def test_integer_timestamps_and_tags_without_local(moment: int | str, tag: dict[str, object]) -> None:
    """Timestamps as numbers and as text, markings in any case, tags that say nothing but their name: all the same."""
    told = parse_event(
        {
            "Event": {
                "uuid": "5f1c6a9e-3b0d-4c57-9f1e-2d8a7b6c5e40",
                "info": "x",
                "timestamp": moment,
                "threat_level_id": 2,
                "Tag": [tag],
                "Attribute": [{"type": "domain", "value": "evil.example", "to_ids": True, "timestamp": moment}],
            }
        }
    )
    (given,) = told.attributes
    (made,) = evidence(told, given, observe(given), IndicatorRules(), "", NOW)
    assert (given.timestamp, made.tlp, made.observable.value) == (NOW - 60, Tlp.GREEN, "evil.example")
