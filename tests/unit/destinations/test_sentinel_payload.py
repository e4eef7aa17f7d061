"""STIX objects for Sentinel, judged by OASIS' validators and Microsoft's field list."""

from __future__ import annotations

import json
from hashlib import sha512
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stix2patterns.validator import validate as validate_pattern
from stix2validator import ValidationOptions, validate_instance

from misp_modules_ext.destinations import sentinel_payload as payload
from misp_modules_ext.emulator.stix import problems
from misp_modules_ext.model.indicator import Context, Kind, Observable, Reference
from misp_modules_ext.model.misp import Tlp
from misp_modules_ext.model.outcome import Reason
from tests.support.build import NOW, due
from tests.support.shared import shared

from .values import HELD_BY_SENTINEL, VALUES

PATTERNS = {
    Kind.IPV4_ADDR: "[ipv4-addr:value = '203.0.113.7']",
    Kind.IPV6_ADDR: "[ipv6-addr:value = '2001:db8::7']",
    Kind.IPV4_CIDR: "[ipv4-addr:value = '203.0.113.0/24']",
    Kind.IPV6_CIDR: "[ipv6-addr:value = '2001:db8::/32']",
    Kind.DOMAIN_NAME: "[domain-name:value = 'c2.evil.example']",
    Kind.URL: r"[url:value = 'http://evil.example/it\'s?q=a\\b&c=%2F#é']",
    Kind.EMAIL_ADDR: r"[email-addr:value = 'o\'brien@evil.example']",
    Kind.FILE_MD5: f"[file:hashes.MD5 = '{VALUES[Kind.FILE_MD5]}']",
    Kind.FILE_SHA1: f"[file:hashes.'SHA-1' = '{VALUES[Kind.FILE_SHA1]}']",
    Kind.FILE_SHA256: f"[file:hashes.'SHA-256' = '{VALUES[Kind.FILE_SHA256]}']",
    Kind.FILE_NAME: r"[file:name = 'it\'s \\ a \'file\' 😀.exe']",
    Kind.X509_MD5: f"[x509-certificate:hashes.MD5 = '{VALUES[Kind.X509_MD5]}']",
    Kind.X509_SHA1: f"[x509-certificate:hashes.'SHA-1' = '{VALUES[Kind.X509_SHA1]}']",
    Kind.X509_SHA256: f"[x509-certificate:hashes.'SHA-256' = '{VALUES[Kind.X509_SHA256]}']",
    Kind.USER_AGENT: "[network-traffic:extensions.'http-request-ext'.request_header.'User-Agent' = "
    r"'Mozilla/5.0 (it\'s \\ an \'agent\')']",
    Kind.WINDOWS_REGISTRY_KEY: r"[windows-registry-key:key = 'HKEY_LOCAL_MACHINE\\SOFTWARE\\it\'s \'one\'']",
}
# What each kind's values may hold, as far as it matters for the way back: a slash makes a network of an address.
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
_QUOTED = st.lists(st.sampled_from(["'", "\\", "\\'", "']", " OR ", "[", "=", "é", "😀", "a", "/"]), max_size=12).map(
    "".join
)


def _problems(document: dict[str, Any]) -> list[str]:
    result = validate_instance(document, ValidationOptions(version="2.1"))
    return [str(error) for error in result.errors]


@pytest.mark.parametrize("kind", sorted(HELD_BY_SENTINEL))
def test_peers_11_each_kind_is_one_comparison_with_stix_own_names(kind: Kind) -> None:
    """No AND, no network-traffic, no 'SHA256': what Sentinel stores and never matches."""
    text = payload.pattern(Observable(kind, VALUES[kind]))
    assert text == PATTERNS[kind]
    assert validate_pattern(text, stix_version="2.1")


