"""PostgreSQL: rows that are not there yet go by COPY, the others as arrays, one for each column.

`INSERT … ON CONFLICT` takes more than twice what COPY takes. COPY knows no ON CONFLICT; so the keys are looked up
first, and COPY runs behind a savepoint: when another transaction has committed such a key in between, its rows go by
`INSERT … ON CONFLICT` after all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    Connection,
    LargeBinary,
    Select,
    String,
    Table,
    Text,
    bindparam,
    cast,
    func,
    select,
    true,
)
from sqlalchemy.types import TypeEngine

from misp_modules_ext.ledger.bulk import driver
from misp_modules_ext.ledger.bulk.driver import Found, Wanted, Where
from misp_modules_ext.ledger.bulk.values import Row, Value, Values, by_column, check_keys, chunks, kind

#: Rows or keys of one statement. With many more the planner thinks a statement worth being compiled, which it is not.
_ROWS = 5000
#: Up to so many rows, one statement is quicker than looking keys up first.
_FEW = 200
#: SQLSTATE of a key that is there.
_TAKEN = "23505"
#: The parameter that holds the keys of a query.
_KEYS = "keys_of_rows"

#: Not VARCHAR(n): a cast to it would cut a long text off, where putting it into the column is an error.
_ARRAYS = {int: "BIGINT[]", str: "TEXT[]", bytes: "BYTEA[]"}
_ELEMENTS: dict[type, TypeEngine[Any]] = {int: BigInteger(), str: Text(), bytes: LargeBinary()}


def insert(connection: Connection, table: Table, columns: Sequence[Column[Any]], rows: Iterable[Row]) -> None:
    """See `bulk.insert`."""
    with driver.cursor(connection, f"COPY {driver.table_name(connection, table)}") as cursor:
        for chunk in chunks(rows, _ROWS):
            by_column(columns, chunk)
            _copy(cursor, _copying(connection, table, columns), chunk)


def insert_missing(connection: Connection, table: Table, columns: Sequence[Column[Any]], rows: Iterable[Row]) -> None:
    """See `bulk.insert_missing`."""
    adding = _Adding(connection, table, columns, driver.unique_key(table, columns), "DO NOTHING")
    with driver.cursor(connection, f"INSERT INTO {driver.table_name(connection, table)}") as cursor:
        for chunk in chunks(rows, _ROWS):
            adding.add(cursor, chunk, leave=True)


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
    adding = _Adding(connection, table, columns, key, f"({at}) DO UPDATE SET {setting}")
    with driver.cursor(connection, f"INSERT INTO {driver.table_name(connection, table)}") as cursor:
        for chunk in chunks(rows, _ROWS):
            adding.add(cursor, chunk, leave=False)


class _Adding:
    """Rows for a table that may hold some of them."""

    def __init__(
        self,
        connection: Connection,
        table: Table,
        columns: Sequence[Column[Any]],
        key: Sequence[str],
        conflict: str,
    ) -> None:
        self._dbapi: Any = connection.dialect.loaded_dbapi
        self._columns = columns
        self._key = [number for number, column in enumerate(columns) if column.name in key]
        self._copying = _copying(connection, table, columns)
        name = driver.table_name(connection, table)
        # The planner takes a scalar subquery as it stands: one step down the key's index for each row. From a join it
        # may make a reading of the whole table.
        here = " AND ".join(
            f"t.{column} = n.v{number}" for number, column in enumerate(driver.names(connection, self._key_columns()))
        )
        self._looking = (
            f"SELECT n.line FROM {_unnested(self._key_columns())} "  # noqa: S608 - our own names
            f"WHERE (SELECT TRUE FROM {name} AS t WHERE {here})"
        )
        values = ", ".join(f"n.v{number}" for number in range(len(columns)))
        self._inserting = (
            f"INSERT INTO {name} ({', '.join(driver.names(connection, columns))}) "  # noqa: S608 - our own names
            f"SELECT {values} FROM {_unnested(columns)} ORDER BY n.line ON CONFLICT {conflict}"
        )

    def _key_columns(self) -> list[Column[Any]]:
        return [self._columns[number] for number in self._key]

    def add(self, cursor: Any, rows: Sequence[Row], *, leave: bool) -> None:
        """Add rows; `leave` those that are there already as they are."""
        values = by_column(self._columns, rows)
        if len(rows) <= _FEW or not self._key:
            cursor.execute(self._inserting, _arrays(self._columns, values))
            return
        cursor.execute(self._looking, _arrays(self._key_columns(), [values[number] for number in self._key]))
        there = {line - 1 for (line,) in cursor.fetchall()}
        self._copy_or_insert(cursor, [row for line, row in enumerate(rows) if line not in there])
        if there and not leave:
            self._insert(cursor, [row for line, row in enumerate(rows) if line in there])

    def _copy_or_insert(self, cursor: Any, rows: Sequence[Row]) -> None:
        if not rows:
            return
        cursor.execute("SAVEPOINT before_copy")
        try:
            _copy(cursor, self._copying, rows)
        except self._dbapi.IntegrityError as error:
            if error.sqlstate != _TAKEN:
                raise
            cursor.execute("ROLLBACK TO SAVEPOINT before_copy")
            self._insert(cursor, rows)
        cursor.execute("RELEASE SAVEPOINT before_copy")

    def _insert(self, cursor: Any, rows: Sequence[Row]) -> None:
        cursor.execute(self._inserting, _arrays(self._columns, list(zip(*rows, strict=True))))


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
    pairs = [(column, f"n.v{number}") for number, column in enumerate(driver.names(connection, both))]
    setting = ", ".join(f"{column} = {value}" for column, value in pairs[len(key) :])
    here = " AND ".join(f"t.{column} = {value}" for column, value in pairs[: len(key)])
    statement = f"UPDATE {name} AS t SET {setting} FROM {_unnested(both)} WHERE {here}"  # noqa: S608 - our own names
    with driver.cursor(connection, f"UPDATE {name}") as cursor:
        _let_join(cursor, "off")
        for chunk in chunks(rows, _ROWS):
            cursor.execute(statement, _arrays(both, by_column(both, chunk)))
        _let_join(cursor, "default")


def _let_join(cursor: Any, how: str) -> None:
    """Without these joins the planner looks up row by row, so that rows are locked in the order of their keys.

    They may read the whole table instead, and lock in its order: two such updates dead-lock.
    """
    cursor.execute(f"SET LOCAL enable_hashjoin TO {how}")
    cursor.execute(f"SET LOCAL enable_mergejoin TO {how}")


def found_by(
    connection: Connection, column: Column[Any], keys: Iterable[Value], wanted: Wanted, wheres: Sequence[Where]
) -> Found:
    """See `bulk.rows_by` and `bulk.tally`."""
    queries = [_of_keys(column, wanted, where) for where in wheres]
    for chunk in chunks(keys, _ROWS):
        text = _key_text(column, chunk)
        for place, query in enumerate(queries):
            yield place, driver.tuples(connection, query, {_KEYS: text})


def found_ahead(
    connection: Connection, column: Column[Any], keys: Iterable[int], wanted: Wanted, wheres: Sequence[Where]
) -> Found:
    """See `bulk.grouped`. What is asked is on its way before what was asked is answered: so nobody waits."""
    psycopg: Any = connection.dialect.loaded_dbapi
    if not psycopg.Pipeline.is_supported():  # an old libpq
        return found_by(connection, column, sorted(keys), wanted, wheres)
    dialect, expanded = connection.dialect, {"render_postcompile": True}
    queries = [_of_keys(column, wanted, where).compile(dialect=dialect, compile_kwargs=expanded) for where in wheres]
    asked: list[tuple[int, Any]] = []
    with driver.cursor(connection, "SELECT") as cursor, cursor.connection.pipeline():
        for chunk in chunks(keys, _ROWS):
            text = _key_text(column, sorted(chunk))
            for place, query in enumerate(queries):
                asking = cursor.connection.cursor()
                asking.execute(query.string, {**query.construct_params(), _KEYS: text})
                asked.append((place, asking))
        return [(place, asking.fetchall()) for place, asking in asked]


def _of_keys(column: Column[Any], wanted: Wanted, where: Where) -> Select[Any]:
    """A query for the rows of keys, which are its parameter `_KEYS`; without it, of none."""
    # It has a value of its own since whoever expands a query must have one for each parameter.
    array = cast(bindparam(_KEYS, "{}", type_=String()), ARRAY(_ELEMENTS[kind(column)]))
    given = func.unnest(array).table_valued("key").render_derived(name="given")
    # OFFSET makes one step down an index for each key of it. Left to choose, a planner without statistics reads the
    # index from end to end: a minute for 50,000 keys in pieces of 1000.
    of_key = select(column.table).where(column == given.c.key)
    found = (of_key if where is None else of_key.where(where)).offset(0).lateral("found")
    return wanted(found).select_from(given.join(found, true()))


def _key_text(column: Column[Any], keys: Sequence[Value]) -> str:
    """Keys as the array of `_of_keys`; when they are sorted, neighbours are near to each other in the index."""
    check_keys(column, keys)
    return _array(kind(column), keys)


def _copying(connection: Connection, table: Table, columns: Sequence[Column[Any]]) -> str:
    name = driver.table_name(connection, table)
    return f"COPY {name} ({', '.join(driver.names(connection, columns))}) FROM STDIN"


def _copy(cursor: Any, statement: str, rows: Iterable[Row]) -> None:
    with cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def _unnested(columns: Sequence[Column[Any]]) -> str:
    """Arrays as rows n: v0, v1, … and `line`, their place in the arrays from 1 on."""
    arrays = ", ".join(f"CAST(%s AS {_ARRAYS[kind(column)]})" for column in columns)
    names = ", ".join(f"v{number}" for number in range(len(columns)))
    return f"unnest({arrays}) WITH ORDINALITY AS n({names}, line)"


def _arrays(columns: Sequence[Column[Any]], values: Sequence[Values]) -> list[str]:
    return [_array(kind(column), those) for column, those in zip(columns, values, strict=True)]


def _array(of: type, values: Values) -> str:
    """An array as PostgreSQL writes it; the driver's own way of making one from a list takes several times as long."""
    if of is int:
        return "{" + ",".join(["NULL" if v is None else str(v) for v in values]) + "}"
    if of is bytes:
        return "{" + ",".join(["NULL" if v is None else f'"\\\\x{v.hex()}"' for v in values]) + "}"
    return "{" + ",".join(["NULL" if v is None else f'"{_escaped(v)}"' for v in values]) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
