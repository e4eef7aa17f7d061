"""`retry`, `withdraw`, `release` and `reconcile` as a person types them, in processes of their own."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from misp_modules_ext.config import load
from misp_modules_ext.delivery.submit import Order, submit
from misp_modules_ext.destinations import create
from misp_modules_ext.ledger import Origin
from misp_modules_ext.misp.files import read_events
from misp_modules_ext.model.indicator import Kind, Observable
from tests.support import commands
from tests.support.build import NOW, due, event
from tests.support.commands import Command
from tests.support.world import PLACE, WORKSPACE, World

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
SENTINEL, DEFENDER = "microsoft", "microsoft defender"
BOTH = (SENTINEL, DEFENDER)
ONE, TWO, THREE = (f"{name}.evil.example" for name in ("one", "two", "three"))
FIRST = "0a0a0a0a-0000-4000-8000-000000000000"
SECOND = "0b0b0b0b-0000-4000-8000-000000000000"


def _event(folder: Path, *values: str, uuid: str = FIRST, info: str = "Campaign", timestamp: int = NOW) -> Path:
    """A file with an event of domains."""
    attributes = [
        {
            "uuid": f"{uuid[:8]}-0000-4000-8000-{number:012d}",
            "type": "domain",
            "value": value,
            "to_ids": True,
            "timestamp": str(NOW - 86_400),
            "distribution": "5",
        }
        for number, value in enumerate(values)
    ]
    fields = {"uuid": uuid, "info": info, "published": True, "distribution": "3", "timestamp": str(timestamp)}
    path = folder / f"{uuid[:8]}.json"
    path.write_text(json.dumps({"Event": {**fields, "date": "2026-11-20", "Attribute": attributes}}))
    return path


@pytest.fixture
def pushed(world: World, tmp_path: Path) -> World:
    """Two domains at Sentinel and Defender, of one event."""
    settings = load(world.configure(only=BOTH, **PLACE))
    submit(read_events(_event(tmp_path, ONE, TWO).read_bytes(), "a file").events, settings, Order("cli"))
    assert _held(world) == ([ONE, TWO], [ONE, TWO])
    return world


def _held(world: World) -> tuple[list[str], list[str]]:
    return [pattern.split("'")[1] for pattern in world.patterns()], world.defender()


def _json(done: subprocess.CompletedProcess[bytes]) -> Any:
    return json.loads(done.stdout)


def _outcomes(document: Any) -> dict[str, dict[str, int]]:
    return {destination["name"]: destination["counts"] for destination in document["destinations"]}


@contextmanager
def _terminal(world: World, tmp_path: Path, *arguments: object) -> Iterator[tuple[Command, int]]:
    """A command that has a terminal to ask at."""
    master, slave = pty.openpty()
    environment = commands.clean(HOME=str(tmp_path / "home"), TERM="dumb")
    words = (*arguments, "--config", world.config)
    with Command(*words, stdin=slave, stderr=slave, cwd=tmp_path, env=environment) as process:
        os.close(slave)
        yield process, master
    os.close(master)


def _asked(master: int) -> bytes:
    """What it asks."""
    said = b""
    end = time.monotonic() + 60
    while b"[y/N]" not in said and time.monotonic() < end:
        said += os.read(master, 1000)
    return said


def test_retry_sends_what_waits(run: Run, world: World, tmp_path: Path) -> None:
    """At once, and it ends the pause that a refused secret brought."""
    world.configure(only=BOTH)
    world.emulator.fault(api="login", status=401, code="AADSTS7000215")
    assert run("push", _event(tmp_path, ONE), "--config", world.config).returncode == 4
    refused = run("retry", "--config", world.config, "--json")
    assert refused.returncode == 4
    assert _outcomes(_json(refused)) == {SENTINEL: {"pending": 1}, DEFENDER: {"pending": 1}}
    world.emulator.clear_faults()
    done = run("retry", "--config", world.config)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"accepted 1" in done.stdout
    assert _held(world) == ([ONE], [ONE])


def test_retry_of_one_value(run: Run, world: World, tmp_path: Path) -> None:
    """Microsoft rejected two; only the one that is named is tried again, at the destination that is named."""
    world.configure(only=BOTH)
    world.emulator.fault(api="defender", path="import", itemErrors=[0, 1], times=1)
    assert run("push", _event(tmp_path, ONE, TWO), "--config", world.config).returncode == 1
    done = run("retry", "ONE.evil[.]example", "-d", "defender", "--config", world.config, "--json")
    assert done.returncode == 0
    (destination,) = _json(done)["destinations"]
    assert [(item["value"], item["outcome"]) for item in destination["items"]] == [(ONE, "accepted")]
    assert world.defender() == [ONE]


def test_a_value_that_the_ledger_does_not_know(run: Run, pushed: World) -> None:
    """A typing error changes nothing, not even what is spelled rightly beside it."""
    done = run("withdraw", ONE, "tow.evil.example", "--yes", "--config", pushed.config)
    assert done.returncode == 2
    assert b"knows no tow.evil.example" in done.stderr
    assert _held(pushed) == ([ONE, TWO], [ONE, TWO])


def test_withdraw_needs_a_word_in_a_pipe(run: Run, pushed: World) -> None:
    """Nobody can be asked there."""
    done = run("withdraw", ONE, "--config", pushed.config)
    assert done.returncode == 2
    assert b"Withdraw 2 indicators, and put 1 value on hold?" in done.stderr
    assert b"--yes" in done.stderr
    assert _held(pushed) == ([ONE, TWO], [ONE, TWO])


def test_withdraw_and_release_a_value(run: Run, pushed: World, tmp_path: Path) -> None:
    """Gone everywhere, on hold for later pushes, and back under a new id."""
    done = run("withdraw", ONE, "--yes", "--reason", "a false alarm", "--config", pushed.config, "--json")
    assert done.returncode == 0
    assert _outcomes(_json(done)) == {SENTINEL: {"withdrawn": 1}, DEFENDER: {"withdrawn": 1}}
    assert _held(pushed) == ([TWO], [TWO])
    changed = _event(tmp_path, ONE, TWO, info="Changed", timestamp=NOW + 10)
    report = _json(run("push", changed, "--config", pushed.config, "--json"))
    for destination in report["destinations"]:
        items = {item["value"]: item for item in destination["items"]}
        assert (items[ONE]["outcome"], items[ONE]["reason"]) == ("skipped", "on-hold")
        assert "a false alarm" in items[ONE]["message"]
    assert _held(pushed) == ([TWO], [TWO])
    done = run("release", ONE, TWO, "--config", pushed.config)
    assert done.returncode == 0
    assert b"a false alarm" in done.stdout
    assert f"{TWO} was not on hold".encode() in done.stdout
    assert _held(pushed) == ([ONE, TWO], [ONE, TWO])
    held = pushed.emulator.state()["sentinel"][WORKSPACE]
    ids = [Observable(Kind.DOMAIN_NAME, ONE).stix_id(generation) for generation in (0, 1)]
    assert [held[name].get("revoked", False) for name in ids] == [True, False]
    assert {o["name"] for o in held.values() if not o.get("revoked")} == {"Changed"}


def test_withdraw_at_one_destination(run: Run, pushed: World) -> None:
    """The other one keeps it."""
    assert run("withdraw", ONE, "-d", "defender", "--yes", "--config", pushed.config).returncode == 0
    assert _held(pushed) == ([ONE, TWO], [TWO])


def test_withdraw_an_event(run: Run, pushed: World, tmp_path: Path) -> None:
    """What another event vouches for as well stays, and that is said."""
    more = read_events(_event(tmp_path, ONE, THREE, uuid=SECOND).read_bytes(), "a file").events
    submit(more, load(pushed.config), Order("cli"))
    done = run("withdraw", "--event", FIRST.upper(), "--yes", "--config", pushed.config)
    assert done.returncode == 0
    assert done.stdout.count(b"1 value for which other events vouch") == 2
    assert _held(pushed) == ([ONE, THREE], [ONE, THREE])


def test_withdraw_and_release_a_destination(run: Run, pushed: World) -> None:
    """Everything that is there, and only there."""
    done = run("withdraw", "--all", "-d", "defender", "--yes", "--config", pushed.config)
    assert done.returncode == 0
    assert b"2 values on hold" in done.stdout
    assert _held(pushed) == ([ONE, TWO], [])
    assert run("release", "--all", "-d", "defender", "--config", pushed.config).returncode == 0
    assert _held(pushed) == ([ONE, TWO], [ONE, TWO])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("withdraw", ONE, "--event", FIRST, "--yes"), b"what to withdraw"),
        (("withdraw", "--all", "--yes"), b"--destination"),
        (("withdraw", "--event", SECOND, "--yes"), b"has seen no event"),
        (("release", "--all"), b"--destination"),
        (("reconcile", "--withdraw-unknown"), b"--adopt"),
    ],
)
def test_orders_that_say_too_little(run: Run, world: World, arguments: tuple[str, ...], words: bytes) -> None:
    """Exit code 2 with what to say instead."""
    done = run(*arguments, "--config", world.config)
    assert done.returncode == 2
    assert words in done.stderr


def test_a_terminal_is_asked(run: Run, pushed: World, tmp_path: Path) -> None:
    """No is no; yes goes, but under the cap, and the rest waits with its reason."""
    pushed.configure(only=BOTH, wipe=False, maxWithdraw="1")
    with _terminal(pushed, tmp_path, "withdraw", "--all", "-d", "defender") as (process, master):
        assert b"Withdraw 2 indicators, and put 2 values on hold?" in _asked(master)
        os.write(master, b"n\n")
        assert process.wait(60) == 2
    assert pushed.defender() == [ONE, TWO]
    with _terminal(pushed, tmp_path, "withdraw", "--all", "-d", "defender") as (process, master):
        _asked(master)
        os.write(master, b"y\n")
        assert process.stdout is not None
        said = process.stdout.read()
        assert process.wait(60) == 3
    assert b"withdrawal-cap" in said
    assert len(pushed.defender()) == 1


def test_retry_lets_through_what_the_cap_holds_back(run: Run, pushed: World) -> None:
    """Only with the option, and only when a person agrees."""
    settings = load(pushed.configure(only=BOTH, wipe=False, maxWithdraw="0"))
    empty = event(uuid=FIRST, timestamp=NOW + 10, complete=True)
    submit([empty], settings, Order("cli", origin=Origin.OWN_READING))
    waits = run("retry", "--config", pushed.config)
    assert waits.returncode == 3
    assert b"withdrawal-cap" in waits.stdout
    asks = run("retry", "--withdrawals", "--config", pushed.config)
    assert asks.returncode == 2
    assert b"holds back 4 indicators" in asks.stderr
    assert _held(pushed) == ([ONE, TWO], [ONE, TWO])
    one = run("retry", "--withdrawals", "--yes", ONE, "--config", pushed.config)
    assert one.returncode == 0
    assert _held(pushed) == ([TWO], [TWO])
    assert run("retry", "--withdrawals", "--yes", "--config", pushed.config).returncode == 0
    assert _held(pushed) == ([], [])


def _delete_at_defender(world: World, value: str) -> None:
    settings = load(world.config)
    defender = create(next(d for d in settings.destinations if d.name == DEFENDER))
    (entry,) = (e for e in defender.entries(10.0) if e.observable and e.observable.value == value)
    defender.withdraw([due(Kind.DOMAIN_NAME, value)._replace(remote_id=entry.remote_id)], 10.0)


def test_reconcile_tells_and_applies(run: Run, pushed: World) -> None:
    """Nothing at first; then a person's deletion, which wins; then nothing again."""
    calm = ("reconcile", "--settle-minutes", "0", "--config", pushed.config)
    right = run(*calm)
    assert (right.returncode, right.stderr) == (0, b"")
    assert right.stdout.count(b"2 as they should be") == 2
    _delete_at_defender(pushed, ONE)
    lately = run("reconcile", "--config", pushed.config, "--json")
    assert lately.returncode == 0
    assert [d["counts"]["settling"] for d in _json(lately)["destinations"]] == [2, 2]
    told = run(*calm, "--json")
    assert told.returncode == 3
    document = _json(told)
    (finding,) = next(d for d in document["destinations"] if d["name"] == DEFENDER)["findings"]
    assert (finding["drift"], finding["kind"], finding["value"], finding["action"]) == (
        "deleted",
        "domain-name",
        ONE,
        None,
    )
    applied = run(*calm, "--apply")
    assert applied.returncode == 0
    assert b"deleted (1)" in applied.stdout
    assert b"[on hold]" in applied.stdout
    assert _held(pushed) == ([ONE, TWO], [TWO])
    assert b"someone at Microsoft" in run("release", ONE, "--config", pushed.config).stdout
    assert _held(pushed) == ([ONE, TWO], [ONE, TWO])


