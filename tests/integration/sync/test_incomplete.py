"""Events of which MISP shows only part."""

from __future__ import annotations

import sys
import time

import pytest

from misp_modules_ext.cli import looking, main
from misp_modules_ext.cli.status import codes, look
from misp_modules_ext.config import load
from misp_modules_ext.delivery.rounds import Rounds
from misp_modules_ext.ledger import open_ledger
from tests.support.misp_server import Fault
from tests.support.synced import (
    DAY,
    VETTED,
    Run,
    Scene,
    due,
    event_row,
    row,
)


@pytest.mark.usefixtures("size")
def test_an_event_of_which_misp_shows_only_part_is_read_again(scene: Scene, run: Run) -> None:
    """Once more at once, then by the drain, again and again for a day; it is named, and keeps nothing else back."""
    scene.misp.allowed_list.add("hidden.evil.example")
    event = scene.event("one", "hidden")
    code, said = run()
    assert (code, said["events"]["incomplete"], scene.there()) == (0, [event], ["one"])
    headers = [b for _, p, b in scene.server.requests if "events/restSearch" in p and b.get("eventid") == event]
    assert len(headers) == 4
    assert row(scene)[2] is not None
    first = event_row(scene, event, scene.server.url)
    assert first.read_due_ms - first.read_ms >= 60_000
    rounds = Rounds("test", "worker")
    for _ in range(2):
        due(scene)
        rounds.go(load(scene.world.config), wait=True)
        assert event_row(scene, event, scene.server.url).read_due_ms > first.read_due_ms - 1
    scene.misp.allowed_list.clear()
    due(scene)
    rounds.go(load(scene.world.config), wait=True)
    assert scene.there() == ["hidden", "one"]
    assert event_row(scene, event, scene.server.url).read_due_ms is None


@pytest.mark.usefixtures("size")
def test_an_event_of_which_nothing_that_goes_was_shown_is_read_again(scene: Scene, run: Run) -> None:
    """Its publication is over with this run: nothing else would ever read it."""
    scene.misp.allowed_list.add("hidden.evil.example")
    event = scene.event("hidden")
    scene.misp.add_attribute(event, "comment", "nothing to send")
    scene.publish(event)
    code, said = run()
    assert (code, said["events"]["incomplete"], scene.there()) == (0, [event], [])
    scene.misp.allowed_list.clear()
    due(scene)
    settings, ledger = load(scene.world.config), open_ledger(scene.world.ledger)
    everywhere = looking.places(ledger, settings, ())
    assert codes(look(ledger, settings, everywhere)) == {3}
    Rounds("test", "worker").go(settings, wait=True)
    assert scene.there() == ["hidden"]
    assert codes(look(ledger, settings, everywhere)) == set()


def test_an_event_that_is_never_complete_is_left_alone_after_a_day(scene: Scene, run: Run) -> None:
    """Some attributes are for other eyes, and MISP counts them all the same."""
    scene.misp.allowed_list.add("hidden.evil.example")
    event = scene.event("one", "hidden", ago=2 * DAY)
    scene.publish(event)
    assert run()[1]["events"]["incomplete"] == [event]
    assert event_row(scene, event, scene.server.url).read_due_ms is not None
    due(scene)
    Rounds("test", "worker").go(load(scene.world.config), wait=True)
    assert event_row(scene, event, scene.server.url).read_due_ms is None


def test_the_line_names_what_is_incomplete(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """So that a person can look."""
    scene.misp.allowed_list.add("hidden.evil.example")
    event = scene.event("one", "hidden")
    monkeypatch.setattr(sys, "argv", ["misp-microsoft", "sync", "--config", str(scene.world.config)])
    with pytest.raises(SystemExit):
        main()
    assert f"1 incomplete: {event}" in capfd.readouterr().out


def test_an_event_that_was_edited_while_it_was_read_is_read_at_once_again(scene: Scene, run: Run) -> None:
    """Then it is whole."""
    event = scene.event("one")

    def edit() -> None:
        scene.clock[0] = int(time.time()) + 1
        attribute = scene.misp.add_attribute(event, "domain", "two.evil.example")
        scene.misp.tag(attribute, VETTED)
        scene.misp.publish(event)

    scene.server.faults.append(Fault("/attributes/restSearch", after=1, before=edit))
    code, said = run()
    assert (code, said["events"]["incomplete"], scene.there()) == (0, [], ["one", "two"])
