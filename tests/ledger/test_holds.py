"""Holds: what people take back stays away until they say otherwise (DESIGN.md 4, rule 6). On all three databases."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, update

from misp_modules_ext.ledger import again, brakes, evictions, flight, holdings, holds, lease, repairs, schema
from misp_modules_ext.ledger.engine import now_ms
from misp_modules_ext.ledger.holds import Hold
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.ledger.stores import Store
from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.model.misp import Tlp
from misp_modules_ext.model.outcome import Reason
from tests.ledger.house import House, domain
from tests.support.build import EVENT, NOW, attribute, event

ONE, TWO = domain("one.evil.example"), domain("two.evil.example")
FIRST = event(attribute("domain", ONE.value), attribute("domain", TWO.value), timestamp=NOW, tags=["tlp:green"])
OTHER = "0e0e0e0e-0000-4000-8000-000000000000"
#: Another event with the first value.
SECOND = event(
    attribute("domain", ONE.value, uuid="0a0a0a0a-0000-4000-8000-000000000000"),
    uuid=OTHER,
    timestamp=NOW,
    tags=["tlp:green"],
)
WORD = Hold("alice", "a false alarm")


def _ids(*observables: Observable) -> list[int]:
    return [observable_id(observable) for observable in observables]


def _take_back(house: House, *observables: Observable, store: int = 0, everywhere: bool = False) -> set[int]:
    def work(connection: Connection) -> set[int]:
        place = house.stores(connection)[store]
        target = schema.EVERYWHERE if everywhere else place.destination_id
        holds.put(connection, dict.fromkeys(_ids(*observables), WORD), target)
        return holds.take_back(connection, place, _ids(*observables), lifted=False)

    return house.ledger.write(work)


def _release(house: House, *observables: Observable, stores: Collection[int] = (0, 1)) -> dict[int, dict[int, Hold]]:
    def work(connection: Connection) -> dict[int, dict[int, Hold]]:
        all_ = house.stores(connection)
        places = [all_[index] for index in stores]
        everywhere = len(places) == len(all_)
        return holds.end(connection, places, _ids(*observables), "https://misp.example", everywhere=everywhere)

    return house.ledger.write(work)


def _mark(house: House) -> None:
    house.ledger.write(lambda connection: holds.mark(connection, house.stores(connection)[0]))


def _store(house: House) -> Store:
    return house.ledger.write(lambda connection: house.stores(connection)[0])


def _row(house: House, observable: Observable, store: int = 0) -> holdings.Holding:
    row = house.row(observable, store)
    assert row is not None
    return row


@pytest.mark.parametrize(
    ("text", "observable"),
    [
        ("ONE.evil[.]example.", ONE),
        ("domain-name:one.evil.example", ONE),
        (" hxxps://Evil.example/a'b\\c ", Observable(Kind.URL, "https://evil.example/a'b\\c")),
        ("A" * 64, Observable(Kind.FILE_SHA256, "a" * 64)),
        ("sha256:" + "A" * 64, Observable(Kind.FILE_SHA256, "a" * 64)),
        ("Hostname:one.evil.example", ONE),
        ("Invoice (1).exe", Observable(Kind.FILE_NAME, "Invoice (1).exe")),
    ],
)
def test_a_value_is_found_in_any_spelling(house: House, text: str, observable: Observable) -> None:
    """As MISP's readers take it, or with its kind."""
    house.settings = house.settings[:1]
    types = {Kind.DOMAIN_NAME: "domain", Kind.URL: "url", Kind.FILE_SHA256: "sha256", Kind.FILE_NAME: "filename"}
    house.take(event(attribute(types[observable.kind], observable.value)))
    # The first destination has no place for file names, and so no row; the observable is known all the same.
    assert house.ledger.read(lambda c: holds.named(c, text)) == {observable_id(observable): observable}


