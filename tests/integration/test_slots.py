"""Defender's slots: who gets one when there are fewer than indicators, against the emulator over TLS."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, update

from misp_modules_ext.config import load
from misp_modules_ext.config.settings import Settings
from misp_modules_ext.delivery import drain as draining
from misp_modules_ext.delivery.acting import carry_out, places
from misp_modules_ext.delivery.rounds import Rounds
from misp_modules_ext.delivery.sender import Policy
from misp_modules_ext.delivery.slots import neighbours, rank_of
from misp_modules_ext.delivery.submit import Order, submit
from misp_modules_ext.destinations.defender_slots import Rank
from misp_modules_ext.ledger import Ledger, Origin, evictions, holdings, lease, open_ledger, schema
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.model.account import Account
from misp_modules_ext.model.indicator import Kind, Observable, Severity
from misp_modules_ext.model.misp import Event
from misp_modules_ext.model.outcome import Outcome, Reason, State
from tests.support.build import NOW, attribute, event
from tests.support.databases import prepared
from tests.support.world import TENANT, Elsewhere, World

QUICK = Policy(attempts=2, first_wait=0.05, longest_wait=1.0, request_timeout=10.0)
BEFORE = NOW - 30 * 86_400
DEFENDER = "microsoft defender"
HIGH, MEDIUM, LOW = 1, 2, 3


def _names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number}.evil.example" for number in range(count)]


def _event(names: Sequence[str], level: int, **fields: Any) -> Event:
    attributes = [attribute("domain", name, timestamp=BEFORE) for name in names]
    uuid = f"0c0c0c0c-0000-4000-8000-{_number(names[0]):012d}"
    return event(*attributes, **{"uuid": uuid, "threat_level": level, "timestamp": NOW} | fields)


def _number(name: str) -> int:
    return observable_id(_domain(name)) % 10**12


def _domain(name: str) -> Observable:
    return Observable(Kind.DOMAIN_NAME, name)


def _configure(world: World, most: int, *, wipe: bool = True, **every: str) -> Settings:
    return load(world.configure(only=(DEFENDER,), wipe=wipe, maxIndicators=str(most), **every))


def _push(settings: Settings, *events: Event) -> Account:
    return submit(events, settings, Order("cli"), QUICK)


def _gone(settings: Settings, given: Event) -> None:
    """Our own reading finds the event empty."""
    empty = event(uuid=given.uuid, timestamp=NOW + 10, complete=True)
    submit([empty], settings, Order("cli", origin=Origin.OWN_READING), QUICK)


def _outcomes(account: Account) -> dict[str, Outcome | Reason]:
    items = account.destinations[0].items
    return {item.value.split(".")[0]: item.reason or item.outcome for item in items}


def _drain(settings: Settings) -> None:
    Rounds("test", "worker", QUICK).go(settings, wait=True)


def _look_again(settings: Settings) -> None:
    """Let the hour pass after which skipped rows are looked at again."""
    rows = schema.holding
    due = update(rows).where(rows.c.state == schema.SKIPPED).values(due_ms=0)
    _ledger(settings).write(lambda connection: connection.execute(due))


def _ledger(settings: Settings) -> Ledger:
    return open_ledger(settings.ledger.url.get_secret_value())


def _row(settings: Settings, name: str) -> holdings.Holding:
    (place,) = places(settings, ())
    number = observable_id(_domain(name))
    return place.ledger.read(lambda c: holdings.read(c, place.store, [number]))[number]


def _deletions(world: World) -> int:
    return sum(r["path"].endswith("BatchDelete") for r in world.uploads())


def _lists(world: World) -> int:
    return sum(r["method"] == "GET" and r["api"] == "defender" for r in world.emulator.requests())


def _others(world: World, names: Sequence[str]) -> None:
    """Entries of other people, put there at once."""
    kept = world.emulator.core.dump()
    entities = [
        {
            "id": str(number),
            "indicatorValue": name,
            "indicatorType": "DomainName",
            "action": "Audit",
            "title": "Theirs",
            "description": "Theirs",
            "application": "Another tool",
            "createdBy": "somebody",
        }
        for number, name in enumerate(names, 1)
    ]
    kept["defender"] = {TENANT: {"next": len(names) + 1, "entities": entities}}
    world.emulator.core.load(kept)


@pytest.mark.parametrize(
    ("grade", "rank"),
    [
        (0, Rank(False, Severity.INFORMATIONAL, 0)),
        (25, Rank(False, Severity.MEDIUM, 5)),
        (132, Rank(True, Severity.HIGH, 2)),
    ],
)
def test_a_grade_is_a_rank(grade: int, rank: Rank) -> None:
    """What the ledger keeps of an indicator is what slots go by."""
    assert rank_of(grade) == rank


def test_the_best_get_the_slots(world: World) -> None:
    """In one push of several classes; the rest is skipped with a reason and a remedy."""
    settings = _configure(world, 4)
    account = _push(settings, _event(_names("low", 3), LOW), _event(_names("high", 3), HIGH))
    assert len(world.defender()) == 4
    assert set(_names("high", 3)) < set(world.defender())
    outcomes = list(_outcomes(account).values())
    assert (outcomes.count(Outcome.ACCEPTED), outcomes.count(Reason.CAPACITY)) == (4, 2)
    (message,) = {i.message for i in account.destinations[0].items if i.reason is Reason.CAPACITY}
    assert message == "Defender's slots are full: 0 of ours and 0 of others, none of a lower class."
    assert _deletions(world) == 0


def test_portions_do_not_matter(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """All newcomers are placed together: nothing is sent that the next portion would evict."""
    monkeypatch.setattr(draining, "PORTION", 4)
    settings = _configure(world, 5)
    world.emulator.fault(api="login", status=401, code="AADSTS7000215", times=10)
    _push(settings, _event(_names("low", 10), LOW), _event(_names("high", 5), HIGH))
    assert world.defender() == []
    world.emulator.clear_faults()
    (place,) = places(settings, ())
    place.ledger.write(lambda c: lease.resume(c, place.store.destination_id))
    _drain(settings)
    assert set(world.defender()) == set(_names("high", 5))
    assert _deletions(world) == 0


def test_a_higher_class_evicts_the_lowest(world: World) -> None:
    """The evicted one is withdrawn, says why, and comes back when there is room."""
    settings = _configure(world, 3)
    _push(settings, _event(["medium.evil.example"], MEDIUM), _event(_names("low", 2), LOW))
    assert _outcomes(_push(settings, _event(["high.evil.example"], HIGH))) == {"high": Outcome.ACCEPTED}
    gone = next(name for name in _names("low", 2) if name not in world.defender())
    assert set(world.defender()) == {"medium.evil.example", "high.evil.example", *_names("low", 2)} - {gone}
    row = _row(settings, gone)
    assert (row.state, row.reason, row.sent_hash, row.remote_id) == (schema.SKIPPED, "capacity", None, None)
    assert row.message == evictions.EVICTED
    again = _outcomes(_push(settings, _event(_names("low", 2), LOW)))
    assert sorted(map(str, again.values())) == ["capacity", "unchanged"]
    _look_again(settings)
    _drain(settings)
    assert gone not in world.defender()
    _gone(settings, _event(["high.evil.example"], HIGH))
    _look_again(settings)
    _drain(settings)
    assert set(world.defender()) == {"medium.evil.example", *_names("low", 2)}
    assert _row(settings, gone).state == schema.SETTLED


def test_nobody_is_evicted_for_an_equal(world: World) -> None:
    """Nor for a lower one."""
    settings = _configure(world, 2)
    _push(settings, _event(_names("first", 2), MEDIUM))
    account = _push(settings, _event(["equal.evil.example"], MEDIUM), _event(["lower.evil.example"], LOW))
    assert _outcomes(account) == {"equal": Reason.CAPACITY, "lower": Reason.CAPACITY}
    assert world.defender() == _names("first", 2)


def test_a_blocking_one_is_never_evicted(world: World) -> None:
    """Whatever the class of the newcomer; its grade says that it blocks."""
    settings = _configure(world, 2)
    _push(settings, _event(_names("low", 2), LOW))
    number = observable_id(_domain("low0.evil.example"))
    blocking = update(schema.holding).where(schema.holding.c.observable_id == number).values(grade=112)
    _ledger(settings).write(lambda connection: connection.execute(blocking))
    account = _push(settings, _event(_names("high", 2), HIGH))
    assert sorted(map(str, _outcomes(account).values())) == ["accepted", "capacity"]
    assert "low0.evil.example" in world.defender()
    assert "low1.evil.example" not in world.defender()


def test_an_update_needs_no_slot(world: World) -> None:
    """What is there is changed, however full it is."""
    settings = _configure(world, 2)
    names = _names("first", 2)
    _push(settings, _event(names, LOW))
    account = _push(settings, _event(names, LOW, timestamp=NOW + 10, info="Changed"))
    assert set(_outcomes(account).values()) == {Outcome.ACCEPTED}


def test_what_is_evicted_with_a_change_that_waits_stays_away(world: World) -> None:
    """Its newer content is due in the same portion: sent, it would take the slot that it has just given away."""
    settings = _configure(world, 3)
    names = _names("low", 3)
    _push(settings, _event(names, LOW))
    changed = _event(names, LOW, timestamp=NOW + 10, info="Changed")
    account = _push(settings, changed, _event(["high.evil.example"], HIGH))
    outcomes = [str(outcome) for outcome in _outcomes(account).values()]
    assert (outcomes.count("accepted"), outcomes.count("capacity")) == (3, 1)
    assert len(world.defender()) == 3
    (gone,) = set(names) - set(world.defender())
    row = _row(settings, gone)
    assert (row.state, row.reason, row.sent_hash) == (schema.SKIPPED, "capacity", None)
    _drain(settings)
    assert gone not in world.defender()
    assert _deletions(world) == 1


def test_others_hold_slots_too(world: World) -> None:
    """Microsoft's own list says how many."""
    _others(world, _names("theirs", 14_997))
    settings = _configure(world, 14_000)
    account = _push(settings, _event(_names("ours", 5), MEDIUM))
    outcomes = list(_outcomes(account).values())
    assert (outcomes.count(Outcome.ACCEPTED), outcomes.count(Reason.CAPACITY)) == (3, 2)
    messages = {i.message for i in account.destinations[0].items if i.reason is Reason.CAPACITY}
    assert messages == {"Defender's slots are full: 0 of ours and 14997 of others, none of a lower class."}


