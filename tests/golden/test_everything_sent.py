"""What would leave of the event files from the wild, through OASIS' validators and Microsoft's field lists."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from stix2patterns.validator import validate as validate_pattern
from stix2validator import ValidationOptions, validate_instance

from misp_modules_ext.config.settings import DAY, IndicatorRules, Selection
from misp_modules_ext.destinations.sentinel_payload import observable
from misp_modules_ext.misp.files import read_events
from misp_modules_ext.model.indicator import Due, Indicator, Kind
from misp_modules_ext.planning import RuleSet, make_plan
from tests.golden.golden import MISP, NOW, due, places
from tests.support.shared import event_files, shared

EVERYTHING = RuleSet(
    Selection(to_ids=False, published=False, allow_documentation_ranges=True, warninglists=frozenset()),
    IndicatorRules(window=3650 * DAY),
)
#: Of each kind.
MOST = 10_000 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 40


@pytest.fixture(scope="module")
def dues() -> dict[str, list[Due]]:
    """For each destination what it would be sent: one for each observable of all 134 files."""
    shared("events", "INDEX.tsv")
    found: dict[str, list[Due]] = {place.name: [] for place in places()}
    for indicator in _indicators():
        for place in places():
            if place.refuses(indicator) is None:
                found[place.name].append(due(indicator))
    return found


def _indicators() -> Iterator[Indicator]:
    for path in event_files():
        events = read_events(path.read_bytes(), path.name).events
        yield from (merged.indicator for merged in make_plan(events, EVERYTHING, MISP, {}, NOW).merged)


def _payloads(dues: Mapping[str, list[Due]], name: str) -> Iterator[tuple[Due, dict[str, Any]]]:
    (place,) = (place for place in places() if place.name == name)
    return ((each, place.payload(each)) for each in dues[name])


@pytest.mark.property
def test_oasis_accepts_every_object_and_pattern(dues: dict[str, list[Due]]) -> None:
    """None is refused as STIX 2.1 or as a pattern, and our own reader finds the kind and value again.

    The validators take their time: they see all of them in `make test-long`, else `MOST` of each kind.
    """
    options = ValidationOptions(version="2.1")
    seen: Counter[Kind] = Counter()
    for each, document in _payloads(dues, "sentinel"):
        found = each.indicator.observable
        assert observable(document["pattern"]) == found
        seen[found.kind] += 1
        if seen[found.kind] <= MOST:
            result = validate_instance(document, options)
            assert result.is_valid, [str(error) for error in result.errors]
            assert validate_pattern(document["pattern"], stix_version="2.1"), document["pattern"]
    assert seen.total() > 3000
    assert len(seen) > 10


def test_defender_is_sent_documented_fields_and_words(dues: dict[str, list[Due]]) -> None:
    """Each field stands in Microsoft's list, each enumeration has one of its words, all that is required is there.

    Beside the list only techniques, which were seen to be taken.
    """
    facts = json.loads(shared("microsoft", "mde-indicator.json").read_text())
    fields, seen = facts["entity"], {"mitreTechniques"}
    assert seen <= set(facts["undocumented_but_accepted_or_returned"])
    required = {name for name, rule in fields.items() if rule.get("required") is True}
    assert len(dues["defender"]) > 2000
    for _, document in _payloads(dues, "defender"):
        assert required <= set(document) <= set(fields) | seen
        documented = {name: given for name, given in document.items() if name not in seen}
        assert all(given in fields[name].get("values", [given]) for name, given in documented.items()), document


def test_graph_is_sent_documented_properties_and_words(dues: dict[str, list[Due]]) -> None:
    """Each property exists, each enumeration has one of its words, all that the product requires is there."""
    facts = json.loads(shared("microsoft", "tiIndicator.json").read_text())
    properties = {one["name"] for one in facts["properties"]}
    # The tenant is stamped by Microsoft; what is in brackets is one of several.
    required = {name for name in facts["required"]["Azure Sentinel"] if not name.startswith("(")} - {"azureTenantId"}
    assert len(dues["graph"]) > 2000
    for _, document in _payloads(dues, "graph"):
        assert required <= set(document) <= properties
        assert document["action"] in facts["enums"]["tiAction"]
        assert document["tlpLevel"] in facts["enums"]["tlpLevel"]
        assert document.get("fileHashType", "md5") in facts["enums"]["fileHashType"]
        assert document["threatType"] in facts["string_vocabularies"]["threatType"]
