"""Many rows at once, on three databases, at driver level.

Through Core's row dictionaries the same rows take twice the time and several times the memory (DESIGN.md 8). Rows go in
the order of their keys: two transactions that write the same rows in different orders would dead-lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, Table, select

_T = TypeVar("_T")

#: Rows of one statement: below SQLite's 32,766 variables and MariaDB's packet size.
CHUNK = 1000


def chunks(items: Iterable[_T], size: int = CHUNK) -> Iterator[list[_T]]:
    """Lists of at most `size` items."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def insert_missing(connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows whose key is not there yet; those that are there stay as they are.

    Args:
        connection: in a transaction.
        table: has one unique key among `columns`.
        columns: names, in the order of each row's values.
        rows: sorted by that key.
    """
    first = columns[0]
    nothing = (
        f"ON DUPLICATE KEY UPDATE {first} = {table.name}.{first}" if _mysql(connection) else "ON CONFLICT DO NOTHING"
    )
    _execute(connection, table, columns, rows, nothing)


def upsert(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    key: Sequence[str],
    rows: Iterable[Sequence[Any]],
    keep: Sequence[str] = (),
) -> None:
    """Insert rows, and where the key is there already set the other columns.

    Args:
        connection: in a transaction.
        table: the table.
        columns: names, in the order of each row's values.
        key: the unique key, a part of `columns`.
        rows: sorted by the key, each key once.
        keep: columns that keep their value in a row that is there already.
    """
    others = [name for name in columns if name not in (*key, *keep)]
    if _mysql(connection):
        tail = "ON DUPLICATE KEY UPDATE " + ", ".join(f"{name} = VALUES({name})" for name in others)
    else:
        setting = ", ".join(f"{name} = excluded.{name}" for name in others)
        tail = f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {setting}"
    _execute(connection, table, columns, rows, tail)


def rows_by(
    connection: Connection, column: Column[Any], keys: Iterable[Any], *columns: Column[Any]
) -> Iterator[tuple[Any, ...]]:
    """Rows in which `column` is one of `keys`: `column` itself, then `columns`, in no order."""
    for chunk in chunks(keys):
        for row in connection.execute(select(column, *columns).where(column.in_(chunk))):
            yield tuple(row)


def _mysql(connection: Connection) -> bool:
    return connection.dialect.name in ("mysql", "mariadb")


def _execute(
    connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]], tail: str
) -> None:
    # Names come from our own schema, values go as parameters.
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    values = ", ".join([mark] * len(columns))
    statement = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({values}) {tail}"  # noqa: S608
    for chunk in chunks(rows):
        connection.exec_driver_sql(statement, [tuple(row) for row in chunk])
