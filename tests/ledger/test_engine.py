"""Opening a ledger, transactions that lose nothing, the database's clock."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Engine, Integer, MetaData, Table, select, text

from misp_modules_ext.errors import LedgerBusy, LedgerError
from misp_modules_ext.ledger.engine import address, connect, now_ms, patience, read, run, where
from tests.support.databases import database


@pytest.fixture
def url(kind: str, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database."""
    with database(kind, tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    ("written", "driver"),
    [
        ("sqlite:////var/lib/x.db", "sqlite"),
        ("postgres://u@h/d", "postgresql+psycopg"),
        ("postgresql://u@h/d", "postgresql+psycopg"),
        ("mysql://u@h/d", "mysql+pymysql"),
        ("mariadb://u@h/d", "mariadb+pymysql"),
    ],
)
def test_addresses_as_people_write_them(written: str, driver: str) -> None:
    """The drivers we ship with are meant, whatever SQLAlchemy would take."""
    assert address(written).drivername == driver


@pytest.mark.parametrize("written", ["", "ledger.db", "oracle://u@h/d", "sqlite://", "sqlite:///:memory:"])
def test_other_addresses_are_a_sentence(written: str) -> None:
    """With an example of a right one."""
    with pytest.raises(LedgerError, match="Write for example"):
        connect(written)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("postgresql://user:pass-word@127.0.0.1:9/d", "postgresql+psycopg://user:***@127.0.0.1:9/d"),
        ("postgresql://127.0.0.1:9/d?user=user&password=pass-word", "postgresql+psycopg://127.0.0.1:9/d"),
        ("postgres://user@127.0.0.1:9/d?sslpassword=pass-word", "postgresql+psycopg://user@127.0.0.1:9/d"),
        ("postgresql:///d?host=127.0.0.1&port=9&password=pass-word", "postgresql+psycopg:///d"),
        ("mariadb://user:pass-word@127.0.0.1:9/d", "mariadb+pymysql://user:***@127.0.0.1:9/d"),
        ("mysql://127.0.0.1:9/d?user=user&passwd=pass-word", "mysql+pymysql://127.0.0.1:9/d"),
        ("mariadb://127.0.0.1:9/d?password=pass%2Dword&PASSWORD=pass-word", "mariadb+pymysql://127.0.0.1:9/d"),
    ],
)
def test_no_password_is_told(written: str, told: str) -> None:
    """Not in the address for people, wherever it stood."""
    assert where(connect(written)) == told


@pytest.mark.parametrize(
    "written",
    [
        "postgresql://user:pass-word@127.0.0.1:9/d",
        "postgresql://127.0.0.1:9/d?user=user&password=pass-word",
        "mariadb://127.0.0.1:9/d?user=user&password=pass-word",
    ],
)
def test_no_password_is_told_by_an_error(written: str) -> None:
    """Nobody answers at this port."""
    engine = connect(written)
    with pytest.raises(LedgerError, match=r"Nothing was kept") as caught:
        run(engine, now_ms)
    assert "pass-word" not in str(caught.value)


def test_an_at_sign_in_a_password_does_not_make_it_a_host() -> None:
    """The database would be looked for at `word@host`, and the error would say so."""
    with pytest.raises(LedgerError, match="%40") as caught:
        connect("postgresql://user:pass@word@host/d")
    assert "word" not in str(caught.value).replace("password", "")


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """The ledger holds what MISP shares under TLP."""
    engine = connect(f"sqlite:///{tmp_path}/new/folder/ledger.db")
    run(engine, now_ms)
    assert stat.S_IMODE((tmp_path / "new/folder/ledger.db").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "new/folder").stat().st_mode) == 0o700


def test_a_second_engine_takes_no_locks_from_the_first(tmp_path: Path) -> None:
    """Threads that open a ledger at once make one each; another process must see that the file is in use."""
    file = tmp_path / "ledger.db"
    first = connect(f"sqlite:///{file}")
    table = Table("t", MetaData(), Column("n", Integer, primary_key=True))
    run(first, table.create)
    run(first, lambda c: c.execute(table.insert().values(n=1)))
    connect(f"sqlite:///{file}").dispose()
    look = (
        f"import sqlite3; c = sqlite3.connect({str(file)!r}); print(c.execute('SELECT n FROM t').fetchall()); c.close()"
    )
    assert subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout == "[(1,)]\n"
    # The last connection to be closed removes it, and that was not the last one.
    assert file.with_name("ledger.db-wal").exists()
    run(first, lambda c: c.execute(table.insert().values(n=2)))
    assert subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout != "[(1,)]\n"
    first.dispose()


