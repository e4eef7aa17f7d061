"""What a withdrawal says: what the destination holds, not what the evidence says by then (DESIGN.md 4, rule 9)."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, select

from misp_modules_ext.ledger import holdings, schema
from misp_modules_ext.ledger.farewells import farewells, forget
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.model.indicator import Indicator
from misp_modules_ext.model.misp import Event
from tests.ledger.house import House, domain
from tests.support.build import NOW, attribute, event

ONE = attribute("domain", "one.evil.example", comment="C2", timestamp=NOW - 86_400)
VALUE = domain("one.evil.example")
OTHER = "0e0e0e0e-0000-4000-8000-000000000000"


def _event(*attributes: object, **fields: object) -> Event:
    return replace(event(*attributes, tags=["tlp:amber"], timestamp=NOW), info="Campaign", **fields)  # type: ignore[arg-type]


def _said(house: House, store: int = 0) -> Indicator:
    number = observable_id(VALUE)

    def look(connection: Connection) -> Indicator:
        place = house.stores(connection)[store]
        rows = holdings.read(connection, place, [number])
        return farewells(connection, place, rows, "https://misp.example")[number]

    return house.ledger.write(look)


def _sent(house: House) -> tuple[Indicator, bytes]:
    """Have it sent; what the destination holds then."""
    (store,) = [s.destination_id for s in house.ledger.write(house.stores)[:1]]
    ready = house.take(_event(ONE)).settled[store].ready[observable_id(VALUE)]
    house.send()
    return ready.indicator, ready.digest


def test_a_withdrawal_says_what_was_sent_and_not_what_may_not_leave(house: House) -> None:
    """The attribute is marked red and gets a comment for few: neither leaves with its withdrawal."""
    held, _ = _sent(house)
    secret = replace(ONE, comment="told by an informant", timestamp=NOW, tags=event(tags=["tlp:red"]).tags)
    house.read(replace(_event(secret), info="Informant", timestamp=NOW + 1))
    row = house.row(VALUE)
    assert row is not None
    assert (row.state, row.due_hash) == (schema.DUE, None)
    assert _said(house) == held
    assert house.send()
    assert house.ledger.read(lambda c: c.execute(select(schema.farewell)).all()) == []


def test_a_withdrawal_after_the_flag_went_off_says_what_was_sent(house: House) -> None:
    """Its timestamp moved with the flag, and would have moved its times."""
    held, _ = _sent(house)
    house.read(_event(replace(ONE, to_ids=False, timestamp=NOW), timestamp=NOW + 1))
    assert _said(house) == held


def test_an_event_that_is_gone_leaves_with_what_was_sent(house: House) -> None:
    """Nothing vouches any more when it is withdrawn."""
    held, _ = _sent(house)
    house.missing(_event().uuid)
    house.pass_time(15 * 86_400)
    assert house.missing(_event().uuid)
    assert _said(house) == held


def test_another_event_that_may_not_go_does_not_show(house: House) -> None:
    """What is known at another destination only is no part of it."""
    held, _ = _sent(house)
    red = event(attribute("domain", VALUE.value, comment="secret"), tags=["tlp:red"], timestamp=NOW)
    house.take(replace(red, uuid=OTHER, info="Red"))
    house.read(_event(timestamp=NOW + 1))
    assert _said(house) == held


def test_what_is_not_known_any_more_is_the_value_alone(house: House) -> None:
    """Without what was kept, nothing is made up from evidence that has changed."""
    _sent(house)
    house.read(_event(replace(ONE, to_ids=False, comment="closed", timestamp=NOW), timestamp=NOW + 1))
    house.ledger.write(lambda c: forget(c, house.stores(c)[0], [observable_id(VALUE)]))
    said = _said(house)
    assert (said.title, said.facts, said.labels, said.references) == (VALUE.value, (), (), ())
    assert house.ledger.read(lambda c: c.execute(select(schema.farewell)).all()) == []


def test_what_would_be_over_stays_while_it_has_time_left(house: House) -> None:
    """An older attribute vouches for it as well; when the newer one goes, the value is withdrawn and not forgotten."""
    old = attribute("domain", VALUE.value, timestamp=NOW - 400 * 86_400)
    past = replace(event(old, tags=["tlp:amber"], timestamp=NOW - 400 * 86_400), uuid=OTHER)
    house.take(past)
    _sent(house)
    house.ledger.write(lambda c: c.execute(schema.evidence.update().values(taken=schema.evidence.c.timestamp)))
    house.read(_event(replace(ONE, to_ids=False, timestamp=NOW), timestamp=NOW + 1))
    row = house.row(VALUE)
    assert row is not None
    assert (row.state, row.due_hash, row.sent_hash is not None) == (schema.DUE, None, True)


def test_content_that_is_over_by_today_s_window_leaves_a_live_row_alone(house: House) -> None:
    """A request that says less of dates takes nothing away, and the row keeps what it needs to be withdrawn."""
    _sent(house)
    house.ledger.write(lambda c: c.execute(schema.evidence.update().values(taken=NOW - 400 * 86_400)))
    earlier = replace(ONE, timestamp=NOW - 400 * 86_400)
    house.ledger.write(lambda c: c.execute(schema.evidence.update().values(timestamp=NOW - 401 * 86_400)))
    taken = house.take(_event(earlier, timestamp=NOW + 1))
    row = house.row(VALUE)
    assert row is not None
    assert (row.state, row.sent_hash is not None) == (schema.SETTLED, True)
    assert not next(iter(taken.settled.values())).withdrawing
