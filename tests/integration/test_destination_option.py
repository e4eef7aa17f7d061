"""`--destination`: one meaning and one error in every command that has it."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
import typer

from misp_modules_ext.cli import main
from misp_modules_ext.cli.app import app
from tests.support.recordings import recording
from tests.support.world import World

COMMANDS: dict[str, Any] = dict(vars(typer.main.get_command(app))["commands"])
#: What else each command must be given.
WITH: dict[str, tuple[str, ...]] = {
    "push": ("-",),
    "sync": (),
    "check": (),
    "status": (),
    "show": ("c2.evil.example",),
    "report": ("0",),
    "lookup": ("c2.evil.example",),
    "sightings": (),
    "retry": (),
    "withdraw": ("c2.evil.example", "--yes"),
    "release": ("c2.evil.example",),
    "reconcile": (),
}
WITHOUT = {
    "import-config": "has no configuration yet",
    "serve": "requests name destinations themselves",
    "worker": "a drain that is alive is taken for one that sends everywhere; `retry` sends to some",
    "warninglists": "one index serves all",
    "emulator": "has no configuration",
    "demo": "has a configuration of its own",
    "modules-path": "has no configuration",
    "install-modules": "has no configuration",
}
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a command; gives its exit code and what it prints."""
    event = recording("export_event_require_standard_format")["data"][0]
    event["Event"] |= {"published": True, "publish_timestamp": str(int(time.time()))}
    world.configure(more={"RH-ISAC MISP": {"url": "https://127.0.0.1:9", "key": "a-test-key-of-nobody-" + "0" * 19}})

    def command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["misp-microsoft", *words, "--config", str(world.config)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(event).encode())))
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), *capfd.readouterr()

    return command


def _option(name: str) -> Any:
    return next((p for p in COMMANDS[name].params if "--destination" in p.opts), None)


def test_each_command_has_it_or_a_reason_why_not() -> None:
    """A new command is either here or there."""
    assert {name for name in COMMANDS if _option(name)} == set(WITH)
    assert set(COMMANDS) - set(WITH) == set(WITHOUT)
    assert all(WITHOUT.values())


@pytest.mark.parametrize("name", WITH)
def test_it_is_the_same_option_everywhere(name: str) -> None:
    """Its names, its words, and that it may be repeated."""
    option, first = _option(name), _option("push")
    told = (sorted(option.opts), option.help, option.multiple, option.required)
    assert told == (sorted(first.opts), first.help, True, False)


@pytest.mark.parametrize("name", WITH)
def test_a_destination_that_is_not_there_is_the_same_error_everywhere(run: Run, world: World, name: str) -> None:
    """A sentence that names those that are, exit code 2; nothing is asked of Microsoft, also not for the other name."""
    code, out, said = run(name, *WITH[name], "-d", "defender", "--destination", "nowhere")
    known = "microsoft, microsoft defender, microsoft graph"
    assert (code, out) == (2, "")
    assert said == f"There is no destination called nowhere. Known: {known}.\n"
    assert world.emulator.requests() == []


def test_a_report_of_one_destination(run: Run, world: World) -> None:
    """Only that one is shown, and counts for the exit code; one that had no part in it is an error."""
    world.emulator.fault(api="sentinel", status=403)
    code, out, _ = run("push", "-", "--json", "-d", "microsoft", "-d", "defender")
    submission = json.loads(out)["submission"]
    assert code == 4
    code, out, _ = run("report", submission, "--json", "-d", "DEFENDER")
    assert [one["name"] for one in json.loads(out)["destinations"]] == ["microsoft defender"]
    assert code == 0
    assert run("report", submission)[0] == 4
    code, _, said = run("report", submission, "-d", "graph")
    assert code == 2
    assert "did not go to microsoft graph, but to: microsoft, microsoft defender" in said
