"""What tests of `sync` stand on: RH-ISAC's MISP as a test server, and what the ledger says of its runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update

from misp_modules_ext.ledger import open_ledger, schema, syncs
from tests.support.keys import misp_key
from tests.support.misp_server import Fault, MispServer
from tests.support.misp_world import World as Misp
from tests.support.world import World

KEY = misp_key()
VETTED = "rhisac: vetted"
DAY = 86_400
ONLY = ("microsoft", "microsoft defender")

Run = Callable[..., tuple[int, dict[str, Any]]]


@dataclass
class Scene:
    """RH-ISAC's MISP as a test server, with an organisation to write events.

    Attributes:
        now: the clock of MISP.
    """

    misp: Misp
    server: MispServer
    world: World
    clock: list[int]

    def event(self, *values: str, tag: str = VETTED, ago: int = 60, info: str = "Campaign") -> str:
        """A published event of domains, all with a tag of their own; gives its UUID."""
        self.clock[0] = int(time.time()) - ago
        uuid = self.misp.add_event(self.misp.orgs[0], info)
        for value in values:
            attribute = self.misp.add_attribute(uuid, "domain", f"{value}.evil.example")
            if tag:
                self.misp.tag(attribute, tag)
        self.misp.publish(uuid)
        return uuid

    def attribute(self, event: str, value: str) -> str:
        """The UUID of one of its attributes."""
        return next(a.uuid for a in self.misp.events[event].attributes if a.value == f"{value}.evil.example")

    def publish(self, event: str) -> None:
        """Publish it now."""
        self.clock[0] = int(time.time())
        self.misp.publish(event)

    def there(self) -> list[str]:
        """The names at Defender, as far as they differ."""
        return [value.removesuffix(".evil.example") for value in self.world.defender()]


def configure(scene: Scene, **keys: str) -> None:
    """Write the configuration; `keys` go into the section of RH-ISAC's MISP."""
    section = {"url": scene.server.url, "key": KEY} | keys
    scene.world.configure(only=ONLY, more={"RH-ISAC MISP": section})


def pass_time(scene: Scene, seconds: int) -> None:
    """Let events have been seen unpublished, or missing, so much earlier."""
    columns = (schema.event.c.unpublished_since_ms, schema.event.c.missing_since_ms)
    earlier = {column: column - seconds * 1000 for column in columns}
    open_ledger(scene.world.ledger).write(lambda c: c.execute(update(schema.event).values(earlier)))


def fail(scene: Scene, *events: str) -> None:
    """Have MISP fail at these events for as long as the faults stand."""
    scene.server.faults += [Fault(event=event, status=500) for event in events for _ in range(60)]


def off(scene: Scene, event: str, value: str) -> None:
    """Switch an IDS flag off, and publish that."""
    scene.clock[0] = int(time.time()) + 1
    scene.misp.set_to_ids(scene.attribute(event, value), on=False)
    scene.misp.publish(event)


def row(scene: Scene) -> tuple[int | None, int | None, int | None]:
    """Where the unfinished run began, when that was, and the checkpoint."""
    table = schema.sync
    wanted = select(table.c.since, table.c.began_ms, table.c.checkpoint)
    found = open_ledger(scene.world.ledger).read(lambda c: c.execute(wanted).one())
    return found.since, found.began_ms, found.checkpoint


def tried(scene: Scene) -> dict[str, syncs.Tried]:
    """What the unfinished run has tried, by event."""
    return open_ledger(scene.world.ledger).read(lambda c: syncs.tried(c, scene.server.url))


def event_row(scene: Scene, uuid: str, misp: str) -> Any:
    """The ledger's row of an event; `misp` as in `Event.misp`."""
    this = (schema.event.c.uuid == uuid) & (schema.event.c.misp == misp)
    return open_ledger(scene.world.ledger).read(lambda c: c.execute(select(schema.event).where(this)).one())


def due(scene: Scene) -> None:
    """Let everything that is to be read later be due now."""
    later = schema.event.c.read_due_ms.is_not(None)
    now = update(schema.event).where(later).values(read_due_ms=1)
    open_ledger(scene.world.ledger).write(lambda c: c.execute(now))
