"""Addresses and ranges as keys that sort: one byte for the version, then the address in network order.

Lists hold ranges that nest and overlap. Flattened they are steps: from a key on until the next one, the same lists hold
every address. One look at the step at or before an address answers for all lists at once.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_FAMILIES = ((4, socket.AF_INET, 32), (6, socket.AF_INET6, 128))


class Range(NamedTuple):
    """Addresses from `first` to `last`, as keys."""

    first: bytes
    last: bytes


def read_range(text: str) -> Range | None:
    """The addresses of `192.0.2.1`, `192.0.2.0/24` and the same of IPv6; `None` for anything else.

    Bits behind the prefix do not count.
    """
    address, slash, prefix = text.partition("/")
    for version, family, width in _FAMILIES:
        try:
            packed = socket.inet_pton(family, address)
        except (OSError, ValueError):
            continue
        if not slash:
            return Range(_key(version, packed), _key(version, packed))
        if not (prefix.isascii() and prefix.isdecimal()) or int(prefix) > width:
            return None
        behind = (1 << (width - int(prefix))) - 1
        first = int.from_bytes(packed, "big") & ~behind
        return Range(*(_key(version, number.to_bytes(width // 8, "big")) for number in (first, first | behind)))
    return None


def _key(version: int, packed: bytes) -> bytes:
    return bytes((version,)) + packed


def steps(held: Iterable[tuple[Range, int]]) -> Iterator[tuple[bytes, frozenset[int]]]:
    """Flatten the ranges of all lists.

    Args:
        held: ranges with the number of the list that holds them, in any order.

    Yields:
        Keys in ascending order, with the lists that hold every address from there on. The first ones of IPv4 and of
        IPv6 are their first addresses.
    """
    points: dict[bytes, list[tuple[int, int]]] = {_key(4, bytes(4)): [], _key(6, bytes(16)): []}
    for (first, last), number in held:
        points.setdefault(first, []).append((number, 1))
        after = _after(last)
        if after is not None:
            points.setdefault(after, []).append((number, -1))
    # Where the last address of a version is in a list, its end is no point: the next version starts anew.
    active: Counter[int] = Counter()
    version, before = 0, None
    for key in sorted(points):
        if key[0] != version:
            version, before = key[0], None
            active.clear()
        for number, change in points[key]:
            active[number] += change
        now = frozenset(number for number, times in active.items() if times > 0)
        if now != before:
            yield key, now
            before = now


def _after(key: bytes) -> bytes | None:
    """The next address, `None` after the last one of its version."""
    number = int.from_bytes(key[1:], "big") + 1
    width = len(key) - 1
    return None if number >> (8 * width) else _key(key[0], number.to_bytes(width, "big"))
