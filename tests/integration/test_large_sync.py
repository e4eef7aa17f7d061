"""`sync` of a large event: a failure at any request, a full disk, part of it only, and what a dry run says of it.

Each test goes twice over the same event: taken whole, and in parts of two attributes from pages of two.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from misp_modules_ext.ledger import open_ledger, schema
from tests.support import commands
from tests.support.held import held
from tests.support.in_process import call
from tests.support.keys import misp_key
from tests.support.misp_server import Fault, MispServer
from tests.support.misp_world import World as Misp
from tests.support.world import World

KEY = misp_key()
VETTED = "rhisac: vetted"
ONLY = ("microsoft", "microsoft defender")

Run = Callable[..., tuple[int, dict[str, Any], str]]


@dataclass
class Scene:
    """A MISP with one event, and a Microsoft."""

    misp: Misp
    server: MispServer
    world: World
    clock: list[int]
    event: str = ""

    def add(self, *values: str, within: str | None = None) -> None:
        """More attributes."""
        for value in values:
            self.misp.add_attribute(self.event, "domain", f"{value}.evil.example", within=within)

    def row(self, value: str) -> str:
        """The UUID of the first attribute with this value."""
        rows = self.misp.events[self.event].attributes
        return next(a.uuid for a in rows if a.value == f"{value}.evil.example")

    def publish(self) -> None:
        """Publish it, a little later."""
        self.clock[0] += 10
        self.misp.publish(self.event)

    def there(self) -> list[str]:
        """The names at Defender; Sentinel has the same."""
        values = self.world.defender()
        assert self.world.patterns() == [f"[domain-name:value = '{value}']" for value in values]
        return [value.removesuffix(".evil.example") for value in values]

    def held(self) -> dict[str, Any]:
        """What the ledger holds."""
        return held(open_ledger(self.world.ledger), self.event, "%.evil.example", self.server.url)

    def checkpoint(self) -> int | None:
        """When the last run began that ended well."""
        wanted = select(schema.sync.c.checkpoint)
        return open_ledger(self.world.ledger).read(lambda c: c.execute(wanted).scalar_one_or_none())

    def configure(self) -> None:
        """Write the configuration, with an empty ledger."""
        keys = {"url": self.server.url, "key": KEY}
        self.world.configure(only=ONLY, more={"RH-ISAC MISP": keys}, maxWithdraw="10000")


@pytest.fixture
def scene(world: World) -> Iterator[Scene]:
    """The event has ten attributes, four of them in an object, and one value twice."""
    # Later than ledgers take it, so that expiry does not go by the second in which they do.
    clock = [int(time.time()) + 3600]
    misp = Misp(lambda: clock[0])
    misp.add_user(KEY, misp.add_org("Members"))
    with MispServer(misp) as server:
        made = Scene(misp, server, world, clock, misp.add_event(misp.orgs[0]))
        misp.tag(made.event, VETTED)
        holder = misp.add_object(made.event, "domain-ip")
        made.add("twice", "a", "b")
        made.add("c", "d", "e", "f", within=holder)
        made.add("g", "twice", "off")
        made.misp.set_to_ids(made.row("off"), on=False)
        made.publish()
        made.configure()
        yield made


ALL = ["a", "b", "c", "d", "e", "f", "g", "twice"]


@pytest.fixture
def run(scene: Scene, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a command; gives its exit code, its JSON and what else it says."""

    def command(*words: str) -> tuple[int, dict[str, Any], str]:
        whole = [*words[:1], "--json", "--config", str(scene.world.config), *words[1:]]
        code, out, err = call(whole, KEY, monkeypatch, capfd)
        return code, json.loads(out) if out else {}, err

    return command


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts, and pages, of two."""
    monkeypatch.setattr("misp_modules_ext.misp.client.MOST_AT_ONCE", 2)
    monkeypatch.setattr("misp_modules_ext.misp.client.PAGE", 2)


def _whole(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    """A run that takes the event whole."""
    with monkeypatch.context() as patch:
        patch.setattr("misp_modules_ext.misp.client.MOST_AT_ONCE", 20_000)
        assert run("sync", "--full")[0] == 0


FAULTS = {
    "error": {"status": 500},
    "truncated": {"truncate": True},
    "dropped": {"drop": True},
    "no list": {"body": b'{"response": {"Attribute": "?"}}'},
    "empty": {"body": b'{"response": []}'},
}


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_failure_at_any_request(
    scene: Scene, run: Run, monkeypatch: pytest.MonkeyPatch, fault: dict[str, Any]
) -> None:
    """Nothing goes because of it, what is taken back goes with a run that ends well, and no other trace is left."""
    assert run("sync")[0] == 0
    assert scene.there() == ALL
    off, after, failures = False, 0, 0
    while not scene.server.faults:
        off = not off
        scene.clock[0] += 10
        for name in ("c", "g"):
            scene.misp.set_to_ids(scene.row(name), on=not off)
        scene.publish()
        gone, before = {"c", "g"} if off else set(), scene.checkpoint()
        scene.server.faults.append(Fault(after=after, **fault))
        code, said, _ = run("sync")
        assert set(ALL) - {"c", "g"} <= set(scene.there()) <= set(ALL)
        if code:
            assert code == 5
            failures += 1
            assert said["events"]["failures"]
            assert scene.checkpoint() == before
            assert set(scene.there()) == set(ALL) - ({"c", "g"} - gone)
            code = run("sync")[0]
        assert code == 0
        seen = said["events"]
        if seen["incomplete"] or seen["missing"] or not seen["listed"]:
            # What is shown counts all the same, and the drain looks again. That nothing is there is MISP's word, too.
            assert run("sync", "--full")[0] == 0
        assert set(scene.there()) == set(ALL) - gone, after
        after += 1
    scene.server.faults.clear()
    found = scene.held()
    _whole(monkeypatch, run)
    assert scene.held() == found
    assert after > 14
    assert failures > (1 if "body" in fault else 6)


@pytest.mark.usefixtures("parts")
def test_a_page_after_which_the_event_is_edited(scene: Scene, run: Run) -> None:
    """Read at once again, or by the next run: what was moved, added and removed meanwhile is neither lost nor kept."""
    assert run("sync")[0] == 0
    after = 0
    while True:

        def edit(number: int = after) -> None:
            scene.clock[0] += 10
            scene.misp.delete_attribute(scene.row(f"n{number - 1}" if number else "a"), hard=True)
            scene.add(f"n{number}")
            scene.publish()

        scene.publish()
        scene.server.faults.append(Fault("restSearch", after=after, before=edit))
        code, said, _ = run("sync")
        assert (code, said["events"]["incomplete"]) == (0, [])
        if scene.server.faults:
            break
        assert scene.there() == sorted([*(set(ALL) - {"a"}), f"n{after}"])
        after += 1
    assert after > 9


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize("option", [("--type", "url"), ("--tag", "mine"), ("--type", "domain")])
def test_a_narrow_run_does_not_call_a_whole_event_incomplete(scene: Scene, run: Run, option: tuple[str, str]) -> None:
    """It was shown whole, whatever is taken of it: nobody need look again."""
    assert run("sync")[0] == 0
    scene.publish()
    code, said, _ = run("sync", *option)
    assert (code, said["events"]["incomplete"]) == (0, [])
    due = open_ledger(scene.world.ledger).read(lambda c: c.execute(select(schema.event.c.read_due_ms)).scalar_one())
    assert due is None


def _removed(said: dict[str, Any]) -> int:
    """Of the first destination; and its counts add up."""
    destination = said["destinations"][0]
    counts = destination["counts"]
    assert counts["read"] == sum(count for name, count in counts.items() if name != "read")
    return int(destination["removed"])


@pytest.mark.parametrize("replaced", [False, True], ids=["gone in two parts", "replaced by another part"])
def test_a_dry_run_says_what_it_cannot_tell(
    scene: Scene, run: Run, monkeypatch: pytest.MonkeyPatch, replaced: bool
) -> None:
    """It judges each part by the ledger as it is, and names the events; of one that is taken whole it says exactly."""
    monkeypatch.setattr("misp_modules_ext.misp.client.MOST_AT_ONCE", 1)
    code, said, words = run("sync", "--dry-run")
    assert (code, scene.there(), _removed(said)) == (0, [], 0)
    assert said["events"]["judgedInParts"] == [scene.event]
    assert f"Judged in parts, each by the ledger as it is now: {scene.event}." in words
    real = run("sync")
    assert real[2] == ""
    # Twice for the value of two attributes, as a run in parts has it.
    accepted = [account["destinations"][0]["counts"]["accepted"] for account in (said, real[1])]
    assert accepted == [9, 9]
    scene.clock[0] += 10
    for name in ("b",) if replaced else ("twice", "twice"):
        scene.misp.delete_attribute(scene.row(name), hard=True)
    if replaced:
        scene.add("b")
    scene.publish()
    before = scene.held()
    code, said, words = run("sync", "--dry-run")
    assert (code, _removed(said)) == (0, 1 if replaced else 0)
    assert "may be more or less than what a run removes" in words
    assert scene.held() == before
    with monkeypatch.context() as patch:
        patch.setattr("misp_modules_ext.misp.client.MOST_AT_ONCE", 20_000)
        code, said, words = run("sync", "--dry-run")
        assert (said["events"]["judgedInParts"], words) == ([], "")
        exact = _removed(said)
    assert exact == (0 if replaced else 1)
    code, said, words = run("sync")
    assert (code, _removed(said), words) == (0, exact, "")
    assert scene.there() == (ALL if replaced else sorted(set(ALL) - {"twice"}))


@pytest.mark.usefixtures("parts")
def test_a_push_takes_a_large_event_whole(scene: Scene, run: Run) -> None:
    """So its dry run tells exactly what would happen, and then that happens."""
    section = ("--misp", "RH-ISAC MISP", scene.event)
    assert run("push", *section)[0] == 0
    scene.clock[0] += 10
    for name in ("twice", "twice", "b"):
        scene.misp.delete_attribute(scene.row(name), hard=True)
    scene.add("b")
    scene.publish()
    for words in (("--dry-run", *section), section):
        code, said, _ = run("push", *words)
        gone = [removed["value"] for removed in said["destinations"][0]["removed"]]
        assert (code, gone) == (0, ["twice.evil.example"])
    assert scene.there() == sorted(set(ALL) - {"twice"})


_SMALL = """
from misp_modules_ext.misp import client, spool
client.MOST_AT_ONCE, client.PAGE, spool._CACHE = 2, 2, 8
"""


@contextmanager
def _disk(place: Path, kilobytes: int) -> Iterator[None]:
    """A disk of its own, in memory."""
    place.mkdir(exist_ok=True)
    words = ["/bin/mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(place)]
    mounted = subprocess.run(words, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode()}")
    try:
        yield
    finally:
        subprocess.run(["/bin/umount", "--lazy", str(place)], check=True)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can mount a disk")
def test_a_disk_that_is_full_at_any_stage(
    scene: Scene, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is read, or while it is taken: exit code 5 and the remedy; nothing goes, and with room all goes on."""
    place = tmp_path / "small"
    code = 5
    _whole(monkeypatch, run)
    scene.clock[0] += 10
    for name in ("c", "g"):
        scene.misp.set_to_ids(scene.row(name), on=False)
    scene.misp.delete_attribute(scene.row("a"), hard=True)
    scene.publish()
    before, kilobytes, stages = scene.checkpoint(), 4, set()
    while code:
        with _disk(place, kilobytes):
            words = ("sync", "--json", "--config", scene.world.config)
            done = commands.run(*words, env=os.environ | {"TMPDIR": str(place)}, first=_SMALL)
        code, said = done.returncode, done.stderr.decode()
        assert "Traceback" not in said
        if code:
            assert code == 5, said
            assert f"in {place}, which cannot be written" in said
            assert "TMPDIR" in said
            assert scene.checkpoint() == before
            assert set(ALL) - {"a", "c", "g"} <= set(scene.there()) <= set(ALL)
            asked = [path for _, path, _ in scene.server.requests]
            stages.add(sum("restSearch" in path for path in asked))
            scene.server.requests.clear()
        kilobytes += 8 if kilobytes < 28 else 4
        assert kilobytes < 1000
    assert scene.there() == ["b", "d", "e", "f", "twice"]
    assert len(stages) > 2, "it was never full at another moment"
    found = scene.held()
    _whole(monkeypatch, run)
    assert scene.held() == found
