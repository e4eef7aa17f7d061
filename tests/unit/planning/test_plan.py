"""From events to indicators under one rule set, with a reason for everything that stays behind."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misp_modules_ext.config.settings import DAY, IndicatorRules, Selection
from misp_modules_ext.misp.selection import picks
from misp_modules_ext.model.indicator import Observable
from misp_modules_ext.model.misp import Attribute, Event, Sharing, Tlp
from misp_modules_ext.model.outcome import Reason
from misp_modules_ext.planning import Plan, RuleSet, judge, make_plan, parts_evidence
from misp_modules_ext.translate import merge
from tests.support.build import EVENT, NOW, attribute, event

BASE_URL = "https://misp.example"
RULES = RuleSet(Selection(allow_documentation_ranges=True), IndicatorRules())


def _plan(*attributes: Attribute, rules: RuleSet = RULES, **fields: object) -> Plan:
    return make_plan([event(*attributes, **fields)], rules, BASE_URL, {}, NOW)


def _reasons(plan: Plan) -> list[Reason | None]:
    return [planned.reason for planned in plan.attributes]


def test_every_attribute_is_planned_or_has_a_reason() -> None:
    """One line for each attribute read, in order."""
    plan = _plan(
        attribute("domain", "c2.evil.example"),
        attribute("domain", "off.evil.example", to_ids=False),
        attribute("comment", "see ticket"),
        attribute("sha256", "abc"),
        attribute("ip-dst", "198.51.100.1", deleted=True),
        attribute("", "", problem="The attribute has no type."),
    )
    assert _reasons(plan) == [
        None,
        Reason.TO_IDS_OFF,
        Reason.UNSUPPORTED_TYPE,
        Reason.INVALID_VALUE,
        Reason.DELETED,
        Reason.MALFORMED,
    ]
    assert [m.indicator.observable.value for m in plan.merged] == ["c2.evil.example"]


def test_what_cannot_go_anyway_is_not_asked_for_its_flag() -> None:
    """A comment without to_ids is skipped for its type; a wrong hash without to_ids for its flag."""
    plan = _plan(attribute("comment", "x", to_ids=False), attribute("sha256", "abc", to_ids=False))
    assert _reasons(plan) == [Reason.UNSUPPORTED_TYPE, Reason.TO_IDS_OFF]


def test_pick_tag_leaves_the_others_behind() -> None:
    """With one attribute picked, those without the tag are not picked."""
    plan = _plan(attribute("domain", "a.evil.example", tags=["microsoft:push"]), attribute("domain", "b.evil.example"))
    assert _reasons(plan) == [None, Reason.NOT_PICKED]


def test_hits_of_lists_that_do_not_refuse_are_a_note() -> None:
    """At most three are named. A refused attribute has its reason, and one that nobody looked up has no note."""
    selection = Selection(allow_documentation_ranges=True, warninglists=frozenset({"E"}))
    rules = RuleSet(selection, IndicatorRules())
    on = [("A",), ("A", "B", "C", "D", "F"), ("A", "E"), (), None]
    given_ = [attribute("domain", f"n{n}.evil.example", warninglists=hits) for n, hits in enumerate(on)]
    plan = _plan(*given_, rules=rules)
    assert _reasons(plan) == [None, None, Reason.WARNINGLIST, None, None]
    assert [planned.notes for planned in plan.attributes] == [
        ("It is on warninglists that [selection] lets pass: A.",),
        ("It is on warninglists that [selection] lets pass: A; B; C; and 2 more.",),
        (),
        (),
        (),
    ]


def test_special_values_are_parts_with_a_reason() -> None:
    """A private address never goes, whatever the rules; documentation values only when they are allowed."""
    strict = RuleSet(Selection(), IndicatorRules())
    private, documentation = attribute("ip-dst", "10.1.2.3"), attribute("ip-dst", "198.51.100.1")
    assert [p.parts[0].reason for p in _plan(private, documentation, rules=strict).attributes] == [
        Reason.SPECIAL_VALUE
    ] * 2
    assert [p.parts[0].reason for p in _plan(private, documentation).attributes] == [Reason.SPECIAL_VALUE, None]


def test_expiry_is_no_gate() -> None:
    """Content has no clock: what is over is planned like the rest, and its date says so."""
    old = attribute("domain", "old.evil.example", timestamp=NOW - 400 * DAY)
    plan = make_plan([event(old)], RULES, "", {EVENT: {old.uuid: NOW - 300 * DAY}}, NOW)
    assert plan.attributes[0].parts[0].reason is None
    assert plan.merged[0].indicator.valid_until == NOW - 180 * DAY


def test_what_the_ledger_has_not_taken_yet_is_taken_now() -> None:
    """Each attribute by its own date, in its own event."""
    mine, other = attribute("domain", "a.evil.example", timestamp=1), attribute("domain", "b.evil.example", timestamp=1)
    taken = {EVENT: {mine.uuid: NOW - DAY}, "another event": {other.uuid: NOW - DAY}}
    plan = make_plan([event(mine, other)], RULES, "", taken, NOW)
    assert [m.indicator.valid_until - NOW for m in plan.merged] == [119 * DAY, 120 * DAY]


_TAGS = st.lists(
    st.sampled_from(["tlp:green", "tlp:red", "PAP:RED", "tlp:rainbow", "type:OSINT", "microsoft:push"]), max_size=3
)
_VALUES = st.sampled_from(
    [
        ("domain", "c2.evil.example"),
        ("hostname", "C2.evil.example."),
        ("domain|ip", "c2.evil.example|10.0.0.1"),
        ("ip-dst", "198.51.100.1"),
        ("sha256", "abc"),
        ("comment", "see ticket"),
    ]
)
_ATTRIBUTES = st.builds(
    lambda value, **fields: attribute(*value, **fields),
    _VALUES,
    tags=_TAGS,
    to_ids=st.booleans(),
    deleted=st.booleans(),
    comment=st.sampled_from(["", "C2"]),
    timestamp=st.sampled_from([0, NOW - DAY, NOW]),
    last_seen=st.sampled_from([None, NOW - DAY]),
    sharing=st.builds(Sharing, st.sampled_from([None, 0, 3, 5])),
)
_RULES = st.sampled_from(
    [
        RULES,
        RuleSet(
            Selection(tags=frozenset({"type:OSINT"}), min_distribution=1, max_tlp=Tlp.RED),
            IndicatorRules(window_by_tlp=((Tlp.RED, DAY),), labels=("ours",)),
        ),
    ]
)


@given(st.lists(_ATTRIBUTES, max_size=6), _TAGS, _RULES)
def test_one_attribute_alone_is_judged_as_in_its_event(
    given_: list[Attribute], tags: list[str], rules: RuleSet
) -> None:
    """What is worked out once for many is what it is for one: the ledger judges attributes one by one."""
    shown = event(*given_, tags=tags)
    whole = make_plan([shown], rules, BASE_URL, {}, NOW)
    header, some_picked = replace(shown, attributes=()), picks(shown, rules.selection.pick_tag)
    alone = [judge(header, a, rules, BASE_URL, NOW, some_picked) for a in given_]
    assert [planned._replace(event=shown) for planned in alone] == list(whole.attributes)
    assert tuple(merge(parts_evidence(alone))) == whole.merged


def test_one_value_in_two_events_is_one_indicator() -> None:
    """Across the events of one submission."""
    first, second = attribute("domain", "same.evil.example"), attribute("hostname", "SAME.evil.example.")
    events: list[Event] = [event(first), event(second, uuid="cccccccc-0000-4000-8000-00000000000c")]
    plan = make_plan(events, RULES, "", {}, NOW)
    assert len(plan.merged) == 1
    assert len(plan.merged[0].evidence) == 2


@pytest.mark.parametrize("level", ["attribute", "event"])
def test_the_strictest_tlp_closes_the_gate(level: str) -> None:
    """tlp:red at attribute or event keeps it here."""
    chosen = attribute(tags=["TLP:RED"] if level == "attribute" else [])
    assert _reasons(_plan(chosen, tags=["tlp:red"] if level == "event" else [])) == [Reason.TLP]


@pytest.mark.parametrize(
    "tag", ["tlp:red (not for disclosure)", "TLP:Red+strict", "tlp:\u200bred", 'tlp="red"', "PAP:RED+", "tlp : red"]
)
def test_a_misspelt_strict_marking_still_binds(tag: str) -> None:
    """Whoever wrote it meant at least that."""
    assert _reasons(_plan(attribute(tags=[tag])))[0] in (Reason.TLP, Reason.PAP)


def test_an_event_that_cannot_be_judged_sends_nothing() -> None:
    """Its tags cannot be read, so no gate can be trusted."""
    plan = _plan(attribute(), problem="Its tags (Tag) are no list but a text.")
    assert _reasons(plan) == [Reason.MALFORMED]


def test_many_tags_and_attributes_are_read_once() -> None:
    """An event's tags are read for the event, not for each attribute: equal labels are one object."""
    tags = [f"tag-{n}" for n in range(300)]
    plan = _plan(*[attribute("domain", f"h{n}.evil.example") for n in range(50)], tags=tags)
    assert len({id(m.evidence[0].labels) for m in plan.merged}) == 1


