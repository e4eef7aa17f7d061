"""Merging: one indicator for each observable, whatever the order in which its evidence came."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misp_modules_ext.model.indicator import Action, Context, Evidence, Kind, Observable, Reference, Severity
from misp_modules_ext.model.misp import Tlp
from misp_modules_ext.translate import leader, merge
from misp_modules_ext.translate.context import FALSE_POSITIVE
from misp_modules_ext.translate.merging import MOST_FACTS
from tests.support.build import NOW

DOMAIN = Observable(Kind.DOMAIN_NAME, "evil.example")
ADDRESS = Observable(Kind.IPV4_ADDR, "192.0.2.1")


def _evidence(event: str = "event-1", attribute: str = "attribute-1", **fields: Any) -> Evidence:
    made = Evidence(
        observable=DOMAIN,
        reference=Reference(event, attribute, f"https://misp.example.org/events/view/{event}"),
        title=f"Title of {event}",
        event_date="2026-11-20",
        severity=Severity.MEDIUM,
        confidence=50,
        threat_type="WatchList",
        tlp=Tlp.AMBER,
        labels=("tlp:amber",),
        facts=(),
        valid_from=NOW - 100,
        valid_until=NOW + 100,
    )
    return made._replace(**fields)


SOME = st.lists(
    st.builds(
        _evidence,
        event=st.sampled_from(["event-1", "event-2", "event-3"]),
        attribute=st.sampled_from(["attribute-1", "attribute-2", "attribute-3"]),
        observable=st.sampled_from([DOMAIN, ADDRESS]),
        title=st.sampled_from(["a", "b"]),
        event_date=st.sampled_from(["", "2026-11-20", "2026-11-21"]),
        severity=st.sampled_from(Severity),
        confidence=st.sampled_from([10, 90]),
        threat_type=st.sampled_from(["C2", "WatchList"]),
        tlp=st.sampled_from(Tlp),
        labels=st.sampled_from([(), ("x",), ("x", "y")]),
        facts=st.sampled_from([(), ("f",), ("g", "f")]),
        valid_from=st.integers(NOW - 9, NOW),
        valid_until=st.integers(NOW + 1, NOW + 9),
        context=st.sampled_from([Context(), Context(actors=("b",)), Context(actors=("a", "b"), malware=("m",))]),
    ),
    max_size=8,
)


def test_one_piece_of_evidence_is_its_indicator() -> None:
    """Nothing is added and nothing is lost."""
    item = _evidence(facts=("port: 80",))
    (merged,) = merge([item])
    made = merged.indicator
    for name in ("observable", "title", "severity", "confidence", "threat_type", "tlp", "labels", "facts", "context"):
        assert getattr(made, name) == getattr(item, name)
    assert (made.valid_from, made.valid_until) == (item.valid_from, item.valid_until)
    assert made.references == (item.reference,)
    assert made.action is Action.AUDIT
    assert merged.evidence == (item,)


def test_facts_have_a_bound() -> None:
    """Those of twenty thousand attributes of one value would be megabytes that no destination shows."""
    said = [_evidence(attribute=f"a{number:05}", facts=(f"comment: {number}",)) for number in range(2000)]
    (merged,) = merge(said)
    assert merged.indicator.facts == tuple(f"comment: {number}" for number in range(MOST_FACTS))
    (backwards,) = merge(said[::-1])
    assert backwards.indicator == merged.indicator


def test_a_false_positive_is_told_however_many_facts_there_are() -> None:
    """Microsoft's side shows it, or has a field for it."""
    said = [_evidence(attribute=f"a{number:05}", facts=(f"comment: {number}",)) for number in range(MOST_FACTS + 5)]
    (merged,) = merge([*said, _evidence(attribute="z", facts=(FALSE_POSITIVE,))])
    assert len(merged.indicator.facts) == MOST_FACTS
    assert merged.indicator.facts[-1] == FALSE_POSITIVE


