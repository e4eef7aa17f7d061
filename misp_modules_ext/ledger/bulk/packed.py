"""Reading many thin rows from MariaDB: the server sends a few long texts instead of many rows.

The driver is written in Python and takes most of the time for what each row and each value has around it. So rows of
integers, digests and short texts come as one text: values in digits or hexadecimal digits with spaces between, a
semicolon after each row. A text that the server cuts off, or a row that it leaves out because it is too long, shows in
the count; then the rows are read as usual.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, LargeBinary, Select, func, literal_column

from misp_modules_ext.ledger.bulk import driver
from misp_modules_ext.ledger.bulk.values import kind

#: Bytes of one text, at most. The server keeps below max_allowed_packet anyway.
_LONGEST = 1 << 30
_NULL = "N"

_READ: dict[type, Callable[[str], Any]] = {
    int: int,
    bytes: bytes.fromhex,
    str: lambda value: bytes.fromhex(value).decode(),
}


def rows(connection: Connection, wanted: Select[Any], columns: Sequence[Column[Any]]) -> Iterator[tuple[Any, ...]]:
    """The rows of a query for these columns."""
    found = _packed(connection, wanted, columns) if all(map(_thin, columns)) else None
    yield from _plain(connection, wanted) if found is None else found


def _thin(column: Column[Any]) -> bool:
    """Whether a value is short as a rule: documents come faster as they are than in twice as many digits."""
    return not (isinstance(column.type, LargeBinary) and column.type.length is None)


def _plain(connection: Connection, wanted: Select[Any]) -> Sequence[tuple[Any, ...]]:
    found: Sequence[tuple[Any, ...]] = _execute(connection, wanted).cursor.fetchall()
    return found


def _packed(
    connection: Connection, wanted: Select[Any], columns: Sequence[Column[Any]]
) -> Iterator[tuple[Any, ...]] | None:
    """The rows, or `None` when they did not fit."""
    if "group_concat_max_len" not in connection.info:
        connection.exec_driver_sql(f"SET SESSION group_concat_max_len = {_LONGEST}")
        connection.info["group_concat_max_len"] = _LONGEST
    row = ",' ',".join(_written(connection, column) for column in columns)
    text = literal_column(f"GROUP_CONCAT(CONCAT({row},';') SEPARATOR '')")
    count, found = _execute(
        connection, wanted.with_only_columns(func.count(), text, maintain_column_froms=True)
    ).cursor.fetchone()
    if not count:
        return iter(())
    if found is None or found.count(";") != count or found[-1] != ";":
        return None
    values = zip(*[line.split(" ") for line in found[:-1].split(";")], strict=True)
    return zip(*[_read(column, those) for column, those in zip(columns, values, strict=True)], strict=True)


def _execute(connection: Connection, wanted: Select[Any]) -> Any:
    # The statement holds the keys: it is never seen again, and a cache of such would take much memory.
    return connection.execute(wanted, execution_options={"compiled_cache": None})


def _written(connection: Connection, column: Column[Any]) -> str:
    name = f"{driver.table_name(connection, column.table)}.{driver.quoted(connection, column.name)}"
    value = name if kind(column) is int else f"HEX({name})"
    return f"IF({name} IS NULL,'{_NULL}',{value})" if column.nullable else value


def _read(column: Column[Any], values: Sequence[str]) -> list[Any]:
    read = _READ[kind(column)]
    if _NULL in values:
        return [None if value == _NULL else read(value) for value in values]
    return list(map(read, values))
