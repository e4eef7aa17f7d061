"""`sightings` with `falsePositives`: alerts that people classified so become sightings of type 1."""

from __future__ import annotations

import os
import signal
import time
from uuid import uuid4

import pytest
from sqlalchemy import select

from misp_modules_ext.ledger import open_ledger, schema
from tests.support.commands import Command
from tests.support.misp_server import Fault
from tests.support.sighted import DEVICE, Run, Scene, ago, configure, defender

OURS = "misp-microsoft"


@pytest.fixture
def scene(scene: Scene) -> Scene:
    """Alerts alone are asked about, so that their evidence is no hit as well."""
    configure(scene, sources="statistics", falsePositives="yes")
    return scene


def test_a_false_alert_becomes_a_sighting_of_type_one_once(scene: Scene, run: Run) -> None:
    """At the time when the alert was resolved; later runs add nothing, and nothing else is asked."""
    scene.doubted("one", resolved=ago(1200))
    code, said = run()
    assert (code, said["falseAlerts"], said["hits"], said["told"]) == (0, 1, 0, 1), said
    assert scene.told() == [("one", 1, OURS)]
    (sighting,) = scene.attribute("one").sightings
    assert abs(time.time() - 1200 - sighting.date) < 60
    code, said = run()
    assert (code, said["falseAlerts"], said["told"], scene.added()) == (0, 1, 0, 1)
    assert (scene.asked("graph"), scene.asked("hunting")) == (2, 0)


def test_an_alert_that_is_changed_again_is_told_once(scene: Scene, run: Run) -> None:
    """A comment of today on an alert of the day before yesterday is no other false positive."""
    scene.doubted("one", resolved=ago(200_000))
    assert run()[1]["told"] == 1
    scene.doubted("one", resolved=ago(200_000), updated=ago(0))
    assert run()[1]["told"] == 0
    assert scene.told() == [("one", 1, OURS)]


@pytest.mark.parametrize(
    "order",
    [
        {"classification": "truePositive"},
        {"classification": "informationalExpectedActivity"},
        {"role": "contextual"},
        {"tenant": "another"},
        {"updated": ago(100_000)},
    ],
)
def test_what_is_no_false_positive_is_not_told(scene: Scene, run: Run, order: dict[str, str]) -> None:
    """Another classification, something beside, another tenant, and what was told before the window."""
    scene.doubted("one", **order)
    code, said = run()
    assert (code, said["told"], scene.told()) == (0, 0, []), said


def test_only_what_the_ledger_holds_there_is_told(scene: Scene, run: Run) -> None:
    """An alert about a value that MISP has, and this ledger has not put there, is left alone."""
    scene.misp.add_attribute(scene.event, "domain", "three.evil.example")
    scene.doubted("two", "three")
    code, said = run()
    assert (code, said["falseAlerts"], said["told"]) == (0, 2, 1)
    assert scene.told() == [("two", 1, OURS)]


def test_what_was_withdrawn_is_not_told(scene: Scene, run: Run) -> None:
    """MISP still says so, but the value is not there any more."""
    code, said = run("withdraw", "one.evil.example", "--yes")
    assert code == 0, said
    scene.doubted("one", "two")
    assert run()[1]["told"] == 1
    assert scene.told() == [("two", 1, OURS)]


def test_the_spelling_and_the_url_of_a_value_do_not_matter(scene: Scene, run: Run) -> None:
    """An alert about a URL is about its host, as hits are; a name may have capitals and a final dot."""
    alert = {"table": "AlertEvidence", "classification": "falsePositive"}
    scene.order(
        {"value": "https://one.evil.example:8443/a?b", **alert},
        {"value": "TWO.Evil.example.", **alert},
        {"value": "https://sub.one.evil.example/", **alert},
    )
    assert run()[1]["told"] == 2
    assert scene.told() == [("one", 1, OURS), ("two", 1, OURS)]


