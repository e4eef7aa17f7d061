"""Many rows at once: what is written is what is read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    Connection,
    Engine,
    func,
    select,
    text,
)

from misp_modules_ext.ledger import bulk
from misp_modules_ext.ledger.bulk import Row
from misp_modules_ext.ledger.engine import run
from tests.ledger.bulk.tables import (
    EVIDENCE,
    HARD,
    HOLDING,
    LIMITS,
    MANY,
    Writing,
    event,
    everything,
    evidence,
    held,
    holding,
    writings,
)


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
