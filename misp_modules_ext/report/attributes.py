"""An account looked at by attribute: what became of each one over all destinations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from misp_modules_ext.model.account import Account, Item
from misp_modules_ext.model.outcome import Outcome, Reason

#: Outcomes that say: the attribute's indicators are at the destination.
THERE = frozenset({Outcome.ACCEPTED, Outcome.UNCHANGED, Outcome.MERGED})
#: Refusals for want of room: the rules select the attribute, and yet it is not there.
NO_ROOM = frozenset({Reason.CAPACITY, Reason.MAX_PER_EVENT})


class At(NamedTuple):
    """What became of an attribute at one destination, which is given by its number in the account."""

    destination: int
    item: Item


def by_attribute(account: Account) -> Iterator[Sequence[At]]:
    """For each attribute what became of it at each destination, in the order in which attributes were read.

    A file may hold the same attribute UUID twice; the first one at a destination then belongs to the first one at the
    others, and so on.
    """
    columns = [destination.items for destination in account.destinations]
    if _same_order(columns):
        for items in zip(*columns, strict=True):
            yield [At(number, item) for number, item in enumerate(items)]
    else:
        yield from _matched(columns)


def _same_order(columns: Sequence[Sequence[Item]]) -> bool:
    """Whether all destinations list the same attributes in the same order, as they do unless something went wrong."""
    if len({len(items) for items in columns}) > 1:
        return False
    return all(
        item.attribute == first.attribute and item.event == first.event
        for items in columns[1:]
        for first, item in zip(columns[0], items, strict=True)
    )


def _matched(columns: Sequence[Sequence[Item]]) -> Iterator[Sequence[At]]:
    found: dict[tuple[str, str, int], list[At]] = {}
    for number, items in enumerate(columns):
        seen: Counter[tuple[str, str]] = Counter()
        for item in items:
            key = (item.event, item.attribute)
            seen[key] += 1
            found.setdefault((*key, seen[key]), []).append(At(number, item))
    yield from found.values()


def is_wanted(item: Item) -> bool:
    """Whether the rules select this attribute for this destination, wherever it is now."""
    if item.outcome is Outcome.SKIPPED:
        return item.reason in NO_ROOM
    return item.outcome is not Outcome.WITHDRAWN


def is_there(item: Item) -> bool:
    """Whether the attribute's indicators are at this destination."""
    return item.outcome in THERE
