"""Real databases for tests: an SQLite file, and a fresh database on PostgreSQL and MariaDB for each test.

The servers are found at loopback with the rights of a developer's machine; `TEST_POSTGRESQL_URL` and `TEST_MARIADB_URL`
name others. An absent server skips the test, and fails it in CI.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from misp_modules_ext.ledger.engine import address

KINDS = ("sqlite", "postgresql", "mariadb")
_SERVERS = {
    "postgresql": ("TEST_POSTGRESQL_URL", "postgresql://root@127.0.0.1:5432/postgres"),
    "mariadb": ("TEST_MARIADB_URL", "mariadb://root@127.0.0.1:3306/test"),
}


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """The address of an empty database, which is gone afterwards."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'ledger.db'}"
        return
    variable, default = _SERVERS[kind]
    server = os.environ.get(variable, default)
    name = f"misp_modules_ext_{uuid.uuid4().hex[:12]}"
    admin = create_engine(address(server), isolation_level="AUTOCOMMIT")
    try:
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
    except OperationalError as error:
        message = f"{kind} does not answer at {admin.url}: {error.orig}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    try:
        yield admin.url.set(drivername=kind, database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name}" + (" WITH (FORCE)" if kind == "postgresql" else "")))
        admin.dispose()
