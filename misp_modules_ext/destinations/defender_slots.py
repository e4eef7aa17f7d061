"""Who gets one of Defender's slots when there are fewer than indicators (DESIGN.md 8). Pure.

Defender holds 15,000 entries in a tenant, which all applications and people share ("Overview of indicators": the limit
is not raised for anyone).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from misp_modules_ext.destinations.interface import Entry
from misp_modules_ext.model.indicator import Indicator, Severity

#: Entries in a tenant.
TENANT = 15_000
#: Actions that keep people from something; Defender's own names.
BLOCKING = frozenset({"Warn", "Block", "BlockAndRemediate"})
#: Confidence counts in steps of so many: a small change of it moves nobody.
STEP = 20


class Rank(NamedTuple):
    """The class of an indicator; the greater goes first.

    Attributes:
        blocking: its action keeps people from something.
        severity: by the event's threat level, whatever severity the destination sends.
        confidence: in steps.
    """

    blocking: bool
    severity: Severity
    confidence: int


class Ranked(NamedTuple):
    """An indicator that holds a slot or wants one; `name` is any key that tells it from all others."""

    name: str
    rank: Rank


class Places(NamedTuple):
    """What becomes of newcomers, by name.

    Attributes:
        fit: may be sent, best first.
        evicted: live ones that must go before, the lowest first.
        left_out: find no room, best first.
    """

    fit: tuple[str, ...]
    evicted: tuple[str, ...]
    left_out: tuple[str, ...]


def rank(indicator: Indicator) -> Rank:
    """The class of an indicator."""
    return Rank(indicator.action.value in BLOCKING, indicator.severity, indicator.confidence // STEP)


def room(entries: Iterable[Entry], max_indicators: int) -> int:
    """How many entries of ours may exist.

    Args:
        entries: all of the tenant's, those of others too.
        max_indicators: the configured limit of ours.
    """
    others = sum(not entry.ours for entry in entries)
    return max(0, min(max_indicators, TENANT - others))


def place(live: Sequence[Ranked], newcomers: Iterable[Ranked], slots: int) -> Places:
    """Who fits.

    A newcomer takes a free slot, or that of the lowest live one if that is of a strictly lower class and does not
    block. More live ones than slots stay: no room is no reason to withdraw. Ties go by name, so that every process
    decides alike.

    Args:
        live: ours that are there, each name once.
        newcomers: ours that are to be added, each name once.
        slots: as `room` counts them.
    """
    free = max(0, slots - len(live))
    weakest = deque(sorted((one for one in live if not one.rank.blocking), key=lambda one: (one.rank, one.name)))
    fit: list[str] = []
    evicted: list[str] = []
    left_out: list[str] = []
    for one in sorted(newcomers, key=lambda one: (_descending(one.rank), one.name)):
        if free:
            free -= 1
        elif weakest and weakest[0].rank < one.rank:
            evicted.append(weakest.popleft().name)
        else:
            left_out.append(one.name)
            continue
        fit.append(one.name)
    return Places(tuple(fit), tuple(evicted), tuple(left_out))


def _descending(rank: Rank) -> tuple[int, int, int]:
    return -int(rank.blocking), -int(rank.severity), -rank.confidence
