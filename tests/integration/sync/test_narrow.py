"""Runs that a person narrows by type or tag."""

from __future__ import annotations

import sys
import time

import pytest
from sqlalchemy import select, update

from misp_modules_ext.cli import main
from misp_modules_ext.ledger import open_ledger, schema
from tests.support.synced import (
    VETTED,
    Run,
    Scene,
)


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize("option", ["--type", "--tag"])
def test_a_narrow_run_takes_part_of_each_event_and_says_nothing_of_the_rest(
    scene: Scene, run: Run, option: str
) -> None:
    """What syncTags does not let through stays out, and what was lost meanwhile is withdrawn by the next full view."""
    event = scene.event("stays", "off", "untagged")
    address = scene.misp.add_attribute(event, "ip-dst", "198.51.100.7")
    scene.misp.tag(address, "MINE")
    scene.misp.tag(address, VETTED)
    other = scene.misp.add_attribute(event, "ip-dst", "198.51.100.8")
    scene.misp.tag(other, "mine")
    scene.clock[0] = int(time.time()) - 30
    scene.misp.publish(event)
    chosen = (option, "ip-dst" if option == "--type" else "mine")
    code, said = run(*chosen)
    assert (code, scene.there()) == (0, ["198.51.100.7"])
    assert all((d["counts"]["read"], d["counts"]["skipped"]) == (2, 1) for d in said["destinations"])
    run()
    assert scene.there() == ["198.51.100.7", "off", "stays", "untagged"]
    scene.clock[0] = int(time.time())
    scene.misp.set_to_ids(scene.attribute(event, "off"), on=False)
    scene.misp.untag(scene.attribute(event, "untagged"), VETTED)
    scene.misp.publish(event)
    assert run(*chosen)[1]["events"]["changed"] == 0
    assert scene.there() == ["198.51.100.7", "off", "stays", "untagged"]
    run()
    assert scene.there() == ["198.51.100.7", "stays"]


@pytest.mark.usefixtures("size")
def test_the_rest_does_not_follow_a_narrow_run(scene: Scene, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the drain reads the event again, for whatever reason; an ordinary run brings it."""
    event = scene.event("one", "two")
    for value in ("198.51.100.7", "198.51.100.8"):
        scene.misp.tag(scene.misp.add_attribute(event, "ip-dst", value), VETTED)
    scene.publish(event)
    assert run("--type", "ip-dst")[0] == 0
    assert scene.there() == ["198.51.100.7", "198.51.100.8"]
    address = next(a for a in scene.misp.events[event].attributes if a.value == "198.51.100.8")
    scene.misp.set_to_ids(address.uuid, on=False)
    scene.publish(event)
    soon = update(schema.event).values(read_due_ms=1)
    open_ledger(scene.world.ledger).write(lambda connection: connection.execute(soon))
    monkeypatch.setattr(sys, "argv", ["misp-microsoft", "worker", "--once", "--config", str(scene.world.config)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert scene.there() == ["198.51.100.7"]
    run()
    assert scene.there() == ["198.51.100.7", "one", "two"]


@pytest.mark.parametrize("option", [("--type", "url"), ("--tag", "mine")])
def test_a_narrow_run_leaves_what_waits_and_the_destinations_as_they_are(
    scene: Scene, run: Run, option: tuple[str, str]
) -> None:
    """Rules are those of the configuration: rows that are due by them stay due, and go."""
    scene.event("one")
    scene.world.emulator.fault(api="defender", status=403)
    scene.world.emulator.fault(api="sentinel", status=403)
    assert run()[0] == 4
    ledger = open_ledger(scene.world.ledger)
    columns = (schema.destination.c.store, schema.destination.c.configuration)
    before = ledger.read(lambda c: sorted(c.execute(select(*columns)).all()))
    scene.world.emulator.clear_faults()
    ended = update(schema.destination).values(paused_until_ms=1)
    ledger.write(lambda c: c.execute(ended))
    assert run(*option)[0] == 0
    assert scene.there() == ["one"]
    assert ledger.read(lambda c: sorted(c.execute(select(*columns)).all())) == before


@pytest.mark.usefixtures("size")
def test_a_narrow_run_sees_which_attributes_are_picked(scene: Scene, run: Run) -> None:
    """One of them carries the pick tag, so the others stay behind, also when it is not of the type asked for."""
    event = scene.event("picked")
    scene.misp.tag(scene.attribute(event, "picked"), "microsoft:push")
    address = scene.misp.add_attribute(event, "ip-dst", "198.51.100.7")
    scene.misp.tag(address, VETTED)
    scene.publish(event)
    code, said = run("--type", "ip-dst")
    assert (code, said["events"]["read"], scene.there()) == (0, 1, [])
    run()
    assert scene.there() == ["picked"]
