"""What happens to a push when the world around it does not hold still."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.recordings import recording
from tests.support.world import World

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def event_file(tmp_path: Path) -> Path:
    """The recorded event, published now."""
    document = recording("export_event_require_standard_format")["data"][0]
    document["Event"] |= {"published": True, "publish_timestamp": str(int(time.time()))}
    path = tmp_path / "event.json"
    path.write_text(json.dumps(document))
    return path


def _start(*arguments: object, **streams: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "misp_modules_ext", *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, **streams)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_reader_that_goes_early_changes_nothing(
    world: World, event_file: Path, tmp_path: Path, form: list[str]
) -> None:
    """As with `| true`: everything is sent, the report is written, the exit code is that of the push."""
    reading, writing = os.pipe()
    os.close(reading)
    report = tmp_path / "r.html"
    process = _start("push", event_file, "--config", world.config, "--report", report, *form, stdout=writing)
    os.close(writing)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors.decode()
    assert b"Traceback" not in errors
    assert len(world.patterns()) == 18
    assert "login-portal-retail.example" in report.read_text()


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_full_disk_behind_standard_output(world: World, event_file: Path, form: list[str]) -> None:
    """A sentence and exit code 2, after everything is sent."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with Path("/dev/full").open("wb") as full:
        process = _start("push", event_file, "--config", world.config, *form, stdout=full)
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
    assert b"accepted" in missing.stdout


def test_an_interrupted_push_says_how_to_go_on(world: World, event_file: Path) -> None:
    """Ctrl-C while Microsoft hangs: a sentence, exit code 130, and a repeat finishes it."""
    world.emulator.fault(api="sentinel", delay=30)
    process = _start("push", event_file, "--config", world.config, "-d", "microsoft", stdout=subprocess.PIPE)
    end = time.monotonic() + 30
    while not world.uploads() and time.monotonic() < end:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Repeat" in errors
    assert b"Traceback" not in errors
    world.emulator.clear_faults()
    process = _start("push", event_file, "--config", world.config, "-d", "microsoft", stdout=subprocess.PIPE)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert len(world.patterns()) == len(set(world.patterns())) == 18


def test_killed_in_the_middle_and_repeated(world: World, event_file: Path) -> None:
    """SIGKILL while an answer is awaited: the repeat leaves each indicator once."""
    world.emulator.fault(api="sentinel", delay=20, times=1)
    process = _start("push", event_file, "--config", world.config, stdout=subprocess.PIPE)
    end = time.monotonic() + 30
    while not world.uploads() and time.monotonic() < end:
        time.sleep(0.1)
    process.kill()
    process.communicate(timeout=30)
    process = _start("push", event_file, "--config", world.config, stdout=subprocess.PIPE)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert len(world.patterns()) == len(set(world.patterns())) == 18
    assert len(world.graph()) == 18


def test_two_pushes_at_once(world: World, event_file: Path) -> None:
    """Both succeed, and each indicator is there once at Sentinel and Defender."""
    started = [
        _start("push", event_file, "--config", world.config, "-d", name, "-d", "microsoft", stdout=subprocess.PIPE)
        for name in ("defender", "defender")
    ]
    for process in started:
        process.communicate(timeout=60)
    assert [process.returncode for process in started] == [0, 0]
    assert len(world.patterns()) == 18
    assert len(world.defender()) == len(set(world.defender())) == 16


def test_a_port_in_use_is_a_sentence(run: Run, world: World) -> None:
    """`serve` names it instead of a traceback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("serve", "--config", world.config, "--port", taken.getsockname()[1])
    assert done.returncode == 2
    assert b"cannot listen" in done.stderr
    assert b"Traceback" not in done.stderr


def test_an_unknown_destination_is_told_before_files_are_read(run: Run, world: World) -> None:
    """And both mistakes are not hidden behind each other for long."""
    done = run("push", "missing.json", "--config", world.config, "-d", "nowhere")
    assert done.returncode == 2
    assert b"nowhere" in done.stderr
