"""Sightings as MISP writes them: with their attribute in the core format, beside the event in the internal one.

`{"type": "0" seen | "1" false positive | "2" expiration, "date_sighting": seconds, "source", "attribute_id",
"attribute_uuid", …}` (seen in real events; MISP 2.5.1, `Sighting::attachToEvent`). MISP keeps one Expiration sighting
for each organisation; its date may lie ahead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from misp_modules_ext.misp.coerce import integer, seconds, text
from misp_modules_ext.misp.shapes import Raw, listed, mapping
from misp_modules_ext.model.misp import NO_SIGHTINGS, OWN_SIGHTINGS, Sightings

SEEN, FALSE_POSITIVE, EXPIRATION = range(3)

#: Sightings by the UUID and by the id of their attribute.
Beside = Mapping[str, list[Raw]]


def beside(*sources: Raw) -> Beside:
    """The sightings that stand beside an event, and not with their attributes.

    Args:
        sources: where they may stand.
    """
    found: dict[str, list[Raw]] = {}
    for source in sources:
        for sighting in map(mapping, listed(source.get("Sighting"))):
            named = text(sighting.get("attribute_uuid")).lower() or text(sighting.get("attribute_id"))
            if named:
                found.setdefault(named, []).append(sighting)
    return found


def read_sightings(attribute: Raw, others: Beside) -> Sightings | None:
    """What the sightings of an attribute say; `None` when its source does not.

    An attribute of which nothing stands beside its event is one of which nothing is said: MISP may have been told not
    to load sightings, and what the core format leaves out is not told from that either.

    Args:
        attribute: its JSON.
        others: what stands beside its event.
    """
    own: Any = attribute.get("Sighting")
    if own:
        return _sum(map(mapping, listed(own)))
    if others:
        found = others.get(text(attribute.get("uuid")).lower()) or others.get(text(attribute.get("id")))
        if found:
            return _sum(found)
    return None if own is None else NO_SIGHTINGS


def _sum(sightings: Iterable[Raw]) -> Sightings:
    seen = false_positives = 0
    expires = last = None
    for sighting in sightings:
        if text(sighting.get("source")).strip().lower().startswith(OWN_SIGHTINGS):
            continue
        kind, date = integer(sighting.get("type")), seconds(sighting.get("date_sighting"))
        if kind == SEEN:
            seen += 1
            last = max(date or 0, last or 0) or None
        elif kind == FALSE_POSITIVE:
            false_positives += 1
        elif kind == EXPIRATION and date:
            expires = max(date, expires or 0)
    if expires is not None and last is not None and last > expires:
        expires = None
    return Sightings(seen, false_positives, expires, last)
