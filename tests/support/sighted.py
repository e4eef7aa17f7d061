"""What tests of `sightings` stand on: a MISP with an event that was pushed, and an emulator told what was seen."""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
from sqlalchemy import update

from misp_modules_ext.ledger import open_ledger, schema
from tests.support.in_process import call
from tests.support.keys import misp_key
from tests.support.misp_server import MispServer
from tests.support.misp_world import Attribute, User
from tests.support.misp_world import World as Misp
from tests.support.world import PRODUCTS, World

KEY = misp_key()
OTHER_KEY = misp_key("another")
DEVICE = "DeviceNetworkEvents"
#: What is seen in alerts only.
ALERT = "AlertEvidence"

Run = Callable[..., tuple[int, dict[str, Any]]]


def ago(seconds: float) -> str:
    """A time so long ago, as Microsoft writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - seconds))


@dataclass
class Scene:
    """A MISP with one event whose two domains are at Microsoft.

    Attributes:
        app: the application of all destinations, another one in each test: request rates are remembered by it.
    """

    misp: Misp
    server: MispServer
    world: World
    event: str
    app: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def user(self) -> User:
        """The user of the key."""
        return self.misp.users[0]

    def attribute(self, name: str) -> Attribute:
        """One of the event's."""
        return next(a for a in self.misp.events[self.event].attributes if a.value == f"{name}.evil.example")

    def told(self) -> list[tuple[str, int, str]]:
        """Value, kind and source of all sightings in MISP."""
        every = [(a.value, s) for e in self.misp.events.values() for a in e.attributes for s in a.sightings]
        return sorted((value.removesuffix(".evil.example"), s.type, s.source) for value, s in every)

    def order(self, *orders: dict[str, Any]) -> None:
        """Tell the emulator what was seen, in its own words."""
        emulator = self.world.emulator
        url = f"{emulator.url}/_emulator/sightings"
        requests.post(url, json=list(orders), verify=str(emulator.ca), timeout=10).raise_for_status()

    def seen(self, *names: str, seconds: float = 600, table: str = DEVICE) -> None:
        """Microsoft has seen values."""
        at = {"count": 3, "first": ago(seconds), "last": ago(seconds)}
        self.order(*({"value": f"{name}.evil.example", "table": table, **at} for name in names))

    def doubted(self, *names: str, **more: Any) -> None:
        """Alerts about values were classified as false positives."""
        at = {"table": ALERT, "classification": "falsePositive", "first": ago(900), "last": ago(600), **more}
        self.order(*({"value": f"{name}.evil.example", **at} for name in names))

    def added(self) -> int:
        """How many sightings MISP was asked to add."""
        return sum(path.startswith("/sightings/add") for _, path, _ in self.server.requests)

    def asked(self, api: str) -> int:
        """How many requests an API of Microsoft's had."""
        return sum(one["api"] == api for one in self.world.emulator.requests())

    def free(self) -> None:
        """Let the turn of a run that was killed be over."""
        over = update(schema.sync).values(lease_until_ms=0)
        open_ledger(self.world.ledger).write(lambda connection: connection.execute(over))


def configure(
    scene: Scene,
    only: tuple[str, ...] = ("microsoft defender",),
    sections: Mapping[str, Mapping[str, str]] | None = None,
    every: Mapping[str, str] | None = None,
    **keys: str,
) -> None:
    """Write the configuration, with `keys` of [write-back], and `estate` and `sources` of [lookup].

    Args:
        scene: whose.
        only: the destinations.
        sections: further ones, and further keys of `misp`.
        every: keys of all of `only`.
        keys: as said.
    """
    lookup = {"estate": keys.pop("estate", "yes"), "sources": keys.pop("sources", "hunting")}
    more = {"lookup": lookup, "write-back": {"sightings": "yes"} | keys, **(sections or {})}
    misp = {"url": scene.server.url, "key": KEY} | dict(more.pop("misp", {}))
    scene.world.configure(only=only, misp=misp, more=more, wipe=False, **{"appId": scene.app} | dict(every or {}))


def defender(scene: Scene, **keys: str) -> dict[str, str]:
    """The keys of another destination of Defender's: by default in the same tenant, of the same application."""
    emulator = scene.world.emulator
    common = {
        "tenantId": "11111111-1111-4111-8111-111111111111",
        "appId": scene.app,
        "appSecret": "world-secret",
        "endpoint.login": emulator.url,
        "endpoint.api": emulator.url,
        "ca": str(emulator.ca),
    }
    return {**PRODUCTS["microsoft defender"], **common, **keys}


@contextlib.contextmanager
def campaign(world: World, run: Run, *names: str, only: tuple[str, ...] = ("microsoft defender",)) -> Iterator[Scene]:
    """An event with domains (`one` and `two`, or these) that was pushed and accepted; nothing was seen yet."""
    misp = Misp(lambda: int(time.time()) - 60)
    user = misp.add_user(KEY, misp.add_org("Ours")) or misp.users[0]
    user.rights = frozenset({"perm_sighting"})
    event = misp.add_event(misp.orgs[0], "Campaign")
    for name in names or ("one", "two"):
        misp.add_attribute(event, "domain", f"{name}.evil.example")
    misp.publish(event)
    with MispServer(misp) as server:
        made = Scene(misp, server, world, event)
        world.configure()
        configure(made, only)
        code, said = run("push", event)
        assert code == 0, said
        server.requests.clear()
        yield made


@contextlib.contextmanager
def another_misp() -> Iterator[tuple[str, Misp, str]]:
    """Its address, itself with `OTHER_KEY` for a user, and an event that shows one of the campaign's domains."""
    other = Misp(lambda: int(time.time()) - 60)
    other.add_user(OTHER_KEY, other.add_org("Theirs"))
    other.users[0].rights = frozenset({"perm_sighting"})
    event = other.add_event(other.orgs[0], "Elsewhere")
    other.add_attribute(event, "domain", "one.evil.example", to_ids=True)
    other.publish(event)
    with MispServer(other) as server:
        yield server.url, other, event


def runner(world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a command; gives its exit code and what it says."""

    def go(command: str = "sightings", *options: str) -> tuple[int, dict[str, Any]]:
        words = [command, *options, "--json", "--config", str(world.config)]
        code, out, err = call(words, KEY, monkeypatch, capfd)
        return code, (json.loads(out) if out else {}) | {"words": err}

    return go
