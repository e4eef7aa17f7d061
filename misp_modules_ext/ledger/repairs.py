"""Bringing rows in line with what Microsoft's list says: deletions and edits by people, entries to take over.

Everything here happens long after the list was read, so each row is changed only where it is as it was then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection, select

from misp_modules_ext.ledger import bulk, schema
from misp_modules_ext.ledger.engine import now_ms
from misp_modules_ext.ledger.flight import CAP_LIFTED
from misp_modules_ext.ledger.holdings import CHANGED, Holding, read
from misp_modules_ext.ledger.holds import Hold, put
from misp_modules_ext.ledger.stores import Store
from misp_modules_ext.model.indicator import Kind, Observable

#: Who deletes and edits at Microsoft's side, as far as its list tells.
SOMEONE = "someone at Microsoft"
#: Rows that are read at once.
PAGE = 2_000
_KEY = ("destination_id", "observable_id")
#: What else may change about a row says nothing of what is there.
_TELLING = ("state", "due_hash", "sent_hash", "flight_hash", "generation", "modified_ms")


class There(NamedTuple):
    """An entry at Microsoft that a row is to stand for.

    Attributes:
        remote_id: Microsoft's id, `""` where the API knows none.
        generation: which of our STIX ids it has.
    """

    observable: Observable
    remote_id: str
    generation: int


def pages(connection: Connection, store: Store, after: int) -> list[tuple[Holding, Observable]]:
    """A page of a destination's rows with their observables, those with the next ids after `after`."""
    row, known = schema.holding, schema.observable
    columns = [row.c[name] for name in Holding._fields]
    joined = row.join(known, known.c.observable_id == row.c.observable_id)
    here = (row.c.destination_id == store.destination_id) & (row.c.observable_id > after)
    wanted = select(*columns, known.c.kind, known.c.value).select_from(joined).where(here)
    found = connection.execute(wanted.order_by(row.c.observable_id).limit(PAGE))
    return [(Holding._make(values), Observable(Kind(kind), value)) for *values, kind, value in found]


def deleted(connection: Connection, store: Store, seen: Mapping[int, tuple[Holding, Hold]]) -> set[int]:
    """People have deleted these: they stay away, and would come back under a new id.

    Args:
        connection: in a transaction.
        store: the destination.
        seen: the rows as they were when the list was read, and the holds to put.

    Returns:
        The ids of those that are on hold now.
    """
    rows = _unchanged(connection, store, {number: row for number, (row, _) in seen.items()})
    values = [
        (store.destination_id, number, schema.ON_HOLD, None, None, None, row.generation + 1)
        for number, row in sorted(rows.items())
    ]
    columns = ["state", "due_hash", "sent_hash", "remote_id", "generation"]
    bulk.update(connection, schema.holding, _KEY, columns, values)
    put(connection, {number: seen[number][1] for number in rows}, store.destination_id)
    return set(rows)


def edited(connection: Connection, store: Store, seen: Mapping[int, tuple[Holding, Hold, str]]) -> set[int]:
    """People have edited these: they stay as they are.

    Args:
        connection: in a transaction.
        store: the destination.
        seen: the rows as they were when the list was read, the holds to put, and Microsoft's ids.

    Returns:
        The ids of those that are on hold now.
    """
    rows = _unchanged(connection, store, {number: row for number, (row, *_) in seen.items()})
    values = [
        (store.destination_id, number, schema.ON_HOLD, CHANGED, CHANGED, seen[number][2] or row.remote_id)
        for number, row in sorted(rows.items())
    ]
    bulk.update(connection, schema.holding, _KEY, ["state", "due_hash", "sent_hash", "remote_id"], values)
    put(connection, {number: seen[number][1] for number in rows}, store.destination_id)
    return set(rows)


def to_send_again(connection: Connection, store: Store, seen: Mapping[int, Holding]) -> None:
    """What these say at Microsoft is not what we would say today: the next comparison makes them due."""
    values = [
        (store.destination_id, number, CHANGED, CHANGED)
        for number, row in sorted(_unchanged(connection, store, seen).items())
        if row.sent_hash is not None
    ]
    bulk.update(connection, schema.holding, _KEY, ["due_hash", "sent_hash"], values)


def left_over(connection: Connection, store: Store, seen: Mapping[int, tuple[Holding, There]]) -> set[int]:
    """These were withdrawn and are still there: they are withdrawn once more; the ids of those."""
    rows = _unchanged(connection, store, {number: row for number, (row, _) in seen.items()})
    clock = now_ms(connection)
    values = []
    for number in sorted(rows):
        there = seen[number][1]
        state = (schema.DUE, None, CHANGED, there.remote_id or None, there.generation, clock, None)
        values.append((store.destination_id, number, *state))
    columns = ["state", "due_hash", "sent_hash", "remote_id", "generation", "due_ms", "reason"]
    bulk.update(connection, schema.holding, _KEY, columns, values)
    return set(rows)


def adopt(connection: Connection, store: Store, found: Mapping[int, There]) -> None:
    """Take over entries that this ledger did not make: the next comparison makes an update of them due."""
    _stand_for(connection, store, found, (schema.SETTLED, CHANGED, None))


def disown(connection: Connection, store: Store, found: Mapping[int, There]) -> None:
    """Take over entries that nothing vouches for, in order to withdraw them; a person has agreed to that."""
    names = [(number, there.observable.kind.value, there.observable.value) for number, there in sorted(found.items())]
    bulk.insert_missing(connection, schema.observable, ["observable_id", "kind", "value"], names)
    _stand_for(connection, store, found, (schema.DUE, None, CAP_LIFTED))


def _stand_for(
    connection: Connection, store: Store, found: Mapping[int, There], rest: tuple[int, bytes | None, str | None]
) -> None:
    """Have rows stand for entries; rows that hold another entry, or may, stay as they are."""
    state, due, reason = rest
    missing = [(store.destination_id, number, schema.SETTLED, 0, 0, 0, 0) for number in sorted(found)]
    columns = ["destination_id", "observable_id", "state", "generation", "due_ms", "attempts", "grade"]
    bulk.insert_missing(connection, schema.holding, columns, missing)
    free = {n: row for n, row in read(connection, store, found, locked=True).items() if not row.maybe_there}
    values = [
        (store.destination_id, n, state, due, CHANGED, found[n].remote_id or None, found[n].generation, reason)
        for n in sorted(free)
    ]
    bulk.update(
        connection,
        schema.holding,
        _KEY,
        ["state", "due_hash", "sent_hash", "remote_id", "generation", "reason"],
        values,
    )


def _unchanged(connection: Connection, store: Store, seen: Mapping[int, Holding]) -> dict[int, Holding]:
    rows = read(connection, store, seen, locked=True)
    return {n: row for n, row in rows.items() if all(getattr(row, t) == getattr(seen[n], t) for t in _TELLING)}
