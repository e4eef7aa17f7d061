"""What happens to a push when the world around it does not hold still."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests

from misp_modules_ext.delivery.places import LEASE_VARIABLE
from tests.support.commands import Command
from tests.support.recordings import recording
from tests.support.world import World

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
Start = Callable[..., Command]
#: A killed process keeps its lease until it is over; a minute is too long for a test. Two thirds of it a request lasts.
SHORT_LEASE = {LEASE_VARIABLE: "6000"}
#: What is to be interrupted must not end by itself meanwhile, on a machine that has much else to do.
LONGER_LEASE = {LEASE_VARIABLE: "15000"}


@pytest.fixture
def event_file(tmp_path: Path) -> Path:
    """The recorded event, published now."""
    document = recording("export_event_require_standard_format")["data"][0]
    document["Event"] |= {"published": True, "publish_timestamp": str(int(time.time()))}
    path = tmp_path / "event.json"
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def start() -> Iterator[Start]:
    """Start `misp-microsoft`; what still runs when the test ends is killed."""
    started: list[Command] = []

    def _start(
        *arguments: object, stdout: object = subprocess.PIPE, stderr: object = subprocess.PIPE, **environment: str
    ) -> Command:
        process = Command(*arguments, stdout=stdout, stderr=stderr, env={**os.environ, **environment})
        started.append(process)
        return process

    yield _start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _until_it_sends(world: World, process: Command) -> None:
    """Wait until a request has reached Microsoft, whose answer is awaited now."""
    end = time.monotonic() + 60
    while not world.uploads():
        assert process.poll() is None, "it has ended already"
        assert time.monotonic() < end, "it sends nothing"
        time.sleep(0.05)


def _rows(world: World, query: str) -> list[tuple[object, ...]]:
    """What the ledger holds, looked at from outside."""
    path = world.ledger.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, timeout=30)) as connection:
        return list(connection.execute(query))


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_reader_that_goes_early_changes_nothing(
    world: World, event_file: Path, tmp_path: Path, start: Start, form: list[str]
) -> None:
    """As with `| true`: everything is sent, the report is written, the exit code is that of the push."""
    reading, writing = os.pipe()
    os.close(reading)
    report = tmp_path / "r.html"
    process = start("push", event_file, "--config", world.config, "--report", report, *form, stdout=writing)
    os.close(writing)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors.decode()
    assert b"Traceback" not in errors
    assert len(world.patterns()) == 18
    assert "login-portal-retail.example" in report.read_text()


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_full_disk_behind_standard_output(world: World, event_file: Path, start: Start, form: list[str]) -> None:
    """A sentence and exit code 2, after everything is sent."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with Path("/dev/full").open("wb") as full:
        process = start("push", event_file, "--config", world.config, *form, stdout=full)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert b"No space left" in errors
    assert b"Traceback" not in errors
    assert len(world.patterns()) == 18


def test_a_report_that_cannot_be_written_leaves_the_old_one(run: Run, world: World, event_file: Path) -> None:
    """The new one takes its place only when it is whole."""
    folder = event_file.parent / "reports"
    folder.mkdir()
    old = folder / "r.html"
    old.write_text("the old report")
    done = run("push", event_file, "--config", world.config, "--report", old)
    assert done.returncode == 0
    assert "login-portal-retail.example" in old.read_text()
    assert [p.name for p in folder.iterdir()] == ["r.html"]
    missing = run("push", event_file, "--config", world.config, "--report", folder / "nowhere" / "r.html")
    assert missing.returncode == 2
    assert b"cannot be written" in missing.stderr
    assert b"unchanged 18" in missing.stdout


