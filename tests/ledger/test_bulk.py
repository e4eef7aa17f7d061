"""Many rows at once: what is written is what is read, on all three databases, and never half of it."""

from __future__ import annotations

import enum
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    Engine,
    Float,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    func,
    literal_column,
    or_,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError, IntegrityError

from misp_modules_ext.errors import LedgerError
from misp_modules_ext.ledger import bulk
from misp_modules_ext.ledger.bulk import Row, mariadb
from misp_modules_ext.ledger.engine import connect, run
from misp_modules_ext.ledger.schema import Digest, Id, LongBinary, LongText, Uuid16
from tests.support.databases import KINDS, database

_METADATA = MetaData()
_TABLE: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}

evidence = Table(
    "evidence",
    _METADATA,
    Column("observable_id", BigInteger, primary_key=True, autoincrement=False),
    Column("attribute", Uuid16, primary_key=True),
    Column("taken", BigInteger),
    Column("order", SmallInteger, nullable=False),  # a word that each database keeps for itself
    Column("document", LongBinary),
    Column("value", LongText),
    CheckConstraint("taken <> 13", name="ck_evidence_taken"),
    **_TABLE,
)
holding = Table(
    "holding",
    _METADATA,
    Column("destination_id", BigInteger, primary_key=True, autoincrement=False),
    Column("observable_id", BigInteger, primary_key=True, autoincrement=False),
    Column("state", SmallInteger, nullable=False),
    Column("due_hash", Digest),
    Column("due_ms", BigInteger, nullable=False, server_default="0"),
    Column("reason", String(32)),
    Index("ix_holding_due", "destination_id", "state", "due_ms"),
    Index("ix_holding_due_hash", "due_hash"),
    **_TABLE,
)
#: Numbered by the database, and known by a text.
event = Table(
    "event",
    _METADATA,
    Column("event_id", Id, primary_key=True, autoincrement=True),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("timestamp", BigInteger, nullable=False),
    Column("title", String(16)),
    **_TABLE,
)

EVIDENCE = [column.name for column in evidence.c]
HOLDING = [column.name for column in holding.c]
#: More than three times what any database gets in one statement.
MANY = 15_100
HARD = (
    "",
    "'",
    '"',
    "\\",
    "\\'; --",
    "%s %(x)s %%",
    "?",
    ":a",
    "\t\r\n",
    "\\N",
    "NULL",
    "{a,b}",
    "Ünïcode",
    "😀🏴‍☠️",
    " a ",
)
LIMITS = (-(2**63), -1, 0, 1, 2**63 - 1)


