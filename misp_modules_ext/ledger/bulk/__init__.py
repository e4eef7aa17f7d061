"""Many rows at once, on three databases, at driver level.

Through Core's row dictionaries the same rows take twice the time and several times the memory (DESIGN.md 8); through
`executemany` PostgreSQL and MariaDB take three times what they need. So each database has a module of its own:
`sqlite`, `postgresql`, `mariadb`; `values` looks at what is to be written, `driver` lends the driver's cursor.

What holds for all of them:

- Values are int, str, bytes and None, of the column's own type; anything else is a TypeError. Text that not every
  database can keep (U+0000, half of a surrogate pair) is a LedgerError.
- Rows go in the order in which they are given, which is that of their keys: two transactions that write the same rows
  in different orders would dead-lock.
- Everything happens in the connection's transaction. An error leaves it to be rolled back.
- Errors of the driver are SQLAlchemy's, so that `engine.run` understands them; they hold no statement and no values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from sqlalchemy import Column, ColumnElement, Connection, FromClause, Select, Table, Text, cast, func, select

from misp_modules_ext.ledger.bulk import mariadb, postgresql, sqlite
from misp_modules_ext.ledger.bulk.driver import Also, Found, Wanted, Where
from misp_modules_ext.ledger.bulk.values import CHUNK, Row, Value, chunks

__all__ = [
    "CHUNK",
    "Row",
    "Value",
    "chunks",
    "grouped",
    "insert",
    "insert_missing",
    "rows_by",
    "tally",
    "update",
    "upsert",
]


class _Database(Protocol):
    """What each database's module has. Columns are in the order of each row's values."""

    def insert(
        self, connection: Connection, table: Table, columns: Sequence[Column[Any]], rows: Iterable[Row]
    ) -> None: ...

    def insert_missing(
        self, connection: Connection, table: Table, columns: Sequence[Column[Any]], rows: Iterable[Row]
    ) -> None: ...

    def upsert(
        self,
        connection: Connection,
        table: Table,
        columns: Sequence[Column[Any]],
        key: Sequence[str],
        others: Sequence[str],
        rows: Iterable[Row],
    ) -> None: ...

    def update(
        self,
        connection: Connection,
        table: Table,
        key: Sequence[Column[Any]],
        columns: Sequence[Column[Any]],
        rows: Iterable[Row],
    ) -> None: ...

    def found_by(
        self,
        connection: Connection,
        column: Column[Any],
        keys: Iterable[Value],
        wanted: Wanted,
        wheres: Sequence[Where],
    ) -> Found:
        """For each condition, some keys at a time: its place among `wheres`, and the rows of those keys."""

    def found_ahead(
        self,
        connection: Connection,
        column: Column[Any],
        keys: Iterable[int],
        wanted: Wanted,
        wheres: Sequence[Where],
    ) -> Found:
        """The same, of keys in any order. The connection is for nobody else meanwhile: the server may work ahead."""


_DATABASES: dict[str, _Database] = {"sqlite": sqlite, "postgresql": postgresql, "mysql": mariadb, "mariadb": mariadb}


def insert(connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Insert rows of which none is there yet.

    Args:
        connection: in a transaction.
        table: the table.
        columns: names, in the order of each row's values.
        rows: sorted by their key.

    Raises:
        IntegrityError: SQLAlchemy's; a row with such a key is there.
    """
    _database(connection).insert(connection, table, _columns(table, columns), rows)


