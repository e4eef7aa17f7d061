"""Holds: what people take back, or change at Microsoft's side, stays as they left it (DESIGN.md 4, rule 6).

A hold is a row of its own table, so that it outlives everything that happens to the evidence. While it lasts nothing is
sent for the value; the row of the destination says `ON_HOLD` once it is as the person wanted it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, FromClause, delete, select

from misp_modules_ext.ledger import bulk, schema
from misp_modules_ext.ledger.asked import NOBODY
from misp_modules_ext.ledger.content import audiences, by_observable, content
from misp_modules_ext.ledger.engine import alone, now_ms
from misp_modules_ext.ledger.flight import CAP_LIFTED
from misp_modules_ext.ledger.holdings import change, read
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.ledger.refreshing import refresh
from misp_modules_ext.ledger.stores import Store
from misp_modules_ext.ledger.views import storable
from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.model.misp import Attribute
from misp_modules_ext.translate import observe

#: The longest name that the ledger keeps.
_LONGEST_NAME = 255
#: Attribute types whose readers together understand all spellings of all kinds.
_TYPES = ("ip-dst", "domain", "url", "email", "md5", "sha1", "sha256", "filename")
_KEY = ("destination_id", "observable_id")


class Hold(NamedTuple):
    """Who keeps a value as it is, and why.

    Attributes:
        since_ms: milliseconds since 1970 UTC by the database's clock; 0 for one that is to be put now.
    """

    who: str
    why: str
    since_ms: int = 0


class Vouched(NamedTuple):
    """What an event vouches for at a destination.

    Attributes:
        alone: ids of observables for which nothing else counts there.
        shared: ids of those that other events vouch for as well.
    """

    alone: frozenset[int]
    shared: frozenset[int]


def named(connection: Connection, text: str) -> dict[int, Observable]:
    """The observables of the ledger that a person means by a text.

    Args:
        connection: in a transaction.
        text: a value in any spelling that MISP takes, also defanged; `KIND:VALUE` names one of several kinds, and
            `TYPE:VALUE` one of MISP's types.
    """
    meant = {observable_id(observable): observable for observable in _meant(storable(text).strip())}
    table = schema.observable
    found = bulk.rows_by(connection, table.c.observable_id, sorted(meant), table.c.kind, table.c.value)
    # The number of another value may be the same by chance.
    return {number: meant[number] for number, kind, value in found if meant[number] == (kind, value)}


def _meant(text: str) -> Iterable[Observable]:
    said, _, value = text.partition(":")
    kind = said.strip().lower()
    if value and kind in list(Kind):
        yield Observable(Kind(kind), value.strip())
    elif value.strip():
        yield from observe(Attribute("", kind, value.strip())).observables
    for known in Kind:
        yield Observable(known, text)
    for type_ in _TYPES:
        yield from observe(Attribute("", type_, text)).observables


def of_event(connection: Connection, uuid: str, store: Store, base_url: str) -> Vouched | None:
    """What an event vouches for at a destination; `None` when the ledger has never seen the event.

    An event that several MISPs show is meant with all that they show. Evidence of others counts as it does for content:
    where it was asked for, and where it passes the gates.
    """
    event = schema.event
    event_ids = set(connection.execute(select(event.c.event_id).where(event.c.uuid == uuid)).scalars())
    if not event_ids:
        return None
    table = schema.evidence
    vouching = select(table.c.observable_id).where(table.c.event_id.in_(event_ids), table.c.vouches == 1).distinct()
    numbers = set(connection.execute(vouching).scalars())
    said = by_observable(connection, numbers)
    audience = audiences(connection, said).get(store.destination_id, NOBODY)
    meant = audience.of(event_ids)
    counting = {
        n for n in numbers if any(w.vouches and meant.counts(w.event_id, w.attribute.uuid) for w in said.get(n, ()))
    }
    others = audience.without(event_ids)
    shared = content({n: said[n] for n in counting}, store.rules, base_url, others, now_ms(connection) // 1000).keys()
    return Vouched(frozenset(counting - shared), frozenset(shared))


def kept_at(connection: Connection, store: Store) -> set[int]:
    """Ids of everything that a destination holds, or should."""
    table = schema.holding
    anything = table.c.due_hash.is_not(None) | table.c.sent_hash.is_not(None) | table.c.flight_hash.is_not(None)
    here = (table.c.destination_id == store.destination_id) & (table.c.state != schema.ON_HOLD)
    return set(connection.execute(select(table.c.observable_id).where(here, anything)).scalars())


def put(connection: Connection, holds: Mapping[int, Hold], destination_id: int) -> None:
    """Put values on hold; a hold that is there already takes the new words.

    Args:
        connection: in a transaction.
        holds: who and why, by observable id.
        destination_id: where; `schema.EVERYWHERE` for all destinations, also later ones.
    """
    since = now_ms(connection)
    columns = ["observable_id", "destination_id", "since_ms", "who", "why"]
    rows = [
        (number, destination_id, since, storable(hold.who)[:_LONGEST_NAME], storable(hold.why))
        for number, hold in sorted(holds.items())
    ]
    bulk.upsert(connection, schema.hold, columns, columns[:2], rows)


def all_at(connection: Connection, store: Store) -> set[int]:
    """Ids of everything that is on hold at a destination, or everywhere."""
    table = schema.hold
    here = table.c.destination_id.in_((schema.EVERYWHERE, store.destination_id))
    return set(connection.execute(select(table.c.observable_id).where(here)).scalars())


def take_back(connection: Connection, store: Store, numbers: Collection[int], *, lifted: bool) -> set[int]:
    """Make values due to be absent, whatever vouches for them; those on hold stay absent.

    Args:
        connection: in a transaction.
        store: the destination.
        numbers: ids of the observables.
        lifted: the withdrawal cap does not count for them.

    Returns:
        Those that are there, or may be, and are withdrawn with the next drain.
    """
    alone(connection)
    clock = now_ms(connection)
    reason = CAP_LIFTED if lifted else None
    leaving = set()
    values: list[bulk.Row] = []
    for number, row in sorted(read(connection, store, numbers, locked=True).items()):
        if row.maybe_there:
            leaving.add(number)
            values.append((store.destination_id, number, schema.DUE, None, clock, 0, reason, None))
        else:
            values.append((store.destination_id, number, schema.ON_HOLD, None, row.due_ms, 0, None, None))
    columns = ["state", "due_hash", "due_ms", "attempts", "reason", "message"]
    bulk.update(connection, schema.holding, _KEY, columns, values)
    return leaving


def mark(connection: Connection, store: Store) -> None:
    """Say `ON_HOLD` of what is on hold and has been withdrawn."""
    row = schema.holding
    here = row.c.destination_id == store.destination_id
    numbers = sorted(all_at(connection, store))
    gone = [number for (number,) in bulk.rows_by(connection, row.c.observable_id, numbers, where=here, also=_is_gone)]
    # Looked up first, since SQLite would read all that is settled; and asked again, since it may have been released.
    change(connection, store, gone, {"state": schema.ON_HOLD}, _is_gone(row))


def _is_gone(row: FromClause) -> ColumnElement[bool]:
    """A row of which nothing is there, or may be, or is to be."""
    nothing = row.c.due_hash.is_(None) & row.c.sent_hash.is_(None) & row.c.flight_hash.is_(None)
    return (row.c.state == schema.SETTLED) & nothing


def on(connection: Connection, numbers: Collection[int]) -> dict[int, dict[int, Hold]]:
    """The holds of values: by observable id, then by destination id."""
    table = schema.hold
    columns = (table.c.destination_id, table.c.who, table.c.why, table.c.since_ms)
    found: dict[int, dict[int, Hold]] = {}
    for number, where, who, why, since in bulk.rows_by(connection, table.c.observable_id, sorted(numbers), *columns):
        found.setdefault(number, {})[where] = Hold(who, why, since)
    return found


def end(
    connection: Connection,
    stores: Collection[Store],
    numbers: Collection[int],
    base_url: str,
    *,
    everywhere: bool,
) -> dict[int, dict[int, Hold]]:
    """End holds: what should be there is computed again from the evidence, and goes.

    Args:
        connection: in a transaction.
        stores: the destinations.
        numbers: ids of the observables.
        base_url: address of MISP for links.
        everywhere: all destinations are meant, also those that are not among `stores`.

    Returns:
        The holds that ended, as `on` gives them.
    """
    alone(connection)
    places = {store.destination_id for store in stores}
    before = on(connection, numbers)
    if everywhere:
        ended = before
        _delete(connection, before, None)
    else:
        _spread(connection, {number: holds for number, holds in before.items() if schema.EVERYWHERE in holds})
        ended = _within(before, {*places, schema.EVERYWHERE})
        _delete(connection, ended, places)
    for store in stores:
        _let_go(connection, store, ended)
    for store in stores:
        # Where there was no hold, everything stands as its evidence and its rules have left it.
        here = {schema.EVERYWHERE, store.destination_id}
        held_here = {number for number, holds in ended.items() if not here.isdisjoint(holds)}
        # What is there as somebody left it, and no evidence that counts stands for any more, goes.
        refresh(connection, held_here, [store], base_url, lost=held_here)
    return ended


def _within(holds: Mapping[int, Mapping[int, Hold]], places: Collection[int]) -> dict[int, dict[int, Hold]]:
    """Those that are for one of some destinations."""
    found = {number: {w: h for w, h in by_place.items() if w in places} for number, by_place in holds.items()}
    return {number: by_place for number, by_place in found.items() if by_place}


def _spread(connection: Connection, holds: Mapping[int, Mapping[int, Hold]]) -> None:
    """Put holds of all destinations on each of them instead, so that one of them can be ended."""
    ids = list(connection.execute(select(schema.destination.c.destination_id)).scalars())
    rows = []
    for number, by_place in sorted(holds.items()):
        hold = by_place[schema.EVERYWHERE]
        rows += [(number, place, hold.since_ms, hold.who, hold.why) for place in sorted(ids)]
    columns = ["observable_id", "destination_id", "since_ms", "who", "why"]
    bulk.insert_missing(connection, schema.hold, columns, rows)
    _delete(connection, holds, {schema.EVERYWHERE})


def _delete(connection: Connection, numbers: Iterable[int], places: Collection[int] | None) -> None:
    table = schema.hold
    for chunk in bulk.chunks(sorted(numbers)):
        which: ColumnElement[bool] = table.c.observable_id.in_(chunk)
        if places is not None:
            which &= table.c.destination_id.in_(sorted(places))
        connection.execute(delete(table).where(which))


def _let_go(connection: Connection, store: Store, numbers: Collection[int]) -> None:
    """Rows that were on hold are compared again like all others: with what is there."""
    values: list[bulk.Row] = [
        (store.destination_id, number, schema.SETTLED, row.sent_hash)
        for number, row in sorted(read(connection, store, numbers, locked=True).items())
        if row.state == schema.ON_HOLD
    ]
    bulk.update(connection, schema.holding, _KEY, ["state", "due_hash"], values)
