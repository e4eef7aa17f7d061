"""Real databases for tests: an SQLite file, and on PostgreSQL and MariaDB a database that no other test uses meanwhile.

To make one with all tables takes half a second of the server, so those with the tables of a ledger are used again. The
servers are found at loopback with the rights of a developer's machine; `TEST_POSTGRESQL_URL` and `TEST_MARIADB_URL`
name others. An absent server skips the test, and fails it in CI.
"""

from __future__ import annotations

import atexit
import os
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine, inspect, text, update
from sqlalchemy.exc import OperationalError

from misp_modules_ext.ledger import Ledger, ledger, schema
from misp_modules_ext.ledger.engine import address, connect, run

KINDS = ("sqlite", "postgresql", "mariadb")
_SERVERS = {
    "postgresql": ("TEST_POSTGRESQL_URL", "postgresql://root@127.0.0.1:5432/postgres"),
    "mariadb": ("TEST_MARIADB_URL", "mariadb://root@127.0.0.1:3306/test"),
}


#: Addresses of databases with the tables of a ledger and nothing in them, for each kind.
_spare: defaultdict[str, list[str]] = defaultdict(list)
#: Who else is connected: PostgreSQL ends them as it says so.
_OTHERS = {
    "postgresql": (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ),
    "mariadb": "SELECT id FROM information_schema.processlist WHERE db = database() AND id <> connection_id()",
}
#: How a table that is empty numbers its rows from one again.
_FROM_ONE = {
    "postgresql": "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), 1, false)",
    "mariadb": "TRUNCATE {table}",
}


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """The address of an empty database, which is gone afterwards."""
    if kind == "sqlite":
        yield _file(folder)
        return
    made = _create(kind)
    try:
        yield made
    finally:
        _drop(kind, made)


@contextmanager
def prepared(kind: str, folder: Path) -> Iterator[str]:
    """The address of a database for a new ledger, whose tables may be there already. They must stay what they are."""
    if kind == "sqlite":
        yield _file(folder)
        return
    if not _spare[kind]:
        made = _create(kind)
        atexit.register(_drop, kind, made)
        Ledger(made).close()
        _spare[kind].append(made)
    url = _spare[kind].pop()
    yield url
    _empty(kind, url)
    _spare[kind].append(url)


def _file(folder: Path) -> str:
    return f"sqlite:///{folder / 'ledger.db'}"


def _server(kind: str) -> Engine:
    variable, default = _SERVERS[kind]
    return create_engine(address(os.environ.get(variable, default)), isolation_level="AUTOCOMMIT")


def _create(kind: str) -> str:
    """The address of a new database."""
    name = f"misp_modules_ext_{uuid.uuid4().hex[:12]}"
    admin = _server(kind)
    try:
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
    except OperationalError as error:
        message = f"{kind} does not answer at {admin.url}: {error.orig}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    finally:
        admin.dispose()
    return admin.url.set(drivername=kind, database=name).render_as_string(hide_password=False)


def _drop(kind: str, url: str) -> None:
    admin = _server(kind)
    with admin.connect() as connection:
        name = address(url).database
        connection.execute(text(f"DROP DATABASE {name}" + (" WITH (FORCE)" if kind == "postgresql" else "")))
    admin.dispose()


def _empty(kind: str, url: str) -> None:
    """Make it a new ledger: nothing in its tables, and another identity."""

    def work(connection: Connection) -> None:
        others = list(connection.execute(text(_OTHERS[kind])).scalars())
        if kind == "mariadb":
            for one in others:
                connection.execute(text(f"KILL {one}"))
            # Else a table that another one refers to cannot be truncated.
            connection.execute(text("SET foreign_key_checks = 0"))
        for table in reversed(schema.metadata.sorted_tables):
            if table is not schema.meta:
                connection.execute(table.delete())
            if table.autoincrement_column is not None:
                names = {"table": table.name, "column": table.autoincrement_column.name}
                connection.execute(text(_FROM_ONE[kind].format_map(names)))
        ours = schema.meta.c.name == "ledger"
        connection.execute(schema.meta.delete().where(~ours))
        connection.execute(update(schema.meta).where(ours).values(value=str(uuid.uuid4())))
        assert {*inspect(connection).get_table_names()} == {*schema.metadata.tables, "alembic_version"}

    # What this process keeps open knows the old identity.
    kept = ledger._open.pop((os.getpid(), url), None)
    if kept is not None:
        kept.close()
    engine = connect(url)
    try:
        run(engine, work)
    finally:
        engine.dispose()
