"""What goes wrong with one sighting, one MISP or one query holds up no other; against the emulator."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import select, update

from misp_modules_ext.delivery.sightings import adding, asking
from misp_modules_ext.ledger import open_ledger, queries, schema, sightings
from misp_modules_ext.report.text import iso
from tests.support.misp_server import Fault
from tests.support.sighted import OTHER_KEY, Run, Scene, another_misp, campaign, configure
from tests.support.world import World


@pytest.mark.parametrize("status", [500, 403])
def test_one_that_misp_never_takes_holds_up_no_other(scene: Scene, run: Run, status: int) -> None:
    """It is said, and tried last next time."""
    scene.seen("one", "two")
    first = min((scene.attribute(name) for name in ("one", "two")), key=lambda attribute: attribute.uuid)
    scene.server.faults.append(Fault(path=f"sightings/add/{first.uuid}", status=status, echo="No."))
    code, said = run("sightings", "--limit", "1")
    assert (code, said["told"], len(said["failures"])) == (4 if status == 403 else 5, 0, 1)
    code, said = run("sightings", "--limit", "1")
    assert (code, said["told"], said["waiting"]) == (3, 1, 1)
    assert len(scene.told()) == 2, "the server of this test takes what it answers with an error"
    code, said = run()
    assert (code, said["known"], said["waiting"]) == (0, 1, 0)


def test_an_attribute_that_goes_while_it_is_told_is_passed_over(scene: Scene, run: Run) -> None:
    """MISP says so with a sentence and status 200."""
    scene.seen("one")
    uuid = scene.attribute("one").uuid
    scene.server.faults.append(Fault(path="sightings/add", before=lambda: scene.misp.delete_attribute(uuid)))
    code, said = run()
    assert (code, said["gone"], said["told"], said["failures"]) == (0, 1, 0, [])


def test_what_misp_says_of_a_sighting_that_it_does_not_add_is_shown(scene: Scene, run: Run) -> None:
    """Not as if something else had answered in its place; it is tried again."""
    scene.seen("one")
    why = b'{"message": "Could not add the Sighting. Reason: {\\"source\\":[\\"too long\\"]}"}'
    scene.server.faults.append(Fault(path="sightings/add", body=why))
    code, said = run()
    assert (code, said["told"], said["waiting"]) == (5, 0, 1)
    assert "added no sighting to attribute" in said["words"]
    assert "too long" in said["words"]


def test_misp_is_left_alone_when_it_fails_often_in_a_row(world: World, run: Run) -> None:
    """Each reason is said once."""
    with campaign(world, run, *(f"n{number}" for number in range(9))) as scene:
        scene.seen(*(f"n{number}" for number in range(9)))
        scene.server.faults += [Fault(path="sightings/add", status=500, echo="Full.") for _ in range(9)]
        code, said = run()
        assert (code, len(said["failures"]), said["waiting"], scene.added()) == (5, 1, 9, adding.MOST_FAILED)
        scene.server.faults.clear()
        code, said = run()
        assert (code, said["told"] + said["known"], said["waiting"]) == (0, 9, 0)


def test_a_misp_that_is_away_takes_no_room_from_another(scene: Scene, run: Run) -> None:
    """However much waits for it."""
    with another_misp() as (url, other, event):
        configure(scene, sections={"misp other": {"url": url, "key": OTHER_KEY, "sightings": "yes"}})
        assert run("push", event, "--misp", "misp other")[0] in (0, 3)
        scene.seen("one", "two")
        scene.server.faults += [Fault(path="attributes/restSearch", drop=True) for _ in range(5)]
        code, said = run("sightings", "--limit", "1")
        assert (code, said["told"], said["waiting"]) == (5, 1, 2), said
        assert len(other.events[event].attributes[0].sightings) == 1


def test_what_waits_for_a_misp_that_has_no_key_any_more_is_no_work_left(scene: Scene, run: Run) -> None:
    """Else every run would end as one that left something for the next."""
    scene.seen("one", "two")
    assert run("sightings", "--limit", "1")[1]["waiting"] == 1
    waits = update(schema.sighting).where(schema.sighting.c.state == schema.WAITS)
    gone = waits.values(misp="https://gone.example")
    open_ledger(scene.world.ledger).write(lambda connection: connection.execute(gone))
    assert run()[1]["told"] == 1
    code, said = run()
    assert (code, said["waiting"]) == (0, 0), said


def test_a_run_is_heard_of_while_misp_takes_its_time(scene: Scene, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else its turn would end while it adds, and a second run would add the same."""
    monkeypatch.setattr(adding, "HEARD_EVERY", 0.0)
    scene.seen("one", "two")
    ledger = open_ledger(scene.world.ledger)
    left: list[int] = []

    def shorten() -> None:
        left.append(ledger.read(lambda c: c.execute(select(schema.sync.c.lease_until_ms)).scalar_one()))
        ledger.write(lambda c: c.execute(update(schema.sync).values(lease_until_ms=1)))

    scene.server.faults += [Fault(path="sightings/add", before=shorten), Fault(path="sightings/add", before=shorten)]
    assert run()[0] == 0
    assert len(left) == 2
    assert min(left) > 1


