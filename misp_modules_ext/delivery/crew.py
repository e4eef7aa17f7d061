"""Daemon threads that take on one task after the other: a process that ends does not wait for them.

What they do is safe to interrupt at any instant, so `concurrent.futures`, which waits at the end of the process, would
only hold it up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from queue import SimpleQueue

from misp_modules_ext.errors import LedgerError
from misp_modules_ext.logs import Standing, What, fields, logger

log = logger()

Task = Callable[[], object]


class Crew:
    """So many threads at most; each begins when it is first needed.

    Args:
        most: threads.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._threads = 0
        self._tasks: SimpleQueue[tuple[Hashable, Task]] = SimpleQueue()
        self._under_way: set[Hashable] = set()
        self._changed = threading.Condition()
        self._told = Standing()

    def start(self, name: Hashable, task: Task) -> bool:
        """Take on a task, unless the one of this name is not done yet; whether it was taken on."""
        with self._changed:
            if name in self._under_way:
                return False
            self._under_way.add(name)
            if self._threads < min(self._most, len(self._under_way)):
                self._threads += 1
                threading.Thread(target=self._work, daemon=True, name="misp-microsoft-drain").start()
        self._tasks.put((name, task))
        return True

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until all is done, or so many seconds are over; whether all is done."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._under_way, seconds)

    def _work(self) -> None:
        while True:
            name, task = self._tasks.get()
            try:
                task()
            except LedgerError as error:
                if self._told.begins(name, str(error)):
                    log.warning("%s", error, extra=fields(What.UNUSABLE))
            except Exception:
                # The thread goes on: what failed now may work in the next round.
                log.exception("unexpected error while draining", extra=fields(What.UNEXPECTED))
            else:
                if self._told.ends(name):
                    log.info("The ledger can be used again.", extra=fields(What.USABLE))
            with self._changed:
                self._under_way.discard(name)
                self._changed.notify_all()
