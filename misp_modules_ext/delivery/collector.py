"""Python's garbage collector, out of the way while many records are made.

It looks through all live objects again and again although none of ours is garbage: for 50,000 attributes that is a
third of the time, and MISP gives an export ten seconds.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: Fewer records are not worth it.
MANY = 2_000

#: With so many, the memory that is free afterwards is given back.
_VERY_MANY = 10_000

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


def give_back(records: int) -> None:
    """Give free memory back to the system after many records: the C library keeps it, and a service lives for months.

    Only the GNU C library has a call for that.
    """
    if records < _VERY_MANY:
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


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
            _skip_what_is_new()
            gc.enable()


def _skip_what_is_new() -> None:
    """Make all that is young old, so that it is not looked at now but when the collector next looks at everything.

    Else it looks at all that was made meanwhile at once: of an unchanged event that is a tenth of the time.
    """
    # What somebody else has frozen must stay so.
    if gc.get_freeze_count() == 0:
        gc.freeze()
        gc.unfreeze()
