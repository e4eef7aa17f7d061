"""The whole way with MISP: a workflow brings an event, the service reads it again and takes away what is gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone

import pytest

from misp_modules_ext.demo.service import Service
from tests.support.keys import misp_key
from tests.support.misp_server import MispServer
from tests.support.misp_views import action_request
from tests.support.misp_world import World as Misp
from tests.support.world import TENANT, World

KEY = misp_key()
ONLY = ("microsoft", "microsoft defender")


@pytest.fixture
def misp() -> Iterator[tuple[Misp, MispServer, str]]:
    """A MISP with one published event of two domains, and its UUID."""
    made = Misp(lambda: int(time.time()))
    org = made.add_org("Ours")
    made.add_user(KEY, org, perm_auth=True)
    event = made.add_event(org, distribution=1)
    for name in ("one", "two"):
        made.add_attribute(event, "domain", f"{name}.evil.example", to_ids=True)
    made.publish(event)
    with MispServer(made) as server:
        yield made, server, event


def _soon(look: Callable[[], bool], seconds: float = 40) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if look():
            return True
        time.sleep(0.2)
    return False


def test_peers_23_what_misp_takes_away_is_withdrawn(
    served: tuple[Service, World], misp: tuple[Misp, MispServer, str]
) -> None:
    """PEERS 23: the flag off, a deletion, a stricter marking: seen by our own reading, in the background."""
    service, world = served
    made, server, event = misp
    world.configure(only=ONLY, misp={"url": server.url, "key": KEY})

    def publish() -> None:
        answer = service.query({"module": "push_to_microsoft", "params": {}, **action_request(made, event)})
        assert answer == {"data": True}
        made.publish(event)

    def holds(*names: str) -> Callable[[], bool]:
        values = [f"{name}.evil.example" for name in names]
        patterns = [f"[domain-name:value = '{value}']" for value in values]
        return lambda: (world.patterns(), world.defender()) == (patterns, values)

    publish()
    assert _soon(holds("one", "two"))
    first = next(a for a in made.row(event).attributes if a.value == "one.evil.example")  # type: ignore[attr-defined]
    made.set_to_ids(first.uuid, on=False)
    publish()
    assert _soon(holds("two"))
    made.set_to_ids(first.uuid, on=True)
    publish()
    assert _soon(holds("one", "two"))
    made.delete_attribute(first.uuid, hard=True)
    publish()
    assert _soon(holds("two"))
    made.tag(event, "tlp:red")
    publish()
    assert _soon(holds())


def _ends(world: World) -> dict[str, datetime]:
    """When Defender ends each value."""
    entities = world.emulator.state()["defender"].get(TENANT, [])
    return {e["indicatorValue"]: datetime.fromisoformat(e["expirationTime"].replace("Z", "+00:00")) for e in entities}


def test_peers_13_what_misp_ends_ends_at_microsoft(
    served: tuple[Service, World], misp: tuple[Misp, MispServer, str]
) -> None:
    """PEERS 13: an Expiration sighting withdraws it, a decay model dates it, and what was seen since comes back."""
    service, world = served
    made, server, event = misp
    world.configure(only=ONLY, misp={"url": server.url, "key": KEY})
    first, second = made.events[event].attributes

    def publish() -> None:
        answer = service.query({"module": "push_to_microsoft", "params": {}, **action_request(made, event)})
        assert answer == {"data": True}
        made.publish(event)

    def holds(*names: str) -> Callable[[], bool]:
        values = [f"{name}.evil.example" for name in names]
        patterns = [f"[domain-name:value = '{value}']" for value in values]
        return lambda: (world.patterns(), world.defender()) == (patterns, values)

    publish()
    assert _soon(holds("one", "two"))
    made.sight(first.uuid, 2, date=first.timestamp)
    made.add_model("Short", "domain", lifetime=100, decay_speed=1, threshold=40, base_score=80)
    publish()
    assert _soon(holds("two"))
    half = datetime.fromtimestamp(second.timestamp + 50 * 86_400, timezone.utc)
    assert _soon(lambda: _ends(world) == {"two.evil.example": half})
    made.sight(first.uuid, date=first.timestamp + 1)
    publish()
    assert _soon(holds("one", "two"))