def test_a_value_that_others_hold_evicts_nobody(world: World) -> None:
    """It is skipped because it is there already, and takes no slot."""
    settings = _configure(world, 2)
    _push(settings, _event(_names("low", 2), LOW))
    kept = world.emulator.core.dump()
    theirs = dict(kept["defender"][TENANT]["entities"][0]) | {
        "id": "900",
        "indicatorValue": "high.evil.example",
        "application": "Another tool",
    }
    kept["defender"][TENANT]["entities"] = [*kept["defender"][TENANT]["entities"], theirs]
    world.emulator.core.load(kept)
    assert _outcomes(_push(settings, _event(["high.evil.example"], HIGH))) == {"high": Reason.ALREADY_THERE}
    assert set(_names("low", 2)) < set(world.defender())


def test_others_are_not_counted_again_and_again(world: World) -> None:
    """Microsoft's list is asked for once, as long as there is plenty of room; the survey before sending stays."""
    settings = _configure(world, 14_000)
    _push(settings, _event(_names("one", 2), MEDIUM))
    counted = _lists(world)
    assert counted == 2
    _push(settings, _event(_names("two", 2), MEDIUM))
    # The survey's first page, and the empty one behind it.
    assert _lists(world) - counted == 2
    _push(settings, _event(_names("two", 2), MEDIUM, timestamp=NOW + 10, info="Changed"))
    assert _lists(world) - counted == 2


