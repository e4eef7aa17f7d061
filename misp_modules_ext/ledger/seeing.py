"""What the ledger notes of an event itself when a view of it is taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, update

from misp_modules_ext.ledger import schema
from misp_modules_ext.ledger.views import Known, Origin
from misp_modules_ext.model.misp import Event

#: The event was read: all of it, or as much as there is.
_READ = {"read_message": None, "read_attempts": 0}


def seen_now(event: Event, known: Known, *, fresh: bool) -> dict[str, object]:
    """What any view says.

    Args:
        event: the view.
        known: what the ledger holds of it.
        fresh: the ledger has seen no later state.
    """
    return {"timestamp": _said(event.timestamp, known.timestamp)} if fresh else {}


def read_now(event: Event, known: Known, clock: int, *, fresh: bool, last: bool) -> dict[str, object]:
    """What our own reading says.

    Args:
        event: the view.
        known: what the ledger holds of it.
        clock: milliseconds since 1970 UTC.
        fresh: the ledger has seen no later state.
        last: there is no part of it still to come. Before the last, MISP shows the event, and what is older changes
            nothing from now on; but it is not read yet.
    """
    values: dict[str, object] = {"missing_since_ms": None}
    if last:
        values |= {"read_ms": clock, **_READ}
    if fresh:
        since = None if event.counts_as_published else known.unpublished_since_ms or clock
        values |= {"own_timestamp": _said(event.timestamp, known.own_timestamp), "unpublished_since_ms": since}
    return values


def note(connection: Connection, known: Known, values: Mapping[str, object]) -> None:
    """Write it down."""
    table = schema.event
    if values:
        connection.execute(update(table).where(table.c.event_id == known.event_id).values(**values))


def vouch(connection: Connection, event_ids: Iterable[int]) -> bool:
    """Our own reading stands behind what it left; whether that is new of anything."""
    table = schema.evidence
    changed = False
    own = Origin.OWN_READING.value
    for event_id in event_ids:
        mine = (table.c.event_id == event_id) & (table.c.vouches == 1) & (table.c.origins.op("&")(own) == 0)
        found = connection.execute(update(table).where(mine).values(origins=table.c.origins + own))
        changed = changed or found.rowcount > 0
    return changed


def _said(timestamp: int, before: int) -> int:
    """The timestamp of a view; what was known when it does not say."""
    return timestamp or max(before, 0)