def test_content_of_several() -> None:
    """Strictest TLP, highest confidence, the widest lifetime, all labels; the rest from the one that leads."""
    mild = _evidence("e1", tlp=Tlp.GREEN, confidence=90, valid_from=NOW - 999, labels=("b",), facts=("f", "same"))
    severe = _evidence("e2", severity=Severity.HIGH, tlp=Tlp.RED, valid_until=NOW + 999, labels=("a", "b"))
    severe = severe._replace(threat_type="C2", facts=("g", "same"))
    (merged,) = merge([mild, severe])
    made = merged.indicator
    assert (made.title, made.severity, made.threat_type) == ("Title of e2", Severity.HIGH, "C2")
    assert (made.tlp, made.confidence) == (Tlp.RED, 90)
    assert (made.valid_from, made.valid_until) == (NOW - 999, NOW + 999)
    assert made.labels == ("a", "b")
    assert made.facts == ("g", "same", "f")
    assert [reference.event for reference in made.references] == ["e2", "e1"]
    assert leader(merged) == severe


@pytest.mark.parametrize(
    ("winner", "loser"),
    [
        ({"severity": Severity.HIGH, "confidence": 1}, {"severity": Severity.LOW, "confidence": 99}),
        ({"confidence": 60, "event_date": "2020-01-01"}, {"confidence": 50, "event_date": "2026-01-01"}),
        ({"event_date": "2026-11-21", "event": "z"}, {"event_date": "2026-11-20", "event": "a"}),
        ({"event_date": "2020-01-01", "event": "z"}, {"event_date": "", "event": "a"}),
        ({"event": "a", "attribute": "z"}, {"event": "b", "attribute": "a"}),
        ({"event": "a", "attribute": "a"}, {"event": "a", "attribute": "b"}),
    ],
)
def test_the_total_order(winner: dict[str, Any], loser: dict[str, Any]) -> None:
    """Severity, confidence, newest event, event UUID, attribute UUID: in that order."""
    first, second = _evidence(**winner), _evidence(**loser)
    assert merge([first, second])[0].evidence == (first, second)
    assert merge([second, first])[0].evidence == (first, second)


OWN: dict[str, Any] = {"action": Action.BLOCK, "title": "Ours", "severity": Severity.LOW, "confidence": 10}
STRANGE: dict[str, Any] = {"action": None, "title": "Theirs", "severity": Severity.HIGH, "confidence": 90}


def test_who_has_no_say_lengthens_no_block() -> None:
    """Anyone can send a request: it says who else vouches for the value, and that is all."""
    own, strange = _evidence("e1", **OWN), _evidence("e2", **STRANGE, valid_until=NOW + 9999, labels=("x",))
    quiet = _evidence("e3", action=Action.AUDIT, valid_until=NOW + 9999)
    made = merge([own, strange, quiet._replace(severity=Severity.INFORMATIONAL)], NOW)[0].indicator
    assert (made.action, made.valid_until) == (Action.BLOCK, NOW + 100)
    assert (made.title, made.severity, made.confidence) == ("Ours", Severity.LOW, 10)
    assert made.labels == ("tlp:amber", "x")
    assert len(made.references) == 3


def test_evidence_that_is_over_has_no_say() -> None:
    """What MISP itself ended blocks no more, however long others vouch for the value."""
    own, strange = _evidence("e1", **OWN, valid_until=NOW), _evidence("e2", **STRANGE)
    made = merge([own, strange], NOW)[0].indicator
    assert (made.action, made.title, made.valid_until) == (Action.AUDIT, "Theirs", NOW + 100)
    assert merge([own, strange], NOW - 1)[0].indicator.action is Action.BLOCK


@pytest.mark.parametrize(
    ("first", "second", "action", "until"),
    [
        (Action.WARN, Action.BLOCK, Action.WARN, 900),
        (Action.BLOCK, Action.WARN, Action.BLOCK, 100),
        (Action.BLOCK, Action.ALLOWED, Action.BLOCK, 100),
        (Action.ALLOWED, Action.BLOCK, Action.ALLOWED, 100),
        (Action.AUDIT, Action.BLOCK, Action.AUDIT, 900),
    ],
)
def test_an_action_lasts_as_long_as_something_asks_for_it(
    first: Action, second: Action, action: Action, until: int
) -> None:
    """Or for more of the same."""
    one = _evidence("e1", action=first, severity=Severity.HIGH)
    made = merge([one, _evidence("e2", action=second, valid_until=NOW + 900)], NOW)[0].indicator
    assert (made.action, made.valid_until) == (action, NOW + until)


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_what_one_attribute_forbids_no_other_gets(order: tuple[str, str]) -> None:
    """Whichever UUID comes first."""
    block = _evidence("e1", order[0], action=Action.BLOCK)
    marked = _evidence("e1", order[1], action=Action.AUDIT, vetoes=(Action.WARN, Action.BLOCK))
    assert merge([block, marked], NOW)[0].indicator.action is Action.AUDIT
    assert merge([block._replace(action=Action.ALLOWED), marked._replace(action=None)])[0].indicator.action is (
        Action.ALLOWED
    )


