"""Which destinations were asked for an event, and for which of them only some of its attributes count.

Somebody who pushes one attribute, or what a search or a narrow run of `sync` found, has not asked for the event: when
it is read again, for a grace that is over or because it was pushed elsewhere, what else is in it does not go there. As
soon as somebody pushes the event, it does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from sqlalchemy import Connection, delete, select, update

from misp_modules_ext.ledger import bulk, schema
from misp_modules_ext.ledger.keys import uuid_bytes, uuid_text
from misp_modules_ext.ledger.views import Known, View

_TABLE = schema.audience
_PART = schema.asked_attribute


class Audience(NamedTuple):
    """What counts at a destination.

    Attributes:
        events: ids of the events that count with all their attributes.
        parts: attributes that count although their events do not: the event's id and the attribute's UUID.
    """

    events: frozenset[int] = frozenset()
    parts: frozenset[tuple[int, str]] = frozenset()

    def counts(self, event_id: int, attribute: str) -> bool:
        """Whether an attribute (UUID) of an event counts."""
        return event_id in self.events or (event_id, attribute) in self.parts

    def of(self, event_ids: Collection[int]) -> Audience:
        """What counts of some events alone."""
        return Audience(
            frozenset(n for n in self.events if n in event_ids),
            frozenset(part for part in self.parts if part[0] in event_ids),
        )

    def without(self, event_ids: Collection[int]) -> Audience:
        """What counts of all other events."""
        return self.of(({*self.events} | {event_id for event_id, _ in self.parts}) - set(event_ids))


#: Nobody has asked for anything.
NOBODY = Audience()


def note_asked(
    connection: Connection, event_ids: Sequence[int], destination_ids: Collection[int], *, only: bool
) -> None:
    """Note that these events are to go to these destinations; `only` is for some of their attributes."""
    pairs = sorted((event_id, number, int(only)) for event_id in event_ids for number in destination_ids)
    bulk.insert_missing(connection, _TABLE, ["event_id", "destination_id", "part"], pairs)
    if pairs and not only:
        here = _TABLE.c.event_id.in_(event_ids) & _TABLE.c.destination_id.in_(list(destination_ids))
        if connection.execute(update(_TABLE).where(here & (_TABLE.c.part == 1)).values(part=0)).rowcount:
            there = _PART.c.event_id.in_(event_ids) & _PART.c.destination_id.in_(list(destination_ids))
            connection.execute(delete(_PART).where(there))


def note_attributes(connection: Connection, destination_id: int, attributes: Iterable[tuple[int, str]]) -> None:
    """Note that these attributes, by event id and UUID, are to go to a destination without the rest of their events."""
    rows = sorted((event_id, destination_id, uuid_bytes(uuid)) for event_id, uuid in attributes)
    bulk.insert_missing(connection, _PART, ["event_id", "destination_id", "attribute"], rows)


def audiences(connection: Connection, event_ids: Collection[int]) -> dict[int, Audience]:
    """What of some events counts, by destination id."""
    events: dict[int, set[int]] = {}
    some: list[int] = []
    columns = (_TABLE.c.destination_id, _TABLE.c.part)
    for event_id, destination_id, part in bulk.rows_by(connection, _TABLE.c.event_id, sorted(event_ids), *columns):
        if part:
            some.append(event_id)
        else:
            events.setdefault(destination_id, set()).add(event_id)
    parts: dict[int, set[tuple[int, str]]] = {}
    columns = (_PART.c.destination_id, _PART.c.attribute)
    for event_id, destination_id, key in bulk.rows_by(connection, _PART.c.event_id, sorted(set(some)), *columns):
        parts.setdefault(destination_id, set()).add((event_id, uuid_text(key)))
    return {
        number: Audience(frozenset(events.get(number, ())), frozenset(parts.get(number, ())))
        for number in events.keys() | parts.keys()
    }


def asked_for(connection: Connection, event_ids: Sequence[int]) -> set[int]:
    """Ids of the destinations to which any of these events is to go."""
    return {row[1] for row in bulk.rows_by(connection, _TABLE.c.event_id, event_ids, _TABLE.c.destination_id)}


def in_part(connection: Connection, event_ids: Sequence[int]) -> frozenset[int]:
    """Ids of the destinations at which only some attributes of these events count."""
    here = _TABLE.c.event_id.in_(event_ids) & (_TABLE.c.part == 1)
    return frozenset(connection.execute(select(_TABLE.c.destination_id).where(here)).scalars())


def narrowed(view: View, known: Known) -> View:
    """What a reading of the whole event says of the attributes that the ledger knows.

    It stays as complete as it is: what is known and not shown is gone from MISP.
    """
    event = view.event
    kept = [index for index, attribute in enumerate(event.attributes) if uuid_bytes(attribute.uuid) in known.rows]
    shown = tuple(event.attributes[index] for index in kept)
    all_ = event.kept_out or event.attributes
    return View(replace(event, attributes=shown, kept_out=all_), tuple(view.documents[index] for index in kept))