@given(st.sampled_from(sorted(HELD_BY_SENTINEL)), _TEXT | _QUOTED.filter(bool))
def test_every_kind_and_value_come_back_from_their_pattern(kind: Kind, value: str) -> None:
    """Only one form fits each: OASIS' parser takes the pattern, and ours finds the same kind and value in it."""
    if kind in (Kind.IPV4_ADDR, Kind.IPV6_ADDR, Kind.IPV4_CIDR, Kind.IPV6_CIDR):
        value = value.replace("/", "") + ("/24" if "cidr" in kind.value else "")
    if "hashes" in payload.PATHS[kind]:
        # OASIS' parser looks at hashes too: these have digits that depend on the value.
        value = sha512(value.encode()).hexdigest()[: len(VALUES[kind])]
    text = payload.pattern(Observable(kind, value))
    assert payload.observable(text) == Observable(kind, value)
    assert validate_pattern(text, stix_version="2.1")


def test_peers_11_what_sentinel_would_store_and_never_match_is_refused() -> None:
    """Every kind has a path or a sentence that says why not, none has both."""
    assert not payload.PATHS.keys() & payload.REFUSALS.keys()
    assert {*payload.PATHS, *payload.REFUSALS} == set(Kind)
    assert payload.PATHS.keys() == HELD_BY_SENTINEL
    for kind in payload.REFUSALS:
        refusal = payload.refusal(Observable(kind, VALUES[kind]))
        assert refusal is not None
        assert refusal.reason is Reason.KIND_NOT_HELD


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_peers_12_no_value_breaks_out_of_its_pattern(value: str) -> None:
    """Quotes and backslashes are escaped so that any value reads back as itself from a valid pattern."""
    text = payload.pattern(Observable(Kind.FILE_NAME, value))
    literal = text.removeprefix("[file:name = '").removesuffix("']")
    back, position = "", 0
    while position < len(literal):
        assert literal[position] != "'"
        position += literal[position] == "\\"
        back, position = back + literal[position], position + 1
    assert back == value


@pytest.mark.parametrize("value", ["a' OR [x:y = 'b", "\\", "\\'", "'", "a\nb", "']", "x\\\\'"])
def test_peers_12_the_pattern_stays_valid_for_values_made_to_break_it(value: str) -> None:
    """OASIS' own parser reads a single comparison out of each."""
    assert validate_pattern(payload.pattern(Observable(Kind.URL, value)), stix_version="2.1")


@pytest.mark.parametrize("kind", sorted(HELD_BY_SENTINEL))
@pytest.mark.parametrize("revoked", [False, True])
def test_each_object_is_valid_stix(kind: Kind, revoked: bool) -> None:
    """OASIS' validator finds no error in any kind, whether sent or taken back."""
    assert _problems(payload.stix_object(due(kind, VALUES[kind]), revoked=revoked)) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"labels": (), "facts": (), "references": (), "title": ""},
        {"valid_until": NOW - 7200},
        {"valid_from": 0, "valid_until": 0},
        {"valid_until": 10**15},
        {"confidence": 1000},
        {"confidence": -1},
        {"title": "x" * 5000, "facts": ("y" * 5000,), "labels": ("", "a\ud800", "a\ud800")},
        {"references": tuple(Reference(f"e{n}", "a", f"https://misp.example/{n}") for n in range(30))},
    ],
    ids="+".join,
)
def test_odd_content_is_still_valid_stix(fields: dict[str, Any]) -> None:
    """Empty, overlong, inverted and damaged content becomes an object that Sentinel's documented rules allow."""
    document = payload.stix_object(due(**fields))
    assert _problems(document) == []
    assert document["valid_until"] > document["valid_from"]
    assert 0 <= document["confidence"] <= 100
    assert len(document["name"]) <= payload.MAX_NAME
    assert len(document.get("description", "")) <= payload.MAX_DESCRIPTION
    assert len(document.get("external_references", ())) <= payload.MAX_REFERENCES


def test_only_documented_properties_are_sent() -> None:
    """Each property stands in Microsoft's field list, and all that it requires are there."""
    fields = json.loads(shared("microsoft", "sentinel-upload-documented-fields.json").read_text())
    known = fields["common"] | fields["indicator"]
    document = payload.stix_object(due(), revoked=True)
    assert set(document) <= set(known)
    assert {name for name, rule in known.items() if rule.get("required")} <= set(document)
    body = json.loads(payload.upload_body("MISP", [due()]))
    assert set(body) == set(fields["top_level"])
    assert document["type"] in fields["supported_types"]


