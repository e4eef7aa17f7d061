"""What blocks is decided by our own reading: a request neither raises an action nor takes one away."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection

from misp_modules_ext.config.settings import ActionRules, DestinationSettings, Selection
from misp_modules_ext.ledger import Origin, holdings, schema, story
from misp_modules_ext.ledger import take as take_views
from misp_modules_ext.ledger.content import Stored, by_observable
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.ledger.placing import action_of
from misp_modules_ext.model.indicator import Action
from misp_modules_ext.model.misp import Attribute, Event, Sightings
from tests.ledger.house import NARROW, WIDE, House, domain
from tests.support.build import NOW, attribute, event

ORG = "aaaaaaaa-0000-4000-8000-000000000001"
STRANGER = "aaaaaaaa-0000-4000-8000-000000000002"
RULES = ActionRules(block_tags=frozenset({"block"}), audit_tags=frozenset({"audit"}), block_orgs=frozenset({ORG}))
ACTING = WIDE.model_copy(update={"actions": RULES})
NAME = "one.evil.example"
OTHER = "0e0e0e0e-0000-4000-8000-000000000000"


@pytest.fixture
def acting(house: House) -> House:
    """A ledger with a destination that may block, and one that only alerts."""
    house.settings = (ACTING, NARROW)
    return house


def _one(*tags: str, **fields: Any) -> Attribute:
    return attribute("domain", NAME, **{"tags": tags, "warninglists": (), "timestamp": NOW - 86_400} | fields)


def _event(*attributes: Attribute, **fields: Any) -> Event:
    return event(*attributes, **{"timestamp": NOW, "creator_uuid": ORG} | fields)


def _sent_by_workflow(shown: Event) -> Event:
    """As workflows and files bring it: without what MISP's warninglists say."""
    return replace(shown, attributes=tuple(replace(a, warninglists=None) for a in shown.attributes))


def _action(house: House) -> Action:
    """What the evidence says, which is what the row says."""
    number = observable_id(domain(NAME))

    def look(connection: Connection) -> tuple[Action, int]:
        store = house.stores(connection)[0]
        content = Stored(connection, [number], "https://misp.example").content(store)
        return content[number].indicator.action, holdings.read(connection, store, [number])[number].grade

    action, grade = house.ledger.write(look)
    assert action_of(grade) is action
    return action


def _blocked(house: House, *tags: str) -> None:
    house.read(_event(_one("block", *tags)))
    house.take(_event(_one("block", *tags)))
    house.read(_event(_one("block", *tags)))
    house.send()
    assert _action(house) is Action.BLOCK


def test_a_request_alone_never_blocks(acting: House) -> None:
    """Anyone could have sent it; our own reading of the same does."""
    shown = _event(_one("block"))
    acting.take(shown)
    assert _action(acting) is Action.AUDIT
    acting.read(shown)
    assert _action(acting) is Action.BLOCK
    assert len(acting.send()) == 1


def test_what_stands_blocked_is_not_sent_again_by_any_door(acting: House) -> None:
    """The content does not go to Audit and back because a request said the same, with or without warninglists."""
    _blocked(acting)
    for shown in (_event(_one("block")), _sent_by_workflow(_event(_one("block")))):
        for again in (False, False, True):
            acting.take(shown)
            if again:
                acting.read(_event(_one("block")))
            assert acting.send() == []
            assert _action(acting) is Action.BLOCK


@pytest.mark.parametrize(
    "changed",
    [
        _event(_one()),
        _event(_one("block", "audit")),
        _event(_one("block", comment="changed")),
        _event(_one("block", "PAP:AMBER")),
        _event(_one("block", warninglists=("Top 1000 websites",))),
        _event(_one("block", timestamp=NOW + 60), timestamp=NOW + 60),
        _event(_one("block"), creator_uuid=STRANGER),
        _event(_one("block"), tags=("audit",)),
        _event(_one("block"), info="Another title", timestamp=NOW + 60),
    ],
    ids=range(9),
)
def test_no_request_ends_a_block(acting: House, changed: Event) -> None:
    """Until our own reading confirms it, everything stays: the indicator would go and come within seconds."""
    _blocked(acting)
    acting.take(changed)
    assert acting.send() == []
    assert _action(acting) is Action.BLOCK


