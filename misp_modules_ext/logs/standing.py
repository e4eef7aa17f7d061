"""A state that stays is told once, and its end too: not one line for every retry."""

from __future__ import annotations

import threading
from collections.abc import Hashable

#: So many states are remembered; of more, the oldest is told again.
MOST = 10_000


class Standing:
    """Which states have been told. Safe to use from several threads."""

    def __init__(self) -> None:
        self._told: dict[Hashable, Hashable] = {}
        self._lock = threading.Lock()

    def begins(self, about: Hashable, state: Hashable) -> bool:
        """Whether to tell a state, which from now on is told.

        Args:
            about: whose state it is.
            state: what is told of it; another one is told anew.
        """
        with self._lock:
            if about in self._told and self._told[about] == state:
                return False
            if len(self._told) >= MOST:
                del self._told[next(iter(self._told))]
            self._told[about] = state
            return True

    def ends(self, about: Hashable) -> bool:
        """Whether to tell the end: a state of it was told."""
        with self._lock:
            return self._told.pop(about, None) is not None

    def told(self, about: Hashable) -> Hashable:
        """The state that was told last and has not ended; `None` for none."""
        with self._lock:
            return self._told.get(about)
