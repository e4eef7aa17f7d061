"""Which destinations were asked for an event, and for which of them only some of its attributes count.

Somebody who pushes one attribute has not asked for the event: when it is read again, for a grace that is over or
because it was pushed elsewhere, what else is in it does not go there. As soon as somebody pushes the event, it does.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from sqlalchemy import Connection, select, update

from misp_modules_ext.ledger import bulk, schema
from misp_modules_ext.ledger.keys import uuid_bytes
from misp_modules_ext.ledger.placing import Wanted
from misp_modules_ext.ledger.stores import Store
from misp_modules_ext.ledger.views import Known, View

_TABLE = schema.audience


def note_asked(
    connection: Connection, event_ids: Sequence[int], destination_ids: Collection[int], *, only: bool
) -> None:
    """Note that these events are to go to these destinations; `only` is for some of their attributes."""
    pairs = sorted((event_id, number, int(only)) for event_id in event_ids for number in destination_ids)
    bulk.insert_missing(connection, _TABLE, ["event_id", "destination_id", "part"], pairs)
    if pairs and not only:
        here = _TABLE.c.event_id.in_(event_ids) & _TABLE.c.destination_id.in_(list(destination_ids))
        connection.execute(update(_TABLE).where(here & (_TABLE.c.part == 1)).values(part=0))


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


def only_there(connection: Connection, store: Store, wanted: Wanted, besides: Collection[int]) -> Wanted:
    """Of what a destination should hold, that of which it knows, and what somebody asks for now.

    Args:
        connection: in a transaction.
        store: the destination.
        wanted: what the whole event would bring.
        besides: ids of the observables of what is asked for now.
    """
    table = schema.holding
    here = table.c.destination_id == store.destination_id
    rows = bulk.rows_by(connection, table.c.observable_id, sorted(wanted.merged), table.c.destination_id, where=here)
    kept = {row[0] for row in rows} | set(besides)
    merged = {number: entry for number, entry in wanted.merged.items() if number in kept}
    return Wanted(wanted.rules, merged, {number: wanted.digests[number] for number in merged})
