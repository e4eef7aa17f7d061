"""The driver's own cursor inside SQLAlchemy's transaction, and names as the database wants them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

from sqlalchemy import Column, ColumnElement, Connection, FromClause, Select, Table, UniqueConstraint
from sqlalchemy.exc import DBAPIError

#: Makes a condition of a table's columns; gets what has them under their names (`.c`).
Also: TypeAlias = Callable[[FromClause], ColumnElement[bool]]
#: Likewise makes a query.
Wanted: TypeAlias = Callable[[FromClause], Select[Any]]
#: A condition that must hold too, if there is one.
Where: TypeAlias = "ColumnElement[bool] | None"
#: The place of a condition among others, and rows that were found with it.
Found: TypeAlias = Iterable[tuple[int, Sequence[tuple[Any, ...]]]]


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
    made = connection.connection.cursor()
    try:
        with _errors(connection, doing):
            yield made
    finally:
        made.close()


def tuples(
    connection: Connection, wanted: Select[Any], keys: dict[str, str] | None = None
) -> Sequence[tuple[Any, ...]]:
    """The rows of a query as the driver makes them, without what Core puts around each.

    Args:
        connection: in a transaction.
        wanted: the query.
        keys: its parameters. Without, it holds the keys itself: it is never seen again, and a cache of such would take
            much memory.
    """
    options = {} if keys else {"compiled_cache": None}
    found = connection.execute(wanted, keys, execution_options=options).cursor
    with _errors(connection, "SELECT"):
        rows: Sequence[tuple[Any, ...]] = found.fetchall() if found else ()
    return rows


@contextmanager
def _errors(connection: Connection, doing: str) -> Iterator[None]:
    base: type[Exception] = connection.dialect.loaded_dbapi.Error
    try:
        yield
    except base as error:
        raise DBAPIError.instance(doing, None, error, base, dialect=connection.dialect) from error


def table_name(connection: Connection, table: Table) -> str:
    """The table's name, quoted when it must be."""
    return connection.dialect.identifier_preparer.format_table(table)


def names(connection: Connection, columns: Sequence[Column[Any]]) -> list[str]:
    """The columns' names, quoted when they must be."""
    return [quoted(connection, column.name) for column in columns]


def quoted(connection: Connection, name: str) -> str:
    """A column's name, quoted when it must be."""
    return connection.dialect.identifier_preparer.quote(name)


def full_name(connection: Connection, column: Column[Any]) -> str:
    """A column's name with its table's."""
    return f"{table_name(connection, column.table)}.{quoted(connection, column.name)}"


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
