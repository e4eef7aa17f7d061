"""Bringing rows in line with the stored evidence, without a view of an event: what `take` is with one."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, select, update

from misp_modules_ext.ledger import farewells, repeats, schema
from misp_modules_ext.ledger.asked import asked_for
from misp_modules_ext.ledger.content import Stored
from misp_modules_ext.ledger.engine import alone, now_ms
from misp_modules_ext.ledger.placing import Placing, Settled, Wanted
from misp_modules_ext.ledger.stores import Store
from misp_modules_ext.ledger.views import open_event


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


def event_missing(connection: Connection, uuid: str, misp: str, stores: Sequence[Store], base_url: str) -> bool:
    """Our own reading did not find an event: it stays as it was until the grace is over, then nothing vouches for it.

    Returns:
        Whether the grace is over.
    """
    alone(connection)
    clock = now_ms(connection)
    known = open_event(connection, uuid, misp)
    table = schema.event
    here = table.c.event_id == known.event_id
    connection.execute(update(table).where(here & table.c.missing_since_ms.is_(None)).values(missing_since_ms=clock))
    since = connection.execute(select(table.c.missing_since_ms).where(here)).scalar_one()
    everywhere = asked_for(connection, [known.event_id])
    stores = [store for store in stores if store.destination_id in everywhere]
    # With no destination left there is no grace to go by, and nothing to bring in line.
    if not stores or clock < since + max(store.rules.selection.missing_grace for store in stores) * 1000:
        return False
    concerned = {row.observable_id for rows in known.rows.values() for row in rows if row.vouches}
    before = Stored(connection, concerned, base_url)
    repeats.forget(connection, [known.event_id], stores)
    connection.execute(update(schema.evidence).where(schema.evidence.c.event_id == known.event_id).values(vouches=0))
    refresh(connection, concerned, stores, base_url, lost=concerned, before=before)
    return True
