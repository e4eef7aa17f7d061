"""Writing down what was seen, and finding again what vouches for a value.

Everything here runs inside a transaction of the caller's. A request adds and updates; it takes nothing away: an
attribute that is missing from a view, or whose value has changed, keeps vouching for what it vouched for until our own
reading of the event settles it (DESIGN.md 2).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from enum import IntFlag
from typing import NamedTuple

from sqlalchemy import Connection, select

from misp_modules_ext.ledger import schema
from misp_modules_ext.ledger.bulk import chunks, insert_missing, rows_by, upsert
from misp_modules_ext.ledger.documents import read_attribute, read_event, write_attribute, write_event
from misp_modules_ext.ledger.engine import now_ms
from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.model.misp import Attribute, Event


class Origin(IntFlag):
    """Who vouches for an attribute: a request that anyone could have sent, or our own reading of MISP."""

    REQUEST = 1
    OWN_READING = 2


class Seen(NamedTuple):
    """An attribute with the observables that its value yields."""

    attribute: Attribute
    observables: tuple[Observable, ...]


class Witness(NamedTuple):
    """An attribute that vouches for an observable, in its event.

    Attributes:
        taken: when the ledger first took it, seconds since 1970 UTC.
    """

    event: Event
    attribute: Attribute
    taken: int


class Recorded(NamedTuple):
    """What became of a view.

    Attributes:
        event_id: the event's row.
        observables: the ids of the observables it vouches for.
        stale: the ledger holds a newer view, so nothing was changed.
    """

    event_id: int
    observables: Mapping[Observable, int]
    stale: bool = False


def digest(observable: Observable) -> bytes:
    """The key of an observable: 32 bytes."""
    return hashlib.sha256(f"{observable.kind.value}:{observable.value}".encode()).digest()


def record(connection: Connection, event: Event, seen: Iterable[Seen], origin: Origin) -> Recorded:
    """Write down one view of an event.

    Args:
        connection: in a transaction.
        event: the view; its header replaces an older one.
        seen: its attributes that yield observables.
        origin: who vouches for them.

    Returns:
        What was written; `stale` when the ledger has seen a later state of the event.
    """
    event_id, known = _event_row(connection, event)
    if event.timestamp < known:
        return Recorded(event_id, {}, stale=True)
    columns = ["uuid", "timestamp", "published", "document"]
    upsert(connection, schema.event, columns, ["uuid"], [_event_values(event)])
    by_uuid = {entry.attribute.uuid: entry for entry in seen}
    attribute_ids = _attributes(connection, event_id, by_uuid, origin)
    observables = _observables(connection, {o for entry in by_uuid.values() for o in entry.observables})
    links = {(observables[o], attribute_ids[uuid]) for uuid, entry in by_uuid.items() for o in entry.observables}
    insert_missing(connection, schema.evidence, ["observable_id", "attribute_id"], sorted(links))
    return Recorded(event_id, observables)


def _event_values(event: Event) -> tuple[str, int, int | None, bytes]:
    published = None if event.published is None else int(event.published)
    return (event.uuid, event.timestamp, published, write_event(event))


def _event_row(connection: Connection, event: Event) -> tuple[int, int]:
    """The event's row, locked until the transaction ends, so that two views of one event follow each other."""
    columns = ["uuid", "timestamp", "published", "document"]
    insert_missing(connection, schema.event, columns, [_event_values(event)])
    found = select(schema.event.c.event_id, schema.event.c.timestamp).where(schema.event.c.uuid == event.uuid)
    event_id, timestamp = connection.execute(found.with_for_update()).one()
    return event_id, timestamp


def _attributes(connection: Connection, event_id: int, seen: Mapping[str, Seen], origin: Origin) -> dict[str, int]:
    """Write the attributes that are new or not older than what is known; the ids of all of them by UUID."""
    table = schema.attribute
    known: dict[str, tuple[int, int]] = {}
    mine = select(table.c.uuid, table.c.timestamp, table.c.origins).where(table.c.event_id == event_id)
    for uuid, timestamp, origins in connection.execute(mine):
        known[uuid] = (timestamp, origins)
    taken = now_ms(connection)
    rows = []
    for uuid in sorted(seen):
        attribute = seen[uuid].attribute
        timestamp, origins = known.get(uuid, (-1, 0))
        if attribute.timestamp >= timestamp:
            document = write_attribute(attribute)
            rows.append((event_id, uuid, attribute.timestamp, origins | origin.value, document, taken))
    columns = ["event_id", "uuid", "timestamp", "origins", "document", "taken_ms"]
    # When the ledger first took an attribute does not change by seeing it again.
    upsert(connection, table, columns, ["event_id", "uuid"], rows, keep=["taken_ms"])
    ids = select(table.c.uuid, table.c.attribute_id).where(table.c.event_id == event_id)
    return {uuid: attribute_id for uuid, attribute_id in connection.execute(ids) if uuid in seen}


def _observables(connection: Connection, observables: Iterable[Observable]) -> dict[Observable, int]:
    """The ids of observables; those that are not there are made."""
    keyed = sorted((digest(o), o) for o in observables)
    rows = ((key, o.kind.value, o.value) for key, o in keyed)
    insert_missing(connection, schema.observable, ["digest", "kind", "value"], rows)
    table = schema.observable
    ids = dict(rows_by(connection, table.c.digest, (key for key, _ in keyed), table.c.observable_id))
    return {o: ids[key] for key, o in keyed}


def witnesses(connection: Connection, observable_ids: Iterable[int]) -> Iterator[tuple[int, Observable, Witness]]:
    """All attributes that vouch for some observables, with their events.

    Yields:
        (observable id, observable, witness), the witnesses of one observable not necessarily together.
    """
    event, attribute, observable, evidence = schema.event, schema.attribute, schema.observable, schema.evidence
    joined = (
        evidence.join(attribute, attribute.c.attribute_id == evidence.c.attribute_id)
        .join(event, event.c.event_id == attribute.c.event_id)
        .join(observable, observable.c.observable_id == evidence.c.observable_id)
    )
    wanted = select(
        evidence.c.observable_id,
        observable.c.kind,
        observable.c.value,
        event.c.event_id,
        event.c.uuid,
        event.c.timestamp,
        event.c.published,
        event.c.document,
        attribute.c.uuid,
        attribute.c.timestamp,
        attribute.c.document,
        attribute.c.taken_ms,
    ).select_from(joined)
    events: dict[int, Event] = {}
    for chunk in chunks(sorted(observable_ids)):
        for row in connection.execute(wanted.where(evidence.c.observable_id.in_(chunk))):
            observable_id, kind, value, event_id, e_uuid, e_time, published, header, a_uuid, a_time, document, taken = (
                row
            )
            if event_id not in events:
                events[event_id] = read_event(e_uuid, e_time, published, header)
            found = read_attribute(a_uuid, a_time, document)
            yield observable_id, Observable(Kind(kind), value), Witness(events[event_id], found, taken // 1000)
