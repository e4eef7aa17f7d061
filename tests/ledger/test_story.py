"""One value's whole story, and what is there against today's rules. On all three databases."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import Connection

from misp_modules_ext.config.settings import Selection
from misp_modules_ext.ledger import Origin, holds, schema, story, take
from misp_modules_ext.ledger.asked import NOBODY
from misp_modules_ext.ledger.holds import Hold
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.model.indicator import Observable
from misp_modules_ext.model.misp import Tlp
from misp_modules_ext.model.outcome import Reason
from tests.ledger.house import WIDE, House, domain
from tests.support.build import EVENT, NOW, attribute, event

ONE, TWO = domain("one.evil.example"), domain("two.evil.example")
FIRST = event(attribute("domain", ONE.value), attribute("domain", TWO.value), timestamp=NOW, tags=["tlp:amber"])
OTHER = "0e0e0e0e-0000-4000-8000-000000000000"
SECOND = event(
    attribute("hostname", ONE.value, uuid="0a0a0a0a-0000-4000-8000-000000000000"),
    uuid=OTHER,
    timestamp=NOW,
    tags=["tlp:green"],
)
BASE = "https://misp.example"


def _story(house: House, observable: Observable) -> story.Story:
    found = house.ledger.read(lambda connection: story.story(connection, observable))
    assert found is not None
    return found


def test_a_value_that_was_never_seen_has_no_story(house: House) -> None:
    """Whatever its number."""
    house.take(FIRST)
    assert house.ledger.read(lambda connection: story.story(connection, domain("never.example"))) is None


def test_who_vouches_and_since_when(house: House) -> None:
    """Attributes of two events, one by a request and one also by our own reading."""
    house.take(FIRST)
    house.take(SECOND)
    house.read(FIRST)
    found = _story(house, ONE)
    by_event = {said.witness.event.uuid: said for said in found.said}
    assert by_event[EVENT].origins == Origin.REQUEST | Origin.OWN_READING
    assert by_event[OTHER].origins == Origin.REQUEST
    assert by_event[OTHER].witness.attribute.type == "hostname"
    assert all(said.witness.taken > 0 and said.witness.vouches for said in found.said)


def test_what_no_longer_vouches_stands_last(house: House) -> None:
    """It is kept for the sake of a withdrawal."""
    house.take(FIRST)
    house.take(SECOND)
    house.read(replace(event(FIRST.attributes[1], tags=["tlp:amber"]), timestamp=NOW + 10))
    said = _story(house, ONE).said
    assert [(one.witness.event.uuid, one.witness.vouches) for one in said] == [(OTHER, True), (EVENT, False)]


def test_how_it_stands_and_what_the_rules_say(house: House) -> None:
    """At the first destination it is; the other one takes green at most, so only the second event counts there."""
    house.take(FIRST)
    house.send()
    amber = _story(house, ONE)
    wide, narrow = house.ledger.write(house.stores)
    assert amber.rows[wide.destination_id].sent_hash is not None
    assert narrow.destination_id not in amber.rows
    assert amber.content(wide, BASE) is not None
    assert amber.content(narrow, BASE) is None
    audience = amber.audience[narrow.destination_id]
    why = story.closed(amber.said[0].witness, narrow, BASE, audience)
    assert why is not None
    assert why.reason is Reason.TLP
    assert story.closed(amber.said[0].witness, wide, BASE, audience) is None
    house.take(SECOND)
    green = _story(house, ONE).content(narrow, BASE)
    assert green is not None
    assert green.indicator.tlp is Tlp.GREEN


def test_an_event_counts_only_where_it_was_asked_for(house: House) -> None:
    """And the story says so."""
    alone = House(house.ledger, settings=(WIDE,))
    alone.take(SECOND)
    narrow = house.ledger.write(house.stores)[1]
    found = _story(house, ONE)
    why = story.closed(found.said[0].witness, narrow, BASE, found.audience.get(narrow.destination_id, NOBODY))
    assert why is not None
    assert "asked" in why.message


def test_holds_stand_in_the_story(house: House) -> None:
    """Who, when and why, for one destination or for all."""
    house.take(FIRST)
    wide = house.ledger.write(house.stores)[0]
    number = observable_id(ONE)

    def put(connection: Connection) -> None:
        holds.put(connection, {number: Hold("alice", "a false alarm")}, wide.destination_id)
        holds.put(connection, {number: Hold("bob", "as well")}, schema.EVERYWHERE)

    house.ledger.write(put)
    found = _story(house, ONE).holds
    assert (found[wide.destination_id].who, found[schema.EVERYWHERE].why) == ("alice", "as well")


@pytest.mark.parametrize("generation", [0, 1])
def test_a_stix_id_names_its_value(house: House, generation: int) -> None:
    """Today's, and those that it had before it was withdrawn."""
    house.take(FIRST)
    house.send()
    house.read(replace(event(FIRST.attributes[1], tags=["tlp:amber"]), timestamp=NOW + 10))
    house.send()
    house.take(replace(FIRST, timestamp=NOW + 20))
    house.send()
    named = house.ledger.read(lambda connection: story.by_stix_id(connection, ONE.stix_id(generation).upper()))
    assert named == ONE
    assert house.ledger.read(lambda connection: story.by_stix_id(connection, ONE.stix_id(7))) is None


def test_what_is_there_against_todays_rules(house: House) -> None:
    """A rule that became stricter withdraws nothing by itself: this is its effect, page by page."""
    house.take(FIRST)
    house.take(SECOND)
    house.send()
    strict = WIDE.model_copy(update={"selection": Selection(allow_documentation_ranges=True, max_tlp=Tlp.GREEN)})
    (store,) = house.ledger.write(House(house.ledger, settings=(strict,)).stores)
    after, found = house.ledger.read(lambda connection: story.against_rules(connection, store, BASE, -1))
    assert after is None
    # The other value has a green event that vouches for it as well.
    assert {observable: why.reason for observable, why in found.items()} == {TWO: Reason.TLP}
    (as_before,) = house.ledger.write(House(house.ledger, settings=(WIDE,)).stores)
    assert house.ledger.read(lambda connection: story.against_rules(connection, as_before, BASE, -1)) == (None, {})


def test_pages_go_on_where_they_ended(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a million rows need little memory."""
    monkeypatch.setattr(story, "PAGE", 1)
    house.take(FIRST)
    house.send()
    nothing = WIDE.model_copy(update={"selection": Selection(types=frozenset({"url"}))})
    (store,) = house.ledger.write(House(house.ledger, settings=(nothing,)).stores)
    found: set[Observable] = set()
    after: int | None = -1
    while after is not None:
        look = partial(story.against_rules, store=store, base_url=BASE, after=after)
        after, page = house.ledger.read(look)
        assert len(page) <= 1
        found |= set(page)
    assert found == {ONE, TWO}


def test_our_own_reading_can_be_asked_for(house: House) -> None:
    """Then it counts at the destinations that a person named, and settles all others that knew the event."""
    House(house.ledger, settings=(WIDE,)).take(SECOND)
    house.send()

    def read(connection: Connection) -> set[int]:
        stores = house.stores(connection)
        view = replace(SECOND, complete=True, timestamp=NOW + 10, attributes=FIRST.attributes[1:])
        taken = take(connection, [view], Origin.OWN_READING, stores, BASE, asked=[stores[1].destination_id])
        return set(taken.settled)

    wide, narrow = house.ledger.write(house.stores)
    assert house.ledger.write(read) == {wide.destination_id, narrow.destination_id}
    row = house.row(ONE)
    assert row is not None
    assert row.due_hash is None
    assert house.row(TWO, store=1) is not None
