"""Confidence: the numbers of MISP's taxonomies, the most specific statement, sightings on either side."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misp_modules_ext.model.misp import Sightings
from misp_modules_ext.translate.confidence import DOUBTS, SCALES, Assessment, assessed, together
from misp_modules_ext.translate.machine_tags import machine_tag
from tests.support.shared import shared


def _together(own: list[str], events: list[str]) -> Assessment:
    return together(*([one for name in names if (one := assessed(machine_tag(name)))] for names in (own, events)))


def _confidence(own: list[str], events: list[str] | None = None, sightings: Sightings | None = None) -> int:
    return _together(own, events or []).confidence(50, sightings)


#: Values by which nobody judges, and the one that rules a false positive out.
SAY_NOTHING = {"confidence-cannot-be-evaluated", "f", "6", "false"}


def test_the_numbers_are_misps() -> None:
    """Each value of each scale as the taxonomy has it, but for those that say nothing."""
    for (namespace, predicate), numbers in {**SCALES, **DOUBTS}.items():
        taxonomy = json.loads(shared("reference", "taxonomies", f"{namespace}.machinetag.json").read_text("utf-8"))
        (entries,) = [values["entry"] for values in taxonomy["values"] if values["predicate"] == predicate]
        theirs = {entry["value"]: entry["numerical_value"] for entry in entries if entry["value"] not in SAY_NOTHING}
        assert numbers == theirs, predicate


@pytest.mark.parametrize(
    ("own", "events", "number"),
    [
        ([], [], 50),
        (['misp:confidence-level="completely-confident"'], [], 100),
        (['MISP:Confidence-Level="Rarely-Confident"'], [], 25),
        ([], ['estimative-language:likelihood-probability="very-likely"'], 80),
        # The attribute's own statement counts, whatever the event says.
        (['misp:confidence-level="unconfident"'], ['misp:confidence-level="completely-confident"'], 0),
        (['misp:confidence-level="completely-confident"'], ['admiralty-scale:source-reliability="e"'], 100),
        # Of two answers to one question the lower one.
        (['misp:confidence-level="completely-confident"', 'misp:confidence-level="rarely-confident"'], [], 25),
        # The two questions of a taxonomy weigh alike, and so do taxonomies; half a point goes up.
        (['admiralty-scale:source-reliability="a"', 'admiralty-scale:information-credibility="3"'], [], 75),
        (
            [
                'admiralty-scale:source-reliability="b"',
                'admiralty-scale:information-credibility="2"',
                'misp:confidence-level="completely-confident"',
            ],
            [],
            88,
        ),
        # That it cannot be judged neither counts nor hides what the event says.
        (['admiralty-scale:source-reliability="a"', 'admiralty-scale:information-credibility="6"'], [], 100),
        (['admiralty-scale:source-reliability="e"', 'misp:confidence-level="confidence-cannot-be-evaluated"'], [], 0),
        (['admiralty-scale:source-reliability="f"'], ['misp:confidence-level="completely-confident"'], 100),
        (['admiralty-scale:source-reliability="f"'], [], 50),
        # A false positive is the most that is left, of attribute or event.
        (['misp:confidence-level="completely-confident"'], ['false-positive:risk="high"'], 25),
        (['false-positive:risk="low"'], [], 50),
        (['false-positive:confirmed="true"'], [], 0),
        (['false-positive:confirmed="false"'], [], 50),
        (['misp:confidence-level="who knows"', "type:OSINT"], [], 50),
    ],
)
def test_what_tags_say(own: list[str], events: list[str], number: int) -> None:
    """Without a statement, what is configured counts: 50 here."""
    assert _confidence(own, events) == number


@pytest.mark.parametrize(
    ("seen", "false_positives", "number"),
    [(0, 0, 50), (1, 0, 55), (9, 0, 55), (10, 0, 60), (100, 0, 65), (10**6, 0, 65), (0, 1, 30), (0, 3, 0), (100, 9, 5)],
)
def test_sightings_move_it_in_steps(seen: int, false_positives: int, number: int) -> None:
    """Moderately upwards, and so that not each of them is a change."""
    assert _confidence([], [], Sightings(seen, false_positives)) == number


def test_it_stays_between_0_and_100() -> None:
    """At either end."""
    assert _confidence(['misp:confidence-level="completely-confident"'], [], Sightings(seen=100)) == 100
    assert _confidence(['misp:confidence-level="unconfident"'], [], Sightings(false_positives=9)) == 0
    assert _confidence(['false-positive:risk="medium"'], [], Sightings(seen=100)) == 50


_TAGS = [
    f'{namespace}:{predicate}="{value}"'
    for (namespace, predicate), values in {**SCALES, **DOUBTS}.items()
    for value in values
]
_names = st.lists(st.sampled_from(_TAGS), max_size=6)
_counts = st.integers(0, 300)


@given(own=_names, events=_names, seen=_counts, more=_counts, false=_counts, others=_counts)
def test_it_is_monotone_in_sightings(
    own: list[str], events: list[str], seen: int, more: int, false: int, others: int
) -> None:
    """Who sees a value never lowers it, who calls it a false positive never raises it."""
    said = _confidence(own, events, Sightings(seen, false))
    assert 0 <= said <= _confidence(own, events, Sightings(seen + more, false)) <= 100
    assert said >= _confidence(own, events, Sightings(seen, false + others))
    assert _confidence(own, events, Sightings()) == _confidence(own, events)


@given(own=_names, data=st.data())
def test_it_is_monotone_in_tags(own: list[str], data: st.DataObject) -> None:
    """A tag that says more in another's place never lowers it."""
    if not own:
        return
    place = data.draw(st.integers(0, len(own) - 1))
    one = assessed(machine_tag(own[place]))
    assert one is not None
    namespace, predicate = one.scale
    scale = {**SCALES, **DOUBTS}[one.scale]
    value = data.draw(st.sampled_from([value for value, number in scale.items() if number >= one.number]))
    stronger = [*own[:place], f'{namespace}:{predicate}="{value}"', *own[place + 1 :]]
    assert _confidence(own) <= _confidence(stronger)
