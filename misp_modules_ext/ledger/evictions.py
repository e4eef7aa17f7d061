"""Who gives its slot at Defender to another: what the ledger holds of slots, and evictions under way (DESIGN.md 8).

An evicted row says `SKIPPED` for want of room while something of it is still there. So an eviction that was begun is
finished whatever happens, and what should be there goes again when there is room.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, Connection, func, or_, select, update

from misp_modules_ext.ledger import bulk, flight, schema
from misp_modules_ext.ledger.engine import now_ms
from misp_modules_ext.ledger.flight import HOUR_MS, LOOK_AGAIN_MS, Begun
from misp_modules_ext.ledger.holdings import WITHDRAWING, Holding, read
from misp_modules_ext.ledger.lease import Lease, renew
from misp_modules_ext.ledger.stores import Store
from misp_modules_ext.model.outcome import Reason

#: What a destination says of an indicator that gave its slot to another.
EVICTED = "Its slot went to an indicator of a higher class; it goes again when there is room."
_ROW = schema.holding
_MAYBE_THERE = or_(_ROW.c.sent_hash.is_not(None), _ROW.c.flight_hash.is_not(None))
#: Rows that have to give their slot away, and still hold it.
EVICTING = (_ROW.c.state == schema.SKIPPED) & (_ROW.c.reason == Reason.CAPACITY.code) & _MAYBE_THERE


@dataclass(slots=True)
class Crowd:
    """Who holds slots of a destination, and who wants some.

    Attributes:
        live: classes by observable id, of those that may be evicted.
        fixed: how many others of ours are there, or may be.
        newcomers: classes by observable id, of those that are due and not there.
    """

    live: dict[int, int] = field(default_factory=dict)
    fixed: int = 0
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
    over = (_ROW.c.state == schema.SETTLED) & (func.coalesce(_ROW.c.valid_until, clock) <= clock // 1000)
    here = _at(store) & ~over & or_(_MAYBE_THERE, wanting & (_ROW.c.due_ms <= clock))
    found = Crowd()
    for number, state, due, sent, flown, grade in connection.execute(select(*columns).where(here)):
        if sent is None and flown is None:
            found.newcomers[number] = grade
        elif state in (schema.SETTLED, schema.DUE) and due is not None and flown is None:
            found.live[number] = grade
        else:
            found.fixed += 1
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
    created, withdrawn = flight.used_within_a_day(connection, store, now_ms(connection))
    left = flight.withdrawal_cap(settings.max_withdraw, flight.live_count(connection, store)) // 2 - withdrawn
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
    crowded = {"state": schema.SKIPPED, "reason": Reason.CAPACITY.code}
    unchanged = _ROW.c.state.in_((schema.DUE, schema.SKIPPED)) & _ROW.c.due_hash.is_not(None) & ~_MAYBE_THERE
    _set(connection, store, left_out, unchanged, crowded | {"message": why, "due_ms": clock + LOOK_AGAIN_MS})
    still = _ROW.c.state.in_((schema.SETTLED, schema.DUE)) & _ROW.c.due_hash.is_not(None)
    still &= _ROW.c.sent_hash.is_not(None) & _ROW.c.flight_hash.is_(None)
    # Due at once: whoever drains next finishes what this process may not.
    count = _set(connection, store, evicted, still, crowded | {"message": EVICTED, "due_ms": clock, "attempts": 0})
    if count:
        _count(connection, store, clock, count)


def is_evicted(row: Holding) -> bool:
    """Whether a row has to give its slot away, and still holds it."""
    return row.state == schema.SKIPPED and row.reason == Reason.CAPACITY.code and row.maybe_there


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
    for number, row in sorted(read(connection, store, numbers, locked=True).items()):
        if is_evicted(row):
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
    values = {"reason": Reason.CAPACITY.code, "message": EVICTED, "due_ms": now_ms(connection) + LOOK_AGAIN_MS}
    skipped = _ROW.c.state == schema.SKIPPED
    _set(connection, store, [answer.observable_id for answer in answers], skipped, values)


def _at(store: Store) -> ColumnElement[bool]:
    return _ROW.c.destination_id == store.destination_id


def _set(
    connection: Connection,
    store: Store,
    numbers: Iterable[int],
    which: ColumnElement[bool],
    values: dict[str, object],
) -> int:
    count = 0
    for chunk in bulk.chunks(sorted(numbers)):
        here = _at(store) & _ROW.c.observable_id.in_(chunk) & which
        count += connection.execute(update(_ROW).where(here).values(**values)).rowcount
    return count


def _count(connection: Connection, store: Store, clock: int, withdrawn: int) -> None:
    table = schema.usage
    key = (store.destination_id, clock // HOUR_MS)
    bulk.insert_missing(connection, table, ["destination_id", "hour", "created", "withdrawn"], [(*key, 0, 0)])
    here = (table.c.destination_id == key[0]) & (table.c.hour == key[1])
    connection.execute(update(table).where(here).values(withdrawn=table.c.withdrawn + withdrawn))
