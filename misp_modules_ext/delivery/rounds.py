"""One round after the other of draining a ledger: read events that are due, send what is due everywhere."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection, delete

from misp_modules_ext.config.settings import Settings
from misp_modules_ext.delivery.crew import Crew
from misp_modules_ext.delivery.drain import Place, drain
from misp_modules_ext.delivery.places import place_of
from misp_modules_ext.delivery.reading import read_one
from misp_modules_ext.delivery.sender import Policy
from misp_modules_ext.destinations import create
from misp_modules_ext.errors import LedgerError
from misp_modules_ext.ledger import Ledger, Store, bulk, flight, open_ledger, register, schema, submissions
from misp_modules_ext.ledger.engine import now_ms
from misp_modules_ext.ledger.marks import mark

log = logging.getLogger("misp_modules_ext")

#: A drain that has not been seen for so many milliseconds is gone.
ALIVE_MS = 60_000
#: Destinations that are drained at once.
AT_ONCE = 16


class Rounds:
    """Drains in rounds. A destination that takes long delays neither the others nor the next round.

    Args:
        who: the holder's name, unique.
        kind: `service` or `worker`.
        policy: how patiently to send.
        changed: called when our own reading may have made something due.
    """

    def __init__(
        self, who: str, kind: str, policy: Policy | None = None, changed: Callable[[], object] = lambda: None
    ) -> None:
        self._who = who
        self._kind = kind
        self._policy = policy
        self._changed = changed
        self._crew = Crew(AT_ONCE + 1)

    def go(self, settings: Settings, *, wait: bool = False) -> None:
        """Begin one round.

        Args:
            settings: the configuration.
            wait: until nothing of the round is left, instead of going on in the background.

        Raises:
            LedgerError: the ledger cannot be opened or written.
        """
        ledger = open_ledger(settings.ledger.url.get_secret_value())
        stores = ledger.write(lambda connection: self._begin(connection, settings))
        mine = [store for store in stores if _is_ours(settings, store, ledger)]
        self._crew.start("reading", lambda: self._read(ledger, settings, stores))
        if wait:
            # What our own reading makes due belongs to this round.
            self._crew.wait()
        for store in ledger.read(lambda connection: [s for s in mine if flight.has_work(connection, s)]):
            self._crew.start(store.destination_id, partial(drain, self._place(ledger, store, settings)))
        if wait:
            self._crew.wait()

    def _begin(self, connection: Connection, settings: Settings) -> list[Store]:
        """Note that this drain lives, and find the destinations."""
        table = schema.drain
        clock = now_ms(connection)
        row = (self._who, self._kind, socket.gethostname()[:255], os.getpid(), clock)
        bulk.upsert(connection, table, ["holder", "kind", "host", "pid", "seen_ms"], ["holder"], [row])
        connection.execute(delete(table).where(table.c.seen_ms < clock - 60 * ALIVE_MS))
        submissions.forget(connection, settings.ledger.retention)
        return register(connection, [(d, create(d).refuses) for d in settings.destinations])

    def _read(self, ledger: Ledger, settings: Settings, stores: list[Store]) -> None:
        misp = settings.misp
        if misp is None or misp.key is None:
            return
        while read_one(ledger, misp, stores):
            self._changed()

    def _place(self, ledger: Ledger, store: Store, settings: Settings) -> Place:
        return place_of(ledger, store, settings, self._who, self._policy)


def _is_ours(settings: Settings, store: Store, ledger: Ledger) -> bool:
    try:
        mark(settings, store.settings, ledger)
    except LedgerError as error:
        log.warning("%s", error)
        return False
    return True
