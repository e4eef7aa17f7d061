"""The ledger's book of the requests to one destination, as a sender keeps it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Connection

from misp_modules_ext.destinations.interface import ItemResult
from misp_modules_ext.errors import LedgerBusy
from misp_modules_ext.ledger import flight
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.ledger.lease import Lease, renew
from misp_modules_ext.ledger.ledger import Ledger
from misp_modules_ext.ledger.stores import Store
from misp_modules_ext.model.indicator import Due, Indicator, Stamp
from misp_modules_ext.model.outcome import Outcome

#: A request begins only with three quarters of a lease left (45 of 60 seconds), so after a quarter it is renewed.
FRESH_PART = 0.25
#: Seconds between two attempts to write an answer down.
AGAIN = 0.5


class LedgerJournal:
    """Keeps book in the ledger.

    Args:
        ledger: where.
        store: the destination.
        lease: under which requests are made.
        digests: what is sent by observable id, `WITHDRAWING` for what is taken back.
        shown: digest of what the destination shows of an indicator.
        live: how many indicators the destination holds, where some are taken back.
        withdrawing: the requests take back.
    """

    def __init__(
        self,
        ledger: Ledger,
        store: Store,
        lease: Lease,
        digests: Mapping[int, bytes],
        shown: Callable[[Indicator], bytes],
        *,
        live: int | None = None,
        withdrawing: bool = False,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._lease = lease
        self._digests = digests
        self._shown = shown
        self._live = live
        self._withdrawing = withdrawing
        self._renewed = time.monotonic()
        self._lock = threading.Lock()

    def hold(self) -> None:
        """Renew the lease when a part of it is over.

        Raises:
            LeaseLostError: another process drains the destination now.
        """
        with self._lock:
            if time.monotonic() - self._renewed < self._lease.milliseconds / 1000 * FRESH_PART:
                return
            self._ledger.write(lambda connection: renew(connection, self._lease))
            self._renewed = time.monotonic()

    def begin(self, batch: Sequence[Due]) -> list[Due]:
        """Mark the rows; the dues with their stamps, without those that may no longer go."""
        wanted = {(number := number_of(due)): self._digests[number] for due in batch}
        begun = self._ledger.write(
            lambda connection: flight.begin(connection, self._store, self._lease, wanted, self._live)
        )
        by_number = {row.observable_id: row for row in begun}
        return [_stamped(due, by_number[number]) for due in batch if (number := number_of(due)) in by_number]

    def record(self, batch: Sequence[Due], results: Sequence[ItemResult]) -> None:
        """Write the outcomes; while the lease lasts also again, when the ledger is busy or away.

        What is not written down is sent once more.
        """
        answers = [self._answer(due, result) for due, result in zip(batch, results, strict=True)]
        end = time.monotonic() + self._lease.milliseconds / 1000
        while True:
            try:
                return self._ledger.write(lambda connection: self._record(connection, answers))
            except LedgerBusy:
                if time.monotonic() + AGAIN > end:
                    raise
            time.sleep(AGAIN)

    def _record(self, connection: Connection, answers: Sequence[flight.Answer]) -> None:
        flight.record(connection, self._store, self._lease, answers, withdrawn=self._withdrawing)

    def _answer(self, due: Due, result: ItemResult) -> flight.Answer:
        answer = answer_of(due, result)
        there = answer.accepted and not self._withdrawing
        return answer._replace(shown=self._shown(due.indicator)) if there else answer

    def refused(self, batch: Sequence[Due]) -> None:
        """Take the marks away from what was not in doubt before."""
        numbers = [number_of(due) for due in batch if not due.unanswered]
        if numbers:
            self._ledger.write(lambda connection: flight.unbegin(connection, self._store, self._lease, numbers))

    def left_out(self, dues: Sequence[Due], results: Sequence[ItemResult]) -> None:
        """Write why they were not tried."""
        answers = [answer_of(due, result) for due, result in zip(dues, results, strict=True)]
        self._ledger.write(
            lambda connection: flight.leave_out(connection, self._store, self._lease, answers, self._digests)
        )


def number_of(due: Due) -> int:
    """The id of the observable that a due is about."""
    return observable_id(due.indicator.observable)


def _stamped(due: Due, begun: flight.Begun) -> Due:
    stix_id = due.indicator.observable.stix_id(begun.generation)
    stamp = Stamp(stix_id, begun.created_ms, begun.modified_ms)
    return due._replace(stamp=stamp, unanswered=begun.unanswered)


def answer_of(due: Due, result: ItemResult) -> flight.Answer:
    """What the ledger is to write of one result."""
    accepted = None if result.outcome is Outcome.PENDING else result.outcome is Outcome.ACCEPTED
    answer = flight.Answer(number_of(due), accepted, result.reason, result.message, result.remote_id, due.unanswered)
    return answer._replace(gone=result.gone)
