"""One round after the other of draining a ledger: read events that are due, send what is due everywhere."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection, delete

from misp_modules_ext.config.settings import Settings
from misp_modules_ext.delivery.companions import follow
from misp_modules_ext.delivery.crew import Crew
from misp_modules_ext.delivery.drain import Place, drain
from misp_modules_ext.delivery.places import base_url_of, place_of, readable
from misp_modules_ext.delivery.reading import read_one
from misp_modules_ext.delivery.sender import Policy
from misp_modules_ext.delivery.stopping import Stopping
from misp_modules_ext.delivery.writing_back import WriteBack
from misp_modules_ext.destinations import create
from misp_modules_ext.errors import LedgerError
from misp_modules_ext.ledger import Ledger, Store, bulk, companions, flight, open_ledger, register, schema, submissions
from misp_modules_ext.ledger.engine import now_ms
from misp_modules_ext.ledger.marks import mark
from misp_modules_ext.logs import What, fields, logger
from misp_modules_ext.model.outcome import State

log = logger()

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
        at_once: destinations that are drained at once.
    """

    def __init__(
        self,
        who: str,
        kind: str,
        policy: Policy | None = None,
        changed: Callable[[], object] = lambda: None,
        at_once: int = AT_ONCE,
    ) -> None:
        self._who = who
        self._kind = kind
        self._policy = policy
        self._changed = changed
        # And one thread each that reads MISP and writes tags back to it.
        self._crew = Crew(at_once + 2)
        self._stopping = Stopping()
        self._foreign: dict[int, str] = {}
        self._write_back = WriteBack(self._stopping)

    def go(self, settings: Settings, *, wait: bool = False) -> None:
        """Begin one round.

        Args:
            settings: the configuration.
            wait: until nothing of the round is left, instead of going on in the background. What of events becomes due
                to be read meanwhile is for the next round.

        Raises:
            LedgerError: the ledger cannot be opened or written.
        """
        ledger = open_ledger(settings.ledger.url.get_secret_value())
        stores = ledger.write(lambda connection: self._begin(connection, settings))
        # Who waits does so for what is due now: a reading that fails is due again in a moment, and would never end it.
        until = ledger.read(now_ms) if wait else None
        mine = [store for store in stores if self._is_ours(settings, store, ledger)]
        self._crew.start("reading", lambda: self._read(ledger, settings, stores, until))
        if wait:
            # What our own reading makes due belongs to this round.
            self._crew.wait()
        for store in ledger.read(lambda connection: [s for s in mine if _has_work(connection, s)]):
            self._crew.start(store.destination_id, partial(self._drain, self._place(ledger, store, settings)))
        if wait:
            self._crew.wait()
        if settings.write_back.tags:
            self._crew.start("writing back", partial(self._write_back.go, ledger, settings, mine))
        if wait:
            self._crew.wait()

    def stop(self) -> None:
        """Begin nothing more; returns at once."""
        self._stopping.begin()

    def end(self, settings: Settings, patience: float) -> bool:
        """Begin nothing more, let what is under way finish, and say that this drain is gone.

        Args:
            settings: the configuration.
            patience: seconds to wait for what is under way.

        Returns:
            Whether all is finished; else leases end by themselves.
        """
        self.stop()
        done = self._crew.wait(patience)
        mine = delete(schema.drain).where(schema.drain.c.holder == self._who)
        open_ledger(settings.ledger.url.get_secret_value()).write(lambda connection: connection.execute(mine).rowcount)
        return done

    def _drain(self, place: Place) -> None:
        """Drain a destination, its objects of context after it."""
        drained = drain(place)
        if drained.state is State.OK and not drained.message:
            follow(place)
        if drained.sent:
            self._write_back.wake()
            name = place.store.settings.name
            what = fields(What.SENT, destination=name, count=drained.sent)
            log.info("[%s] %d answered by Microsoft.", name, drained.sent, extra=what)

    def _begin(self, connection: Connection, settings: Settings) -> list[Store]:
        """Note that this drain lives, and find the destinations."""
        table = schema.drain
        clock = now_ms(connection)
        row = (self._who, self._kind, socket.gethostname()[:255], os.getpid(), clock)
        bulk.upsert(connection, table, ["holder", "kind", "host", "pid", "seen_ms"], ["holder"], [row])
        connection.execute(delete(table).where(table.c.seen_ms < clock - 60 * ALIVE_MS))
        submissions.forget(connection, settings.ledger.retention)
        return register(connection, [(d, create(d).refuses) for d in settings.destinations])

    def _read(self, ledger: Ledger, settings: Settings, stores: list[Store], until_ms: int | None) -> None:
        misps, base_url, lists = readable(settings), base_url_of(settings), settings.warninglist_index
        while misps and not self._stopping.begun and read_one(ledger, misps, stores, base_url, lists, until_ms):
            self._write_back.wake()
            self._changed()

    def _place(self, ledger: Ledger, store: Store, settings: Settings) -> Place:
        place = place_of(ledger, store, settings, self._who, self._policy)
        return place._replace(stopping=self._stopping)

    def _is_ours(self, settings: Settings, store: Store, ledger: Ledger) -> bool:
        """Whether a store is this ledger's; what is wrong with it is logged once, not in every round."""
        number = store.destination_id
        try:
            mark(settings, store.settings, ledger)
        except LedgerError as error:
            if self._foreign.get(number) != str(error):
                log.warning("%s", error, extra=fields(What.FOREIGN, destination=store.settings.name))
            self._foreign[number] = str(error)
            return False
        self._foreign.pop(number, None)
        return True


def _has_work(connection: Connection, store: Store) -> bool:
    """Whether indicators or their objects of context are due."""
    return flight.has_work(connection, store) or companions.may_go(connection, store)