@pytest.mark.parametrize("drop", ["before", "after"])
def test_an_eviction_that_was_begun_is_finished(world: World, drop: str) -> None:
    """Its answer was lost, whether Defender deleted it or not: who drains next finishes it, and the newcomer goes."""
    settings = _configure(world, 1)
    _push(settings, _event(["low.evil.example"], LOW))
    world.emulator.fault(api="defender", path="BatchDelete", drop=drop, times=2)
    account = _push(settings, _event(["high.evil.example"], HIGH))
    assert _outcomes(account) == {"high": Reason.UNREACHABLE}
    assert account.destinations[0].state is State.UNREACHABLE
    assert evictions.is_evicted(_row(settings, "low.evil.example"))
    (place,) = places(settings, ())
    place.ledger.write(lambda c: lease.resume(c, place.store.destination_id))
    _drain(settings)
    assert world.defender() == ["high.evil.example"]
    row = _row(settings, "low.evil.example")
    assert (row.state, row.reason, row.flight_hash, row.sent_hash) == (schema.SKIPPED, "capacity", None, None)


def test_an_eviction_outlives_its_process(world: World) -> None:
    """It was written down and the process was killed: nothing else is due, and it is finished all the same."""
    settings = _configure(world, 1)
    _push(settings, _event(["low.evil.example"], LOW))
    (place,) = places(settings, ())
    number = observable_id(_domain("low.evil.example"))

    def write(connection: Connection) -> None:
        held = lease.acquire(connection, place.store.destination_id, "killed")
        assert held is not None
        evictions.place(connection, place.store, held, [number], [], "")
        lease.release(connection, held)

    place.ledger.write(write)
    _drain(settings)
    assert world.defender() == []
    assert _row(settings, "low.evil.example").state == schema.SKIPPED