def test_a_refused_query_hides_none_about_other_values(scene: Scene, run: Run) -> None:
    """A tenant may lack the tables of one kind of value alone; what was refused is said once, and asked again."""
    scene.misp.add_attribute(scene.event, "ip-dst", "203.0.113.77")
    scene.misp.publish(scene.event)
    assert run("push", scene.event)[0] == 0
    scene.seen("one")
    scene.order({"value": "203.0.113.77", "table": "DeviceNetworkEvents", "count": 1})
    scene.world.emulator.fault(api="hunting", status=400, times=1)
    code, said = run()
    assert (code, said["told"], len(said["problems"]), scene.asked("hunting")) == (3, 1, 1, 2), said
    code, said = run()
    assert (code, said["told"], len(scene.told())) == (0, 1, 2), said


@pytest.mark.parametrize(("only", "sources"), [("microsoft", "hunting"), ("microsoft defender", "logs")])
def test_a_run_that_would_ask_nobody_says_so(scene: Scene, run: Run, only: str, sources: str) -> None:
    """Instead of telling, run after run, that nothing was seen."""
    configure(scene, only=(only,), sources=sources)
    code, said = run()
    assert code == 2
    assert "Nothing would be asked of these destinations" in said["words"]


def test_only_values_that_are_asked_about_count_as_such(scene: Scene, run: Run) -> None:
    """Sentinel holds them as well, but its workspace is no source here."""
    configure(scene, only=("microsoft defender", "microsoft"))
    assert run("push", scene.event)[0] in (0, 3)
    assert run()[1]["asked"] == 2


def test_a_preview_looks_as_far_back_as_a_run_and_shows_what_waits(scene: Scene, run: Run) -> None:
    """What was noted earlier would be told, too."""
    scene.seen("one", "two")
    assert run("sightings", "--limit", "1")[1]["waiting"] == 1
    (told,) = scene.told()
    (waits,) = run("sightings", "--dry-run")[1]["new"]
    assert scene.attribute(told[0]).uuid != waits["attribute"]
    ledger, old = open_ledger(scene.world.ledger), int(time.time()) - 3 * 86_400
    ledger.write(lambda c: c.execute(update(schema.sync).values(checkpoint=old)))
    previewed = run("sightings", "--dry-run")[1]["since"]
    assert ledger.read(lambda c: c.execute(select(schema.sync.c.checkpoint)).scalar_one()) == old
    assert (run()[1]["since"], previewed) == (iso(old - 3600), iso(old - 3600))


def test_each_run_begins_elsewhere_and_leaves_nothing_out(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a quota that ends every run early would keep the same values from ever being asked about."""
    monkeypatch.setattr(sightings, "PAGE", 2)
    with campaign(world, run, *(f"n{number}" for number in range(7))):
        ledger = open_ledger(world.ledger)
        (place,) = ledger.read(queries.destinations)
        ids = sorted(ledger.read(lambda c: c.execute(select(schema.holding.c.observable_id)).scalars().all()))
        orders = []
        for begin in (0, *ids, sightings.LAST - 1):
            monkeypatch.setattr(asking.random, "randrange", lambda _, begin=begin: begin)
            pages = list(asking._pages(ledger, place.destination_id))
            assert [len(page) for page in pages] == [2, 2, 2, 1], "no more queries than from the first value on"
            orders.append([one for page in pages for one in page])
        assert {frozenset(order) for order in orders} == {frozenset(orders[0])}
        assert {len(order) for order in orders} == {7}
        assert len({order[0] for order in orders}) == 7