def insert_missing(connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Insert rows whose key is not there yet; those that are there stay as they are.

    Args:
        connection: in a transaction.
        table: has one unique key among `columns`.
        columns: names, in the order of each row's values.
        rows: sorted by that key.
    """
    _database(connection).insert_missing(connection, table, _columns(table, columns), rows)


def upsert(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    key: Sequence[str],
    rows: Iterable[Row],
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
    if not others:
        insert_missing(connection, table, columns, rows)
        return
    _database(connection).upsert(connection, table, _columns(table, columns), key, others, rows)


def update(
    connection: Connection, table: Table, key: Sequence[str], columns: Sequence[str], rows: Iterable[Row]
) -> None:
    """Set columns of rows that are there; rows that are not there are passed over.

    Args:
        connection: in a transaction.
        table: the table.
        key: names of the columns of the unique key.
        columns: names of the columns to set.
        rows: sorted by the key, each key once; the key's values, then those of `columns`.
    """
    _database(connection).update(connection, table, _columns(table, key), _columns(table, columns), rows)


def rows_by(
    connection: Connection,
    column: Column[Any],
    keys: Iterable[Value],
    *columns: Column[Any],
    where: ColumnElement[bool] | None = None,
    also: Also | None = None,
) -> Iterator[tuple[Any, ...]]:
    """Rows in which `column` is one of `keys`: `column` itself, then `columns`, in no order.

    Args:
        connection: in a transaction.
        column: has an index, with the columns of `where` if there is one. Without, PostgreSQL reads all for each key.
        keys: each once, any number of them.
        columns: of the same table.
        where: a condition that must hold too, such as `holding.c.destination_id == 3`.
        also: makes a condition of the table's columns that no index knows. PostgreSQL tests it after the look-up:
            within, it may think another index the better way, and read all of it for each key.
    """
    names = [c.name for c in (column, *columns)]

    def wanted(source: FromClause) -> Select[Any]:
        found = select(*(source.c[name] for name in names))
        return found if also is None else found.where(also(source))

    for _, rows in _database(connection).found_by(connection, column, keys, wanted, [where]):
        yield from rows


def tally(
    connection: Connection,
    column: Column[Any],
    keys: Iterable[Value],
    *columns: Column[Any],
    where: ColumnElement[bool] | None = None,
    also: Also | None = None,
) -> Counter[tuple[Any, ...]]:
    """How many rows that `rows_by` finds have which values in `columns`."""
    names = [c.name for c in columns]

    def wanted(source: FromClause) -> Select[Any]:
        values = [source.c[name] for name in names]
        found = select(*values, func.count()).group_by(*values)
        return found if also is None else found.where(also(source))

    counted: Counter[tuple[Any, ...]] = Counter()
    for _, rows in _database(connection).found_by(connection, column, keys, wanted, [where]):
        for *found, count in rows:
            counted[tuple(found)] += count
    return counted


def grouped(
    connection: Connection,
    column: Column[int],
    keys: Iterable[int],
    *columns: Column[Any],
    wheres: Sequence[ColumnElement[bool]],
    also: Also | None = None,
) -> list[dict[tuple[Any, ...], list[int]]]:
    """Which of the rows that `rows_by` finds have which values in `columns`: a third of its time where most are alike.

    Args:
        connection: in a transaction.
        column: of whole numbers.
        keys: each once; used up when this returns. What makes them has no use of the connection: the server works on
            some while more are made.
        columns: by which rows are told apart.
        wheres: see `rows_by`; each is asked for on its own.
        also: see `rows_by`.

    Returns:
        For each of `wheres` the keys by those values.
    """
    names = [c.name for c in columns]

    def wanted(source: FromClause) -> Select[Any]:
        values = [source.c[name] for name in names]
        found = select(*values, _joined(connection, source.c[column.name])).group_by(*values)
        return found if also is None else found.where(also(source))

    groups: list[dict[tuple[Any, ...], list[int]]] = [{} for _ in wheres]
    for place, rows in _database(connection).found_ahead(connection, column, keys, wanted, wheres):
        for *found, numbers in rows:
            groups[place].setdefault(tuple(found), []).extend(map(int, numbers.split(",")))
    return groups


def _joined(connection: Connection, column: ColumnElement[int]) -> ColumnElement[str]:
    """All values of a group, with commas between. MariaDB cuts after a megabyte; the keys of one query are shorter."""
    if connection.dialect.name == "postgresql":
        return func.string_agg(cast(column, Text), ",")
    return func.group_concat(column)


def _database(connection: Connection) -> _Database:
    return _DATABASES[connection.dialect.name]


def _columns(table: Table, names: Sequence[str]) -> list[Column[Any]]:
    return [table.c[name] for name in names]
