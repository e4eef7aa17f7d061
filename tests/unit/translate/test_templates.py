"""The rows of object templates against MISP's own definitions, as PyMISP brings them."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

import pytest

from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.model.misp import Attribute, ObjectContext
from misp_modules_ext.model.outcome import Reason
from misp_modules_ext.translate import observe
from misp_modules_ext.translate.templates import TEMPLATES
from misp_modules_ext.translate.types import PARSERS, PARSERS_IN_OBJECTS, TYPES
from tests.support.build import attribute


@cache
def defined(name: str) -> dict[str, str]:
    """Relation -> MISP attribute type, of one template."""
    place = files("pymisp").joinpath("data", "misp-objects", "objects", name, "definition.json")
    attributes = json.loads(place.read_text("utf-8"))["attributes"]
    return {relation: rule["misp-attribute"] for relation, rule in attributes.items()}


#: Templates without a row whose relations are read by their types: each was looked at, and is the attacker's.
REVIEWED = {
    "cert-pl-phishing": "url",
    "cytomic-orion-file": "fileName",
    "data-url": "data",
    "dga-domain": "domain",
    "dom-hash": "url",
    "domain-crawled": "domain url",
    "exploit": "filename",
    "fail2ban": "banned-ip",
    "impersonation": "account-url",
    "irc": "hostname ip",
    "ja4-plus": "ip-src",
    "network-data": "dst_ASN dst_IP dst_hostname src_ASN src_IP src_hostname",
    "network-traffic": "dst_hostname dst_ip src_hostname src_ip",
    "passive-ssh": "host",
    "paste": "url",
    "ransom-negotiation": "chatsite url_leaksite wallet-address",
    "rmm": "hostname url",
    "rst-ioc": "filename",
    "spearphishing-campaign": "email-embedded-link email-sender email-sender-ip email-subject mitm-connect-back-ip "
    "mitm-connect-back-useragent phishing-domain phishing-ip phishing-url",
    "stairwell": "imphash md5 sha1 sha256 tlsh",
    "trustar_report": "BITCOIN_ADDRESS CIDR_BLOCK EMAIL_ADDRESS IP MD5 REGISTRY_KEY SHA1 SHA256 SOFTWARE URL",
    "tsk-web-downloads": "url",
    "virustotal-submission": "filename",
}


def _templates() -> list[str]:
    place = files("pymisp").joinpath("data", "misp-objects", "objects")
    return sorted(entry.name for entry in place.iterdir() if entry.joinpath("definition.json").is_file())


@pytest.mark.parametrize("name", _templates())
def test_no_template_is_read_by_its_types_unseen(name: str) -> None:
    """Most of their relations have the IDS flag on by default: a template that MISP brings anew makes this fail."""
    readable = {relation for relation, type_ in defined(name).items() if type_ in PARSERS}
    assert name in TEMPLATES or readable == set(REVIEWED.get(name, "").split())


def test_nothing_reviewed_has_a_row() -> None:
    """One of the two decides."""
    assert not REVIEWED.keys() & TEMPLATES.keys()


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_row_names_only_what_its_template_has(name: str) -> None:
    """A relation that is misspelt would never be found."""
    row = TEMPLATES[name]
    assert {*row.observables, *row.read_as, *row.facts, *row.silent} - {"*"} <= defined(name).keys()


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_relation_counts_or_has_a_reason_but_not_both(name: str) -> None:
    """What is read as another type counts too."""
    row = TEMPLATES[name]
    assert not row.observables & row.silent.keys()
    assert row.read_as.keys() <= row.observables
    assert not (row.observables and "*" in row.silent)


@pytest.mark.parametrize("name", TEMPLATES)
def test_facts_have_the_types_of_their_relations(name: str) -> None:
    """By the type, whoever tells a fact knows whether its value may be told."""
    for relation, fact in TEMPLATES[name].facts.items():
        type_ = defined(name)[relation]
        assert fact.type == ("" if type_ in ("text", "other") else type_)


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_relation_that_could_be_an_indicator_is_decided(name: str) -> None:
    """It counts, or has a reason: a template that gets a new one makes this fail."""
    row = TEMPLATES[name]
    for relation, type_ in defined(name).items():
        assert type_ not in PARSERS_IN_OBJECTS or relation in row.observables or row.why_silent(relation), relation


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_counts_can_be_read(name: str) -> None:
    """By its own type, or by the one that the row names."""
    row = TEMPLATES[name]
    for relation in row.observables:
        assert row.read_as.get(relation, defined(name)[relation]) in PARSERS_IN_OBJECTS


@pytest.mark.parametrize("name", ["network-connection", "network-socket", "netflow", "http-request", "process"])
def test_no_fact_says_whom_an_attack_was_aimed_at(name: str) -> None:
    """The destination may be the victim's, and so may what a command line or a path names."""
    told = TEMPLATES[name].facts.keys()
    assert not told & {"ip-dst", "hostname-dst", "dst-as", "host", "uri", "command-line", "parent-command-line"}


