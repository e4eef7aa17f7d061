"""What would reach Sentinel from the event files of the wild, through OASIS' own validators."""

from __future__ import annotations

import time

from stix2patterns.validator import validate as validate_pattern
from stix2validator import ValidationOptions, validate_instance

from misp_modules_ext.config.settings import DAY, IndicatorRules, Selection
from misp_modules_ext.destinations.sentinel_payload import refusal, stix_object
from misp_modules_ext.misp.files import read_events
from misp_modules_ext.model.indicator import Due, Stamp
from misp_modules_ext.planning import RuleSet, make_plan
from tests.support.shared import event_files, shared

EVERYTHING = RuleSet(
    Selection(to_ids=False, published=False, allow_documentation_ranges=True, warninglists=frozenset()),
    IndicatorRules(window=3650 * DAY),
)


def test_every_object_and_pattern_from_the_wild_is_accepted() -> None:
    """One object for each observable of 134 files that Sentinel holds; none is refused, as STIX 2.1 or as a pattern."""
    shared("events", "INDEX.tsv")
    options = ValidationOptions(version="2.1")
    checked = 0
    now = int(time.time())
    for path in event_files():
        plan = make_plan(read_events(path.read_bytes(), path.name).events, EVERYTHING, "https://misp.example", {}, now)
        for merged in plan.merged:
            if refusal(merged.indicator.observable):
                continue
            stamp = Stamp(merged.indicator.observable.stix_id(), now * 1000, now * 1000)
            document = stix_object(Due(merged.indicator, stamp))
            result = validate_instance(document, options)
            assert result.is_valid, (path.name, [str(error) for error in result.errors])
            assert validate_pattern(document["pattern"], stix_version="2.1"), (path.name, document["pattern"])
            checked += 1
    assert checked > 3000
