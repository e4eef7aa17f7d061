"""Which events have something at which destinations, and which of them have our tags in MISP."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, delete, select

from misp_modules_ext.ledger import bulk, schema
from misp_modules_ext.ledger.asked import NOBODY, audiences
from misp_modules_ext.ledger.content import by_observable
from misp_modules_ext.ledger.engine import now_ms
from misp_modules_ext.ledger.stores import Store
from misp_modules_ext.ledger.story import closed

#: Events of one page.
PAGE = 200
#: Values whose gates are looked at together: nearly always the first ones pass.
_FEW = 50


class Candidate(NamedTuple):
    """An event that may have, or get, tags of ours.

    Attributes:
        misp: as in `Event.misp`.
        timestamp: seconds since 1970 UTC.
        noted: the tags that MISP has by the ledger, by destination; `""` where none says so.
        hidden: MISP did not show it, and it has not changed since.
        said: what was last said of it for each destination that it is meant for: digests that change with it.
    """

    event_id: int
    uuid: str
    misp: str
    timestamp: int
    noted: Mapping[int, str]
    hidden: bool
    said: Mapping[int, object]


def page(connection: Connection, misps: Collection[str], after: int) -> list[Candidate]:
    """The next events, at most `PAGE`, of some MISPs."""
    table = schema.event
    columns = (table.c.event_id, table.c.uuid, table.c.misp, table.c.timestamp)
    here = (table.c.event_id > after) & table.c.misp.in_(sorted(misps))
    events = connection.execute(select(*columns).where(here).order_by(table.c.event_id).limit(PAGE)).all()
    numbers = [row.event_id for row in events]
    noted: dict[int, dict[int, str]] = {}
    hidden: dict[int, int] = {}
    row = schema.written_back
    wanted = (row.c.destination_id, row.c.tag, row.c.hidden_at)
    for event_id, destination_id, tag, hidden_at in bulk.rows_by(connection, row.c.event_id, numbers, *wanted):
        if hidden_at is None:
            noted.setdefault(event_id, {})[destination_id] = tag
        else:
            hidden[event_id] = hidden_at
    said: dict[int, dict[int, object]] = {}
    meant = schema.audience
    digests = (meant.c.destination_id, meant.c.requested, meant.c.own)
    for event_id, destination_id, *what in bulk.rows_by(connection, meant.c.event_id, numbers, *digests):
        said.setdefault(event_id, {})[destination_id] = tuple(what)
    return [
        Candidate(
            event.event_id,
            event.uuid,
            event.misp,
            event.timestamp,
            noted.get(event.event_id, {}),
            hidden.get(event.event_id, -1) >= event.timestamp,
            said.get(event.event_id, {}),
        )
        for event in events
    ]


def witness(connection: Connection, store: Store, base_url: str, event_id: int) -> int | None:
    """A value of an event that is at a destination and which the event justifies there by today's rules.

    Args:
        connection: in a transaction.
        store: the destination.
        base_url: address of MISP for links.
        event_id: the event's.

    Returns:
        The id of the observable, `None` when there is none.
    """
    audience = audiences(connection, [event_id]).get(store.destination_id, NOBODY)
    found = _there(connection, store, event_id, schema.evidence.c.vouches == 1)
    for start in range(0, len(found), _FEW):
        for number, those in by_observable(connection, found[start : start + _FEW]).items():
            mine = (one for one in those if one.event_id == event_id)
            if any(closed(one, store, base_url, audience) is None for one in mine):
                return number
    return None


def is_leaving(connection: Connection, store: Store, event_id: int) -> bool:
    """Whether something of an event is still at a destination and due to be withdrawn there."""
    return bool(_there(connection, store, event_id, schema.holding.c.due_hash.is_(None)))


def still_there(connection: Connection, store: Store, numbers: Iterable[int]) -> set[int]:
    """Those of some observables that are at a destination, and not due to leave."""
    row = schema.holding
    here = row.c.destination_id == store.destination_id
    columns = (row.c.sent_hash, row.c.due_hash, row.c.state)
    rows = bulk.rows_by(connection, row.c.observable_id, sorted(numbers), *columns, where=here)
    return {
        number for number, sent, due, state in rows if sent is not None and due is not None and state != schema.EXPIRED
    }


def _there(connection: Connection, store: Store, event_id: int, also: ColumnElement[bool]) -> Sequence[int]:
    row, said = schema.holding, schema.evidence
    joined = said.join(row, row.c.observable_id == said.c.observable_id)
    here = (said.c.event_id == event_id) & (row.c.destination_id == store.destination_id)
    there = row.c.sent_hash.is_not(None) & (row.c.state != schema.EXPIRED)
    wanted = select(row.c.observable_id).select_from(joined).where(here, there, also).distinct()
    return sorted(connection.execute(wanted).scalars())


def note(connection: Connection, event_id: int, tags: Mapping[int, str]) -> None:
    """Note the tags that an event has now, by destination; others it has no more."""
    connection.execute(delete(schema.written_back).where(schema.written_back.c.event_id == event_id))
    _insert(connection, [(event_id, number, tag, None) for number, tag in sorted(tags.items())])


def hide(connection: Connection, event_id: int, timestamp: int) -> None:
    """Note that MISP did not show an event as of its timestamp."""
    connection.execute(delete(schema.written_back).where(schema.written_back.c.event_id == event_id))
    _insert(connection, [(event_id, schema.ANYWHERE, "", timestamp)])


def _insert(connection: Connection, rows: list[tuple[int, int, str, int | None]]) -> None:
    columns = ["event_id", "destination_id", "tag", "hidden_at", "moment_ms"]
    clock = now_ms(connection)
    if rows:
        key = ["event_id", "destination_id"]
        bulk.upsert(connection, schema.written_back, columns, key, [(*row, clock) for row in rows])
