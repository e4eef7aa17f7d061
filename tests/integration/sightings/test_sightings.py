"""`sightings` against the emulator and a MISP over HTTP: hits, repetitions, faults, kills, and what is refused."""

from __future__ import annotations

import os
import signal
import time

import pytest
from sqlalchemy import select

from misp_modules_ext.ledger import open_ledger, schema
from tests.support.commands import Command
from tests.support.misp_server import Fault
from tests.support.sighted import Run, Scene, configure


def test_a_hit_becomes_a_sighting_once(scene: Scene, run: Run) -> None:
    """At the time of the hit and under our name alone; later runs add nothing; another day is another one."""
    scene.seen("one")
    assert run()[0] == 0
    assert scene.told() == [("one", 0, "misp-microsoft")]
    (sighting,) = scene.attribute("one").sightings
    assert abs(time.time() - 600 - sighting.date) < 60
    code, said = run()
    assert (code, said["hits"], said["told"], scene.added()) == (0, 1, 0, 1)


def test_a_preview_tells_nothing(scene: Scene, run: Run) -> None:
    """It shows what would be told, also where writing back is off."""
    scene.seen("one", "two")
    configure(scene, sightings="no")
    code, said = run("sightings", "--dry-run")
    assert (code, len(said["new"]), said["told"], scene.told()) == (0, 2, 0, [])
    assert {one["attribute"] for one in said["new"]} == {scene.attribute(n).uuid for n in ("one", "two")}
    configure(scene)
    assert run()[1]["told"] == 2


def test_our_sightings_change_nothing_of_ours(scene: Scene, run: Run) -> None:
    """The event read again is due nowhere."""
    scene.seen("one")
    run()
    rows = select(schema.holding.c.observable_id, schema.holding.c.due_hash, schema.holding.c.state)
    ledger = open_ledger(scene.world.ledger)
    before = sorted(map(tuple, ledger.read(lambda c: c.execute(rows).all())))
    uploads = len(scene.world.uploads())
    code, said = run("push", scene.event)
    assert code == 0
    assert said["destinations"][0]["counts"]["unchanged"] == 2
    assert sorted(map(tuple, ledger.read(lambda c: c.execute(rows).all()))) == before
    assert len(scene.world.uploads()) == uploads


def test_what_exceeds_the_limit_comes_next_time(scene: Scene, run: Run) -> None:
    """It is noted, so that the checkpoint may move."""
    scene.seen("one", "two")
    code, said = run("sightings", "--limit", "1")
    assert (code, said["told"], said["waiting"]) == (3, 1, 1)
    code, said = run("sightings", "--limit", "1")
    assert (code, said["told"], said["waiting"], len(scene.told())) == (0, 1, 0, 2)


@pytest.mark.parametrize("fault", ["sightings/add", "attributes/restSearch"])
def test_a_lost_answer_neither_loses_nor_doubles(scene: Scene, run: Run, fault: str) -> None:
    """MISP has taken the sighting, and the connection broke: the next run asks before it adds."""
    scene.seen("one", "two")
    scene.server.faults.append(Fault(path=fault, drop=True))
    code, said = run()
    assert (code, len(said["failures"])) == (5, 1)
    code, said = run()
    assert (code, said["waiting"]) == (0, 0)
    assert scene.told() == [("one", 0, "misp-microsoft"), ("two", 0, "misp-microsoft")]


@pytest.mark.parametrize("step", ["hunting", "users/view", "attributes/restSearch", "sightings/add", "second"])
def test_a_killed_run_neither_loses_nor_doubles(scene: Scene, run: Run, step: str) -> None:
    """SIGKILL while Microsoft answers, and while MISP answers each of its questions."""
    scene.seen("one", "two")
    started: list[Command] = []
    if step == "hunting":
        scene.world.emulator.fault(api="hunting", delay=30)
    else:
        path = "sightings/add" if step == "second" else step
        after = 1 if step == "second" else 0
        scene.server.faults.append(
            Fault(path=path, after=after, before=lambda: os.kill(started[0].pid, signal.SIGKILL))
        )
    with Command("sightings", "--config", scene.world.config) as process:
        started.append(process)
        if step == "hunting":
            end = time.monotonic() + 30
            while time.monotonic() < end and not any(r["api"] == "hunting" for r in scene.world.emulator.requests()):
                time.sleep(0.1)
            process.kill()
        assert process.wait(60) == -signal.SIGKILL
    scene.world.emulator.clear_faults()
    code, said = run()
    assert (code, "Another run" in said["words"]) == (0, True)
    scene.free()
    assert run()[0] == 0
    assert scene.told() == [("one", 0, "misp-microsoft"), ("two", 0, "misp-microsoft")]


def test_a_key_that_may_not_is_told_once(scene: Scene, run: Run) -> None:
    """With the right it needs; what was seen waits."""
    scene.seen("one", "two")
    scene.user.rights = frozenset()
    code, said = run()
    assert (code, said["waiting"], said["words"].count("perm_sighting")) == (4, 2, 1)
    scene.user.rights = frozenset({"perm_sighting"})
    assert run()[1]["told"] == 2


def test_an_attribute_that_is_gone_is_passed_over(scene: Scene, run: Run) -> None:
    """And is not tried again."""
    scene.seen("one", "two")
    scene.misp.delete_attribute(scene.attribute("one").uuid)
    code, said = run()
    assert (code, said["gone"], said["told"], said["waiting"]) == (0, 1, 1, 0)


def test_another_organisations_sightings_are_not_ours(scene: Scene, run: Run) -> None:
    """On a shared MISP others run this program, too."""
    scene.seen("one")
    scene.misp.sight(scene.attribute("one").uuid, source="misp-microsoft")
    scene.attribute("one").sightings[0].org = scene.misp.add_org("Others")
    code, said = run()
    assert (code, said["told"]) == (0, 1), said


def test_microsofts_refusal_leaves_the_checkpoint(scene: Scene, run: Run) -> None:
    """The next run looks back as far."""
    scene.seen("one")
    scene.world.emulator.fault(api="hunting", status=403)
    code, said = run()
    assert (code, len(said["problems"]), said["told"]) == (4, 1, 0)
    checkpoints = select(schema.sync.c.checkpoint)
    assert open_ledger(scene.world.ledger).read(lambda c: c.execute(checkpoints).scalar()) is None
    scene.world.emulator.clear_faults()
    code, said = run()
    assert (code, said["told"]) == (0, 1), said


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"estate": "no"}, "[lookup] estate"),
        ({"sightings": "no"}, "[write-back] sightings"),
        ({"sources": "statistics"}, "`hunting`"),
    ],
)
def test_what_is_not_allowed_is_said(scene: Scene, run: Run, keys: dict[str, str], words: str) -> None:
    """With the key to set; nobody is asked."""
    configure(scene, **keys)
    code, said = run()
    assert code == 2
    assert words in said["words"]
    assert scene.server.requests == []
