"""How far `sync` has read each MISP, and who reads it now.

A run reads the events that were published since a moment. When it ends with all of them in the ledger, the next one
begins where it began; when it does not, the next one goes on with the same events. What each attempt has tried is
noted, by runs that leave nothing out and by nobody else, until one of them ends well: what was read, and has not
changed since, is not read again, and what could not be read comes last.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, delete, select, update

from misp_modules_ext.ledger import bulk, schema
from misp_modules_ext.ledger.engine import now_ms

#: Milliseconds that a run has the MISP for itself without being heard of. It is heard of with each answer of MISP's, so
#: that only taking one event into the ledger must end sooner.
LEASE_MS = 900_000


class Turn(NamedTuple):
    """That this run reads the MISP now.

    Attributes:
        misp: address of the MISP.
        holder: who runs.
        since: seconds since 1970 UTC: where an unfinished run began to read; `None` when none is unfinished.
        began_ms: milliseconds since 1970 UTC: when the first attempt began, which may be this one.
        checkpoint: seconds since 1970 UTC: when the last run began that ended well; `None` before the first.
    """

    misp: str
    holder: str
    since: int | None
    began_ms: int
    checkpoint: int | None


class Busy(NamedTuple):
    """That another run reads the MISP now.

    Attributes:
        holder: who runs.
        left: seconds until its turn ends, if it is not heard of before.
    """

    holder: str
    left: int


class Known(NamedTuple):
    """An event of the MISP that the ledger holds.

    Attributes:
        timestamp: of our own latest reading, `None` when it was never read.
        published: at that reading.
    """

    timestamp: int | None
    published: bool


class Tried(NamedTuple):
    """An event that the unfinished run has tried.

    Attributes:
        timestamp: the event's when it was read, `schema.READ_AGAIN` when that was not the last word; `None` when it
            could not be read.
        tried_ms: milliseconds since 1970 UTC.
    """

    timestamp: int | None
    tried_ms: int


def begin(connection: Connection, misp: str, holder: str) -> Turn | Busy:
    """Take the turn, unless another has it."""
    table = schema.sync
    clock = now_ms(connection)
    here = table.c.misp == misp
    bulk.insert_missing(connection, table, ["misp"], [(misp,)])
    found = connection.execute(select(table).where(here).with_for_update()).one()
    if found.holder and found.lease_until_ms > clock:
        return Busy(found.holder, (found.lease_until_ms - clock) // 1000)
    connection.execute(update(table).where(here).values(holder=holder, lease_until_ms=clock + LEASE_MS))
    return Turn(misp, holder, found.since, found.began_ms or clock, found.checkpoint)


def checkpoint(connection: Connection, misp: str) -> int | None:
    """As `Turn.checkpoint`, without taking the turn."""
    table = schema.sync
    return connection.execute(select(table.c.checkpoint).where(table.c.misp == misp)).scalar_one_or_none()


def goes_on(connection: Connection, turn: Turn, since: int | None) -> bool:
    """Note that the run is at it; whether it still has its turn.

    Args:
        connection: in a transaction.
        turn: the run's.
        since: where it began to read, seconds since 1970 UTC, so that whoever comes after an interruption goes on with
            that; `None` to leave no trace.
    """
    clock = now_ms(connection)
    values: dict[str, int] = {"lease_until_ms": clock + LEASE_MS}
    if since is not None:
        values |= {"since": since, "began_ms": turn.began_ms}
    return bool(connection.execute(update(schema.sync).where(_mine(turn)).values(**values)).rowcount)


def note(connection: Connection, turn: Turn, uuid: str, timestamp: int | None) -> None:
    """Note that the run has tried an event; see `Tried`."""
    row = (turn.misp, uuid, timestamp, now_ms(connection))
    bulk.upsert(connection, schema.sync_tried, ["misp", "uuid", "timestamp", "tried_ms"], ["misp", "uuid"], [row])


def tried(connection: Connection, misp: str) -> dict[str, Tried]:
    """What the unfinished run has tried, by UUID."""
    table = schema.sync_tried
    wanted = select(table.c.uuid, table.c.timestamp, table.c.tried_ms).where(table.c.misp == misp)
    return {uuid: Tried(timestamp, tried_ms) for uuid, timestamp, tried_ms in connection.execute(wanted)}


def end(connection: Connection, turn: Turn, *, whole: bool) -> None:
    """Give the turn back.

    Args:
        connection: in a transaction.
        turn: the run's.
        whole: everything that was published since the checkpoint is in the ledger: the next run begins where this one
            began.
    """
    values: dict[str, object] = {"holder": None, "lease_until_ms": 0}
    if whole:
        values |= {"since": None, "began_ms": None, "checkpoint": turn.began_ms // 1000}
    ended = connection.execute(update(schema.sync).where(_mine(turn)).values(**values))
    if whole and ended.rowcount:
        connection.execute(delete(schema.sync_tried).where(schema.sync_tried.c.misp == turn.misp))


def _mine(turn: Turn) -> ColumnElement[bool]:
    return (schema.sync.c.misp == turn.misp) & (schema.sync.c.holder == turn.holder)


def known(connection: Connection, misp: str) -> dict[str, Known]:
    """All events of a MISP that the ledger holds, by UUID; `misp` as in `Event.misp`."""
    table = schema.event
    columns = (table.c.uuid, table.c.own_timestamp, table.c.unpublished_since_ms)
    found = connection.execute(select(*columns).where(table.c.misp == misp))
    return {uuid: Known(timestamp, since is None) for uuid, timestamp, since in found}
