"""`sync` against a MISP over HTTP: first run, later runs, removals, failures at every page, two at once."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import update

from misp_modules_ext.cli import main
from misp_modules_ext.ledger import open_ledger, schema, syncs
from tests.support.misp_server import Fault, MispServer
from tests.support.misp_world import World as Misp
from tests.support.world import World

KEY = "a-test-key-of-this-server-" + "0" * 14
VETTED = "rhisac: vetted"
DAY = 86_400
ONLY = ("microsoft", "microsoft defender")

Run = Callable[..., tuple[int, dict[str, Any]]]


@dataclass
class Scene:
    """RH-ISAC's MISP as a test server, with an organisation to write events.

    Attributes:
        now: the clock of MISP.
    """

    misp: Misp
    server: MispServer
    world: World
    clock: list[int]

    def event(self, *values: str, tag: str = VETTED, ago: int = 60, info: str = "Campaign") -> str:
        """A published event of domains, all with a tag of their own; gives its UUID."""
        self.clock[0] = int(time.time()) - ago
        uuid = self.misp.add_event(self.misp.orgs[0], info)
        for value in values:
            attribute = self.misp.add_attribute(uuid, "domain", f"{value}.evil.example")
            if tag:
                self.misp.tag(attribute, tag)
        self.misp.publish(uuid)
        return uuid

    def attribute(self, event: str, value: str) -> str:
        """The UUID of one of its attributes."""
        return next(a.uuid for a in self.misp.events[event].attributes if a.value == f"{value}.evil.example")

    def publish(self, event: str) -> None:
        """Publish it now."""
        self.clock[0] = int(time.time())
        self.misp.publish(event)

    def there(self) -> list[str]:
        """The names at Defender, as far as they differ."""
        return [value.removesuffix(".evil.example") for value in self.world.defender()]


@pytest.fixture
def scene(world: World) -> Iterator[Scene]:
    """A MISP without events, and a configuration that reads it."""
    clock = [int(time.time())]
    misp = Misp(lambda: clock[0])
    misp.add_user(KEY, misp.add_org("Members"))
    with MispServer(misp) as server:
        made = Scene(misp, server, world, clock)
        configure(made)
        yield made


def configure(scene: Scene, **keys: str) -> None:
    """Write the configuration; `keys` go into the section of RH-ISAC's MISP."""
    section = {"url": scene.server.url, "key": KEY} | keys
    scene.world.configure(only=ONLY, more={"RH-ISAC MISP": section})