def test_seen_and_false_are_two_sightings_of_a_day(scene: Scene, run: Run) -> None:
    """One of each type, since what is in an alert was seen; asked again, none is added."""
    configure(scene, falsePositives="yes")
    scene.seen("one")
    scene.doubted("one", "two")
    assert run()[1]["told"] == 4
    assert run()[1]["told"] == 0
    assert scene.told() == [("one", 0, OURS), ("one", 1, OURS), ("two", 0, OURS), ("two", 1, OURS)]


def test_off_nobody_is_asked(scene: Scene, run: Run) -> None:
    """By default."""
    configure(scene)
    scene.doubted("one", table=DEVICE)
    code, said = run()
    assert (code, said["falseAlerts"], scene.asked("graph")) == (0, 0, 0)


def test_a_preview_asks_and_tells_nothing(scene: Scene, run: Run) -> None:
    """It says which type it would be."""
    scene.doubted("one")
    code, said = run("sightings", "--dry-run")
    assert (code, [(one["type"], one["source"]) for one in said["new"]], scene.told()) == (0, [(1, OURS)], [])
    assert run()[1]["told"] == 1


def test_the_limit_holds_for_both_types(scene: Scene, run: Run) -> None:
    """What exceeds it waits, and comes with its own type."""
    configure(scene, falsePositives="yes")
    scene.doubted("two")
    assert run("sightings", "--limit", "1")[1]["waiting"] == 1
    code, said = run("sightings", "--limit", "1")
    assert (code, said["waiting"]) == (0, 0)
    assert scene.told() == [("two", 0, OURS), ("two", 1, OURS)]


def test_destinations_that_share_an_application_ask_once(scene: Scene, run: Run) -> None:
    """What any of them holds counts; another application may be shown other alerts, and asks itself."""
    for name in ("three", "four"):
        uuid = scene.misp.add_attribute(scene.event, "domain", f"{name}.evil.example")
        scene.misp.tag(uuid, f"only:{name}")
    scene.misp.publish(scene.event)
    sections = {
        "microsoft second": defender(scene, sourceSystem="Second", tags="only:three"),
        "microsoft third": defender(scene, sourceSystem="Third", tags="only:four", appId=str(uuid4())),
    }
    every = {"excludeTags": "\n    only:three\n    only:four"}
    configure(scene, sections=sections, every=every, sources="statistics", falsePositives="yes", detail="yes")
    code, said = run("push", scene.event)
    assert code in (0, 3), said
    scene.doubted("one", "three", "four")
    code, said = run()
    assert (code, said["told"], scene.asked("graph")) == (0, 3, 2), said
    assert scene.told() == [
        ("four", 1, f"{OURS}: microsoft third"),
        ("one", 1, f"{OURS}: microsoft defender"),
        ("three", 1, f"{OURS}: microsoft second"),
    ]


def test_our_own_are_no_evidence_and_those_of_others_are(scene: Scene, run: Run) -> None:
    """The event read again is due nowhere for our false positive; for another's, its doubt goes along."""
    configure(scene, sources="statistics", falsePositives="yes", detail="yes")
    scene.doubted("one")
    run()
    assert [kind for _, kind, _ in scene.told()] == [1]
    rows = select(schema.holding.c.observable_id, schema.holding.c.due_hash, schema.holding.c.state)
    ledger = open_ledger(scene.world.ledger)
    before = sorted(map(tuple, ledger.read(lambda c: c.execute(rows).all())))
    code, said = run("push", scene.event)
    assert (code, said["destinations"][0]["counts"]["unchanged"]) == (0, 2)
    assert sorted(map(tuple, ledger.read(lambda c: c.execute(rows).all()))) == before
    scene.misp.sight(scene.attribute("one").uuid, 1, source="an analyst")
    code, said = run("push", scene.event)
    assert said["destinations"][0]["counts"]["unchanged"] == 1