@pytest.mark.parametrize(
    "changed",
    [
        _event(_one()),
        _event(_one("block", "audit")),
        _event(_one("block", "PAP:AMBER")),
        _event(_one("block", warninglists=("Top 1000 websites",))),
        _event(_one("block"), creator_uuid=STRANGER),
        _event(_one("block"), tags=("audit",)),
    ],
    ids=range(6),
)
def test_our_own_reading_ends_a_block(acting: House, changed: Event) -> None:
    """It is sent once more, as Audit."""
    _blocked(acting)
    acting.read(changed)
    assert _action(acting) is Action.AUDIT
    assert len(acting.send()) == 1


def test_a_request_cannot_raise_what_our_own_reading_saw(acting: House) -> None:
    """The tag in its body counts when MISP itself shows it."""
    acting.take(_event(_one()))
    acting.read(_event(_one()))
    acting.send()
    for shown in (_event(_one("block")), _event(_one(), tags=("block",))):
        acting.take(shown)
        acting.take(_event(_one()))
        acting.take(shown)
        assert _action(acting) is Action.AUDIT
        assert acting.send() == []
    acting.read(_event(_one("block")))
    assert _action(acting) is Action.BLOCK


def test_a_request_cannot_take_an_objection_away(acting: House) -> None:
    """Of two attributes with a say the first decides: a request that changes that one must not silence it."""
    objection = _event(_one("audit", uuid=OTHER), uuid=OTHER, threat_level=1)
    block = _event(_one("block"), threat_level=3)
    for shown in (objection, block):
        acting.take(shown)
        acting.read(shown)
    assert _action(acting) is Action.AUDIT
    acting.send()
    for request in (
        _event(_one("audit", uuid=OTHER, comment="x"), uuid=OTHER, threat_level=1),
        _event(_one("block", uuid=OTHER), uuid=OTHER, threat_level=1),
        _event(_one("audit", uuid=OTHER), uuid=OTHER, threat_level=4),
    ):
        acting.take(request)
        assert _action(acting) is Action.AUDIT


@pytest.mark.parametrize("read", [False, True])
def test_an_event_of_others_does_not_end_a_block(acting: House, read: bool) -> None:
    """Severer, but of an organisation that may not block: it has no say, whoever brings it."""
    _blocked(acting)
    other = _event(_one("audit", uuid=OTHER), uuid=OTHER, threat_level=1, creator_uuid=STRANGER)
    acting.take(other)
    if read:
        acting.read(other)
    assert _action(acting) is Action.BLOCK


def test_the_creator_has_to_be_among_block_orgs(acting: House) -> None:
    """Also when our own reading saw it."""
    acting.take(_event(_one("block"), creator_uuid=STRANGER))
    acting.read(_event(_one("block"), creator_uuid=STRANGER))
    assert _action(acting) is Action.AUDIT


def test_a_reading_confirms_only_what_it_shows(acting: House) -> None:
    """What a request invented, and a partial view does not contradict, stays what it was."""
    acting.take(_event(_one("block")))
    other = attribute("domain", "two.evil.example", uuid=OTHER)
    acting.take(_event(other, timestamp=NOW + 1), own=True)
    acting.take(_event(other, timestamp=NOW + 1), own=True)
    assert _action(acting) is Action.AUDIT


def test_a_frozen_event_confirms_nothing_that_a_request_brought(acting: House) -> None:
    """MISP shows it unpublished, so it stays as it was, and that is not as our reading saw it."""
    acting.take(_event(_one("block")))
    acting.read(_event(_one("block"), published=False))
    acting.read(_event(_one("block", to_ids=False), published=False))
    acting.take(_event(_one("block")))
    assert _action(acting) is Action.AUDIT


def test_a_frozen_event_stays_blocked(acting: House) -> None:
    """MISP takes the publication back at every edit: until it is published again the event counts as it was."""
    _blocked(acting)
    acting.read(_event(_one("block", comment="changed"), published=False, timestamp=NOW + 60, info="Another title"))
    assert _action(acting) is Action.BLOCK
    assert acting.send() == []
    acting.read(_event(_one(), timestamp=NOW + 60))
    assert _action(acting) is Action.AUDIT


