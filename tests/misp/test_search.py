"""References to what MISP finds: nothing is left out, and nothing is made of an answer that cannot be trusted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from misp_modules_ext.errors import MispError
from misp_modules_ext.misp.filters import query
from misp_modules_ext.misp.search import find, uuids_of
from tests.support.misp_server import Fault, MispServer
from tests.support.misp_world import Org, World

from .conftest import Clock, Connect

EVENTS, ATTRIBUTES = "events/restSearch", "attributes/restSearch"


@pytest.fixture
def events(world: World, ours: Org, clock: Clock) -> list[str]:
    """Seven published events of two attributes; every second one is tagged, its first attribute an address."""
    made = []
    for number in range(7):
        uuid = world.add_event(ours, f"Event {number}")
        kind, value = ("ip-dst", f"198.51.100.{number}") if number % 2 == 0 else ("domain", f"d{number}.evil.example")
        world.add_attribute(uuid, kind, value)
        world.add_attribute(uuid, "url", f"http://u{number}.evil.example/")
        if number % 2 == 0:
            world.tag(uuid, "tlp:green")
        clock.now += 86_400
        world.publish(uuid)
        made.append(uuid)
    return made


def _find(client: Any, *written: str, level: Any = None, now: int = 0, page: int | None = None) -> dict[str, set[str]]:
    return find(client, query(written, level, now), page)


def _asked(server: MispServer, path: str) -> int:
    return sum(1 for _, asked, _ in server.requests if path in asked)


def _addresses(world: World, events: list[str]) -> dict[str, set[str]]:
    return {e: {a.uuid for a in world.events[e].attributes if a.type == "ip-dst"} for e in events[::2]}


@pytest.mark.parametrize("page", [1, 2, 3, 4, 500])
def test_events_in_pages(connect: Connect, events: list[str], page: int) -> None:
    """All that carry the tag, as a whole, whatever the size of the pages."""
    found = _find(connect(), "tag=tlp:green", page=page)
    assert list(found) == events[::2]
    assert set(map(len, found.values())) == {0}


@pytest.mark.parametrize("page", [1, 2, 3, 500])
def test_attributes_in_pages(connect: Connect, events: list[str], world: World, page: int) -> None:
    """Those found, by event; taken as events they are their events."""
    assert _find(connect(), "type=ip-dst", page=page) == _addresses(world, events)
    whole = _find(connect(), "type=ip-dst", level="event", page=page)
    assert whole == {event: set() for event in events[::2]}


def test_several_conditions(connect: Connect, events: list[str], clock: Clock, world: World) -> None:
    """Each further key narrows it, each further value of one key widens it."""
    client = connect()
    # Published one a day: the last three of them within three days.
    assert set(_find(client, "last=3d", now=clock.now)) == set(events[-4:])
    assert set(_find(client, "last=3d", "tag=tlp:green", now=clock.now)) == {events[4], events[6]}
    assert set(_find(client, "eventinfo=Event 1", "eventinfo=Event 2")) == set(events[1:3])
    assert set(_find(client, "tag=!tlp:green")) == set(events[1::2])
    assert set(_find(client, "type=url", "tag=tlp:green")) == set(events[::2])
    assert set(_find(client, "value=%evil.example")) == set(events[1::2])
    number = str(world.events[events[3]].id)
    assert set(_find(client, f"eventid={number}", f"eventid={events[5]}")) == {events[3], events[5]}


@pytest.mark.parametrize("published", [0, 1])
def test_a_flag_that_is_off_is_asked(
    connect: Connect, events: list[str], server: MispServer, world: World, published: int
) -> None:
    """A zero that did not arrive would find everything."""
    world.unpublish(events[2])
    found = _find(connect(), f"published={published}")
    assert (events[2] in found, len(found)) == ((False, 6) if published else (True, 1))
    assert server.requests[-1][2]["published"] == published


def test_nothing_found_is_nothing(connect: Connect, events: list[str]) -> None:
    """No error."""
    assert _find(connect(), "tag=nobody:uses-it") == {}
    assert _find(connect(), "type=md5") == {}


def test_what_others_may_not_see_is_not_found(connect: Connect, events: list[str], world: World) -> None:
    """MISP does not show it to this key."""
    hidden = world.add_event(world.add_org("Theirs"), "Event 1", distribution=0)
    assert hidden not in _find(connect(), "eventinfo=Event%")


def test_a_short_page_need_not_be_the_last(connect: Connect, events: list[str], world: World) -> None:
    """MISP takes what its allowed list holds out of a page that was cut before."""
    world.allowed_list.add("198.51.100.2")
    found = _find(connect(), "type=ip-dst", page=2)
    assert list(found) == [events[0], events[4], events[6]]


def test_what_moves_up_is_not_lost(connect: Connect, events: list[str], server: MispServer, world: World) -> None:
    """The first event is deleted between two pages."""
    server.faults.append(Fault(EVENTS, after=1, before=lambda: world.delete_event(events[0])))
    assert set(_find(connect(), "eventinfo=Event%", page=2)) >= set(events[1:])


@pytest.mark.parametrize(("path", "written"), [(EVENTS, "tag=tlp:green"), (ATTRIBUTES, "type=ip-dst")])
@pytest.mark.parametrize("after", range(4))
@pytest.mark.parametrize(
    "fault", [{"status": 500}, {"truncate": True}, {"drop": True}, {"body": b"{}"}, {"status": 404}], ids=str
)
def test_whichever_page_fails_nothing_is_found(
    connect: Connect, events: list[str], server: MispServer, path: str, written: str, after: int, fault: dict[str, Any]
) -> None:
    """Half of it would be taken for all."""
    server.faults.append(Fault(path, after=after, **fault))
    with pytest.raises(MispError):
        _find(connect(), written, page=1)
    assert server.faults == []


@pytest.mark.parametrize("rows", [1, 2])
def test_a_server_that_repeats_a_page(connect: Connect, events: list[str], server: MispServer, rows: int) -> None:
    """It takes no notice of `page`: whether that was all cannot be known."""
    same = json.dumps({"response": [{"Event": {"uuid": uuid}} for uuid in events[:rows]]}).encode()
    server.faults += [Fault(EVENTS, body=same) for _ in range(9)]
    with pytest.raises(MispError, match="page by page"):
        _find(connect(), "eventinfo=Event%", page=2)
    assert _asked(server, EVENTS) == 2


def test_a_server_that_knows_no_pages(connect: Connect, events: list[str], server: MispServer) -> None:
    """It gives everything at once."""
    every = json.dumps({"response": [{"Event": {"uuid": uuid}} for uuid in events]}).encode()
    server.faults.append(Fault(EVENTS, body=every))
    with pytest.raises(MispError, match="page by page"):
        _find(connect(), "eventinfo=Event%", page=2)


@pytest.mark.parametrize(
    ("path", "written", "row"),
    [
        (EVENTS, "tag=tlp:green", {"response": [{"Event": {"id": "1"}}]}),
        (ATTRIBUTES, "type=ip-dst", {"response": {"Attribute": [{"uuid": "5e1a2b3c-0000-4000-8000-00000000abcd"}]}}),
        (ATTRIBUTES, "type=ip-dst", {"response": {"Attribute": [7]}}),
    ],
)
def test_what_has_no_uuid_cannot_be_pushed(
    connect: Connect, events: list[str], server: MispServer, path: str, written: str, row: object
) -> None:
    """That is no answer of MISP's."""
    server.faults.append(Fault(path, body=json.dumps(row).encode()))
    with pytest.raises(MispError, match="does not answer as MISP does"):
        _find(connect(), written)


def test_numbers_are_what_misp_says_they_are(
    connect: Connect, events: list[str], server: MispServer, world: World
) -> None:
    """One request for all; what MISP does not show is left out, as is what nobody asked for."""
    numbers = [str(world.events[uuid].id) for uuid in events]
    client = connect()
    assert uuids_of(client, [numbers[2], "999999", numbers[0]]) == {numbers[2]: events[2], numbers[0]: events[0]}
    assert _asked(server, EVENTS) == 1
    other = json.dumps({"response": [{"Event": {"id": "8", "uuid": events[1]}}]}).encode()
    server.faults.append(Fault(EVENTS, body=other))
    assert uuids_of(client, [numbers[0]]) == {}
