"""SQLite: statements of many rows, with values as parameters. One row a statement takes twice the time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, cast

from sqlalchemy import Column, ColumnElement, Connection, Join, String, Table, bindparam, func
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from misp_modules_ext.errors import LedgerError
from misp_modules_ext.ledger.bulk import driver
from misp_modules_ext.ledger.bulk.driver import Found, Wanted, Where
from misp_modules_ext.ledger.bulk.values import Row, Value, by_column, check_keys, chunks, kind

#: Parameters of one statement: what every build of SQLite takes. More is not faster.
_PARAMETERS = 999
#: Integers of one statement, which are one parameter.
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
    connection: Connection, column: Column[Any], keys: Iterable[Value], wanted: Wanted, wheres: Sequence[Where]
) -> Found:
    """See `bulk.rows_by` and `bulk.tally`."""
    table = column.table
    plain = wanted(table)
    queries = [plain if where is None else plain.where(where) for where in wheres]
    if kind(column) is not int:
        for chunk in chunks(keys, _PARAMETERS - 99):  # the rest is for `where`
            check_keys(column, chunk)
            for place, query in enumerate(queries):
                yield place, driver.tuples(connection, query.where(column.in_(chunk)))
        return
    given = func.json_each(bindparam("keys_of_rows", type_=String())).table_valued("value", name="given")
    queries = [query.select_from(_KeysFirst(given, table, column == given.c.value)) for query in queries]
    for chunk in chunks(keys, _NUMBERS):
        check_keys(column, chunk)
        text = {"keys_of_rows": f"[{','.join(map(str, chunk))}]"}
        for place, query in enumerate(queries):
            yield place, driver.tuples(connection, query, text)


def found_ahead(
    connection: Connection, column: Column[Any], keys: Iterable[int], wanted: Wanted, wheres: Sequence[Where]
) -> Found:
    """See `bulk.grouped`. Nothing is done ahead: in the order of the index it takes less."""
    return found_by(connection, column, sorted(keys), wanted, wheres)


class _KeysFirst(Join):
    """A join in which SQLite steps down an index for each key.

    Left to choose it thinks that few rows have a value in the first column of an index, and reads all those of a
    destination for each statement.
    """

    inherit_cache = True


@compiles(_KeysFirst, "sqlite")
def _keys_first(join: _KeysFirst, compiler: SQLCompiler, **options: Any) -> str:
    """CROSS is SQLite's word for an order that it keeps."""
    options.pop("from_linter", None)
    options["asfrom"] = True
    on = cast("ColumnElement[bool]", join.onclause)
    left, right, on_key = (compiler.process(part, **options) for part in (join.left, join.right, on))
    return f"{left} CROSS JOIN {right} ON {on_key}"


@contextmanager
def _cursor(connection: Connection, doing: str) -> Iterator[Any]:
    try:
        with driver.cursor(connection, doing) as cursor:
            yield cursor
    except OverflowError as error:  # the driver's only error that is not of its own classes
        raise LedgerError(f"{doing} was given a number of more than 64 bits. Nothing was kept.") from error