def test_what_was_released_meanwhile_is_not_marked(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Marked, it would be on hold without a hold, and never go."""
    house.take(FIRST)
    house.send()
    number = observable_id(ONE)
    _take_back(house, ONE)
    house.send()

    def meanwhile(connection: Connection, *arguments: Any) -> Any:
        here = schema.holding.c.observable_id == number
        connection.execute(update(schema.holding).where(here).values(state=schema.DUE, due_hash=b"x" * 32))
        return change(connection, *arguments)

    change = holdings.change
    monkeypatch.setattr(holds, "change", meanwhile)
    _mark(house)
    assert _row(house, ONE).state == schema.DUE


def test_what_is_not_known_is_not_found(house: House) -> None:
    """Neither other values nor what is no text at all."""
    house.take(FIRST)
    for text in ("three.evil.example", "url:one.evil.example", "", "\udcff"):
        assert house.ledger.read(partial(holds.named, text=text)) == {}


def test_what_is_taken_back_is_withdrawn_and_stays_away(house: House) -> None:
    """Whatever MISP says meanwhile, and with who and why in the report; the other value is untouched."""
    house.take(FIRST)
    house.send()
    assert _take_back(house, ONE) == set(_ids(ONE))
    assert [row.due_hash for row in house.send()] == [None]
    _mark(house)
    assert house.holds() == {TWO.value}
    assert (_row(house, ONE).state, _row(house, ONE).generation) == (schema.ON_HOLD, 1)
    later = replace(FIRST, timestamp=NOW + 10, info="Changed")
    standing = next(iter(house.take(later).settled.values())).standings[observable_id(ONE)]
    assert (standing.state, standing.reason) == (schema.ON_HOLD, Reason.ON_HOLD)
    assert standing.message == "alice: a false alarm"
    assert [row.observable_id for row in house.send()] == _ids(TWO)


def test_what_was_not_sent_yet_does_not_go(house: House) -> None:
    """Nothing is to be withdrawn then."""
    house.take(FIRST)
    assert _take_back(house, ONE) == set()
    assert _row(house, ONE).state == schema.ON_HOLD
    house.send()
    assert house.holds() == {TWO.value}


def test_a_hold_is_for_its_destination(house: House) -> None:
    """The other one holds the value on; a hold for all holds everywhere."""
    house.take(FIRST)
    house.send()
    house.send(1)
    _take_back(house, ONE)
    house.send()
    assert (house.holds(), house.holds(1)) == ({TWO.value}, {ONE.value, TWO.value})
    _take_back(house, TWO, store=1, everywhere=True)
    house.send(1)
    assert (house.holds(), house.holds(1)) == ({TWO.value}, {ONE.value})
    later = replace(FIRST, timestamp=NOW + 10, info="Changed")
    assert {s.standings[observable_id(TWO)].state for s in house.take(later).settled.values()} == {schema.ON_HOLD}


def test_a_release_sends_again_under_a_new_id(house: House) -> None:
    """With what the evidence says then."""
    house.take(FIRST)
    house.send()
    _take_back(house, ONE)
    house.send()
    _mark(house)
    house.take(replace(FIRST, timestamp=NOW + 10, info="Changed"))
    ended = _release(house, ONE, TWO)
    assert {number: [hold.who for hold in by.values()] for number, by in ended.items()} == {_ids(ONE)[0]: ["alice"]}
    row = _row(house, ONE)
    assert (row.state, row.generation) == (schema.DUE, 1)
    assert house.send()
    assert house.holds() == {ONE.value, TWO.value}


def test_a_release_before_the_withdrawal_keeps_what_is_there(house: House) -> None:
    """It never left, so nothing is sent."""
    house.take(FIRST)
    house.send()
    _take_back(house, ONE)
    _release(house, ONE)
    assert _row(house, ONE).state == schema.SETTLED
    assert house.send() == []
    assert house.holds() == {ONE.value, TWO.value}


def test_a_release_at_one_destination_leaves_the_others(house: House) -> None:
    """A hold for all becomes one for each of the others."""
    house.take(FIRST)
    _take_back(house, ONE, everywhere=True)
    _take_back(house, ONE, store=1, everywhere=True)
    assert set(_release(house, ONE, stores=(0,))) == set(_ids(ONE))
    house.send()
    house.send(1)
    assert (house.holds(), house.holds(1)) == ({ONE.value, TWO.value}, {TWO.value})
    _release(house, ONE)
    house.send(1)
    assert house.holds(1) == {ONE.value, TWO.value}


def test_what_people_changed_goes_again_after_the_release(house: House) -> None:
    """Although its content is what was sent before; under the id that it has."""
    house.take(FIRST)
    house.send()
    row, store = _row(house, ONE), _store(house)
    house.ledger.write(lambda c: repairs.edited(c, store, {row.observable_id: (row, WORD, "")}))
    assert (_row(house, ONE).state, house.send()) == (schema.ON_HOLD, [])
    _release(house, ONE)
    assert [due.observable_id for due in house.send()] == _ids(ONE)
    again_ = _row(house, ONE)
    assert (again_.sent_hash, again_.generation) == (row.sent_hash, 0)


@pytest.mark.parametrize("how", ["gone", "to_ids off", "red"])
def test_what_people_changed_is_withdrawn_when_nothing_counts_at_its_release(house: House, how: str) -> None:
    """MISP took it away while it was on hold: the attribute, its flag, or the marking that let it pass."""
    house.take(FIRST)
    house.send()
    row, store = _row(house, ONE), _store(house)
    house.ledger.write(lambda c: repairs.edited(c, store, {row.observable_id: (row, WORD, "")}))
    one, two = FIRST.attributes
    red = event(tags=["tlp:red"]).tags
    left = {"gone": (two,), "to_ids off": (replace(one, to_ids=False), two), "red": (replace(one, tags=red), two)}
    house.read(replace(FIRST, timestamp=NOW + 10, attributes=left[how]))
    assert house.send() == []
    _release(house, ONE)
    house.send()
    assert house.holds() == {TWO.value}


def test_a_release_withdraws_nothing_where_there_was_no_hold(house: House) -> None:
    """The other destination's rule has changed, which withdraws nothing by itself."""
    house.take(FIRST)
    house.send()
    house.send(1)
    _take_back(house, ONE)
    wide, narrow = house.settings
    clear = narrow.selection.model_copy(update={"max_tlp": Tlp.CLEAR})
    house.settings = (wide, narrow.model_copy(update={"selection": clear}))
    _release(house, ONE)
    assert house.send(1) == []
    assert house.holds(1) == {ONE.value, TWO.value}


def test_a_release_brings_nothing_to_where_there_was_no_hold(house: House) -> None:
    """What the other destination's rule would let in by now is for `reconcile` to say."""
    amber = replace(FIRST, tags=event(tags=["tlp:amber"]).tags)
    house.take(amber)
    house.send()
    _take_back(house, ONE)
    wide, narrow = house.settings
    open_ = narrow.selection.model_copy(update={"max_tlp": Tlp.AMBER})
    house.settings = (wide, narrow.model_copy(update={"selection": open_}))
    _release(house, ONE)
    assert house.send(1) == []
    assert (house.holds(), house.holds(1)) == ({ONE.value, TWO.value}, set())


def test_what_people_deleted_comes_back_under_a_new_id(house: House) -> None:
    """Only after the release."""
    house.take(FIRST)
    house.send()
    row, store = _row(house, ONE), _store(house)
    assert house.ledger.write(lambda c: repairs.deleted(c, store, {row.observable_id: (row, WORD)})) == set(_ids(ONE))
    house.take(replace(FIRST, timestamp=NOW + 10, info="Changed"))
    house.send()
    assert house.holds() == {TWO.value}
    _release(house, ONE)
    house.send()
    assert (_row(house, ONE).generation, house.holds()) == (1, {ONE.value, TWO.value})


def test_a_repair_leaves_alone_what_has_changed_since(house: House) -> None:
    """The list was read before the row was sent anew."""
    house.take(FIRST)
    house.send()
    before, store = _row(house, ONE), _store(house)
    house.take(replace(FIRST, timestamp=NOW + 10, info="Changed"))
    house.send()
    for repair in (
        lambda c: repairs.deleted(c, store, {before.observable_id: (before, WORD)}),
        lambda c: repairs.edited(c, store, {before.observable_id: (before, WORD, "")}),
    ):
        assert house.ledger.write(repair) == set()
    assert _row(house, ONE).state == schema.SETTLED
    assert house.ledger.read(lambda c: holds.on(c, _ids(ONE))) == {}


def test_an_event_takes_back_what_nobody_else_vouches_for(house: House) -> None:
    """The value of two events stays, wherever the other one counts."""
    house.take(FIRST)
    house.take(SECOND)
    store = _store(house)
    found = house.ledger.read(lambda c: holds.of_event(c, EVENT, store, ""))
    assert found == (frozenset(_ids(TWO)), frozenset(_ids(ONE)))
    assert house.ledger.read(lambda c: holds.of_event(c, OTHER, store, "")) == (frozenset(), frozenset(_ids(ONE)))
    assert house.ledger.read(lambda c: holds.of_event(c, "ffffffff-0000-4000-8000-000000000000", store, "")) is None


def test_evidence_that_fails_the_gates_vouches_for_nobody(house: House) -> None:
    """The other event is red: its value counts for the first one alone."""
    house.take(FIRST)
    house.take(SECOND)
    house.read(replace(SECOND, timestamp=NOW + 10, tags=event(tags=["tlp:red"]).tags))
    store = _store(house)
    found = house.ledger.read(lambda c: holds.of_event(c, EVENT, store, ""))
    assert found is not None
    assert found.alone == frozenset(_ids(ONE, TWO))


def test_what_was_refused_is_due_again(house: House) -> None:
    """Also when it is a withdrawal that the cap holds back, and only as far as it is meant."""
    house.settings = [house.settings[0].model_copy(update={"max_withdraw": 0})]
    house.take(FIRST)
    house.send()
    house.read(replace(FIRST, timestamp=NOW + 10, attributes=()))
    house.send()
    store = _store(house)
    assert house.holds() == {ONE.value, TWO.value}
    assert house.ledger.read(lambda c: again.capped(c, store, None)) == set(_ids(ONE, TWO))
    house.ledger.write(lambda c: again.lift_cap(c, store, again.capped(c, store, _ids(ONE))))
    assert house.ledger.write(lambda c: again.make_due(c, store, None)) == set(_ids(ONE, TWO))
    house.send()
    assert house.holds() == {TWO.value}
    assert _row(house, TWO).reason == Reason.WITHDRAWAL_CAP.code


def test_a_rejected_row_is_due_again(house: House) -> None:
    """With nothing of the old refusal left."""
    house.take(FIRST)
    store = _store(house)
    row = _row(house, ONE)
    assert row.due_hash is not None
    wanted = {row.observable_id: row.due_hash}

    def refuse(connection: Connection) -> None:
        held = lease.acquire(connection, store.destination_id, "test")
        assert held is not None
        flight.begin(connection, store, held, wanted)
        answer = flight.Answer(row.observable_id, accepted=False, reason=Reason.REJECTED, message="no")
        flight.record(connection, store, held, [answer], withdrawn=False)
        lease.release(connection, held)

    house.ledger.write(refuse)
    assert _row(house, ONE).state == schema.REJECTED
    assert house.ledger.write(lambda c: again.make_due(c, store, _ids(ONE))) == set(_ids(ONE))
    row = _row(house, ONE)
    assert (row.state, row.reason, row.message, row.attempts) == (schema.DUE, None, None, 0)


def test_an_eviction_is_remembered_until_it_is_done(house: House) -> None:
    """And counts as a withdrawal; what was evicted goes again when its time comes."""
    house.take(FIRST)
    house.send()
    store, number = _store(house), observable_id(ONE)

    def evict(connection: Connection) -> list[flight.Begun]:
        held = lease.acquire(connection, store.destination_id, "test")
        assert held is not None
        assert evictions.crowd(connection, store).live.keys() == set(_ids(ONE, TWO))
        evictions.place(connection, store, held, [number], [], "")
        assert evictions.under_way(connection, store) == [number]
        assert evictions.is_evicted(holdings.read(connection, store, [number])[number])
        begun = evictions.begin(connection, store, held, _ids(ONE, TWO))
        lease.release(connection, held)
        return begun

    assert [row.observable_id for row in house.ledger.write(evict)] == [number]
    # Its process was killed here; retry does not send it in between.
    assert house.ledger.write(lambda c: again.make_due(c, store, None)) == set()
    assert house.ledger.read(lambda c: evictions.under_way(c, store)) == [number]

    def finish(connection: Connection) -> tuple[int, int]:
        held = lease.acquire(connection, store.destination_id, "test")
        assert held is not None
        answer = flight.Answer(number, accepted=True)
        evictions.record(connection, store, held, [answer])
        lease.release(connection, held)
        return brakes.used_within_a_day(connection, store, now_ms(connection))

    assert house.ledger.write(finish) == (2, 1)
    row = _row(house, ONE)
    assert (row.state, row.reason, row.sent_hash, row.generation) == (schema.SKIPPED, "capacity", None, 1)
    assert row.due_hash is not None
    assert house.ledger.read(lambda c: evictions.under_way(c, store)) == []
    assert house.ledger.write(lambda c: again.make_due(c, store, None)) == {number}
    house.send()
    assert house.holds() == {ONE.value, TWO.value}


def test_an_edit_before_the_eviction_begins_keeps_the_slot(house: House) -> None:
    """Content that is there as it should be is settled: nothing is to be evicted."""
    house.take(FIRST)
    house.send()
    store, number = _store(house), observable_id(ONE)

    def place(connection: Connection) -> None:
        held = lease.acquire(connection, store.destination_id, "test")
        assert held is not None
        evictions.place(connection, store, held, [number], [], "")
        lease.release(connection, held)

    house.ledger.write(place)
    house.take(FIRST)
    assert _row(house, ONE).state == schema.SETTLED
    assert house.ledger.read(lambda c: evictions.under_way(c, store)) == []
