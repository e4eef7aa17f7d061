"""Events that were read a moment ago, over HTTP from a MISP that changes meanwhile."""

from __future__ import annotations

import importlib
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from misp_modules_ext.errors import EventNotFound, MispError, UsageError
from misp_modules_ext.misp import recent
from misp_modules_ext.misp.recent import Recent
from tests.misp.conftest import Clock, settings
from tests.support.keys import misp_key
from tests.support.misp_server import Fault, MispServer
from tests.support.misp_world import World

#: Seconds: nothing here takes so long, on a machine that does nothing else.
PATIENCE = 60


@pytest.fixture(autouse=True)
def _imported() -> None:
    """PyMISP, whose first import takes its time."""
    importlib.import_module("pymisp")


def _readings(server: MispServer) -> int:
    """How often attributes were read."""
    return sum(path.startswith("/attributes/restSearch") and body.get("page") == 1 for _, path, body in server.requests)


def _number(world: World, event: str) -> str:
    return str(world.events[event].id)


def test_many_calls_at_once_are_one_reading(world: World, server: MispServer, event: str) -> None:
    """Also those that come while it is under way; each asks only whether the event is what it was."""
    misp, number, readings = settings(server.url), _number(world, event), Recent()
    alone = Recent().event(misp, event, PATIENCE)
    once = _readings(server)
    with ThreadPoolExecutor(8) as pool:
        events = list(pool.map(lambda _: readings.event(misp, number, PATIENCE), range(26)))
    assert _readings(server) == 2 * once
    assert {id(found) for found in events} == {id(events[0])}
    assert events[0] == alone
    assert events[0].complete


def test_a_changed_event_is_read_again(world: World, server: MispServer, event: str, clock: Clock) -> None:
    """Its timestamp tells; what changes without moving that is seen when the reading is too old."""
    now = [0.0]
    misp, number, readings = settings(server.url), _number(world, event), Recent(lambda: now[0])
    first = readings.event(misp, number, PATIENCE)
    clock.now += 60
    world.set_to_ids(first.attributes[0].uuid, on=False)
    changed = readings.event(misp, number, PATIENCE)
    assert changed.attributes[0].to_ids is False
    assert not changed.published
    world.publish(event)
    changed = readings.event(misp, number, PATIENCE)
    assert changed.published
    world.tag(first.attributes[0].uuid, "microsoft:other", local=True)
    assert readings.event(misp, number, PATIENCE) is changed
    now[0] += recent.KEEP
    tags = {tag.name for tag in readings.event(misp, number, PATIENCE).attributes[0].tags}
    assert "microsoft:other" in tags


def test_what_failed_is_not_kept(world: World, server: MispServer, event: str) -> None:
    """The next one asks anew. What is asked of MISP with another key is not what this key may see."""
    misp, number, readings = settings(server.url), _number(world, event), Recent()
    server.faults += [Fault("objects/restSearch", status=500)]
    with pytest.raises(MispError, match="could not answer"):
        readings.event(misp, number, PATIENCE)
    assert readings.event(misp, number, PATIENCE).uuid == event
    with pytest.raises(MispError, match="refused the key"):
        readings.event(settings(server.url, misp_key("a-wrong-one")), number, PATIENCE)
    with pytest.raises(EventNotFound):
        readings.event(misp, "4711", PATIENCE)
    with pytest.raises(UsageError, match="neither the number"):
        readings.event(misp, "1 OR 1=1", PATIENCE)


def test_a_slow_reading_goes_on(world: World, server: MispServer, event: str) -> None:
    """Who waits is told in time, and the next one has it."""
    misp, number, readings = settings(server.url), _number(world, event), Recent()
    server.faults += [Fault("objects/restSearch", delay=2.0)]
    began = time.monotonic()
    with pytest.raises(MispError, match="within 1 seconds"):
        readings.event(misp, number, 1)
    assert time.monotonic() - began < 1.9
    before = _readings(server)
    assert readings.event(misp, number, PATIENCE).uuid == event
    assert before == 0


def test_a_very_large_event_is_not_read_for_one_attribute(
    world: World, server: MispServer, event: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who may enrich could take the memory of all modules. Deleted ones, which MISP does not count, count here."""
    monkeypatch.setattr("misp_modules_ext.misp.client.PAGE", 1)
    misp, number, counted = settings(server.url), _number(world, event), world.events[event].attribute_count
    whole = len(Recent().event(misp, number, PATIENCE).attributes)
    assert whole > counted + 1
    for most, begun in ((counted, True), (counted - 1, False)):
        monkeypatch.setattr(recent, "MOST_ATTRIBUTES", most)
        server.requests.clear()
        with pytest.raises(MispError, match="push it whole: by an export"):
            Recent().event(misp, number, PATIENCE)
        assert (_readings(server) > 0) is begun
    monkeypatch.setattr(recent, "MOST_ATTRIBUTES", whole)
    assert len(Recent().event(misp, number, PATIENCE).attributes) == whole


def test_few_are_kept(world: World, server: MispServer) -> None:
    """The oldest goes first."""
    org, misp, readings = world.orgs[0], settings(server.url), Recent()
    events = [world.add_event(org, distribution=1) for _ in range(recent.MOST + 1)]
    for event in events:
        world.add_attribute(event, "domain", "one.evil.example")
    first = readings.event(misp, events[0], PATIENCE)
    assert readings.event(misp, events[0], PATIENCE) is first
    for event in events[1:]:
        readings.event(misp, event, PATIENCE)
    assert readings.event(misp, events[0], PATIENCE) is not first
