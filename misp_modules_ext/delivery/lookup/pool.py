"""So many daemon threads for questions, and a queue before them: a process that ends waits for none of them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

#: Seconds after which a thread without work ends.
IDLE = 10.0


class Pool:
    """Runs tasks in threads of its own.

    Args:
        threads: so many run at once.
        waiting: so many may wait for a thread.
    """

    def __init__(self, threads: int, waiting: int) -> None:
        self._most = threads
        self._tasks: queue.Queue[Callable[[], object]] = queue.Queue(waiting)
        self._lock = threading.Lock()
        self._threads = 0
        self._free = 0

    def do(self, task: Callable[[], object]) -> bool:
        """Run a task, which raises nothing, as soon as a thread is free; `False` when too many wait."""
        with self._lock:
            try:
                self._tasks.put_nowait(task)
            except queue.Full:
                return False
            if self._tasks.qsize() > self._free and self._threads < self._most and not self._began():
                # Without a thread nobody would ever take it up; with one, it only takes longer.
                return self._threads > 0 or self._took_back()
        return True

    def _began(self) -> bool:
        thread = threading.Thread(target=self._work, daemon=True, name="misp-microsoft-ask")
        try:
            thread.start()
        except RuntimeError:
            return False
        self._threads += 1
        return True

    def _took_back(self) -> bool:
        self._tasks.get_nowait()
        return False

    def _work(self) -> None:
        while True:
            with self._lock:
                self._free += 1
            try:
                task = self._tasks.get(timeout=IDLE)
            except queue.Empty:
                task = None
            with self._lock:
                self._free -= 1
                if task is None:
                    if self._tasks.empty():
                        self._threads -= 1
                        return
                    continue
            task()
