"""That our program starts as it is installed, and that the forked processes of the other tests say the same."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import commands
from tests.support.world import World

SCRIPT = (str(Path(sys.executable).with_name("misp-microsoft")),)
MODULE = (sys.executable, "-m", "misp_modules_ext")
ONE = "one.evil.example"
Started = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def started(tmp_path: Path) -> Started:
    """Run the program as a user does, from nothing."""

    def _started(start: tuple[str, ...], *arguments: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*start, *map(str, arguments)],
            input=stdin,
            capture_output=True,
            timeout=120,
            cwd=tmp_path,
            env=commands.clean(HOME=str(tmp_path), COLUMNS="160"),
            check=False,
        )

    return _started


def _event(folder: Path) -> Path:
    attribute = {"uuid": "0a0a0a0a-0000-4000-8000-000000000001", "type": "domain", "value": ONE, "to_ids": True}
    event = {"uuid": "0a0a0a0a-0000-4000-8000-000000000000", "info": "x", "published": True, "Attribute": [attribute]}
    path = folder / "event.json"
    path.write_text(json.dumps({"Event": event}))
    return path


def test_it_pushes_and_tells(started: Started, world: World, tmp_path: Path) -> None:
    """A file by its name and from a pipe, in a table and as JSON; then what is there, and that all is well."""
    config = ("--config", world.config)
    first = started(SCRIPT, "push", _event(tmp_path), *config)
    assert (first.returncode, first.stderr) == (0, b"")
    assert b"microsoft defender" in first.stdout
    assert world.defender() == [ONE]
    again = started(SCRIPT, "push", "-", "--json", *config, stdin=_event(tmp_path).read_bytes())
    counts = {at["name"]: at["counts"] for at in json.loads(again.stdout)["destinations"]}
    assert counts["microsoft defender"]["unchanged"] == 1
    assert b"microsoft defender: there 1\n" in started(SCRIPT, "status", *config).stdout
    assert started(SCRIPT, "worker", "--once", *config).returncode == 0
    assert started(SCRIPT, "check", *config).returncode == 0
    assert ONE.encode() in started(SCRIPT, "show", ONE, *config).stdout


def test_it_fails_in_words(started: Started, world: World) -> None:
    """Exit code 2 and a sentence for what is not there; 4 for a refusal."""
    missing = started(SCRIPT, "push", "missing.json", "--config", world.config)
    assert (missing.returncode, b"Traceback" in missing.stderr) == (2, False)
    assert b"missing.json" in missing.stderr
    world.emulator.fault(api="login", status=401, code="AADSTS7000215")
    assert started(SCRIPT, "check", "--config", world.config).returncode == 4


@pytest.mark.parametrize(
    "arguments",
    [
        ("--version",),
        ("push", "--help"),
        ("show", "one.evil.example", "--log-json"),
        ("import-config", "-"),
        ("nothing-of-ours",),
    ],
)
def test_a_forked_process_says_the_same(started: Started, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Every byte, and the exit code."""
    environment = commands.clean(HOME=str(tmp_path), COLUMNS="160")
    forked = commands.run(*arguments, cwd=tmp_path, env=environment)
    whole = started(MODULE, *arguments)
    assert (forked.returncode, forked.stdout) == (whole.returncode, whole.stdout)
    if "--log-json" in arguments:
        lines = [json.loads(done.stderr) | {"time": ""} for done in (forked, whole)]
        assert lines[0] == lines[1]
    else:
        assert forked.stderr == whole.stderr