def test_evictions_leave_half_of_the_cap_to_misp(world: World) -> None:
    """Anyone may push, so what a push evicts is limited like any withdrawal."""
    settings = _configure(world, 4, maxWithdraw="3")
    _push(settings, _event(_names("low", 4), LOW))
    account = _push(settings, _event(_names("high", 4), HIGH))
    outcomes = list(_outcomes(account).values())
    assert (outcomes.count(Outcome.ACCEPTED), outcomes.count(Reason.CAPACITY)) == (1, 3)
    assert len(world.defender()) == 4


def test_nobody_is_evicted_for_what_may_not_go_today(world: World) -> None:
    """`maxPerDay` holds the newcomer back, so the slot would stay empty."""
    settings = _configure(world, 2, maxPerDay="2")
    _push(settings, _event(_names("low", 2), LOW))
    assert _outcomes(_push(settings, _event(["high.evil.example"], HIGH))) == {"high": Reason.CAPACITY}
    assert world.defender() == _names("low", 2)


def test_a_list_that_fails_holds_newcomers_back(world: World) -> None:
    """Without it the number of slots is not known: they wait, with the reason; what is there may change."""
    settings = _configure(world, 10)
    world.emulator.fault(api="defender", method="GET", status=503)
    account = _push(settings, _event(_names("new", 2), MEDIUM))
    assert set(_outcomes(account).values()) == {Reason.UNREACHABLE}
    assert account.destinations[0].state is State.UNREACHABLE
    world.emulator.clear_faults()
    (place,) = places(settings, ())
    place.ledger.write(lambda c: lease.resume(c, place.store.destination_id))
    _drain(settings)
    assert world.defender() == _names("new", 2)


def test_a_list_is_asked_for_again_within_one_sending(world: World) -> None:
    """A single error is no reason to wait for the next round."""
    settings = _configure(world, 10)
    world.emulator.fault(api="defender", method="GET", status=503, times=1)
    account = _push(settings, _event(_names("new", 2), MEDIUM))
    assert set(_outcomes(account).values()) == {Outcome.ACCEPTED}