def test_a_new_file_that_another_writes_to_is_waited_for(tmp_path: Path) -> None:
    """SQLite itself would refuse a write-ahead log at once; as long as our patience lasts it is asked again."""
    path = tmp_path / "ledger.db"
    engine = connect(f"sqlite:///{path}")
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        with patience(0.2), pytest.raises(LedgerBusy, match="locked"):
            read(engine, now_ms)
        later = threading.Timer(0.3, lambda: other.execute("COMMIT"))
        later.start()
        assert read(engine, now_ms) > 0
        later.join()
    engine.dispose()


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    """Not a traceback."""
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match="cannot be created or written"):
        connect(f"sqlite:///{tmp_path}/file/ledger.db")


def test_a_file_that_is_no_ledger_is_a_sentence(tmp_path: Path) -> None:
    """With the remedy."""
    (tmp_path / "ledger.db").write_bytes(b"something else entirely, and long enough to be looked at" * 20)
    with pytest.raises(LedgerError, match="damaged or is something else"):
        run(connect(f"sqlite:///{tmp_path}/ledger.db"), now_ms)


def test_the_clock_is_the_databases_in_milliseconds(engine: Engine) -> None:
    """On one machine it is ours."""
    assert abs(run(engine, now_ms) - time.time() * 1000) < 5000


def test_read_modify_write_by_many_loses_nothing(engine: Engine) -> None:
    """Eight threads add to one number: none of 400 additions is lost, on any database."""
    number = Table("number", MetaData(), Column("value", Integer))
    run(engine, number.create)
    run(engine, lambda c: c.execute(text("INSERT INTO number VALUES (0)")))

    def add(connection: Connection) -> None:
        locking = select(number.c.value).with_for_update()  # SQLite has no such words and needs none
        value = connection.execute(locking).scalar_one()
        connection.execute(text("UPDATE number SET value = :value"), {"value": value + 1})

    def many() -> None:
        for _ in range(50):
            run(engine, add)

    threads = [threading.Thread(target=many) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert run(engine, lambda c: c.execute(text("SELECT value FROM number")).scalar_one()) == 400


def test_dead_locks_are_run_again(engine: Engine) -> None:
    """Two transactions that lock two rows in opposite order both succeed in the end."""
    run(engine, lambda c: c.execute(text("CREATE TABLE pair (id INTEGER PRIMARY KEY, value INTEGER)")))
    run(engine, lambda c: c.execute(text("INSERT INTO pair VALUES (1, 0), (2, 0)")))
    barrier = threading.Barrier(2)
    first_time = threading.local()

    def crossing(first: int, second: int) -> None:
        def work(connection: Connection) -> None:
            connection.execute(text("UPDATE pair SET value = value + 1 WHERE id = :id"), {"id": first})
            if connection.dialect.name != "sqlite" and not getattr(first_time, "over", False):
                first_time.over = True
                barrier.wait(10)
            connection.execute(text("UPDATE pair SET value = value + 1 WHERE id = :id"), {"id": second})

        run(engine, work)

    threads = [threading.Thread(target=crossing, args=pair) for pair in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = run(engine, lambda c: c.execute(text("SELECT value FROM pair ORDER BY id")).scalars().all())
    assert list(rows) == [2, 2]


def test_an_error_keeps_nothing(engine: Engine) -> None:
    """What was written before the error is not there."""
    run(engine, lambda c: c.execute(text("CREATE TABLE one (id INTEGER PRIMARY KEY)")))

    def half(connection: Connection) -> None:
        connection.execute(text("INSERT INTO one VALUES (1)"))
        connection.execute(text("INSERT INTO nowhere VALUES (1)"))

    with pytest.raises(LedgerError, match="Nothing was kept"):
        run(engine, half)
    assert run(engine, lambda c: c.execute(text("SELECT count(*) FROM one")).scalar_one()) == 0
