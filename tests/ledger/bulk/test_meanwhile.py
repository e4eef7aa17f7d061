"""What happens while a statement is on its way: failures, Ctrl-C, other transactions."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from sqlalchemy import (
    Connection,
    Engine,
    func,
    literal_column,
    select,
)

from misp_modules_ext.errors import LedgerError
from misp_modules_ext.ledger import bulk
from misp_modules_ext.ledger.bulk import Row, mariadb
from misp_modules_ext.ledger.engine import run
from tests.ledger.bulk.tables import (
    EVIDENCE,
    HOLDING,
    MANY,
    Writing,
    everything,
    evidence,
    held,
    holding,
    upsert,
    writings,
)


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
            upsert(connection, holding, HOLDING, broken(rows[10:]))
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


@pytest.mark.parametrize("write", [bulk.insert_missing, upsert])
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
    kept = 5 if write is bulk.insert_missing else 0
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
