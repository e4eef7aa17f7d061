"""Runs that fail, or are made for something else: nothing is withdrawn, and the next one goes on."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.support.misp_server import Fault
from tests.support.synced import (
    VETTED,
    Run,
    Scene,
    fail,
    off,
    row,
    tried,
)

FAULTS = {
    "error": {"status": 500},
    "truncated": {"truncate": True},
    "dropped": {"drop": True},
    "no list": {"body": b"{}"},
}


def test_an_event_that_cannot_be_read_freezes_no_other(scene: Scene, run: Run) -> None:
    """For as long as it fails runs are unfinished: what changes meanwhile is read, also what `--full` alone finds."""
    bad = scene.event("bad")
    event = scene.event("one", "two", "three")
    gone = scene.event("gone")
    fail(scene, bad)
    assert run()[0] == 5
    assert scene.there() == ["gone", "one", "three", "two"]
    off(scene, event, "one")
    code, said = run()
    assert (code, said["events"]["read"], said["events"]["readBefore"]) == (5, 1, 1)
    assert scene.there() == ["gone", "three", "two"]
    scene.misp.delete_event(gone)
    code, said = run("--full")
    assert (code, said["events"]["missing"]) == (5, [gone])
    scene.server.faults.clear()
    assert run()[0] == 0
    assert scene.there() == ["bad", "gone", "three", "two"]
    assert row(scene)[0] is None
    assert tried(scene) == {}


def test_what_was_unpublished_when_it_was_read_is_read_again(scene: Scene, run: Run) -> None:
    """Publishing changes no timestamp, so an unfinished run cannot tell by that."""
    bad, event = scene.event("bad"), scene.event("one")
    fail(scene, bad)
    scene.clock[0] = int(time.time())
    scene.misp.add_attribute(event, "domain", "new.evil.example")
    scene.misp.tag(event, VETTED)
    assert run()[0] == 5
    assert scene.there() == []
    scene.misp.publish(event)
    assert run()[0] == 5
    assert scene.there() == ["new", "one"]


@pytest.mark.parametrize("options", [("--destination", "microsoft"), ("--type", "url"), ("--tag", "mine")])
def test_a_narrow_run_in_between_does_not_count_for_an_unfinished_one(
    scene: Scene, run: Run, options: tuple[str, str]
) -> None:
    """It takes half of what it reads; the next ordinary run takes the other half before the checkpoint moves."""
    events = [scene.event(f"e{number}") for number in range(3)]
    for event in events:
        url = scene.misp.add_attribute(event, "url", "https://urls.evil.example/")
        scene.misp.tag(url, VETTED)
        scene.misp.tag(url, "mine")
        scene.publish(event)
    fail(scene, events[2])
    assert run()[0] == 5
    scene.server.faults.clear()
    assert run(*options)[0] == 0
    assert "e2" not in scene.there()
    assert row(scene)[0] is not None
    assert run()[0] == 0
    assert [name for name in scene.there() if name.startswith("e")] == ["e0", "e1", "e2"]
    assert row(scene)[0] is None


def test_three_events_that_cannot_be_read_block_no_new_one(scene: Scene, run: Run) -> None:
    """They end a run, and come last in the next, the one that was tried first before the others."""
    bad = [scene.event(f"bad{number}") for number in range(4)]
    scene.event("one")
    fail(scene, *bad)
    assert (run()[0], scene.there()) == (5, [])
    assert (run()[0], scene.there()) == (5, ["one"])
    scene.event("two")
    assert (run()[0], scene.there()) == (5, ["one", "two"])
    scene.server.faults = [fault for fault in scene.server.faults if fault.event != bad[3]]
    run()
    assert scene.there() == ["bad3", "one", "two"]
    scene.server.faults.clear()
    assert run()[0] == 0
    assert scene.there() == ["bad0", "bad1", "bad2", "bad3", "one", "two"]


def test_a_shorter_run_does_not_finish_an_unfinished_one(scene: Scene, run: Run) -> None:
    """The very first run failed at an event of two hours ago: one that looks back an hour leaves it out."""
    old = scene.event("old", ago=7200)
    scene.event("new")
    fail(scene, old)
    assert run()[0] == 5
    scene.server.faults.clear()
    assert run("--last", "1 hour")[0] == 0
    assert scene.there() == ["new"]
    assert run()[0] == 0
    assert scene.there() == ["new", "old"]


@pytest.mark.parametrize("option", [("--last", "1 hour"), ("--since", "2126-01-01")])
def test_a_shorter_run_is_not_the_first_one(scene: Scene, run: Run, option: tuple[str, str]) -> None:
    """Somebody tries it with an hour before cron does it: what was published earlier that day is still to come."""
    scene.event("old", ago=7200)
    assert run(*option)[0] == 0
    assert scene.there() == []
    assert run()[0] == 0
    assert scene.there() == ["old"]
    scene.event("older", ago=2 * 86_400)
    run("--last", "7 days")
    assert scene.there() == ["old", "older"]


def test_a_longer_run_is_the_first_one(scene: Scene, run: Run) -> None:
    """The next one begins where it began."""
    scene.event("old", ago=2 * 86_400)
    run("--last", "7 days")
    assert run()[1]["events"]["listed"] == 0
    assert scene.there() == ["old"]


def test_a_dry_run_leaves_no_trace(scene: Scene, run: Run) -> None:
    """Neither where it began nor what it read, whether it ends well or not; what was unfinished stays so."""
    bad = scene.event("bad", ago=7200)
    scene.event("one")
    assert run("--dry-run", "--last", "3 hours")[0] == 0
    assert (row(scene), tried(scene)) == ((None, None, None), {})
    fail(scene, bad)
    assert run("--dry-run")[0] == 5
    assert (row(scene), tried(scene)) == ((None, None, None), {})
    assert run()[0] == 5
    before = (row(scene), tried(scene))
    scene.server.faults.clear()
    assert run("--dry-run")[0] == 0
    assert (row(scene), tried(scene)) == before
    assert run()[1]["events"]["readBefore"] == 1


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


def test_a_run_with_choices_of_its_own_moves_no_checkpoint(scene: Scene, run: Run) -> None:
    """A shorter time, another tag, a type or a condition leave things out that the next ordinary run must see."""
    run()
    scene.event("old", ago=7200)
    other = scene.event("other", info="Other")
    scene.misp.tag(scene.attribute(other, "other"), "mine")
    scene.publish(other)
    assert run("--tag", "nobody's")[1]["events"]["listed"] == 1
    assert scene.there() == []
    assert run("--tag", "Mine")[1]["events"]["changed"] == 1
    assert scene.there() == ["other"]
    assert run("--since", "2026-01-01", "--type", "url")[1]["events"]["listed"] == 2
    assert run("--since", "2026-01-01", "--event-filter", "eventinfo=Other")[1]["events"]["listed"] == 1
    assert scene.there() == ["other"]
    assert run("--last", "1 day")[1]["events"]["listed"] == 2
    assert scene.there() == ["old", "other"]


@pytest.mark.usefixtures("size")
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


def test_a_web_server_that_has_lost_misp_does_not_move_the_checkpoint(scene: Scene, run: Run) -> None:
    """Its 404 is no word of MISP's about the event: it would be missing, and its publication never read."""
    run()
    event = scene.event("one")
    scene.server.faults.append(Fault("events/restSearch", event=event, status=404, body=b"<html>Not Found</html>"))
    code, said = run()
    assert (code, said["events"]["missing"], len(said["events"]["failures"])) == (5, [], 1)
    assert run()[0] == 0
    assert scene.there() == ["one"]
