"""Requests to Microsoft as the ledger keeps book of them: what is due, what was begun, what came of it.

Before a request begins, its rows say so (`flight_hash`); with the answer the mark goes. After a crash what is marked
may have arrived or not: it is sent once more, with the same `modified`, and counts as there until it is settled.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple

from sqlalchemy import Connection, case, select, update

from misp_modules_ext.ledger import brakes, bulk, companions, farewells, schema
from misp_modules_ext.ledger.brakes import DAY_MS, HOUR_MS
from misp_modules_ext.ledger.engine import now_ms
from misp_modules_ext.ledger.holdings import WITHDRAWING, Holding, change, held, over, read
from misp_modules_ext.ledger.lease import Lease, renew
from misp_modules_ext.ledger.stores import Store
from misp_modules_ext.model.outcome import Reason

#: `reason` of a withdrawal that a person let through although the cap holds others back.
CAP_LIFTED = "cap-lifted"
_LIFT = "The rest waits for `misp-microsoft retry --withdrawals --yes`."
#: How long what a brake holds back, or what has no room, waits before it is looked at again.
LOOK_AGAIN_MS = HOUR_MS
#: First wait of a row whose request brought no answer for it; doubles with each attempt.
FIRST_WAIT_MS = 2_000
LONGEST_WAIT_MS = 900_000


class DueRow(NamedTuple):
    """A row that is due; without `due_hash` its indicator is to be withdrawn."""

    observable_id: int
    due_hash: bytes | None


class Begun(NamedTuple):
    """A row whose request may begin.

    Attributes:
        unanswered: an earlier request for it may have arrived.
    """

    observable_id: int
    generation: int
    created_ms: int
    modified_ms: int
    remote_id: str
    unanswered: bool


class Answer(NamedTuple):
    """What came of a request for one row.

    Attributes:
        accepted: `None` when it is not known.
        remote_id: Microsoft's id, `""` when it gave none.
        in_doubt: an earlier request for it may have arrived, whatever became of this one.
        shown: digest of what the destination shows of it now; `None` when it is not known.
        gone: what was there of ours was deleted, and this did not come in its place.
    """

    observable_id: int
    accepted: bool | None
    reason: Reason | None = None
    message: str = ""
    remote_id: str = ""
    in_doubt: bool = False
    shown: bytes | None = None
    gone: bool = False


class Alike(NamedTuple):
    """Content that would look the same as what is there.

    Attributes:
        digest: the content's.
        shown: of what the destination shows of it.
    """

    digest: bytes
    shown: bytes


def due_rows(connection: Connection, store: Store, clock: int, most: int) -> list[DueRow]:
    """The head of what is due at a destination, oldest first; what was skipped long enough ago is tried again."""
    table = schema.holding
    columns = (table.c.observable_id, table.c.due_hash)
    found: list[DueRow] = []
    for state in (schema.DUE, schema.SKIPPED):
        here = (table.c.destination_id == store.destination_id) & (table.c.state == state) & (table.c.due_ms <= clock)
        wanted = select(*columns).where(here).order_by(table.c.due_ms, table.c.observable_id).limit(most - len(found))
        found += [DueRow(number, due) for number, due in connection.execute(wanted)]
        if len(found) >= most:
            break
    return found


def has_work(connection: Connection, store: Store) -> bool:
    """Whether anything is due at a destination, or over."""
    clock = now_ms(connection)
    if due_rows(connection, store, clock, 1):
        return True
    table = schema.holding
    here = table.c.destination_id == store.destination_id
    found = select(table.c.observable_id).where(here, over(clock)).limit(1)
    return connection.execute(found).first() is not None


def begin(
    connection: Connection, store: Store, lease: Lease, wanted: Mapping[int, bytes], live: int | None = None
) -> list[Begun]:
    """Mark rows before the request for them begins.

    Args:
        connection: in a transaction.
        store: the destination.
        lease: under which the request will be made.
        wanted: content digest by observable id, or `WITHDRAWING`.
        live: how many indicators the destination holds; needed for withdrawals.

    Returns:
        The rows that may go, by observable id. Left out are those that changed meanwhile, and those that a daily brake
        holds back.

    Raises:
        LeaseLostError: another drains this destination now.
    """
    clock = renew(connection, lease)
    rows = _locked(connection, store, wanted)
    going = [row for row in rows if _still_so(row, wanted[row.observable_id])]
    going = _within_brakes(connection, store, going, clock, live)
    begun = []
    values = []
    for row in going:
        digest = wanted[row.observable_id]
        again = row.flight_hash == digest
        modified = row.modified_ms if again and row.modified_ms else max(clock, (row.modified_ms or 0) + 1)
        created = row.created_ms or clock
        begun.append(
            Begun(
                row.observable_id,
                row.generation,
                created,
                modified,
                row.remote_id or "",
                row.flight_hash is not None,
            )
        )
        values.append(
            (store.destination_id, row.observable_id, schema.DUE, digest, created, modified, row.attempts + 1)
        )
    columns = ["state", "flight_hash", "created_ms", "modified_ms", "attempts"]
    bulk.update(connection, schema.holding, ["destination_id", "observable_id"], columns, values)
    return begun


def _locked(connection: Connection, store: Store, wanted: Iterable[int]) -> list[Holding]:
    table = schema.holding
    columns = [table.c[name] for name in Holding._fields]
    here = (table.c.destination_id == store.destination_id) & table.c.observable_id.in_(sorted(wanted))
    found = connection.execute(select(*columns).where(here).order_by(table.c.observable_id).with_for_update())
    return [Holding._make(row) for row in found]


def _still_so(row: Holding, digest: bytes) -> bool:
    if row.state not in (schema.DUE, schema.SKIPPED):
        return False
    return leaves(row) if digest == WITHDRAWING else row.due_hash == digest and not leaves(row)


def leaves(row: Holding) -> bool:
    """Whether a withdrawal is what has to go now.

    Also when content is due again after one without an answer: it may have arrived, and then the id is gone for good
    (STIX 2.1 section 3.2), so it is repeated, and the content goes under the next id.
    """
    return row.due_hash is None or row.flight_hash == WITHDRAWING


def _within_brakes(
    connection: Connection, store: Store, rows: Sequence[Holding], clock: int, live: int | None
) -> list[Holding]:
    """What the daily brakes let through; what was begun before has been counted already.

    What the withdrawal cap has once held back waits for a person, however many days go by: it must not open by itself.
    """
    creating = [row for row in rows if row.due_hash is not None and not row.maybe_there]
    leaving = [row for row in rows if row.due_hash is None and row.flight_hash != WITHDRAWING]
    asking = [row for row in leaving if row.reason not in (CAP_LIFTED, Reason.WITHDRAWAL_CAP.code)]
    waiting = [row for row in leaving if row.reason == Reason.WITHDRAWAL_CAP.code]
    used = brakes.used_within_a_day(connection, store, clock)
    settings = store.settings
    room = settings.max_per_day - used[0] if settings.max_per_day else len(creating)
    held_back = creating[max(0, room) :]
    _hold_back(connection, store, held_back, Reason.MAX_PER_DAY, f"maxPerDay is {settings.max_per_day}.", clock)
    cap = brakes.withdrawal_cap(settings.max_withdraw, live or 0)
    kept = asking[max(0, cap - used[1]) :]
    message = f"{used[1] + len(asking) - len(kept)} were withdrawn within 24 hours, {cap} may be. {_LIFT}"
    _hold_back(connection, store, kept, Reason.WITHDRAWAL_CAP, message, clock)
    change(connection, store, (row.observable_id for row in waiting), {"due_ms": clock + LOOK_AGAIN_MS})
    back = {row.observable_id for row in (*held_back, *kept, *waiting)}
    # What a person let through counts as well: the cap is about what went within a day.
    withdrawn = sum(row.observable_id not in back for row in leaving)
    brakes.count(connection, store, clock, created=len(creating) - len(held_back), withdrawn=withdrawn)
    return [row for row in rows if row.observable_id not in back]


def settle_alike(connection: Connection, store: Store, lease: Lease, alike: Mapping[int, Alike]) -> int:
    """Settle rows of which the destination would show what it shows already; how many. Nothing is sent for them.

    Rows that are not as they were when that was found are left alone.

    Args:
        connection: in a transaction.
        store: the destination.
        lease: under which they would have been sent.
        alike: by observable id.

    Raises:
        LeaseLostError: another drains this destination now.
    """
    renew(connection, lease)
    rows = read(connection, store, alike, locked=True)
    same = [n for n, row in sorted(rows.items()) if _still_so(row, alike[n].digest) and row.shows(alike[n].shown)]
    columns = ["state", "sent_hash", "attempts", "reason", "message"]
    values = [(store.destination_id, n, schema.SETTLED, alike[n].digest, 0, None, None) for n in same]
    bulk.update(connection, schema.holding, ["destination_id", "observable_id"], columns, values)
    companions.note(connection, store, same)
    return len(same)


def _hold_back(
    connection: Connection, store: Store, rows: Iterable[Holding], reason: Reason, message: str, clock: int
) -> None:
    values = {"reason": reason.code, "message": message, "due_ms": clock + LOOK_AGAIN_MS}
    change(connection, store, (row.observable_id for row in rows), values)


def record(connection: Connection, store: Store, lease: Lease, answers: Sequence[Answer], *, withdrawn: bool) -> None:
    """Write what came of a request.

    Args:
        connection: in a transaction.
        store: the destination.
        lease: under which the request was begun.
        answers: one for each row of it.
        withdrawn: the request was a withdrawal.

    Raises:
        LeaseLostError: another drains this destination now; nothing is written, and the other repeats the request.
    """
    clock = renew(connection, lease)
    accepted = [answer for answer in answers if answer.accepted]
    brakes.count_late(connection, store, clock, [answer.observable_id for answer in accepted if answer.in_doubt])
    refused = [answer.observable_id for answer in answers if answer.accepted is False]
    brakes.give_back(connection, store, [a.observable_id for a in answers if a.accepted is False and not a.in_doubt])
    if withdrawn:
        _record_gone(connection, store, accepted, clock)
        farewells.forget(connection, store, [answer.observable_id for answer in accepted])
    else:
        _record_there(connection, store, accepted, clock)
    companions.note(connection, store, [answer.observable_id for answer in accepted])
    for answer in answers:
        if answer.accepted is None:
            _record_unknown(connection, store, answer, clock)
        elif not answer.accepted:
            _record_refused(connection, store, answer, clock, withdrawn=withdrawn)
    _settle_absent(connection, store, refused)


_FLOWN = schema.holding.c.flight_hash.is_not(None)


def _record_there(connection: Connection, store: Store, answers: Sequence[Answer], clock: int) -> None:
    table = schema.holding
    done = (table.c.state == schema.DUE) & (table.c.due_hash == table.c.flight_hash)
    values: dict[str, object] = {
        # In this order: MariaDB sees the new value of a column in those that follow.
        "state": case((done, schema.SETTLED), else_=table.c.state),
        "sent_hash": table.c.flight_hash,
        "flight_hash": None,
        # When it was answered: Microsoft's list lags behind, and reconciling gives it time.
        "due_ms": clock,
        "attempts": 0,
        "reason": None,
        "message": None,
    }
    _ordered(connection, store, answers, values)
    key = ["destination_id", "observable_id"]
    shown = [(store.destination_id, a.observable_id, a.shown) for a in answers]
    bulk.update(connection, table, key, ["shown_hash"], sorted(shown, key=itemgetter(1)))
    named = [(store.destination_id, a.observable_id, a.remote_id) for a in answers if a.remote_id]
    bulk.update(connection, table, key, ["remote_id"], sorted(named))


def _record_gone(connection: Connection, store: Store, answers: Sequence[Answer], clock: int) -> None:
    table = schema.holding
    done = (table.c.state == schema.DUE) & table.c.due_hash.is_(None)
    values: dict[str, object] = {
        "state": case((done, schema.SETTLED), else_=table.c.state),
        "generation": table.c.generation + 1,
        "sent_hash": None,
        "flight_hash": None,
        "remote_id": None,
        "due_ms": clock,
        "attempts": 0,
        "reason": None,
        "message": None,
    }
    _ordered(connection, store, answers, values)


def _ordered(connection: Connection, store: Store, answers: Sequence[Answer], values: Mapping[str, object]) -> None:
    table = schema.holding
    for chunk in bulk.chunks(sorted(answer.observable_id for answer in answers)):
        here = (table.c.destination_id == store.destination_id) & table.c.observable_id.in_(chunk)
        pairs = [(table.c[name], value) for name, value in values.items()]
        connection.execute(update(table).where(here, _FLOWN).ordered_values(*pairs))


def _record_refused(connection: Connection, store: Store, answer: Answer, clock: int, *, withdrawn: bool) -> None:
    """Its own fault, or no place for it: it stays so until its content or the configuration changes.

    What was in doubt before stays in doubt: that this request was refused says nothing of an earlier one.
    """
    table = schema.holding
    values: dict[str, object] = {"reason": answer.reason.code if answer.reason else None, "message": answer.message}
    if withdrawn and answer.reason is Reason.ALREADY_THERE:
        # Ours is gone, and what is there now is somebody else's.
        gone = (table.c.state == schema.DUE) & table.c.due_hash.is_(None)
        values = {"state": case((gone, schema.SETTLED), else_=table.c.state), "sent_hash": None, "remote_id": None}
        values |= {"flight_hash": None}
    elif withdrawn:
        values |= {"due_ms": clock + LOOK_AGAIN_MS}
    else:
        skipped = answer.reason in (Reason.CAPACITY, Reason.ALREADY_THERE)
        current = (table.c.state == schema.DUE) & (table.c.due_hash == table.c.flight_hash)
        values |= {"state": case((current, schema.SKIPPED if skipped else schema.REJECTED), else_=table.c.state)}
        if skipped:
            values |= {"due_ms": case((current, clock + DAY_MS), else_=table.c.due_ms)}
            # In this order: MariaDB sees the new value of a column in those that follow.
            values = {"due_ms": values.pop("due_ms"), **values}
    if not answer.in_doubt or answer.gone:
        values |= {"flight_hash": None}
    if answer.gone:
        values |= {"generation": table.c.generation + 1, "sent_hash": None, "remote_id": None}
    _ordered(connection, store, [answer], values)


def _record_unknown(connection: Connection, store: Store, answer: Answer, clock: int) -> None:
    table = schema.holding
    here = (table.c.destination_id == store.destination_id) & (table.c.observable_id == answer.observable_id)
    attempts = connection.execute(select(table.c.attempts).where(here)).scalar_one()
    wait = min(FIRST_WAIT_MS * 2 ** min(attempts, 20), LONGEST_WAIT_MS)
    code = answer.reason.code if answer.reason else None
    connection.execute(update(table).where(here).values(due_ms=clock + wait, reason=code, message=answer.message))


def unbegin(connection: Connection, store: Store, lease: Lease, observable_ids: Iterable[int]) -> None:
    """The requests for these rows were refused as a whole, so nothing of them has arrived."""
    renew(connection, lease)
    numbers = list(observable_ids)
    brakes.give_back(connection, store, numbers)
    change(connection, store, numbers, {"flight_hash": None})
    _settle_absent(connection, store, numbers)


def _settle_absent(connection: Connection, store: Store, numbers: Collection[int]) -> None:
    """Of rows that lost their mark: where nothing should be there and nothing is, nothing is due any more."""
    if not numbers:
        return
    row = schema.holding.c
    nothing = row.due_hash.is_(None) & row.sent_hash.is_(None) & row.flight_hash.is_(None)
    on_hold = held(connection, store, numbers).keys()
    for state, those in ((schema.ON_HOLD, on_hold), (schema.SETTLED, set(numbers) - on_hold)):
        values = {"state": state, "reason": None, "message": None}
        change(connection, store, those, values, (row.state == schema.DUE) & nothing)


def leave_out(
    connection: Connection, store: Store, lease: Lease, answers: Sequence[Answer], wanted: Mapping[int, bytes]
) -> None:
    """Write why rows were not even tried: somebody else's entry, or no room."""
    clock = renew(connection, lease)
    table = schema.holding
    for answer in answers:
        digest = wanted[answer.observable_id]
        same = table.c.due_hash.is_(None) if digest == WITHDRAWING else table.c.due_hash == digest
        here = (table.c.destination_id == store.destination_id) & (table.c.observable_id == answer.observable_id)
        values = {
            "state": schema.SKIPPED,
            "reason": answer.reason.code if answer.reason else None,
            "message": answer.message,
            "due_ms": clock + DAY_MS,
        }
        connection.execute(update(table).where(here, same).values(**values))
        if answer.gone:
            # Whatever is due by now.
            nothing = {"generation": table.c.generation + 1, "sent_hash": None, "flight_hash": None, "remote_id": None}
            there = table.c.sent_hash.is_not(None) | table.c.flight_hash.is_not(None)
            connection.execute(update(table).where(here, there).values(**nothing))
    _settle_absent(connection, store, [answer.observable_id for answer in answers if answer.gone])


def take_back_rejections(connection: Connection, store: Store, lease: Lease, observable_ids: Iterable[int]) -> None:
    """What was refused while everything was refused alike is due again: the cause was not theirs."""
    renew(connection, lease)
    values = {"state": schema.DUE, "reason": None, "message": None}
    # What was taken back meanwhile is not due any more.
    change(connection, store, observable_ids, values, schema.holding.c.state == schema.REJECTED)
