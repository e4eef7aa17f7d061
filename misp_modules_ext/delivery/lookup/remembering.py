"""Asking Microsoft side by side, each question once: answers are used again for a short time.

A question goes on after whoever asked has stopped waiting, so that the next one finds the answer.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from typing import Any, NamedTuple

from misp_modules_ext.delivery.lookup.pool import Pool
from misp_modules_ext.delivery.sender import TROUBLE
from misp_modules_ext.errors import DestinationError
from misp_modules_ext.logs import What, fields, logger
from misp_modules_ext.model.outcome import Reason

log = logger()

#: Seconds that a question may take, whoever waits for it.
LONGEST = 30.0
#: Seconds that a failure is used again: pointing at many values asks a destination that refuses only now and then.
FAILED = 15.0
#: So many answers are kept; so many questions are asked at once, and so many more may wait for their turn.
MOST_KEPT, MOST_ASKED, MOST_WAITING = 10_000, 64, 2_000


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
        self._pool = Pool(MOST_ASKED, MOST_WAITING)

    def ask(self, key: Hashable, asked: str, ask: Callable[[float], Sequence[Any]], lasting: float) -> Future[Answered]:
        """The answer to a question, which is asked unless that was done lately.

        Args:
            key: what tells the question from others.
            asked: the API.
            ask: asks it, in so many seconds.
            lasting: seconds that an answer is used again.
        """
        now = time.monotonic()
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and not _is_over(kept, now, lasting):
                self._kept.move_to_end(key)
                return kept.future
            future: Future[Answered] = Future()
            self._kept[key] = _Kept(future, now)
            self._kept.move_to_end(key)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        if not self._pool.do(lambda: future.set_result(_answer(asked, ask))):
            busy = "Too much is being asked at this moment. What to do: repeat in a minute."
            future.set_result(Answered(asked, problem=Problem(Reason.NOT_IN_TIME, busy)))
        return future

    def in_background(self, task: Callable[[], object]) -> bool:
        """Run another task, which raises nothing, among the questions; `False` when too many wait."""
        return self._pool.do(task)

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


def _answer(asked: str, ask: Callable[[float], Sequence[Any]]) -> Answered:
    try:
        return Answered(asked, tuple(ask(LONGEST)))
    except DestinationError as error:
        return Answered(asked, problem=Problem(TROUBLE[type(error)][1], str(error)))
    except Exception as error:
        log.exception("unexpected error while asking %s", asked, extra=fields(What.UNEXPECTED))
        words = f"Unexpected {type(error).__name__}. This is a defect: please report it, with the log."
        return Answered(asked, problem=Problem(Reason.UNREACHABLE, words))


def awaited(future: Future[Answered], asked: str, deadline: float) -> Answered:
    """An answer, or that it did not come before the deadline (`time.monotonic()`)."""
    try:
        return future.result(max(0.0, deadline - time.monotonic()))
    except NotInTime:
        late = f"{asked} did not answer in time. What to do: ask again in a moment."
        return Answered(asked, problem=Problem(Reason.NOT_IN_TIME, late))