@pytest.fixture(scope="module", params=KINDS)
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine with the tables of these tests. Making a database for each of them would take most of the time."""
    with database(request.param, tmp_path_factory.mktemp("ledger")) as url:
        engine = connect(url)
        run(engine, _METADATA.create_all)
        yield engine
        engine.dispose()


@pytest.fixture
def ledger(shared: Engine) -> Engine:
    """The same with empty tables."""
    run(shared, lambda c: [c.execute(table.delete()) for table in _METADATA.sorted_tables])
    return shared


def everything(engine: Engine, table: Table = holding) -> list[tuple[Any, ...]]:
    """All rows, as Core reads them, in the order of their key."""
    wanted = select(table).order_by(*table.primary_key.columns)
    return run(engine, lambda c: [tuple(row) for row in c.execute(wanted)])


def held(numbers: Iterable[int], state: int = 0, destination: int = 1) -> list[Row]:
    """Rows of `holding`."""
    return [(destination, n, state, n.to_bytes(32, "big") if n % 3 else None, -n, f"r{n % 7}") for n in numbers]


def _insert_missing(connection: Connection, table: Table, columns: list[str], rows: Iterable[Row]) -> None:
    bulk.insert_missing(connection, table, columns, rows)


def _upsert(connection: Connection, table: Table, columns: list[str], rows: Iterable[Row]) -> None:
    bulk.upsert(connection, table, columns, [column.name for column in table.primary_key.columns], rows)


Writing = Callable[[Connection, Table, list[str], Iterable[Row]], None]
writings = pytest.mark.parametrize("write", [bulk.insert, _insert_missing, _upsert])


@writings
@pytest.mark.parametrize("count", [0, 1, 150, MANY])
def test_what_is_written_is_there(ledger: Engine, write: Writing, count: int) -> None:
    """None, one, a few and many rows, from a list or from anything that yields them."""
    rows = held(range(1, count + 1))
    run(ledger, lambda c: write(c, holding, HOLDING, iter(rows)))
    assert everything(ledger) == rows


@writings
def test_values_arrive_as_they_are(ledger: Engine, write: Writing) -> None:
    """Whatever a database takes for a sign: quotes, backslashes, marks of parameters, binary zeros, ends of numbers."""
    documents = [bytes(range(256)), b"", b"\0", b"'\\%s", b"\x80\xff", None]
    rows: list[Row] = []
    for number, value in enumerate((*HARD, None)):
        key = number.to_bytes(16, "big")
        rows.append((LIMITS[number % 5], key, LIMITS[-number % 5], number, documents[number % 6], value))
    rows.sort(key=str)
    run(ledger, lambda c: write(c, evidence, EVIDENCE, rows))
    assert sorted(everything(ledger, evidence), key=str) == rows
    names = [evidence.c[name] for name in EVIDENCE[1:]]
    found = run(ledger, lambda c: list(bulk.rows_by(c, evidence.c.observable_id, LIMITS, *names)))
    assert sorted(found, key=str) == rows


@pytest.mark.parametrize("count", [1, 150, MANY])
def test_insert_missing_leaves_what_is_there(ledger: Engine, count: int) -> None:
    """Every third row is there already."""
    numbers = range(1, count + 1)
    run(ledger, lambda c: bulk.insert(c, holding, HOLDING, held(numbers[::3], state=5)))
    run(ledger, lambda c: bulk.insert_missing(c, holding, HOLDING, held(numbers, state=1)))
    assert [row[2] for row in everything(ledger)] == [5 if n % 3 == 1 else 1 for n in numbers]


def test_insert_missing_goes_by_any_unique_key(ledger: Engine) -> None:
    """Events are known by UUID; the database numbers them."""
    uuids = [f"{number:036}" for number in range(600)]
    run(ledger, lambda c: bulk.insert_missing(c, event, ["uuid", "timestamp"], [(u, 1) for u in uuids[::2]]))
    run(ledger, lambda c: bulk.insert_missing(c, event, ["uuid", "timestamp"], [(u, 2) for u in uuids]))
    found = run(ledger, lambda c: dict(bulk.rows_by(c, event.c.uuid, uuids, event.c.timestamp)))
    assert [found[uuid] for uuid in uuids] == [1, 2] * 300


@pytest.mark.parametrize("count", [1, 150, MANY])
def test_upsert_sets_what_is_there_and_keeps_what_is_said(ledger: Engine, count: int) -> None:
    """Every other row is there already; `due_ms` stays as it was first written."""
    numbers = range(1, count + 1)
    run(ledger, lambda c: bulk.insert(c, holding, HOLDING, held(numbers[::2], state=5)))
    later: list[Row] = [(1, n, 2, b"\1" * 32, 77, None) for n in numbers]
    run(ledger, lambda c: bulk.upsert(c, holding, HOLDING, HOLDING[:2], later, keep=["due_ms"]))
    expected = [(1, n, 2, b"\1" * 32, -n if n % 2 else 77, None) for n in numbers]
    assert everything(ledger) == expected


def test_upsert_that_keeps_everything_only_adds(ledger: Engine) -> None:
    """There is nothing to set."""
    run(ledger, lambda c: bulk.upsert(c, holding, HOLDING, HOLDING[:2], held([1], state=1)))
    run(ledger, lambda c: bulk.upsert(c, holding, HOLDING, HOLDING[:2], held([1, 2], state=2), keep=HOLDING[2:]))
    assert [row[2] for row in everything(ledger)] == [1, 2]


def test_insert_says_that_a_key_is_there(ledger: Engine) -> None:
    """The error is SQLAlchemy's, and tells no value; nothing of the transaction is kept."""
    run(ledger, lambda c: bulk.insert(c, evidence, EVIDENCE, [(9, b"k" * 16, 1, 1, b"", "first")]))
    rows: list[Row] = [(n, b"k" * 16, 1, 1, b"", f"confidential-{n}") for n in range(MANY)]

    def work(connection: Connection) -> None:
        bulk.insert(connection, holding, HOLDING, held(range(10)))
        bulk.insert(connection, evidence, EVIDENCE, rows)

    with ledger.connect() as connection, pytest.raises(IntegrityError) as caught:
        work(connection)
    assert "confidential" not in str(caught.value)
    with pytest.raises(LedgerError, match="Nothing was kept"):
        run(ledger, work)
    assert everything(ledger) == []
    assert [row[-1] for row in everything(ledger, evidence)] == ["first"]


