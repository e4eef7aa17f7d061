"""Rows by many keys, and those that are alike as groups."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    Connection,
    Engine,
    or_,
)

from misp_modules_ext.ledger import bulk
from misp_modules_ext.ledger.bulk import mariadb
from misp_modules_ext.ledger.engine import run
from tests.ledger.bulk.tables import (
    HARD,
    HOLDING,
    MANY,
    event,
    held,
    holding,
)


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


def test_nothing_is_found_by_none(ledger: Engine) -> None:
    """Nor by a key of another type."""
    for key in (None, "1", b"1"):
        with pytest.raises(TypeError):
            run(ledger, lambda c, key=key: list(bulk.rows_by(c, holding.c.observable_id, [1, key])))  # type: ignore[misc]


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
