"""Which events have something at a destination, and which tags of ours they have in MISP. On all three databases."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Connection

from misp_modules_ext.ledger import schema, written_back
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.ledger.written_back import Candidate
from misp_modules_ext.model.misp import Tag
from tests.ledger.house import House, domain
from tests.support.build import EVENT, NOW, attribute, event

ONE = "one.evil.example"
OTHER = "99999999-9999-4999-8999-999999999999"
BASE = "https://misp.example"


def _candidates(house: House) -> list[Candidate]:
    return house.ledger.read(lambda c: written_back.page(c, {""}, -1))


def _witness(house: House, event_id: int, store: int = 0) -> int | None:
    def look(connection: Connection) -> int | None:
        return written_back.witness(connection, house.stores(connection)[store], BASE, event_id)

    return house.ledger.write(look)


def _leaving(house: House, event_id: int) -> bool:
    return house.ledger.write(lambda c: written_back.is_leaving(c, house.stores(c)[0], event_id))


def _still(house: House) -> set[int]:
    numbers = [observable_id(domain(ONE)), 7]
    return house.ledger.write(lambda c: written_back.still_there(c, house.stores(c)[0], numbers))


def _claim(house: House, found: Candidate, tags: dict[int, str]) -> int | None:
    return house.ledger.write(lambda c: written_back.claim(c, found, tags, {0, 1, 2}))


def _note(house: House, found: Candidate, until: int, tags: dict[int, str]) -> bool:
    return house.ledger.write(lambda c: written_back.note(c, found.event_id, until, tags, {0, 1, 2}))


def test_something_is_there_once_it_was_accepted(house: House) -> None:
    """Not while it is due; at the destination that took it, and not at one whose gates are closed."""
    house.take(event(attribute("domain", ONE)))
    (found,) = _candidates(house)
    assert (found.uuid, found.noted, found.hidden, len(found.said)) == (EVENT, {}, False, 2)
    assert _witness(house, found.event_id) is None
    house.send()
    assert _witness(house, found.event_id) == observable_id(domain(ONE))
    assert _still(house) == {observable_id(domain(ONE))}
    assert _witness(house, found.event_id, store=1) is None


def test_a_value_of_another_event_is_not_this_ones(house: House) -> None:
    """What an event may not show is not at Microsoft because of it."""
    house.take(event(attribute("domain", ONE)))
    red = event(attribute("domain", ONE), tags=(Tag("tlp:red"),))
    house.take(replace(red, uuid=OTHER))
    house.send()
    found = {one.uuid: _witness(house, one.event_id) is not None for one in _candidates(house)}
    assert found == {EVENT: True, OTHER: False}


def test_what_is_to_be_withdrawn_is_there_until_it_was(house: House) -> None:
    """It justifies no tag any more, and none is taken away before Microsoft has answered."""
    house.take(event(attribute("domain", ONE)))
    house.send()
    (found,) = _candidates(house)
    assert not _leaving(house, found.event_id)
    house.read(event(attribute("domain", ONE, to_ids=False, timestamp=NOW + 1), timestamp=NOW + 1))
    assert (_witness(house, found.event_id), _leaving(house, found.event_id), _still(house)) == (None, True, set())
    house.send()
    assert not _leaving(house, found.event_id)


def test_tags_are_noted_as_a_whole(house: House) -> None:
    """By destination; what is noted again takes the place of what was."""
    house.take(event(attribute("domain", ONE)))
    (found,) = _candidates(house)
    for tags in ({0: "a", 1: "", 2: 'a="é😀"'}, {0: "a", 2: "x" * 255}, {}):
        (found,) = _candidates(house)
        until = _claim(house, found, tags)
        assert until is not None
        assert _note(house, found, until, tags)
        assert (_candidates(house)[0].noted, _candidates(house)[0].doubtful) == (tags, {})


def test_one_at_a_time_asks_misp(house: House) -> None:
    """Until it has noted what came of it, or has gone on for so long that it must have died; then it notes nothing."""
    house.take(event(attribute("domain", ONE)))
    (found,) = _candidates(house)
    first = _claim(house, found, {0: "a", 1: ""})
    assert first is not None
    (seen,) = _candidates(house)
    assert (seen.noted, seen.doubtful) == ({}, {0: "a", 1: ""})
    assert _claim(house, found, {0: "a"}) is None
    assert _claim(house, seen, {}) is None
    table = schema.written_back
    earlier = table.update().values(asking_until_ms=table.c.asking_until_ms - 600_000)
    house.ledger.write(lambda c: c.execute(earlier))
    second = _claim(house, seen, {})
    assert second is not None
    assert not _note(house, found, first, {0: "a", 1: ""})
    assert _note(house, seen, second, {})
    assert (_candidates(house)[0].noted, _candidates(house)[0].doubtful) == ({}, {})


def test_who_has_seen_something_else_does_not_ask(house: House) -> None:
    """What another worker has noted meanwhile was not known to it; nor does it note for destinations of others."""
    house.take(event(attribute("domain", ONE)))
    (found,) = _candidates(house)
    until = _claim(house, found, {0: "a", 1: "b"})
    assert until is not None
    assert _note(house, found, until, {0: "a", 1: "b"})
    assert _claim(house, found, {0: "a", 2: "c"}) is None
    (seen,) = _candidates(house)
    ours = {schema.ANYWHERE, 2}
    again = house.ledger.write(lambda c: written_back.claim(c, seen, {0: "a", 1: "b", 2: "c"}, ours))
    assert again is not None
    assert _candidates(house)[0].noted == {1: "b"}
    assert house.ledger.write(lambda c: written_back.note(c, seen.event_id, again, {0: "a", 2: "c"}, ours))
    assert _candidates(house)[0].noted == {0: "a", 1: "b", 2: "c"}


def test_what_misp_does_not_show_is_hidden_until_it_changes(house: House) -> None:
    """Whatever was noted of it before."""
    house.take(event(attribute("domain", ONE)))
    (found,) = _candidates(house)
    until = _claim(house, found, {schema.ANYWHERE: "a"})
    assert until is not None
    house.ledger.write(lambda c: written_back.hide(c, found.event_id, until, found.timestamp))
    may = {schema.ANYWHERE: "a"}
    assert [(one.hidden, one.noted, one.doubtful) for one in _candidates(house)] == [(True, {}, may)]
    house.take(event(attribute("domain", ONE), timestamp=found.timestamp + 1))
    assert [(one.hidden, one.noted, one.doubtful) for one in _candidates(house)] == [(False, {}, may)]


def test_events_come_in_pages(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each once, and only those of the MISPs that are meant."""
    monkeypatch.setattr(written_back, "PAGE", 2)
    uuids = [f"99999999-9999-4999-8999-99999999999{number}" for number in range(3)]
    house.take(*(replace(event(attribute("domain", ONE)), uuid=uuid) for uuid in uuids))
    house.take(replace(event(attribute("domain", ONE)), uuid=OTHER, misp="https://other.example"))
    first = _candidates(house)
    rest = house.ledger.read(lambda c: written_back.page(c, {""}, first[-1].event_id))
    assert sorted(one.uuid for one in [*first, *rest]) == uuids
    assert (len(first), len(rest)) == (2, 1)
