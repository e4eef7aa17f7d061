"""MariaDB (and MySQL): one statement for many rows, with literals that we write.

The driver's escaping of parameters costs most. Ours are digits and hexadecimal digits, whatever the value is, so that
nothing in it can end a literal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table, literal_column, select

from misp_modules_ext.errors import LedgerError
from misp_modules_ext.ledger.bulk import driver
from misp_modules_ext.ledger.bulk.values import Row, Value, Values, by_column, check_keys, chunks, kind

#: Rows of one statement, unless they are large.
_ROWS = 2000
#: Keys of one statement. Of more than 1000 the server makes a table of its own, which is quick for integers; for
#: others it would have to compare what has its own rules of comparison.
_KEYS = 5000
_OTHER_KEYS = 900


def insert(connection: Connection, table: Table, columns: Sequence[Column[Any]], rows: Iterable[Row]) -> None:
    """See `bulk.insert`."""
    _insert(connection, table, columns, rows, "")


def insert_missing(connection: Connection, table: Table, columns: Sequence[Column[Any]], rows: Iterable[Row]) -> None:
    """See `bulk.insert_missing`."""
    # Not INSERT IGNORE, which makes warnings of all errors. This sets a column to what it is.
    same = driver.full_name(connection, columns[0])
    _insert(connection, table, columns, rows, f" ON DUPLICATE KEY UPDATE {same} = {same}")


def upsert(
    connection: Connection,
    table: Table,
    columns: Sequence[Column[Any]],
    key: Sequence[str],
    others: Sequence[str],
    rows: Iterable[Row],
) -> None:
    """See `bulk.upsert`; `others` are the columns to set. The server itself finds the key that clashes."""
    setting = ", ".join(f"{name} = VALUES({name})" for name in (driver.quoted(connection, n) for n in others))
    _insert(connection, table, columns, rows, f" ON DUPLICATE KEY UPDATE {setting}")


def _insert(
    connection: Connection, table: Table, columns: Sequence[Column[Any]], rows: Iterable[Row], tail: str
) -> None:
    name = driver.table_name(connection, table)
    head = f"INSERT INTO {name} ({', '.join(driver.names(connection, columns))}) VALUES "  # noqa: S608 - our own names
    with driver.cursor(connection, f"INSERT INTO {name}") as cursor:
        room = _packet(connection, cursor) - len(head + tail)
        for chunk in chunks(rows, _ROWS):
            for texts in _fitting(_texts(_literals(columns, by_column(columns, chunk))), room, name):
                cursor.execute(f"{head}{','.join(texts)}{tail}")


def update(
    connection: Connection,
    table: Table,
    key: Sequence[Column[Any]],
    columns: Sequence[Column[Any]],
    rows: Iterable[Row],
) -> None:
    """See `bulk.update`."""
    name = driver.table_name(connection, table)
    both = [*key, *columns]
    row = "" if getattr(connection.dialect, "is_mariadb", False) else "ROW"  # as MySQL wants it
    with driver.cursor(connection, f"UPDATE {name}") as cursor:
        packet = _packet(connection, cursor)
        for chunk in chunks(rows, _ROWS):
            literals = _literals(both, by_column(both, chunk))
            writing = _Update(name, driver.names(connection, both), len(key), literals, row)
            for texts in _fitting(writing.texts, packet - len(writing.statement(())), name):
                cursor.execute(writing.statement(texts))


class _Update:
    """An update of many rows. What is the same in all of them is written once: often that is most of it."""

    def __init__(
        self, table: str, names: Sequence[str], keys: int, literals: Sequence[Sequence[str]], row: str
    ) -> None:
        self._table = table
        self._row = row
        varying = [number for number, those in enumerate(literals) if number == 0 or len(set(those)) > 1]
        self.texts = _texts([literals[number] for number in varying])
        values = [f"n.v{number}" if number in varying else literals[number][0] for number in range(len(names))]
        pairs = [f"{table}.{name} = {value}" for name, value in zip(names, values, strict=True)]
        self._columns = ", ".join(f"v{number}" for number in varying)
        self._here, self._setting = " AND ".join(pairs[:keys]), ", ".join(pairs[keys:])

    def statement(self, texts: Sequence[str]) -> str:
        """Update by some rows' values. Rows are locked in their order: STRAIGHT_JOIN keeps it."""
        rows = f",{self._row}".join(texts)
        return (
            f"UPDATE (WITH v({self._columns}) AS (VALUES {self._row}{rows}) SELECT * FROM v) AS n "  # noqa: S608
            f"STRAIGHT_JOIN {self._table} ON {self._here} SET {self._setting}"
        )


def rows_by(
    connection: Connection, columns: Sequence[Column[Any]], keys: Iterable[Value], where: ColumnElement[bool] | None
) -> Iterator[tuple[Any, ...]]:
    """See `bulk.rows_by`; the keys are those of the first column."""
    column = columns[0]
    wanted = select(*columns) if where is None else select(*columns).where(where)
    for chunk in chunks(keys, _KEYS if kind(column) is int else _OTHER_KEYS):
        check_keys(column, chunk)
        among = f"{driver.full_name(connection, column)} IN ({','.join(_of_column(column, chunk))})"
        yield from driver.tuples(connection, wanted.where(literal_column(among)))


def _literals(columns: Sequence[Column[Any]], values: Sequence[Values]) -> list[list[str]]:
    return [_of_column(column, those) for column, those in zip(columns, values, strict=True)]


def _of_column(column: Column[Any], values: Values) -> list[str]:
    of = kind(column)
    if of is int:
        return ["NULL" if v is None else str(v) for v in values]
    if of is bytes:
        return ["NULL" if v is None else f"X'{v.hex()}'" for v in values]
    return ["NULL" if v is None else f"_utf8mb4 X'{v.encode().hex()}'" for v in values]


def _texts(literals: Sequence[Sequence[str]]) -> list[str]:
    """Each row as it stands after VALUES."""
    one = f"({','.join(['%s'] * len(literals))})"
    return list(map(one.__mod__, zip(*literals, strict=True)))


def _fitting(texts: Sequence[str], room: int, name: str) -> Iterator[Sequence[str]]:
    """All rows in pieces of at most so many bytes, with what stands between them.

    Raises:
        LedgerError: one row alone is too large.
    """
    size = sum(map(len, texts)) + len(",ROW") * len(texts)  # of ASCII characters only
    if size <= room:
        yield texts
    elif len(texts) > 1:
        half = len(texts) // 2
        yield from _fitting(texts[:half], room, name)
        yield from _fitting(texts[half:], room, name)
    else:
        raise LedgerError(
            f"A row for {name} takes {size} bytes, but the database's max_allowed_packet leaves {room}. Nothing was "
            "kept. Raise max_allowed_packet in the database's configuration; then repeat."
        )


def _packet(connection: Connection, cursor: Any) -> int:
    """Bytes that the server takes at once, asked for once in each connection."""
    if "max_allowed_packet" not in connection.info:
        cursor.execute("SELECT @@max_allowed_packet")
        connection.info["max_allowed_packet"] = int(cursor.fetchone()[0])
    return int(connection.info["max_allowed_packet"]) - 64  # for what the protocol adds
