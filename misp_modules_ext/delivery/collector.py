"""Python's garbage collector, out of the way while many records are made.

It looks through all live objects again and again although none of ours is garbage: for 50,000 attributes that is a
third of the time, and MISP gives an export ten seconds.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Fewer records are not worth it.
MANY = 2_000

#: With so many, the collector passes over what is new, and the memory that is free afterwards is given back.
VERY_MANY = 10_000

#: The collector looks at everything after so many pauses for very many records; an event has three or four.
_PASSES = 30
#: Who has frozen so many objects wants them to stay frozen. Python 3.12 itself freezes some hundreds when it starts.
_FROZEN = 1_000

_lock = threading.Lock()
_pausing = 0
_records = 0
_passed = 0
_was_on = False


@contextmanager
def paused(records: int) -> Iterator[Callable[[int], None]]:
    """Pause the collector of the process while `records` records are made; it goes on when the last pause is over.

    Very many records are not looked at when it goes on either, only at the next look at everything.

    Returns:
        Takes how many records there are after all, where that was not known.
    """
    if records < MANY:
        yield _note
        return
    _begin(records)
    try:
        yield _note
    finally:
        _end()


def give_back(records: int) -> None:
    """Give free memory back to the system after many records: the C library keeps it, and a service lives for months.

    Only the GNU C library has a call for that.
    """
    if records < VERY_MANY:
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _note(records: int) -> None:
    global _records  # noqa: PLW0603 - the collector is the process's
    with _lock:
        _records = max(_records, records)


def _begin(records: int) -> None:
    global _pausing, _was_on, _records  # noqa: PLW0603
    with _lock:
        if _pausing == 0:
            _was_on = gc.isenabled()
            _records = 0
            gc.disable()
        _pausing += 1
        _records = max(_records, records)


def _end() -> None:
    global _pausing  # noqa: PLW0603
    everything = False
    with _lock:
        _pausing -= 1
        if _pausing == 0 and _was_on:
            try:
                everything = _records >= VERY_MANY and _pass_over()
            finally:
                gc.enable()
    if everything:
        # Without the lock: what is collected may run code of anybody's.
        gc.collect()


def _pass_over() -> bool:
    """Make all that is young old; whether it is time to look at everything.

    Else the collector would look at all that was made meanwhile at once: of an unchanged event that is a tenth of the
    time. But it also begins to count anew, and would come to look at everything less often, or never.
    """
    global _passed  # noqa: PLW0603
    _passed += 1
    if _passed >= _PASSES:
        _passed = 0
        return True
    if gc.get_freeze_count() < _FROZEN:
        try:
            gc.freeze()
        finally:
            gc.unfreeze()
    return False
