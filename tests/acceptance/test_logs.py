"""What our commands log: a line for each submission and each failure, in fields, without secrets."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import update

from misp_modules_ext.demo.run import request
from misp_modules_ext.ledger import open_ledger, schema
from misp_modules_ext.logs import FIELDS, What
from tests.support.commands import Command
from tests.support.keys import misp_key
from tests.support.misp_server import MispServer
from tests.support.misp_world import World as Misp
from tests.support.world import SECRET, World

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
KEY = misp_key()
EVENT = "5f0c9a3e-8f5b-4c2b-9d4e-7c1a2b3c4d5e"


def _event(folder: Path, value: str = "one.evil.example", info: str = "x") -> Path:
    now = str(int(time.time()))
    attribute = {"uuid": EVENT[:-1] + "f", "type": "domain", "value": value, "to_ids": True, "timestamp": now}
    path = folder / "event.json"
    event = {"uuid": EVENT, "info": info, "published": True, "timestamp": now, "Attribute": [attribute]}
    path.write_text(json.dumps({"Event": event}))
    return path


def _lines(written: bytes | str) -> list[dict[str, Any]]:
    """Every line as JSON, with the fields that it must have and none that is unknown."""
    found = [json.loads(line) for line in written.splitlines()]
    for line in found:
        assert list(line)[:5] == list(FIELDS)[:5]
        assert set(line) <= set(FIELDS)
        assert line["what"] in {what.value for what in What}
    return found


def _of(lines: list[dict[str, Any]], what: What) -> list[dict[str, Any]]:
    return [line for line in lines if line["what"] == what.value]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., tuple[Command, Path]]]:
    """Start a command that runs until it is stopped; where its log goes."""
    started: list[Command] = []

    def _start(*arguments: object) -> tuple[Command, Path]:
        log = tmp_path / "command.log"
        with log.open("wb") as file:
            process = Command(*arguments, stdout=file, stderr=file, env={**os.environ, "HOME": str(tmp_path)})
        started.append(process)
        return process, log

    yield _start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _soon(look: Callable[[], object], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


@pytest.mark.parametrize("before", [True, False], ids=["before the command", "after it"])
def test_json_lines_tell_of_each_submission(run: Run, world: World, tmp_path: Path, before: bool) -> None:
    """One line, with the counts of the report, on standard error; standard output is as always."""
    words = ["push", _event(tmp_path), "--config", world.config, "--json"]
    done = run(*(["--log-json", *words] if before else [*words, "--log-json"]))
    assert done.returncode == 0, done.stderr.decode()
    report = json.loads(done.stdout)
    (line,) = _lines(done.stderr)
    assert (line["what"], line["submission"], line["door"]) == ("submission", report["submission"], "cli")
    assert line["events"] == [EVENT]
    for destination in report["destinations"]:
        told = line["destinations"][destination["name"]]
        assert (told["state"], told["counts"]) == (destination["state"], destination["counts"])
    assert b"one.evil.example" not in done.stderr, "no value, no payload"
    (preview,) = _lines(run(*map(str, words), "--log-json", "--dry-run").stderr)
    assert (preview["preview"], "preview" in line) == (True, False)


def test_it_is_quiet_when_all_is_well(run: Run, world: World, tmp_path: Path) -> None:
    """Nothing is asked for and nothing fails: nothing is on standard error."""
    assert run("push", _event(tmp_path), "--config", world.config).stderr == b""


def test_each_failure_is_a_line(run: Run, world: World, tmp_path: Path) -> None:
    """The destination, its state, the reason and the next attempt; what Microsoft says forges no line."""
    world.emulator.fault(api="sentinel", status=403, times=100)
    done = run("push", _event(tmp_path), "--config", world.config, "--log-json")
    assert done.returncode == 4
    lines = _lines(done.stderr)
    (paused,) = _of(lines, What.PAUSED)
    assert (paused["destination"], paused["state"], paused["reason"]) == ("microsoft", "refused", "permission-refused")
    assert paused["level"] == "WARNING"
    assert paused["next"] > paused["time"]
    assert len(_of(lines, What.SUBMISSION)) == 1


def test_a_command_that_fails_is_a_line(run: Run, tmp_path: Path) -> None:
    """With the exit code, and all of the words in one line."""
    done = run("push", _event(tmp_path), "--config", tmp_path / "none.conf", "--log-json")
    (line,) = _lines(done.stderr)
    assert (line["what"], line["level"], line["code"], done.returncode) == ("failed", "ERROR", 2, 2)


def test_debug_shows_requests_and_no_secret(run: Run, world: World, tmp_path: Path) -> None:
    """Microsoft's and MISP's: where to, what came, how long, and bodies; neither secret, token nor key."""
    with MispServer(Misp(lambda: int(time.time()))) as server:
        org = server.world.add_org("Ours")
        server.world.add_user(KEY, org)
        uuid = server.world.add_event(org, distribution=1)
        server.world.add_attribute(uuid, "domain", "one.evil.example")
        server.world.publish(uuid)
        world.configure(misp={"url": server.url, "key": KEY})
        done = run("push", uuid, "--config", world.config, "--debug", "--log-json")
    assert done.returncode == 0, done.stderr.decode()
    asked = [line["request"] for line in _of(_lines(done.stderr), What.REQUEST)]
    assert all(entry["status"] == 200 and entry["milliseconds"] >= 0 for entry in asked)
    (upload,) = [entry for entry in asked if ":upload" in entry["url"]]
    assert (upload["method"], upload["headers"]["Content-Type"]) == ("POST", "application/json")
    assert "one.evil.example" in upload["body"]
    tokens = [entry for entry in asked if entry["url"].endswith("/token")]
    assert len(tokens) == 3
    assert all("client_secret=***" in entry["body"] for entry in tokens)
    assert all(json.loads(entry["answer"])["access_token"] == "***" for entry in tokens)
    assert any("attributes/restSearch" in entry["url"] and uuid in entry["body"] for entry in asked)
    assert SECRET.encode() not in done.stderr
    assert KEY.encode() not in done.stderr
    text = run("push", uuid, "--config", world.config, "--debug").stderr
    assert SECRET.encode() not in text
    assert KEY.encode() not in text


@pytest.mark.usefixtures("run")
def test_a_worker_tells_a_state_once_and_its_end(
    world: World, start: Callable[..., tuple[Command, Path]], tmp_path: Path, run: Run
) -> None:
    """However many rounds it tries again in."""
    world.configure(only=("microsoft",))
    world.emulator.fault(api="sentinel", status=403, times=1000)
    assert run("push", _event(tmp_path), "--config", world.config).returncode == 4
    _process, log = start("worker", "--config", world.config, "--log-json")
    ledger, table = open_ledger(world.ledger), schema.destination

    def tried() -> int:
        ledger.write(lambda c: c.execute(update(table).values(paused_until_ms=1)))
        return len(world.uploads())

    before = len(world.uploads())
    _soon(lambda: tried() >= before + 3)
    world.emulator.clear_faults()
    _soon(lambda: tried() and world.patterns())
    _soon(lambda: _of(_lines(log.read_bytes()), What.SENT))
    lines = _lines(log.read_bytes())
    assert [len(_of(lines, what)) for what in (What.STARTED, What.PAUSED, What.RESUMED)] == [2, 1, 1]
    assert _of(lines, What.SENT)[0]["count"] == 1


def test_the_service_logs_our_lines_beside_its_own(world: World, start: Callable[..., tuple[Command, Path]]) -> None:
    """`serve` with --log-json and --debug: JSON for what is ours, misp-modules' as it is, and no secret."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process, log = start("serve", "--config", world.config, "--port", port, "--log-json", "--debug")
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return requests.get(f"{url}/healthcheck", timeout=5).ok
        except requests.ConnectionError:
            assert process.poll() is None, log.read_text()
            return False

    _soon(answers)
    assert requests.post(f"{url}/query", json=request(int(time.time())), timeout=120).json()["data"]
    said = log.read_text()
    ours = _lines("\n".join(line for line in said.splitlines() if line.startswith("{")))
    (submission,) = _of(ours, What.SUBMISSION)
    assert submission["door"] == "export"
    assert submission["destinations"]["microsoft"]["counts"]["accepted"] > 0
    assert _of(ours, What.REQUEST)
    assert "MISP modules server started" in said
    assert SECRET not in said