@pytest.mark.parametrize(
    "changed",
    [
        _event(_one()),
        _event(_one("block", "audit")),
        _event(_one("block", "PAP:RED")),
        _event(_one("block"), tags=("PAP:RED",)),
        _event(_one("block"), creator_uuid=STRANGER),
        _event(_one("block", warninglists=("Top 1000 websites",))),
        _event(replace(_one("block"), value="two.evil.example")),
    ],
    ids=range(7),
)
def test_a_frozen_event_lowers_an_action_and_raises_none(acting: House, changed: Event) -> None:
    """An edit that objects need not wait for its publication; the indicator goes on as an alert."""
    _blocked(acting)
    acting.read(replace(changed, published=False, counts_as_published=False, timestamp=NOW + 60))
    assert _action(acting) is Action.AUDIT
    assert len(acting.send()) == 1
    assert acting.holds() == {NAME}
    acting.read(_event(_one("block"), published=False, timestamp=NOW + 70))
    assert _action(acting) is Action.AUDIT
    acting.read(_event(_one("block"), timestamp=NOW + 80))
    assert _action(acting) is Action.BLOCK


SECOND = attribute("domain", "two.evil.example", uuid=OTHER, warninglists=(), timestamp=NOW - 86_400)


@pytest.mark.parametrize("changed", [{"tags": ("PAP:AMBER",)}, {"tags": ()}, {"creator_uuid": STRANGER}])
def test_a_partial_reading_of_a_changed_event_leaves_no_block_that_it_does_not_show(
    acting: House, changed: dict[str, Any]
) -> None:
    """Under the old header it would go on blocking, although the event asks for it no more."""
    before = _event(_one(), SECOND, tags=("block",))
    acting.take(before)
    acting.read(before)
    acting.send()
    assert _action(acting) is Action.BLOCK
    acting.take(_event(SECOND, **{"tags": ("block",), "timestamp": NOW + 60} | changed), own=True)
    assert _action(acting) is Action.AUDIT
    acting.send()
    assert acting.holds() == {NAME, "two.evil.example"}


def test_a_partial_reading_of_an_unchanged_event_leaves_it(acting: House) -> None:
    """It says nothing about what it does not show."""
    before = _event(_one("block"), SECOND)
    acting.take(before)
    acting.read(before)
    acting.send()
    acting.take(_event(SECOND), own=True)
    assert _action(acting) is Action.BLOCK
    assert acting.send() == []


def test_a_partial_reading_takes_no_objection_away(acting: House) -> None:
    """Less knowledge lowers an action and raises none."""
    objection = _event(_one("audit", uuid=OTHER), uuid=OTHER, threat_level=4)
    for shown in (objection, _event(_one("block"), threat_level=1)):
        acting.take(shown)
        acting.read(shown)
    assert _action(acting) is Action.AUDIT
    third = attribute("domain", "three.evil.example", uuid="0d0d0d0d-0000-4000-8000-000000000000")
    acting.take(_event(third, uuid=OTHER, threat_level=4, info="Another title", timestamp=NOW + 60), own=True)
    assert _action(acting) is Action.AUDIT


@pytest.mark.parametrize(
    "unread",
    [
        _event(_one("block"), problem="Its tags cannot be read.", timestamp=NOW + 60),
        _event(_one("block", problem="Its tags cannot be read."), timestamp=NOW + 60),
    ],
    ids=["event", "attribute"],
)
def test_a_reading_that_cannot_be_judged_leaves_no_block(acting: House, unread: Event) -> None:
    """It takes nothing away, and whether anything still asks for the block nobody knows."""
    _blocked(acting)
    acting.read(unread)
    assert _action(acting) is Action.AUDIT
    acting.send()
    assert acting.holds() == {NAME}
    acting.take(_event(_one("block"), timestamp=NOW + 60))
    assert _action(acting) is Action.AUDIT
    acting.read(_event(_one("block"), timestamp=NOW + 70))
    assert _action(acting) is Action.BLOCK


def test_what_was_read_before_blocking_was_switched_on(house: House) -> None:
    """The next reading of the same confirms it; no request does."""
    house.take(_event(_one("block")))
    house.read(_event(_one("block")))
    house.send()
    house.settings = (ACTING, NARROW)
    house.take(_event(_one("block")))
    assert _action(house) is Action.AUDIT
    house.read(_event(_one("block")))
    assert _action(house) is Action.BLOCK


