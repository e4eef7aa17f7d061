"""SQLite: statements of many rows, with values as parameters. One row a statement takes twice the time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table, literal_column

from misp_modules_ext.errors import LedgerError
from misp_modules_ext.ledger.bulk import driver
from misp_modules_ext.ledger.bulk.driver import Wanted
from misp_modules_ext.ledger.bulk.values import Row, Value, by_column, check_keys, chunks, kind

#: Parameters of one statement: what every build of SQLite takes. More is not faster.
_PARAMETERS = 999
#: Integers of one statement that are no parameters.
_NUMBERS = 5000


def insert(connection: Connection, table: Table, columns: Sequence[Column[Any]], rows: Iterable[Row]) -> None:
    """See `bulk.insert`."""
    _insert(connection, table, columns, rows, "")


def insert_missing(connection: Connection, table: Table, columns: Sequence[Column[Any]], rows: Iterable[Row]) -> None:
    """See `bulk.insert_missing`."""
    _insert(connection, table, columns, rows, "ON CONFLICT DO NOTHING")


def upsert(
    connection: Connection,
    table: Table,
    columns: Sequence[Column[Any]],
    key: Sequence[str],
    others: Sequence[str],
    rows: Iterable[Row],
) -> None:
    """See `bulk.upsert`; `others` are the columns to set."""
    at = ", ".join(driver.quoted(connection, name) for name in key)
    setting = ", ".join(f"{name} = excluded.{name}" for name in (driver.quoted(connection, n) for n in others))
    _insert(connection, table, columns, rows, f"ON CONFLICT ({at}) DO UPDATE SET {setting}")


def _insert(
    connection: Connection, table: Table, columns: Sequence[Column[Any]], rows: Iterable[Row], tail: str
) -> None:
    name = driver.table_name(connection, table)
    head = f"INSERT INTO {name} ({', '.join(driver.names(connection, columns))}) VALUES "  # noqa: S608 - our own names
    one = f"({', '.join('?' * len(columns))})"
    with _cursor(connection, f"INSERT INTO {name}") as cursor:
        for chunk in chunks(rows, max(1, _PARAMETERS // len(columns))):
            by_column(columns, chunk)
            statement = f"{head}{', '.join([one] * len(chunk))} {tail}"
            cursor.execute(statement, list(chain.from_iterable(chunk)))


def update(
    connection: Connection,
    table: Table,
    key: Sequence[Column[Any]],
    columns: Sequence[Column[Any]],
    rows: Iterable[Row],
) -> None:
    """See `bulk.update`. `UPDATE … FROM` would need SQLite 3.33, and systems that are still in use have older ones."""
    name = driver.table_name(connection, table)
    setting = ", ".join(f"{column} = ?" for column in driver.names(connection, columns))
    found = " AND ".join(f"{column} = ?" for column in driver.names(connection, key))
    statement = f"UPDATE {name} SET {setting} WHERE {found}"  # noqa: S608 - our own names
    keys = len(key)
    with _cursor(connection, f"UPDATE {name}") as cursor:
        for chunk in chunks(rows):
            by_column([*key, *columns], chunk)
            cursor.executemany(statement, [(*row[keys:], *row[:keys]) for row in chunk])


def found_by(
    connection: Connection,
    column: Column[Any],
    keys: Iterable[Value],
    wanted: Wanted,
    where: ColumnElement[bool] | None,
) -> Iterator[tuple[Any, ...]]:
    """See `bulk.rows_by` and `bulk.tally`."""
    numbers = kind(column) is int
    query = wanted(column.table) if where is None else wanted(column.table).where(where)
    for chunk in chunks(keys, _NUMBERS if numbers else _PARAMETERS - 99):  # the rest is for `where`
        check_keys(column, chunk)
        among = _among_numbers(connection, column, chunk) if numbers else column.in_(chunk)
        yield from driver.tuples(connection, query.where(among))


def _among_numbers(connection: Connection, column: Column[Any], numbers: Sequence[Value]) -> ColumnElement[bool]:
    """As digits: Core takes as long for many parameters as SQLite for the rows."""
    return literal_column(f"{driver.full_name(connection, column)} IN ({','.join(map(str, numbers))})")


@contextmanager
def _cursor(connection: Connection, doing: str) -> Iterator[Any]:
    try:
        with driver.cursor(connection, doing) as cursor:
            yield cursor
    except OverflowError as error:  # the driver's only error that is not of its own classes
        raise LedgerError(f"{doing} was given a number of more than 64 bits. Nothing was kept.") from error
