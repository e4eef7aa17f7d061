"""Evidence: observables with what event and attribute say about them, and nothing that is others'."""

from __future__ import annotations

import pytest

from misp_modules_ext.config.settings import DAY, IndicatorRules
from misp_modules_ext.model.indicator import NO_CONTEXT, Context, Evidence, Kind, Observable, Reference, Severity
from misp_modules_ext.model.misp import Attribute, Event, ObjectContext, Sightings, Tag, Tlp
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
            facts=("port: 8443", "comment: C2 server", "first seen: 2026-11-23T08:13:21Z"),
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


def test_an_object_tells_what_its_template_calls_context() -> None:
    """A relation that the template does not have is not told, nor one of an object without a row."""
    siblings = (("filename", "a.exe"), ("ip", "192.0.2.1"))
    given = attribute(object=ObjectContext("o", "domain-ip", siblings=siblings))
    assert _evidence(given)[0].facts == ("address: 192.0.2.1", "object: domain-ip")
    unknown = attribute(object=ObjectContext("o", "my-own-template", siblings=siblings))
    assert _evidence(unknown)[0].facts == ("object: my-own-template",)


def test_a_file_object_tells_size_and_mime_type() -> None:
    """Of the same file; what the object's comment says is told as the object's."""
    siblings = (("size-in-bytes", "1024"), ("mimetype", "application/x-dosexec"), ("filename", "a.exe"))
    given = attribute("md5", MD5, object=ObjectContext("o", "file", comment="stage one", siblings=siblings))
    assert _evidence(given)[0].facts == (
        "file size: 1024",
        "MIME type: application/x-dosexec",
        "file name: a.exe",
        "object: file",
        "object comment: stage one",
    )


@pytest.mark.parametrize("address", ["10.0.0.7", "127.0.0.1", "192.168.1.10", "no address"])
def test_a_sibling_that_may_go_nowhere_is_not_told(address: str) -> None:
    """A private address of the victim's network is in many reports; what its type refuses is no fact."""
    given = attribute("domain", "evil.example", object=ObjectContext("o", "domain-ip", siblings=(("ip", address),)))
    assert _evidence(given)[0].facts == ("object: domain-ip",)


@pytest.mark.parametrize(
    ("port", "told"), [("8443", True), ("http://intranet", False), ("10.1.2.3", False), ("", False)]
)
def test_a_port_that_is_no_number_is_not_told(port: str, told: bool) -> None:
    """No reader looks at ports, so that anything might stand there."""
    siblings = (("dst-port", port),)
    given = attribute("ip-dst", "192.0.2.1", object=ObjectContext("o", "network-connection", siblings=siblings))
    assert any("port" in fact for fact in _evidence(given)[0].facts) is told


@pytest.mark.parametrize(
    ("subject", "told"),
    [
        ("Invoice 4711", True),
        ("Ms Example, your parcel", False),
        ("The mailbox of JANE.ROE is full", False),
        ("Mailbox someone.else@corp.example is full", False),
    ],
)
def test_a_subject_that_names_a_recipient_is_not_told(subject: str, told: bool) -> None:
    """Whether the object names that recipient, by address or name, or the subject itself shows a mailbox."""
    siblings = (("subject", subject), ("to", "jane.roe@victim.example"), ("to-display-name", "Ms Example"))
    given = attribute("email-src", "a@evil.example", object=ObjectContext("o", "email", siblings=siblings))
    assert (f"subject: {subject}" in _evidence(given)[0].facts) is told


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (r"C:\Windows\System32\cmd.exe", True),
        (r"\\10.1.2.3\share\a.exe", False),
        ("http://192.168.7.7:8080/a", False),
        ("http://8.8.4.4/a", True),
        ("version 10.0.19041.1", True),
        ("connects to 127.0.0.1.", False),
    ],
)
def test_a_text_that_shows_an_address_of_a_private_network_is_not_told(target: str, told: bool) -> None:
    """A text has no type by which it could be judged as a whole."""
    siblings = (("lnk-local-path", target),)
    given = attribute("md5", MD5, object=ObjectContext("o", "lnk", siblings=siblings))
    assert (f"target: {target}" in _evidence(given)[0].facts) is told


def test_indicators_of_one_object_carry_its_label() -> None:
    """So they find each other; one outside of objects has none."""
    uuid = "5f1c6a9e-3b0d-4c57-9f1e-2d8a7b6c5e40"
    holder = ObjectContext(uuid, "file")
    told = event(tags=["type:OSINT"])
    labels = {_evidence(attribute(type_, "0a" * size, object=holder), told)[0].labels for type_, size in (("md5", 16),)}
    assert labels == {(f"misp:object={uuid}", "type:OSINT")}
    assert _evidence(attribute(), told)[0].labels == ("type:OSINT",)


def test_first_and_last_seen_are_told_where_the_source_says_them() -> None:
    """In UTC; a date that no calendar has is left out."""
    given = attribute(first_seen=1_600_000_000, last_seen=1_700_000_000, comment="mine")
    assert _evidence(given)[0].facts == (
        "comment: mine",
        "first seen: 2020-09-13T12:26:40Z",
        "last seen: 2023-11-14T22:13:20Z",
    )
    assert _evidence(attribute(first_seen=-1, last_seen=10**15))[0].facts == ()


def test_a_false_positive_is_told_without_a_number() -> None:
    """The number would change the content each time."""
    several = (attribute(sightings=Sightings(false_positives=count)) for count in (1, 2, 30))
    assert {_evidence(one)[0].facts for one in several} == {("sighted as a false positive",)}
    assert _evidence(attribute(sightings=Sightings(seen=4)))[0].facts == ()


def test_tags_give_confidence_threat_type_and_context() -> None:
    """All of it in one place: an attribute with tags in an event with others."""
    told = event(
        tags=[
            'misp-galaxy:threat-actor="Sofacy"',
            'misp-galaxy:mitre-attack-pattern="Spearphishing Attachment - T1566.001"',
            'admiralty-scale:source-reliability="b"',
        ]
    )
    given = attribute(
        "sha256", "0a" * 32, tags=['misp-galaxy:mitre-malware="CHOPSTICK - S0023"', "kill-chain:Delivery"]
    )
    (made,) = _evidence(given, told)
    assert (made.confidence, made.threat_type) == (75, "Malware")
    assert made.context == Context(
        phases=(("lockheed-martin-cyber-kill-chain", "delivery"), ("mitre-attack", "initial-access")),
        techniques=(("T1566.001", "Spearphishing Attachment"),),
        actors=("Sofacy",),
        malware=("CHOPSTICK",),
    )


@pytest.mark.parametrize("unsaid", [{"local": True}, {"exportable": False}])
def test_what_must_not_leave_misp_says_nothing_outside(unsaid: dict[str, bool]) -> None:
    """Neither as a label nor as context, confidence or threat type."""
    names = ('misp-galaxy:threat-actor="Sofacy"', 'misp:confidence-level="unconfident"', "sentinel-threattype:C2")
    (made,) = _evidence(attribute(tags=[Tag(name, **unsaid) for name in names]))
    assert (made.context, made.confidence, made.threat_type, made.labels) == (NO_CONTEXT, 50, "WatchList", ())


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
