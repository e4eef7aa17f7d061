"""Who may send: one at a time, until it gives the lease back, loses it, or dies."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Row, select, update

from misp_modules_ext.config import load
from misp_modules_ext.delivery.drain import Drained, Place, drain
from misp_modules_ext.delivery.places import place_of
from misp_modules_ext.delivery.sender import Policy
from misp_modules_ext.destinations import create
from misp_modules_ext.ledger import Ledger, Origin, Store, register, schema, take
from misp_modules_ext.ledger.lease import LEASE_MS, acquire
from tests.crash.processes import ROOT, Nursery, Replaceable
from tests.crash.recorder import Carried, Recorder
from tests.crash.worlds import Stage, theatre
from tests.support.build import attribute, event
from tests.support.databases import KINDS, prepared
from tests.support.misp_views import action_request

#: A request that outlives a short lease, as none should.
STUBBORN = Policy(request_timeout=20)


@pytest.fixture(params=KINDS)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """MISP and Microsoft, where only Sentinel is configured, and a ledger on each database."""
    with prepared(request.param, tmp_path) as address, theatre(tmp_path, address, only=("microsoft",)) as made:
        yield made


@pytest.fixture
def ledger(stage: Stage) -> Iterator[Ledger]:
    """The ledger; one domain is due in it."""
    now = int(time.time())
    seen = event(attribute("domain", "c2.evil.example", timestamp=now), timestamp=now)
    made = Ledger(stage.address)
    made.write(lambda connection: take(connection, [seen], Origin.REQUEST, [_store(connection, stage)], ""))
    yield made
    made.close()


def _store(connection: Connection, stage: Stage) -> Store:
    (store,) = register(connection, [(d, create(d).refuses) for d in load(stage.config).destinations])
    return store


def _place(stage: Stage, ledger: Ledger, who: str, lease_ms: int = LEASE_MS) -> Place:
    store = ledger.write(lambda connection: _store(connection, stage))
    return place_of(ledger, store, load(stage.config), who)._replace(policy=STUBBORN, lease_ms=lease_ms)


def _holding(ledger: Ledger) -> Row[tuple[object, ...]]:
    return ledger.read(lambda connection: connection.execute(select(schema.holding)).one())


def _lease(ledger: Ledger) -> tuple[str | None, int]:
    """Who has it, and until when in milliseconds."""
    table = schema.destination
    return ledger.read(lambda c: c.execute(select(table.c.holder, table.c.lease_until_ms)).one()._tuple())


def _pause(connection: Connection, store: Store) -> None:
    """For an hour, as after an error of Microsoft's that may pass."""
    row = schema.destination
    here = row.c.destination_id == store.destination_id
    later = int(time.time() * 1000) + 3_600_000
    connection.execute(update(row).where(here).values(paused_until_ms=later, pause_reason="unreachable", failures=1))


def _wait(look: Callable[[], bool], seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.02)


def _stamps(item: Carried) -> tuple[str, ...]:
    return (item.stix_id, item.created, item.modified, item.content)


def test_who_lost_the_lease_writes_nothing(stage: Stage, ledger: Ledger) -> None:
    """An answer, here a refusal, comes after another has taken over: the row says what the other was told."""
    recorder = Recorder(stage.emulator)
    stage.emulator.fault(api="sentinel", delay=3, itemErrors=[0], times=1)
    drained: list[Drained] = []
    slow = _place(stage, ledger, "slow", lease_ms=1000)
    thread = threading.Thread(target=lambda: drained.append(drain(slow)))
    thread.start()
    _wait(lambda: len(recorder.carried) == 1)
    _wait(lambda: _lease(ledger)[1] < time.time() * 1000)
    assert drain(_place(stage, ledger, "other")).sent == 1
    third = ledger.write(lambda connection: acquire(connection, slow.store.destination_id, "third"))
    before = (_holding(ledger), _lease(ledger))
    thread.join()
    assert third is not None
    assert before == (_holding(ledger), _lease(ledger))
    assert (before[0].state, before[0].flight_hash, before[1][0]) == (schema.SETTLED, None, "third")
    assert [(one.sent, bool(one.message)) for one in drained] == [(0, True)]
    # The other could not know whether the first had arrived, so it said the same once more.
    first, second = recorder.carried
    assert _stamps(first) == _stamps(second)
    assert len(stage.patterns()) == 1