def test_a_tenant_is_shared_by_its_destinations(world: World) -> None:
    """`maxIndicators` counts what both have put there; each evicts its own only."""
    settings = _configure(world, 4)
    mine = settings.destinations[0]
    other = mine.model_copy(update={"name": "microsoft second", "source_system": "Second"})
    elsewhere = mine.model_copy(update={"name": "microsoft third", "tenant_id": TENANT.replace("1", "2")})
    settings = settings.model_copy(update={"destinations": (mine, other, elsewhere)})
    assert neighbours(settings, mine) == (other,)
    submit([_event(_names("low", 3), LOW)], settings, Order("cli", (mine.name,)), QUICK)
    world.emulator.fault(api="defender", status=503)
    submit([_event(_names("high", 3), HIGH)], settings, Order("cli", (other.name,)), QUICK)
    world.emulator.clear_faults()
    (place,) = places(settings, (other.name,))
    place.ledger.write(lambda c: lease.resume(c, place.store.destination_id))
    acted = carry_out(place._replace(policy=QUICK), [observable_id(_domain(n)) for n in _names("high", 3)])
    reasons = [result.reason or result.outcome for result in acted.results.values()]
    assert (reasons.count(Outcome.ACCEPTED), reasons.count(Reason.CAPACITY)) == (1, 2)
    assert set(_names("low", 3)) < set(world.defender())
    assert len(world.defender()) == 4


def test_microsofts_word_counts_more_than_our_memory(world: World) -> None:
    """Others took the slots meanwhile: what is refused waits, and the next time others are counted anew."""
    settings = _configure(world, 14_000)
    _push(settings, _event(["first.evil.example"], LOW))
    ours = world.emulator.core.dump()["defender"][TENANT]["entities"]
    _others(world, [*_names("theirs", 14_998)])
    kept = world.emulator.core.dump()
    mine = dict(ours[0]) | {"id": "20000"}
    kept["defender"][TENANT]["entities"] = [*kept["defender"][TENANT]["entities"], mine]
    kept["defender"][TENANT]["next"] = 20_001
    world.emulator.core.load(kept)
    account = _push(settings, _event(_names("low", 2), LOW))
    assert sorted(map(str, _outcomes(account).values())) == ["accepted", "capacity"]
    before = _lists(world)
    account = _push(settings, _event(["another.evil.example"], LOW))
    assert _outcomes(account) == {"another": Reason.CAPACITY}
    assert _lists(world) > before


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_on_the_other_databases(world: World, kind: str, tmp_path: Path) -> None:
    """Placing, evicting and coming back on PostgreSQL and MariaDB."""
    with prepared(kind, tmp_path) as url:
        other = Elsewhere(world.emulator, world.config, url)
        settings = _configure(other, 3, wipe=False)
        _push(settings, _event(_names("low", 3), LOW))
        account = _push(settings, _event(_names("high", 2), HIGH), _event(["equal.evil.example"], LOW))
        assert list(_outcomes(account).values()) == [Outcome.ACCEPTED, Outcome.ACCEPTED, Reason.CAPACITY]
        assert len(other.defender()) == 3
        assert set(_names("high", 2)) < set(other.defender())
        _gone(settings, _event(_names("high", 2), HIGH))
        _look_again(settings)
        _drain(settings)
        assert len(other.defender()) == 3
        assert not set(_names("high", 2)) & set(other.defender())
        open_ledger(url).close()


def test_a_large_crowd_is_placed_quickly(world: World) -> None:
    """10,000 newcomers for 2,000 slots: placing them is no work beside sending."""
    settings = _configure(world, 2_000)
    began = time.monotonic()
    account = _push(settings, _event(_names("low", 9_000), LOW), _event(_names("high", 1_000), HIGH))
    counts = account.destinations[0].counts
    assert (counts["accepted"], counts["skipped"]) == (2_000, 8_000)
    assert set(_names("high", 1_000)) < set(world.defender())
    assert time.monotonic() - began < 60
