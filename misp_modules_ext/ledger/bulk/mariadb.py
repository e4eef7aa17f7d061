"""MariaDB (and MySQL): one statement for many rows, with literals that we write.

The driver's escaping of parameters costs most. Ours are digits and hexadecimal digits, whatever the value is, so that
nothing in it can end a literal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table, literal_column, union_all

from misp_modules_ext.errors import LedgerError
from misp_modules_ext.ledger.bulk import driver
from misp_modules_ext.ledger.bulk.driver import Found, Wanted, Where
from misp_modules_ext.ledger.bulk.values import Row, Value, Values, by_column, check_keys, chunks, kind

#: Rows of one statement, unless they are large. With more of them the server waits longer for the first.
_ROWS = 1000
#: Of an UPDATE: the server is idle while it is made.
_ROWS_TO_CHANGE = 2000
#: Bytes of a statement around its rows: names of a table and of its columns, some of them several times.
_AROUND = 8192
#: Bytes of a row of a table that a statement holds. A longer one is set alone: of a binary literal of 64 KiB or more,
#: such a table keeps the length modulo 64 KiB, without a warning (seen with MariaDB 10.11).
_IN_TABLE = 60_000
#: Keys of one statement. Of more than 1000 the server makes a table of its own, which is quick for integers; for
#: others it would have to compare what has its own rules of comparison.
_KEYS = 5000
_OTHER_KEYS = 900
#: Bytes of the longest number, with a comma.
_OF_A_KEY = 21
#: The halves of the driver's `Connection.query`, and where the rows are then; it has no public names for them.
_HALVES = ("_execute_command", "_read_query_result", "_result")
#: The command of the server's protocol that runs a statement (COM_QUERY).
_QUERY = 3
#: Where the keys go in the text of a query.
_KEYS_HERE = "KEYS_OF_ROWS"


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
    with _cursor(connection, f"INSERT INTO {name}") as cursor:
        room = _packet(connection, cursor) - _AROUND
        with _ahead(cursor) as server:
            for chunk in chunks(rows, _ROWS):
                for texts in _fitting(_texts(_literals(columns, by_column(columns, chunk))), room, name):
                    statement = f"{head}{','.join(texts)}{tail}"
                    server.answer()
                    server.ask(statement)
            server.answer()


class _Ahead:
    """Asks, and reads the answer later: while the server is busy with one statement, the next one is made.

    A thread of its own would do that too, but wait 5 ms for the interpreter before and behind each statement.
    """

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self._connection = cursor.connection
        self._has_halves = all(hasattr(self._connection, name) for name in _HALVES)
        self._waiting = False

    def ask(self, statement: str) -> None:
        """Send a statement. What was asked before must have been answered."""
        if self._has_halves:
            self._connection._execute_command(_QUERY, statement)
        else:
            self._cursor.execute(statement)
        self._waiting = True

    def answer(self) -> Sequence[tuple[Any, ...]]:
        """The rows of what was asked; none when nothing was."""
        if not self._waiting:
            return ()
        self._waiting = False
        if not self._has_halves:
            return tuple(self._cursor.fetchall())
        self._connection._read_query_result()
        return self._connection._result.rows or ()


@contextmanager
def _cursor(connection: Connection, doing: str) -> Iterator[Any]:
    """As `driver.cursor`. Ctrl-C may come in the middle of sending or reading: then the connection is of no use."""
    with driver.cursor(connection, doing) as cursor:
        try:
            yield cursor
        except Exception:
            raise
        except BaseException:
            connection.invalidate()
            raise


@contextmanager
def _ahead(cursor: Any) -> Iterator[_Ahead]:
    """The cursor's connection is for nobody else meanwhile."""
    server = _Ahead(cursor)
    try:
        yield server
    except Exception:
        # What comes next on this connection, and be it a rollback, must not be taken for this answer.
        with suppress(Exception):
            server.answer()
        raise


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
    targets = [driver.full_name(connection, column) for column in both]
    row = "" if getattr(connection.dialect, "is_mariadb", False) else "ROW"  # as MySQL wants it
    updating = _Updating(name, targets, len(key), row)
    with _cursor(connection, f"UPDATE {name}") as cursor:
        room = _packet(connection, cursor) - _AROUND
        for chunk in chunks(rows, _ROWS_TO_CHANGE):
            for statement in updating.statements(_literals(both, by_column(both, chunk)), room):
                cursor.execute(statement)