def test_a_changed_rule_counts_at_the_next_reading(acting: House) -> None:
    """`neverBlock` is no evidence: what is there is judged anew."""
    _blocked(acting)
    never = RULES.model_copy(update={"never_block": frozenset({"evil.example"})})
    acting.settings = (WIDE.model_copy(update={"actions": never}), NARROW)
    acting.take(_event(_one("block")))
    assert _action(acting) is Action.AUDIT
    assert len(acting.send()) == 1


def test_a_request_for_another_destination_ends_no_block_either(acting: House) -> None:
    """Evidence is kept once for all destinations."""
    _blocked(acting)
    changed = _event(_one("block", comment="changed"))

    def work(connection: Connection) -> None:
        first, second = acting.stores(connection)
        take_views(connection, [changed], Origin.REQUEST, [second], "https://misp.example", elsewhere=[first.rules])

    acting.ledger.write(work)
    acting.read(_event(_one("block")))
    assert acting.send() == []
    assert _action(acting) is Action.BLOCK


def test_no_verdict_of_warninglists_is_kept_apart_from_a_good_one(acting: House) -> None:
    """Our own reading without one blocks nothing, and says so in the ledger, too."""
    acting.take(_event(_one("block")))
    acting.read(_event(_one("block", warninglists=None)))
    assert _action(acting) is Action.AUDIT


def test_an_index_that_is_away_for_a_moment_changes_nothing(acting: House) -> None:
    """The verdict on the same value stays: else it would be Block and Audit by turns, as this or that machine reads."""
    _blocked(acting)
    acting.read(_sent_by_workflow(_event(_one("block"))))
    assert _action(acting) is Action.BLOCK
    assert acting.send() == []


@pytest.mark.parametrize("own", [True, False])
def test_hits_that_cannot_be_asked_for_stay(acting: House, own: bool) -> None:
    """Whoever told of them: a missing index opens no gate."""
    acting.settings = (_but_on("Top 1000 websites"),)
    listed = _event(_one("block", warninglists=("Top 1000 websites",)))
    acting.take(_event(_one("block")))
    acting.read(_event(_one("block")))
    acting.take(listed, own=own)
    acting.read(_sent_by_workflow(_event(_one("block"))))
    known = observable_id(domain(NAME))
    said = acting.ledger.read(lambda connection: by_observable(connection, [known]))[known]
    assert [witness.attribute.warninglists for witness in said] == [("Top 1000 websites",) if own else ()]


def _but_on(name: str) -> DestinationSettings:
    selection = Selection(allow_documentation_ranges=True, warninglists=(name,))
    return WIDE.model_copy(update={"actions": RULES, "selection": selection})


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("lists", [(), ("Top 1000 websites",)])
def test_a_new_value_has_no_verdict_of_the_old_one(acting: House, own: bool, lists: tuple[str, ...]) -> None:
    """Nobody has looked for it: the attribute is the same, what it says is another thing."""
    before = _event(_one("block", warninglists=lists))
    acting.take(before)
    acting.read(before)
    new = replace(_one("block", warninglists=None, timestamp=NOW + 60), value="two.evil.example")
    acting.take(replace(_event(new, timestamp=NOW + 60), complete=own), own=own)
    known = observable_id(domain("two.evil.example"))
    said = acting.ledger.read(lambda connection: by_observable(connection, [known]))[known]
    assert [witness.attribute.warninglists for witness in said] == [None]


def test_a_value_of_two_attributes_stays_blocked_when_one_goes(acting: House) -> None:
    """What is left has its own say."""
    second = _one("block", uuid=OTHER)
    for step in (_event(_one("block"), second), _event(second, timestamp=NOW + 5)):
        acting.take(step)
        acting.read(step)
        acting.send()
    assert _action(acting) is Action.BLOCK
    assert acting.row(domain(NAME)) is not None
    assert acting.row(domain(NAME)).state == schema.SETTLED  # type: ignore[union-attr] # it is there


@pytest.mark.parametrize("mine", ["00000000-0000-4000-8000-000000000000", "ffffffff-0000-4000-8000-000000000000"])
@pytest.mark.parametrize("tag", ["PAP:AMBER", "audit"])
@pytest.mark.parametrize("asks", [True, False])
def test_what_one_attribute_forbids_the_value_does_not_get(acting: House, mine: str, tag: str, asks: bool) -> None:
    """Two attributes of one event hold it: whether it is blocked does not go by their UUIDs."""
    other = _one(tag, *(["block"] if asks else []), uuid="88888888-0000-4000-8000-000000000000")
    shown = _event(_one("block", uuid=mine), other)
    acting.take(shown)
    acting.read(shown)
    assert _action(acting) is Action.AUDIT


