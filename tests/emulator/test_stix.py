"""What the upload accepts, object by object, and which patterns are taken apart."""

from __future__ import annotations

from typing import Any

import pytest

from misp_modules_ext.emulator.patterns import UNPARSED, observable
from misp_modules_ext.emulator.stix import problems

from .world import indicator, stix_id

MARKING = "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82"


@pytest.mark.parametrize("name", ["id", "type", "created", "modified", "pattern", "pattern_type", "valid_from"])
def test_required_properties(name: str) -> None:
    """Each missing property is named in the documented sentence."""
    assert problems({key: value for key, value in indicator().items() if key != name}) == [
        f"Error for Property={name}: Required property is missing. Actual value: NULL."
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("type", "malware"),
        ("type", ["indicator"]),
        ("id", "indicator--7"),
        ("id", stix_id(1, "identity")),
        ("created", "2026-11-24T10:00:00"),
        ("modified", "2026-11-24 10:00:00Z"),
        ("modified", "2026-11-24T09:59:59.999Z"),
        ("modified", "2026-13-24T10:00:00Z"),
        ("valid_from", 1764000000),
        ("valid_until", "2026-11-24T10:00:00.000Z"),
        ("valid_until", "2026-11-24T10:00:00+00:00"),
        ("spec_version", "2.2"),
        ("revoked", "true"),
        ("labels", "tlp:amber"),
        ("labels", [1]),
        ("indicator_types", "malicious-activity"),
        ("confidence", 101),
        ("confidence", -1),
        ("confidence", True),
        ("confidence", "80"),
        ("confidence", 80.5),
        ("object_marking_refs", ["tlp:amber"]),
        ("object_marking_refs", MARKING),
        ("object_marking_refs", [MARKING, "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"]),
        ("granular_markings", []),
        ("granular_markings", [{"marking_ref": MARKING, "selectors": []}]),
        ("x_unknown", []),
        ("x_unknown", {"x": [1, []]}),
        ("external_references", [{"url": "https://misp.example"}]),
        ("external_references", [{"source_name": "MISP", "url": 7}]),
        ("kill_chain_phases", ["delivery"]),
        ("extensions", []),
        ("created_by_ref", "MISP"),
        ("name", 7),
        ("description", ["text"]),
        ("pattern", 7),
    ],
)
def test_wrong_values(name: str, value: Any) -> None:
    """A value of the wrong kind or range is refused with the property and the value in the message."""
    found = problems(indicator(**{name: value}))
    assert len(found) == 1
    assert found[0].startswith(f"Error for Property={name}: ")


def test_a_full_indicator_passes() -> None:
    """Every documented property at once, and an unknown one, are accepted."""
    full = indicator(
        description="text",
        indicator_types=["malicious-activity"],
        pattern_version="2.1",
        labels=["tlp:amber"],
        confidence=0,
        lang="en",
        revoked=False,
        object_marking_refs=[MARKING],
        external_references=[{"source_name": "MISP", "external_id": "x", "hashes": {"MD5": "0" * 32}}],
        kill_chain_phases=[{"kill_chain_name": "k", "phase_name": "p"}],
        created_by_ref=stix_id(2, "identity"),
        granular_markings=[{"marking_ref": MARKING, "selectors": ["name"]}],
        extensions={"x": {}},
        x_unknown=1,
        valid_until=None,
    )
    assert problems(full) == []


@pytest.mark.parametrize("item", [None, 7, "text", []])
def test_not_an_object(item: Any) -> None:
    """Something that is no object is an item error, not a crash."""
    assert len(problems(item)) == 1


@pytest.mark.parametrize(
    ("kind", "more", "missing"),
    [
        ("attack-pattern", {"name": "T1566"}, "name"),
        ("threat-actor", {"name": "Actor"}, "name"),
        ("identity", {"name": "Organisation"}, "name"),
        (
            "relationship",
            {"relationship_type": "indicates", "source_ref": stix_id(1), "target_ref": stix_id(2, "threat-actor")},
            "target_ref",
        ),
    ],
)
def test_the_other_types(kind: str, more: dict[str, str], missing: str) -> None:
    """The four other types pass with what STIX requires of them and fail without."""
    common = {"type": kind, "id": stix_id(3, kind), "created": "2026-11-24T10:00:00Z"}
    item = {**common, "modified": "2026-11-24T10:00:00Z", **more}
    assert problems(item) == []
    del item[missing]
    assert problems(item) == [f"Error for Property={missing}: Required property is missing. Actual value: NULL."]


@pytest.mark.parametrize(
    ("pattern", "key", "value"),
    [
        ("[ipv4-addr:value = '203.0.113.7']", "ipv4-addr:value", "203.0.113.7"),
        (" [ ipv6-addr:value='2001:db8::1' ] ", "ipv6-addr:value", "2001:db8::1"),
        ("[file:hashes.'SHA-256' = 'aa']", "file:hashes.'SHA-256'", "aa"),
        ("[file:hashes.MD5 = 'aa']", "file:hashes.MD5", "aa"),
        ("[network-traffic:dst_ref.value = '192.0.2.1']", "network-traffic:dst_ref.value", "192.0.2.1"),
        ("[file:hashes.'MD5' = 'aa']", "file:hashes.'MD5'", "aa"),
        ("[x509-certificate:hashes.'SHA-1' = 'aa']", "x509-certificate:hashes.'SHA-1'", "aa"),
        ("[x509-certificate:hashes.'SHA-256' = 'aa']", "x509-certificate:hashes.'SHA-256'", "aa"),
        (
            "[network-traffic:extensions.'http-request-ext'.request_header.'User-Agent' = 'curl']",
            "network-traffic:extensions.'http-request-ext'.request_header.'User-Agent'",
            "curl",
        ),
        (r"[windows-registry-key:key = 'HKEY_USERS\\a']", "windows-registry-key:key", r"HKEY_USERS\a"),
        (r"[file:name = 'it\'s \\ here']", "file:name", r"it's \ here"),
        ("[url:value = 'https://a.example/?x=[1] AND 2']", "url:value", "https://a.example/?x=[1] AND 2"),
    ],
)
def test_single_comparisons_are_taken_apart(pattern: str, key: str, value: str) -> None:
    """One comparison gives key and value, with STIX's two escapes undone."""
    assert observable(pattern) == (key, value)


@pytest.mark.parametrize(
    "pattern",
    [
        "[file:name = 'a' AND file:hashes.MD5 = 'b']",
        "[ipv4-addr:value = '192.0.2.1'] OR [ipv4-addr:value = '192.0.2.2']",
        "[ipv4-addr:value != '192.0.2.1']",
        "[ipv4-addr:value IN ('192.0.2.1')]",
        "[file:size = 7]",
        "[ipv4-addr:value = '192.0.2.1'] START t'2026-11-24T10:00:00Z' STOP t'2026-11-25T10:00:00Z'",
        "[file:name = 'it's']",
        r"[file:name = 'C:\temp']",
        "ipv4-addr:value = '192.0.2.1'",
        "hello world",
        "[file:hashes.'SHA256' = 'aa']",
        "[file:hashes.SHA1 = 'aa']",
        "[file:hashes.SHA-256 = 'aa']",
        "[file:hashes = 'aa']",
        "[url:value = '']",
        "",
    ],
)
def test_everything_else_stays_unparsed(pattern: str) -> None:
    """Compound, qualified or broken patterns have neither key nor value."""
    assert observable(pattern) == UNPARSED
