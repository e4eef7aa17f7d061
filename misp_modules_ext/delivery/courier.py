"""What one submission has sent to one destination, by us or by whoever drains it at that moment."""

from __future__ import annotations

import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any

from sqlalchemy import Connection

from misp_modules_ext.delivery.companions import follow
from misp_modules_ext.delivery.drain import AT_HAND, BUSY, Drained, Place, drain
from misp_modules_ext.delivery.sender import TROUBLE
from misp_modules_ext.delivery.stopping import Stopping
from misp_modules_ext.errors import DestinationError, LedgerError
from misp_modules_ext.ledger import bulk, holdings, schema
from misp_modules_ext.ledger.holdings import Holding
from misp_modules_ext.ledger.placing import Settled
from misp_modules_ext.logs import What, fields, logger
from misp_modules_ext.model.outcome import Reason, State

log = logger()

#: Seconds between two looks at the ledger while another process sends.
LOOK = 0.2

_IN_THE_BACKGROUND = Drained(message="Not everything was answered in time; it goes on in the background.")
_stopping = Stopping()
_threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()


def stop_all() -> None:
    """Have all couriers of this process begin nothing more; returns at once."""
    _stopping.begin()


def end_all(until: float) -> None:
    """Have all couriers of this process begin nothing more, and wait for what they have under way.

    Args:
        until: `time.monotonic()` at which the waiting ends.
    """
    stop_all()
    for thread in list(_threads):
        thread.join(max(0.0, until - time.monotonic()))


class Courier:
    """Sends in a daemon thread, which goes on when the caller has stopped waiting.

    Args:
        place: the destination.
        settled: what is due there.
        deadline: `time.monotonic()` at which the caller stops waiting, or `None`.
    """

    def __init__(self, place: Place, settled: Settled, deadline: float | None) -> None:
        self._own = Stopping()
        self._place = place._replace(troubled=self._hear, stopping=self._own)
        self._trouble: DestinationError | None = None
        self._settled = settled
        self._deadline = deadline
        self._numbers = sorted({*settled.ready, *settled.withdrawing})
        self._drained: Drained | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="misp-microsoft-send")
        _threads.add(self._thread)
        self._thread.start()

    def wait(self) -> None:
        """Wait until nothing of it is due, the sending has ended, or the deadline has come.

        Without a deadline also for the objects of context that follow: the process may end then.
        """
        if self._deadline is None:
            self._thread.join()
        else:
            self._ended.wait(max(0.0, self._deadline - time.monotonic()))

    def drained(self) -> Drained:
        """How it went so far."""
        done = self._drained
        if done is not None and not (self._own.begun and self._left(done)):
            return done
        trouble = self._trouble
        if trouble is not None:
            return Drained(*TROUBLE[type(trouble)], str(trouble))
        return _IN_THE_BACKGROUND

    def _left(self, done: Drained) -> bool:
        """Whether it ended for want of time and not of anything else."""
        return done.state is State.OK and done.reason is Reason.NOT_IN_TIME and done.sent < len(self._numbers)

    def hand_over(self) -> None:
        """Begin no more requests when there are many: whoever drains goes on, in portions.

        What is at hand for a large event takes memory and time that its account needs now.
        """
        if self.sends() and len(self._numbers) > AT_HAND:
            self._own.begin()

    def _hear(self, error: DestinationError | None) -> None:
        self._trouble = error

    def rows(self, numbers: Collection[int]) -> Mapping[int, Holding]:
        """Rows of what was due, as they are now."""
        place = self._place
        return place.ledger.read(lambda connection: holdings.read(connection, place.store, numbers))

    def _waiting(self) -> Counter[str | None]:
        """How many rows are still due, by the reason why they wait."""
        row, place = schema.holding, self._place
        here = row.c.destination_id == place.store.destination_id

        def count(connection: Connection) -> Counter[tuple[Any, ...]]:
            found = (row.c.observable_id, self._numbers, row.c.reason)
            return bulk.tally(connection, *found, where=here, also=lambda of: of.c.state == schema.DUE)

        return Counter({reason: number for (reason,), number in place.ledger.read(count).items()})

    def tell(self, watch: Callable[[str, int, int], None]) -> bool:
        """Tell how far it is; whether it still sends."""
        left = self._waiting().total()
        watch(self._place.store.settings.name, len(self._numbers) - left, len(self._numbers))
        return self.sends()

    def sends(self) -> bool:
        """Whether it has not ended yet."""
        return self._thread.is_alive()

    def _run(self) -> None:
        with _stopping.telling(self._own.begin):
            try:
                self._carry()
            finally:
                self._ended.set()
            done = self._drained
            if done is not None and done.state is State.OK and not done.message:
                self._follow()

    def _follow(self) -> None:
        try:
            follow(self._place)
        except LedgerError as error:
            log.warning("Objects of context wait: %s", error, extra=fields(What.OBJECTS_PAUSED))

    def _carry(self) -> None:
        try:
            self._drained = self._send()
        except LedgerError as error:
            self._drained = Drained(State.PAUSED, Reason.NOT_IN_TIME, str(error))
        except Exception as error:
            self._drained = Drained(
                State.UNREACHABLE, Reason.UNREACHABLE, f"Unexpected {type(error).__name__} while sending."
            )
            raise

    def _send(self) -> Drained:
        while True:
            drained = drain(self._place, self._settled.ready, self._settled.withdrawing, patient=False)
            if drained is not BUSY:
                return drained
            # Whoever sends takes up what is due here as well; when it ends before that, we send.
            while self._waiting()[None]:
                if self._deadline is not None and time.monotonic() >= self._deadline:
                    return BUSY
                time.sleep(LOOK)
                if self._is_free():
                    break
            else:
                return Drained()

    def _is_free(self) -> bool:
        place = self._place
        return place.ledger.read(lambda connection: holdings.lease_is_free(connection, place.store))