@writings
def test_an_error_in_the_middle_keeps_nothing(ledger: Engine, write: Writing) -> None:
    """The last row breaks a rule of the table's."""
    rows: list[Row] = [(n, b"k" * 16, n, 1, None, None) for n in range(20, MANY)]
    rows.append((MANY, b"k" * 16, 13, 1, None, None))
    with pytest.raises(LedgerError, match="Nothing was kept"):
        run(ledger, lambda c: write(c, evidence, EVIDENCE, rows))
    assert everything(ledger, evidence) == []


@writings
def test_an_error_early_on_is_told_and_the_connection_goes_on(ledger: Engine, write: Writing) -> None:
    """On MariaDB later rows are made by the time it is answered; a rollback must not be taken for that answer."""
    rows: list[Row] = [(n, b"k" * 16, 13 if n == 21 else n, 1, None, None) for n in range(20, MANY)]
    with ledger.connect() as connection:
        with pytest.raises(DBAPIError, match="ck_evidence_taken"):
            write(connection, evidence, EVIDENCE, rows)
        connection.rollback()
        write(connection, evidence, EVIDENCE, rows[2:])
        connection.commit()
    assert everything(ledger, evidence) == rows[2:]


@writings
def test_rows_that_cannot_be_made_leave_the_connection_as_it_was(ledger: Engine, write: Writing) -> None:
    """What made them fails while the server is at those before."""

    def rows() -> Iterator[Row]:
        for n in range(20, MANY):
            yield (n, b"k" * 16, n, 1, None, None)
        raise ZeroDivisionError

    with ledger.connect() as connection:
        with pytest.raises(ZeroDivisionError):
            write(connection, evidence, EVIDENCE, rows())
        connection.rollback()
        assert connection.execute(select(func.count()).select_from(evidence)).scalar_one() == 0
        write(connection, evidence, EVIDENCE, [(20, b"k" * 16, 20, 1, None, None)])
        connection.commit()
    assert len(everything(ledger, evidence)) == 1


def test_update_sets_rows_that_are_there(ledger: Engine) -> None:
    """Others are passed over, and other columns stay."""
    run(ledger, lambda c: bulk.insert(c, holding, HOLDING, held(range(0, MANY, 2))))
    changes: list[Row] = [(1, n, n % 5, None if n % 4 else b"\2" * 32, HARD[n % len(HARD)]) for n in range(MANY)]
    run(ledger, lambda c: bulk.update(c, holding, HOLDING[:2], ["state", "due_hash", "reason"], changes))
    expected = [(1, n, n % 5, None if n % 4 else b"\2" * 32, -n, HARD[n % len(HARD)]) for n in range(0, MANY, 2)]
    assert everything(ledger) == expected


@pytest.mark.parametrize("count", [0, 1, 2, 300])
def test_update_with_the_same_values_in_all_rows(ledger: Engine, count: int) -> None:
    """Which is what most updates are: a state, a time, nothing."""
    rows = held(range(1, 301))
    run(ledger, lambda c: bulk.insert(c, holding, HOLDING, rows))
    same: list[Row] = [(1, n, 4, None, 2**63 - 1, "\\'😀") for n in range(1, count + 1)]
    run(ledger, lambda c: bulk.update(c, holding, HOLDING[:2], HOLDING[2:], same))
    assert everything(ledger) == [*same, *rows[count:]]


def test_update_by_keys_of_any_type(ledger: Engine) -> None:
    """A text; a number with bytes."""
    run(ledger, lambda c: bulk.insert(c, event, ["uuid", "timestamp"], [("a", 1), ("b'", 1), ("ü", 1)]))
    run(ledger, lambda c: bulk.update(c, event, ["uuid"], ["timestamp", "title"], [("b'", 2, "😀"), ("ü", 3, None)]))
    assert [row[1:] for row in everything(ledger, event)] == [("a", 1, None), ("b'", 2, "😀"), ("ü", 3, None)]
    keys = [b"\0" * 16, b"'" * 16]
    run(ledger, lambda c: bulk.insert(c, evidence, EVIDENCE, [(-1, key, 1, 1, None, None) for key in keys]))
    run(ledger, lambda c: bulk.update(c, evidence, EVIDENCE[:2], ["order"], [(-1, keys[1], 2), (0, keys[1], 3)]))
    assert [row[3] for row in everything(ledger, evidence)] == [1, 2]


