"""What `sync` notes of itself: turns, what was tried, and MISPs that nobody reads any more. On all three databases."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from misp_modules_ext.delivery import reading
from misp_modules_ext.ledger import queries, schema, syncs
from misp_modules_ext.ledger.engine import now_ms
from tests.ledger.house import House
from tests.support.build import EVENT, NOW, attribute, event

MISP, OTHER = "https://misp.rhisac.org", "https://misp.example"


def _begin(house: House, misp: str = MISP) -> syncs.Turn:
    turn = house.ledger.write(lambda c: syncs.begin(c, misp, "me"))
    assert isinstance(turn, syncs.Turn)
    return turn


def test_what_was_tried_is_kept_until_a_run_ends_well(house: House) -> None:
    """Of each MISP by itself; the latest attempt counts."""
    turn, other = _begin(house), _begin(house, OTHER)

    def work(connection: Connection) -> None:
        syncs.note(connection, turn, "a", None)
        syncs.note(connection, turn, "b", NOW)
        syncs.note(connection, turn, "a", schema.READ_AGAIN)
        syncs.note(connection, other, "a", None)

    house.ledger.write(work)
    house.ledger.write(lambda c: syncs.end(c, turn, whole=False))
    found = house.ledger.read(lambda c: syncs.tried(c, MISP))
    assert {uuid: tried.timestamp for uuid, tried in found.items()} == {"a": schema.READ_AGAIN, "b": NOW}
    again = _begin(house)
    house.ledger.write(lambda c: syncs.end(c, again, whole=True))
    assert house.ledger.read(lambda c: syncs.tried(c, MISP)) == {}
    assert [t.timestamp for t in house.ledger.read(lambda c: syncs.tried(c, OTHER)).values()] == [None]


def test_who_lost_the_turn_ends_nothing(house: House) -> None:
    """What the other one has tried stays."""
    mine = _begin(house)
    house.ledger.write(lambda c: c.execute(update(schema.sync).values(holder="another")))
    house.ledger.write(lambda c: syncs.note(c, mine, "a", NOW))
    house.ledger.write(lambda c: syncs.end(c, mine, whole=True))
    row = house.ledger.read(lambda c: c.execute(select(schema.sync)).one())
    assert (row.holder, row.checkpoint) == ("another", None)
    assert house.ledger.read(lambda c: syncs.tried(c, MISP)).keys() == {"a"}


def test_events_of_a_misp_that_no_section_has_are_named(house: House) -> None:
    """For as long as they vouch for anything; those of the MISP that the modules serve have no address."""
    house.take(event(attribute("domain", "one.example"), uuid=EVENT))
    house.take(event(attribute("domain", "two.example"), uuid=EVENT, misp=MISP))

    def orphans(*misps: str) -> list[str]:
        return [orphan.misp for orphan in house.ledger.read(lambda c: queries.orphans(c, misps))]

    assert house.ledger.read(lambda c: queries.orphans(c, [])) == (queries.Orphan(MISP, 1, EVENT),)
    assert orphans(MISP) == []
    assert orphans(OTHER) == [MISP]
    house.ledger.write(lambda c: c.execute(update(schema.evidence).values(vouches=0)))
    assert orphans() == []


def test_only_what_was_due_then_is_taken_up(house: House) -> None:
    """What becomes due in a round that is waited for is for the next one."""
    house.take(event(attribute("domain", "one.example")))
    house.ledger.write(lambda c: reading.read_soon(c, EVENT))
    due = house.ledger.read(lambda c: c.execute(select(schema.event.c.read_due_ms)).scalar_one())
    assert house.ledger.write(lambda c: reading.claim(c, [""], due - 1)) is None
    assert house.ledger.read(now_ms) >= due
    taken = house.ledger.write(lambda c: reading.claim(c, [""], due))
    assert taken is not None
    assert taken.uuid == EVENT


def test_the_rest_of_an_event_is_looked_for_sooner_than_its_grace_ends(house: House) -> None:
    """An event that is to be read anyway is not put off."""
    house.take(event(attribute("domain", "one.example")), own=True)
    for due, sooner in ((1, 1), (None, None)):
        house.ledger.write(lambda c, due=due: c.execute(update(schema.event).values(read_due_ms=due)))  # type: ignore[misc] # mypy cannot infer it
        house.ledger.write(lambda c: reading.read_rest(c, EVENT, ""))
        row = house.ledger.read(lambda c: c.execute(select(schema.event)).one())
        clock = house.ledger.read(now_ms)
        assert row.read_message == reading.PART
        assert row.read_due_ms == sooner if sooner else clock < row.read_due_ms <= clock + reading.LATEST_PART_MS
