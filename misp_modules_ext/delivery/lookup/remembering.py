"""Asking Microsoft side by side, each question once: answers are used again for a short time.

A question goes on after whoever asked has stopped waiting, so that the next one finds the answer.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from typing import Any, NamedTuple

from misp_modules_ext.delivery.lookup.pool import Pool
from misp_modules_ext.delivery.sender import TROUBLE
from misp_modules_ext.destinations.looking import Probe
from misp_modules_ext.errors import DestinationError
from misp_modules_ext.logs import What, fields, logger
from misp_modules_ext.model.indicator import Observable
from misp_modules_ext.model.outcome import Reason

log = logger()

#: Seconds that a question may take, whoever waits for it.
LONGEST = 30.0
#: Seconds that a failure is used again: pointing at many values asks a destination that refuses only now and then.
FAILED = 15.0
#: So many answers are kept; so many questions are asked at once in one place, as many as a host has connections, and so
#: many more may wait there for their turn.
MOST_KEPT, MOST_ASKED, MOST_WAITING = 10_000, 24, 2_000


class Problem(NamedTuple):
    """Why there is no answer.

    Attributes:
        words: what Microsoft said and what to do, for those who run this installation.
    """

    reason: Reason
    words: str


class Answered(NamedTuple):
    """What one API said: `found`, unless there is a problem.

    Attributes:
        asked: the API, for a reader.
        found: `Presence`s or `Sighting`s.
    """

    asked: str
    found: tuple[Any, ...] = ()
    problem: Problem | None = None


class _Kept(NamedTuple):
    future: Future[Answered]
    since: float


class Memory:
    """Answers by question. Safe to use from several threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._lock = threading.Lock()
        #: By place: questions that hang in one keep none waiting in another.
        self._pools: dict[Hashable, Pool] = {}

    def ask(
        self, keys: Mapping[Observable, Hashable], probe: Probe[Any], lasting: float, place: Hashable
    ) -> dict[Observable, Future[Answered]]:
        """The answer about each value. Those that were not asked about lately are asked about together.

        Args:
            keys: what tells the question about a value from others.
            probe: the question.
            lasting: seconds that an answer is used again.
            place: where it is asked.
        """
        with self._lock:
            claimed = {one: self._claim(key, lasting) for one, key in keys.items()}
        fresh = {one: future for one, (future, is_new) in claimed.items() if is_new}
        if fresh and not self.in_background(lambda: _answer(probe, fresh), place):
            busy = "Too much is being asked at this moment. What to do: repeat in a minute."
            _settle(probe, fresh, problem=Problem(Reason.NOT_IN_TIME, busy))
        return {one: future for one, (future, _) in claimed.items()}

    def _claim(self, key: Hashable, lasting: float) -> tuple[Future[Answered], bool]:
        """The kept future of a question, or a new one, which is the caller's to settle; with the lock held."""
        now = time.monotonic()
        kept = self._kept.get(key)
        is_new = kept is None or _is_over(kept, now, lasting)
        if kept is None or is_new:
            kept = self._kept[key] = _Kept(Future(), now)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return kept.future, is_new

    def in_background(self, task: Callable[[], object], place: Hashable) -> bool:
        """Run a task, which raises nothing, beside those of other places; `False` when too many wait in this one."""
        with self._lock:
            pool = self._pools.setdefault(place, Pool(MOST_ASKED, MOST_WAITING))
        return pool.do(task)

    def forget(self) -> None:
        """Ask everything anew."""
        with self._lock:
            self._kept.clear()


def _is_over(kept: _Kept, now: float, lasting: float) -> bool:
    if not kept.future.done():
        # A thread that hangs longer than it may is given up.
        return now - kept.since > 2 * LONGEST
    problem = kept.future.result().problem
    return now - kept.since > (lasting if problem is None else min(lasting, FAILED))


def _answer(probe: Probe[Any], waiting: Mapping[Observable, Future[Answered]]) -> None:
    """Ask about these values, and give each its part of the answer. Raises nothing."""
    try:
        _settle(probe, waiting, probe.put(tuple(waiting), LONGEST))
    except DestinationError as error:
        _settle(probe, waiting, problem=Problem(TROUBLE[type(error)][1], str(error)))
    except Exception as error:
        log.exception("unexpected error while asking %s", probe.asked, extra=fields(What.UNEXPECTED))
        words = f"Unexpected {type(error).__name__}. This is a defect: please report it, with the log."
        _settle(probe, waiting, problem=Problem(Reason.UNREACHABLE, words))


def _settle(
    probe: Probe[Any],
    waiting: Mapping[Observable, Future[Answered]],
    found: Sequence[Any] = (),
    problem: Problem | None = None,
) -> None:
    of_each: dict[Observable, list[Any]] = {one: [] for one in waiting}
    for said in found:
        of_each[said.observable].append(said)
    for one, future in waiting.items():
        future.set_result(Answered(probe.asked, tuple(of_each[one]), problem))


def awaited(future: Future[Answered], asked: str, deadline: float) -> Answered:
    """An answer, or that it did not come before the deadline (`time.monotonic()`)."""
    try:
        return future.result(max(0.0, deadline - time.monotonic()))
    except NotInTime:
        late = f"{asked} did not answer in time. What to do: ask again in a moment."
        return Answered(asked, problem=Problem(Reason.NOT_IN_TIME, late))