def test_peers_05_one_odd_tag_stops_nothing() -> None:
    """PEERS 5: an unknown marking is noted, and the attribute goes under the default."""
    plan = _plan(attribute(tags=["tlp:rainbow"]), attribute("domain", "b.evil.example"))
    assert _reasons(plan) == [None, None]
    assert any("tlp:rainbow" in note for note in plan.attributes[0].notes)


def test_markings_without_a_level_are_told_in_words() -> None:
    """Each says what it is, and that it opens and closes nothing."""
    plan = _plan(attribute(tags=["tlp:ex:chr", "TLP:UNCLEAR", "tlp:rainbow"]))
    assert plan.attributes[0].notes == (
        "The marking tlp:ex:chr is the Chatham House Rule (do not tell who said it) and no level; it opens and closes "
        "nothing.",
        "The marking TLP:UNCLEAR is no level; what other tags say counts, or the configured level.",
        "The marking tlp:rainbow is not known and was left aside.",
    )
    assert plan.merged[0].indicator.tlp is Tlp.AMBER


_SAYING = (
    "tlp:green",
    "tlp:amber+strict",
    "tlp:ex:chr",
    'misp:confidence-level="rarely-confident"',
    'admiralty-scale:source-reliability="b"',
    'admiralty-scale:information-credibility="3"',
    'false-positive:risk="low"',
    "sentinel-threattype:C2",
    "phishing",
    'misp-galaxy:threat-actor="Sofacy"',
    'misp-galaxy:mitre-malware="X-Tunnel - S0117"',
    'misp-galaxy:mitre-attack-pattern="Phishing - T1566"',
    "T1566",
    "kill-chain:Delivery",
)