def _in_object(name: str, relation: str, type_: str, value: str) -> Attribute:
    return attribute(type_, value, relation=relation, object=ObjectContext("u", name))


@pytest.mark.parametrize(
    ("name", "relation", "type_", "value", "kind"),
    [
        ("file", "sha256", "sha256", "0a" * 32, Kind.FILE_SHA256),
        ("file", "fullpath", "text", r"C:\a\b.exe", Kind.FILE_PATH),
        ("mutex", "name", "text", "Global\\x", Kind.MUTEX),
        ("process", "name", "text", "a.exe", Kind.PROCESS_NAME),
        ("process", "image", "filename", r"C:\a\b.exe", Kind.FILE_PATH),
        ("ja3s", "ja3s-fingerprint-md5", "ja3-fingerprint-md5", "0a" * 16, Kind.JA3S),
        ("ja3s", "ja3-fingerprint-md5", "ja3-fingerprint-md5", "0a" * 16, Kind.JA3),
        ("android-app", "certificate", "sha1", "0a" * 20, Kind.X509_SHA1),
        ("email", "from", "email-src", "a@evil.example", Kind.EMAIL_ADDR),
        ("url", "host", "hostname", "evil.example", Kind.DOMAIN_NAME),
        ("a template that nobody knows", "name", "domain", "evil.example", Kind.DOMAIN_NAME),
    ],
)
def test_what_counts_becomes_its_kind(name: str, relation: str, type_: str, value: str, kind: Kind) -> None:
    """Also where MISP has no type for it and calls it a text."""
    assert observe(_in_object(name, relation, type_, value)).observables == (Observable(kind, value),)


@pytest.mark.parametrize(
    ("name", "relation", "type_", "value", "why"),
    [
        ("email", "to", "email-dst", "a@victim.example", "who received a mail"),
        ("pe", "richpe", "md5", "0a" * 16, "a part of the header"),
        ("pe-section", "md5", "md5", "0a" * 16, "a section of the file"),
        ("person", "e-mail", "email-src", "a@victim.example", "about a person"),
        ("victim", "domain", "domain", "victim.example", "who was attacked"),
        ("credit-card", "cc-number", "cc-number", "4111111111111111", "payment card"),
        ("x509", "ocsp_server", "uri", "http://ocsp.example/", "the authority"),
        ("dns-record", "ns-record", "domain", "ns.example", "many others"),
        ("typosquatting-finder", "research-domain", "domain", "victim.example", "the side that was attacked"),
        ("typosquatting-finder-result", "ns-record", "domain", "ns.example", "many others"),
        ("intelmq_event", "destination.ip", "ip-dst", "192.0.2.1", "the side that was attacked"),
        ("cowrie", "dst_ip", "ip-dst", "192.0.2.1", "the side that was attacked"),
        ("regripper-system-hive-network-information", "DHCP-name-server", "ip-dst", "192.0.2.1", "a machine"),
        ("dkim", "d", "domain", "victim.example", "the domain that signs mail"),
        ("pcap-metadata", "file-hash-md5", "md5", "0a" * 16, "identifies a record"),
        ("twitter-post", "url", "url", "https://x.example/1", "was written or shown"),
        ("ftm-Person", "email", "email-src", "a@victim.example", "about a person"),
        ("paloalto-threat-event", "dst", "ip-dst", "192.0.2.1", "the side that was attacked"),
        ("gtp-attack", "ipDest", "ip-dst", "192.0.2.1", "the side that was attacked"),
        ("attack-step", "dst-domain", "domain", "victim.example", "the side that was attacked"),
        ("edr-report", "ip", "ip-src", "192.0.2.1", "a machine"),
        ("mfa-auth", "access-device-ip", "ip-src", "192.0.2.1", "a machine"),
        ("device", "ip-address", "ip-src", "192.0.2.1", "a machine"),
        ("tracking-id", "hostname", "hostname", "shop.example", "assumed to be safe"),
        ("research-scanner", "contact_email", "email-dst", "a@research.example", "how to reach"),
        ("fbi-most-wanted", "url", "url", "https://gov.example/1", "about a person"),
    ],
)
def test_what_does_not_count_says_why(name: str, relation: str, type_: str, value: str, why: str) -> None:
    """Outside of the object the same attribute would be read as its type says."""
    seen = observe(_in_object(name, relation, type_, value))
    assert (seen.observables, seen.reason) == ((), Reason.UNSUPPORTED_TYPE)
    assert why in seen.message
    assert f"`{relation}` of an object `{name}`" in seen.message
    assert bool(observe(attribute(type_, value)).observables) is bool(TYPES[type_].kinds)
