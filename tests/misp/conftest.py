"""A MISP at loopback for unmodified PyMISP, with an event that has something of everything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from misp_modules_ext.config.settings import MispSettings
from misp_modules_ext.misp.client import MispClient
from tests.support.keys import misp_key
from tests.support.misp_server import MispServer
from tests.support.misp_world import Org, User, World

#: As long as MISP's keys are.
KEY = misp_key()

Connect = Callable[..., MispClient]


class Clock:
    """Stands still unless told to go on."""

    def __init__(self) -> None:
        self.now = 1_795_521_600

    def __call__(self) -> int:
        """Seconds since 1970 UTC."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The world's clock."""
    return Clock()


@pytest.fixture
def world(clock: Clock) -> World:
    """A MISP with one organisation and one key, and no event."""
    made = World(clock)
    made.add_user(KEY, made.add_org("Ours"))
    return made


@pytest.fixture
def ours(world: World) -> Org:
    """The organisation of the key."""
    return world.orgs[0]


@pytest.fixture
def me(world: World) -> User:
    """The user of the key."""
    return world.users[0]


@pytest.fixture
def server(world: World) -> Iterator[MispServer]:
    """It, over HTTP."""
    with MispServer(world) as made:
        yield made


def settings(url: str, key: str | None = KEY, ca: Path | None = None) -> MispSettings:
    """The section of a MISP."""
    return MispSettings(name="misp", url=url, key=None if key is None else SecretStr(key), ca=ca)


@pytest.fixture
def connect(server: MispServer) -> Connect:
    """Makes clients of the server."""

    def _connect(key: str = KEY, **options: Any) -> MispClient:
        return MispClient(settings(server.url, key), **options)

    return _connect


@pytest.fixture
def event(world: World, ours: Org, clock: Clock) -> str:
    """Six attributes that count, two of them in an object, one deleted and one in a deleted object."""
    uuid = world.add_event(ours, "Loader", threat_level=1)
    world.tag(uuid, "tlp:green")
    world.tag(uuid, "triage:done", local=True)
    plain = world.add_attribute(uuid, "domain", "c2.evil.example", comment="C2", distribution=1)
    world.tag(plain, "tlp:amber")
    world.tag(plain, "microsoft:push", local=True)
    world.tag(plain, "internal:case-7", exportable=False)
    group = world.add_group(ours)
    shared = world.add_attribute(uuid, "ip-dst", "198.51.100.7", distribution=4, group=group, warnings=("List of IPs",))
    world.tag(shared, "tlp:amber")
    world.add_attribute(uuid, "ip-dst|port", "198.51.100.8|443", first_seen="2026-11-01T00:00:00.000000+00:00")
    world.add_attribute(uuid, "text", "a note", to_ids=False)
    gone = world.add_attribute(uuid, "url", "http://gone.example/a")
    file = world.add_object(uuid, "file", comment="on disk", distribution=4, group=group)
    world.add_attribute(uuid, "filename", "a.dll", within=file, relation="filename")
    world.add_attribute(uuid, "sha256", "ab" * 32, within=file, relation="sha256")
    old = world.add_object(uuid, "domain-ip")
    world.add_attribute(uuid, "domain", "old.example", within=old, relation="domain")
    clock.now += 60
    world.delete_attribute(gone)
    world.delete_object(old)
    clock.now += 60
    world.publish(uuid)
    return uuid