@pytest.mark.parametrize("step", ["graph", "users/view", "attributes/restSearch", "sightings/add", "second"])
def test_a_killed_run_neither_loses_nor_doubles(scene: Scene, run: Run, step: str) -> None:
    """SIGKILL while Microsoft answers, and while MISP answers each of its questions."""
    scene.doubted("one", "two")
    started: list[Command] = []
    if step == "graph":
        scene.world.emulator.fault(api="graph", delay=30)
    else:
        path, after = ("sightings/add", 1) if step == "second" else (step, 0)
        scene.server.faults.append(
            Fault(path=path, after=after, before=lambda: os.kill(started[0].pid, signal.SIGKILL))
        )
    with Command("sightings", "--config", scene.world.config) as process:
        started.append(process)
        if step == "graph":
            end = time.monotonic() + 30
            while time.monotonic() < end and not scene.asked("graph"):
                time.sleep(0.1)
            process.kill()
        assert process.wait(60) == -signal.SIGKILL
    scene.world.emulator.clear_faults()
    scene.free()
    assert run()[0] == 0
    assert scene.told() == [("one", 1, OURS), ("two", 1, OURS)]


def test_a_missing_permission_is_named_and_hides_no_hits(scene: Scene, run: Run) -> None:
    """With the remedy; what was seen is told all the same, and the checkpoint stays where it was."""
    configure(scene, falsePositives="yes")
    scene.seen("one")
    scene.doubted("two")
    scene.world.emulator.fault(api="graph", status=403)
    code, said = run()
    assert (code, said["told"], len(said["problems"])) == (4, 2, 1), said
    assert scene.told() == [("one", 0, OURS), ("two", 0, OURS)]
    assert "SecurityAlert.Read.All of Microsoft Graph" in said["problems"][0]
    assert said["problems"][0].startswith("microsoft defender, Defender's alerts: ")
    checkpoints = select(schema.sync.c.checkpoint)
    assert open_ledger(scene.world.ledger).read(lambda c: c.execute(checkpoints).scalar()) is None
    scene.world.emulator.clear_faults()
    assert run()[1]["told"] == 1
    assert scene.told() == [("one", 0, OURS), ("two", 0, OURS), ("two", 1, OURS)]


def test_haste_is_heeded(scene: Scene, run: Run) -> None:
    """A short pause is waited out within the run; a long one leaves it for the next."""
    scene.doubted("one")
    scene.world.emulator.fault(api="graph", status=429, retryAfter=1, times=1)
    code, said = run()
    assert (code, said["told"]) == (0, 1), said
    scene.world.emulator.fault(api="graph", status=429, retryAfter=300)
    began = time.monotonic()
    code, said = run()
    assert (code, len(said["problems"])) == (3, 1)
    assert "429" in said["problems"][0]
    assert time.monotonic() - began < 20


def test_a_list_of_several_pages_is_read_to_its_end(scene: Scene, run: Run) -> None:
    """101 alerts are two pages; those about one value on one day are one sighting."""
    scene.doubted("two", first=ago(5000))
    scene.doubted(*["one"] * 100)
    code, said = run()
    assert (code, said["falseAlerts"], said["told"], scene.asked("graph")) == (0, 101, 2, 2), said
    assert scene.told() == [("one", 1, OURS), ("two", 1, OURS)]


def test_a_broken_connection_leaves_it_for_the_next_run(scene: Scene, run: Run) -> None:
    """It asks for all of it again."""
    scene.doubted("one", "two")
    scene.world.emulator.fault(api="graph", drop="after", times=1)
    code, said = run()
    assert (code, said["told"], len(said["problems"])) == (3, 0, 1), said
    assert run()[1]["told"] == 2


def test_alerts_alone_need_a_destination_of_defender(scene: Scene, run: Run) -> None:
    """Sentinel's are not asked for: that is said."""
    configure(scene, only=("microsoft",), sources="statistics", falsePositives="yes")
    code, said = run()
    assert code == 2
    assert "name one of Defender" in said["words"]
    assert scene.asked("graph") == 0


def test_without_sightings_nobody_is_asked(scene: Scene, run: Run) -> None:
    """The key alone asks nobody."""
    configure(scene, sightings="no", falsePositives="yes")
    code, said = run()
    assert code == 2
    assert "[write-back] sightings is not on" in said["words"]
    assert scene.asked("graph") == 0
