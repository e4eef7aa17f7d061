"""Tables of the kinds that the ledger has, to write many rows to and to look them up in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    Engine,
    Index,
    MetaData,
    SmallInteger,
    String,
    Table,
    select,
)

from misp_modules_ext.ledger import bulk
from misp_modules_ext.ledger.bulk import Row
from misp_modules_ext.ledger.engine import run
from misp_modules_ext.ledger.schema import Digest, Id, LongBinary, LongText, Uuid16

METADATA = MetaData()
_TABLE: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}
evidence = Table(
    "evidence",
    METADATA,
    Column("observable_id", BigInteger, primary_key=True, autoincrement=False),
    Column("attribute", Uuid16, primary_key=True),
    Column("taken", BigInteger),
    Column("order", SmallInteger, nullable=False),  # a word that each database keeps for itself
    Column("document", LongBinary),
    Column("value", LongText),
    CheckConstraint("taken <> 13", name="ck_evidence_taken"),
    **_TABLE,
)
holding = Table(
    "holding",
    METADATA,
    Column("destination_id", BigInteger, primary_key=True, autoincrement=False),
    Column("observable_id", BigInteger, primary_key=True, autoincrement=False),
    Column("state", SmallInteger, nullable=False),
    Column("due_hash", Digest),
    Column("due_ms", BigInteger, nullable=False, server_default="0"),
    Column("reason", String(32)),
    Index("ix_holding_due", "destination_id", "state", "due_ms"),
    Index("ix_holding_due_hash", "due_hash"),
    **_TABLE,
)
#: Numbered by the database, and known by a text.
event = Table(
    "event",
    METADATA,
    Column("event_id", Id, primary_key=True, autoincrement=True),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("timestamp", BigInteger, nullable=False),
    Column("title", String(16)),
    **_TABLE,
)
EVIDENCE = [column.name for column in evidence.c]
HOLDING = [column.name for column in holding.c]
#: More than three times what any database gets in one statement.
MANY = 15_100
HARD = (
    "",
    "'",
    '"',
    "\\",
    "\\'; --",
    "%s %(x)s %%",
    "?",
    ":a",
    "\t\r\n",
    "\\N",
    "NULL",
    "{a,b}",
    "Ünïcode",
    "😀🏴‍☠️",
    " a ",
)
LIMITS = (-(2**63), -1, 0, 1, 2**63 - 1)


def everything(engine: Engine, table: Table = holding) -> list[tuple[Any, ...]]:
    """All rows, as Core reads them, in the order of their key."""
    wanted = select(table).order_by(*table.primary_key.columns)
    return run(engine, lambda c: [tuple(row) for row in c.execute(wanted)])


def held(numbers: Iterable[int], state: int = 0, destination: int = 1) -> list[Row]:
    """Rows of `holding`."""
    return [(destination, n, state, n.to_bytes(32, "big") if n % 3 else None, -n, f"r{n % 7}") for n in numbers]


def upsert(connection: Connection, table: Table, columns: list[str], rows: Iterable[Row]) -> None:
    """As `bulk.insert`, and sets what is there by its primary key."""
    bulk.upsert(connection, table, columns, [column.name for column in table.primary_key.columns], rows)


Writing = Callable[[Connection, Table, list[str], Iterable[Row]], None]
writings = pytest.mark.parametrize("write", [bulk.insert, bulk.insert_missing, upsert])