def test_an_interrupted_push_says_how_to_go_on(world: World, event_file: Path, start: Start) -> None:
    """Ctrl-C while Microsoft hangs: a sentence, exit code 130; what was taken is kept, and a repeat finishes it."""
    world.emulator.fault(api="sentinel", delay=30)
    push = ("push", event_file, "--config", world.config, "-d", "microsoft")
    process = start(*push, **LONGER_LEASE)
    _until_it_sends(world, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"ledger" in errors
    assert b"next push" in errors
    assert b"Traceback" not in errors
    assert _rows(world, "SELECT count(*) FROM holding WHERE flight_hash IS NOT NULL AND sent_hash IS NULL") == [(18,)]
    world.emulator.clear_faults()
    process = start(*push, **SHORT_LEASE)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert len(world.patterns()) == len(set(world.patterns())) == 18


def test_killed_in_the_middle_and_repeated(world: World, event_file: Path, start: Start) -> None:
    """SIGKILL while an answer is awaited: nothing is lost, and only what has no answer goes once more, as it was."""
    world.emulator.fault(api="sentinel", delay=3, times=1)
    process = start("push", event_file, "--config", world.config, **SHORT_LEASE)
    _until_it_sends(world, process)
    process.kill()
    process.communicate(timeout=30)
    stamps = "SELECT destination_id, observable_id, modified_ms FROM holding"
    begun = set(_rows(world, f"{stamps} WHERE flight_hash IS NOT NULL"))
    assert begun
    answered = set(_rows(world, f"{stamps} WHERE sent_hash IS NOT NULL"))
    process = start("push", event_file, "--config", world.config, "--json", **SHORT_LEASE)
    output, _ = process.communicate(timeout=90)
    assert process.returncode == 0
    assert len(world.patterns()) == len(set(world.patterns())) == 18
    assert len(world.graph()) == 18
    assert len(world.defender()) == 16
    # What had its answer before the kill is unchanged now.
    counts = Counter(i["outcome"] for d in json.loads(output)["destinations"] for i in d["items"])
    assert counts["unchanged"] == len(answered)
    assert counts["accepted"] == 18 + 16 + 18 - len(answered)
    assert _rows(world, "SELECT count(*) FROM holding WHERE flight_hash IS NOT NULL") == [(0,)]
    assert begun | answered <= set(_rows(world, stamps))


def test_two_pushes_at_once(world: World, event_file: Path, start: Start) -> None:
    """Both succeed, each indicator is there once at Sentinel and Defender, and none was sent twice."""
    started = [
        start("push", event_file, "--config", world.config, "-d", "defender", "-d", "microsoft") for _ in range(2)
    ]
    for process in started:
        process.communicate(timeout=90)
    assert [process.returncode for process in started] == [0, 0]
    assert len(world.patterns()) == 18
    assert len(world.defender()) == len(set(world.defender())) == 16
    assert sum(request["objects"] for request in world.uploads()) == 18 + 16


def test_a_port_in_use_is_a_sentence(run: Run, world: World) -> None:
    """`serve` names it instead of a traceback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("serve", "--config", world.config, "--port", taken.getsockname()[1])
    assert done.returncode == 2
    assert b"cannot listen" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux sends a signal to a thread of another process")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_service_ends_whichever_thread_the_signal_meets(
    world: World, tmp_path: Path, start: Start, number: int
) -> None:
    """Not only when somebody asks it something the next time."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (tmp_path / "service.log").open("wb") as log:
        service = start("serve", "--config", world.config, "--port", port, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    end = time.monotonic() + 90
    while not _answers(f"{url}/healthcheck"):
        assert service.poll() is None, "it has ended already"
        assert time.monotonic() < end, "it does not answer"
        time.sleep(0.1)
    # The end of that connection is something to do.
    time.sleep(1)
    others = {int(task.name) for task in Path(f"/proc/{service.pid}/task").iterdir()} - {service.pid}
    assert others, "it has no thread but the main one"
    assert ctypes.CDLL(None).tgkill(service.pid, min(others), number) == 0
    assert service.wait(60) == 0


_FORKS = """
import asyncio, os, signal
from misp_modules_ext.doors import service

service._wake_up_for_signals()
child = os.fork()
if not child:
    os.kill(os.getpid(), signal.SIGTERM)
    os._exit(0)
os.waitpid(child, 0)
loop = asyncio.get_event_loop()
loop.call_later(0.2, lambda: (print("goes on"), loop.stop()))
loop.run_forever()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_signal_to_a_forked_child_of_the_service_is_the_childs() -> None:
    """A module of somebody else's that ends its processes does not end the service."""
    done = subprocess.run([sys.executable, "-c", _FORKS], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "goes on\n"


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def test_an_unknown_destination_is_told_before_files_are_read(run: Run, world: World) -> None:
    """And both mistakes are not hidden behind each other for long."""
    done = run("push", "missing.json", "--config", world.config, "-d", "nowhere")
    assert done.returncode == 2
    assert b"nowhere" in done.stderr
