"""How long evidence counts (DESIGN.md 5).

Base = the latest of the attribute's timestamp, `last_seen`, the event's publication and when the ledger first took
this evidence; valid until base + window. A window for the kind or for the TLP replaces the general one; where both are
given, the shorter counts. No clock is read: whether it is over is the caller's to decide.
"""

from __future__ import annotations

from datetime import date, datetime, timezone
from functools import lru_cache
from typing import TYPE_CHECKING

from misp_modules_ext.model.indicator import Kind
from misp_modules_ext.model.misp import Attribute, Event, Tlp

if TYPE_CHECKING:
    from misp_modules_ext.config.settings import IndicatorRules

#: Last second that every date format of Microsoft's can say: 9999-12-31T23:59:59Z.
LAST_SECOND = 253_402_300_799


def base_of(event: Event, attribute: Attribute, taken: int, now: int) -> tuple[int, bool]:
    """What the lifetime counts from, in seconds since 1970 UTC, and whether the source says any date at all.

    Args:
        event: its date, then its timestamp, stand in when nothing else is known.
        attribute: gives `timestamp` and `last_seen`.
        taken: see `evidence`. The ledger's rules on when an expiry may move come in here.
        now: see `evidence`; no date counts that lies after it.
    """
    base = max(attribute.timestamp, attribute.last_seen or 0, event.publish_timestamp, taken)
    if base <= 0:
        base = midnight(event.date) or event.timestamp
    return (within(_not_after(base, now)), True) if base > 0 else (within(now), False)


def _not_after(seconds: int, now: int) -> int:
    """A date in the future is a wrong clock or a typing error; believed, it would keep an indicator for centuries."""
    return min(seconds, now) if now else seconds


def valid_until(base: int, rules: IndicatorRules, kind: Kind, tlp: Tlp) -> int:
    """When it is over."""
    return within(base + _window(rules, kind, tlp))


def valid_from(attribute: Attribute, base: int, until: int) -> int:
    """`first_seen` if it can be true, else the attribute's timestamp; STIX 2.1 (4.7) wants it before `valid_until`."""
    first_seen = attribute.first_seen or 0
    start = first_seen if 0 < first_seen <= base else attribute.timestamp
    if not 0 < start <= base:
        start = base
    return within(min(start, until - 1))


def last_change(event: Event, attribute: Attribute, base: int, now: int = 0) -> int:
    """When MISP last changed anything that the evidence says: tags, title and publication are the event's."""
    latest = max(attribute.timestamp, event.timestamp, event.publish_timestamp)
    return within(_not_after(latest, now)) or base


def within(seconds: int) -> int:
    """The nearest moment that can be written."""
    return seconds if 0 <= seconds <= LAST_SECOND else max(0, min(seconds, LAST_SECOND))


@lru_cache(maxsize=1024)
def midnight(day: str) -> int | None:
    """The first second of a `YYYY-MM-DD`, in seconds since 1970 UTC; `None` when it is no such day or before 1970."""
    try:
        parsed = date.fromisoformat(day)
    except ValueError:
        return None
    seconds = int(datetime(parsed.year, parsed.month, parsed.day, tzinfo=timezone.utc).timestamp())
    return seconds if seconds > 0 else None


def _window(rules: IndicatorRules, kind: Kind, tlp: Tlp) -> int:
    if not rules.window_by_kind and not rules.window_by_tlp:
        return rules.window
    given = [seconds for key, seconds in rules.window_by_kind if key is kind]
    given += [seconds for level, seconds in rules.window_by_tlp if level is tlp]
    return min(given, default=rules.window)
