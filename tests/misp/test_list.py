"""The list of events: no event is left out of it, whatever happens between its pages."""

from __future__ import annotations

import json

import pytest

from misp_modules_ext.misp.client import MOST_LISTS
from tests.support.misp_server import Fault, MispServer
from tests.support.misp_world import Org, World

from .conftest import Connect

LIST = "/events/index"


@pytest.fixture
def events(world: World, ours: Org) -> list[str]:
    """Seven published events: four pages of two, the last of them short."""
    made = [world.add_event(ours, f"Event {number}") for number in range(7)]
    for uuid in made:
        world.publish(uuid)
    return made


def _asked(server: MispServer) -> int:
    return sum(1 for _, path, _ in server.requests if LIST in path)


def test_all_pages(connect: Connect, events: list[str], world: World) -> None:
    """In MISP's order, each with its timestamp."""
    found = connect(events_page=2).published_since(0)
    assert list(found) == events
    assert set(found.values()) == {world.events[uuid].timestamp for uuid in events}


def test_a_list_of_one_page_is_read_once(connect: Connect, events: list[str], server: MispServer) -> None:
    """And a second page, since a short one need not be the last."""
    assert list(connect().published_since(0)) == events
    assert _asked(server) == 2


def test_a_short_page_need_not_be_the_last(connect: Connect, events: list[str], server: MispServer) -> None:
    """What MISP takes out of a page after it was cut does not end the list."""
    short = json.dumps([{"uuid": events[2], "timestamp": "1"}]).encode()
    # The second page, both times that the list is read: four pages and an empty one.
    server.faults += [Fault(LIST, after=1, body=short), Fault(LIST, after=5, body=short)]
    assert set(connect(events_page=2).published_since(0)) == {*events} - {events[3]}
    assert server.faults == []


def test_a_row_that_moved_to_a_page_before_is_not_lost(
    connect: Connect, events: list[str], server: MispServer, world: World
) -> None:
    """An event of the first page is deleted before the second is read: its first row stands on the first by then."""
    server.faults.append(Fault(LIST, after=1, before=lambda: world.delete_event(events[0])))
    found = connect(events_page=2).published_since(0)
    assert set(found) == set(events)


def test_a_list_that_never_stands_still_ends(
    connect: Connect, events: list[str], server: MispServer, world: World, ours: Org
) -> None:
    """What is published while it is read is for the next run."""

    def publish() -> None:
        world.publish(world.add_event(ours, "New"))

    server.faults += [Fault(LIST, before=publish) for _ in range(99)]
    assert set(connect(events_page=4).published_since(0)) >= set(events)
    # Each reading is longer than the one before, as more is published with every page.
    assert 5 * MOST_LISTS - 5 < _asked(server) < 99


def test_a_server_that_ignores_pages_ends_the_list(connect: Connect, events: list[str], server: MispServer) -> None:
    """It gives its first page for ever."""
    rows = [{"uuid": uuid, "timestamp": "1"} for uuid in events[:2]]
    server.faults += [Fault(LIST, body=json.dumps(rows).encode()) for _ in range(9)]
    assert list(connect(events_page=2).published_since(0)) == events[:2]
    assert _asked(server) == 2
