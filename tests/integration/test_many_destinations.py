"""Many destinations: one that fails or hangs holds up no other, and MISP is read once for all of them."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select

from misp_modules_ext.cli.sources import read_misp
from misp_modules_ext.config import load
from misp_modules_ext.config.settings import Settings
from misp_modules_ext.delivery.rounds import Rounds
from misp_modules_ext.delivery.sender import Policy
from misp_modules_ext.delivery.submit import Order, submit
from misp_modules_ext.delivery.sync import Wish, sync
from misp_modules_ext.demo.service import Service
from misp_modules_ext.ledger import Origin, open_ledger, schema
from tests.support.build import attribute, event
from tests.support.keys import misp_key
from tests.support.misp_server import MispServer
from tests.support.misp_views import action_request
from tests.support.misp_world import World as Misp
from tests.support.world import SECRET, TENANT, World

KEY = misp_key()
MANY = 5
WORKSPACES = [f"{number}0000000-0000-4000-8000-000000000000" for number in range(MANY)]
BAD, GOOD = WORKSPACES[0], WORKSPACES[1:]
#: Seconds that the bad one keeps a request.
HANGS = 8.0
QUICK = Policy(attempts=2, first_wait=0.05, longest_wait=1, request_timeout=20)
FAULTS: dict[str, dict[str, Any]] = {
    "hangs": {"delay": HANGS},
    "fails": {"status": 500},
    "is throttled": {"status": 429, "retryAfter": 60},
    "refuses": {"status": 403},
    "closes": {"drop": "before"},
}


@dataclass
class Scene:
    """A MISP with one published event of three domains, and Sentinel workspaces."""

    misp: Misp
    server: MispServer
    world: World
    event: str

    def configure(self, count: int = MANY, *, one_application: bool = False) -> Settings:
        """So many destinations, with an application each or one for all."""
        app = str(uuid.uuid4())
        common = {
            "product": "Microsoft Sentinel",
            "tenantId": TENANT,
            "appSecret": SECRET,
            "endpoint.login": self.world.emulator.url,
            "endpoint.api": self.world.emulator.url,
            "ca": str(self.world.emulator.ca),
        }
        more: dict[str, dict[str, str]] = {"RH-ISAC MISP": {"url": self.server.url, "key": KEY, "syncTags": "none"}}
        for number, workspace in enumerate(WORKSPACES[:count]):
            own = {"appId": app if one_application else str(uuid.uuid4()), "workspaceId": workspace}
            more[f"microsoft {number}"] = common | own
        return load(self.world.configure(only=(), misp={"url": self.server.url, "key": KEY}, more=more))

    def there(self, workspace: str) -> int:
        """How many indicators a workspace holds."""
        return len(self.world.emulator.state()["sentinel"].get(workspace, {}))

    def good(self, count: int) -> Callable[[], bool]:
        """Whether all but the bad one hold so many."""
        return lambda: all(self.there(workspace) == count for workspace in GOOD)

    def asked(self) -> list[str]:
        """What MISP was asked, and forget it."""
        found = [path for _, path, _ in self.server.requests]
        self.server.requests.clear()
        return found


def _scene(world: World) -> Iterator[Scene]:
    misp = Misp(lambda: int(time.time()))
    misp.add_user(KEY, misp.add_org("Members"))
    made = misp.add_event(misp.orgs[0], "Campaign")
    for number in range(3):
        misp.add_attribute(made, "domain", f"host{number}.evil.example")
    misp.publish(made)
    with MispServer(misp) as server:
        yield Scene(misp, server, world, made)


@pytest.fixture
def scene(world: World) -> Iterator[Scene]:
    """In this process."""
    yield from _scene(world)


@pytest.fixture
def door(served: tuple[Service, World]) -> Iterator[tuple[Service, Scene]]:
    """Behind the real service."""
    for made in _scene(served[1]):
        yield served[0], made


def _soon(look: Callable[[], bool], seconds: float = 30) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if look():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("one_application", [False, True], ids=["an application each", "one application"])
def test_a_push_does_not_wait_for_one_that_hangs(scene: Scene, one_application: bool) -> None:
    """Four have everything while the fifth has not answered yet."""
    settings = scene.configure(one_application=one_application)
    scene.world.emulator.fault(api="sentinel", path=BAD, delay=HANGS, times=1)
    events = read_misp(settings, settings.misp, [scene.event]).events
    pushing = threading.Thread(target=submit, args=(events, settings, Order("cli", origin=Origin.OWN_READING), QUICK))
    pushing.start()
    assert _soon(scene.good(3), HANGS - 2)
    assert pushing.is_alive()
    pushing.join()
    assert scene.there(BAD) == 3


@pytest.mark.parametrize(
    "fault", [v for k, v in FAULTS.items() if k != "hangs"], ids=[k for k in FAULTS if k != "hangs"]
)
def test_a_push_to_one_that_fails_is_a_push_to_all_others(scene: Scene, fault: dict[str, Any]) -> None:
    """Each has an account of its own."""
    settings = scene.configure()
    scene.world.emulator.fault(api="sentinel", path=BAD, **fault)
    events = read_misp(settings, settings.misp, [scene.event]).events
    account = submit(events, settings, Order("cli", origin=Origin.OWN_READING), QUICK)
    assert [d.counts["accepted"] for d in account.destinations] == [0, 3, 3, 3, 3]
    assert account.destinations[0].counts["pending"] == 3


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_worker_goes_on_beside_one_that_hangs_or_fails(scene: Scene, fault: dict[str, Any]) -> None:
    """What sync took, and in the next rounds what came while the bad one still keeps its request."""
    settings = scene.configure()
    scene.world.emulator.fault(api="sentinel", path=BAD, **fault)
    assert settings.rh_isac is not None
    assert sync(settings, Wish(settings.rh_isac), lambda *_: None).read == 1
    rounds = Rounds("me", "worker", QUICK)
    began = time.monotonic()
    try:
        rounds.go(settings)
        assert _soon(scene.good(3), HANGS - 2)
        later = event(attribute("domain", "later.evil.example", timestamp=int(time.time())))
        submit([later], settings, Order("cli", send_later=True))

        def all_have_it() -> bool:
            rounds.go(settings)
            return scene.good(4)()

        assert _soon(all_have_it, HANGS - (time.monotonic() - began) - 0.5)
        assert scene.there(BAD) in {0, 3}, "it has not seen what came later"
    finally:
        scene.world.emulator.clear_faults()
        rounds.end(settings, 30)


def test_a_module_answers_in_time_though_one_hangs(door: tuple[Service, Scene]) -> None:
    """The action is content after its three seconds; the others have everything before that."""
    service, scene = door
    scene.configure()
    scene.world.emulator.fault(api="sentinel", path=BAD, delay=HANGS, times=1)
    answers: list[Any] = []
    request = {"module": "push_to_microsoft", "params": {}, **action_request(scene.misp, scene.event)}
    began = time.monotonic()
    asking = threading.Thread(target=lambda: answers.append(service.query(request)))
    asking.start()
    assert _soon(scene.good(3), HANGS - 2)
    asking.join()
    assert answers == [{"data": True}]
    assert time.monotonic() - began < HANGS - 1


@pytest.mark.parametrize("door_", ["push", "sync", "worker"])
def test_misp_is_read_once_for_all(scene: Scene, door_: str) -> None:
    """Five destinations ask MISP for nothing more than one does."""
    asked = []
    for count in (1, MANY):
        settings = scene.configure(count)
        if door_ == "push":
            events = read_misp(settings, settings.misp, [scene.event]).events
            submit(events, settings, Order("cli", origin=Origin.OWN_READING), QUICK)
        elif door_ == "sync":
            assert settings.rh_isac is not None
            sync(settings, Wish(settings.rh_isac), lambda *_: None)
        else:
            made = scene.misp.events[scene.event]
            seen = event(attribute("domain", "seen.evil.example", timestamp=made.timestamp), uuid=scene.event)
            submit([seen], settings, Order("action", read_later=True, send_later=True))
        rounds = Rounds("me", "worker", QUICK)
        rounds.go(settings, wait=True)
        rounds.end(settings, 30)
        assert all(scene.there(workspace) >= 3 for workspace in WORKSPACES[:count])
        asked.append(scene.asked())
    assert asked[0] == asked[1]
    assert len(asked[0]) > 3
    known = open_ledger(scene.world.ledger).read(lambda c: c.execute(select(schema.event.c.uuid)).scalars().all())
    assert known == [scene.event]


def test_misp_is_read_once_for_all_behind_a_module(door: tuple[Service, Scene]) -> None:
    """The background's own reading, too."""
    service, scene = door
    asked = []
    for count in (1, MANY):
        scene.configure(count)
        first = scene.misp.events[scene.event].attributes[0]
        scene.misp.edit(first.uuid, to_ids=True)
        request = {"module": "push_to_microsoft", "params": {}, **action_request(scene.misp, scene.event)}
        scene.misp.publish(scene.event)
        assert service.query(request) == {"data": True}
        assert _soon(lambda: _read(scene))
        assert _soon(lambda count=count: all(scene.there(w) == 3 for w in WORKSPACES[:count]))  # type: ignore[misc]
        asked.append([path for path in scene.asked() if path.startswith(("/events", "/attributes", "/objects"))])
    assert asked[0] == asked[1]


def _read(scene: Scene) -> bool:
    """Whether our own reading of the event has been taken."""
    columns = (schema.event.c.own_timestamp, schema.event.c.uuid)
    rows = open_ledger(scene.world.ledger).read(lambda c: c.execute(select(*columns)).all())
    return any(own is not None for own, _ in rows)
