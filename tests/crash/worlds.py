"""A configuration for a MISP and an emulated Microsoft on any database."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, not_, select, update

from misp_modules_ext.delivery.places import LEASE_VARIABLE
from misp_modules_ext.emulator import Emulator
from misp_modules_ext.ledger import Ledger, schema
from misp_modules_ext.ledger.engine import now_ms
from misp_modules_ext.ledger.stores import make_due
from tests.crash import checks
from tests.crash.analyst import Model
from tests.support.keys import misp_key
from tests.support.misp_server import MispServer, error
from tests.support.misp_world import World as Misp
from tests.support.world import TENANT, WORKSPACE, World

KEY = misp_key()
#: Destinations: Sentinel and Defender.
BOTH = ("microsoft", "microsoft defender")
#: Milliseconds: longer than anything waits but graces.
SOON_MS = 3_600_000


class StillMisp(MispServer):
    """A MISP whose world does not move while an answer is made."""

    def __init__(self, world: Misp) -> None:
        super().__init__(world)
        self.lock = threading.RLock()

    def answer(self, path: str, body: dict[str, Any], key: str) -> tuple[int, Any]:
        """Status and JSON of a request's answer."""
        if not body and "restSearch" in path:
            # Half a request, of a process that was killed while it wrote.
            return 400, error("Bad Request", path)
        with self.lock:
            return super().answer(path, body, key)


@dataclass(frozen=True)
class Stage(World):
    """As `World`, with a MISP beside it, and the ledger at any address."""

    misp: StillMisp
    address: str

    @property
    def ledger(self) -> str:
        """The address of the ledger."""
        return self.address

    def environment(self, lease_ms: int) -> dict[str, str]:
        """What processes need to know."""
        return {
            "RH_ISAC_CONF": str(self.config),
            "XDG_STATE_HOME": str(self.config.with_name("state")),
            LEASE_VARIABLE: str(lease_ms),
        }

    def differences(self, model: Model) -> list[str]:
        """Where Microsoft's side is not what the model says."""
        state = self.emulator.state()
        sentinel = state["sentinel"].get(WORKSPACE, {}).values()
        return checks.differences(sentinel, state["defender"].get(TENANT, []), model)


@contextmanager
def theatre(folder: Path, address: str, only: tuple[str, ...] = BOTH) -> Iterator[Stage]:
    """MISP and Microsoft, both empty, and a configuration for them.

    The ledger is made here: on MariaDB, which commits each table by itself, it would not survive a kill at that time.
    """
    misp = StillMisp(Misp(lambda: int(time.time())))
    misp.world.add_user(KEY, misp.world.add_org("Ours"))
    Ledger(address).close()
    with Emulator(state=folder / "emulator", rates=False) as emulator, misp:
        stage = Stage(emulator, folder / "rh-isac.conf", misp, address)
        asks = {"url": misp.url, "key": KEY}
        stage.configure(only=only, wipe=False, misp=asks, maxWithdraw="1000000")
        yield stage


def settle(address: str, patience: float = 60) -> None:
    """Let whoever drains the ledger at this address finish, without waiting for what takes long by itself.

    Raises:
        TimeoutError: something is still due after `patience` seconds.
    """
    ledger = Ledger(address)
    end = time.monotonic() + patience
    ledger.write(_retry)
    start = ledger.read(now_ms)
    while left := ledger.read(lambda connection: _left(connection, start)):
        if time.monotonic() > end:
            raise TimeoutError(f"still due: {left}")
        ledger.write(_let_time_pass)
        time.sleep(0.3)
    ledger.close()


def _retry(connection: Connection) -> None:
    """As `misp-microsoft retry`: what was refused is due again."""
    for destination_id in connection.execute(select(schema.destination.c.destination_id)).scalars().all():
        make_due(connection, destination_id, (schema.REJECTED, schema.SKIPPED))


def _let_time_pass(connection: Connection) -> None:
    """End every wait that ends by itself soon: pauses, next attempts, readings that a dead process had taken up.

    Leases are not among them: these are really waited for. Nor are graces, which take days.
    """
    event, holding, destination = schema.event, schema.holding, schema.destination
    clock = now_ms(connection)
    connection.execute(
        update(event).where(event.c.read_due_ms.between(clock, clock + SOON_MS)).values(read_due_ms=clock)
    )
    connection.execute(update(holding).where(holding.c.due_ms > clock).values(due_ms=clock))
    connection.execute(update(destination).values(paused_until_ms=None, failures=0))


def _left(connection: Connection, start: int) -> dict[str, int]:
    """What is to be done: rows by state, events to read, leases that somebody has.

    Args:
        connection: in a transaction.
        start: when the settling began, milliseconds.
    """
    holding, event, destination = schema.holding, schema.event, schema.destination
    states = select(holding.c.state, func.count()).where(holding.c.state != schema.SETTLED).group_by(holding.c.state)
    found = {f"state {state}": number for state, number in connection.execute(states)}
    # One that was found unpublished is read again and again, which never ends: once from now on is enough. It may have
    # been found so just before MISP set its flag.
    read = event.c.unpublished_since_ms.is_not(None) & (event.c.read_ms >= start)
    soon = (event.c.read_due_ms < now_ms(connection) + SOON_MS) & not_(read)
    reads = select(func.count()).select_from(event).where(soon)
    leases = select(func.count()).select_from(destination).where(destination.c.lease_until_ms > now_ms(connection))
    found |= {"readings": connection.execute(reads).scalar_one(), "leases": connection.execute(leases).scalar_one()}
    return {name: number for name, number in found.items() if number}