class _Updating:
    """Updates of many rows, by a table of the values that the statement itself holds."""

    def __init__(self, table: str, targets: Sequence[str], keys: int, row: str) -> None:
        self._table = table
        self._targets = targets
        self._keys = keys
        self._row = row

    def statements(self, literals: Sequence[Sequence[str]], room: int) -> Iterator[str]:
        """Statements for all rows, in their order.

        Args:
            literals: column by column.
            room: bytes of one statement.

        Raises:
            LedgerError: one row alone is too large.
        """
        count = len(literals[0])
        longest, size = _sizes(_texts(literals))
        if count == 1:
            _no_larger(size, room, self._table)
            yield self._of_one([literal for (literal,) in literals])
        elif longest <= _IN_TABLE and size <= room:
            yield self._of_many(literals)
        else:
            half = count // 2
            yield from self.statements([those[:half] for those in literals], room)
            yield from self.statements([those[half:] for those in literals], room)

    def _of_one(self, values: Sequence[str]) -> str:
        here, setting = self._pairs(values)
        return f"UPDATE {self._table} SET {', '.join(setting)} WHERE {' AND '.join(here)}"  # noqa: S608 - our own names

    def _of_many(self, literals: Sequence[Sequence[str]]) -> str:
        """What is the same in all rows is written once: often that is most of it."""
        varying = [number for number, those in enumerate(literals) if number == 0 or len(set(those)) > 1]
        here, setting = self._pairs([f"n.v{i}" if i in varying else those[0] for i, those in enumerate(literals)])
        rows = f",{self._row}".join(_texts([literals[number] for number in varying]))
        # STRAIGHT_JOIN: rows are looked up, and locked, in our order.
        return (
            f"UPDATE (WITH v({', '.join(f'v{number}' for number in varying)}) AS (VALUES {self._row}{rows}) "  # noqa: S608
            f"SELECT * FROM v) AS n STRAIGHT_JOIN {self._table} ON {' AND '.join(here)} SET {', '.join(setting)}"
        )

    def _pairs(self, values: Sequence[str]) -> tuple[list[str], list[str]]:
        pairs = [f"{target} = {value}" for target, value in zip(self._targets, values, strict=True)]
        return pairs[: self._keys], pairs[self._keys :]


def found_by(
    connection: Connection, column: Column[Any], keys: Iterable[Value], wanted: Wanted, wheres: Sequence[Where]
) -> Found:
    """See `bulk.rows_by` and `bulk.tally`."""
    plain, name = wanted(column.table), driver.full_name(connection, column)
    queries = [plain if where is None else plain.where(where) for where in wheres]
    for chunk in chunks(keys, _KEYS if kind(column) is int else _OTHER_KEYS):
        check_keys(column, chunk)
        among: ColumnElement[bool] = literal_column(f"{name} IN ({','.join(_of_column(column, chunk))})")
        for place, query in enumerate(queries):
            yield place, driver.tuples(connection, query.where(among))


def found_ahead(
    connection: Connection, column: Column[Any], keys: Iterable[int], wanted: Wanted, wheres: Sequence[Where]
) -> Found:
    """See `bulk.grouped`. All conditions are asked for at once, before the next keys are made."""
    among: ColumnElement[bool] = literal_column(f"{driver.full_name(connection, column)} IN ({_KEYS_HERE})")
    plain = wanted(column.table).where(among)
    queries = [plain if where is None else plain.where(where) for where in wheres]
    placed = union_all(*(q.add_columns(literal_column(str(place))) for place, q in enumerate(queries)))
    compiled = placed.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
    rows: list[tuple[Any, ...]] = []
    with _cursor(connection, "SELECT") as cursor:
        statement = cursor.mogrify(str(compiled), compiled.construct_params())
        room = (_packet(connection, cursor) - len(statement)) // (_OF_A_KEY * len(queries))
        with _ahead(cursor) as server:
            for chunk in chunks(keys, max(1, min(_KEYS, room))):
                check_keys(column, chunk)
                asking = statement.replace(_KEYS_HERE, ",".join(map(str, sorted(chunk))))
                rows += server.answer()
                server.ask(asking)
            rows += server.answer()
    return [(place, [tuple(found)]) for *found, place in rows]


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
    """All rows in pieces of at most so many bytes.

    Raises:
        LedgerError: one row alone is too large.
    """
    _, size = _sizes(texts)
    if size <= room:
        yield texts
        return
    if len(texts) == 1:
        _no_larger(size, room, name)
    half = len(texts) // 2
    yield from _fitting(texts[:half], room, name)
    yield from _fitting(texts[half:], room, name)


def _sizes(texts: Sequence[str]) -> tuple[int, int]:
    """Bytes of the longest row and of all, with what stands between them; all characters are ASCII."""
    lengths = list(map(len, texts))
    return max(lengths), sum(lengths) + len(",ROW") * len(lengths)


def _no_larger(size: int, room: int, name: str) -> None:
    if size > room:
        raise LedgerError(
            f"A row for {name} takes {size} bytes, but the database's max_allowed_packet leaves {room}. Nothing was "
            "kept. Raise max_allowed_packet in the database's configuration; then repeat."
        )


def _packet(connection: Connection, cursor: Any) -> int:
    """Bytes that the server takes at once, asked for once in each connection."""
    if "max_allowed_packet" not in connection.info:
        cursor.execute("SELECT @@max_allowed_packet")
        connection.info["max_allowed_packet"] = int(cursor.fetchone()[0])
    return int(connection.info["max_allowed_packet"])
