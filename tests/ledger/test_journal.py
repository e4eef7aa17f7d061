"""Answers that the ledger does not take at once are written down as soon as it does, while the lease lasts."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from misp_modules_ext.delivery.journal import LedgerJournal
from misp_modules_ext.destinations.interface import ItemResult
from misp_modules_ext.errors import LedgerBusy
from misp_modules_ext.ledger import Ledger, flight, lease, schema
from misp_modules_ext.ledger.engine import now_ms, patience
from misp_modules_ext.ledger.lease import Lease, LeaseLostError
from misp_modules_ext.model.indicator import Due, Stamp
from misp_modules_ext.model.outcome import Outcome
from tests.ledger.house import House, domain
from tests.support.build import NOW, attribute, event, indicator

#: Seconds that another process keeps the file.
KEPT = 1.2
ACCEPTED = [ItemResult(Outcome.ACCEPTED)]
VALUE = domain("host.evil.example")


class _Case:
    """One request under way."""

    def __init__(self, path: Path, lease_ms: int) -> None:
        self.house = House(Ledger(f"sqlite:///{path}"))
        self.house.take(event(attribute("domain", VALUE.value, timestamp=NOW), timestamp=NOW))
        ledger = self.house.ledger
        self.store = ledger.write(lambda c: self.house.stores(c)[0])
        held = ledger.write(lambda c: lease.acquire(c, self.store.destination_id, "one", lease_ms))
        assert isinstance(held, Lease)
        self.lease = held
        digests = {
            row.observable_id: row.due_hash or b""
            for row in ledger.write(lambda c: flight.due_rows(c, self.store, now_ms(c), 10))
        }
        self.journal = LedgerJournal(ledger, self.store, held, digests, lambda _: bytes(32))
        made = indicator(VALUE.kind, VALUE.value)
        self.batch = self.journal.begin([Due(made, Stamp(VALUE.stix_id(0), 0, 0))])
        assert len(self.batch) == 1

    def state(self) -> int | None:
        row = self.house.row(VALUE)
        assert row is not None
        return row.state


@contextmanager
def _kept(path: Path, seconds: float) -> Iterator[None]:
    """Another process is in a transaction for so long."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(seconds, lambda: connection.execute("ROLLBACK"))
    timer.start()
    try:
        yield
    finally:
        timer.join()
        connection.close()


def test_an_answer_waits_for_the_ledger(tmp_path: Path) -> None:
    """One that is not written down would be sent once more, although Microsoft has taken it."""
    case = _Case(tmp_path / "ledger.db", lease_ms=60_000)
    with _kept(tmp_path / "ledger.db", KEPT), patience(0.1):
        case.journal.record(case.batch, ACCEPTED)
    assert case.state() == schema.SETTLED


def test_it_does_not_wait_longer_than_the_lease(tmp_path: Path) -> None:
    """Then another repeats the request."""
    case = _Case(tmp_path / "ledger.db", lease_ms=700)
    with _kept(tmp_path / "ledger.db", 5 * KEPT), patience(0.1), pytest.raises(LedgerBusy, match="locked"):
        case.journal.record(case.batch, ACCEPTED)
    assert case.state() == schema.DUE


def test_what_has_gone_to_another_is_not_written(tmp_path: Path) -> None:
    """The other one repeats the request, so it must not wait either."""
    case = _Case(tmp_path / "ledger.db", lease_ms=1)
    time.sleep(0.01)
    ledger, number = case.house.ledger, case.store.destination_id
    assert ledger.write(lambda c: lease.acquire(c, number, "two", 60_000)) is not None
    with pytest.raises(LeaseLostError):
        case.journal.record(case.batch, ACCEPTED)
    assert case.state() == schema.DUE
