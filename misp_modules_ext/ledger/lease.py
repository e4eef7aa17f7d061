"""Who may send to a destination now, and whether it is paused (DESIGN.md 8).

One holder at a time drains a destination. A lease is compare-and-set with an epoch: whoever writes an outcome must
still hold the epoch under which it began, so an answer that comes after the lease has gone to another is not written,
and the other repeats the request.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, select, update

from misp_modules_ext.errors import LedgerError
from misp_modules_ext.ledger import schema
from misp_modules_ext.ledger.engine import now_ms
from misp_modules_ext.model.outcome import Reason

#: Milliseconds a lease lasts without being renewed.
LEASE_MS = 60_000
#: A pause begins with so many milliseconds, doubles with each failure in a row, and ends here.
FIRST_PAUSE_MS = 5_000
LONGEST_PAUSE_MS = 900_000
#: Microsoft's own time is kept in full, up to a day: what asks for more is a mistake.
LONGEST_ASKED_MS = 86_400_000
#: Follows the code in `pause_reason` where Microsoft asked to wait.
_ASKED = " asked"


class LeaseLostError(LedgerError):
    """Another process drains the destination now; nothing was written."""


class Lease(NamedTuple):
    """That this holder may send.

    Attributes:
        milliseconds: how long it lasts without being renewed.
    """

    destination_id: int
    epoch: int
    milliseconds: int = LEASE_MS


class Pause(NamedTuple):
    """That nothing is sent for a while.

    Attributes:
        until_ms: milliseconds since 1970 UTC.
        asked: Microsoft asked to wait.
    """

    until_ms: int
    reason: Reason | None
    message: str
    asked: bool = False

    @classmethod
    def of(cls, until_ms: int | None, reason: str | None, message: str | None) -> Pause | None:
        """The pause that a destination's row tells of; `None` for none."""
        if until_ms is None:
            return None
        code = (reason or "").removesuffix(_ASKED)
        return cls(until_ms, Reason.of(code), message or "", code != (reason or ""))


def acquire(connection: Connection, destination_id: int, holder: str, milliseconds: int = LEASE_MS) -> Lease | None:
    """Take the lease when nobody has it."""
    table = schema.destination
    clock = now_ms(connection)
    free = (table.c.destination_id == destination_id) & (table.c.lease_until_ms <= clock)
    taken = (
        update(table).where(free).values(holder=holder, epoch=table.c.epoch + 1, lease_until_ms=clock + milliseconds)
    )
    if connection.execute(taken).rowcount != 1:
        return None
    epoch = connection.execute(select(table.c.epoch).where(table.c.destination_id == destination_id)).scalar_one()
    return Lease(destination_id, int(epoch), milliseconds)


def renew(connection: Connection, lease: Lease) -> int:
    """Make the lease last again, and keep others from taking it until the transaction ends.

    Returns:
        The database's clock, milliseconds.

    Raises:
        LeaseLostError: another has it.
    """
    table = schema.destination
    clock = now_ms(connection)
    mine = (table.c.destination_id == lease.destination_id) & (table.c.epoch == lease.epoch)
    longer = update(table).where(mine).values(lease_until_ms=clock + lease.milliseconds)
    if connection.execute(longer).rowcount != 1:
        raise LeaseLostError("Another process drains this destination now.")
    return clock


def release(connection: Connection, lease: Lease) -> None:
    """Give the lease back; does nothing when another has it."""
    table = schema.destination
    mine = (table.c.destination_id == lease.destination_id) & (table.c.epoch == lease.epoch)
    connection.execute(update(table).where(mine).values(holder=None, lease_until_ms=0))


def pause(connection: Connection, lease: Lease, reason: Reason, message: str, retry_after: float | None = None) -> None:
    """Pause the destination: longer with each failure in a row, and at least as long as Microsoft asked for.

    Args:
        connection: in a transaction.
        lease: under which the sending ended.
        reason: why it ended.
        message: the same as a sentence.
        retry_after: seconds that Microsoft asked to wait; `None` when it did not.
    """
    table = schema.destination
    clock = renew(connection, lease)
    mine = table.c.destination_id == lease.destination_id
    failures = connection.execute(select(table.c.failures).where(mine)).scalar_one()
    values = {
        "failures": failures + 1,
        "paused_until_ms": clock + pause_ms(failures, retry_after),
        "pause_reason": reason.code + (_ASKED if retry_after else ""),
        "pause_message": message,
    }
    connection.execute(update(table).where(mine).values(**values))


def pause_ms(failures: int, retry_after: float | None) -> int:
    """How long a pause is, milliseconds.

    Args:
        failures: how many went before in a row.
        retry_after: seconds that Microsoft asked to wait; `None` when it did not.
    """
    growing: int = min(FIRST_PAUSE_MS * 2 ** min(failures, 20), LONGEST_PAUSE_MS)
    return max(growing, int(min((retry_after or 0) * 1000, LONGEST_ASKED_MS)))


def resume(connection: Connection, destination_id: int) -> None:
    """End the pause: something was accepted, or a person asks for it."""
    table = schema.destination
    paused = (table.c.destination_id == destination_id) & (table.c.failures > 0)
    values = {"failures": 0, "paused_until_ms": None, "pause_reason": None, "pause_message": None}
    connection.execute(update(table).where(paused).values(**values))


def paused(connection: Connection, destination_id: int) -> Pause | None:
    """The pause that is on."""
    table = schema.destination
    columns = (table.c.paused_until_ms, table.c.pause_reason, table.c.pause_message)
    until, reason, message = connection.execute(select(*columns).where(table.c.destination_id == destination_id)).one()
    found = Pause.of(until, reason, message)
    return found if found is not None and found.until_ms > now_ms(connection) else None
