"""What a destination should hold and holds: a row for each observable (DESIGN.md 8).

`due` is what should be there (nothing: it should be absent), `sent` what is there, `flight` a request that was begun
and has no answer yet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, case, or_, select, true, update

from misp_modules_ext.ledger import schema
from misp_modules_ext.ledger.bulk import chunks, rows_by
from misp_modules_ext.ledger.engine import now_ms as clock_of
from misp_modules_ext.ledger.stores import Store

#: `flight_hash` of a withdrawal.
WITHDRAWING = bytes(32)
#: `sent_hash` of what is there and says something else than we do: it equals no content's hash, so that it goes again.
CHANGED = b"\xff" * 32


class Holding(NamedTuple):
    """A row; `grade` is the class by which Defender's slots go, see `placing.grade`."""

    observable_id: int
    state: int
    due_hash: bytes | None
    sent_hash: bytes | None
    flight_hash: bytes | None
    generation: int
    due_ms: int
    attempts: int
    created_ms: int | None
    modified_ms: int | None
    valid_until: int | None
    remote_id: str | None
    reason: str | None
    message: str | None
    shown_hash: bytes | None = None
    grade: int = 0

    @property
    def maybe_there(self) -> bool:
        """Whether the destination holds it, or may."""
        return self.sent_hash is not None or self.flight_hash is not None

    def shows(self, digest: bytes) -> bool:
        """Whether what is there is known, and shows what has this digest (see `destinations.interface`)."""
        known = self.flight_hash is None and self.sent_hash not in (None, CHANGED)
        return known and self.shown_hash == digest


_COLUMNS = [schema.holding.c[name] for name in Holding._fields]
#: New values of a row that is over: whatever was said of it before is of no account.
_EXPIRED: dict[str, object] = {
    "state": schema.EXPIRED,
    "due_hash": None,
    "sent_hash": None,
    "remote_id": None,
    "reason": None,
    "message": None,
}


def read(
    connection: Connection, store: Store, observable_ids: Collection[int], *, locked: bool = False
) -> dict[int, Holding]:
    """The rows of some observables at a destination.

    Args:
        connection: in a transaction.
        store: the destination.
        observable_ids: which.
        locked: keep others from changing them until the transaction ends.
    """
    table = schema.holding
    here = table.c.destination_id == store.destination_id
    if not locked:
        found = rows_by(connection, table.c.observable_id, sorted(observable_ids), *_COLUMNS[1:], where=here)
        return {row[0]: Holding._make(row) for row in found}
    rows: dict[int, Holding] = {}
    for chunk in chunks(sorted(observable_ids)):
        wanted = select(*_COLUMNS).where(here, table.c.observable_id.in_(chunk)).order_by(table.c.observable_id)
        for row in connection.execute(wanted.with_for_update()):
            rows[row[0]] = Holding._make(row)
    return rows


def held(connection: Connection, store: Store, observable_ids: Collection[int]) -> dict[int, str]:
    """Those that are on hold at a destination, with who did so and why."""
    table = schema.hold
    if connection.execute(select(table.c.observable_id).limit(1)).first() is None:
        return {}
    places = (schema.EVERYWHERE, store.destination_id)
    found = rows_by(
        connection,
        table.c.observable_id,
        sorted(observable_ids),
        table.c.who,
        table.c.why,
        where=table.c.destination_id.in_(places),
    )
    return {number: f"{who}: {why}" for number, who, why in found}


def change(
    connection: Connection,
    store: Store,
    numbers: Iterable[int],
    values: Mapping[str, object],
    which: ColumnElement[bool] | None = None,
) -> int:
    """Set columns of some of a destination's rows to the same values; how many rows.

    Args:
        connection: in a transaction.
        store: the destination.
        numbers: ids of the observables.
        values: by column.
        which: a condition that must hold as well.
    """
    table = schema.holding
    count = 0
    for chunk in chunks(sorted(numbers)):
        here = (table.c.destination_id == store.destination_id) & table.c.observable_id.in_(chunk)
        count += connection.execute(
            update(table).where(here, true() if which is None else which).values(**values)
        ).rowcount
    return count


def over(now_ms: int) -> ColumnElement[bool]:
    """Rows of which something is there, or may be, and whose time is over; never NULL.

    Not what is due: new content renews it, and a withdrawal is finished. Also what was refused a change, or found no
    room for one, is over at Microsoft some day.
    """
    row = schema.holding.c
    ended = (schema.SETTLED, schema.REJECTED, schema.SKIPPED, schema.EXPIRED)
    there = or_(row.sent_hash.is_not(None), row.flight_hash.is_not(None))
    return row.valid_until.is_not(None) & (row.valid_until <= now_ms // 1000) & row.state.in_(ended) & there


def expire(connection: Connection, store: Store, now_ms: int) -> int:
    """Mark the rows whose time is over; how many. Nothing is sent: what is over has no effect, wherever it is kept.

    Only for the holder of the lease: what is in flight has no answer then, and none can come.
    """
    row = schema.holding.c
    # In this order: MariaDB sees the new value of a column in those that follow.
    values = {
        # A withdrawal without an answer may have arrived: what comes back goes under another id.
        "generation": case((row.flight_hash == WITHDRAWING, row.generation + 1), else_=row.generation),
        "flight_hash": None,
        **_EXPIRED,
    }
    ordered = [(row[name], value) for name, value in values.items()]
    here = row.destination_id == store.destination_id
    return int(connection.execute(update(schema.holding).where(here, over(now_ms)).ordered_values(*ordered)).rowcount)


def mark_expired(connection: Connection, store: Store, which: ColumnElement[bool]) -> int:
    """Mark some of a destination's rows as over; how many."""
    table = schema.holding
    here = table.c.destination_id == store.destination_id
    return int(connection.execute(table.update().where(here, which).values(**_EXPIRED)).rowcount)


def lease_is_free(connection: Connection, store: Store) -> bool:
    """Whether nobody sends to a destination now."""
    table = schema.destination
    until = select(table.c.lease_until_ms).where(table.c.destination_id == store.destination_id)
    return int(connection.execute(until).scalar_one()) <= clock_of(connection)


def names(observable_ids: Iterable[int], connection: Connection) -> dict[int, tuple[str, str]]:
    """Kind and value of observables."""
    table = schema.observable
    found = rows_by(connection, table.c.observable_id, sorted(observable_ids), table.c.kind, table.c.value)
    return {number: (kind, value) for number, kind, value in found}
