"""How long the ledger took for a small transaction at which time: on a busy machine an answer is written down later."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from types import TracebackType

from sqlalchemy import Connection, text

from misp_modules_ext.errors import LedgerError
from misp_modules_ext.ledger import Ledger

#: Seconds between two transactions.
EVERY = 0.25


class Pulse:
    """Writes to the ledger's database now and then, into a table of its own.

    Args:
        address: the ledger's.
    """

    def __init__(self, address: str) -> None:
        self._ledger = Ledger(address)
        self._beats: list[tuple[float, float]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Pulse:
        self._ledger.write(lambda c: c.execute(text("CREATE TABLE pulse (beats INTEGER NOT NULL)")))
        self._ledger.write(lambda c: c.execute(text("INSERT INTO pulse VALUES (0)")))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._ledger.close()

    def slowest(self, start: float, end: float) -> float:
        """Seconds that the slowest transaction took of those that went on between two moments (`time.monotonic()`)."""
        return max((e - b for b, e in list(self._beats) if b <= end and start <= e), default=0.0)

    def _run(self) -> None:
        due = time.monotonic()
        while not self._ended.is_set():
            # From when it was due: a machine that gives us no time gives others none.
            with suppress(LedgerError):
                # One that fails has taken long, and that is what is asked for.
                self._ledger.write(_beat)
            now = time.monotonic()
            self._beats.append((due, now))
            due = now + EVERY
            self._ended.wait(EVERY)


def _beat(connection: Connection) -> None:
    connection.execute(text("UPDATE pulse SET beats = beats + 1"))
