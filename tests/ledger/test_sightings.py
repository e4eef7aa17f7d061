"""Sightings in the ledger: whom a hit concerns, and what MISP has still to be told. On all three databases."""

from __future__ import annotations

from misp_modules_ext.ledger import schema, sightings
from misp_modules_ext.ledger.engine import now_ms
from misp_modules_ext.ledger.sightings import DAY, Hit, Told
from tests.ledger.house import House, domain
from tests.support.build import EVENT, NOW, attribute, event

MISP = "https://misp.example"


def _told(number: int, seen: int = NOW, misp: str = MISP) -> Told:
    return Told(misp, f"00000000-0000-4000-8000-{number:012}", 0, EVENT, seen)


def test_only_what_counts_at_the_destination_is_concerned(house: House) -> None:
    """The narrow destination refuses tlp:amber, so an attribute with it justifies nothing there."""
    green = attribute("domain", "one.example", tags=("tlp:green",))
    house.take(event(green, attribute("domain", "two.example", tags=("tlp:amber",)), misp=MISP))
    for store in (0, 1):
        house.send(store)
    seen = {domain(f"{name}.example"): {NOW: 3} for name in ("one", "two", "three")}

    def concerned(place: int) -> list[Hit]:
        return house.ledger.write(lambda c: sightings.concerned(c, house.stores(c)[place], MISP, seen, 0))

    assert len(concerned(0)) == 2
    assert concerned(1) == [Hit(Told(MISP, green.uuid, 0, EVENT, NOW), 3)]

    def held(place: int) -> list[str]:
        end, page = house.ledger.write(lambda c: sightings.held(c, house.stores(c)[place].destination_id, -1))
        assert end is None
        return sorted(one.value for one in page)

    assert (held(0), held(1)) == (["one.example", "two.example"], ["one.example"])

    def held_of(place: int) -> list[str]:
        found = house.ledger.write(lambda c: sightings.held_of(c, house.stores(c)[place].destination_id, seen))
        return sorted(one.value for one in found)

    assert (held_of(0), held_of(1)) == (["one.example", "two.example"], ["one.example"])


def test_one_of_each_attribute_and_day_is_noted(house: House) -> None:
    """The latest of those that come together; what is noted already stays as it was."""
    house.ledger.write(lambda c: sightings.intend(c, [_told(1), _told(1, NOW + 1), _told(2), _told(1, NOW - DAY)]))
    house.ledger.write(lambda c: sightings.intend(c, [_told(1, NOW + 2), _told(1, misp="")]))
    found = house.ledger.read(lambda c: sightings.waiting(c, MISP, 100))
    assert sorted(found) == sorted([_told(1, NOW + 1), _told(2), _told(1, NOW - DAY)])
    assert house.ledger.read(lambda c: sightings.waiting(c, "", 100)) == [_told(1, misp="")]
    assert house.ledger.read(lambda c: sightings.noted(c, [_told(1, NOW + 9), _told(3)])) == {_told(1).key}


def test_what_was_told_waits_no_more_and_what_was_tried_comes_last(house: House) -> None:
    """Of each MISP by itself, and as many as are wanted."""
    house.ledger.write(lambda c: sightings.intend(c, [_told(n) for n in (1, 2, 3, 4)] + [_told(5, misp="")]))
    house.ledger.write(lambda c: sightings.note(c, _told(1), schema.TOLD))
    house.ledger.write(lambda c: sightings.note(c, _told(2), schema.WAITS))
    house.ledger.write(lambda c: sightings.note(c, _told(4), schema.GONE))
    assert house.ledger.read(lambda c: sightings.waiting(c, MISP, 100)) == [_told(3), _told(2)]
    assert house.ledger.read(lambda c: sightings.waiting(c, MISP, 1)) == [_told(3)]
    assert house.ledger.read(lambda c: sightings.count_waiting(c, [MISP, ""])) == 3
    assert house.ledger.read(lambda c: sightings.count_waiting(c, [MISP])) == 2


def test_what_is_long_over_is_forgotten_and_what_waits_is_not(house: House) -> None:
    """By the day of the sighting; that of the border is kept."""
    now = house.ledger.read(now_ms) // 1000
    told = [_told(number, now - days * DAY) for number, days in ((1, 0), (2, 10), (3, 11), (4, 12))]
    house.ledger.write(lambda c: sightings.intend(c, told))
    for one, state in zip(told, (schema.TOLD, schema.TOLD, schema.GONE, schema.WAITS), strict=True):
        house.ledger.write(lambda c, one=one, state=state: sightings.note(c, one, state))  # type: ignore[misc] # mypy cannot infer it
    house.ledger.write(lambda c: sightings.forget(c, 10 * DAY))
    assert house.ledger.read(lambda c: sightings.noted(c, told)) == {told[n].key for n in (0, 1, 3)}


def test_the_detail_is_that_of_the_last_time_and_all_else_stays(house: House) -> None:
    """The moment and the state are those of the first; seen and false are two."""
    house.ledger.write(lambda c: sightings.intend(c, [_told(1)._replace(detail="microsoft, 3 hits"), _told(2)]))
    house.ledger.write(lambda c: sightings.note(c, _told(2), schema.TOLD))
    again = [_told(n, NOW + 5)._replace(detail="microsoft, 7 hits") for n in (1, 2)]
    house.ledger.write(lambda c: sightings.intend(c, [*again, _told(1)._replace(kind=1)]))
    found = house.ledger.read(lambda c: sightings.waiting(c, MISP, 100))
    assert found == [_told(1)._replace(detail="microsoft, 7 hits"), _told(1)._replace(kind=1)]
