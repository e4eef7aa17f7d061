"""Opening a ledger: addresses, transactions that lose nothing, the database's clock.

Traps that were measured and are avoided here (DESIGN.md 8):

- SQLite's driver begins transactions late and for writing later still: two processes that read, then write, lose
  updates without an error. So the driver begins none, and every transaction that writes begins with `BEGIN IMMEDIATE`.
- MariaDB's session takes its zone, its SQL mode and, through the address, its character set from us.
- Dead-locks happen on PostgreSQL and MariaDB even with sorted keys; a transaction is a function and is run again.
"""

from __future__ import annotations

import errno
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from misp_modules_ext.errors import TO_DO, LedgerBusy, LedgerError

_T = TypeVar("_T")

#: Statements that a connection to SQLite keeps prepared. Those that name thousands of observables are never seen again,
#: and take a megabyte each: of Python's 128 that is more than all the rest.
_STATEMENTS = 8

#: What people write, and the driver it means.
_DRIVERS = {
    "sqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}
#: Seconds that SQLite waits for another process's transaction.
BUSY = 30
#: Milliseconds after which waiting for SQLite's one writer begins anew, with looks at short intervals.
LOOK_MS = 20
#: Seconds that a server has to answer a new connection: MISP waits for ten.
CONNECT = 5
#: Runs of one transaction, the first included.
ATTEMPTS = 8
_READING = "misp_modules_ext_reading"
#: While a file is made, and closed again, nobody may have connected to it.
_making = threading.Lock()
_patience: ContextVar[float] = ContextVar("patience", default=float(BUSY))

#: SQLSTATE or driver number of errors that pass when the transaction is run again.
_PASSING_STATES = frozenset({"40001", "40P01", "55P03"})
_PASSING_NUMBERS = frozenset({1205, 1213, 1020})

_CLOCKS = {
    "sqlite": "SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    "postgresql": "SELECT CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT)",
    "mysql": "SELECT CAST(floor(unix_timestamp(sysdate(3)) * 1000) AS SIGNED)",
    "mariadb": "SELECT CAST(floor(unix_timestamp(sysdate(3)) * 1000) AS SIGNED)",
}


def address(written: str) -> URL:
    """The address of a ledger as SQLAlchemy needs it.

    Args:
        written: `sqlite:///path`, `postgresql://…`, `postgres://…`, `mysql://…` or `mariadb://…`.

    Raises:
        LedgerError: it is none of these.
    """
    try:
        url = make_url(written)
    except (ArgumentError, ValueError) as error:
        raise LedgerError("[ledger] url is no database address." + _EXAMPLES) from error
    if "@" in (url.host or ""):
        # The host would begin with the end of the password, and stand in every error.
        raise LedgerError(f"[ledger] url has an @ too many.{TO_DO}Write it as %40 in user and password.")
    name = url.drivername.split("+")[0]
    if name not in _DRIVERS:
        raise LedgerError(f"[ledger] url names {name}, which is not supported.{_EXAMPLES}")
    url = url.set(drivername=_DRIVERS[name])
    if name in ("mysql", "mariadb"):
        url = url.update_query_dict({"charset": "utf8mb4"})
    return url


_EXAMPLES = (
    f"{TO_DO}Write for example sqlite:////var/lib/misp-modules-ext/ledger.db or postgresql://user@host/database."
)


def connect(written: str) -> Engine:
    """An engine for a ledger; opens no connection yet.

    Raises:
        LedgerError: the address is wrong, or the folder of an SQLite file cannot be made.
    """
    url = address(written)
    if url.get_backend_name() == "sqlite":
        return _sqlite(url)
    mysql = url.get_backend_name() in ("mysql", "mariadb")
    arguments = {"connect_timeout": CONNECT} | ({"read_timeout": CONNECT} if mysql else {})
    engine = create_engine(url, pool_pre_ping=True, isolation_level="READ COMMITTED", connect_args=arguments)
    if mysql:
        event.listen(engine, "connect", _prepare_mariadb)
    return engine