@pytest.mark.parametrize("shared", ["postgresql"], indirect=True)
def test_updates_leave_the_planner_as_it_was(ledger: Engine) -> None:
    """PostgreSQL is told for a moment how to look rows up."""

    def work(connection: Connection) -> list[str]:
        bulk.update(connection, holding, HOLDING[:2], ["state"], [(1, 1, 1)])
        return [connection.execute(text(f"SHOW enable_{how}join")).scalar_one() for how in ("hash", "merge")]

    assert run(ledger, work) == ["on", "on"]


@pytest.mark.parametrize("count", [0, 1, 1000, 50_000])
def test_rows_by_many_keys(ledger: Engine, count: int) -> None:
    """Two destinations hold them; only one is asked for. Half of the keys are not there."""
    keys = [2**62 + 3 * n for n in range(count)]
    for destination in (1, 2):
        rows = held(keys[::2], destination, destination)
        run(ledger, lambda c, rows=rows: bulk.insert(c, holding, HOLDING, rows))  # type: ignore[misc]
    columns = [holding.c[name] for name in ("destination_id", *HOLDING[2:])]
    where = holding.c.destination_id == 2
    found = run(ledger, lambda c: list(bulk.rows_by(c, holding.c.observable_id, keys, *columns, where=where)))
    assert sorted(found) == [(row[1], row[0], *row[2:]) for row in held(keys[::2], 2, 2)]
    assert all(type(row) is tuple for row in found)


def test_rows_by_other_conditions_and_keys(ledger: Engine) -> None:
    """A condition with OR and lists stays one condition; keys may be bytes or texts; one key may have many rows."""
    run(ledger, lambda c: bulk.insert(c, holding, HOLDING, held(range(2000), state=1)))
    either = or_(holding.c.observable_id.not_in([5, 6, 7]), holding.c.reason == "r6")
    found = run(ledger, lambda c: list(bulk.rows_by(c, holding.c.observable_id, [4, 5, 6, 7], where=either)))
    assert sorted(found) == [(4,), (6,)]
    digests = [n.to_bytes(32, "big") for n in range(1, 2000)]
    found = run(ledger, lambda c: list(bulk.rows_by(c, holding.c.due_hash, digests, holding.c.observable_id)))
    assert sorted(n for _, n in found) == [n for n in range(2000) if n % 3]
    here = holding.c.due_hash == digests[0]
    found = run(ledger, lambda c: list(bulk.rows_by(c, holding.c.observable_id, [1, 2], where=here)))
    assert found == [(1,)]
    found = run(ledger, lambda c: list(bulk.rows_by(c, holding.c.destination_id, [1, 2], holding.c.observable_id)))
    assert sorted(found) == [(1, n) for n in range(2000)]
    uuids = [*HARD, *map(str, range(2000))]
    run(ledger, lambda c: bulk.insert(c, event, ["uuid", "timestamp"], [(uuid, 1) for uuid in uuids]))
    found = run(ledger, lambda c: list(bulk.rows_by(c, event.c.uuid, [*uuids, "none"])))
    assert sorted(found) == sorted((uuid,) for uuid in uuids)


class _Number(enum.IntEnum):
    ONE = 1


@writings
def test_other_values_are_type_errors(ledger: Engine, write: Writing) -> None:
    """Databases would take some of them for something else, each in its way."""
    good: Row = (0, b"k" * 16, 1, 1, None, None)
    others: list[Any] = [
        *((1, b"k" * 16, number, 1, None, None) for number in (True, _Number.ONE, 1.0, "1", b"1")),
        *((1, b"k" * 16, 1, 1, document, None) for document in ("text", bytearray(b"x"), memoryview(b"x"), 1)),
        *((1, b"k" * 16, 1, 1, None, value) for value in (b"bytes", 1)),
        good[:-1],
        (*good, None),
    ]
    for row in others:
        with pytest.raises(TypeError, match="evidence"):
            run(ledger, lambda c, row=row: write(c, evidence, EVIDENCE, [good, row]))  # type: ignore[misc]
        with pytest.raises(TypeError, match="evidence"):
            run(ledger, lambda c, row=row: write(c, evidence, EVIDENCE, [row]))  # type: ignore[misc]
    assert everything(ledger, evidence) == []