def test_at_most_ten_references_one_for_each_event() -> None:
    """In the order of the evidence; two attributes of one event are one link."""
    items = [_evidence(f"event-{n:02}", f"attribute-{m}") for n in range(15) for m in range(2)]
    (merged,) = merge(items)
    assert [r.event for r in merged.indicator.references] == [f"event-{n:02}" for n in range(10)]
    assert {r.attribute for r in merged.indicator.references} == {"attribute-0"}
    assert len(merged.evidence) == 30


def test_observables_come_in_the_order_in_which_they_were_seen() -> None:
    """Reports keep the order of the event."""
    other = _evidence("e2", observable=ADDRESS)
    assert [m.indicator.observable for m in merge([_evidence(), other, _evidence("e3")])] == [DOMAIN, ADDRESS]
    assert [m.indicator.observable for m in merge([other, _evidence()])] == [ADDRESS, DOMAIN]
    assert merge([]) == []


def test_the_same_evidence_twice_changes_nothing() -> None:
    """Real events hold attributes with one UUID twice."""
    item = _evidence(facts=("f",))
    (once,), (twice,) = merge([item]), merge([item, item])
    assert once.indicator == twice.indicator
    assert once.indicator.content_hash() == twice.indicator.content_hash()


@given(SOME)
def test_one_piece_of_evidence_is_merged_as_several_are(items: list[Evidence]) -> None:
    """The short way for one gives what the way for several gives."""
    for item in items:
        assert merge([item])[0].indicator == merge([item, item])[0].indicator


@given(SOME, st.randoms(use_true_random=False))
def test_the_order_of_the_evidence_does_not_matter(items: list[Evidence], chance: random.Random) -> None:
    """Content and the order of the evidence are a pure function of the set."""
    shuffled = list(items)
    chance.shuffle(shuffled)
    by_observable = {merged.indicator.observable: merged for merged in merge(items)}
    assert {merged.indicator.observable: merged for merged in merge(shuffled)} == by_observable


@given(SOME)
def test_no_evidence_is_lost(items: list[Evidence]) -> None:
    """Every piece stands under its observable."""
    merged = merge(items)
    assert sorted(map(repr, items)) == sorted(repr(item) for m in merged for item in m.evidence)
    assert len({m.indicator.observable for m in merged}) == len(merged)
    for one in merged:
        assert all(item.observable == one.indicator.observable for item in one.evidence)


def test_evidence_that_is_over_counts_too() -> None:
    """No clock decides on content: the stricter marking of an old sighting stays."""
    over = _evidence("e2", tlp=Tlp.RED, valid_from=1, valid_until=2)
    (merged,) = merge([_evidence(), over])
    assert (merged.indicator.tlp, merged.indicator.valid_until) == (Tlp.RED, NOW + 100)
    assert merge([over])[0].indicator.valid_until == 2


def test_the_context_of_all_evidence_is_told() -> None:
    """Each phase, technique and name once, whoever leads."""
    one = Context((("mitre-attack", "execution"),), (("T1059", "Scripting"),), ("B", "C"), ())
    other = Context((("mitre-attack", "discovery"),), (("T1059", "Scripting"),), ("A", "B"), ("M",))
    (merged,) = merge([_evidence(context=one), _evidence("event-2", context=other), _evidence("event-3")])
    assert merged.indicator.context == Context(
        (("mitre-attack", "discovery"), ("mitre-attack", "execution")),
        (("T1059", "Scripting"),),
        ("A", "B", "C"),
        ("M",),
    )