def _sqlite(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise LedgerError("[ledger] url names no file: a ledger in memory would keep nothing." + _EXAMPLES)
    _make_private(Path(url.database))
    engine = create_engine(url, connect_args={"timeout": BUSY, "cached_statements": _STATEMENTS})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _begin_sqlite(connection: Connection) -> None:
    reading = connection.get_execution_options().get(_READING, False)
    seconds = _patience.get()
    if reading or not _took_turn(connection, seconds):
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(seconds * 1000) if reading else 0}")
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(seconds * 1000)}")


def _took_turn(connection: Connection, seconds: float) -> bool:
    """Whether a transaction that writes has begun within so many seconds.

    SQLite's own waiting looks every tenth of a second in the end, while those who have just come look every few
    milliseconds: who has waited for long would wait for ever. This way all look equally often.
    """
    raw = connection.connection.cursor()
    end = time.monotonic() + seconds
    try:
        raw.execute(f"PRAGMA busy_timeout = {LOOK_MS}")
        while time.monotonic() < end:
            try:
                raw.execute("BEGIN IMMEDIATE")
            except sqlite3.Error as error:
                # Whatever else is wrong is found again, and told, by who asks through SQLAlchemy.
                if "locked" not in str(error):
                    return False
            else:
                return True
    finally:
        raw.close()
    return False


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Within it, wait for another process's transaction on SQLite for so many seconds at most."""
    before = _patience.set(max(0.0, min(seconds, BUSY)))
    try:
        yield
    finally:
        _patience.reset(before)


def _make_private(path: Path) -> None:
    """Create folder and file for their owner alone: the ledger holds what MISP shares under TLP.

    A file that is there is not opened: closing it again would take away all locks that this process has on it (that is
    how POSIX locks are), those of its connections included. Another process would then think itself the last one, and
    remove what SQLite has not yet written into the file.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _making:
            _make(path)
    except OSError as error:
        raise LedgerError(
            f"The ledger {path} cannot be created or written: {error.strerror}.{TO_DO}Give the service's user a folder "
            "of its own, or name another file with [ledger] url."
        ) from error


def _make(path: Path) -> None:
    """Create a file, or look whether the one that is there can be written, without opening it.

    Raises:
        OSError: it cannot.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        number = 0
        if path.is_dir():
            number = errno.EISDIR
        elif os.statvfs(path).f_flag & os.ST_RDONLY:
            number = errno.EROFS
        elif not os.access(path, os.R_OK | os.W_OK):
            number = errno.EACCES
        if number:
            raise OSError(number, os.strerror(number)) from None


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    _write_ahead(cursor)
    # With WAL, FULL is what makes a commit survive a power cut; NORMAL survives only a crash of the process.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """Let the file have a write-ahead log.

    Of two connections that do so to a new file at once SQLite refuses one without any waiting, since it takes them for
    a dead-lock: both read already when they want to write.
    """
    end = time.monotonic() + _patience.get()
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() >= end:
                raise
        else:
            return
        time.sleep(random.uniform(0, 0.02))  # noqa: S311 - spreads those that collided


def _prepare_mariadb(connection: Any, _: object) -> None:
    # The driver has no other way to wait shortly for the greeting and long for an answer.
    connection._read_timeout = None
    with connection.cursor() as cursor:
        # MySQL cuts what GROUP_CONCAT joins after a kilobyte, where MariaDB takes a megabyte.
        cursor.execute(
            "SET SESSION sql_mode='STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone='+00:00', "
            "group_concat_max_len=1048576"
        )


def read(engine: Engine, work: Callable[[Connection], _T]) -> _T:
    """As `run`, for work that writes nothing: on SQLite it waits for no writer."""
    return run(engine.execution_options(**{_READING: True}), work)


class _RolledBack(Exception):
    """Carries the result out of a transaction that is not kept."""

    def __init__(self, result: object) -> None:
        super().__init__()
        self.result = result


def rehearse(engine: Engine, work: Callable[[Connection], _T]) -> _T:
    """As `run`, but nothing is kept."""

    def rehearsal(connection: Connection) -> _T:
        raise _RolledBack(work(connection))

    try:
        return run(engine, rehearsal)
    except _RolledBack as done:
        return cast("_T", done.result)


def run(engine: Engine, work: Callable[[Connection], _T]) -> _T:
    """Run `work` in one transaction; again when the database says that it would pass then.

    Args:
        engine: the ledger.
        work: may be called several times, each time in a fresh transaction; must have no other effect.

    Raises:
        LedgerBusy: it is in use, or does not answer; the same may work a little later.
        LedgerError: it refused; nothing of `work` was kept.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with engine.begin() as connection:
                return work(connection)
        except DBAPIError as error:
            if attempt == ATTEMPTS or not _passes(error):
                kind = LedgerBusy if _passes(error) or _is_away(error) else LedgerError
                raise kind(_explain(engine, error)) from error
            time.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - spreads processes that collided
        except SQLAlchemyError as error:
            raise LedgerError(_explain(engine, error)) from error
    raise AssertionError("the last attempt returns or raises")


