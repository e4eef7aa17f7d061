"""What is said again changes nothing, is not planned anew, and hides nothing that is not as it should be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy import event as listener

from misp_modules_ext.ledger import Origin, Taken, schema
from misp_modules_ext.ledger import take as take_views
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.model.misp import Tag
from misp_modules_ext.model.outcome import Reason
from tests.ledger.house import NARROW, WIDE, House, domain
from tests.support.build import NOW, attribute, event

ONE = attribute("domain", "one.evil.example", timestamp=NOW - 86_400)
TWO = attribute("domain", "two.evil.example", timestamp=NOW - 86_400)
BOTH = event(ONE, TWO, timestamp=NOW, tags=["tlp:green"])
OTHER = "0e0e0e0e-0000-4000-8000-000000000000"
NAMES = ("one.evil.example", "two.evil.example")


@contextmanager
def _statements(house: House) -> Iterator[list[str]]:
    """The statements that name the evidence."""
    found: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "evidence" in statement:
            found.append(statement)

    engine = house.ledger.engine
    listener.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        listener.remove(engine, "before_cursor_execute", note)


def _states(taken: Taken) -> list[dict[str, int]]:
    """The states by value, at each destination."""
    names = {observable_id(domain(name)): name for name in NAMES}
    return [
        {names[number]: standing.state for number, standing in sorted(settled.standings.items())}
        for settled in taken.settled.values()
    ]


def _settled(house: House) -> None:
    house.take(BOTH)
    house.send()
    house.send(1)


def test_what_is_said_again_reads_no_evidence(house: House) -> None:
    """It costs what the rows of the destinations cost; everything stands as it did."""
    _settled(house)
    with _statements(house) as found:
        taken = house.take(BOTH)
    assert found == []
    assert _states(taken) == [dict.fromkeys(NAMES, schema.SETTLED)] * 2
    assert [planned.reason for plan in taken.plans.values() for planned in plan.attributes] == [None, None] * 2
    assert {o.value for o in taken.named.values()} == set(NAMES)
    assert house.send() == []


def test_our_own_reading_is_noted_apart_from_requests(house: House) -> None:
    """After both have been here once more, neither reads the evidence again."""
    _settled(house)
    house.read(BOTH)
    house.take(BOTH)
    with _statements(house) as found:
        house.read(BOTH)
        house.take(BOTH)
    assert found == []


def test_anything_else_is_compared(house: House) -> None:
    """A comment, a tag of the event, one attribute less, another time of publication."""
    _settled(house)
    others = [
        replace(BOTH, attributes=(replace(ONE, comment="new"), TWO)),
        replace(BOTH, tags=event(tags=["tlp:green", "osint"]).tags),
        replace(BOTH, attributes=(ONE,)),
        replace(BOTH, publish_timestamp=NOW + 5),
    ]
    for other in others:
        with _statements(house) as found:
            house.take(other)
        assert found


def test_a_change_in_between_is_not_overlooked(house: House) -> None:
    """The first state comes again after another one: it is the evidence again."""
    _settled(house)
    changed = replace(BOTH, attributes=(replace(ONE, comment="new"), TWO))
    house.take(changed)
    house.send()
    house.take(BOTH)
    assert [row.observable_id for row in house.send()] == [observable_id(domain("one.evil.example"))]


def test_an_older_state_stays_old(house: House) -> None:
    """A later view with the same words moved the event's time."""
    _settled(house)
    house.take(replace(BOTH, timestamp=NOW + 10))
    assert house.take(BOTH).stale == {BOTH.uuid}


def test_what_is_not_as_it_should_be_is_settled(house: House) -> None:
    """One value is on hold, one was never sent: both stand as they are, and what is due goes."""
    house.take(BOTH)
    first = observable_id(domain("one.evil.example"))
    house.send(only=lambda row: row.observable_id == first)
    taken = house.take(BOTH)
    assert _states(taken)[0] == {"one.evil.example": schema.SETTLED, "two.evil.example": schema.DUE}
    (store, *_) = taken.settled
    assert list(taken.settled[store].ready) == [observable_id(domain("two.evil.example"))]
    # The report says which attribute speaks for it.
    assert all(plan.merged for plan in taken.plans.values())
    house.send()
    hold = schema.hold.insert().values(
        observable_id=first, destination_id=schema.EVERYWHERE, since_ms=1, who="x", why="y"
    )
    house.ledger.write(lambda c: c.execute(hold))
    taken = house.take(BOTH)
    assert taken.settled[store].standings[first].reason is Reason.ON_HOLD


