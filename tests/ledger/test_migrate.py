"""The tables of a migrated ledger, on every database."""

from __future__ import annotations

import logging
import multiprocessing
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, event, inspect, text

from misp_modules_ext.errors import LedgerError
from misp_modules_ext.ledger import migrate
from misp_modules_ext.ledger.engine import alone, connect, rehearse, run
from misp_modules_ext.ledger.migrate import upgrade
from misp_modules_ext.ledger.schema import REVISION, metadata
from tests.support.databases import database


@pytest.fixture
def url(kind: str, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database."""
    with database(kind, tmp_path) as made:
        yield made


def _ddl(engine: Engine) -> dict[str, Any]:
    """All that the database says of its tables: also CHECKs and character sets, which alembic does not compare."""
    looked = inspect(engine)
    return {table: _table(engine, looked, table) for table in looked.get_table_names() if table != "alembic_version"}


def _table(engine: Engine, looked: Any, table: str) -> dict[str, Any]:
    described = {
        "columns": [(c["name"], repr(c["type"]), c["nullable"], str(c["default"])) for c in looked.get_columns(table)],
        "key": looked.get_pk_constraint(table)["constrained_columns"],
        "unique": sorted((u["name"], u["column_names"]) for u in looked.get_unique_constraints(table)),
        "indexes": sorted((i["name"], i["column_names"], bool(i["unique"])) for i in looked.get_indexes(table)),
        "checks": sorted((c["name"], c["sqltext"]) for c in looked.get_check_constraints(table)),
        "foreign": sorted(
            (f["name"], f["constrained_columns"], f["referred_table"], f["options"])
            for f in looked.get_foreign_keys(table)
        ),
    }
    if engine.dialect.name in ("mysql", "mariadb"):
        options = looked.get_table_options(table)
        described["options"] = {k: v for k, v in options.items() if "auto" not in k and "comment" not in k}
    return described


def test_a_migrated_ledger_is_what_the_schema_says(engine: Engine, tmp_path: Path) -> None:
    """The reflected DDL of a migrated database equals that of one made from the metadata."""
    upgrade(engine)
    (tmp_path / "other").mkdir()
    with database(engine.dialect.name, tmp_path / "other") as url:
        fresh = connect(url)
        run(fresh, metadata.create_all)
        assert _ddl(engine) == _ddl(fresh)
        fresh.dispose()


def test_texts_are_compared_byte_by_byte(engine: Engine) -> None:
    """`é` and `e`, `A` and `a` are different values everywhere; emoji and long values are kept whole."""
    upgrade(engine)
    values = ["a", "A", "é", "e", "a ", "😀", "x" * 70_000]

    def keep(connection: Any) -> None:
        for number, value in enumerate(values):
            connection.execute(
                metadata.tables["observable"].insert().values(observable_id=number, kind="url", value=value)
            )

    run(engine, keep)
    kept = run(engine, lambda c: c.execute(text("SELECT value FROM observable ORDER BY observable_id")).scalars().all())
    assert list(kept) == values
    found = run(engine, lambda c: c.execute(text("SELECT count(*) FROM observable WHERE value = 'a'")).scalar_one())
    # MariaDB's comparison pads with spaces: a value is looked up by its number, never by its text.
    assert found == (2 if engine.dialect.name == "mariadb" else 1)


def test_it_is_migrated_once_and_keeps_its_identity(engine: Engine) -> None:
    """A second time changes nothing."""
    assert upgrade(engine) == upgrade(engine)


_OPENS = """
import sys
from misp_modules_ext.ledger.engine import connect
from misp_modules_ext.ledger.migrate import upgrade
upgrade(connect(sys.argv[1]))
print("alembic" in sys.modules)
"""


def test_one_that_needs_nothing_is_opened_without_alembic(url: str) -> None:
    """Whose import takes a quarter of a second, with every command."""
    command = [sys.executable, "-c", _OPENS, url]
    told = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() for _ in range(2)]
    assert told == ["True", "False"]


def test_one_that_needs_nothing_is_opened_while_another_writes(url: str, engine: Engine) -> None:
    """SQLite has one writer at a time, and a large event takes it seconds: who only looks need not wait for that."""
    identity = upgrade(engine)

    def work(connection: Connection) -> tuple[str, float]:
        alone(connection)
        connection.execute(text("UPDATE meta SET value = 'written meanwhile' WHERE name = 'ledger'"))
        other, began = connect(url), time.monotonic()
        try:
            return upgrade(other), time.monotonic() - began
        finally:
            other.dispose()

    found, took = rehearse(engine, work)
    assert found == identity
    assert took < 5


def test_the_schema_names_the_last_migration() -> None:
    """By which a ledger is known to need nothing."""
    folder = Path(migrate.__file__).parent / "migrations"
    assert ScriptDirectory(str(folder)).get_current_head() == REVISION


def _upgrade_in_a_process(url: str, answers: Any) -> None:
    answers.put(upgrade(connect(url)))


def test_several_processes_at_once(url: str) -> None:
    """Six processes meet an empty database: all succeed, and all see one ledger."""
    context = multiprocessing.get_context("forkserver")
    # They have imported everything, so that none comes late.
    context.set_forkserver_preload([__name__, "alembic.command"])
    answers = context.Queue()
    processes = [context.Process(target=_upgrade_in_a_process, args=(url, answers)) for _ in range(6)]
    for process in processes:
        process.start()
    found = {answers.get(timeout=60) for _ in processes}
    for process in processes:
        process.join(30)
    assert len(found) == 1


def _upgrade_with_a_slow_commit(url: str, found: list[str]) -> None:
    slow = connect(url)
    event.listen(slow, "commit", lambda _: time.sleep(0.2))
    found.append(upgrade(slow))
    slow.dispose()


def test_the_next_one_waits_for_the_commit(url: str, engine: Engine) -> None:
    """Who came second, before the version was committed, took the first one's tables for leftovers and dropped them."""
    found: list[str] = []
    threads = [threading.Thread(target=_upgrade_with_a_slow_commit, args=(url, found)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), len(set(found))) == (4, 1)
    assert set(_ddl(engine)) == set(metadata.tables)
    assert upgrade(engine) == found[0]


def test_two_ledgers_in_one_process(tmp_path: Path) -> None:
    """As when a service that has just begun finds another address in its configuration: neither gets the other's."""
    for name in range(4):
        engines = [connect(f"sqlite:///{tmp_path / f'{name}-{side}.db'}") for side in range(3)]
        start = threading.Barrier(len(engines))

        def make(engine: Engine, start: threading.Barrier = start) -> str:
            start.wait()
            return upgrade(engine)

        with ThreadPoolExecutor(len(engines)) as pool:
            identities = list(pool.map(make, engines))
        assert len(set(identities)) == len(engines)
        for engine in engines:
            assert upgrade(engine) in identities
            engine.dispose()


def test_a_newer_ledger_is_left_alone(engine: Engine) -> None:
    """Its version is unknown here: a sentence, and no change."""
    upgrade(engine)
    run(engine, lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(LedgerError, match="newer version"):
        upgrade(engine)
    assert run(engine, lambda c: c.execute(text("SELECT version_num FROM alembic_version")).scalar_one()) == "9999"


def test_migration_touches_no_logging(engine: Engine) -> None:
    """Alembic's template would reconfigure the root logger of whoever imports us, misp-modules included."""
    before = (logging.getLogger().level, list(logging.getLogger().handlers), logging.getLogger("x").disabled)
    upgrade(engine)
    assert (logging.getLogger().level, list(logging.getLogger().handlers), logging.getLogger("x").disabled) == before


def test_an_interrupted_first_migration_is_no_obstacle(engine: Engine) -> None:
    """MariaDB keeps each table as soon as it is made: killed in between, some are there and no version is."""
    run(engine, metadata.tables["audience"].create)
    upgrade(engine)
    assert run(engine, lambda c: c.execute(text("SELECT count(*) FROM audience")).scalar_one()) == 0


@pytest.mark.parametrize("interrupted", [False, True])
def test_what_is_there_survives_later_migrations(engine: Engine, *, interrupted: bool) -> None:
    """A ledger of the first version, and one of which MariaDB has kept a migration that was not finished."""
    upgrade(engine)
    rows = "INSERT INTO holding (destination_id, observable_id, state, due_ms) VALUES (1, 2, 1, 3)"
    run(engine, lambda c: c.execute(text(rows)))
    run(engine, lambda c: c.execute(text("INSERT INTO audience (event_id, destination_id) VALUES (1, 1)")))
    run(engine, lambda c: c.execute(text("UPDATE alembic_version SET version_num = '0001'")))
    if not interrupted:
        run(engine, lambda c: c.execute(text("ALTER TABLE holding DROP COLUMN shown_hash")))
        run(engine, lambda c: c.execute(text("DROP TABLE companion")))
        run(engine, lambda c: c.execute(text("DROP TABLE companion_due")))
        run(engine, lambda c: c.execute(text("DROP TABLE sync_tried")))
        run(engine, lambda c: c.execute(text("ALTER TABLE audience DROP COLUMN part")))
        run(engine, lambda c: c.execute(text("DROP TABLE sighting")))
        run(engine, lambda c: c.execute(text("DROP TABLE written_back")))
        run(engine, lambda c: c.execute(text("DROP TABLE asked_attribute")))
    upgrade(engine)
    wanted = text("SELECT destination_id, observable_id, state, due_ms, shown_hash FROM holding")
    assert [tuple(row) for row in run(engine, lambda c: c.execute(wanted).all())] == [(1, 2, 1, 3, None)]
    version = text("SELECT version_num FROM alembic_version")
    assert run(engine, lambda c: c.execute(version).scalar_one()) == REVISION
    # What was asked for before is the whole event.
    assert run(engine, lambda c: c.execute(text("SELECT part FROM audience")).scalar_one()) == 0
    assert set(_ddl(engine)) == set(metadata.tables)


def test_attributes_that_were_asked_for_go_on_counting(engine: Engine) -> None:
    """Those of which the destination knows a value, and only where the event was not asked for as a whole."""
    upgrade(engine)
    evidence = (
        "INSERT INTO evidence (observable_id, event_id, attribute, header_id, taken, timestamp, origins, vouches, "
        "document) VALUES (:value, 1, :attribute, 1, 1, 1, 1, 1, :attribute)"
    )
    attributes = [bytes([number]) * 16 for number in range(3)]

    def fill(connection: Any) -> None:
        connection.execute(text("INSERT INTO audience (event_id, destination_id, part) VALUES (1, 1, 1), (1, 2, 0)"))
        for number, attribute in enumerate(attributes):
            connection.execute(text(evidence), {"value": number, "attribute": attribute})
            there = text(
                "INSERT INTO holding (destination_id, observable_id, state, due_ms) VALUES (:where, :value, 1, 3)"
            )
            for where in (1, 2) if number < 2 else (2,):
                connection.execute(there, {"where": where, "value": number})
        connection.execute(text("DROP TABLE asked_attribute"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0007'"))

    run(engine, fill)
    upgrade(engine)
    wanted = text("SELECT event_id, destination_id, attribute FROM asked_attribute ORDER BY attribute")
    found = [(event, place, bytes(key)) for event, place, key in run(engine, lambda c: c.execute(wanted).all())]
    assert found == [(1, 1, attributes[0]), (1, 1, attributes[1])]


def test_tables_of_somebody_else_are_left_alone(engine: Engine) -> None:
    """A table of our name that holds something, in a database without a version."""
    run(engine, metadata.tables["audience"].create)
    run(engine, lambda c: c.execute(text("INSERT INTO audience (event_id, destination_id) VALUES (1, 1)")))
    with pytest.raises(LedgerError, match="empty database"):
        upgrade(engine)
    assert run(engine, lambda c: c.execute(text("SELECT count(*) FROM audience")).scalar_one()) == 1
