"""A large ledger, made by the database itself: a row of each table for every number below the count.

One million observables in two thousand events, all asked for at two destinations: most of them settled there, the
newest twentieth due since one and the same moment, as a large submission leaves them, some rejected, skipped, expired
or on hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    String,
    Table,
    case,
    cast,
    func,
    insert,
    literal,
    literal_column,
    null,
    select,
    text,
    union_all,
)

from misp_modules_ext.ledger import Ledger, Store, schema
from misp_modules_ext.ledger.documents import write_attribute, write_header
from misp_modules_ext.ledger.engine import now_ms
from misp_modules_ext.model.outcome import Reason
from tests.support.build import attribute, event

#: Attributes of an event.
OF_AN_EVENT = 500
SUBMISSIONS = 5_000
#: Ids are spread over 63 bits, as digests are: n -> (n * factor mod prime) << 20 | n.
_FACTOR, _PRIME, _SHIFT = 5_700_357_409_661, 8_796_093_022_151, 1 << 20
_DIGEST, _OTHER_DIGEST = b"\x11" * 32, b"\x22" * 32
_DAY_MS = 86_400_000


def fill(ledger: Ledger, count: int, stores: list[Store]) -> None:
    """Fill an empty ledger.

    Args:
        ledger: has rows for the destinations, and nothing else.
        count: observables, at most a million.
        stores: the destinations.
    """
    with closing(Ledger(ledger.engine.url.render_as_string(hide_password=False))) as own:
        own.write(lambda connection: _fill(connection, count, [store.destination_id for store in stores]))
        _know(own)


def _fill(connection: Connection, count: int, places: list[int]) -> None:
    if connection.dialect.name == "sqlite":
        # For this connection alone, KiB: the indexes of a million rows do not fit into what it takes by itself.
        connection.execute(text("PRAGMA cache_size = -400000"))
    clock = now_ms(connection)
    _events(connection, max(1, count // OF_AN_EVENT), places, clock)
    n = _numbers(count)
    observable = schema.observable
    spread = (n.c.n * _big(_FACTOR)) % _big(_PRIME) * _big(_SHIFT) + n.c.n
    name = literal("host-") + cast(n.c.n, String(20)) + literal(".bulk-of-the-bench.net")
    _into(
        connection,
        observable,
        {"observable_id": spread, "kind": literal("domain-name"), "value": name},
        lambda row: row.select_from(n).order_by(spread),
    )
    _evidence(connection, clock)
    for place in places:
        _holdings(connection, place, count, clock)
    _submissions(connection, clock)


def _big(number: int) -> ColumnElement[int]:
    return literal_column(str(number), BigInteger)


def _numbers(count: int) -> FromClause:
    """The numbers from 0 to `count`, as all databases can make them."""
    digit = union_all(*(select(literal_column(str(value), BigInteger).label("n")) for value in range(10)))
    digits = [digit.subquery(f"d{place}") for place in range(6)]
    sums = [one.c.n * _big(10**place) for place, one in enumerate(digits)]
    number = sum(sums[1:], sums[0])
    joined: FromClause = digits[0]
    for one in digits[1:]:
        # Each with each: it always holds, and SQLAlchemy warns of a join without a condition.
        joined = joined.join(one, one.c.n > digits[0].c.n - 10)
    return select(number.label("n")).select_from(joined).where(number < count).subquery("numbers")


def _into(connection: Connection, table: Table, values: Mapping[str, Any], rows: Any) -> None:
    wanted: Select[Any] = select(*(value.label(name) for name, value in values.items()))
    connection.execute(insert(table).from_select(list(values), rows(wanted)))


def _events(connection: Connection, count: int, places: list[int], clock: int) -> None:
    """Events with a header each; one of twenty is unpublished or missing and to be read again."""
    n = _numbers(count)
    late = case((n.c.n % 20 == 0, _big(clock) + n.c.n), else_=null())
    failed = case((n.c.n % 200 == 0, literal("MISP does not show it.")), else_=null())
    number = cast(_big(100_000_000_000) + n.c.n, String(12))
    _into(
        connection,
        schema.event,
        {
            "uuid": literal("00000000-0000-4000-8000-") + number,
            "timestamp": _big(clock // 1000 - 86_400) + n.c.n,
            "read_due_ms": late,
            "read_message": failed,
        },
        lambda row: row.select_from(n).order_by(n.c.n),
    )
    table = schema.event
    document = write_header(event(tags=("tlp:amber",)), ())
    made = {"event_id": table.c.event_id, "digest": literal(_DIGEST), "document": literal(document)}
    _into(connection, schema.header, made, lambda row: row.select_from(table).order_by(table.c.event_id))
    for place in places:
        asked = {"event_id": table.c.event_id, "destination_id": _big(place)}
        _into(connection, schema.audience, asked, lambda row: row.select_from(table).order_by(table.c.event_id))


def _number_of(observable: FromClause) -> ColumnElement[int]:
    return observable.c.observable_id % _big(_SHIFT)


def _evidence(connection: Connection, clock: int) -> None:
    said = attribute("domain", "host-1.bulk-of-the-bench.net", comment="C2 server", tags=("tlp:amber",))
    header, seen = schema.header, schema.observable
    first, events = connection.execute(select(func.min(header.c.header_id), func.count())).one()
    first_event = connection.execute(select(func.min(header.c.event_id))).scalar_one()
    turn = _number_of(seen) % _big(events)
    values = {
        "observable_id": seen.c.observable_id,
        "event_id": _big(first_event) + turn,
        "attribute": literal(b"\x33" * 16),
        "header_id": _big(first) + turn,
        "taken": _big(clock // 1000 - 86_400),
        "timestamp": _big(said.timestamp),
        "origins": _big(3),
        "vouches": _big(1),
        "document": literal(write_attribute(said)),
    }
    _into(connection, schema.evidence, values, lambda row: row.select_from(seen).order_by(seen.c.observable_id))
    last = schema.evidence.c.event_id
    known = select(func.count(func.distinct(last))).where(last.in_(select(schema.event.c.event_id)))
    assert connection.execute(known).scalar_one() == min(events, connection.execute(_count(seen)).scalar_one())


def _count(table: FromClause) -> Select[tuple[int]]:
    return select(func.count()).select_from(table)


def _holdings(connection: Connection, place: int, count: int, clock: int) -> None:
    seen = schema.observable
    n = _number_of(seen)
    due, new = n >= _big(count - count // 20), n % 4 != 0
    per_mille = n % 1000
    fate = (
        (due, schema.DUE),
        (per_mille < 10, schema.REJECTED),
        (per_mille < 20, schema.SKIPPED),
        (per_mille < 70, schema.EXPIRED),
        (per_mille < 71, schema.ON_HOLD),
    )
    reason = (
        (due, null()),
        (per_mille < 10, literal(Reason.REJECTED.code)),
        (per_mille < 20, literal(Reason.CAPACITY.code)),
    )
    there = case((due & new, null()), (per_mille < 20, null()), else_=literal(_DIGEST))
    values = {
        "destination_id": _big(place),
        "observable_id": seen.c.observable_id,
        "state": case(*fate, else_=schema.SETTLED),
        "due_hash": case((due, literal(_OTHER_DIGEST)), else_=literal(_DIGEST)),
        "sent_hash": there,
        "due_ms": case((due, _big(clock)), (per_mille < 20, _big(clock + _DAY_MS)), else_=_big(clock - _DAY_MS) + n),
        "created_ms": _big(clock - _DAY_MS),
        "modified_ms": _big(clock - _DAY_MS),
        "valid_until": case((per_mille < 70, _big(clock // 1000)), else_=_big(clock // 1000 + 864_000) + n),
        "reason": case(*reason, else_=null()),
    }
    _into(connection, schema.holding, values, lambda row: row.select_from(seen).order_by(seen.c.observable_id))
    held = {
        "observable_id": seen.c.observable_id,
        "destination_id": _big(place),
        "since_ms": _big(clock - _DAY_MS),
        "who": literal("analyst"),
        "why": literal("a customer's own host"),
    }
    _into(connection, schema.hold, held, lambda row: row.select_from(seen).where(~due, per_mille == 70))


def _submissions(connection: Connection, clock: int) -> None:
    n = _numbers(SUBMISSIONS)
    values = {
        "submission_id": literal("00000000-0000-4000-9000-") + cast(_big(100_000_000_000) + n.c.n, String(12)),
        "door": literal("export"),
        "started_ms": _big(clock - _DAY_MS) + n.c.n,
        "finished_ms": _big(clock - _DAY_MS) + n.c.n,
        "document": literal(bytes(2_000)),
    }
    _into(connection, schema.submission, values, lambda row: row.select_from(n))


def _know(ledger: Ledger) -> None:
    """What these databases do by themselves within minutes: look at what has come."""
    tables = ", ".join(table.name for table in schema.metadata.sorted_tables)
    commands = {"postgresql": f"VACUUM ANALYZE {tables}", "mysql": f"ANALYZE TABLE {tables}"}
    command = commands.get(ledger.engine.dialect.name, commands["mysql"])
    if ledger.engine.dialect.name != "sqlite":
        with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(command))
