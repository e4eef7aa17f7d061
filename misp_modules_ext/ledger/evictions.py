"""Who gives its slot at Defender to another: what the ledger holds of slots, and evictions under way (DESIGN.md 8).

A row that has to go says `SKIPPED` with a mark of its own (`MARK`) while something of it is still there. So an eviction
that was begun is finished whatever happens, and what should be there goes again when there is room. Nothing else bears
the mark: a row that Microsoft had no room for, or refused a change, stays as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, Connection, func, or_, select

from misp_modules_ext.ledger import brakes, bulk, flight, schema
from misp_modules_ext.ledger.engine import now_ms
from misp_modules_ext.ledger.flight import LOOK_AGAIN_MS, Begun
from misp_modules_ext.ledger.holdings import WITHDRAWING, Holding, change, over, read
from misp_modules_ext.ledger.lease import Lease, renew
from misp_modules_ext.ledger.stores import Store
from misp_modules_ext.model.outcome import Reason

#: `reason` of a row that has to give its slot away, until it is gone.
MARK = "evicting"
#: What a destination says of an indicator that gave its slot to another.
EVICTED = "Its slot went to an indicator of a higher class; it goes again when there is room."
_ROW = schema.holding
_MAYBE_THERE = or_(_ROW.c.sent_hash.is_not(None), _ROW.c.flight_hash.is_not(None))
#: Rows that have to give their slot away, and still hold it.
EVICTING = (_ROW.c.state == schema.SKIPPED) & (func.coalesce(_ROW.c.reason, "") == MARK) & _MAYBE_THERE


@dataclass(slots=True)
class Crowd:
    """Who holds slots of a destination, and who wants some.

    Attributes:
        live: classes by observable id, of those that may be evicted.
        newcomers: classes by observable id, of those that are due and not there.
    """

    live: dict[int, int] = field(default_factory=dict)
    newcomers: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Known:
    """What this ledger has put into a tenant.

    Attributes:
        numbers: observable ids.
        remote_ids: Microsoft's ids.
    """

    numbers: set[int] = field(default_factory=set)
    remote_ids: set[str] = field(default_factory=set)


def crowd(connection: Connection, store: Store) -> Crowd:
    """Who holds slots of a destination, and who wants some now."""
    clock = now_ms(connection)
    wanting = _ROW.c.state.in_((schema.DUE, schema.SKIPPED)) & _ROW.c.due_hash.is_not(None)
    columns = (_ROW.c.observable_id, _ROW.c.state, _ROW.c.due_hash, _ROW.c.sent_hash, _ROW.c.flight_hash, _ROW.c.grade)
    # Defender itself removes what is over, also before the row says so.
    here = _at(store) & ~over(clock) & or_(_MAYBE_THERE, wanting & (_ROW.c.due_ms <= clock))
    found = Crowd()
    for number, state, due, sent, flown, grade in connection.execute(select(*columns).where(here)):
        if sent is None and flown is None:
            found.newcomers[number] = grade
        elif state in (schema.SETTLED, schema.DUE) and due is not None and flown is None:
            found.live[number] = grade
    return found


def known(connection: Connection, destination_ids: Collection[int]) -> Known:
    """What this ledger has put into the tenant that these destinations share."""
    here = _ROW.c.destination_id.in_(sorted(destination_ids)) & _MAYBE_THERE
    found = Known()
    for number, remote_id in connection.execute(select(_ROW.c.observable_id, _ROW.c.remote_id).where(here)):
        found.numbers.add(number)
        if remote_id:
            found.remote_ids.add(remote_id)
    return found


def budget(connection: Connection, store: Store) -> int:
    """How many may be evicted now.

    Evictions are withdrawals: the cap holds for them too, and half of it is left to what MISP withdraws. None is
    evicted for an indicator that `maxPerDay` would hold back.
    """
    settings = store.settings
    created, withdrawn = brakes.used_within_a_day(connection, store, now_ms(connection))
    not_begun = select(func.count()).select_from(_ROW).where(_at(store), EVICTING, _ROW.c.flight_hash.is_(None))
    withdrawn += int(connection.execute(not_begun).scalar_one())
    left = brakes.withdrawal_cap(settings.max_withdraw, brakes.live_count(connection, store)) // 2 - withdrawn
    if settings.max_per_day:
        left = min(left, settings.max_per_day - created)
    return max(0, left)


def place(
    connection: Connection, store: Store, lease: Lease, evicted: Sequence[int], left_out: Iterable[int], why: str
) -> None:
    """Write who has to give its slot away, and who finds none.

    Args:
        connection: in a transaction.
        store: the destination.
        lease: under which this was found.
        evicted: ids of observables that are there.
        left_out: ids of observables that are not.
        why: the sentence for these.

    Raises:
        LeaseLostError: another drains this destination now.
    """
    clock = renew(connection, lease)
    unchanged = _ROW.c.state.in_((schema.DUE, schema.SKIPPED)) & _ROW.c.due_hash.is_not(None) & ~_MAYBE_THERE
    crowded = {"state": schema.SKIPPED, "reason": Reason.CAPACITY.code, "message": why}
    change(connection, store, left_out, crowded | {"due_ms": clock + LOOK_AGAIN_MS}, unchanged)
    still = _ROW.c.state.in_((schema.SETTLED, schema.DUE)) & _ROW.c.due_hash.is_not(None)
    still &= _ROW.c.sent_hash.is_not(None) & _ROW.c.flight_hash.is_(None)
    # Due at once: whoever drains next finishes what this process may not.
    leaving = {"state": schema.SKIPPED, "reason": MARK, "message": EVICTED}
    change(connection, store, evicted, leaving | {"due_ms": clock, "attempts": 0}, still)


def is_evicted(row: Holding) -> bool:
    """Whether a row has to give its slot away, and still holds it."""
    return row.state == schema.SKIPPED and row.reason == MARK and row.maybe_there


def under_way(connection: Connection, store: Store) -> list[int]:
    """Ids of those that have to give their slots away, and still hold them."""
    return list(connection.execute(select(_ROW.c.observable_id).where(_at(store), EVICTING)).scalars())


def begin(connection: Connection, store: Store, lease: Lease, numbers: Collection[int]) -> list[Begun]:
    """Mark evicted rows before the request for them begins; those that changed meanwhile are left out.

    Raises:
        LeaseLostError: another drains this destination now.
    """
    clock = renew(connection, lease)
    begun = []
    values: list[bulk.Row] = []
    rows = {n: row for n, row in read(connection, store, numbers, locked=True).items() if is_evicted(row)}
    fresh = sum(row.flight_hash != WITHDRAWING for row in rows.values())
    brakes.count(connection, store, clock, withdrawn=fresh)
    for number, row in sorted(rows.items()):
        created, modified = row.created_ms or clock, max(clock, (row.modified_ms or 0) + 1)
        unanswered = row.flight_hash is not None
        begun.append(Begun(number, row.generation, created, modified, row.remote_id or "", unanswered))
        values.append((store.destination_id, number, WITHDRAWING, modified))
    key = ["destination_id", "observable_id"]
    bulk.update(connection, schema.holding, key, ["flight_hash", "modified_ms"], values)
    return begun


def record(connection: Connection, store: Store, lease: Lease, answers: Sequence[flight.Answer]) -> None:
    """Write what came of a request for evicted rows; those that are gone wait for room.

    Raises:
        LeaseLostError: another drains this destination now; nothing is written.
    """
    flight.record(connection, store, lease, answers, withdrawn=True)
    numbers = [answer.observable_id for answer in answers]
    values = {"message": EVICTED, "due_ms": now_ms(connection) + LOOK_AGAIN_MS}
    skipped = _ROW.c.state == schema.SKIPPED
    change(connection, store, numbers, values | {"reason": MARK}, skipped & _MAYBE_THERE)
    change(connection, store, numbers, values | {"reason": Reason.CAPACITY.code}, skipped & ~_MAYBE_THERE)


def _at(store: Store) -> ColumnElement[bool]:
    return _ROW.c.destination_id == store.destination_id
