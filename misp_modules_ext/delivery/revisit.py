"""What became of an earlier submission: its account, with every outcome as the ledger has it today."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from sqlalchemy import Connection, select

from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.delivery.accounting import Result
from misp_modules_ext.delivery.acts import not_yet
from misp_modules_ext.delivery.sender import TROUBLE
from misp_modules_ext.delivery.standing import day
from misp_modules_ext.ledger import Ledger, bulk, lease, schema
from misp_modules_ext.ledger.holdings import Holding
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.ledger.placing import action_of
from misp_modules_ext.ledger.stores import key_of
from misp_modules_ext.model.account import (
    Account,
    DestinationAccount,
    Item,
    ObservableAccount,
    Removed,
    that_count,
    worst,
)
from misp_modules_ext.model.indicator import Action, Kind, Observable
from misp_modules_ext.model.misp import Attribute
from misp_modules_ext.model.outcome import Outcome, Reason, State
from misp_modules_ext.translate import observe

#: Skipped for one of these, a value may be there today; for all other reasons it was never to go.
_MAY_GO_LATER = frozenset({Reason.CAPACITY, Reason.ALREADY_THERE, Reason.ON_HOLD, Reason.EXPIRED})
_THERE = frozenset({Outcome.ACCEPTED, Outcome.MERGED, Outcome.UNCHANGED})

#: What a pause says of a destination.
_STATES = {reason: state for state, reason in TROUBLE.values()}

Rows = Mapping[int, Holding]


def up_to_date(ledger: Ledger, account: Account, configured: Iterable[DestinationSettings] = ()) -> Account:
    """The account of a submission as things stand now.

    Args:
        ledger: the ledger.
        account: as it was written.
        configured: the destinations of today, which tell what store a name stands for. A name that none of them has is
            looked up in the ledger; what it does not know by that name, or knows twice, stays as it was.
    """
    at = time.time()
    stores = {(settings.name, settings.api.value): key_of(settings) for settings in configured}
    found, unknown = [], []
    for destination in account.destinations:
        store = stores.get((destination.name, destination.api))
        now = ledger.read(partial(_now, destination=destination, store=store))
        if now is None:
            unknown.append(destination.name)
        found.append(destination if now is None else _destination(destination, *now))
    notes = [f"The ledger knows no [{name}] any more: what stands here of it is as it was then." for name in unknown]
    return replace(account, destinations=tuple(found), warnings=(*account.warnings, *notes), as_of=at)


def _now(
    connection: Connection, destination: DestinationAccount, store: bytes | None
) -> tuple[Rows, lease.Pause | None] | None:
    """The rows of everything that an account names, and the pause; `None` when there is no such destination."""
    place = _place(connection, destination, store)
    if place is None:
        return None
    return _rows(connection, destination, place), lease.paused(connection, place)


def _place(connection: Connection, destination: DestinationAccount, store: bytes | None) -> int | None:
    table = schema.destination
    named = (table.c.label == destination.name) & (table.c.api == destination.api)
    # A section keeps its name when it gets another workspace, and then two stores have one label.
    wanted = named if store is None else table.c.store == store
    found = connection.execute(select(table.c.destination_id).where(wanted).limit(2)).scalars().all()
    return int(found[0]) if len(found) == 1 else None


def _rows(connection: Connection, destination: DestinationAccount, place: int) -> Rows:
    row = schema.holding
    numbers = sorted({number for item in destination.items for number in _numbers(item)}.union(_gone(destination)))
    columns = [row.c[name] for name in Holding._fields[1:]]
    found = bulk.rows_by(connection, row.c.observable_id, numbers, *columns, where=row.c.destination_id == place)
    return {values[0]: Holding._make(values) for values in found}


def _numbers(item: Item) -> list[int]:
    """The ids of an item's observables; of one that was to be withdrawn its value tells them."""
    if item.observables:
        return [_number(part.kind, part.value) for part in item.observables]
    if item.outcome in (Outcome.PENDING, Outcome.WITHDRAWN):
        return [observable_id(o) for o in observe(Attribute(item.attribute, item.type, item.value)).observables]
    return []


def _gone(destination: DestinationAccount) -> Iterable[int]:
    return (_number(removed.kind, removed.value) for removed in destination.removed)


def _number(kind: str, value: str) -> int:
    return observable_id(Observable(Kind(kind), value))


def _destination(destination: DestinationAccount, rows: Rows, pause: lease.Pause | None) -> DestinationAccount:
    leading: set[int] = {
        _number(part.kind, part.value)
        for item in destination.items
        for part in item.observables
        if part.outcome is Outcome.ACCEPTED
    }
    items = tuple(_item(item, rows, leading) for item in destination.items)
    removed = tuple(_removed(one, rows) for one in destination.removed)
    # What was wrong then and is over says nothing of today.
    state = State.OK if pause is None else _STATES.get(pause.reason or Reason.PAUSED, State.PAUSED)
    message = "" if pause is None else pause.message
    return replace(destination, state=state, message=message, items=items, removed=removed)


