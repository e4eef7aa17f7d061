"""`misp-microsoft worker`: it drains, is woken, ends in good order, and shares a ledger with others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, update

from misp_modules_ext.config import load
from misp_modules_ext.delivery import queue
from misp_modules_ext.ledger import Ledger, Origin, open_ledger, register, schema, take
from misp_modules_ext.ledger.engine import now_ms
from tests.support.build import attribute, event
from tests.support.commands import Command
from tests.support.databases import prepared
from tests.support.keys import misp_key
from tests.support.misp_server import MispServer
from tests.support.misp_world import World as Misp
from tests.support.queues import queue_url
from tests.support.world import World

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
Start = Callable[..., Command]
KEY = misp_key()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `misp-microsoft worker`; what still runs when the test ends is killed."""
    started: list[Command] = []

    def _start(*arguments: object) -> Command:
        environment = {**os.environ, "HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"}
        process = Command("worker", *arguments, env=environment)
        started.append(process)
        return process

    yield _start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _soon(look: Callable[[], bool], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def _due(world: World, ledger: Ledger, *names: str) -> None:
    """Have the ledger hold domains as a door leaves them that had no time to send."""
    settings = load(world.config)
    known = event(*(attribute("domain", f"{n}.evil.example", timestamp=int(time.time()) - 60) for n in names))

    def work(connection: Connection) -> None:
        stores = register(connection, [(d, lambda _: None) for d in settings.destinations])
        take(connection, [known], Origin.REQUEST, stores, "https://misp.example")

    ledger.write(work)


def _ended(process: Command) -> str:
    """Stop it as a service manager does; what it said."""
    process.send_signal(signal.SIGTERM)
    out, errors = process.communicate(timeout=90)
    assert process.returncode == 0, errors.decode()
    assert b"Traceback" not in out + errors, (out + errors).decode()
    assert out == b"", "it logs to standard error"
    return errors.decode()


def _sent(world: World) -> Counter[str]:
    """How many indicators Sentinel was sent in how many requests."""
    requests = [r for r in world.uploads() if r["api"] == "sentinel"]
    return Counter(requests=len(requests), objects=sum(r["objects"] for r in requests))


def test_once_sends_what_is_due_and_ends(run: Run, world: World) -> None:
    """Exit code 0 when nothing is left; 4 and a line with the reason when Microsoft refuses; nothing goes twice."""
    world.configure(only=("microsoft",))
    _due(world, open_ledger(world.ledger), "one", "two")
    world.emulator.fault(api="sentinel", status=403, times=100)
    refused = run("worker", "--once", "--config", world.config)
    assert refused.returncode == 4, refused.stderr.decode()
    assert b"[microsoft] refused" in refused.stderr
    world.emulator.clear_faults()
    table = schema.destination
    open_ledger(world.ledger).write(lambda c: c.execute(update(table).values(paused_until_ms=1)))
    done = run("worker", "--once", "--config", world.config)
    assert done.returncode == 0, done.stderr.decode()
    assert b"[microsoft] 2 answered by Microsoft." in done.stderr
    assert len(world.patterns()) == 2
    uploads = len(world.uploads())
    assert run("worker", "--once", "--config", world.config).returncode == 0
    assert len(world.uploads()) == uploads


def test_it_reads_events_and_sends_until_it_is_stopped(run: Run, world: World, start: Start) -> None:
    """An event that waits is read from MISP and settled; `status` and `check` see the worker; then it is gone."""
    with MispServer(Misp(lambda: int(time.time()))) as server:
        org = server.world.add_org("Ours")
        server.world.add_user(KEY, org)
        uuid = server.world.add_event(org, distribution=1)
        kept = server.world.add_attribute(uuid, "domain", "one.evil.example")
        server.world.add_attribute(uuid, "domain", "two.evil.example")
        server.world.publish(uuid)
        world.configure(only=("microsoft",), misp={"url": server.url, "key": KEY})
        assert run("push", uuid, "--config", world.config).returncode == 0
        time.sleep(1.1)
        server.world.delete_attribute(kept)
        server.world.publish(uuid)
        ledger = open_ledger(world.ledger)
        ledger.write(lambda c: c.execute(update(schema.event).values(read_due_ms=now_ms(c))))
        worker = start("--config", world.config)
        _soon(lambda: world.patterns() == ["[domain-name:value = 'two.evil.example']"])
        found = json.loads(run("status", "--config", world.config, "--json").stdout)
        assert [(drain["kind"], drain["pid"], drain["alive"]) for drain in found["drains"]] == [
            ("worker", worker.pid, True)
        ]
        assert f"process {worker.pid}" in run("check", "--config", world.config).stdout.decode()
        said = _ended(worker)
    assert f"The event {uuid} was read from MISP." in said
    assert "all requests are finished" in said
    assert ledger.read(lambda c: c.execute(select(schema.drain)).all()) == []


def test_stopped_while_microsoft_is_slow(world: World, start: Start) -> None:
    """The request under way is finished and written down, the lease given back: nothing is in doubt, or sent twice."""
    world.configure(only=("microsoft",))
    ledger = open_ledger(world.ledger)
    _due(world, ledger, "one", "two")
    world.emulator.fault(api="sentinel", delay=5, times=1)
    worker = start("--config", world.config)
    _soon(lambda: bool(world.uploads()))
    said = _ended(worker)
    assert "all requests are finished" in said
    row, place = schema.holding, schema.destination
    assert ledger.read(lambda c: c.execute(select(row.c.state, row.c.flight_hash).distinct()).all()) == [
        (schema.SETTLED, None)
    ]
    assert ledger.read(lambda c: c.execute(select(place.c.holder, place.c.lease_until_ms)).all()) == [(None, 0)]
    assert _sent(world) == Counter(requests=1, objects=2)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_two_workers_share_a_ledger(world: World, start: Start, tmp_path: Path, kind: str) -> None:
    """Whoever has the lease sends: each indicator goes once, and both end in good order."""
    with prepared(kind, tmp_path) as url:
        world.configure(only=("microsoft", "microsoft defender"))
        world.config.write_text(world.config.read_text().replace(world.ledger, url))
        ledger = Ledger(url)
        names = [f"host-{number}" for number in range(250)]
        workers = [start("--config", world.config, "--threads", 2) for _ in range(2)]
        # Both obey signals and drain before there is anything to do: one alone may be through in a second.
        _soon(lambda: len(ledger.read(lambda c: c.execute(select(schema.drain.c.holder)).all())) == len(workers))
        _due(world, ledger, *names)
        _soon(lambda: len(world.patterns()) == len(world.defender()) == len(names))
        for worker in workers:
            _ended(worker)
        assert _sent(world)["objects"] == len(names)
        ledger.close()


def test_it_is_woken_through_redis(world: World, start: Start) -> None:
    """It takes the wake-ups that wait, does what is due, and ends in good order; others may send it more."""
    url = queue_url()
    world.configure(only=("microsoft",))
    world.config.write_text(world.config.read_text() + f"\n[queue]\nurl = {url}\n")
    worker = start("--config", world.config)
    settings = load(world.config)
    ledger = open_ledger(world.ledger)
    _soon(lambda: bool(ledger.read(lambda c: c.execute(select(schema.drain)).all())))
    _due(world, ledger, "one")
    queue.wake(settings).join(10)
    _soon(lambda: len(world.patterns()) == 1)
    _ended(worker)
    # Whoever listens next finds none left: the worker has taken it.
    woken: list[None] = []
    with queue.listening(settings, lambda: woken.append(None)):
        time.sleep(1)
    assert woken == []


def test_without_its_redis_it_drains_all_the_same(run: Run, world: World, start: Start, tmp_path: Path) -> None:
    """The truth is in the ledger; and a push says that nobody could be woken, and loses nothing."""
    world.configure(only=("microsoft",))
    world.config.write_text(world.config.read_text() + "\n[queue]\nurl = redis://:hunter2@127.0.0.1:1/0\n")
    _due(world, open_ledger(world.ledger), "one")
    worker = start("--config", world.config)
    _soon(lambda: len(world.patterns()) == 1)
    assert "hunter2" not in _ended(worker)
    source = tmp_path / "event.json"
    document = {"uuid": "5f0c9a3e-8f5b-4c2b-9d4e-7c1a2b3c4d5e", "info": "x", "published": True, "Attribute": []}
    source.write_text(json.dumps({"Event": document}))
    done = run("push", source, "--config", world.config)
    assert done.returncode == 0
    assert b"hunter2" not in done.stdout + done.stderr
