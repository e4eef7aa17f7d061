"""Every test of the ledger runs on SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from misp_modules_ext.ledger import Ledger
from misp_modules_ext.ledger.engine import connect
from tests.ledger.house import House
from tests.support.databases import KINDS, prepared


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Which database."""
    return str(request.param)


@pytest.fixture
def url(kind: str, tmp_path: Path) -> Iterator[str]:
    """The address of a database for a new ledger."""
    with prepared(kind, tmp_path) as made:
        yield made


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """An engine for it."""
    made = connect(url)
    yield made
    made.dispose()


@pytest.fixture
def house(url: str) -> Iterator[House]:
    """A ledger with two destinations of different rules."""
    ledger = Ledger(url)
    yield House(ledger)
    ledger.close()