@pytest.mark.parametrize(
    ("tlp", "level", "labels"),
    [
        (Tlp.CLEAR, "white", ["rhisac: vetted", "tlp:clear"]),
        (Tlp.GREEN, "green", ["rhisac: vetted", "tlp:green"]),
        (Tlp.AMBER, "amber", ["rhisac: vetted", "tlp:amber"]),
        (Tlp.AMBER_STRICT, "amber", ["rhisac: vetted", "tlp:amber+strict"]),
        (Tlp.RED, "red", ["rhisac: vetted", "tlp:red"]),
    ],
)
def test_tlp_is_a_marking_and_a_label(tlp: Tlp, level: str, labels: list[str]) -> None:
    """The four ids are those that Microsoft documents."""
    fields = json.loads(shared("microsoft", "sentinel-upload-documented-fields.json").read_text())
    document = payload.stix_object(due(tlp=tlp))
    assert document["object_marking_refs"] == [fields["tlp_marking_ids"][level]]
    assert document["labels"] == labels


def test_times_and_state_come_from_content_and_stamp() -> None:
    """RFC 3339 with milliseconds; `revoked` stands there only when taking back, with the content unchanged."""
    sent, taken = payload.stix_object(due()), payload.stix_object(due(), revoked=True)
    assert sent["valid_from"] == "2026-11-24T11:00:00.000Z"
    assert sent["created"] == "2026-11-23T12:00:00.000Z"
    assert sent["modified"] == "2026-11-24T11:00:00.000Z"
    assert "revoked" not in sent
    assert taken == sent | {"revoked": True}


def test_the_way_back_to_misp_is_there_twice() -> None:
    """As an external reference for programs and in the description for people."""
    document = payload.stix_object(due())
    reference = document["external_references"][0]
    assert reference["source_name"] == "MISP"
    attribute = due().indicator.references[0].attribute
    assert reference["url"].endswith(f"/events/view/{reference['external_id']}/focus:{attribute}")
    assert reference["description"] == f"Attribute {attribute}"
    assert document["description"] == f"Campaign; C2 server {reference['url']}"


_CONTEXT = Context(
    phases=(("lockheed-martin-cyber-kill-chain", "delivery"), ("mitre-attack", "initial-access")),
    techniques=(("T1566", "Phishing"), ("T1566.001", "Spearphishing Attachment")),
    actors=("Sofacy",),
    malware=("X-Tunnel",),
)


def test_phases_of_kill_chains_are_stix_objects() -> None:
    """One for each; without any the property is not there."""
    document = payload.stix_object(due(context=_CONTEXT))
    assert document["kill_chain_phases"] == [
        {"kill_chain_name": "lockheed-martin-cyber-kill-chain", "phase_name": "delivery"},
        {"kill_chain_name": "mitre-attack", "phase_name": "initial-access"},
    ]
    assert problems(document) == []
    assert "kill_chain_phases" not in payload.stix_object(due())


@pytest.mark.parametrize(
    ("threat", "type_", "labels"),
    [
        ("WatchList", "malicious-activity", set()),
        ("C2", "malicious-activity", {"sentinel-threattype:C2"}),
        ("Proxy", "anonymization", {"sentinel-threattype:Proxy"}),
        ("Darknet", "anonymization", {"sentinel-threattype:Darknet"}),
        ("PUA", "anomalous-activity", {"sentinel-threattype:PUA"}),
        ("our own words", "malicious-activity", {"sentinel-threattype:our own words"}),
    ],
)
def test_the_threat_type_is_stixs_word_and_microsofts_is_a_label(threat: str, type_: str, labels: set[str]) -> None:
    """Once: an analyst's own tag in another case says it already."""
    document = payload.stix_object(due(threat_type=threat))
    assert document["indicator_types"] == [type_]
    assert {label for label in document["labels"] if label.startswith("sentinel")} == labels
    said = payload.stix_object(due(threat_type=threat, labels=(f"Sentinel-ThreatType:{threat}",)))
    assert sum("threattype" in label.lower() for label in said["labels"]) == 1
