"""That MISP cannot be read is told once, however often it is tried, and so is its end."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, update

from misp_modules_ext.delivery.reading import read_one
from misp_modules_ext.ledger import Ledger, Origin, Store, register, schema, take
from misp_modules_ext.ledger.engine import now_ms
from misp_modules_ext.logs import What, fields_of
from tests.support.build import attribute, destination
from tests.support.build import event as taken_event
from tests.support.misp_server import Fault, MispServer
from tests.support.misp_world import Org, World

from .conftest import settings


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An empty one."""
    made = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield made
    made.close()


def _known(ledger: Ledger, uuids: list[str]) -> list[Store]:
    """Have events wait to be read."""

    def work(connection: Connection) -> list[Store]:
        stores = register(connection, [(destination(), lambda _: None)])
        events = [taken_event(attribute("domain", f"{uuid[:8]}.evil.example"), uuid=uuid) for uuid in uuids]
        take(connection, events, Origin.REQUEST, stores, "", read_later=True)
        return stores

    return ledger.write(work)


def test_once_for_a_misp_and_once_more_when_it_is_back(
    ledger: Ledger, world: World, ours: Org, server: MispServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Two events wait, each is tried three times; then both are read."""
    caplog.set_level(logging.INFO, "misp_modules_ext")
    uuids = [world.add_event(ours, distribution=1) for _ in range(2)]
    for uuid in uuids:
        world.add_attribute(uuid, "domain", f"{uuid[:8]}.evil.example")
        world.publish(uuid)
    stores = _known(ledger, uuids)
    misps = {"": settings(server.url)}

    def read_all() -> None:
        ledger.write(lambda c: c.execute(update(schema.event).values(read_due_ms=now_ms(c))))
        while read_one(ledger, misps, stores, "", tmp_path / "none.db"):
            pass

    server.faults.extend(Fault(status=503) for _ in range(6))
    for _ in range(3):
        read_all()
    assert server.faults == [], "each was tried each time"
    read_all()
    told = [(fields_of(r)["what"], fields_of(r)["misp"]) for r in caplog.records]
    ends = [(What.EVENT_READ.value, "misp"), (What.MISP_READABLE.value, "misp"), (What.EVENT_READ.value, "misp")]
    assert told == [(What.MISP_UNREADABLE.value, "misp"), *ends]
    first = fields_of(caplog.records[0])
    assert (first["event"] in uuids, first["attempts"], first["seconds"]) == (True, 1, 2)
