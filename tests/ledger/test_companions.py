"""Objects of context in the ledger: noted with their indicators, kept object by object, on every database."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Connection

from misp_modules_ext.config.settings import ContextAs
from misp_modules_ext.ledger import Ledger, Store, companions, lease, queries, schema
from misp_modules_ext.ledger.companions import Companion
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.ledger.lease import LeaseLostError
from misp_modules_ext.model.misp import Event
from tests.ledger.house import WIDE, House, domain
from tests.support.build import NOW, attribute, event

OBJECTS = WIDE.model_copy(update={"context": ContextAs.OBJECTS})
ONE, OTHER = domain("one.evil.example"), domain("other.evil.example")


@pytest.fixture
def house(url: str) -> Iterator[House]:
    """A ledger with one destination that takes objects."""
    ledger = Ledger(url)
    yield House(ledger, (OBJECTS,))
    ledger.close()


def _event(*values: str, moment: int = NOW, **fields: object) -> Event:
    attributes = [attribute("domain", value, timestamp=NOW - 86_400, **fields) for value in values]
    return replace(event(*attributes, tags=['misp-galaxy:threat-actor="Sofacy"']), timestamp=moment)


def _under_lease(house: House, work: Callable[[Connection, Store, lease.Lease], object]) -> None:
    def inside(connection: Connection) -> None:
        store = house.stores(connection)[0]
        taken = lease.acquire(connection, store.destination_id, "test")
        assert taken is not None
        work(connection, store, taken)
        lease.release(connection, taken)

    house.ledger.write(inside)


def _due(house: House) -> list[int]:
    return house.ledger.write(lambda connection: companions.due(connection, house.stores(connection)[0], 100))


def _is_due(house: House) -> bool:
    return house.ledger.write(lambda connection: companions.is_due(connection, house.stores(connection)[0]))


def _settled(house: House) -> None:
    """All were looked at."""

    def work(connection: Connection, store: Store, taken: lease.Lease) -> None:
        companions.change_over(connection, store, taken)
        companions.done(connection, store, taken, companions.due(connection, store, 100))

    _under_lease(house, work)
    assert not _is_due(house)


def test_an_indicator_that_went_changed_or_left_is_noted(house: House) -> None:
    """Once, until its objects were looked at."""
    house.take(_event(ONE.value, OTHER.value))
    _settled(house)
    house.send()
    assert _due(house) == sorted(map(observable_id, (ONE, OTHER)))
    _settled(house)
    house.take(_event(ONE.value, OTHER.value, moment=NOW + 1))
    house.send()
    assert _due(house) == []
    house.read(_event(ONE.value, OTHER.value, moment=NOW + 2, to_ids=False))
    house.send()
    assert set(_due(house)) == {observable_id(ONE), observable_id(OTHER)}


def test_what_a_destination_holds_is_told_with_its_context(house: House) -> None:
    """As it was sent, with the id and the times it has there; what left is gone."""
    house.take(_event(ONE.value, OTHER.value))
    house.send()
    numbers = [observable_id(ONE), observable_id(OTHER), 7]

    def standing(connection: Connection) -> companions.Standing:
        return companions.standing(connection, house.stores(connection)[0], numbers, "https://misp.example")

    found = house.ledger.write(standing)
    row = house.row(ONE)
    assert row is not None
    due = found.there[observable_id(ONE)]
    assert due.indicator.context.actors == ("Sofacy",)
    assert (due.stamp.stix_id, due.stamp.created_ms) == (ONE.stix_id(), row.created_ms)
    assert list(found.gone) == [7]
    house.read(_event(ONE.value, OTHER.value, moment=NOW + 2, to_ids=False))
    house.send()
    found = house.ledger.write(standing)
    assert (found.there, list(found.gone)) == ({}, numbers)


def test_objects_are_kept_changed_and_forgotten(house: House) -> None:
    """Those of the asked indicators and the shared ones, by their UUID."""
    shared = Companion(uuid.uuid4().bytes, schema.SHARED, b'{"name": "Sofacy"}')
    own = Companion(uuid.uuid4().bytes, observable_id(ONE), b'{"a": 1}', "it was refused: é😀")
    others = Companion(uuid.uuid4().bytes, observable_id(OTHER), b'{"b": 1}')

    def beside(*numbers: int) -> set[Companion]:
        return house.ledger.write(lambda c: set(companions.beside(c, house.stores(c)[0], numbers)))

    _under_lease(house, lambda c, store, taken: companions.keep(c, store, taken, [shared, own, others]))
    assert beside(observable_id(ONE)) == {shared, own}
    changed = own._replace(document=None, refusal="", generation=2)
    _under_lease(house, lambda c, store, taken: companions.keep(c, store, taken, [changed]))
    assert beside(observable_id(ONE), observable_id(OTHER)) == {shared, changed, others}
    _under_lease(house, lambda c, store, taken: companions.forget(c, store, taken, [changed.object, others.object]))
    assert beside(observable_id(ONE), observable_id(OTHER)) == {shared}


def test_what_was_refused_is_sent_again_on_demand(house: House) -> None:
    """What never was there as if it were new; of what is there, the document by which it would be taken back stays."""
    never = Companion(uuid.uuid4().bytes, observable_id(ONE), b"{}", "refused: é😀", 2)
    earlier = Companion(uuid.uuid4().bytes, observable_id(ONE), b"{}").refused("too large", held=True)
    others = Companion(uuid.uuid4().bytes, observable_id(OTHER), b"{}", "refused")
    assert (never.held, earlier.held) == (False, True)
    _under_lease(house, lambda c, store, taken: companions.keep(c, store, taken, [never, earlier, others]))
    _settled(house)
    house.ledger.write(lambda c: companions.again(c, house.stores(c)[0], [observable_id(ONE)]))
    assert _due(house) == [observable_id(ONE)]
    numbers = (observable_id(ONE), observable_id(OTHER))
    found = house.ledger.write(lambda c: set(companions.beside(c, house.stores(c)[0], numbers)))
    assert found == {
        never._replace(document=None, refusal=""),
        earlier._replace(refusal=companions.EARLIER),
        others,
    }


def test_a_pause_of_objects_is_no_pause_of_indicators(house: House) -> None:
    """It ends when a person asks for it."""
    house.take(_event(ONE.value))
    house.send()
    _under_lease(house, lambda c, store, taken: companions.pause(c, store, taken, "é" * 500, 30))

    def may_go(connection: Connection) -> tuple[bool, bool]:
        store = house.stores(connection)[0]
        return companions.may_go(connection, store), lease.paused(connection, store.destination_id) is None

    assert house.ledger.write(may_go) == (False, True)
    house.ledger.write(lambda c: companions.again(c, house.stores(c)[0], None))
    assert house.ledger.write(may_go) == (True, True)


def test_only_the_holder_of_the_lease_writes(house: House) -> None:
    """Whoever lost it repeats nothing of another's."""
    one = Companion(uuid.uuid4().bytes, schema.SHARED, b"{}")

    def late(connection: Connection) -> None:
        store = house.stores(connection)[0]
        companions.keep(connection, store, lease.Lease(store.destination_id, 99), [one])

    with pytest.raises(LeaseLostError):
        house.ledger.write(late)


