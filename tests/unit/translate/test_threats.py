"""Microsoft's threat type: what is stated before what is implied, an attribute before its event."""

from __future__ import annotations

import json

import pytest

from misp_modules_ext.destinations.graph_payload import OTHER_THREAT, THREAT_TYPES
from misp_modules_ext.model.indicator import Kind
from misp_modules_ext.translate.galaxies import GALAXIES, context_of
from misp_modules_ext.translate.machine_tags import machine_tag
from misp_modules_ext.translate.threats import (
    BY_CATEGORY,
    BY_GALAXY,
    BY_TAXONOMY,
    BY_TECHNIQUE,
    THREATS,
    Hint,
    decided,
    hints,
    threat_type,
)
from tests.support.shared import shared


def _hints(names: list[str]) -> list[Hint]:
    return [hint for tag in map(machine_tag, names) for hint in hints(tag, context_of(tag))]


def _type(own: list[str], events: list[str] | None = None, kind: Kind = Kind.DOMAIN_NAME, category: str = "") -> str:
    return threat_type(decided(_hints(own), _hints(events or [])), category, kind, "WatchList")


def test_the_words_are_microsofts() -> None:
    """Those of MISP's taxonomy for them, and of Graph; the tables use no other."""
    taxonomy = json.loads(shared("reference", "taxonomies", "sentinel-threattype.machinetag.json").read_text("utf-8"))
    assert set(THREATS) == {predicate["value"] for predicate in taxonomy["predicates"]}
    assert set(THREATS) == {*THREAT_TYPES, OTHER_THREAT}
    tables = (BY_GALAXY, BY_TAXONOMY, BY_TECHNIQUE, BY_CATEGORY)
    assert {word for table in tables for threat in table.values() for word in threat} <= {*THREATS, ""}
    assert set(BY_GALAXY) <= set(GALAXIES)


@pytest.mark.parametrize(
    ("own", "events", "kind", "threat"),
    [
        (["sentinel-threattype:C2"], [], Kind.FILE_MD5, "C2"),
        (["Sentinel-ThreatType:cryptomining"], [], Kind.URL, "CryptoMining"),
        # Stated beats a word, a word beats what is implied, wherever it stands.
        (["phishing"], ["sentinel-threattype:Proxy"], Kind.URL, "Proxy"),
        (['misp-galaxy:botnet="Asprox"'], ["C2"], Kind.URL, "C2"),
        # The attribute's own before the event's.
        (["sentinel-threattype:Malware"], ["sentinel-threattype:C2"], Kind.URL, "Malware"),
        (["phishing"], ["c2"], Kind.URL, "Phishing"),
        # Of several the most telling.
        (["sentinel-threattype:Malware", "sentinel-threattype:C2"], [], Kind.URL, "C2"),
        # A galaxy of malware speaks of files.
        ([], ['misp-galaxy:mitre-malware="CHOPSTICK"'], Kind.FILE_SHA256, "Malware"),
        ([], ['misp-galaxy:mitre-malware="CHOPSTICK"'], Kind.DOMAIN_NAME, "WatchList"),
        ([], ['misp-galaxy:botnet="Asprox"'], Kind.IPV4_ADDR, "Botnet"),
        ([], ['misp-galaxy:botnet="Asprox"'], Kind.FILE_MD5, "Malware"),
        ([], ['misp-galaxy:rat="NanoCore"'], Kind.MUTEX, "Malware"),
        ([], ['misp-galaxy:rat="NanoCore"'], Kind.WINDOWS_REGISTRY_KEY, "Malware"),
        ([], ['misp-galaxy:rat="NanoCore"'], Kind.PHONE_NUMBER, "WatchList"),
        ([], ['misp-galaxy:cryptominers="WannaMine"'], Kind.DOMAIN_NAME, "CryptoMining"),
        ([], ['phishing:techniques="fake-website"'], Kind.URL, "Phishing"),
        ([], ['ms-caro-malware:malware-type="PUA"'], Kind.FILE_MD5, "PUA"),
        ([], ['ms-caro-malware:malware-type="Ransom"'], Kind.FILE_MD5, "Malware"),
        # A technique or phase speaks of the attribute that carries it.
        (['misp-galaxy:mitre-attack-pattern="Spearphishing Link - T1566.002"'], [], Kind.URL, "Phishing"),
        ([], ['misp-galaxy:mitre-attack-pattern="Spearphishing Link - T1566.002"'], Kind.URL, "WatchList"),
        (['misp-galaxy:mitre-attack-pattern="Web Protocols - T1071.001"'], [], Kind.DOMAIN_NAME, "C2"),
        (["kill-chain:Command and Control"], [], Kind.DOMAIN_NAME, "C2"),
        (["kill-chain:Command and Control"], [], Kind.FILE_MD5, "WatchList"),
        (["kill-chain:Delivery"], [], Kind.DOMAIN_NAME, "WatchList"),
        ([], [], Kind.DOMAIN_NAME, "WatchList"),
    ],
)
def test_what_tags_say(own: list[str], events: list[str], kind: Kind, threat: str) -> None:
    """Without anything that says it, what is configured counts: WatchList here."""
    assert _type(own, events, kind) == threat
    assert _type(own[::-1], events[::-1], kind) == threat


@pytest.mark.parametrize(
    ("category", "kind", "threat"),
    [
        ("Payload delivery", Kind.FILE_SHA256, "Malware"),
        ("Payload delivery", Kind.URL, "MaliciousUrl"),
        ("Payload delivery", Kind.EMAIL_ADDR, "WatchList"),
        ("Artifacts dropped", Kind.FILE_NAME, "Malware"),
        ("Network activity", Kind.URL, "WatchList"),
        ("External analysis", Kind.FILE_MD5, "WatchList"),
    ],
)
def test_what_a_category_says_comes_last(category: str, kind: Kind, threat: str) -> None:
    """Only where it is clear; a tag says more."""
    assert _type([], [], kind, category) == threat
    assert _type(["sentinel-threattype:PUA"], [], kind, category) == "PUA"
