"""What the ledger says as a whole, for `status` and `check`. On all three databases."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, update
from sqlalchemy.event import listens_for

from misp_modules_ext.ledger import Ledger, bulk, holds, lease, queries, schema
from misp_modules_ext.ledger.engine import now_ms
from misp_modules_ext.ledger.holds import Hold
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.ledger.placing import as_it_should_be
from misp_modules_ext.model.outcome import Reason
from tests.ledger.house import House, domain
from tests.support.build import EVENT, NOW, attribute, event

NAMES = ("one", "two", "three")
THREE = event(*(attribute("domain", f"{name}.evil.example") for name in NAMES), timestamp=NOW, tags=["tlp:amber"])

#: Of a thousand rows: state, wanted, there, reason, how many.
KINDS = (
    (schema.SETTLED, True, True, None, 800),
    (schema.SETTLED, False, False, None, 50),
    (schema.EXPIRED, False, False, None, 40),
    (schema.DUE, True, False, None, 40),
    (schema.DUE, True, False, "throttled", 20),
    (schema.DUE, True, True, None, 25),
    (schema.DUE, False, True, "withdrawal-cap", 15),
    (schema.SKIPPED, True, False, "capacity", 8),
    (schema.REJECTED, True, False, "rejected-by-microsoft", 2),
)


def _rows(times: int) -> list[tuple[int | bytes | str | None, ...]]:
    """So many thousands of rows at the first destination; their ids are digests, as they are in life."""
    rows: list[tuple[int | bytes | str | None, ...]] = []
    for state, wanted, there, reason, count in KINDS:
        for _ in range(count * times):
            number = observable_id(domain(f"{len(rows)}.example"))
            digest = hashlib.sha256(str(number).encode()).digest()
            rows.append((1, number, state, digest if wanted else None, digest if there else None, reason, NOW * 1000))
    return sorted(rows, key=lambda row: row[1])  # type: ignore[return-value, arg-type] # ids are numbers


def _fill(house: House, times: int) -> None:
    columns = ["destination_id", "observable_id", "state", "due_hash", "sent_hash", "reason", "due_ms"]
    house.ledger.write(lambda connection: bulk.insert(connection, schema.holding, columns, _rows(times)))


def _numbers(counts: queries.Counts) -> dict[str, int]:
    return {
        "there": counts.there,
        "create": counts.due(wanted=True, there=False),
        "update": counts.due(wanted=True),
        "withdraw": counts.due(wanted=False),
        "rejected": counts.of(schema.REJECTED),
        "skipped": counts.of(schema.SKIPPED),
        "expired": counts.of(schema.EXPIRED),
    }


def test_all_rows_of_a_small_destination_are_counted(house: House) -> None:
    """To the last one, split by what is due and why."""
    _fill(house, 2)
    counts = house.ledger.read(lambda connection: queries.counts(connection, 1))
    assert counts.whole
    assert _numbers(counts) == {
        "there": 2 * (800 + 25 + 15),
        "create": 2 * 60,
        "update": 2 * 25,
        "withdraw": 2 * 15,
        "rejected": 2 * 2,
        "skipped": 2 * 8,
        "expired": 2 * 40,
    }
    assert {(row.reason, row.rows) for row in counts.alike if row.state == schema.DUE} == {
        (None, 80),
        ("throttled", 40),
        (None, 50),
        ("withdrawal-cap", 30),
    }


def test_a_large_destination_is_estimated_but_for_states_with_few_rows(house: House) -> None:
    """Within a few parts of a hundred, and the rejected to the last one."""
    _fill(house, 20)
    effort = queries.Effort(exact=5_000, sample=4_000, few=100)
    counts = house.ledger.read(lambda connection: queries.counts(connection, 1, effort=effort))
    assert not counts.whole
    assert counts.counted == {schema.DUE, schema.REJECTED, schema.SKIPPED, schema.EXPIRED, schema.ON_HOLD}
    found = _numbers(counts)
    assert (found["rejected"], found["skipped"], found["expired"]) == (40, 160, 800)
    assert counts.of(schema.DUE) == 20 * 100
    assert found["there"] == pytest.approx(20 * 840, rel=0.06)
    assert found["create"] == pytest.approx(20 * 60, rel=0.25)
    exact = house.ledger.read(lambda connection: queries.counts(connection, 1, exact=True, effort=effort))
    assert exact.whole
    assert exact.there == 20 * 840


def test_numbers_that_follow_each_other_do_not_mislead_the_estimate(house: House) -> None:
    """Whatever made the ids: the sample is a part of the range in which they lie."""
    rows = [(1, number, schema.SETTLED, bytes(32), bytes(32)) for number in range(20_000)]
    columns = ["destination_id", "observable_id", "state", "due_hash", "sent_hash"]
    house.ledger.write(lambda connection: bulk.insert(connection, schema.holding, columns, rows))
    effort = queries.Effort(exact=1_000, sample=2_000, few=100)
    counts = house.ledger.read(lambda connection: queries.counts(connection, 1, effort=effort))
    assert counts.there == pytest.approx(20_000, rel=0.05)


def test_a_destination_of_which_nothing_is_known(house: House) -> None:
    """No rows, no numbers."""
    counts = house.ledger.read(lambda connection: queries.counts(connection, 99))
    assert (counts.alike, counts.there, counts.whole) == ((), 0, True)


def test_destinations_say_who_sends_and_why_not(house: House) -> None:
    """The lease as long as it lasts, the pause with its reason, what is on hold, and when something goes next."""
    house.take(THREE)

    def trouble(connection: Connection) -> int:
        first, second = house.stores(connection)
        taken = lease.acquire(connection, first.destination_id, "worker here 7")
        assert taken is not None
        lease.pause(connection, taken, Reason.THROTTLED, "Slow down.", 60)
        holds.put(connection, {1: Hold("alice", "wrong")}, second.destination_id)
        holds.put(connection, {2: Hold("alice", "wrong")}, schema.EVERYWHERE)
        return now_ms(connection)

    clock = house.ledger.write(trouble)
    first, second = house.ledger.read(queries.destinations)
    assert (first.label, first.api, first.holder) == ("microsoft", "sentinel", "worker here 7")
    assert first.pause is not None
    assert (first.pause.reason, first.pause.message) == (Reason.THROTTLED, "Slow down.")
    assert first.pause.until_ms > clock + 50_000
    assert first.next_ms is not None
    assert first.next_ms <= clock
    assert (second.holder, second.pause, second.next_ms) == ("", None, None)
    assert (first.holds, second.holds) == (1, 2)
    over = (
        update(schema.destination).values(lease_until_ms=1, paused_until_ms=1).where(schema.destination.c.failures > 0)
    )
    house.ledger.write(lambda connection: connection.execute(over))
    first = house.ledger.read(queries.destinations)[0]
    # The reason stays until something is accepted again, however short the pause was.
    assert (first.holder, first.pause and first.pause.reason) == ("", Reason.THROTTLED)
    house.ledger.write(lambda connection: lease.resume(connection, first.destination_id))
    assert house.ledger.read(queries.destinations)[0].pause is None


def test_drains_by_their_last_heartbeat(house: House) -> None:
    """The one seen last comes first; how long ago, whatever clock this machine has."""

    def beat(connection: Connection) -> None:
        clock = now_ms(connection)
        rows = [("old", "service", clock - 90_000), ("new", "worker", clock - 2_000)]
        for holder, kind, seen in rows:
            made = insert(schema.drain).values(holder=holder, kind=kind, host="here", pid=7, seen_ms=seen)
            connection.execute(made)

    house.ledger.write(beat)
    new, old = house.ledger.read(queries.drains)
    assert (new.holder, new.kind, old.holder, old.pid) == ("new", "worker", "old", 7)
    assert 2 <= new.seen < 60
    assert old.seen >= 90


def test_events_that_wait_to_be_read(house: House) -> None:
    """Now or later, and of those that could not be read why not."""
    house.take(THREE)
    other = "0e0e0e0e-0000-4000-8000-000000000000"
    house.take(event(attribute("domain", "x.example", uuid=other), uuid=other))

    def fail(connection: Connection) -> None:
        table, clock = schema.event, now_ms(connection)
        now, later = table.c.uuid == EVENT, table.c.uuid == other
        failed = {"read_due_ms": clock, "read_attempts": 3, "read_message": "MISP does not answer."}
        connection.execute(update(table).where(now).values(**failed))
        connection.execute(update(table).where(later).values(read_due_ms=clock + 60_000))

    house.ledger.write(fail)
    found = house.ledger.read(lambda connection: queries.readings(connection, [""], 10))
    assert (found.due, found.later) == (1, 1)
    (failed,) = found.failed
    assert (failed.uuid, failed.attempts, failed.message, failed.missing) == (EVENT, 3, "MISP does not answer.", False)
    # What nobody can read is no work left.
    elsewhere = house.ledger.read(lambda connection: queries.readings(connection, ["https://misp.example"], 10))
    assert elsewhere == queries.Readings(0, 0, ())


def test_a_fresh_ledger_has_nothing_to_say(url: str) -> None:
    """But for the version of its tables."""
    ledger = Ledger(url)
    assert ledger.read(queries.revision)
    assert ledger.read(queries.destinations) == []
    assert ledger.read(queries.drains) == []
    assert ledger.read(lambda connection: queries.readings(connection, [""], 10)) == queries.Readings(0, 0, ())
    ledger.close()


@pytest.mark.parametrize("among", [3, 5000])
def test_what_is_asked_of_some_values_never_reads_a_whole_destination(tmp_path: Path, among: int) -> None:
    """SQLite thinks that few rows have the first column of an index in common: of a million it would read each."""
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    numbers, here, row = range(among), schema.holding.c.destination_id == 1, schema.holding.c
    steps: list[str] = []

    def ask(connection: Connection) -> None:
        @listens_for(connection, "before_cursor_execute")
        def _(_: Connection, cursor: Any, statement: str, parameters: Any, *__: Any) -> None:
            steps.extend(step for *_, step in cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters))

        by = (connection, row.observable_id, numbers)
        list(bulk.rows_by(*by, row.state, where=here))
        list(bulk.rows_by(*by, row.due_hash, where=here, also=lambda of: of.c.state == schema.SETTLED))
        bulk.grouped(*by, row.valid_until, row.generation, wheres=[here], also=as_it_should_be)
        bulk.tally(*by, row.state, where=here)

    ledger.read(ask)
    ledger.close()
    looks = [step for step in steps if "holding" in step]
    assert len(looks) == 4
    assert all(step.endswith("(destination_id=? AND observable_id=?)") for step in looks), looks