def _item(item: Item, rows: Rows, leading: set[int]) -> Item:
    if not item.observables:
        return _withdrawal(item, rows)
    parts = tuple(_part(part, rows, leading) for part in item.observables)
    if parts == item.observables:
        return item
    counted = that_count(parts)
    outcome = worst(part.outcome for part in counted)
    telling = next(part for part in counted if part.outcome is outcome)
    return item._replace(observables=parts, outcome=outcome, reason=telling.reason, message=telling.message)


def _withdrawal(item: Item, rows: Rows) -> Item:
    """An attribute that no longer counts: its indicators are withdrawn, or still to be."""
    if item.outcome is not Outcome.PENDING:
        return item
    left = [row for number in _numbers(item) if (row := rows.get(number)) is not None and _leaves(row)]
    if not left:
        return item._replace(outcome=Outcome.WITHDRAWN, reason=None, message="")
    reason = Reason.of(left[0].reason)
    if reason is None or reason.outcome is not Outcome.PENDING:
        return item
    return item._replace(reason=reason, message=left[0].message or "")


def _leaves(row: Holding) -> bool:
    return row.state == schema.DUE and row.due_hash is None


def _part(part: ObservableAccount, rows: Rows, leading: set[int]) -> ObservableAccount:
    number = _number(part.kind, part.value)
    row = rows.get(number)
    if row is None or (part.outcome is Outcome.SKIPPED and part.reason not in _MAY_GO_LATER):
        return part
    there = part.outcome in _THERE
    if row.sent_hash is not None and row.state != schema.ON_HOLD and (there or row.state == schema.SETTLED):
        return _with_action(_arrived(part, number, row, leading), row)
    now = _stands(row, part)
    return part._replace(outcome=now.outcome, expires=None, reason=now.reason, message=now.message)


def _with_action(part: ObservableAccount, row: Holding) -> ObservableAccount:
    """What is done on a match by now: our own reading may have raised it, or taken it back."""
    now = action_of(row.grade)
    waits = row.due_hash != row.sent_hash or row.flight_hash is not None
    if waits and (part.action or now is not Action.AUDIT):
        # The row knows the action that is due, not the one that is there.
        return part._replace(action="", action_note=not_yet(now))
    action = "" if now is Action.AUDIT else now.value
    return part if action == part.action else part._replace(action=action, action_note="")


def _arrived(part: ObservableAccount, number: int, row: Holding, leading: set[int]) -> ObservableAccount:
    """It is there; be it that newer content has arrived since, or waits."""
    outcome = part.outcome
    if outcome not in _THERE:
        outcome = Outcome.MERGED if number in leading else Outcome.ACCEPTED
        leading.add(number)
    indicator = Observable(Kind(part.kind), part.value).stix_id(row.generation)
    return part._replace(outcome=outcome, indicator=indicator, expires=row.valid_until, reason=None, message="")


def _stands(row: Holding, part: ObservableAccount) -> Result:
    """What is to be said of an indicator that is not there, or not as it should be."""
    reason, message = Reason.of(row.reason), row.message or ""
    if row.state == schema.DUE:
        return _waits(reason, message, part)
    ends = {
        schema.SETTLED: Result(Outcome.WITHDRAWN),
        schema.REJECTED: Result(Outcome.REJECTED, Reason.REJECTED, message),
        schema.EXPIRED: Result(Outcome.SKIPPED, Reason.EXPIRED, f"It expired on {day(row.valid_until or 0)}."),
        schema.ON_HOLD: Result(Outcome.SKIPPED, Reason.ON_HOLD, message),
        schema.SKIPPED: Result(Outcome.SKIPPED, reason or Reason.CAPACITY, message),
    }
    return ends[row.state]


def _waits(reason: Reason | None, message: str, part: ObservableAccount) -> Result:
    """Why it is due: its own reason, else what the account says if it was so then."""
    if reason is not None and reason.outcome is Outcome.PENDING:
        return Result(Outcome.PENDING, reason, message)
    if part.outcome is Outcome.PENDING:
        return Result(Outcome.PENDING, part.reason, part.message)
    return Result(Outcome.PENDING, Reason.NOT_IN_TIME)


def _removed(removed: Removed, rows: Rows) -> Removed:
    row = rows.get(_number(removed.kind, removed.value))
    if removed.outcome is not Outcome.PENDING or row is None or _leaves(row):
        return removed
    return replace(removed, outcome=Outcome.WITHDRAWN)


def changed(before: Sequence[DestinationAccount], after: Sequence[DestinationAccount]) -> int:
    """How many attributes have another outcome, over all destinations."""
    return sum(
        old.outcome is not new.outcome
        for was, now in zip(before, after, strict=True)
        for old, new in zip(was.items, now.items, strict=True)
    )
