"""Whatever a MISP, a feed or a stranger sends: every attribute has an answer, and what goes is what its type says."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pymisp import MISPAttribute
from stix2patterns.validator import validate as validate_pattern

from misp_modules_ext.config.settings import IndicatorRules, Selection
from misp_modules_ext.destinations.sentinel_payload import observable
from misp_modules_ext.errors import UsageError
from misp_modules_ext.misp.parse import parse_event
from misp_modules_ext.model.indicator import Observable
from misp_modules_ext.model.misp import Event
from misp_modules_ext.planning import Plan, RuleSet, make_plan
from misp_modules_ext.translate import observe, special
from misp_modules_ext.translate.types import PARSERS, TYPES
from tests.golden.golden import MISP, NOW, due, places, rows
from tests.support.build import attribute

OPEN = RuleSet(
    Selection(to_ids=False, published=False, allow_documentation_ranges=True, warninglists=frozenset()),
    IndicatorRules(),
)
STRICT = RuleSet(Selection(), IndicatorRules())

KNOWN = sorted(MISPAttribute().known_types)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=6), inner, max_size=2),
    max_leaves=4,
)
#: Types with a value that they take: so much is right, until something around it is not.
RIGHT = (
    ("domain", "evil.example"),
    ("hostname", "c2.evil.example"),
    ("domain", "EVIL[.]example."),
    ("url", "hxxp://evil[.]example/a"),
    ("url", "https://evil.example/%41?b#c"),
    ("ip-dst", "198.51.100.7"),
    ("ip-src", "198.51.100.0/24"),
    ("ip-dst", "2001:db8::1"),
    ("ip-dst", "10.0.0.1"),
    ("ip-dst|port", "198.51.100.7|443"),
    ("domain|ip", "evil.example|198.51.100.7"),
    ("email-src", "a@evil.example"),
    ("filename", "a 'b' \\.exe"),
    ("filename|md5", "a|b.exe|" + "0a" * 16),
    ("sha256", "0C" * 32),
    ("AS", "AS3333"),
    ("regkey", "HKLM\\Software\\Run"),
    ("mutex", "Global\\a'b"),
    ("user-agent", "Mozilla/5.0 (a; 'b')"),
    ("iban", "GB33BUKB20201555555555"),
    ("ssdeep", "3:AXGBicFlgVNhBGcL6wCrFQEv:AXGHsNhxLsr2C"),
    ("x509-fingerprint-sha1", "0b" * 20),
    ("ja3-fingerprint-md5", "0a" * 16),
)
WHOLE = st.sampled_from([value for _, value in RIGHT])
PIECES = st.sampled_from([*"/?#:|@\\'\"%\n\t\u200b\u202eé東1-., ", "[.]", "(at)", "https://"]) | WHOLE
HEX = st.sampled_from([16, 20, 28, 32, 48, 64]).flatmap(lambda n: st.binary(min_size=n, max_size=n)).map(bytes.hex)
VALUES = WHOLE | HEX | st.builds("{}|{}".format, WHOLE, WHOLE | HEX) | st.lists(PIECES, max_size=5).map("".join)
TAGS = st.sampled_from(
    [
        "tlp:green",
        "TLP:AMBER",
        "tlp:red",
        "tlp:ex:chr",
        "tlp:rainbow",
        "PAP:RED",
        "microsoft:push",
        "kill-chain:Delivery",
        'misp-galaxy:threat-actor="Someone"',
        'misp-galaxy:mitre-attack-pattern="Phishing - T1566"',
        "phishing",
        "a=b",
        'misp:confidence-level="completely-confident"',
        'admiralty-scale:source-reliability="a"',
    ]
) | st.text(max_size=12)
TAG = st.fixed_dictionaries({"name": TAGS}, optional={"local": st.booleans(), "exportable": st.booleans()})
UUIDS = st.uuids().map(str) | st.text(max_size=4)
SECONDS = st.integers(0, NOW + 10**9) | st.integers(0, NOW).map(str) | JSON
WHENS = st.sampled_from(["2024-01-02T03:04:05.000000+00:00", "2020-01-01", "never"]) | SECONDS
SIGHTING = st.fixed_dictionaries(
    {}, optional={"type": st.sampled_from(["0", "1", "2"]) | JSON, "date_sighting": SECONDS}
)


def _or_wrong(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 59).flatmap(lambda n: good if n else JSON)


def _lists(entry: st.SearchStrategy[Any], most: int = 4) -> st.SearchStrategy[Any]:
    return _or_wrong(st.lists(_or_wrong(entry), max_size=most))


#: The types that yield something, more often than the others.
TYPE = st.sampled_from(sorted(PARSERS)) | st.sampled_from(KNOWN)
PAIRS = st.sampled_from(RIGHT) | st.tuples(_or_wrong(TYPE), _or_wrong(VALUES | st.text(max_size=20)))
AROUND = st.fixed_dictionaries(
    {},
    optional={
        "uuid": UUIDS,
        "to_ids": _or_wrong(st.booleans()),
        "deleted": _or_wrong(st.sampled_from([False, False, False, True])),
        "category": _or_wrong(st.sampled_from(["Network activity", "Payload delivery", "Financial fraud"])),
        "comment": _or_wrong(st.text(max_size=9)),
        "timestamp": SECONDS,
        "first_seen": WHENS,
        "last_seen": WHENS,
        "distribution": _or_wrong(st.sampled_from([0, 1, 2, 3, 4, 5, "5"])),
        "Tag": _lists(TAG, 2),
        "Sighting": _lists(SIGHTING),
        "decay_score": _lists(JSON),
        "object_relation": _or_wrong(st.sampled_from(["filename", "ip", "domain", "md5", "size-in-bytes"])),
        "warnings": _lists(JSON),
    },
)
ATTRIBUTE = st.builds(lambda pair, around: {"type": pair[0], "value": pair[1], **around}, PAIRS, AROUND)
OBJECT = st.fixed_dictionaries(
    {"Attribute": _lists(ATTRIBUTE)},
    optional={
        "uuid": UUIDS,
        "name": _or_wrong(st.sampled_from(["file", "domain-ip", "url", "email", "x509", "process", "something"])),
        "deleted": _or_wrong(st.sampled_from([False, False, True])),
        "distribution": _or_wrong(st.sampled_from([0, 5])),
    },
)
EVENT = st.fixed_dictionaries(
    {"info": _or_wrong(st.text(max_size=9)), "Attribute": _lists(ATTRIBUTE)},
    optional={
        "uuid": UUIDS,
        "date": _or_wrong(st.just("2026-11-20")),
        "published": _or_wrong(st.booleans()),
        "publish_timestamp": SECONDS,
        "threat_level_id": _or_wrong(st.sampled_from(["1", "2", "3", "4"])),
        "Object": _lists(OBJECT, 2),
        "Tag": _lists(TAG),
        "Galaxy": _lists(JSON),
        "Sighting": _lists(SIGHTING),
        "ShadowAttribute": _lists(ATTRIBUTE),
        "distribution": _or_wrong(st.sampled_from([0, 1, 2, 3, "3"])),
        "Orgc": _or_wrong(st.fixed_dictionaries({"uuid": UUIDS, "name": st.text(max_size=5)})),
    },
)


def _held(raw: dict[str, Any]) -> int:
    """How many attributes stand in an event, readable or not."""
    objects = raw.get("Object")
    entries = objects if isinstance(objects, list) else []
    inner = [entry.get("Attribute") if isinstance(entry, dict) and entry else None for entry in entries]
    broken = sum(not isinstance(entry, dict) or not entry for entry in entries)
    return broken + sum(len(found) for found in (raw.get("Attribute"), *inner) if isinstance(found, list))


def _planned(raw: dict[str, Any], rules: RuleSet) -> Plan:
    return make_plan([parse_event({"Event": raw})], rules, MISP, {}, NOW)


@given(EVENT, st.sampled_from([OPEN, STRICT]))
def test_the_account_of_any_event_adds_up(raw: dict[str, Any], rules: RuleSet) -> None:
    """Nothing raises; each attribute goes, is merged, or has a reason with a sentence."""
    plan = _planned(raw, rules)
    # What stands where a list should be is told too, as one unreadable attribute or more.
    assert len(plan.attributes) >= _held(raw)
    for planned in plan.attributes:
        assert bool(planned.parts) is (planned.reason is None)
        for part in planned.parts:
            assert (part.evidence is None) is (part.reason is not None)
            assert part.reason is None or part.message
    outcomes = [row.outcome for row in rows(plan)]
    assert len(outcomes) == len(plan.attributes)
    assert sum(outcome == "goes" for outcome in outcomes) <= len(plan.merged)


@given(EVENT)
def test_what_goes_is_what_its_kind_says(raw: dict[str, Any]) -> None:
    """Its own reader takes the value as it stands, it is not special, patterns are read back, payloads are made."""
    for merged in _planned(raw, OPEN).merged:
        indicator = merged.indicator
        assert indicator.observable in _read_again(indicator.observable)
        assert not special(indicator.observable, True)
        for place in places():
            if place.refuses(indicator) is None:
                payload = place.payload(due(indicator))
                if "pattern" in payload:
                    assert observable(payload["pattern"]) == indicator.observable
                    assert validate_pattern(payload["pattern"], stix_version="2.1")


def _read_again(found: Observable) -> set[Observable]:
    """What the types that may yield the kind make of the value."""
    types = [type_ for type_, row in TYPES.items() if found.kind in row.kinds and "|" not in type_]
    return {again for type_ in types for again in observe(attribute(type_, found.value)).observables}


@given(EVENT, st.randoms(use_true_random=False))
def test_content_does_not_depend_on_the_order(raw: dict[str, Any], random: Random) -> None:
    """Of attributes, objects or tags; the same twice is the same."""
    shuffled = copy.deepcopy(raw)
    for holder in _holders(shuffled):
        for key in ("Attribute", "Object", "Tag"):
            if isinstance(holder.get(key), list):
                random.shuffle(holder[key])
    assert _contents(raw) == _contents(copy.deepcopy(raw))
    if _told_apart(raw):
        assert _contents(raw) == _contents(shuffled)


def _holders(raw: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield raw
    for key in ("Attribute", "Object"):
        for entry in raw[key] if isinstance(raw.get(key), list) else ():
            if isinstance(entry, dict):
                yield from _holders(entry)


def _told_apart(raw: dict[str, Any]) -> bool:
    """Whether no two attributes claim one UUID, and no element tells one tag in two ways: then the first one counts."""
    event: Event = parse_event({"Event": raw})
    uuids = [one.uuid for one in event.attributes]
    tags = [
        [tag.get("name") for tag in holder["Tag"] if isinstance(tag, dict)]
        for holder in _holders(raw)
        if isinstance(holder.get("Tag"), list)
    ]
    return len(set(uuids)) == len(uuids) and all(len(set(map(str, names))) == len(names) for names in tags)


def _contents(raw: dict[str, Any]) -> dict[Observable, bytes]:
    return {m.indicator.observable: m.indicator.content_hash() for m in _planned(raw, OPEN).merged}


@given(JSON)
def test_what_is_no_event_is_a_sentence(raw: object) -> None:
    """An error that names what is wrong, or an event without attributes that can be read."""
    try:
        event = parse_event(raw)
    except UsageError as error:
        message = str(error)
        event = None
    assert message if event is None else all(one.problem for one in event.attributes)