@writings
def test_text_that_cannot_be_kept_is_a_sentence(ledger: Engine, write: Writing) -> None:
    """On every database, also on those that would take it; without the value."""
    for value in ("a\0b", "\ud800", "a\udfff"):
        rows: list[Row] = [(n, b"k" * 16, 1, 1, None, text) for n, text in enumerate(("fine", value))]
        with pytest.raises(LedgerError, match=r"evidence\.value holds U\+0000 .*Correct the value in MISP"):
            run(ledger, lambda c, rows=rows: write(c, evidence, EVIDENCE, rows))  # type: ignore[misc]
    assert everything(ledger, evidence) == []


@writings
def test_numbers_and_texts_that_do_not_fit_are_errors(ledger: Engine, write: Writing) -> None:
    """Nothing is cut off. SQLite alone keeps long texts and has one size of numbers."""
    with pytest.raises(LedgerError, match="Nothing was kept"):
        run(ledger, lambda c: write(c, evidence, EVIDENCE, [(2**63, b"k" * 16, 1, 1, None, None)]))
    if ledger.dialect.name == "sqlite":
        return
    with pytest.raises(LedgerError, match="Nothing was kept"):
        run(ledger, lambda c: write(c, evidence, EVIDENCE, [(1, b"k" * 16, 1, 32_768, None, None)]))
    with pytest.raises(LedgerError, match="Nothing was kept"):
        run(ledger, lambda c: write(c, holding, HOLDING, [(1, 1, 1, None, 0, "r" * 33)]))


def test_rows_that_are_alike_are_found_as_groups(ledger: Engine) -> None:
    """Each key that is there, once, with what its row says, for each condition; others are not.

    The keys come in any order, and may be made meanwhile. The longest numbers are whole.
    """
    huge = range(2**63 - MANY, 2**63)
    rows = sorted(held([*range(MANY), *huge]) + held(range(50), state=1, destination=2))
    run(ledger, lambda c: bulk.insert(c, holding, HOLDING, rows))
    one, none, two = holding.c.destination_id == 1, holding.c.destination_id == 3, holding.c.destination_id.in_([2, 4])
    keys = [*range(MANY + 500), *huge]
    random.Random(7).shuffle(keys)

    def look(connection: Connection) -> list[dict[tuple[Any, ...], list[int]]]:
        also = lambda of: of.c.due_ms > -(10**6)  # noqa: E731 - as callers write it
        columns = (holding.c.reason, holding.c.state)
        wheres = [one, none, two]
        return bulk.grouped(connection, holding.c.observable_id, iter(keys), *columns, wheres=wheres, also=also)

    here, nowhere, there = run(ledger, look)
    expected: dict[tuple[Any, ...], list[int]] = {}
    for n in range(MANY):
        expected.setdefault((f"r{n % 7}", 0), []).append(n)
    assert {key: sorted(numbers) for key, numbers in here.items()} == expected
    assert nowhere == {}
    assert sorted(n for numbers in there.values() for n in numbers) == list(range(50))
    every = run(ledger, lambda c: bulk.grouped(c, holding.c.observable_id, keys, holding.c.state, wheres=[one]))
    assert sorted(every[0][0,]) == [*range(MANY), *huge]


