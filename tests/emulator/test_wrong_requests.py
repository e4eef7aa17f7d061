"""What Microsoft refuses or never matches, and peers send: the emulator says so."""

from __future__ import annotations

from typing import Any

import pytest

from misp_modules_ext.emulator import Behaviour
from misp_modules_ext.emulator.defender_rules import complaint
from misp_modules_ext.emulator.graph_rules import problem
from misp_modules_ext.emulator.patterns import observable
from misp_modules_ext.emulator.stix import problems

INDICATOR = {
    "type": "indicator",
    "spec_version": "2.1",
    "id": "indicator--67e62408-e3de-5783-9480-f595d4fdae52",
    "created": "2026-11-24T10:00:00.000Z",
    "modified": "2026-11-24T10:00:00.000Z",
    "valid_from": "2026-11-24T10:00:00.000Z",
    "valid_until": "2027-02-22T10:00:00.000Z",
    "pattern": "[ipv4-addr:value = '203.0.113.7']",
    "pattern_type": "stix",
}
TI = {
    "targetProduct": "Azure Sentinel",
    "action": "alert",
    "description": "x",
    "expirationDateTime": "2027-02-22T10:00:00Z",
    "threatType": "WatchList",
    "tlpLevel": "amber",
}


def test_the_good_ones_are_good() -> None:
    """So that the refusals below have one cause each."""
    assert problems(INDICATOR) == []
    assert problem(TI | {"networkIPv4": "203.0.113.7"}) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"object_marking_refs": ["marking-definition--00000000-0000-4000-8000-000000000000"]},
        {"object_marking_refs": []},
        {"labels": []},
        {"indicator_types": []},
        {"external_references": []},
        {"kill_chain_phases": []},
    ],
)
def test_sentinel_refuses_other_markings_and_empty_lists(wrong: dict[str, Any]) -> None:
    """One of the four TLP ids is documented; STIX 2.1 forbids empty lists."""
    assert problems(INDICATOR | wrong)


@pytest.mark.parametrize(
    "pattern",
    [
        "hello world",
        "[domain-name:value = 'it's']",
        "[file:name = 'a' AND file:hashes.MD5 = 'b']",
        "[ipv4-addr:value = '203.0.113.7'",
        "[mutex:name = 'a']",
        "[email-message:subject = 'a']",
        "[autonomous-system:number = 64496]",
        "[ja3:value = 'a']",
        "[x509-certificate:hashes.SHA1 = 'a']",
        "[x509-certificate:hashes.'SSDEEP' = 'a']",
        "[file:parent_directory_ref.path = 'a']",
        "",
    ],
)
def test_peers_11_patterns_that_match_nothing_have_no_key(pattern: str) -> None:
    """PEERS 11: stored, and never matched; the request's notes say so."""
    assert observable(pattern) == ("", "")


@pytest.mark.parametrize(
    "wrong",
    [
        {"networkIPv4": "203.0.113.0/24"},
        {"networkIPv4": "2001:db8::1"},
        {"networkIPv6": "foo"},
        {"fileHashType": "sha256", "fileHashValue": "zz"},
        {"fileHashType": "md5", "fileHashValue": "a" * 40},
        {"fileHashType": "ctph", "fileHashValue": "a" * 40},
        {"fileHashType": "lsHash", "fileHashValue": "T1 a"},
        {"fileHashType": "authenticodeHash256", "fileHashValue": "a" * 40},
    ],
)
def test_peers_08_graph_refuses_what_a_property_cannot_hold(wrong: dict[str, str]) -> None:
    """PEERS 8: a network is no address, and a hash has its length."""
    assert problem(TI | wrong)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("Url", "http://10.0.0.1/x"), ("IpAddress", "::ffff:10.0.0.1"), ("IpAddress", "0:0:0:0:0:ffff:a00:1")],
)
def test_defender_refuses_internal_addresses_in_any_dress(kind: str, value: str) -> None:
    """Also in a URL, and as an IPv4-mapped address."""
    entity = {"indicatorValue": value, "indicatorType": kind, "action": "Audit", "title": "x", "description": "x"}
    assert complaint(entity | {"generateAlert": True}, 0.0, Behaviour()) is not None