def test_a_warninglist_that_holds_it_at_one_attribute_counts_for_the_value(acting: House) -> None:
    """An event that was read before the list was there, or asked for under another type."""
    listed = _event(_one("block", uuid=OTHER, warninglists=("Top 1000 websites",)), uuid=OTHER, threat_level=4)
    for shown in (_event(_one("block"), threat_level=1), listed):
        acting.take(shown)
        acting.read(shown)
    assert _action(acting) is Action.AUDIT


def _ended(shown: Attribute) -> Attribute:
    """An Expiration sighting says that it is over."""
    return replace(shown, sightings=Sightings(1, 0, NOW - 60, None))


@pytest.mark.parametrize("threat_level", [1, 3])
def test_a_stranger_does_not_keep_a_block_alive_that_misp_has_ended(acting: House, threat_level: int) -> None:
    """What others say of the value goes on as an alert."""
    _blocked(acting)
    acting.take(_event(_one(uuid=OTHER), uuid=OTHER, creator_uuid=STRANGER, threat_level=threat_level))
    acting.send()
    assert _action(acting) is Action.BLOCK
    acting.read(_event(_ended(_one("block")), timestamp=NOW + 60))
    assert _action(acting) is Action.AUDIT
    assert len(acting.send()) == 1
    assert acting.holds() == {NAME}


def test_a_strangers_request_does_not_lengthen_a_block(acting: House) -> None:
    """Its end is that of the evidence with a say."""
    _blocked(acting)
    before = acting.row(domain(NAME))
    late = _one(uuid=OTHER, timestamp=NOW + 60, last_seen=NOW + 60)
    acting.take(_event(late, uuid=OTHER, creator_uuid=STRANGER, threat_level=1, info="Theirs", timestamp=NOW + 60))
    assert _action(acting) is Action.BLOCK
    after = acting.row(domain(NAME))
    assert before is not None
    assert after is not None
    assert after.valid_until == before.valid_until


CERTIFICATE = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize("ended", [(), ("remediate", "audit"), ("remediate", "PAP:AMBER")])
def test_a_certificate_that_is_to_be_audited_is_withdrawn(house: House, ended: tuple[str, ...]) -> None:
    """Its destination audits none, so nothing could end the block but taking it away; nothing comes in its place."""
    rules = RULES.model_copy(update={"block_and_remediate_tags": frozenset({"remediate"})})
    house.settings = (WIDE.model_copy(update={"actions": rules}),)

    def shown(*tags: str) -> Event:
        one = attribute("x509-fingerprint-sha1", CERTIFICATE, tags=tags, warninglists=(), timestamp=NOW - 86_400)
        return _event(one)

    house.take(shown("remediate"))
    house.read(shown("remediate"))
    house.send()
    assert house.holds() == {CERTIFICATE}
    settled = house.read(shown(*ended)).settled
    assert [s.message for found in settled.values() for s in found.standings.values()] == [
        "certificates are not audited What is there of it is withdrawn."
    ]
    assert [row.due_hash for row in house.send()] == [None]
    assert house.holds() == set()
    house.read(shown(*ended))
    assert house.send() == []
    house.read(shown("remediate"))
    house.send()
    assert house.holds() == {CERTIFICATE}


def test_the_story_of_a_value_says_why_it_does_not_block(acting: House) -> None:
    """For each attribute that asks for it; one that gets what it asks for has nothing to explain."""

    def told() -> list[tuple[Action, str] | None]:
        found = acting.ledger.read(lambda connection: story.story(connection, domain(NAME)))
        assert found is not None
        store = acting.ledger.write(lambda connection: acting.stores(connection)[0])
        return [story.action_refused(said.witness, store, "https://misp.example") for said in found.said]

    acting.take(_event(_one("block")))
    ((action, why),) = filter(None, told())
    assert action is Action.BLOCK
    assert "our own reading" in why
    acting.read(_event(_one("block")))
    assert told() == [None]