@given(
    own=st.lists(st.sampled_from(_SAYING), unique=True),
    others=st.lists(st.sampled_from(_SAYING), unique=True),
    of_event=st.lists(st.sampled_from(_SAYING), unique=True),
    data=st.data(),
)
def test_the_order_of_tags_and_attributes_changes_nothing(
    own: list[str], others: list[str], of_event: list[str], data: st.DataObject
) -> None:
    """Content is what the facts say, not how they came."""

    def hashes(shuffle: Callable[[list[str]], list[str]]) -> dict[Observable, bytes]:
        attributes = [
            attribute("domain", "a.evil.example", tags=shuffle(own), uuid=str(uuid.UUID(int=1))),
            attribute("hostname", "a.evil.example", tags=shuffle(others), uuid=str(uuid.UUID(int=2))),
            attribute("sha256", "0a" * 32, tags=shuffle(own), category="Payload delivery"),
        ]
        if shuffle is not list:
            attributes.reverse()
        event_ = event(*attributes, tags=shuffle(of_event))
        merged = make_plan([event_], RULES, "", {}, NOW).merged
        return {one.indicator.observable: one.indicator.content_hash() for one in merged}

    def shuffled(tags: list[str]) -> list[str]:
        return data.draw(st.permutations(tags))

    assert hashes(list) == hashes(shuffled)


def _calls(attributes: int) -> int:
    """How many functions are called to plan an event of so many attributes, each value of which stands there twice."""
    values = [f"c{number // 2}.evil.example" for number in range(attributes)]
    whole = event(*(attribute("domain", value, uuid=str(uuid.uuid4())) for value in values))
    counted = 0

    def count(_frame: object, what: str, _argument: object) -> None:
        nonlocal counted
        counted += what in ("call", "c_call")

    sys.setprofile(count)
    try:
        plan = make_plan([whole], RULES, BASE_URL, {}, NOW)
    finally:
        sys.setprofile(None)
    assert len(plan.merged) == attributes // 2
    return counted


def test_peers_27_the_work_grows_with_the_event_and_not_with_its_square() -> None:
    """PEERS 27: eight times the attributes, each with a twin, are eight times the calls."""
    _calls(100)  # what is worked out once is worked out by now
    assert _calls(8_000) < 9 * _calls(1_000)
