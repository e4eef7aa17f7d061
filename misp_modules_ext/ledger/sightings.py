"""Hits at Microsoft that become sightings in MISP: what is asked about, whom a hit concerns, and what MISP knows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, select, update

from misp_modules_ext.ledger import bulk, schema
from misp_modules_ext.ledger.asked import NOBODY
from misp_modules_ext.ledger.content import audiences, by_observable
from misp_modules_ext.ledger.engine import now_ms
from misp_modules_ext.ledger.keys import observable_id, uuid_bytes, uuid_text
from misp_modules_ext.ledger.stores import Store
from misp_modules_ext.ledger.story import closed
from misp_modules_ext.model.indicator import Kind, Observable

#: Values of one page.
PAGE = 2_000
DAY = 86_400
#: The largest id of an observable.
LAST = 2**63 - 1
#: Address of the MISP, attribute, kind and day.
Key = tuple[str, str, int, int]
#: How often each value was seen, by the moment (seconds since 1970 UTC).
Seen = Mapping[Observable, Mapping[int, int]]


class Told(NamedTuple):
    """One sighting: of these an attribute has one a day.

    Attributes:
        misp: as in `Event.misp`.
        attribute: UUID.
        kind: MISP's number: 0 seen, 1 false positive.
        event: UUID.
        seen: seconds since 1970 UTC.
        detail: where and how often, for those who want it told; `""` when that is not known.
    """

    misp: str
    attribute: str
    kind: int
    event: str
    seen: int
    detail: str = ""

    @property
    def day(self) -> int:
        """Days since 1970 UTC."""
        return self.seen // DAY

    @property
    def key(self) -> Key:
        """What makes it one."""
        return self.misp, self.attribute, self.kind, self.day


class Hit(NamedTuple):
    """A sighting that a value at a destination means for one attribute; `times` is how often, 0 when not known."""

    told: Told
    times: int


def held(
    connection: Connection, destination_id: int, after: int, until: int = LAST
) -> tuple[int | None, list[Observable]]:
    """What a destination holds by the ledger, and has not expired: one page.

    Args:
        connection: in a transaction.
        destination_id: the destination's.
        after: where the page before ended; -1 for the first one.
        until: where the last page ends.

    Returns:
        Where this page ends, `None` when it is the last one; and the values.
    """
    row, value = schema.holding, schema.observable
    there = row.c.sent_hash.is_not(None) & (row.c.state != schema.EXPIRED)
    here = (row.c.destination_id == destination_id) & (row.c.observable_id > after) & (row.c.observable_id <= until)
    wanted = (
        select(row.c.observable_id, value.c.kind, value.c.value)
        .select_from(row.join(value, value.c.observable_id == row.c.observable_id))
        .where(here, there)
        .order_by(row.c.observable_id)
        .limit(PAGE)
    )
    found = list(connection.execute(wanted))
    end = found[-1].observable_id if len(found) == PAGE else None
    return end, [Observable(Kind(kind), text) for _, kind, text in found]


def held_of(connection: Connection, destination_id: int, values: Collection[Observable]) -> set[Observable]:
    """Those of some values that a destination holds as `held` has it."""
    row, numbers = schema.holding, {observable_id(one): one for one in values}
    there = row.c.sent_hash.is_not(None) & (row.c.state != schema.EXPIRED)
    found: set[Observable] = set()
    for chunk in bulk.chunks(sorted(numbers)):
        here = (row.c.destination_id == destination_id) & row.c.observable_id.in_(chunk)
        found |= {numbers[key] for key in connection.execute(select(row.c.observable_id).where(here, there)).scalars()}
    return found


def concerned(connection: Connection, store: Store, base_url: str, seen: Seen, kind: int) -> list[Hit]:
    """The sightings that hits mean: for each attribute that counts at the destination by today's rules.

    Args:
        connection: in a transaction.
        store: the destination.
        base_url: address of MISP for links.
        seen: what was seen, and when.
        kind: MISP's number of the kind of sighting.
    """
    said = by_observable(connection, map(observable_id, seen))
    audience = audiences(connection, said).get(store.destination_id, NOBODY)
    return [
        Hit(Told(witness.event.misp, witness.attribute.uuid, kind, witness.event.uuid, moment), times)
        for witnesses in said.values()
        for witness in witnesses
        if closed(witness, store, base_url, audience) is None
        for moment, times in seen[witness.observable].items()
    ]


def intend(connection: Connection, sightings: Iterable[Told]) -> None:
    """Note that they are to be told, unless they are noted; of one day the latest one counts.

    What is noted keeps its moment and state, and gets the detail, which is that of the last time somebody asked.
    """
    latest = {one.key: one for one in sorted(sightings, key=lambda one: one.seen)}
    rows = [
        (misp, uuid_bytes(attribute), kind, day, one.event, one.seen, schema.WAITS, 0, one.detail)
        for (misp, attribute, kind, day), one in sorted(latest.items())
    ]
    key, fixed = ["misp", "attribute", "kind", "day"], ["event", "seen", "state", "tried_ms"]
    if rows:
        bulk.upsert(connection, schema.sighting, [*key, *fixed, "detail"], key, rows, keep=fixed)


def noted(connection: Connection, sightings: Collection[Told]) -> set[Key]:
    """The keys of those that are noted, told or not."""
    table = schema.sighting
    columns = (table.c.misp, table.c.attribute, table.c.kind, table.c.day)
    found: set[Key] = set()
    for chunk in bulk.chunks(sorted({uuid_bytes(one.attribute) for one in sightings})):
        rows = connection.execute(select(*columns).where(table.c.attribute.in_(chunk)))
        found |= {(misp, uuid_text(key), kind, day) for misp, key, kind, day in rows}
    return found & {one.key for one in sightings}


def waiting(connection: Connection, misp: str, most: int) -> list[Told]:
    """Those that a MISP may not know yet, what was tried longest ago first."""
    table = schema.sighting
    here = (table.c.state == schema.WAITS) & (table.c.misp == misp)
    ordered = (table.c.tried_ms, table.c.event, table.c.attribute, table.c.kind, table.c.day)
    columns = (table.c.misp, table.c.attribute, table.c.kind, table.c.event, table.c.seen, table.c.detail)
    found = connection.execute(select(*columns).where(here).order_by(*ordered).limit(most))
    return [Told(misp, uuid_text(key), *rest) for misp, key, *rest in found]


def count_waiting(connection: Connection, misps: Collection[str]) -> int:
    """How many of these MISPs' sightings they may not know yet."""
    table = schema.sighting
    here = (table.c.state == schema.WAITS) & table.c.misp.in_(sorted(misps))
    return int(connection.execute(select(func.count()).where(here)).scalar_one())


def note(connection: Connection, one: Told, state: int) -> None:
    """Note what became of it: `schema.TOLD`, `GONE`, or `WAITS` when it was tried in vain."""
    table = schema.sighting
    here = (table.c.misp == one.misp) & (table.c.attribute == uuid_bytes(one.attribute))
    same = here & (table.c.kind == one.kind) & (table.c.day == one.day)
    connection.execute(update(table).where(same).values(state=state, tried_ms=now_ms(connection)))


def forget(connection: Connection, older: int) -> None:
    """Drop what MISP was told, or could not be, of days so many seconds ago; should it be met again, MISP is asked."""
    table = schema.sighting
    old = table.c.day < (now_ms(connection) // 1000 - older) // DAY
    connection.execute(delete(table).where(table.c.state != schema.WAITS, old))
