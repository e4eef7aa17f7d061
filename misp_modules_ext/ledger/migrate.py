"""Bringing a ledger to this version's tables: on first use, under a lock, safe when several processes do so at once."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, Engine, insert, inspect, select, text

from misp_modules_ext.errors import TO_DO, LedgerError
from misp_modules_ext.ledger.engine import read, run, where
from misp_modules_ext.ledger.schema import REVISION, meta, metadata

#: Any number that no other program uses as an advisory lock; and its name for MariaDB.
_LOCK = 7_306_921_577_310_455
_LOCK_NAME = "misp-modules-ext.migrate"
#: Seconds to wait for another process's migration.
_PATIENCE = 120
#: Alembic knows one connection in a process: with two ledgers at once, one would get the tables of the other.
_alembic = threading.Lock()


def upgrade(engine: Engine) -> str:
    """Create or migrate the tables.

    Returns:
        The ledger's identity, a UUID that it got when it was made.

    Raises:
        LedgerError: the database refused, or the ledger was made by a newer version.
    """
    return read(engine, _ready) or _alone(engine, lambda: run(engine, lambda connection: _upgrade(engine, connection)))


def _ready(connection: Connection) -> str | None:
    """The identity of a ledger that has these tables; without Alembic, whose import takes long, and without a turn."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return _known_identity(connection) if version == REVISION else None


def _upgrade(engine: Engine, connection: Connection) -> str:
    from alembic import command  # noqa: PLC0415 - see `_ready`
    from alembic.config import Config  # noqa: PLC0415
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    current = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    if current is not None and current not in known:
        raise LedgerError(
            f"The ledger {where(engine)} was made by a newer version of misp-modules-ext (its tables are at "
            f"{current}). Nothing was changed.{TO_DO}Update this one."
        )
    if current is None:
        _clear_away(connection)
    if current != scripts.get_current_head():
        with _alembic:
            command.upgrade(config, "head")
    return _identity(connection)


def _clear_away(connection: Connection) -> None:
    """Drop what an interrupted first migration left: MariaDB keeps each table as soon as it is made.

    Raises:
        LedgerError: some of it is not empty, so it is something else.
    """
    there = [table for table in reversed(metadata.sorted_tables) if inspect(connection).has_table(table.name)]
    for table in there:
        if connection.execute(select(table).limit(1)).first() is not None:
            raise LedgerError(
                f"The database holds a table {table.name} that is not empty, and no version of a ledger.{TO_DO}Name an "
                "empty database with [ledger] url, or restore the ledger from a backup."
            )
    for table in there:
        table.drop(connection)


def _alone(engine: Engine, migrate: Callable[[], str]) -> str:
    """Migrate while no other process does.

    A transaction of SQLite's or PostgreSQL's takes its lock itself and gives it back with its commit. MariaDB's lock
    belongs to a session: it is held by one of its own until the migration is committed. Given back before that, the
    next process would see tables without a version, and drop them.
    """
    if engine.dialect.name not in ("mysql", "mariadb"):
        return migrate()

    def locked(connection: Connection) -> str:
        got = connection.execute(text("SELECT GET_LOCK(:name, :wait)"), {"name": _LOCK_NAME, "wait": _PATIENCE})
        if got.scalar_one() != 1:
            raise LedgerError(
                f"Another process migrates the ledger and does not finish.{TO_DO}Look for one that hangs."
            )
        try:
            return migrate()
        finally:
            connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": _LOCK_NAME})

    return run(engine, locked)


def _known_identity(connection: Connection) -> str | None:
    found = connection.execute(select(meta.c.value).where(meta.c.name == "ledger")).scalar()
    return None if found is None else str(found)


def _identity(connection: Connection) -> str:
    found = _known_identity(connection)
    if found is not None:
        return found
    made = str(uuid.uuid4())
    connection.execute(insert(meta).values(name="ledger", value=made))
    return made
