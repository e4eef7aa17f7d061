"""What the ledger says as a whole: for `misp-microsoft status` and `check`. Nothing here writes.

A ledger of a million rows answers in a fifth of a second, so large destinations are not counted row by row: their
numbers are scaled from a part of the rows. Ids of observables are digests, so any range of them is a fair part.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, func, literal, select, text

from misp_modules_ext.ledger import schema
from misp_modules_ext.ledger.engine import now_ms
from misp_modules_ext.ledger.lease import Pause

_ROW = schema.holding
_STATES = frozenset((schema.DUE, schema.SETTLED, schema.REJECTED, schema.SKIPPED, schema.EXPIRED, schema.ON_HOLD))
#: The part of all rows by which it is found out how many there are.
_PROBE = 1024


class Effort(NamedTuple):
    """How many rows of a destination are looked at.

    Attributes:
        exact: with fewer rows, all are looked at; and up to so many of a state are counted by an index.
        sample: else about so many are looked at, and the rest is scaled from them.
        few: with fewer rows in a state, these are looked at in any case.
    """

    exact: int = 50_000
    sample: int = 20_000
    few: int = 1_000


class Alike(NamedTuple):
    """Rows of a destination that stand alike.

    Attributes:
        wanted: they should be there.
        there: they are there, be it with older content.
    """

    state: int
    wanted: bool
    there: bool
    reason: str | None
    rows: int


class Counts(NamedTuple):
    """How the rows of a destination stand.

    Attributes:
        alike: where a state is not in `counted`, scaled from a part of the rows.
        counted: the states whose rows were counted.
        whole: all rows were looked at.
    """

    alike: tuple[Alike, ...]
    counted: frozenset[int]
    whole: bool

    @property
    def there(self) -> int:
        """What is there, also what is due to change or to go."""
        return sum(row.rows for row in self.alike if row.there)

    def of(self, state: int) -> int:
        """Rows in a state."""
        return sum(row.rows for row in self.alike if row.state == state)

    def due(self, *, wanted: bool, there: bool = True) -> int:
        """Due rows: to create (`wanted`, not `there`), to update (`wanted`, `there`), to withdraw (not `wanted`)."""
        due = [row for row in self.alike if row.state == schema.DUE and row.wanted is wanted]
        return sum(row.rows for row in due if row.there is there or not wanted)


class Destination(NamedTuple):
    """A store in the ledger.

    Attributes:
        holder: who sends to it at this moment, `""` for nobody.
        pause: why the last sending failed, and until when nothing is sent; its end may be over. `None` once something
            was accepted again.
        next_ms: when what is due first is tried next, milliseconds since 1970 UTC; `None` when nothing is due.
        holds: values on hold, those for all destinations included.
    """

    destination_id: int
    store: bytes
    label: str
    api: str
    holder: str
    pause: Pause | None
    next_ms: int | None
    holds: int


class Beside(NamedTuple):
    """How the objects of context of a destination stand.

    Attributes:
        waiting: indicators whose objects are to be looked at; counted up to `MOST_WAITING`.
        refused: threat actors and techniques that were refused.
        message: why the first of them was, `""` for none.
    """

    waiting: int
    refused: int
    message: str


#: More are not counted one by one.
MOST_WAITING = 10_000


class Orphan(NamedTuple):
    """A MISP whose events vouch for something although nobody reads them.

    Attributes:
        misp: its address.
        events: how many the ledger holds of it.
        example: the UUID of one of them.
    """

    misp: str
    events: int
    example: str


class Drain(NamedTuple):
    """Someone who drains the ledger.

    Attributes:
        seen: seconds since its last heartbeat.
    """

    holder: str
    kind: str
    host: str
    pid: int
    seen: float


class Reading(NamedTuple):
    """An event that waits to be read from MISP.

    Attributes:
        due_ms: when it is read next, milliseconds since 1970 UTC.
        message: why the last reading settled nothing; `""` for no such reason.
        missing: MISP does not show it to our key.
    """

    uuid: str
    due_ms: int
    attempts: int
    message: str
    missing: bool


class Readings(NamedTuple):
    """What waits to be read.

    Attributes:
        due: events that are to be read now.
        later: those that are to be read at some time, because they are unpublished, missing, or could not be read.
        failed: the first of those whose last reading settled nothing.
    """

    due: int
    later: int
    failed: tuple[Reading, ...]


def revision(connection: Connection) -> str:
    """The version of the tables."""
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())


def destinations(connection: Connection) -> list[Destination]:
    """All stores that anything was ever sent to, by their labels."""
    table = schema.destination
    clock = now_ms(connection)
    found = connection.execute(select(table).order_by(table.c.label, table.c.destination_id)).all()
    holds = _holds(connection)
    everywhere = holds.get(schema.EVERYWHERE, 0)
    return [
        Destination(
            row.destination_id,
            bytes(row.store),
            row.label,
            row.api,
            (row.holder or "") if row.lease_until_ms > clock else "",
            Pause.of(row.paused_until_ms, row.pause_reason, row.pause_message),
            _next(connection, row.destination_id),
            holds.get(row.destination_id, 0) + everywhere,
        )
        for row in found
    ]


def _holds(connection: Connection) -> dict[int, int]:
    table = schema.hold
    counted = select(table.c.destination_id, func.count()).group_by(table.c.destination_id)
    return {row[0]: row[1] for row in connection.execute(counted)}


def _next(connection: Connection, destination_id: int) -> int | None:
    due = (_ROW.c.destination_id == destination_id) & (_ROW.c.state == schema.DUE)
    first: int | None = connection.execute(select(func.min(_ROW.c.due_ms)).where(due)).scalar_one()
    return first


def beside(connection: Connection, destination_id: int) -> Beside:
    """How the objects of context of a destination stand."""
    noted, there = schema.companion_due.c, schema.companion.c
    waits = select(noted.observable_id).where(noted.destination_id == destination_id).limit(MOST_WAITING)
    waiting = connection.execute(select(func.count()).select_from(waits.subquery())).scalar_one()
    shared = (there.destination_id == destination_id) & (there.observable_id == schema.SHARED)
    refused = select(there.refusal).where(shared, there.refusal.is_not(None)).order_by(there.object)
    refusals = list(connection.execute(refused).scalars())
    return Beside(waiting, len(refusals), refusals[0] if refusals else "")


def counts(connection: Connection, destination_id: int, *, exact: bool = False, effort: Effort | None = None) -> Counts:
    """How the rows of a destination stand.

    Args:
        connection: in a transaction.
        destination_id: which.
        exact: look at all rows, however long it takes.
        effort: how many rows to look at otherwise.
    """
    effort = effort or Effort()
    here = _ROW.c.destination_id == destination_id
    if exact or _bounded(connection, here, effort.exact) < effort.exact:
        return Counts(tuple(_alike(connection, here)), _STATES, whole=True)
    sample, part = _sample(connection, here, effort)
    found: list[Alike] = []
    counted = set()
    for state in sorted(_STATES):
        rows = [row for row in sample if row.state == state]
        total = _bounded(connection, here & (_ROW.c.state == state), effort.exact)
        if total < effort.few or (total < effort.exact and not rows):
            rows = _alike(connection, here & (_ROW.c.state == state))
        elif total < effort.exact:
            rows = _shared_out(rows, total)
        else:
            rows = [row._replace(rows=rounded(row.rows / part)) for row in rows]
        found += rows
        if total < effort.exact:
            counted.add(state)
    return Counts(tuple(found), frozenset(counted), whole=False)


def _alike(connection: Connection, which: ColumnElement[bool]) -> list[Alike]:
    kinds = (_ROW.c.state, _ROW.c.due_hash.is_not(None), _ROW.c.sent_hash.is_not(None), _ROW.c.reason)
    counted = select(*kinds, func.count()).where(which).group_by(*kinds)
    return [
        Alike(state, bool(wanted), bool(there), reason, count)
        for state, wanted, there, reason, count in connection.execute(counted)
    ]


def _bounded(connection: Connection, which: ColumnElement[bool], most: int) -> int:
    """How many rows there are, or `most`."""
    some = select(literal(1)).select_from(_ROW).where(which).limit(most).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one())


def _sample(connection: Connection, here: ColumnElement[bool], effort: Effort) -> tuple[list[Alike], float]:
    """Some rows of a destination, and which part of all they are."""
    number = _ROW.c.observable_id
    # One statement for both would make SQLite read all rows.
    low, high = (int(connection.execute(select(end(number)).where(here)).scalar_one()) for end in (func.min, func.max))
    width = high - low
    probe = _bounded(connection, here & (number <= low + width // _PROBE), effort.sample)
    part = min(1.0, effort.sample / max(probe, 1) / _PROBE)
    return _alike(connection, here & (number <= low + int(width * part))), part


def _shared_out(sample: Sequence[Alike], total: int) -> list[Alike]:
    """A number that is known, divided as the sample is."""
    seen = sum(row.rows for row in sample)
    rows = [row._replace(rows=row.rows * total // seen) for row in sample]
    most = max(range(len(rows)), key=lambda place: rows[place].rows)
    rows[most] = rows[most]._replace(rows=rows[most].rows + total - sum(row.rows for row in rows))
    return rows


def rounded(count: float) -> int:
    """Three digits: more would promise what an estimate cannot hold."""
    return int(float(f"{count:.3g}"))


def drains(connection: Connection) -> list[Drain]:
    """Who drains the ledger, or did until a while ago; the one seen last comes first."""
    table = schema.drain
    clock = now_ms(connection)
    found = connection.execute(select(table).order_by(table.c.seen_ms.desc()))
    return [Drain(row.holder, row.kind, row.host, row.pid, max(0, clock - row.seen_ms) / 1000) for row in found]


def orphans(connection: Connection, misps: Collection[str]) -> tuple[Orphan, ...]:
    """MISPs, other than these and than the one that the modules serve, whose events vouch for what is somewhere.

    Args:
        connection: reading is enough.
        misps: addresses, as in `Event.misp`.
    """
    table = schema.event
    others = select(table.c.misp, func.count(), func.min(table.c.uuid)).where(table.c.misp.not_in(["", *misps]))
    found = [Orphan(*row) for row in connection.execute(others.group_by(table.c.misp).order_by(table.c.misp))]
    return tuple(orphan for orphan in found if _vouches(connection, orphan.misp))


def _vouches(connection: Connection, misp: str) -> bool:
    """Whether events of a MISP stand behind anything that is at a destination, or should be."""
    evidence, row = schema.evidence, schema.holding
    anything = row.c.due_hash.is_not(None) | row.c.sent_hash.is_not(None) | row.c.flight_hash.is_not(None)
    joined = schema.event.join(evidence, evidence.c.event_id == schema.event.c.event_id).join(
        row, row.c.observable_id == evidence.c.observable_id
    )
    here = (schema.event.c.misp == misp) & (evidence.c.vouches == 1) & anything & (row.c.state != schema.ON_HOLD)
    return connection.execute(select(literal(1)).select_from(joined).where(here).limit(1)).first() is not None


def readings(connection: Connection, misps: Collection[str], most: int) -> Readings:
    """What waits to be read from MISP.

    Args:
        connection: reading is enough.
        misps: those that can be read, as in `Event.misp`; what waits for another one is not counted.
        most: of those that failed.
    """
    table = schema.event
    clock = now_ms(connection)
    waits = table.c.read_due_ms.is_not(None) & table.c.misp.in_(sorted(misps))
    due = waits & (table.c.read_due_ms <= clock)
    total, now = (
        int(connection.execute(select(func.count()).select_from(table).where(which)).scalar_one())
        for which in (waits, due)
    )
    columns = (table.c.uuid, table.c.read_due_ms, table.c.read_attempts, table.c.read_message, table.c.missing_since_ms)
    failed = select(*columns).where(waits, table.c.read_message.is_not(None)).order_by(table.c.read_due_ms).limit(most)
    told = [
        Reading(uuid, due_ms, attempts, message, missing is not None)
        for uuid, due_ms, attempts, message, missing in connection.execute(failed)
    ]
    return Readings(now, total - now, tuple(told))
