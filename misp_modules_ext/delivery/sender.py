"""Sending to one destination: several requests in flight, bounded retries that obey Microsoft, and a deadline.

Errors that are not an item's own stop the sending to this destination: everything without an answer is pending with
that reason. Nothing is reported as accepted without an answer that says so.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from misp_modules_ext.delivery.halving import RefusedAlike, isolate
from misp_modules_ext.destinations.interface import Cleared, Destination, ItemResult, Refusal
from misp_modules_ext.destinations.limits import Limiter
from misp_modules_ext.errors import (
    BatchRefused,
    CredentialsRefused,
    DestinationError,
    LedgerError,
    NotFound,
    PermissionRefused,
    Retired,
    Throttled,
    Unavailable,
)
from misp_modules_ext.logs import What, fields, logger
from misp_modules_ext.model.indicator import Due, Observable
from misp_modules_ext.model.outcome import Outcome, Reason, State

_T = TypeVar("_T")

log = logger()


@dataclass(frozen=True, slots=True)
class Policy:
    """How patiently to send.

    Attributes:
        attempts: requests for one batch, the first included.
        first_wait: seconds before the first repetition, when Microsoft does not say; doubles each time.
        longest_wait: seconds; a longer wait that Microsoft asks for ends the sending instead.
        request_timeout: seconds for one request.
    """

    attempts: int = 5
    first_wait: float = 0.5
    longest_wait: float = 90.0
    request_timeout: float = 40.0


#: What a destination-wide error means for what has no answer.
TROUBLE: dict[type[DestinationError], tuple[State, Reason]] = {
    CredentialsRefused: (State.REFUSED, Reason.CREDENTIALS_REFUSED),
    PermissionRefused: (State.REFUSED, Reason.PERMISSION_REFUSED),
    NotFound: (State.MISCONFIGURED, Reason.NOT_FOUND),
    Retired: (State.RETIRED, Reason.RETIRED),
    Throttled: (State.THROTTLED, Reason.THROTTLED),
    Unavailable: (State.UNREACHABLE, Reason.UNREACHABLE),
    # Only where a request that carries no indicators (a survey) is refused; a batch is halved instead.
    BatchRefused: (State.PAUSED, Reason.PAUSED),
}


#: Told why a request is being repeated.
Troubled = Callable[[DestinationError | None], object]


class Journal(Protocol):
    """Keeps book of requests before they begin and after they were answered."""

    def hold(self) -> None:
        """Make sure that requests may still be made; raises `LedgerError` when not."""
        ...

    def begin(self, batch: Sequence[Due]) -> list[Due]:
        """Note that these are about to be sent; what may no longer go is left out."""
        ...

    def record(self, batch: Sequence[Due], results: Sequence[ItemResult]) -> None:
        """Note what came of them."""
        ...

    def refused(self, batch: Sequence[Due]) -> None:
        """Note that nothing of these has arrived."""
        ...

    def left_out(self, dues: Sequence[Due], results: Sequence[ItemResult]) -> None:
        """Note why these were not even tried."""
        ...


class NoJournal:
    """Keeps no book."""

    def hold(self) -> None:
        """Always."""

    def begin(self, batch: Sequence[Due]) -> list[Due]:
        """All may go."""
        return list(batch)

    def record(self, batch: Sequence[Due], results: Sequence[ItemResult]) -> None:
        """Not noted."""

    def refused(self, batch: Sequence[Due]) -> None:
        """Not noted."""

    def left_out(self, dues: Sequence[Due], results: Sequence[ItemResult]) -> None:
        """Not noted."""


class OutOfTime(Exception):
    """The deadline came before the request could begin."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """What is known at one moment.

    Attributes:
        results: answers so far.
        state: how the destination does.
        reason: why what has no answer has none.
        message: the same as a sentence, `""` when all is well.
        retry_after: seconds that Microsoft asked to wait, if it did.
    """

    results: dict[Observable, ItemResult]
    state: State
    reason: Reason
    message: str
    retry_after: float | None = None


class Sender:
    """Sends to one destination in daemon threads, so that a hanging request keeps no process alive.

    Args:
        destination: where to.
        limiter: the calling application's rate, shared with other senders.
        deadline: `time.monotonic()` at which the caller stops waiting, or `None`.
        policy: how patiently.
        journal: keeps book.
        withdrawing: take back instead of sending.
        troubled: told the error after which a request is being repeated, and `None` when one was answered.
    """

    def __init__(
        self,
        destination: Destination,
        limiter: Limiter | None,
        deadline: float | None = None,
        policy: Policy | None = None,
        journal: Journal | None = None,
        *,
        withdrawing: bool = False,
        troubled: Troubled = lambda _: None,
    ) -> None:
        self._destination = destination
        self._told = False
        self._limiter = limiter
        self._deadline = deadline
        self._policy = policy or Policy()
        self._journal = journal or NoJournal()
        self._withdrawing = withdrawing
        self._troubled = troubled
        # Those of which a request may have arrived although no answer came.
        self._doubtful: set[str] = set()
        self._lock = threading.Lock()
        self._results: dict[Observable, ItemResult] = {}
        self._trouble: tuple[State, Reason, str] | None = None
        # What Microsoft asked for where the sending ended, by whichever request.
        self._asked: float | None = None
        self._last_error: Throttled | Unavailable | None = None
        self._stopped = threading.Event()
        self._not_before = 0.0
        self._thread: threading.Thread | None = None

    def start(self, dues: Sequence[Due]) -> None:
        """Begin; returns at once."""
        self._thread = threading.Thread(target=self._run, args=(list(dues),), daemon=True, name="misp-microsoft-send")
        self._thread.start()

    def stop(self) -> None:
        """Begin no further request; those under way are finished and written down."""
        self._stopped.set()

    @property
    def answered(self) -> int:
        """How many indicators have an answer."""
        return len(self._results)

    def wait(self) -> Delivered:
        """Wait until all is answered, the sending has ended, or the deadline has come."""
        if self._thread is not None:
            self._thread.join(None if self._deadline is None else max(0.0, self._deadline - time.monotonic()))
        self._stopped.set()
        with self._lock:
            state, reason, message = self._trouble or self._lateness()
            asked = self._asked if self._trouble is not None else _asked_by(self._last_error)
            return Delivered(self._settled(state), state, reason, message, asked)

    def wrongly_rejected(self) -> list[Observable]:
        """Those refused while everything was refused alike: the cause was not theirs."""
        with self._lock:
            state = self._trouble[0] if self._trouble else State.OK
            return [o for o in self._results if o not in self._settled(state)]

    def _settled(self, state: State) -> dict[Observable, ItemResult]:
        """The answers that hold: when all was refused alike, a small batch's rejections say no more than that."""
        if state is not State.PAUSED or any(r.outcome is Outcome.ACCEPTED for r in self._results.values()):
            return dict(self._results)
        return {o: result for o, result in self._results.items() if result.outcome is not Outcome.REJECTED}

    def _lateness(self) -> tuple[State, Reason, str]:
        alive = self._thread is not None and self._thread.is_alive()
        return self._out_of_time() if alive else (State.OK, Reason.NOT_IN_TIME, "")

    def _run(self, dues: list[Due]) -> None:
        self._guarded(lambda: self._send_all(dues))

    def _guarded(self, work: Callable[[], None]) -> None:
        """Run a thread's work; whatever ends it ends the sending to this destination, with the reason kept."""
        try:
            work()
        except RefusedAlike as error:
            message = f"Microsoft refuses different indicators in the same words, so the cause is not theirs: {error}"
            self._end(State.PAUSED, Reason.PAUSED, message)
        except OutOfTime:
            self._end(*self._out_of_time(), _asked_by(self._last_error))
        except DestinationError as error:
            self._end(*TROUBLE[type(error)], str(error), _asked_by(error))
        except LedgerError as error:
            name = self._destination.settings.name
            what = fields(What.UNWRITTEN, destination=name)
            log.warning("[%s] %s What is not written down is sent once more.", name, error, extra=what)
            self._end(State.OK, Reason.NOT_IN_TIME, str(error))
        except Exception as error:
            self._end(State.UNREACHABLE, Reason.UNREACHABLE, f"Unexpected {type(error).__name__} while sending.")
            raise

    def _out_of_time(self) -> tuple[State, Reason, str]:
        if self._last_error is not None:
            return (*TROUBLE[type(self._last_error)], str(self._last_error))
        return (State.OK, Reason.NOT_IN_TIME, "Not everything was answered in time.")

    def _end(self, state: State, reason: Reason, message: str, asked: float | None = None) -> None:
        with self._lock:
            # Kept with the trouble: another request that is answered well takes nothing of it back.
            self._asked = max((wait for wait in (self._asked, asked) if wait is not None), default=None)
            if self._trouble is None:
                self._trouble = (state, reason, message)
        self._stopped.set()

    def _send_all(self, dues: list[Due]) -> None:
        batches = deque(self._destination.batches(dues if self._withdrawing else self._surveyed(dues)))
        workers = [
            threading.Thread(target=self._guarded, args=(lambda: self._work(batches),), daemon=True)
            for _ in range(min(self._destination.in_flight, len(batches)))
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    def _surveyed(self, dues: list[Due]) -> list[Due]:
        """Those that may be sent, given what is there."""
        answers = self._persist(lambda timeout: self._destination.survey(dues, timeout), limited=False)
        refused = [
            (due, ItemResult(Outcome.SKIPPED, answer.reason, answer.message, gone=isinstance(answer, Cleared)))
            for due, answer in zip(dues, answers, strict=True)
            if isinstance(answer, Refusal)
        ]
        if refused:
            left, results = [due for due, _ in refused], [result for _, result in refused]
            self._journal.left_out(left, results)
            self._keep(left, results)
        return [answer for answer in answers if not isinstance(answer, Refusal)]

    def _work(self, batches: deque[list[Due]]) -> None:
        while not self._stopped.is_set():
            try:
                batch = batches.popleft()
            except IndexError:
                return
            self._await_turn(limited=False)
            begun = self._journal.begin(batch)
            if begun:
                self._deliver(begun)

    def _deliver(self, batch: list[Due]) -> None:
        open_ = {due.stamp.stix_id: due for due in batch}

        def record(part: Sequence[Due], results: Sequence[ItemResult]) -> None:
            for due in part:
                open_.pop(due.stamp.stix_id, None)
            in_doubt = [due._replace(unanswered=due.unanswered or due.stamp.stix_id in self._doubtful) for due in part]
            self._journal.record(in_doubt, results)
            self._keep(part, results)

        try:
            isolate(batch, self._attempt, record)
        except (DestinationError, RefusedAlike, OutOfTime):
            # An answer that refuses a request as a whole says that nothing of it was taken.
            self._journal.refused([due for name, due in open_.items() if name not in self._doubtful])
            raise

    def _attempt(self, batch: Sequence[Due]) -> Sequence[ItemResult]:
        request = self._destination.withdraw if self._withdrawing else self._destination.send
        return self._persist(lambda timeout: request(batch, timeout), batch)

    def _keep(self, batch: Sequence[Due], results: Sequence[ItemResult]) -> None:
        with self._lock:
            for due, result in zip(batch, results, strict=True):
                self._results[due.indicator.observable] = result

    def _persist(
        self, request: Callable[[float], list[_T]], batch: Sequence[Due] = (), *, limited: bool = True
    ) -> list[_T]:
        """Make one request, and again after errors that pass by themselves.

        Args:
            request: takes the seconds it may last.
            batch: what it carries.
            limited: it counts against the destination's rate.

        Raises:
            OutOfTime: the deadline came first, or another thread ended the sending.
            DestinationError: the last error.
        """
        for attempt in range(1, self._policy.attempts + 1):
            self._await_turn(limited=limited)
            self._journal.hold()
            try:
                answer = request(self._timeout())
            except (Throttled, Unavailable) as error:
                self._last_error = error
                self._troubled(error)
                if isinstance(error, Unavailable):
                    self._doubtful |= {due.stamp.stix_id for due in batch}
                if attempt == self._policy.attempts:
                    raise
                self._hold_back(error, attempt)
            else:
                self._last_error = None
                self._troubled(None)
                return answer
        raise AssertionError("a policy allows at least one attempt")

    def _await_turn(self, *, limited: bool) -> None:
        """Wait until a request may begin: after the time that Microsoft asked for, and within the rate."""
        self._wait_out()
        if not limited or self._limiter is None:
            return
        if not self._limiter.acquire(self._deadline, self._stopped):
            rate = self._limiter.limit
            self._last_error = Throttled(
                f"Microsoft allows this application {rate.requests} such requests in {rate.seconds:.0f} seconds, "
                "and they are used up. Repeat in a minute."
            )
            raise OutOfTime
        # The wait for a slot may have been long, and another thread may have been told to slow down meanwhile.
        self._wait_out()

    def _wait_out(self) -> None:
        while (wait := self._not_before - time.monotonic()) > 0:
            if self._deadline is not None and self._not_before >= self._deadline:
                raise OutOfTime
            if self._stopped.wait(wait):
                raise OutOfTime
        self._check_time()

    def _check_time(self) -> None:
        if self._stopped.is_set() or self._timeout() <= 0:
            raise OutOfTime

    def _hold_back(self, error: Throttled | Unavailable, attempt: int) -> None:
        """Let no thread of this sender begin a request before the wait is over."""
        # Spread, so that several processes that failed together do not come back together.
        growing = self._policy.first_wait * 2 ** (attempt - 1) * random.uniform(0.75, 1.25)  # noqa: S311
        # At least what Microsoft asked for, which may be nothing at all.
        wait = max(error.retry_after or 0.0, growing)
        if wait > self._policy.longest_wait:
            raise error
        with self._lock:
            until = time.monotonic() + wait
            longer = until > self._not_before + 1
            self._not_before = max(self._not_before, until)
        if longer:
            # The first of several in a row is told; whether they help, the drain tells.
            level = logging.DEBUG if self._told else logging.WARNING
            self._told = True
            name = self._destination.settings.name
            what = fields(What.RETRYING, destination=name, attempts=attempt, seconds=round(wait, 1))
            log.log(level, "[%s] %s Trying again in %.0f s.", name, error, wait, extra=what)

    def _timeout(self) -> float:
        if self._deadline is None:
            return self._policy.request_timeout
        # A little less than what is left: the error's own words then arrive before the caller stops waiting.
        return min(self._policy.request_timeout, self._deadline - time.monotonic() - 0.1)


def _asked_by(error: DestinationError | None) -> float | None:
    """Seconds that Microsoft asked to wait, if it did."""
    return error.retry_after if isinstance(error, Throttled | Unavailable) else None
