"""The daily brakes: how much is created and withdrawn at a destination in any 24 hours (DESIGN.md 4, rule 5).

A request counts from the moment it begins, since after a crash nobody knows whether it arrived. What Microsoft refused
is given back. So what counts is what was accepted, and what was begun and has no answer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import ColumnElement, Connection, case, func, select, update

from misp_modules_ext.ledger import bulk, schema
from misp_modules_ext.ledger.holdings import WITHDRAWING, Holding, read
from misp_modules_ext.ledger.stores import Store

#: The least that may be withdrawn in 24 hours, and the part of what is live.
LEAST_CAP = 100
CAP_PART = 10
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def withdrawal_cap(configured: int | None, live: int) -> int:
    """How many may be withdrawn in 24 hours (DESIGN.md 4, rule 5)."""
    return max(LEAST_CAP, live // CAP_PART) if configured is None else configured


def live_count(connection: Connection, store: Store) -> int:
    """How many indicators a destination holds."""
    table = schema.holding
    here = (table.c.destination_id == store.destination_id) & table.c.sent_hash.is_not(None)
    return int(connection.execute(select(func.count()).select_from(table).where(here)).scalar_one())


def used_within_a_day(connection: Connection, store: Store, clock: int) -> tuple[int, int]:
    """How many were created and withdrawn within 24 hours (the oldest of the hours counts whole)."""
    table = schema.usage
    recent = (table.c.destination_id == store.destination_id) & (table.c.hour >= _oldest(clock))
    sums = select(func.coalesce(func.sum(table.c.created), 0), func.coalesce(func.sum(table.c.withdrawn), 0))
    created, withdrawn = connection.execute(sums.where(recent)).one()
    return int(created), int(withdrawn)


def count(connection: Connection, store: Store, clock: int, *, created: int = 0, withdrawn: int = 0) -> None:
    """Count requests that begin now, under the destination's lease."""
    if created or withdrawn:
        _add(connection, store, clock // HOUR_MS, created, withdrawn)


def give_back(connection: Connection, store: Store, numbers: Collection[int]) -> None:
    """Requests for these rows were refused: what was counted when they began does not count.

    Args:
        connection: in a transaction that holds the lease.
        store: the destination.
        numbers: ids of observables whose marks stand, and were not in doubt before.
    """
    for hour, (created, withdrawn) in _counted(read(connection, store, numbers).values()).items():
        _add(connection, store, hour, -created, -withdrawn)


def count_late(connection: Connection, store: Store, clock: int, numbers: Collection[int]) -> None:
    """Requests for these rows are accepted at last: those that were counted more than a day ago count today.

    Args:
        connection: in a transaction that holds the lease.
        store: the destination.
        clock: the database's clock, milliseconds.
        numbers: ids of observables whose marks stand.
    """
    counted = _counted(read(connection, store, numbers).values()) if numbers else {}
    late = [both for hour, both in counted.items() if hour < _oldest(clock)]
    count(connection, store, clock, created=sum(one for one, _ in late), withdrawn=sum(other for _, other in late))


def _oldest(clock: int) -> int:
    return (clock - DAY_MS) // HOUR_MS


def _counted(rows: Iterable[Holding]) -> dict[int, tuple[int, int]]:
    """How many requests that are marked began in which hour: to create, and to withdraw."""
    hours: dict[int, tuple[int, int]] = {}
    for row in rows:
        if row.flight_hash is None:
            continue
        # `modified` is the moment at which it began.
        hour = (row.modified_ms or 0) // HOUR_MS
        created, withdrawn = hours.get(hour, (0, 0))
        if row.flight_hash == WITHDRAWING:
            withdrawn += 1
        elif row.sent_hash is None:
            created += 1
        hours[hour] = created, withdrawn
    return hours


def _add(connection: Connection, store: Store, hour: int, created: int, withdrawn: int) -> None:
    table = schema.usage
    row = (store.destination_id, hour, 0, 0)
    bulk.insert_missing(connection, table, ["destination_id", "hour", "created", "withdrawn"], [row])
    here = (table.c.destination_id == store.destination_id) & (table.c.hour == hour)
    values = {"created": _sum(table.c.created, created), "withdrawn": _sum(table.c.withdrawn, withdrawn)}
    connection.execute(update(table).where(here).values(**values))


def _sum(column: ColumnElement[int], more: int) -> ColumnElement[int]:
    """Never below nothing."""
    return case((column + more > 0, column + more), else_=0)
