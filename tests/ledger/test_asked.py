"""Who pushes one attribute has not asked for its event: what else is in it does not go there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from sqlalchemy import Connection

from misp_modules_ext.ledger import Origin, Taken, holds, schema, written_back
from misp_modules_ext.ledger import take as take_views
from misp_modules_ext.ledger.holds import Hold
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.ledger.placing import action_of
from misp_modules_ext.ledger.refreshing import refresh
from misp_modules_ext.model.indicator import Action, Observable
from misp_modules_ext.model.misp import Event
from tests.ledger.house import NARROW, House, domain
from tests.ledger.test_actions import ACTING, ORG
from tests.support.build import NOW, attribute, event

ONE, TWO, THREE = (domain(f"{name}.evil.example") for name in ("one", "two", "three"))
WHOLE = event(*(attribute("domain", o.value) for o in (ONE, TWO, THREE)), timestamp=NOW, tags=["tlp:green"])
BOTH = (0, 1)


def _push(house: House, number: int, stores: Collection[int] = (0,), whole: Event = WHOLE) -> Taken:
    """One attribute of the event, as MISP shows it to us."""
    part = replace(whole, attributes=(whole.attributes[number],), kept_out=whole.attributes, complete=False)

    def work(connection):  # type: ignore[no-untyped-def] # a transaction's
        every = house.stores(connection)
        asked = {every[store].destination_id for store in stores}
        return take_views(connection, [part], Origin.OWN_READING, every, "https://misp.example", asked=asked, only=True)

    return house.ledger.write(work)


def _sent(house: House) -> tuple[set[str], set[str]]:
    for store in BOTH:
        house.send(store)
    return house.holds(0), house.holds(1)


def test_only_the_attribute_goes_also_when_the_event_is_read_again(house: House) -> None:
    """Twice over: a second one may follow, and the third one stays."""
    _push(house, 0)
    house.read(WHOLE)
    assert _sent(house) == ({ONE.value}, set())
    _push(house, 1)
    house.read(WHOLE)
    house.read(WHOLE)
    assert _sent(house) == ({ONE.value, TWO.value}, set())


def test_what_misp_takes_away_of_it_is_withdrawn(house: House) -> None:
    """The flag off, or the attribute gone: seen by a reading of the whole event, or of the attribute alone."""
    for number in (0, 1, 2):
        _push(house, number)
    assert _sent(house) == ({ONE.value, TWO.value, THREE.value}, set())
    off = replace(WHOLE.attributes[0], to_ids=False, timestamp=NOW + 10)
    without = replace(WHOLE, attributes=(off, WHOLE.attributes[2]), timestamp=NOW + 10)
    house.read(without)
    assert _sent(house) == ({THREE.value}, set())
    last = replace(WHOLE.attributes[2], to_ids=False, timestamp=NOW + 20)
    _push(house, 1, whole=replace(without, attributes=(off, last), timestamp=NOW + 20))
    assert _sent(house) == (set(), set())


def test_who_asks_for_the_event_gets_all_of_it(house: House) -> None:
    """Beside a destination that was asked for one attribute, and at that one once it is asked for the event, too."""
    _push(house, 0, stores=[0])

    def elsewhere(connection):  # type: ignore[no-untyped-def] # a transaction's
        return take_views(connection, [WHOLE], Origin.REQUEST, house.stores(connection)[1:], "https://misp.example")

    house.ledger.write(elsewhere)
    house.read(WHOLE)
    everything = {ONE.value, TWO.value, THREE.value}
    assert _sent(house) == ({ONE.value}, everything)
    _push(house, 1, stores=[0])
    house.read(WHOLE)
    assert _sent(house) == ({ONE.value, TWO.value}, everything)
    house.take(WHOLE)
    assert _sent(house) == (everything, everything)
    _push(house, 0, stores=BOTH)
    house.read(replace(WHOLE, attributes=(*WHOLE.attributes, attribute("domain", "four.evil.example"))))
    assert _sent(house) == (everything | {"four.evil.example"}, everything | {"four.evil.example"})


def test_others_are_left_as_they_are(house: House) -> None:
    """Whoever pushes one attribute says nothing of the others: they stay, and what is not asked for does not go."""
    house.take(WHOLE)
    house.read(WHOLE)
    before = _sent(house)
    off = replace(WHOLE.attributes[1], to_ids=False, timestamp=NOW + 10)
    changed = replace(WHOLE, attributes=(WHOLE.attributes[0], off, WHOLE.attributes[2]), timestamp=NOW + 10)
    _push(house, 0, whole=changed)
    assert _sent(house) == before


def test_what_blocks_beside_it_goes_on_blocking(house: House) -> None:
    """Also when the event has changed since: nobody asked about the others, and the next reading of all of it will."""
    house.settings = (ACTING, NARROW)
    shown = event(
        attribute("domain", ONE.value, tags=["block"], warninglists=()),
        attribute("domain", TWO.value, warninglists=()),
        timestamp=NOW,
        tags=["tlp:green"],
        creator_uuid=ORG,
    )
    house.take(shown)
    house.read(shown)
    house.send()
    before = house.row(ONE)
    assert before is not None
    assert action_of(before.grade) is Action.BLOCK
    later = replace(shown, timestamp=NOW + 10, info="Another title")
    _push(house, 1, whole=later)
    assert house.row(ONE) == before
    house.read(replace(later, creator_uuid=None))
    after = house.row(ONE)
    assert after is not None
    assert action_of(after.grade) is Action.AUDIT


def test_an_attribute_that_does_not_go_leaves_nothing_that_goes_later(house: House) -> None:
    """Of an event that is not published nothing goes; when it is read again as published, it has to be asked for."""
    draft = replace(WHOLE, published=False, counts_as_published=False)
    _push(house, 0, whole=draft)
    house.read(WHOLE)
    assert _sent(house) == (set(), set())


C_EVENT = "99999999-9999-4999-8999-999999999999"


def _elsewhere(house: House, whole: Event = WHOLE) -> None:
    """Somebody asks for the whole event at the second destination, where nobody asks for parts."""
    house.ledger.write(
        lambda c: take_views(c, [whole], Origin.REQUEST, house.stores(c)[1:], "https://misp.example"),
    )
    house.read(whole)


def _release(house: House, value: Observable) -> None:
    """A person put the value on hold everywhere, and ends that."""

    def work(connection: Connection) -> None:
        number = observable_id(value)
        holds.put(connection, {number: Hold("me", "why")}, schema.EVERYWHERE)
        holds.end(connection, house.stores(connection), [number], "https://misp.example", everywhere=True)

    house.ledger.write(work)


def test_the_end_of_a_hold_brings_nothing_that_nobody_asked_for(house: House) -> None:
    """The event is whole at one destination, and in part at the other."""
    _push(house, 0, stores=[0])
    _elsewhere(house)
    _release(house, TWO)
    _release(house, ONE)
    assert _sent(house) == ({ONE.value}, {ONE.value, TWO.value, THREE.value})


def test_a_value_that_was_there_for_another_event_does_not_come_back(house: House) -> None:
    """Nobody has asked for it as this event has it: not after it was withdrawn, nor when rows are compared again."""
    _push(house, 0, stores=[0])
    _elsewhere(house)
    other = event(attribute("domain", TWO.value, uuid=C_EVENT), timestamp=NOW, tags=["tlp:green"])
    other = replace(other, uuid=C_EVENT)
    house.take(other)
    house.read(other)
    assert _sent(house)[0] == {ONE.value, TWO.value}
    off = replace(other.attributes[0], to_ids=False, timestamp=NOW + 10)
    house.read(replace(other, attributes=(off,), timestamp=NOW + 10))
    assert _sent(house)[0] == {ONE.value}

    def again(connection: Connection) -> None:
        refresh(connection, [observable_id(TWO)], house.stores(connection), "https://misp.example")

    house.ledger.write(again)
    _release(house, TWO)
    assert _sent(house) == ({ONE.value}, {ONE.value, TWO.value, THREE.value})


def test_a_new_value_of_what_was_asked_for_goes(house: House) -> None:
    """It is the attribute that somebody pushed, not its value."""
    _push(house, 0)
    assert _sent(house)[0] == {ONE.value}
    changed = replace(WHOLE.attributes[0], value="new.evil.example", timestamp=NOW + 10)
    house.read(replace(WHOLE, attributes=(changed, *WHOLE.attributes[1:]), timestamp=NOW + 10))
    assert _sent(house)[0] == {"new.evil.example"}


def test_withdrawing_the_event_takes_back_what_was_asked_for(house: House) -> None:
    """What is there for another event, and was not asked for with this one, is no matter of it."""
    _push(house, 0, stores=[0])
    _elsewhere(house)
    other = replace(event(attribute("domain", TWO.value, uuid=C_EVENT), tags=["tlp:green"]), uuid=C_EVENT)
    house.take(other)

    def look(connection: Connection) -> list[holds.Vouched | None]:
        found = [holds.of_event(connection, WHOLE.uuid, s, "https://misp.example") for s in house.stores(connection)]
        return [*found, holds.of_event(connection, C_EVENT, house.stores(connection)[0], "https://misp.example")]

    part, whole, others = house.ledger.write(look)
    one, two, three = map(observable_id, (ONE, TWO, THREE))
    assert part == holds.Vouched(frozenset({one}), frozenset())
    assert whole == holds.Vouched(frozenset({one, three}), frozenset({two}))
    assert others == holds.Vouched(frozenset({two}), frozenset())


def test_an_event_has_nothing_there_that_was_not_asked_for(house: House) -> None:
    """Not by a value that another event has brought: it gets no tag for that."""
    _push(house, 0, stores=[0])
    _elsewhere(house)
    other = replace(event(attribute("domain", TWO.value, uuid=C_EVENT), tags=["tlp:green"]), uuid=C_EVENT)
    house.take(other)
    house.send(0, only=lambda row: row.observable_id == observable_id(TWO))

    def look(connection: Connection) -> dict[str, int | None]:
        store = house.stores(connection)[0]
        found = written_back.page(connection, {""}, -1)
        return {
            one.uuid: written_back.witness(connection, store, "https://misp.example", one.event_id) for one in found
        }

    assert house.ledger.write(look) == {WHOLE.uuid: None, C_EVENT: observable_id(TWO)}
    house.send(0)
    assert house.ledger.write(look)[WHOLE.uuid] == observable_id(ONE)
