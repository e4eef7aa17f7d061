"""A database with the tables of these tests: SQLite, PostgreSQL, MariaDB."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import (
    Engine,
)

from misp_modules_ext.ledger.engine import connect, run
from tests.ledger.bulk.tables import METADATA
from tests.support.databases import KINDS, database


@pytest.fixture(scope="module", params=KINDS)
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine with the tables of these tests. Making a database for each of them would take most of the time."""
    with database(request.param, tmp_path_factory.mktemp("ledger")) as url:
        engine = connect(url)
        run(engine, METADATA.create_all)
        yield engine
        engine.dispose()


@pytest.fixture
def ledger(shared: Engine) -> Engine:
    """The same with empty tables."""
    run(shared, lambda c: [c.execute(table.delete()) for table in METADATA.sorted_tables])
    return shared
