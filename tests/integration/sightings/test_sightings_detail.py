"""What a sighting says beyond our name, batches, several MISPs, and Sentinel's tables; against the emulator."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.sighted import OTHER_KEY, Run, Scene, ago, another_misp, campaign, configure, defender
from tests.support.world import World

OURS = "misp-microsoft"


def test_with_detail_the_source_names_destination_and_hits(scene: Scene, run: Run) -> None:
    """All hits of the day's last query; of a false alert, where it was."""
    configure(scene, detail="yes", falsePositives="yes")
    scene.seen("one")
    scene.seen("one", table="EmailUrlInfo")
    scene.seen("two")
    scene.doubted("two", count=2)
    said = run("sightings", "--dry-run")[1]
    assert {one["source"] for one in said["new"] if one["type"] == 1} == {f"{OURS}: microsoft defender"}
    assert run()[0] == 0
    assert scene.told() == [
        ("one", 0, f"{OURS}: microsoft defender, 6 hits"),
        ("two", 0, f"{OURS}: microsoft defender, 5 hits"),
        ("two", 1, f"{OURS}: microsoft defender"),
    ]


def test_people_see_what_would_be_told(scene: Scene, run: Run) -> None:
    """Type and source in the preview's table, and one line of numbers."""
    configure(scene, detail="yes", falsePositives="yes")
    scene.doubted("one")
    argv = [sys.executable, "-m", "misp_modules_ext", "sightings", "--dry-run", "--config", str(scene.world.config)]
    wide = os.environ | {"COLUMNS": "300"}
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True, env=wide)
    *rows, numbers = [" ".join(line.split()) for line in done.stdout.splitlines() if line.strip()]
    for words in ("seen", "false positive", "misp-microsoft: microsoft defender, 1 hit"):
        assert any(scene.attribute("one").uuid in row and words in row for row in rows), done.stdout
    assert numbers.startswith("2 values asked about since ")
    assert numbers.endswith(", 1 hit, 1 false alert; 2 would be told")


def test_two_destinations_are_one_sighting_that_names_both(scene: Scene, run: Run) -> None:
    """Each with its own number: one of them is asked about a tenant in which it was seen once more."""
    tenant = "22222222-2222-4222-8222-222222222222"
    configure(scene, sections={"microsoft second": defender(scene, tenantId=tenant)}, detail="yes")
    assert run("push", scene.event)[0] in (0, 3)
    scene.seen("one")
    scene.order({"value": "one.evil.example", "table": "EmailUrlInfo", "tenant": tenant, "last": ago(700)})
    code, said = run()
    assert (code, said["told"], scene.asked("hunting")) == (0, 1, 2), said
    assert scene.told() == [("one", 0, f"{OURS}: microsoft second, 4 hits; microsoft defender, 3 hits")]


@pytest.mark.parametrize("first", ["yes", "no"])
def test_switching_detail_tells_nothing_twice(scene: Scene, run: Run, first: str) -> None:
    """What MISP has is known by its beginning; what waits is told as the configuration says then."""
    second = "no" if first == "yes" else "yes"
    configure(scene, detail=first)
    scene.seen("one", "two")
    assert run("sightings", "--limit", "1")[1]["waiting"] == 1
    configure(scene, detail=second)
    assert run()[1]["told"] == 1
    configure(scene, detail=first)
    assert run()[1]["told"] == 0
    said = {f"{OURS}: microsoft defender, 3 hits", OURS}
    assert {source for _, _, source in scene.told()} == said
    assert len(scene.told()) == 2


def test_a_lost_ledger_tells_nothing_twice(scene: Scene, run: Run) -> None:
    """MISP is asked what it has of ours, with and without detail."""
    configure(scene, detail="yes")
    scene.seen("one")
    scene.doubted("two")
    assert run()[1]["told"] == 2
    scene.world._wipe()
    configure(scene)
    assert run("push", scene.event)[0] in (0, 3)
    code, said = run()
    assert (code, said["told"], len(scene.told())) == (0, 0, 2), said


def test_each_misp_is_told_its_own_attributes(scene: Scene, run: Run) -> None:
    """The same value of two MISPs: one question to Microsoft, and a sighting for each attribute in its own MISP."""
    with another_misp() as (url, other, event):
        section = {"misp other": {"url": url, "key": OTHER_KEY, "sightings": "yes"}}
        configure(scene, sections=section, falsePositives="yes", detail="yes")
        assert run("push", event, "--misp", "misp other")[0] in (0, 3)
        scene.seen("one")
        scene.doubted("one")
        code, said = run()
        assert (code, said["told"]) == (0, 4), said
        assert scene.asked("hunting") == 1
        (theirs,) = other.events[event].attributes
        assert sorted(one.type for one in theirs.sightings) == [0, 1]
        assert [kind for _, kind, _ in scene.told()] == [0, 1]
        assert run()[1]["told"] == 0


def test_a_misp_that_others_share_is_told_only_when_its_section_says_so(scene: Scene, run: Run) -> None:
    """Whoever sees the attribute there may see that we have seen it."""
    with another_misp() as (url, other, event):
        shared = {"url": url, "key": OTHER_KEY, "syncTags": "none"}
        configure(scene, sections={"RH-ISAC MISP": shared})
        assert run("sync")[0] in (0, 3)
        scene.seen("one")
        said = run("sightings", "--dry-run")[1]
        assert (len(said["new"]), said["elsewhere"]) == (1, 1), said
        assert run()[1]["told"] == 1
        assert other.events[event].attributes[0].sightings == []
        configure(scene, sections={"RH-ISAC MISP": shared | {"sightings": "yes"}, "misp": {"sightings": "no"}})
        said = run("sightings", "--last", "1 day")[1]
        assert (said["told"], said["elsewhere"]) == (1, 1), said
        assert len(other.events[event].attributes[0].sightings) == 1


def test_sentinels_tables_are_asked_with_logs(world: World, run: Run) -> None:
    """By workspace, with their own hits."""
    with campaign(world, run, only=("microsoft",)) as scene:
        configure(scene, only=("microsoft",), sources="logs", detail="yes")
        scene.seen("one", table="DnsEvents")
        scene.seen("two")
        code, said = run()
        assert (code, said["told"], scene.asked("logs"), scene.asked("hunting")) == (0, 1, 1, 0), said
        assert scene.told() == [("one", 0, f"{OURS}: microsoft, 3 hits")]


def test_many_values_are_asked_in_few_queries(world: World, run: Run) -> None:
    """450 names are three queries, and MISP is asked what it has in portions of a hundred attributes."""
    with campaign(world, run, *(f"n{number}" for number in range(450))) as scene:
        scene.seen(*(f"n{number}" for number in range(0, 450, 3)))
        code, said = run()
        assert (code, said["asked"], said["told"], scene.asked("hunting")) == (0, 450, 150, 3), said
        searches = [path for _, path, _ in scene.server.requests if "attributes/restSearch" in path]
        assert len(searches) == 2
        assert len(scene.told()) == 150
