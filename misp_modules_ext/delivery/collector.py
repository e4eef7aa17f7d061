"""Python's garbage collector, out of the way while many records are made.

It looks through all live objects again and again although none of ours is garbage: for 50,000 attributes that is a
third of the time, and MISP gives an export ten seconds.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: Fewer records are not worth it.
MANY = 2_000

_lock = threading.Lock()
_pausing = 0
_was_on = False


@contextmanager
def paused(records: int) -> Iterator[None]:
    """Pause the collector of the process while `records` records are made; it goes on when the last pause is over."""
    if records < MANY:
        yield
        return
    _begin()
    try:
        yield
    finally:
        _end()


def _begin() -> None:
    global _pausing, _was_on  # noqa: PLW0603 - the collector is the process's
    with _lock:
        if _pausing == 0:
            _was_on = gc.isenabled()
            gc.disable()
        _pausing += 1


def _end() -> None:
    global _pausing  # noqa: PLW0603
    with _lock:
        _pausing -= 1
        if _pausing == 0 and _was_on:
            gc.enable()
