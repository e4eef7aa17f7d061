"""How long evidence counts (DESIGN.md 5).

What MISP says of the attribute decides (`ends`): the date of an Expiration sighting, else the one on which its score
falls below the threshold of its decay models. Where it says neither, base + window: base = the latest of the
attribute's timestamp, `last_seen`, the event's publication and when the ledger first took this evidence. A window for
the kind or for the TLP replaces the general one; where both are given, the shorter counts.

No clock is read: whether it is over is the caller's to decide, and dates that lie in the future are believed, so
whoever stores them removes them first.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from misp_modules_ext.model.indicator import Kind
from misp_modules_ext.model.misp import Attribute, Event, Tlp, decays_from
from misp_modules_ext.translate.text import readable

if TYPE_CHECKING:
    from misp_modules_ext.config.settings import IndicatorRules

#: Last second that every date format of Microsoft's can say: 9999-12-31T23:59:59Z.
LAST_SECOND = 253_402_300_799


def ends(attribute: Attribute) -> int | None:
    """When MISP itself says that an attribute no longer counts, seconds since 1970 UTC; `None` when it does not say.

    An Expiration sighting counts until the attribute is changed, or seen, after its date (`Sightings.expires`). The
    date of a decay model moves with the same: nothing else revives, a publication neither.
    """
    expires = _expires(attribute)
    if expires is not None:
        return expires
    decay = attribute.decay
    if decay is None or decay.lasts is None:
        return None
    start = decays_from(attribute.timestamp, attribute.last_seen, attribute.sightings)
    return _in_calendar(start + decay.lasts) if start > 0 else None


def _expires(attribute: Attribute) -> int | None:
    sightings = attribute.sightings
    if sightings is None or sightings.expires is None or attribute.timestamp > sightings.expires:
        return None
    return _in_calendar(sightings.expires)


def _in_calendar(seconds: int) -> int:
    return min(max(seconds, 2), LAST_SECOND)


def why_it_ended(attribute: Attribute) -> str:
    """What MISP ended an attribute by, and when, as a sentence; `""` where it did not."""
    end = ends(attribute)
    if end is None:
        return ""
    day = datetime.fromtimestamp(end, timezone.utc).date().isoformat()
    if _expires(attribute) is not None:
        return f"An Expiration sighting in MISP ended this attribute on {day}."
    model = readable(attribute.decay.model) if attribute.decay is not None else ""
    return f'On {day} the score of this attribute fell below the threshold of MISP\'s decay model "{model}".'


def base_of(event: Event, attribute: Attribute, taken: int) -> tuple[int, bool]:
    """What the lifetime counts from, in seconds since 1970 UTC, and whether the source says any date at all.

    Args:
        event: gives `publish_timestamp`.
        attribute: gives `timestamp` and `last_seen`.
        taken: see `evidence`.
    """
    said = max(attribute.timestamp, attribute.last_seen or 0, event.publish_timestamp)
    return min(max(said, taken), LAST_SECOND - 1), said > 0


def tenth_of_window(rules: IndicatorRules, kind: Kind, tlp: Tlp) -> int:
    """A tenth of the window that counts, in seconds: a later expiry that moves by less is not worth sending."""
    return window_of(rules, kind, tlp) // 10


def valid_from(attribute: Attribute, base: int) -> int:
    """`first_seen` if it can be true, else the attribute's timestamp, in seconds since 1970 UTC.

    Never later than the base, and so before `valid_until`, as STIX 2.1 (4.7) wants it.
    """
    first_seen = attribute.first_seen
    if first_seen and 0 < first_seen <= base:
        return first_seen
    return attribute.timestamp if 0 < attribute.timestamp <= base else base


def window_of(rules: IndicatorRules, kind: Kind, tlp: Tlp) -> int:
    """How many seconds evidence for such an observable, so marked, counts."""
    if not rules.window_by_kind and not rules.window_by_tlp:
        return rules.window
    given = [seconds for key, seconds in rules.window_by_kind if key is kind]
    given += [seconds for level, seconds in rules.window_by_tlp if level is tlp]
    return min(given, default=rules.window)