def test_reconcile_asks_before_it_withdraws(run: Run, pushed: World) -> None:
    """A stricter rule in the configuration; Sentinel without its three keys says which, and its rules count too."""
    pushed.configure(only=BOTH, wipe=False, maxTlp="green")
    calm = ("reconcile", "--settle-minutes", "0", "--apply", "--config", pushed.config)
    asks = run(*calm)
    assert asks.returncode == 2
    assert b"This withdraws 4 indicators." in asks.stderr
    assert _held(pushed) == ([ONE, TWO], [ONE, TWO])
    done = run(*calm, "--yes")
    # Not all was compared, and the configuration is why.
    assert done.returncode == 2
    assert b"`subscriptionId`" in done.stdout
    assert _held(pushed) == ([], [])


def test_reconcile_concludes_nothing_from_an_error(run: Run, pushed: World) -> None:
    """The exit code says why; nothing changes."""
    pushed.emulator.fault(api="defender", method="GET", status=403)
    done = run("reconcile", "--settle-minutes", "0", "--apply", "--yes", "--config", pushed.config)
    assert done.returncode == 4
    assert b"not compared" in done.stdout
    assert _held(pushed) == ([ONE, TWO], [ONE, TWO])


def test_a_lost_ledger_is_replaced(run: Run, pushed: World, tmp_path: Path) -> None:
    """The new one is told about the old, takes the store over, and then what MISP vouches for is ours again."""
    assert run("push", _event(tmp_path, ONE, TWO), "--config", pushed.config).returncode == 0
    for file in tmp_path.glob("ledger.db*"):
        file.unlink()
    refused = run("push", _event(tmp_path, ONE), "--config", pushed.config)
    assert refused.returncode == 2
    assert b"--adopt" in refused.stderr
    calm = ("reconcile", "--settle-minutes", "0", "--adopt", "--config", pushed.config)
    assert run(*calm).returncode == 3
    again = run("push", _event(tmp_path, ONE), "--config", pushed.config)
    assert b"already-there" in again.stdout
    adopted = run(*calm)
    assert b"[adopted]" in adopted.stdout
    done = run(*calm, "--withdraw-unknown", "--yes")
    assert done.returncode == 0
    assert _held(pushed) == ([ONE], [ONE])
