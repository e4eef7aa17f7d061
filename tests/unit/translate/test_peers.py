"""Ways in which other tools lose or change data while translating; the numbers are those of our list of them."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from dataclasses import replace

import pytest

from misp_modules_ext.config.settings import DAY, IndicatorRules
from misp_modules_ext.destinations import defender_payload, graph_payload, sentinel_payload
from misp_modules_ext.model.indicator import Context, Kind, Observable
from misp_modules_ext.model.misp import Attribute, Decay, Event, Sightings, Tag, Tlp
from misp_modules_ext.model.outcome import Reason
from misp_modules_ext.translate import Merged, evidence, merge, observe
from misp_modules_ext.translate.types import TYPES
from tests.support.build import NOW, attribute, event

MD5, SHA256 = "0a" * 16, "0c" * 32


def _merged(told: Event) -> list[Merged]:
    rules = IndicatorRules()
    return merge(item for a in told.attributes for item in evidence(told, a, observe(a), rules, "", NOW))


def _observables(type_: str, value: str) -> tuple[Observable, ...]:
    return observe(attribute(type_, value)).observables


def test_peers_05_an_odd_value_or_tag_stops_nothing() -> None:
    """Upper-case markings, missing tags, an address without `@`, a bar in a file name: the rest goes all the same."""
    odd = event(
        attribute("email-src", "no at sign"),
        attribute("filename|md5", f"a|b.exe|{MD5}"),
        attribute("domain", "evil.example", tags=["TLP:AMBER", "", "tlp:"]),
        attribute("ip-dst", ""),
        attribute("", "x"),
        attribute("url", "https://evil.example/a"),
        tags=[Tag("TLP:GREEN")],
    )
    assert [m.indicator.observable.kind for m in _merged(odd)] == [Kind.FILE_MD5, Kind.DOMAIN_NAME, Kind.URL]
    assert [m.indicator.tlp for m in _merged(odd)] == [Tlp.GREEN, Tlp.AMBER, Tlp.GREEN]
    assert _merged(event(attribute()))[0].indicator.labels == ()


def test_peers_07_composites_keep_both_halves() -> None:
    """The hash of `filename|sha256` and the address of `domain|ip` are there."""
    assert _observables("filename|sha256", f"a.exe|{SHA256}") == (Observable(Kind.FILE_SHA256, SHA256),)
    assert observe(attribute("filename|sha256", f"a.exe|{SHA256}")).facts == ("file name: a.exe",)
    assert _observables("filename|imphash", f"a.exe|{MD5}") == (Observable(Kind.FILE_IMPHASH, MD5),)
    assert _observables("regkey|value", r"HKLM\a|b") == (
        Observable(Kind.WINDOWS_REGISTRY_KEY, r"HKEY_LOCAL_MACHINE\a"),
    )
    assert observe(attribute("regkey|value", r"HKLM\a|b")).facts == ("registry value: b",)
    assert _observables("domain|ip", "evil.example|192.0.2.1") == (
        Observable(Kind.DOMAIN_NAME, "evil.example"),
        Observable(Kind.IPV4_ADDR, "192.0.2.1"),
    )


def test_peers_08_a_range_is_a_kind_of_its_own() -> None:
    """A range never stands in the field of an address, and is never dropped here: destinations decide by its kind."""
    assert _observables("ip-src", "203.0.113.0/24") == (Observable(Kind.IPV4_CIDR, "203.0.113.0/24"),)
    assert _observables("ip-dst", "2001:db8::/32") == (Observable(Kind.IPV6_CIDR, "2001:db8::/32"),)


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("email-src", "a@evil.example"),
        ("ip-src", "192.0.2.1"),
        ("ip-src", "2001:db8::1"),
        ("hostname", "c2.evil.example"),
        ("user-agent", "Mozilla/5.0"),
        ("AS", "AS64496"),
        ("mutex", "Global\\x"),
        ("imphash", MD5),
        *[(type_, "x") for type_ in TYPES],
    ],
)
def test_peers_09_no_type_vanishes(type_: str, value: str) -> None:
    """Each goes, or has a reason and a sentence that says it; each destination holds what goes or says why not."""
    observation = observe(attribute(type_, value))
    assert bool(observation.observables) is (observation.reason is None) is not bool(observation.message)
    if observation.reason is Reason.UNSUPPORTED_TYPE:
        assert f"`{type_}`" in observation.message
    for observable in observation.observables:
        for refused in (
            sentinel_payload.refusal(observable),
            defender_payload.refusal(observable),
            graph_payload.refusal(observable, graph_payload.SENTINEL),
        ):
            assert refused is None or refused.message.endswith(".")


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ("hxxp://evil.example/a", "http://evil.example/a"),
        ("https://[2001:db8::1]/a", "https://[2001:db8::1]/a"),
        ("https://evil.example/a%2Fb", "https://evil.example/a%2Fb"),
        ("https://evil.example/Ünïcode", "https://evil.example/Ünïcode"),
        ("https://evil.example/a#fragment", "https://evil.example/a#fragment"),
        ("http://evil.example:80/", "http://evil.example:80/"),
        ("http://user:pass@evil.example/", "http://user:pass@evil.example/"),
    ],
)
def test_peers_10_urls_are_refanged_and_otherwise_kept(given: str, value: str) -> None:
    """Brackets, percent-encoding, other scripts and fragments survive."""
    assert _observables("url", given) == (Observable(Kind.URL, value),)


def test_peers_13_expiry_goes_by_kind_and_last_sighting() -> None:
    """A domain with `url` in its name is a domain, `last_seen` counts, and a new indicator lives its whole window."""
    rules = IndicatorRules(window_by_kind=((Kind.URL, DAY),))
    seen = NOW + 10 * DAY
    given = attribute("domain", "curl-update.example", timestamp=NOW, last_seen=seen)
    (made,) = evidence(event(), given, observe(given), rules, "", NOW)
    assert made.valid_until == seen + 120 * DAY


def test_peers_13_an_old_attribute_that_is_new_to_us_lives_its_whole_window() -> None:
    """Synchronised from another MISP years after it was made: no date of a file or of an earlier run cuts it."""
    for told in (attribute(timestamp=1), attribute(timestamp=0), attribute(timestamp=1, last_seen=2, first_seen=1)):
        (made,) = evidence(event(date="2019-01-01"), told, observe(told), IndicatorRules(), "", NOW)
        assert made.valid_until == NOW + 120 * DAY


def test_peers_13_what_misp_says_of_the_end_counts() -> None:
    """An Expiration sighting ends it, a decay model dates it, and a sighting renews it."""
    expired = attribute(timestamp=NOW - DAY, sightings=Sightings(expires=NOW - 5))
    decaying = attribute(timestamp=NOW - DAY, decay=Decay(30 * DAY, "NIDS"))
    seen = replace(decaying, sightings=Sightings(seen=1, last=NOW))
    made = [evidence(event(), a, observe(a), IndicatorRules(), "", NOW)[0] for a in (expired, decaying, seen)]
    assert [item.valid_until for item in made] == [NOW - 5, NOW + 29 * DAY, NOW + 30 * DAY]


def test_peers_14_comments_of_others_stay_with_them() -> None:
    """An attribute brings its own comment only."""
    told = event(attribute("domain", "a.example", comment="mine"), attribute("domain", "b.example", comment="other"))
    assert [m.indicator.facts for m in _merged(told)] == [("comment: mine",), ("comment: other",)]


def test_peers_14_markings_are_the_strictest_and_never_clear_by_default() -> None:
    """No TLP is the default, `amber+strict` stays stricter than amber, red beats whatever stands beside it."""
    untagged, strict, red = (attribute("domain", f"{name}.example", tags=tags) for name, tags in _MARKED)
    assert [m.indicator.tlp for m in _merged(event(untagged, strict, red, tags=["TLP:clear", "tlp:ex:chr"]))] == [
        Tlp.CLEAR,
        Tlp.AMBER_STRICT,
        Tlp.RED,
    ]
    assert _merged(event(untagged))[0].indicator.tlp is Tlp.AMBER
    assert _merged(event(untagged, tags=["tlp:rainbow", "tlp:ex:chr", "tlp:unclear"]))[0].indicator.tlp is Tlp.AMBER


_MARKED = (("a", []), ("b", ["tlp:amber+strict", "tlp:green"]), ("c", ["tlp:green", "Tlp:RED"]))


def test_peers_15_what_the_event_says_counts_for_its_attributes() -> None:
    """Confidence, kill chain, threat type and galaxies of the event reach the indicator."""
    tags = [
        'misp:confidence-level="usually-confident"',
        "kill-chain:Delivery",
        "sentinel-threattype:Phishing",
        'misp-galaxy:threat-actor="Sofacy"',
        'misp-galaxy:mitre-malware="X-Tunnel - S0117"',
        'misp-galaxy:mitre-attack-pattern="Phishing - T1566"',
    ]
    (made,) = _merged(event(attribute(), tags=tags))
    assert (made.indicator.confidence, made.indicator.threat_type) == (75, "Phishing")
    assert made.indicator.context == Context(
        phases=(("lockheed-martin-cyber-kill-chain", "delivery"), ("mitre-attack", "initial-access")),
        techniques=(("T1566", "Phishing"),),
        actors=("Sofacy",),
        malware=("X-Tunnel",),
    )
    assert set(tags) == set(made.indicator.labels)


def test_peers_16_the_id_follows_from_the_observable_alone() -> None:
    """Attribute UUIDs of every version give one id, the same in every process."""
    named = uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
    uuids = [str(named), str(uuid.uuid3(named, "x")), str(uuid.uuid5(named, "x")), "no uuid", ""]
    ids = {_merged(event(_with_uuid(text)))[0].indicator.observable.stix_id() for text in uuids}
    assert ids == {Observable(Kind.DOMAIN_NAME, "evil.example").stix_id()}
    program = (
        "from misp_modules_ext.model.indicator import Context, Kind, Observable;"
        "print(Observable(Kind.DOMAIN_NAME, 'evil.example').stix_id())"
    )
    for seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.strip() in ids


def _with_uuid(text: str) -> Attribute:
    return attribute("domain", "evil.example", uuid=text)


def test_peers_19_the_second_event_leaves_its_trace() -> None:
    """The same value in two events has the stricter TLP, all tags and the later expiry."""
    first, second = attribute(timestamp=NOW), attribute(timestamp=NOW + DAY)
    mild, strict = event(first, tags=["tlp:green", "a"]), event(second, uuid="other", tags=["tlp:red", "b"])
    rules = IndicatorRules()
    (merged,) = merge(
        item
        for told in (mild, strict)
        for a in told.attributes
        for item in evidence(told, a, observe(a), rules, "", NOW)
    )
    assert merged.indicator.tlp is Tlp.RED
    assert merged.indicator.labels == ("a", "b")
    assert merged.indicator.valid_until == NOW + 121 * DAY
    assert len(merged.indicator.references) == 2