def test_while_one_sends_others_do_not(stage: Stage, ledger: Ledger) -> None:
    """A second holder goes away at once, with a sentence, and changes nothing."""
    recorder = Recorder(stage.emulator)
    stage.emulator.fault(api="sentinel", delay=1, times=1)
    thread = threading.Thread(target=drain, args=(_place(stage, ledger, "one"),))
    thread.start()
    _wait(lambda: len(recorder.carried) == 1)
    assert drain(_place(stage, ledger, "two")).message.startswith("Another process sends")
    assert _lease(ledger)[0] == "one"
    thread.join()
    assert (len(recorder.carried), _lease(ledger)) == (1, (None, 0))


def test_what_a_killed_holder_had_is_taken_over_after_its_lease(
    stage: Stage, ledger: Ledger, nursery: Nursery, tmp_path: Path
) -> None:
    """Not before, with the same words, and once."""
    recorder = Recorder(stage.emulator)
    stage.emulator.fault(api="sentinel", delay=60, times=1)
    environment = stage.environment(lease_ms=4000)
    with Replaceable(nursery, environment, tmp_path, "worker-a") as victim:
        _wait(lambda: len(recorder.carried) == 1)
        with Replaceable(nursery, environment, tmp_path, "worker-b"):
            victim.end(signal.SIGKILL)
            until = _lease(ledger)[1]
            _wait(lambda: _holding(ledger).state == schema.SETTLED)
    first, second = recorder.carried
    assert time.time() - (time.monotonic() - second.began) >= until / 1000
    assert _stamps(first) == _stamps(second)


@pytest.mark.parametrize("role", ["worker", "service"])
def test_whoever_is_asked_to_end_gives_the_lease_back(
    role: str, stage: Stage, ledger: Ledger, nursery: Nursery, tmp_path: Path
) -> None:
    """SIGTERM while a request is under way: its answer is written down, and the next one need not wait."""
    recorder = Recorder(stage.emulator)
    stage.emulator.fault(api="sentinel", delay=2, times=1)
    with Replaceable(nursery, stage.environment(LEASE_MS), tmp_path, role) as process:
        _wait(lambda: len(recorder.carried) == 1)
        assert process.end(signal.SIGTERM) == 0
    assert _lease(ledger) == (None, 0)
    assert _holding(ledger).state == schema.SETTLED
    assert len(recorder.carried) == 1
    assert ledger.read(lambda connection: connection.execute(select(schema.drain)).all()) == []


def test_what_a_door_goes_on_sending_is_finished_too(stage: Stage, nursery: Nursery, tmp_path: Path) -> None:
    """SIGTERM after the action has answered, while Microsoft has not: the action's own thread has the lease.

    The drain of its process, whose first round comes with the first request, respects the pause; a person who pushes
    does not.
    """
    recorder = Recorder(stage.emulator)
    stage.emulator.fault(api="sentinel", delay=6, times=1)
    world = stage.misp.world
    uuid = world.add_event(world.orgs[0])
    world.add_attribute(uuid, "domain", "c2.evil.example")
    ledger = Ledger(stage.address)
    ledger.write(lambda connection: _pause(connection, _store(connection, stage)))
    with Replaceable(nursery, stage.environment(LEASE_MS), tmp_path, "service") as service:
        assert service.ask(action_request(world, uuid)) == {"data": True}
        _wait(lambda: len(recorder.carried) == 1)
        assert str(_lease(ledger)[0]).startswith(f"action {socket.gethostname()[:24]} {service.pid} ")
        assert service.end(signal.SIGTERM) == 0
    assert _lease(ledger) == (None, 0)
    assert _holding(ledger).state == schema.SETTLED
    assert len(recorder.carried) == 1
    ledger.close()


def test_a_child_begins_its_own_drain(stage: Stage) -> None:
    """A process with a drain forks: no child inherits its connections, or believes that the drain is its own."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.crash.forking"],
        cwd=ROOT,
        env={**os.environ, **stage.environment(LEASE_MS)},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    told = json.loads(done.stdout)
    assert set(told["codes"]) == {0}
    assert told["alive"]
