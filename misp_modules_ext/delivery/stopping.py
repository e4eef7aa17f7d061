"""How a worker ends: what is under way is finished, nothing new begins."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Stopping:
    """That it is to end, told to everyone who has something under way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun = False
        self._tell: list[Callable[[], object]] = []

    @property
    def begun(self) -> bool:
        """Whether nothing new may begin."""
        return self._begun

    def begin(self) -> None:
        """Tell everyone."""
        with self._lock:
            self._begun = True
            told = list(self._tell)
        for tell in told:
            tell()

    @contextmanager
    def telling(self, tell: Callable[[], object]) -> Iterator[None]:
        """Have `tell` called when it begins while this is entered, or at once when it has begun."""
        with self._lock:
            self._tell.append(tell)
            begun = self._begun
        try:
            if begun:
                tell()
            yield
        finally:
            with self._lock:
                self._tell.remove(tell)
