"""What a database does not take is told in words, and nothing of it is kept."""

from __future__ import annotations

import enum
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Float,
    Integer,
    MetaData,
    Table,
    text,
)
from sqlalchemy.exc import DBAPIError, IntegrityError

from misp_modules_ext.errors import LedgerError
from misp_modules_ext.ledger import bulk
from misp_modules_ext.ledger.bulk import Row
from misp_modules_ext.ledger.engine import run
from tests.ledger.bulk.tables import (
    EVIDENCE,
    HOLDING,
    MANY,
    Writing,
    everything,
    evidence,
    held,
    holding,
    writings,
)


def test_insert_says_that_a_key_is_there(ledger: Engine) -> None:
    """The error is SQLAlchemy's, and tells no value; nothing of the transaction is kept."""
    run(ledger, lambda c: bulk.insert(c, evidence, EVIDENCE, [(9, b"k" * 16, 1, 1, b"", "first")]))
    rows: list[Row] = [(n, b"k" * 16, 1, 1, b"", f"confidential-{n}") for n in range(MANY)]

    def work(connection: Connection) -> None:
        bulk.insert(connection, holding, HOLDING, held(range(10)))
        bulk.insert(connection, evidence, EVIDENCE, rows)

    with ledger.connect() as connection, pytest.raises(IntegrityError) as caught:
        work(connection)
    assert "confidential" not in str(caught.value)
    with pytest.raises(LedgerError, match="Nothing was kept"):
        run(ledger, work)
    assert everything(ledger) == []
    assert [row[-1] for row in everything(ledger, evidence)] == ["first"]


@writings
def test_an_error_in_the_middle_keeps_nothing(ledger: Engine, write: Writing) -> None:
    """The last row breaks a rule of the table's."""
    rows: list[Row] = [(n, b"k" * 16, n, 1, None, None) for n in range(20, MANY)]
    rows.append((MANY, b"k" * 16, 13, 1, None, None))
    with pytest.raises(LedgerError, match="Nothing was kept"):
        run(ledger, lambda c: write(c, evidence, EVIDENCE, rows))
    assert everything(ledger, evidence) == []


@writings
def test_an_error_early_on_is_told_and_the_connection_goes_on(ledger: Engine, write: Writing) -> None:
    """On MariaDB later rows are made by the time it is answered; a rollback must not be taken for that answer."""
    rows: list[Row] = [(n, b"k" * 16, 13 if n == 21 else n, 1, None, None) for n in range(20, MANY)]
    with ledger.connect() as connection:
        with pytest.raises(DBAPIError, match="ck_evidence_taken"):
            write(connection, evidence, EVIDENCE, rows)
        connection.rollback()
        write(connection, evidence, EVIDENCE, rows[2:])
        connection.commit()
    assert everything(ledger, evidence) == rows[2:]


class _Number(enum.IntEnum):
    ONE = 1


@writings
def test_other_values_are_type_errors(ledger: Engine, write: Writing) -> None:
    """Databases would take some of them for something else, each in its way."""
    good: Row = (0, b"k" * 16, 1, 1, None, None)
    others: list[Any] = [
        *((1, b"k" * 16, number, 1, None, None) for number in (True, _Number.ONE, 1.0, "1", b"1")),
        *((1, b"k" * 16, 1, 1, document, None) for document in ("text", bytearray(b"x"), memoryview(b"x"), 1)),
        *((1, b"k" * 16, 1, 1, None, value) for value in (b"bytes", 1)),
        good[:-1],
        (*good, None),
    ]
    for row in others:
        with pytest.raises(TypeError, match="evidence"):
            run(ledger, lambda c, row=row: write(c, evidence, EVIDENCE, [good, row]))  # type: ignore[misc]
        with pytest.raises(TypeError, match="evidence"):
            run(ledger, lambda c, row=row: write(c, evidence, EVIDENCE, [row]))  # type: ignore[misc]
    assert everything(ledger, evidence) == []


@writings
def test_text_that_cannot_be_kept_is_a_sentence(ledger: Engine, write: Writing) -> None:
    """On every database, also on those that would take it; without the value."""
    for value in ("a\0b", "\ud800", "a\udfff"):
        rows: list[Row] = [(n, b"k" * 16, 1, 1, None, text) for n, text in enumerate(("fine", value))]
        with pytest.raises(LedgerError, match=r"evidence\.value holds U\+0000 .*Correct the value in MISP"):
            run(ledger, lambda c, rows=rows: write(c, evidence, EVIDENCE, rows))  # type: ignore[misc]
    assert everything(ledger, evidence) == []


@writings
def test_numbers_and_texts_that_do_not_fit_are_errors(ledger: Engine, write: Writing) -> None:
    """Nothing is cut off. SQLite alone keeps long texts and has one size of numbers."""
    with pytest.raises(LedgerError, match="Nothing was kept"):
        run(ledger, lambda c: write(c, evidence, EVIDENCE, [(2**63, b"k" * 16, 1, 1, None, None)]))
    if ledger.dialect.name == "sqlite":
        return
    with pytest.raises(LedgerError, match="Nothing was kept"):
        run(ledger, lambda c: write(c, evidence, EVIDENCE, [(1, b"k" * 16, 1, 32_768, None, None)]))
    with pytest.raises(LedgerError, match="Nothing was kept"):
        run(ledger, lambda c: write(c, holding, HOLDING, [(1, 1, 1, None, 0, "r" * 33)]))


def test_columns_of_other_types_are_type_errors(ledger: Engine) -> None:
    """Numbers with a point, dates: the ledger has none."""
    other = Table("other", MetaData(), Column("id", Integer, primary_key=True), Column("share", Float))
    with pytest.raises(TypeError, match=r"other\.share"):
        run(ledger, lambda c: bulk.insert(c, other, ["id", "share"], [(1, 1)]))


@pytest.mark.parametrize("shared", ["mariadb"], indirect=True)
def test_a_row_that_is_too_large_is_a_sentence(ledger: Engine) -> None:
    """MariaDB has such a limit: with the setting to raise; the connection goes on."""
    packet = run(ledger, lambda c: int(c.execute(text("SELECT @@max_allowed_packet")).scalar_one()))
    rows: list[Row] = [(1, b"k" * 16, 1, 1, None, None), (2, b"k" * 16, 1, 1, b"x" * (packet // 2), None)]
    with pytest.raises(LedgerError, match="Raise max_allowed_packet"):
        run(ledger, lambda c: bulk.insert(c, evidence, EVIDENCE, rows))
    assert everything(ledger, evidence) == []
