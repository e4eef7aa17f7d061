"""Bringing rows in line with the stored evidence, without a view of an event: what `take` is with one."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Sequence

from sqlalchemy import Connection, select, update

from misp_modules_ext.ledger import bulk, farewells, repeats, schema
from misp_modules_ext.ledger.asked import asked_for
from misp_modules_ext.ledger.content import Stored
from misp_modules_ext.ledger.engine import alone, now_ms
from misp_modules_ext.ledger.placing import Placing, Settled, Wanted
from misp_modules_ext.ledger.stores import Store
from misp_modules_ext.ledger.views import find_event

#: Values of which one transaction lets go: each takes some 5 kB of memory, and others wait for a second or two.
AT_ONCE = 5000


def refresh(
    connection: Connection,
    observable_ids: Collection[int],
    stores: Sequence[Store],
    base_url: str,
    lost: Collection[int] = (),
    before: Stored | None = None,
) -> dict[int, Settled]:
    """Bring rows in line with the stored evidence, without a view: after a hold ends, or a rule changed.

    Args:
        connection: in a transaction.
        observable_ids: which.
        stores: the destinations.
        base_url: address of MISP for links.
        lost: those that may be withdrawn when nothing that counts vouches for them.
        before: what the evidence said of those before it was lost, if it is known.

    Returns:
        How they stand, by destination id.
    """
    alone(connection)
    clock = now_ms(connection)
    stored = Stored(connection, observable_ids, base_url)
    found: dict[int, Settled] = {}
    for store in stores:
        wanted = Wanted.of(store.rules, stored.content(store))
        order = [*wanted.merged, *sorted(set(observable_ids) - wanted.merged.keys())]
        placing = Placing(connection, store, wanted, lost, before.content(store) if before else {}, clock)
        found[store.destination_id] = placing.settle(order, ())
        farewells.keep(connection, store, placing.leaving)
    return found


def event_missing(connection: Connection, uuid: str, misp: str, stores: Sequence[Store]) -> Sequence[int] | None:
    """Our own reading did not find an event: it stays as it was until the grace is over.

    Returns:
        What it vouches for then, to be let go; `None` as long as the grace runs.
    """
    alone(connection)
    clock = now_ms(connection)
    known = find_event(connection, uuid, misp)
    table, said = schema.event, schema.evidence
    here = (table.c.event_id == known.event_id) & table.c.missing_since_ms.is_(None)
    connection.execute(update(table).where(here).values(missing_since_ms=clock))
    if not _is_over(connection, known.event_id, stores, clock):
        return None
    vouched = select(said.c.observable_id).where(said.c.event_id == known.event_id, said.c.vouches == 1).distinct()
    # Of a large event there are a million, and a list of Python's numbers takes several times as much.
    with connection.execute(vouched.execution_options(yield_per=AT_ONCE)) as found:
        return array("q", found.scalars())


def let_go(
    connection: Connection,
    uuid: str,
    misp: str,
    stores: Sequence[Store],
    base_url: str,
    observable_ids: Collection[int],
) -> None:
    """An event that is missing vouches for these values no more, unless it has been seen again meanwhile.

    Args:
        connection: in a transaction.
        uuid: the event's.
        misp: as in `Event.misp`.
        stores: all destinations.
        base_url: address of MISP for links.
        observable_ids: `AT_ONCE` at most of what `event_missing` gave.
    """
    alone(connection)
    event_id, said = find_event(connection, uuid, misp).event_id, schema.evidence
    if not _is_over(connection, event_id, stores, now_ms(connection)):
        return
    everywhere = asked_for(connection, [event_id])
    stores = [store for store in stores if store.destination_id in everywhere]
    before = Stored(connection, observable_ids, base_url)
    repeats.forget(connection, [event_id], stores)
    for chunk in bulk.chunks(sorted(observable_ids)):
        these = (said.c.event_id == event_id) & said.c.observable_id.in_(chunk)
        connection.execute(update(said).where(these).values(vouches=0))
    refresh(connection, observable_ids, stores, base_url, lost=observable_ids, before=before)


def _is_over(connection: Connection, event_id: int, stores: Sequence[Store], clock: int) -> bool:
    """Whether an event has been missing for longer than the longest grace of the destinations it is meant for."""
    table = schema.event
    since = connection.execute(select(table.c.missing_since_ms).where(table.c.event_id == event_id)).scalar_one()
    everywhere = asked_for(connection, [event_id])
    graces = [store.rules.selection.missing_grace for store in stores if store.destination_id in everywhere]
    # With no destination left there is no grace to go by, and nothing to bring in line.
    return since is not None and bool(graces) and clock >= since + max(graces) * 1000