def test_many_conditions_are_no_larger_than_a_packet(ledger: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """MariaDB is asked about all of them in one statement, and may take no more than a megabyte."""
    run(ledger, lambda c: bulk.insert(c, holding, HOLDING, held(range(MANY))))
    wheres = [holding.c.destination_id == number for number in range(20)]

    def look(connection: Connection) -> list[dict[tuple[Any, ...], list[int]]]:
        if connection.dialect.name in ("mysql", "mariadb"):
            monkeypatch.setitem(connection.info, "max_allowed_packet", 100_000)
        return bulk.grouped(connection, holding.c.observable_id, range(MANY), holding.c.state, wheres=wheres)

    asked: list[int] = []
    original = mariadb._Ahead.ask
    monkeypatch.setattr(mariadb._Ahead, "ask", lambda self, text: (asked.append(len(text)), original(self, text))[1])
    found = run(ledger, look)
    assert [sorted(n for numbers in groups.values() for n in numbers) for groups in found] == [
        list(range(MANY)) if number == 1 else [] for number in range(20)
    ]
    assert bool(asked) is (ledger.dialect.name in ("mysql", "mariadb"))
    assert max(asked, default=0) <= 100_000


@pytest.mark.parametrize("shared", ["mariadb"], indirect=True)
def test_a_driver_without_halves_works_as_well(ledger: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are private names of the driver for MariaDB, and may go; then nothing is done ahead."""
    monkeypatch.setattr(mariadb, "_HALVES", ("no_such_name",))
    monkeypatch.setattr(mariadb, "_QUERY", None)  # nobody uses them
    rows = held(range(MANY))
    run(ledger, lambda c: bulk.insert(c, holding, HOLDING, rows))
    assert everything(ledger) == rows
    here = holding.c.destination_id == 1
    (found,) = run(ledger, lambda c: bulk.grouped(c, holding.c.observable_id, [3, 1], holding.c.state, wheres=[here]))
    assert sorted(found[0,]) == [1, 3]


@pytest.mark.parametrize("doing", ["insert", "upsert", "update", "grouped"])
def test_an_interruption_is_one_and_the_next_transaction_works(ledger: Engine, doing: str) -> None:
    """Ctrl-C while rows or keys are made: it comes out as it went in, and nothing is kept."""
    rows = held(range(MANY))
    run(ledger, lambda c: bulk.insert(c, holding, HOLDING, rows[:10]))

    def broken(made: Iterable[Any]) -> Iterator[Any]:
        yield from made
        raise KeyboardInterrupt

    def work(connection: Connection) -> None:
        if doing == "insert":
            bulk.insert(connection, holding, HOLDING, broken(rows[10:]))
        elif doing == "upsert":
            _upsert(connection, holding, HOLDING, broken(rows[10:]))
        elif doing == "update":
            changes = [(*row[:2], 4) for row in rows]
            bulk.update(connection, holding, HOLDING[:2], ["state"], broken(changes))
        else:
            here = holding.c.destination_id == 1
            bulk.grouped(connection, holding.c.observable_id, broken(range(MANY)), holding.c.state, wheres=[here])

    with pytest.raises(KeyboardInterrupt):
        run(ledger, work)
    assert everything(ledger) == rows[:10]
    run(ledger, lambda c: bulk.insert(c, holding, HOLDING, rows[10:]))
    assert everything(ledger) == rows


@pytest.mark.parametrize("shared", ["mariadb"], indirect=True)
def test_an_interruption_while_the_server_is_waited_for(ledger: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle of an answer, also of one that is waited for because of an error."""

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    def rows() -> Iterator[Row]:
        yield from held(range(3000))
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(mariadb._Ahead, "answer", interrupted)
        for made in (held(range(3000)), rows()):
            with pytest.raises(KeyboardInterrupt):
                run(ledger, lambda c, made=made: bulk.insert(c, holding, HOLDING, made))  # type: ignore[misc]
    assert everything(ledger) == []


def test_what_fails_while_keys_are_made_leaves_the_connection_as_it_was(ledger: Engine) -> None:
    """On PostgreSQL much has been asked by then, and nothing of it answered."""
    run(ledger, lambda c: bulk.insert(c, holding, HOLDING, sorted(held(range(MANY)))))
    here = holding.c.destination_id == 1

    def keys() -> Iterator[int]:
        yield from range(MANY)
        raise ZeroDivisionError

    def look(connection: Connection) -> list[dict[tuple[Any, ...], list[int]]]:
        by = (connection, holding.c.observable_id)
        with pytest.raises(ZeroDivisionError):
            bulk.grouped(*by, keys(), holding.c.state, wheres=[here])
        return bulk.grouped(*by, range(3), holding.c.state, wheres=[here])

    (found,) = run(ledger, look)
    assert sorted(found[0,]) == [0, 1, 2]


def test_an_error_of_the_server_while_keys_are_made_is_ours(ledger: Engine) -> None:
    """As everywhere in bulk: SQLAlchemy's, so that `engine.run` understands it."""
    gone = holding.c.destination_id == literal_column("no_such_column")
    with pytest.raises(LedgerError):
        run(ledger, lambda c: bulk.grouped(c, holding.c.observable_id, range(9), holding.c.state, wheres=[gone]))


def test_nothing_is_found_by_none(ledger: Engine) -> None:
    """Nor by a key of another type."""
    for key in (None, "1", b"1"):
        with pytest.raises(TypeError):
            run(ledger, lambda c, key=key: list(bulk.rows_by(c, holding.c.observable_id, [1, key])))  # type: ignore[misc]


def test_columns_of_other_types_are_type_errors(ledger: Engine) -> None:
    """Numbers with a point, dates: the ledger has none."""
    other = Table("other", MetaData(), Column("id", Integer, primary_key=True), Column("share", Float))
    with pytest.raises(TypeError, match=r"other\.share"):
        run(ledger, lambda c: bulk.insert(c, other, ["id", "share"], [(1, 1)]))


def test_large_rows_go_in_pieces(ledger: Engine) -> None:
    """Together they are far more than MariaDB takes in one statement."""
    rows: list[Row] = [(n, b"k" * 16, n, 1, bytes([n]) * 1_000_000, "ü" * 100_000) for n in range(20, 30)]
    run(ledger, lambda c: bulk.insert(c, evidence, EVIDENCE, rows))
    assert everything(ledger, evidence) == rows
    larger: list[Row] = [(n, b"k" * 16, bytes([n]) * 1_500_000, "ä" * 300_000) for n in range(20, 30)]
    run(ledger, lambda c: bulk.update(c, evidence, EVIDENCE[:2], ["document", "value"], larger))
    assert [row[4:] for row in everything(ledger, evidence)] == [row[2:] for row in larger]


def test_updates_with_a_long_value_among_short_ones(ledger: Engine) -> None:
    """MariaDB would cut some of them off."""
    keys = [(n, b"k" * 16) for n in range(20, 40)]
    run(ledger, lambda c: bulk.insert(c, evidence, EVIDENCE, [(*key, 1, 1, None, None) for key in keys]))
    for long in (29_000, 65_535, 65_536, 70_000):
        values = [(bytes([n]) * (long if n == 25 else n), "😀" * (long if n == 30 else n)) for n, _ in keys]
        changes: list[Row] = [(*key, *those) for key, those in zip(keys, values, strict=True)]
        run(ledger, lambda c, rows=changes: bulk.update(c, evidence, EVIDENCE[:2], ["document", "value"], rows))  # type: ignore[misc]
        assert [row[4:] for row in everything(ledger, evidence)] == values


@pytest.mark.parametrize("shared", ["mariadb"], indirect=True)
def test_a_row_that_is_too_large_is_a_sentence(ledger: Engine) -> None:
    """MariaDB has such a limit: with the setting to raise; the connection goes on."""
    packet = run(ledger, lambda c: int(c.execute(text("SELECT @@max_allowed_packet")).scalar_one()))
    rows: list[Row] = [(1, b"k" * 16, 1, 1, None, None), (2, b"k" * 16, 1, 1, b"x" * (packet // 2), None)]
    with pytest.raises(LedgerError, match="Raise max_allowed_packet"):
        run(ledger, lambda c: bulk.insert(c, evidence, EVIDENCE, rows))
    assert everything(ledger, evidence) == []


@pytest.mark.parametrize("write", [_insert_missing, _upsert])
@pytest.mark.parametrize("count", [100, 1000])
def test_a_key_that_another_transaction_adds_meanwhile(ledger: Engine, write: Writing, count: int) -> None:
    """It has written the key and not yet committed: we wait for it, and neither fail nor lose anything."""
    with ledger.connect() as other:
        bulk.insert(other, holding, HOLDING, held([count // 2], state=5))
        thread = threading.Thread(target=run, args=(ledger, lambda c: write(c, holding, HOLDING, held(range(count)))))
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
        other.commit()
    thread.join(30)
    kept = 5 if write is _insert_missing else 0
    assert [row[2] for row in everything(ledger)] == [kept if n == count // 2 else 0 for n in range(count)]


def test_two_that_write_the_same_keys_in_order(ledger: Engine) -> None:
    """Neither is a dead-lock's victim: nothing runs again."""
    attempts: list[int] = []
    failures: list[BaseException] = []

    def one(state: int) -> None:
        def work(connection: Connection) -> None:
            attempts.append(state)
            bulk.upsert(connection, holding, HOLDING, HOLDING[:2], held(range(3000), state))
            changes: list[Row] = [(1, n, state) for n in range(3000)]
            bulk.update(connection, holding, HOLDING[:2], ["due_ms"], changes)

        try:
            for _ in range(3):
                run(ledger, work)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test tells it
            failures.append(error)

    threads = [threading.Thread(target=one, args=(state,)) for state in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(attempts) == [1, 1, 1, 2, 2, 2]
    rows = everything(ledger)
    assert len(rows) == 3000
    assert {(row[2], row[4]) for row in rows} in ({(1, 1)}, {(2, 2)})


def test_a_connection_without_a_transaction_gets_one(ledger: Engine) -> None:
    """Its owner commits or rolls back."""
    with ledger.connect() as connection:
        bulk.insert(connection, holding, HOLDING, held([1]))
        connection.rollback()
        bulk.insert(connection, holding, HOLDING, held([2]))
        connection.commit()
    assert everything(ledger) == held([2])


@pytest.mark.parametrize(("size", "lengths"), [(1, [1, 1, 1]), (2, [2, 1]), (3, [3]), (4, [3])])
def test_chunks(size: int, lengths: list[int]) -> None:
    """Of at most so many items, none of them empty."""
    assert [len(chunk) for chunk in bulk.chunks("abc", size)] == lengths
    assert list(bulk.chunks([], size)) == []


_NUMBERS = st.integers(-(2**63), 2**63 - 1)
_TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
_ROWS = st.lists(
    st.tuples(
        _NUMBERS,
        st.binary(min_size=16, max_size=16),
        st.none() | _NUMBERS.filter(lambda number: number != 13),
        st.integers(-(2**15), 2**15 - 1),
        st.none() | st.binary(),
        st.none() | _TEXTS,
    ),
    unique_by=lambda row: row[:2],
    max_size=30,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(before=_ROWS, rows=_ROWS)
def test_any_values_come_back(ledger: Engine, before: list[Row], rows: list[Row]) -> None:
    """Inserted, set, and set again by another way."""

    def work(connection: Connection) -> tuple[list[Any], list[Any]]:
        connection.execute(evidence.delete())
        bulk.insert(connection, evidence, EVIDENCE, sorted(before, key=lambda row: row[:2]))  # type: ignore[arg-type,return-value]
        bulk.upsert(connection, evidence, EVIDENCE, EVIDENCE[:2], sorted(rows, key=lambda row: row[:2]))  # type: ignore[arg-type,return-value]
        upserted = _by_key(connection, before, rows)
        bulk.update(connection, evidence, EVIDENCE[:2], EVIDENCE[2:], sorted(before, key=lambda row: row[:2]))  # type: ignore[arg-type,return-value]
        return upserted, _by_key(connection, before, rows)

    expected = {row[:2]: row for row in before} | {row[:2]: row for row in rows}
    again = expected | {row[:2]: row for row in before}
    upserted, updated = run(ledger, work)
    assert sorted(upserted, key=str) == sorted(expected.values(), key=str)
    assert sorted(updated, key=str) == sorted(again.values(), key=str)


def _by_key(connection: Connection, *lists: list[Row]) -> list[tuple[Any, ...]]:
    keys = sorted({row[0] for rows in lists for row in rows})  # type: ignore[type-var]
    columns = [evidence.c[name] for name in EVIDENCE[1:]]
    found = list(bulk.rows_by(connection, evidence.c.observable_id, keys, *columns))
    assert len(found) == connection.execute(select(func.count()).select_from(evidence)).scalar_one()
    return found


_ASKS = """
import sys
from misp_modules_ext.ledger import bulk, open_ledger, schema

table = schema.observable
ledger = open_ledger(sys.argv[1])

def resident():
    with open("/proc/self/status") as status:
        return int(next(line for line in status if line.startswith("VmRSS:")).split()[1])

def ask(start):
    numbers = range(start * 10**12, start * 10**12 + 20_000)
    assert list(ledger.read(lambda c: list(bulk.rows_by(c, table.c.observable_id, numbers, table.c.kind)))) == []

for number in range(1, 11):
    ask(number)
before = resident()
for number in range(11, 51):
    ask(number)
print(resident() - before)
"""


def test_questions_about_many_leave_nothing_in_memory(tmp_path: Path) -> None:
    """A prepared statement that names 20,000 observables takes half a megabyte, and Python would keep 128 of them."""
    command = [sys.executable, "-c", _ASKS, f"sqlite:///{tmp_path / 'ledger.db'}"]
    grown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert int(grown) < 8 * 1024, "kilobytes"