def test_what_is_over_is_said_to_be(house: House) -> None:
    """Time alone makes a difference."""
    _settled(house)
    house.ledger.write(lambda c: c.execute(schema.holding.update().values(valid_until=NOW - 5)))
    house.ledger.write(lambda c: c.execute(schema.evidence.update().values(taken=1, timestamp=1)))
    assert set(_states(house.take(BOTH))[0].values()) == {schema.EXPIRED}


def test_another_expiry_is_told_for_each(house: House) -> None:
    """Rows that do not share their expiry keep their own."""
    _settled(house)
    first = observable_id(domain("one.evil.example"))
    later = schema.holding.update().where(schema.holding.c.observable_id == first)
    house.ledger.write(lambda c: c.execute(later.values(valid_until=schema.holding.c.valid_until + 60)))
    settled = next(iter(house.take(BOTH).settled.values()))
    expiries = {number: standing.valid_until for number, standing in settled.standings.items()}
    assert expiries[first] - 60 == expiries[observable_id(domain("two.evil.example"))]  # type: ignore[operator]


def test_another_configuration_is_another_rule(house: House) -> None:
    """The same view under another configuration is settled anew, also when the first one comes back."""
    _settled(house)
    house.settings = (replace_confidence(90), NARROW)
    house.take(BOTH)
    assert len(house.send()) == 2
    house.settings = (WIDE, NARROW)
    house.take(BOTH)
    assert len(house.send()) == 2


def replace_confidence(confidence: int) -> Any:
    """The first destination with another confidence."""
    return WIDE.model_copy(update={"indicator": WIDE.indicator.model_copy(update={"confidence": confidence})})


def test_a_destination_that_was_not_named_is_brought_in_line(house: House) -> None:
    """Another event changes a shared value and names one destination; at the other one nothing is taken for granted."""
    _settled(house)
    shared = attribute("domain", "one.evil.example", comment="also here", timestamp=NOW - 86_400)
    second = replace(event(shared, timestamp=NOW, tags=["tlp:green"]), uuid=OTHER)
    house.take(second)
    house.send()
    house.send(1)
    house.take(BOTH)

    def only_first(connection: Connection) -> Taken:
        stores = house.stores(connection)[:1]
        changed = replace(second, attributes=(replace(shared, comment="changed"),))
        return take_views(connection, [changed], Origin.REQUEST, stores, "https://misp.example")

    house.ledger.write(only_first)
    assert len(house.send()) == 1
    assert house.send(1) == []
    house.take(BOTH)
    assert len(house.send(1)) == 1


def test_what_is_listed_twice_is_compared_each_time(house: House) -> None:
    """The plan knows more than the evidence then."""
    twice = replace(BOTH, attributes=(ONE, replace(ONE, value="two.evil.example")))
    house.take(twice)
    with _statements(house) as found:
        house.take(twice)
    assert found


def test_a_view_that_lacks_what_our_reading_saw_is_compared_each_time(house: House) -> None:
    """What it says alone passes, and its account would promise what does not go: a hidden tag, a warninglist's hit."""
    lists = ("List of known Office 365 URLs",)
    red = event(tags=[Tag("tlp:red", local=True)]).tags
    house.take(BOTH)
    house.read(replace(BOTH, attributes=(replace(ONE, warninglists=lists), replace(TWO, tags=red))))
    house.send()
    for _ in range(3):
        taken = house.take(BOTH)
        for plan in taken.plans.values():
            assert [planned.reason for planned in plan.attributes] == [Reason.WARNINGLIST, Reason.TLP]
    assert (house.send(), house.holds()) == ([], set())


def test_an_unpublished_reading_is_compared_each_time(house: House) -> None:
    """It means something else when its grace is over."""
    _settled(house)
    draft = replace(BOTH, published=False, counts_as_published=False)
    house.read(draft)
    house.read(draft)
    noted = house.ledger.read(lambda c: c.execute(select(schema.audience.c.own)).scalars().all())
    assert set(noted) == {None}
    house.pass_time(15 * 86_400)
    house.read(draft)
    assert {row.due_hash for row in house.send()} == {None}
