"""Evidence: observables with what event and attribute say about them, and nothing that is others'."""

from __future__ import annotations

import pytest

from misp_modules_ext.config.settings import DAY, IndicatorRules
from misp_modules_ext.model.indicator import Evidence, Kind, Observable, Reference, Severity
from misp_modules_ext.model.misp import Attribute, Event, ObjectContext, Tlp
from misp_modules_ext.translate import NO_DATE, evidence, observe
from tests.support.build import NOW, attribute, event

MD5 = "0a" * 16
BASE_URL = "https://misp.example.org"
#: Long ago, so that only the dates of the source count.
TAKEN = 1


def _evidence(
    attribute_: Attribute, event_: Event | None = None, rules: IndicatorRules | None = None
) -> tuple[Evidence, ...]:
    return evidence(event_ or event(), attribute_, observe(attribute_), rules or IndicatorRules(), BASE_URL, TAKEN)


def test_the_whole_of_it() -> None:
    """Every field, from where it comes."""
    told = event(info="Campaign\nof the week", tags=["tlp:green", "type:OSINT"], threat_level=1, timestamp=NOW)
    given = attribute("ip-dst|port", "192.0.2.1|8443", comment="C2 server", tags=["tlp:amber"], first_seen=NOW - 99_999)
    rules = IndicatorRules(confidence=80, threat_type="C2", labels=("rhisac",), window=30 * DAY)
    assert _evidence(given, told, rules) == (
        Evidence(
            observable=Observable(Kind.IPV4_ADDR, "192.0.2.1"),
            reference=Reference(told.uuid, given.uuid, f"{BASE_URL}/events/view/{told.uuid}"),
            title="Campaign of the week",
            event_date="2026-11-20",
            severity=Severity.HIGH,
            confidence=80,
            threat_type="C2",
            tlp=Tlp.AMBER,
            labels=("rhisac", "type:OSINT"),
            facts=("port: 8443", "comment: C2 server"),
            valid_from=NOW - 99_999,
            valid_until=given.timestamp + 30 * DAY,
        ),
    )


def test_no_observable_no_evidence() -> None:
    """What cannot be read vouches for nothing."""
    assert _evidence(attribute("comment", "x")) == ()


def test_each_observable_has_its_own_evidence_and_window() -> None:
    """`domain|ip` vouches for two, each with the lifetime of its kind."""
    rules = IndicatorRules(window_by_kind=((Kind.IPV4_ADDR, 7 * DAY),))
    domain, address = _evidence(attribute("domain|ip", "evil.example|192.0.2.1"), rules=rules)
    assert domain.valid_until - address.valid_until == 113 * DAY
    assert domain.facts == address.facts == ("domain and address: evil.example, 192.0.2.1",)


@pytest.mark.parametrize(
    ("level", "severity"),
    [
        (1, Severity.HIGH),
        (2, Severity.MEDIUM),
        (3, Severity.LOW),
        (4, Severity.INFORMATIONAL),
        (None, Severity.INFORMATIONAL),
        (0, Severity.INFORMATIONAL),
        (99, Severity.INFORMATIONAL),
    ],
)
def test_severity_follows_the_threat_level(level: int | None, severity: Severity) -> None:
    """MISP counts downwards from 1, high; what is undefined is informational."""
    assert _evidence(attribute(), event(threat_level=level))[0].severity is severity


@pytest.mark.parametrize(
    ("base_url", "start"),
    [
        ("https://misp.example.org", "https://misp.example.org/events/view/"),
        ("https://m.example/misp/", "https://m.example/misp/events/"),
    ],
)
def test_the_link_leads_to_the_event(base_url: str, start: str) -> None:
    """With or without a slash at the end of the configured address."""
    made = evidence(event(), attribute(), observe(attribute()), IndicatorRules(), base_url, TAKEN)
    assert made[0].reference.url.startswith(start)
    assert "//events" not in made[0].reference.url


def test_without_an_address_of_misp_there_is_no_link() -> None:
    """A guess would lead nowhere."""
    assert evidence(event(), attribute(), observe(attribute()), IndicatorRules(), "", TAKEN)[0].reference.url == ""


def test_a_hash_in_a_file_object_knows_the_file_names() -> None:
    """The names of that file and the object's kind; other siblings stay where they are."""
    siblings = (
        ("filename", "a.exe"),
        ("md5", MD5),
        ("filename", "b\u202eexe"),
        ("filename", "a.exe"),
        ("text", "secret"),
    )
    given = attribute("md5", MD5, object=ObjectContext("o", "file", siblings=siblings), comment="dropper")
    assert _evidence(given)[0].facts == (
        "file name: a.exe",
        "file name: b<U+202E>exe",
        "object: file",
        "comment: dropper",
    )


def test_a_file_name_is_no_fact_about_itself() -> None:
    """Only the other names of the file are news."""
    siblings = (("filename", "a.exe"), ("filename", "b.exe"))
    given = attribute("filename", "a.exe", object=ObjectContext("o", "file", siblings=siblings))
    assert _evidence(given)[0].facts == ("file name: b.exe", "object: file")


def test_a_fact_is_said_once() -> None:
    """The name in the value and in the object is one name."""
    given = attribute(
        "filename|md5", f"a.exe|{MD5}", object=ObjectContext("o", "file", siblings=(("filename", "a.exe"),))
    )
    assert _evidence(given)[0].facts == ("file name: a.exe", "object: file")


def test_another_object_gives_its_name_only() -> None:
    """Siblings of other objects are not names of this file, and may be marked more strictly."""
    given = attribute(object=ObjectContext("o", "domain-ip", siblings=(("filename", "a.exe"), ("ip", "192.0.2.1"))))
    assert _evidence(given)[0].facts == ("object: domain-ip",)


def test_a_source_without_any_date_says_so() -> None:
    """Then it counts from when the ledger took it."""
    undated = attribute(timestamp=0)
    (made,) = evidence(event(), undated, observe(undated), IndicatorRules(), "", NOW)
    assert (made.valid_from, made.valid_until, made.facts) == (NOW, NOW + 120 * DAY, (NO_DATE,))


def test_what_the_ledger_took_later_lives_longer() -> None:
    """For attributes that come with old timestamps."""
    old = attribute(timestamp=NOW - 300 * DAY)
    (made,) = evidence(event(), old, observe(old), IndicatorRules(), "", NOW)
    assert (made.valid_from, made.valid_until) == (NOW - 300 * DAY, NOW + 120 * DAY)
