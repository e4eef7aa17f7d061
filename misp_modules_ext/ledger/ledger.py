"""A ledger that is open: its engine, its identity, and the destinations of a configuration in it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine

from misp_modules_ext.ledger import engine as engines
from misp_modules_ext.ledger.migrate import upgrade

_T = TypeVar("_T")


class Ledger:
    """One database.

    Args:
        address: as in `[ledger] url`.

    Raises:
        LedgerError: it cannot be opened, is damaged, or was made by a newer version.
    """

    def __init__(self, address: str) -> None:
        self.engine: Engine = engines.connect(address)
        self.identity = upgrade(self.engine)

    @property
    def where(self) -> str:
        """Its address for people, without a password."""
        return engines.where(self.engine)

    def write(self, work: Callable[[Connection], _T]) -> _T:
        """Run `work` in a transaction; see `engine.run`."""
        return engines.run(self.engine, work)

    def read(self, work: Callable[[Connection], _T]) -> _T:
        """Run `work`, which writes nothing."""
        return engines.read(self.engine, work)

    def preview(self, work: Callable[[Connection], _T]) -> _T:
        """Run `work` as it would go, and keep nothing of it."""
        return engines.rehearse(self.engine, work)

    def close(self) -> None:
        """Close its connections."""
        self.engine.dispose()


_open: dict[tuple[int, str], Ledger] = {}
_lock = threading.Lock()


def open_ledger(address: str) -> Ledger:
    """The process's ledger at an address: opened and brought to this version once."""
    # A connection must not cross a fork.
    key = (os.getpid(), address)
    with _lock:
        found = _open.get(key)
    if found is not None:
        return found
    # Without the lock: a database that does not answer holds up whoever asks for it, and nobody else.
    opened = Ledger(address)
    with _lock:
        kept = _open.setdefault(key, opened)
    if kept is not opened:
        opened.close()
    return kept