@pytest.fixture
def run(scene: Scene, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs the command; gives its exit code and what it says."""

    def sync(*options: str) -> tuple[int, dict[str, Any]]:
        argv = ["misp-microsoft", "sync", "--json", "--config", str(scene.world.config), *options]
        monkeypatch.setattr(sys, "argv", argv)
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        assert KEY not in out + err
        return int(ended.value.code or 0), (json.loads(out) if out else {"words": err})

    return sync


def _pass_time(scene: Scene, seconds: int) -> None:
    """Let events have been seen unpublished, or missing, so much earlier."""
    columns = (schema.event.c.unpublished_since_ms, schema.event.c.missing_since_ms)
    earlier = {column: column - seconds * 1000 for column in columns}
    open_ledger(scene.world.ledger).write(lambda c: c.execute(update(schema.event).values(earlier)))


def test_the_first_run_takes_what_was_published_in_a_day(scene: Scene, run: Run) -> None:
    """And of that what carries the tag, on the attribute or on the event; the rest has its reason."""
    scene.event("old", ago=2 * DAY)
    event = scene.event("tagged")
    scene.clock[0] = int(time.time())
    scene.misp.add_attribute(event, "domain", "untagged.evil.example")
    scene.publish(event)
    whole = scene.event("whole", tag="")
    scene.misp.tag(whole, VETTED.upper())
    scene.publish(whole)
    code, said = run()
    assert (code, scene.there()) == (0, ["tagged", "whole"])
    assert said["events"]["listed"] == said["events"]["read"] == 2
    for destination in said["destinations"]:
        assert destination["counts"]["read"] == 3
        assert (destination["counts"]["accepted"], destination["counts"]["skipped"]) == (2, 1)


def test_a_later_run_reads_what_was_published_since(scene: Scene, run: Run) -> None:
    """With an overlap of an hour, in which nothing is sent twice."""
    scene.event("first", ago=7200)
    run()
    scene.event("second")
    requests = len(scene.world.uploads())
    code, said = run()
    assert (code, said["events"]["read"], said["events"]["changed"]) == (0, 1, 1)
    assert scene.there() == ["first", "second"]
    assert len(scene.world.uploads()) > requests
    requests = len(scene.world.uploads())
    assert run()[1]["events"]["changed"] == 0
    assert [r["path"] for r in scene.world.uploads()[requests:]] == []


@pytest.mark.parametrize("rows", ["shown", "hidden"])
def test_what_misp_takes_back_is_withdrawn(scene: Scene, run: Run, rows: str) -> None:
    """PEERS 23: lost tags, flags and attributes, whether this key is shown deleted rows or not."""
    scene.misp.users[0].deleted_rows = rows  # type: ignore[assignment]
    event = scene.event("stays", "untagged", "off", "deleted", "gone")
    run()
    assert scene.there() == ["deleted", "gone", "off", "stays", "untagged"]
    scene.clock[0] = int(time.time())
    scene.misp.untag(scene.attribute(event, "untagged"), VETTED)
    scene.misp.set_to_ids(scene.attribute(event, "off"), on=False)
    scene.misp.delete_attribute(scene.attribute(event, "deleted"))
    scene.misp.delete_attribute(scene.attribute(event, "gone"), hard=True)
    scene.publish(event)
    code, said = run()
    assert (code, scene.there()) == (0, ["stays"])
    # What is gone without a trace has no attribute to stand at.
    assert all(d["counts"]["withdrawn"] + d["removed"] == 4 for d in said["destinations"])


def test_an_event_that_is_gone_is_withdrawn_after_its_grace_by_a_full_run(scene: Scene, run: Run) -> None:
    """An ordinary run does not see that it is missing; a full one freezes it first."""
    event = scene.event("one")
    other = scene.event("two")
    run()
    scene.misp.delete_event(event)
    scene.misp.unpublish(other)
    assert run()[1]["events"]["missing"] == []
    code, said = run("--full")
    assert (code, said["events"]["missing"], scene.there()) == (0, [event], ["one", "two"])
    _pass_time(scene, 15 * DAY)
    assert run("--full")[0] == 0
    assert scene.there() == []


FAULTS = {
    "error": {"status": 500},
    "truncated": {"truncate": True},
    "dropped": {"drop": True},
    "no list": {"body": b"{}"},
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("after", range(6))
def test_nothing_is_withdrawn_by_a_failure_and_the_next_run_goes_on(
    scene: Scene, run: Run, fault: dict[str, Any], after: int
) -> None:
    """PEERS 21: whichever request fails."""
    scene.event("one")
    scene.event("two")
    run()
    third = scene.event("three")
    requests = len(scene.server.requests)
    scene.server.faults.append(Fault(after=after, **fault))
    code, said = run()
    assert scene.there() in (["one", "three", "two"], ["one", "two"])
    if code == 5:
        assert said["events"]["failures"]
        seen = len(scene.server.requests)
        assert seen > requests
        assert run()[0] == 0
    assert scene.there() == ["one", "three", "two"]
    assert third


def test_a_run_that_was_interrupted_goes_on_where_it_was(scene: Scene, run: Run) -> None:
    """What it had read is not read again; what it had not is, also when the next run comes days later."""
    for number in range(4):
        scene.event(f"e{number}")
    # Attributes are asked for three times for each event.
    scene.server.faults += [Fault(path="/attributes/restSearch", after=3, status=500) for _ in range(20)]
    code, said = run()
    assert code == 5
    read = said["events"]["read"]
    assert 0 < read < 4
    scene.server.faults.clear()
    code, said = run()
    assert (code, said["events"]["read"], said["events"]["readBefore"]) == (0, 4 - read, read)
    assert scene.there() == ["e0", "e1", "e2", "e3"]


def test_a_second_one_says_who_runs(scene: Scene, run: Run) -> None:
    """And ends well: cron must not send mail for it."""
    scene.event("one")
    ledger = open_ledger(scene.world.ledger)
    turn = ledger.write(lambda c: syncs.begin(c, scene.server.url, "another"))
    assert isinstance(turn, syncs.Turn)
    code, said = run()
    assert code == 0
    assert "Another run of sync" in said["words"]
    assert "another" in said["words"]
    assert scene.there() == []
    ledger.write(lambda c: syncs.end(c, turn, whole=False))
    assert run()[0] == 0
    assert scene.there() == ["one"]


def test_a_run_with_choices_of_its_own_moves_no_checkpoint(scene: Scene, run: Run) -> None:
    """A shorter time, another tag, a type or a condition leave things out that the next ordinary run must see."""
    run()
    scene.event("old", ago=7200)
    scene.event("other", tag="mine", info="Other")
    assert run("--last", "1 hour")[1]["events"]["listed"] == 1
    assert run("--tag", "mine")[1]["events"]["changed"] == 1
    assert scene.there() == ["other"]
    assert run("--since", "2026-01-01", "--type", "url")[1]["events"]["listed"] == 2
    assert run("--since", "2026-01-01", "--event-filter", "eventinfo=Other")[1]["events"]["listed"] == 1
    assert scene.there() == ["other"]
    assert run("--last", "1 day")[1]["events"]["listed"] == 2
    assert scene.there() == ["old", "other"]


def test_a_dry_run_keeps_and_sends_nothing(scene: Scene, run: Run) -> None:
    """It counts."""
    scene.event("one")
    code, said = run("--dry-run")
    assert (code, scene.there()) == (0, [])
    assert said["destinations"][0]["counts"]["accepted"] == 1
    assert run()[1]["events"]["read"] == 1
    assert scene.there() == ["one"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--last", "soon"], "--last"),
        (["--since", "yesterday"], "--since"),
        (["--last", "1 day", "--since", "2026-01-01"], "not both"),
        (["--event-filter", "evil=1"], "one of these keys"),
        (["--misp", "misp nowhere"], "no section"),
        (["--destination", "nowhere"], "no destination"),
    ],
)
def test_wrong_options_are_a_sentence(scene: Scene, run: Run, options: list[str], words: str) -> None:
    """Exit code 2, and nothing was asked."""
    code, said = run(*options)
    assert code == 2
    assert words in said["words"]
    assert scene.server.requests == []


def test_a_key_that_misp_refuses_is_exit_code_4(scene: Scene, run: Run) -> None:
    """Nothing is withdrawn."""
    scene.event("one")
    run()
    scene.misp.users.clear()
    assert run()[0] == 4
    assert scene.there() == ["one"]


def test_the_members_own_misp_may_be_read_too(scene: Scene, run: Run) -> None:
    """`[misp]` without `syncTags`: all that the rules let through."""
    scene.event("anything", tag="")
    scene.world.configure(only=ONLY, misp={"url": scene.server.url, "key": KEY})
    code, said = run("--misp", "misp")
    assert (code, scene.there()) == (0, ["anything"])
    assert said["misp"] == scene.server.url
