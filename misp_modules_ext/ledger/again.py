"""What a person makes due again: what was refused, skipped, or waits, and what the withdrawal cap holds back."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, select

from misp_modules_ext.ledger import bulk, schema
from misp_modules_ext.ledger.engine import now_ms
from misp_modules_ext.ledger.evictions import EVICTING
from misp_modules_ext.ledger.flight import CAP_LIFTED
from misp_modules_ext.ledger.holdings import change
from misp_modules_ext.ledger.stores import Store
from misp_modules_ext.model.outcome import Reason

_ROW = schema.holding
_OPEN = _ROW.c.state.in_((schema.DUE, schema.REJECTED, schema.SKIPPED))
_CAPPED = (_ROW.c.state == schema.DUE) & _ROW.c.due_hash.is_(None) & (_ROW.c.reason == Reason.WITHDRAWAL_CAP.code)


def make_due(connection: Connection, store: Store, only: Collection[int] | None) -> set[int]:
    """Make due now what was rejected or skipped, and what waits.

    Args:
        connection: in a transaction.
        store: the destination.
        only: ids of the observables that are meant; all when it is `None`.

    Returns:
        The ids of those that are due now.
    """
    values = {"due_ms": now_ms(connection), "attempts": 0}
    chosen = _chosen(connection, store, _OPEN & ~EVICTING, only)
    refused = _ROW.c.state.in_((schema.REJECTED, schema.SKIPPED))
    change(connection, store, chosen, {"state": schema.DUE, "reason": None, "message": None}, refused)
    change(connection, store, chosen, values, _OPEN)
    return chosen


def capped(connection: Connection, store: Store, only: Collection[int] | None) -> set[int]:
    """The ids of those whose withdrawal the cap holds back; `only` as in `make_due`."""
    return _chosen(connection, store, _CAPPED, only)


def lift_cap(connection: Connection, store: Store, numbers: Collection[int]) -> None:
    """Let withdrawals through that the cap holds back."""
    values = {"reason": CAP_LIFTED, "message": None, "due_ms": now_ms(connection)}
    change(connection, store, numbers, values, _CAPPED)


def leaving(connection: Connection, store: Store, numbers: Collection[int]) -> set[int]:
    """Those of some observables that are due to be absent."""
    here = _ROW.c.destination_id == store.destination_id
    found = bulk.rows_by(
        connection, _ROW.c.observable_id, sorted(numbers), where=here, also=lambda row: row.c.due_hash.is_(None)
    )
    return {row[0] for row in found}


def _chosen(connection: Connection, store: Store, which: ColumnElement[bool], only: Collection[int] | None) -> set[int]:
    here = _ROW.c.destination_id == store.destination_id
    found = set(connection.execute(select(_ROW.c.observable_id).where(here, which)).scalars())
    return found if only is None else found.intersection(only)
