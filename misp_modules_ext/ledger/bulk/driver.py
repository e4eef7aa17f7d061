"""The driver's own cursor inside SQLAlchemy's transaction, and names as the database wants them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Column, Connection, Table, UniqueConstraint
from sqlalchemy.exc import DBAPIError


@contextmanager
def cursor(connection: Connection, doing: str) -> Iterator[Any]:
    """The driver's cursor, in the connection's transaction.

    Args:
        connection: begins a transaction when it has none.
        doing: stands in errors instead of the statement, which may hold anything that MISP holds.

    Raises:
        DBAPIError: SQLAlchemy's, for any error of the driver's.
    """
    if not connection.in_transaction():
        connection.begin()
    base: type[Exception] = connection.dialect.loaded_dbapi.Error
    made = connection.connection.cursor()
    try:
        yield made
    except base as error:
        raise DBAPIError.instance(doing, None, error, base, dialect=connection.dialect) from error
    finally:
        made.close()


def table_name(connection: Connection, table: Table) -> str:
    """The table's name, quoted when it must be."""
    return connection.dialect.identifier_preparer.format_table(table)


def names(connection: Connection, columns: Sequence[Column[Any]]) -> list[str]:
    """The columns' names, quoted when they must be."""
    return [quoted(connection, column.name) for column in columns]


def quoted(connection: Connection, name: str) -> str:
    """A column's name, quoted when it must be."""
    return connection.dialect.identifier_preparer.quote(name)


def unique_key(table: Table, columns: Sequence[Column[Any]]) -> list[str]:
    """The names of a unique key among `columns`, the primary key before others; empty when there is none."""
    given = {column.name for column in columns}
    others = sorted(
        ([c.name for c in found.columns] for found in table.constraints if isinstance(found, UniqueConstraint)), key=str
    )
    for key in ([c.name for c in table.primary_key.columns], *others):
        if key and given.issuperset(key):
            return key
    return []
