"""Which events have something at which destinations, and which of them have our tags in MISP."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, delete, select, update

from misp_modules_ext.ledger import bulk, schema
from misp_modules_ext.ledger.asked import NOBODY, audiences
from misp_modules_ext.ledger.content import by_observable
from misp_modules_ext.ledger.engine import alone, now_ms
from misp_modules_ext.ledger.stores import Store
from misp_modules_ext.ledger.story import closed

#: Events of one page.
PAGE = 200
#: Milliseconds that asking MISP about an event's tags may take, and about each tag; whoever takes longer has died.
ASKING_MS, EACH_MS = 60_000, 40_000
#: Values whose gates are looked at together: nearly always the first ones pass.
_FEW = 50


class Candidate(NamedTuple):
    """An event that may have, or get, tags of ours.

    Attributes:
        misp: as in `Event.misp`.
        timestamp: seconds since 1970 UTC.
        noted: the tags that MISP has by the ledger, by destination; `""` where none says so.
        doubtful: those that MISP may have or not, likewise: somebody asks it, or did and has not heard the answer.
        hidden: MISP did not show it, and it has not changed since.
        said: what was last said of it for each destination that it is meant for: digests that change with it.
    """

    event_id: int
    uuid: str
    misp: str
    timestamp: int
    noted: Mapping[int, str]
    doubtful: Mapping[int, str]
    hidden: bool
    said: Mapping[int, tuple[bytes | None, bytes | None]]


class _Tags(NamedTuple):
    """What is noted of an event; `hidden_at` -1 when MISP shows it, `until_ms` 0 when nobody asks."""

    noted: dict[int, str]
    doubtful: dict[int, str]
    hidden_at: int = -1
    until_ms: int = 0


def page(connection: Connection, misps: Collection[str], after: int) -> list[Candidate]:
    """The next events, at most `PAGE`, of some MISPs."""
    table = schema.event
    columns = (table.c.event_id, table.c.uuid, table.c.misp, table.c.timestamp)
    here = (table.c.event_id > after) & table.c.misp.in_(sorted(misps))
    events = connection.execute(select(*columns).where(here).order_by(table.c.event_id).limit(PAGE)).all()
    numbers = [row.event_id for row in events]
    tags = _tags(connection, numbers)
    said: dict[int, dict[int, tuple[bytes | None, bytes | None]]] = {}
    meant = schema.audience
    digests = (meant.c.destination_id, meant.c.requested, meant.c.own)
    for event_id, destination_id, *what in bulk.rows_by(connection, meant.c.event_id, numbers, *digests):
        said.setdefault(event_id, {})[destination_id] = (what[0], what[1])
    return [
        Candidate(
            event.event_id,
            event.uuid,
            event.misp,
            event.timestamp,
            tags[event.event_id].noted,
            tags[event.event_id].doubtful,
            tags[event.event_id].hidden_at >= event.timestamp,
            said.get(event.event_id, {}),
        )
        for event in events
    ]


def witness(connection: Connection, store: Store, base_url: str, event_id: int) -> int | None:
    """A value of an event that is at a destination and which the event justifies there by today's rules.

    Args:
        connection: in a transaction.
        store: the destination.
        base_url: address of MISP for links.
        event_id: the event's.

    Returns:
        The id of the observable, `None` when there is none.
    """
    audience = audiences(connection, [event_id]).get(store.destination_id, NOBODY)
    found = _there(connection, store, event_id, schema.evidence.c.vouches == 1)
    for start in range(0, len(found), _FEW):
        for number, those in by_observable(connection, found[start : start + _FEW]).items():
            mine = (one for one in those if one.event_id == event_id)
            if any(closed(one, store, base_url, audience) is None for one in mine):
                return number
    return None


def is_leaving(connection: Connection, store: Store, event_id: int) -> bool:
    """Whether something of an event is still at a destination and due to be withdrawn there."""
    return bool(_there(connection, store, event_id, schema.holding.c.due_hash.is_(None)))


def still_there(connection: Connection, store: Store, numbers: Iterable[int]) -> set[int]:
    """Those of some observables that are at a destination, and not due to leave."""
    row = schema.holding
    here = row.c.destination_id == store.destination_id
    columns = (row.c.sent_hash, row.c.due_hash, row.c.state)
    rows = bulk.rows_by(connection, row.c.observable_id, sorted(numbers), *columns, where=here)
    return {
        number for number, sent, due, state in rows if sent is not None and due is not None and state != schema.EXPIRED
    }


def _there(connection: Connection, store: Store, event_id: int, also: ColumnElement[bool]) -> Sequence[int]:
    row, said = schema.holding, schema.evidence
    joined = said.join(row, row.c.observable_id == said.c.observable_id)
    here = (said.c.event_id == event_id) & (row.c.destination_id == store.destination_id)
    there = row.c.sent_hash.is_not(None) & (row.c.state != schema.EXPIRED)
    wanted = select(row.c.observable_id).select_from(joined).where(here, there, also).distinct()
    return sorted(connection.execute(wanted).scalars())


def claim(connection: Connection, candidate: Candidate, wanted: Mapping[int, str], ours: Collection[int]) -> int | None:
    """Note that MISP is about to be asked about an event's tags, so that nobody else asks.

    What becomes of those who ask, the tags stay known: after a while another one takes away or puts there what should
    be, whether MISP has done it by then or not.

    Args:
        connection: in a transaction.
        candidate: as it was found.
        wanted: the tags that the event should have, by destination.
        ours: ids of the destinations that are ours to tell of, `schema.ANYWHERE` among them.

    Returns:
        What to end it with; `None` when another one is at it, or has changed something meanwhile.
    """
    alone(connection)
    clock = now_ms(connection)
    there = _tags(connection, [candidate.event_id])[candidate.event_id]
    if (there.noted, there.doubtful) != (candidate.noted, candidate.doubtful) or clock < there.until_ms:
        return None
    concerned = {schema.ANYWHERE: ""}
    for tags in (wanted, there.doubtful, there.noted):
        concerned |= {number: tag for number, tag in tags.items() if tag or number not in concerned}
    until = clock + ASKING_MS + EACH_MS * len(concerned)
    rows = [(number, tag, None, until) for number, tag in sorted(concerned.items()) if number in ours]
    _write(connection, candidate.event_id, rows)
    return until


def note(connection: Connection, event_id: int, until: int, tags: Mapping[int, str], ours: Collection[int]) -> bool:
    """Note the tags of ours that an event has now, by destination; others it has no more.

    Returns:
        Whether it was still ours to note, by what `claim` gave.
    """
    if not _ends(connection, event_id, until):
        return False
    table = schema.written_back
    mine = (table.c.event_id == event_id) & table.c.destination_id.in_(sorted(ours))
    connection.execute(delete(table).where(mine))
    _write(connection, event_id, [(number, tag, None, None) for number, tag in sorted(tags.items()) if number in ours])
    return True


def hide(connection: Connection, event_id: int, until: int, timestamp: int) -> None:
    """Note that MISP did not show an event as of its timestamp; its tags may be there when it does again."""
    if _ends(connection, event_id, until):
        _give_up(connection, event_id, until, {"hidden_at": timestamp})


def leave(connection: Connection, event_id: int, until: int) -> None:
    """Let others ask: it is not known what MISP has done."""
    if _ends(connection, event_id, until):
        _give_up(connection, event_id, until, {})


def _ends(connection: Connection, event_id: int, until: int) -> bool:
    alone(connection)
    return _tags(connection, [event_id])[event_id].until_ms == until


def _give_up(connection: Connection, event_id: int, until: int, values: Mapping[str, int]) -> None:
    table = schema.written_back
    mine = (table.c.event_id == event_id) & (table.c.asking_until_ms == until)
    connection.execute(update(table).where(mine).values(asking_until_ms=0, **values))


def _tags(connection: Connection, event_ids: Sequence[int]) -> dict[int, _Tags]:
    """What is noted of each of some events."""
    found = {event_id: _Tags({}, {}) for event_id in event_ids}
    row = schema.written_back
    wanted = (row.c.destination_id, row.c.tag, row.c.hidden_at, row.c.asking_until_ms)
    for event_id, number, tag, hidden_at, until in bulk.rows_by(connection, row.c.event_id, event_ids, *wanted):
        tags = found[event_id]
        sure = hidden_at is None and until is None
        (tags.noted if sure else tags.doubtful)[number] = tag
        hidden, latest = tags.hidden_at, tags.until_ms
        found[event_id] = tags._replace(
            hidden_at=hidden if hidden_at is None else hidden_at, until_ms=max(latest, until or 0)
        )
    return found


def _write(connection: Connection, event_id: int, rows: Sequence[tuple[int, str, int | None, int | None]]) -> None:
    columns = ["event_id", "destination_id", "tag", "hidden_at", "asking_until_ms", "moment_ms"]
    clock = now_ms(connection)
    bulk.upsert(connection, schema.written_back, columns, columns[:2], [(event_id, *row, clock) for row in rows])