def _passes(error: DBAPIError) -> bool:
    cause = error.orig
    if getattr(cause, "sqlstate", None) in _PASSING_STATES:
        return True
    number = cause.args[0] if cause is not None and cause.args else None
    return number in _PASSING_NUMBERS


def _is_away(error: DBAPIError) -> bool:
    """Whether the database is in use by others, or does not answer at this moment."""
    said = str(error.orig).lower()
    return error.connection_invalidated or any(words in said for words in _AWAY)


_AWAY = (
    "locked",
    "connection refused",
    "lost connection",
    "gone away",
    "timed out",
    "timeout",
    "terminating connection",
)


def _explain(engine: Engine, error: SQLAlchemyError) -> str:
    """A sentence without the statement and its values, which may be anything that MISP holds."""
    cause = str(error.orig) if isinstance(error, DBAPIError) and error.orig is not None else type(error).__name__
    return (
        f"The ledger {where(engine)} refused: {' '.join(cause.split())[:200]}. Nothing was kept.{TO_DO}{_remedy(cause)}"
    )


def _remedy(cause: str) -> str:
    lowered = cause.lower()
    for words, remedy in _REMEDIES:
        if words in lowered:
            return remedy
    return "See the database's own log."


_REMEDIES = (
    ("disk is full", "Free some space on that disk; then repeat."),
    # What SQLite says when it cannot make its own files beside the database, for want of space as well.
    ("disk i/o error", "See whether the disk of that file is full or broken; then repeat."),
    ("json_each", "Use an SQLite of 3.38 or later, or one that was built with JSON1; or another database."),
    ("readonly", "Let the service's user write to the file and its folder."),
    ("read-only", "Let the service's user write there."),
    ("not a database", "The file is damaged or is something else: restore it, or name another with [ledger] url."),
    ("malformed", "The file is damaged: restore it from a backup, or name another with [ledger] url."),
    ("locked", "Another process has held it for long: look for one that hangs."),
    ("unable to open", "Let the service's user read and write the file and its folder."),
    (
        "timeout expired",
        "See whether the database's machine and firewall let connections through, or correct [ledger] url.",
    ),
    ("timed out", "See whether the database's machine and firewall let connections through, or correct [ledger] url."),
    ("lost connection", "See whether the database runs and answers at this address, or correct [ledger] url."),
    ("connection refused", "Start the database, or correct [ledger] url."),
    ("access denied", "Correct user and password in [ledger] url."),
    ("password authentication failed", "Correct user and password in [ledger] url."),
)


def where(engine: Engine) -> str:
    """The ledger's address for people: without a password, and without its query, which may hold one as well."""
    return engine.url.set(query={}).render_as_string(hide_password=True)


def now_ms(connection: Connection) -> int:
    """Milliseconds since 1970 UTC by the database's clock, so that all processes go by the same one."""
    return int(connection.execute(text(_CLOCKS[connection.dialect.name])).scalar_one())


def alone(connection: Connection) -> None:
    """Let no other transaction of this kind run until this one ends. On SQLite every writer is alone anyway."""
    if connection.dialect.name != "sqlite":
        connection.execute(text("SELECT value FROM meta WHERE name = 'ledger' FOR UPDATE"))
