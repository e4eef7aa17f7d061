"""Lists of several pages that can be relied on.

Pages are cut by position while the list changes: what is deleted, or moves, between two of them pushes an entry into a
part that was read already. So such a list is read until two readings find the same entries.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

from misp_modules_ext.errors import Unavailable

_T = TypeVar("_T")

#: Readings of one list, the first included.
ATTEMPTS = 4


def settled(read: Callable[[], tuple[dict[Hashable, _T], bool]], api: str) -> list[_T]:
    """The entries of a list, proven to be all.

    Args:
        read: reads the whole list: its entries by names that stay the same, and whether one answer held all of it.
        api: whose list, as it begins a sentence.

    Raises:
        Unavailable: it does not come to rest.
        DestinationError: whatever `read` raises.
    """
    before: set[Hashable] | None = None
    for _ in range(ATTEMPTS):
        entries, at_once = read()
        if at_once or before == set(entries):
            return list(entries.values())
        before = set(entries)
    raise Unavailable(f"{api}'s list of indicators changes while it is read: repeat later.")