def test_a_change_of_the_way_looks_at_everything_once(house: House) -> None:
    """Towards objects at all that is there; back at all that has objects."""
    labels = House(house.ledger, (WIDE,))
    labels.take(_event(ONE.value, OTHER.value))
    labels.send()
    assert not _is_due(labels)
    assert _is_due(house)
    _under_lease(house, companions.change_over)
    assert set(_due(house)) == {observable_id(ONE), observable_id(OTHER)}
    own = Companion(uuid.uuid4().bytes, observable_id(ONE), b"{}")
    _under_lease(house, lambda c, store, taken: companions.keep(c, store, taken, [own]))
    _settled(house)
    assert _is_due(labels)
    _under_lease(labels, companions.change_over)
    assert _due(labels) == [observable_id(ONE)]


def test_what_status_tells(house: House) -> None:
    """How many wait, and why a shared one was refused."""
    house.take(_event(ONE.value, OTHER.value))
    house.send()
    refused = Companion(uuid.uuid4().bytes, schema.SHARED, b"{}", "name is too long")
    _under_lease(house, lambda c, store, taken: companions.keep(c, store, taken, [refused]))
    found = house.ledger.write(lambda c: queries.beside(c, house.stores(c)[0].destination_id))
    assert found == queries.Beside(2, 1, "name is too long")
