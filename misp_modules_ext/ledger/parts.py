"""An event that is too large for one transaction, taken in parts of it.

All of them together do what one transaction with the whole event would do, in this order:

1. Slices of its attributes add and change. What of an attribute takes anything away waits: another attribute, in a
   slice that is still to come, may vouch for the same value, and what is withdrawn may come back as another indicator
   only.
2. The attributes that wait are taken once more, in slices, and take away.
3. What the ledger held of attributes that no slice has shown is looked at: it vanishes if the view is complete.
4. The last part has no attributes. From then on the event counts as read.

Where attributes in several parts vouch for one value, it may be changed before it has its last content, and when all of
them lose it, its withdrawal says no more than the value. After an interruption between two parts nothing was taken away
that should not be, and reading it again does the rest. What the ledger held when the reading began is known from a list
of keys, kept beside the event's attributes on disk.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby

from sqlalchemy import Connection, select

from misp_modules_ext.ledger import schema
from misp_modules_ext.ledger.bulk import rows_by
from misp_modules_ext.ledger.engine import now_ms
from misp_modules_ext.ledger.keys import uuid_bytes
from misp_modules_ext.ledger.views import Known, Row, read_headers
from misp_modules_ext.misp.large import LargeEvent
from misp_modules_ext.misp.spool import Spool
from misp_modules_ext.model.misp import Event

#: So many keys are moved at once.
_KEYS = 5000
_TABLES = (
    "CREATE TABLE evidence (attribute BLOB NOT NULL, observable INTEGER NOT NULL, vouches INTEGER NOT NULL,"
    " PRIMARY KEY (attribute, observable)) WITHOUT ROWID",
    "CREATE TABLE counted (destination INTEGER NOT NULL, observable INTEGER NOT NULL, number INTEGER NOT NULL,"
    " PRIMARY KEY (destination, observable)) WITHOUT ROWID",
)


@dataclass(slots=True)
class Part:
    """What `take` needs to know of a part of an event, and what came of it.

    Attributes:
        began_ms: milliseconds since 1970 UTC by the database's clock: all parts are taken as of the same moment.
        held: the observables for which the ledger held evidence, by attribute; of others it looks at nothing.
        counting: for `maxPerEvent`.
        adds_only: what takes anything away waits.
        last: the event counts as read.
        waiting: attributes (UUIDs) that have something to take away.
        added: evidence (attribute, observable) of these that is new.
    """

    began_ms: int
    held: Mapping[bytes, Collection[int]]
    counting: Counting
    adds_only: bool = False
    last: bool = False
    waiting: set[str] = field(default_factory=set)
    added: set[tuple[bytes, int]] = field(default_factory=set)


class Counting:
    """How many indicators each event has brought to each destination, each counted once over all parts."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._per_event: dict[tuple[int, str], int] = {}

    def counted(self, destination_id: int, observable_ids: Collection[int]) -> dict[int, int]:
        """The numbers that these were given before, as far as they were."""
        query = "SELECT observable, number FROM counted WHERE destination = ? AND observable IN"
        return dict(self._spool.rows_by(query, observable_ids, destination_id))

    def count(self, destination_id: int, observable_id: int, event: str) -> int:
        """The number of one that was not counted before."""
        key = (destination_id, event)
        number = self._per_event[key] = self._per_event.get(key, 0) + 1
        self._spool.run("INSERT OR IGNORE INTO counted VALUES (?, ?, ?)", (destination_id, observable_id, number))
        return number


class Parts:
    """The parts of one event, in their order; each is to be taken before the next is asked for.

    Args:
        event: as it was read.
        most: attributes in a part.
    """

    def __init__(self, event: LargeEvent, most: int) -> None:
        self._event = event
        self._most = most
        self._spool = event.spool
        self._counting = Counting(event.spool)
        self._began_ms = 0
        for statement in _TABLES:
            self._spool.run(statement)

    def begin(self, connection: Connection) -> None:
        """Note what the ledger holds of the event."""
        header, events, table = self._event.header, schema.event, schema.evidence
        here = select(events.c.event_id).where((events.c.uuid == header.uuid) & (events.c.misp == header.misp))
        wanted = select(table.c.attribute, table.c.observable_id, table.c.vouches).where(
            table.c.event_id == here.scalar_subquery()
        )
        self._began_ms = now_ms(connection)
        self._spool.run("DELETE FROM evidence")
        with connection.execute(wanted.execution_options(yield_per=_KEYS)) as found:
            for page in found.partitions():
                self._note((bytes(attribute), number, vouches) for attribute, number, vouches in page)

    def each(self) -> Iterator[tuple[Event, Part]]:
        """The views to take, and what there is to know of each."""
        began, counting = self._began_ms, self._counting
        for view in self._event.slices(self._most):
            part = Part(began, self._held(view), counting, adds_only=True)
            yield view, part
            self._event.repeat(part.waiting)
            self._note((attribute, number, 1) for attribute, number in part.added)
        for view in self._event.slices(self._most, again=True):
            yield view, Part(began, self._held(view), counting)
        for held in self._absent():
            yield self._event.header, Part(began, held, counting)
        yield self._event.header, Part(began, {}, counting, last=True)

    def _note(self, rows: Iterable[tuple[bytes, int, int]]) -> None:
        self._spool.run_all("INSERT OR IGNORE INTO evidence VALUES (?, ?, ?)", rows)

    def _held(self, view: Event) -> dict[bytes, list[int]]:
        query = "SELECT attribute, observable FROM evidence WHERE attribute IN"
        held: dict[bytes, list[int]] = {uuid_bytes(attribute.uuid): [] for attribute in view.attributes}
        for attribute, number in self._spool.rows_by(query, held):
            held[attribute].append(number)
        return held

    def _absent(self) -> Iterator[dict[bytes, list[int]]]:
        """What was held of attributes that no slice has shown."""
        query = (
            "SELECT attribute, observable FROM evidence WHERE (attribute, observable) > (?, ?) AND vouches"
            " AND NOT EXISTS (SELECT 1 FROM attribute AS shown WHERE shown.uuid = evidence.attribute AND NOT left_out)"
            " ORDER BY attribute, observable LIMIT ?"
        )
        last: tuple[bytes, int] = (b"", 0)
        while rows := self._spool.run(query, (*last, self._most)):
            last = rows[-1]
            yield {key: [row[1] for row in those] for key, those in groupby(rows, key=lambda row: row[0])}


def read_part(connection: Connection, known: Known, part: Part) -> None:
    """Add what the ledger holds of a part of an event, as `read_evidence` does of all of it."""
    read_headers(connection, known)
    table = schema.evidence
    wanted = sorted(set().union(*part.held.values()))
    columns = [getattr(table.c, name) for name in Row._fields[1:]]
    here = table.c.event_id == known.event_id
    for found in map(Row._make, rows_by(connection, table.c.observable_id, wanted, *columns, where=here)):
        key = bytes(found.attribute)
        if key in part.held:
            row = found._replace(attribute=key, document=bytes(found.document))
            known.rows.setdefault(key, []).append(row)
