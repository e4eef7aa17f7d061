"""What Microsoft holds against the ledger: real lists over TLS, real ledgers, people who edit and delete."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from misp_modules_ext.config import load
from misp_modules_ext.config.settings import Settings
from misp_modules_ext.delivery import comparing
from misp_modules_ext.delivery.acting import places
from misp_modules_ext.delivery.comparing import compare
from misp_modules_ext.delivery.drift import Comparison, Drift
from misp_modules_ext.delivery.reconcile import Wanted, settle, to_settle
from misp_modules_ext.delivery.rounds import Rounds
from misp_modules_ext.delivery.sender import Policy
from misp_modules_ext.delivery.submit import Order, submit
from misp_modules_ext.destinations import create, sentinel_management
from misp_modules_ext.destinations.interface import Destination
from misp_modules_ext.emulator import Behaviour, Emulator
from misp_modules_ext.errors import LedgerError
from misp_modules_ext.ledger import Origin, holdings, holds, open_ledger, schema, take
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.ledger.repairs import SOMEONE
from misp_modules_ext.model.account import Account
from misp_modules_ext.model.indicator import Due, Kind, Observable, Severity
from misp_modules_ext.model.misp import Event
from misp_modules_ext.model.outcome import Outcome, Reason, State
from tests.support.build import EVENT, NOW, attribute, due, event
from tests.support.databases import prepared
from tests.support.keys import misp_key
from tests.support.misp_server import Fault, MispServer
from tests.support.misp_world import World as Misp
from tests.support.world import TENANT, WORKSPACE, World

QUICK = Policy(attempts=2, first_wait=0.05, longest_wait=1.0, request_timeout=10.0)
BEFORE = NOW - 30 * 86_400
APPLY = Wanted(apply=True)
DEFENDER, SENTINEL = "microsoft defender", "microsoft"
#: In the emulator a workspace's name is its id.
PLACE = {
    "subscriptionId": "44444444-4444-4444-8444-444444444444",
    "resourceGroup": "soc",
    "workspaceName": WORKSPACE,
}
ONE, TWO, THREE = (f"{name}.evil.example" for name in ("one", "two", "three"))


@dataclass(frozen=True)
class Elsewhere(World):
    """A world whose ledger is in another database."""

    url: str = ""

    @property
    def ledger(self) -> str:
        """The address of that database."""
        return self.url


def _event(*values: str, **fields: Any) -> Event:
    attributes = [attribute("domain", value, timestamp=BEFORE) for value in values]
    return event(*attributes, **{"timestamp": NOW} | fields)


def _configure(world: World, only: str, *, wipe: bool = True, **every: str) -> Settings:
    keys = {**PLACE, **every} if only == SENTINEL else every
    return load(world.configure(only=(only,), wipe=wipe, **keys))


def _push(settings: Settings, *events: Event) -> Account:
    return submit(events, settings, Order("cli"), QUICK)


def _compare(settings: Settings, *, marked: bool = True, settle_ms: int = 0) -> Comparison:
    (place,) = places(settings, (), marked=marked)
    return compare(place._replace(policy=QUICK), settle_ms, patience=5.0)


def _drifts(comparison: Comparison) -> dict[str, Drift]:
    return {f.observable.value if f.observable else f.name: f.drift for f in comparison.findings}


def _actions(comparison: Comparison) -> dict[str, str]:
    return {f.observable.value if f.observable else f.name: f.action for f in comparison.findings}


def _row(settings: Settings, value: str) -> holdings.Holding:
    (place,) = places(settings, ())
    number = observable_id(Observable(Kind.DOMAIN_NAME, value))
    row = place.ledger.read(lambda c: holdings.read(c, place.store, [number])).get(number)
    assert row is not None
    return row


def _hold(settings: Settings, value: str) -> holds.Hold:
    number = observable_id(Observable(Kind.DOMAIN_NAME, value))
    by_place = open_ledger(settings.ledger.url.get_secret_value()).read(lambda c: holds.on(c, [number]))[number]
    return next(iter(by_place.values()))


def _held(world: World, only: str) -> set[str]:
    if only == DEFENDER:
        return set(world.defender())
    return {pattern.split("'")[1] for pattern in world.patterns()}


def _them(settings: Settings, **fields: Any) -> Destination:
    """Somebody else with the same rights."""
    return create(settings.destinations[0].model_copy(update=fields))


def _delete(settings: Settings, value: str) -> None:
    """A person deletes an entry: at Defender by its id, at Sentinel as a resource."""
    them = _them(settings, hard_delete=True)
    (entry,) = (e for e in them.entries(10.0) if e.observable and e.observable.value == value)
    gone = due(Kind.DOMAIN_NAME, value)
    gone = gone._replace(remote_id=entry.remote_id, stamp=gone.stamp._replace(stix_id=entry.stix_id))
    assert [result.outcome for result in them.withdraw([gone], 10.0)] == [Outcome.ACCEPTED]


def _edit(settings: Settings, value: str, **fields: Any) -> None:
    """A person changes what an entry says."""
    them = _them(settings)
    (entry,) = (e for e in them.entries(10.0) if e.observable and e.observable.value == value)
    made = due(Kind.DOMAIN_NAME, value, **{"severity": Severity.LOW, "confidence": 11} | fields)
    later = int(time.time() * 1000) + 1
    changed = Due(made.indicator, made.stamp._replace(stix_id=entry.stix_id, modified_ms=later), entry.remote_id)
    assert [result.outcome for result in them.send([changed], 10.0)] == [Outcome.ACCEPTED]


BOTH = pytest.mark.parametrize("only", [SENTINEL, DEFENDER])


@BOTH
def test_nothing_differs_after_a_push(world: World, only: str) -> None:
    """All is right; nothing is written and nothing is sent by looking."""
    settings = _configure(world, only)
    _push(settings, _event(ONE, TWO))
    before = len(world.uploads())
    found = _compare(settings)
    assert (found.state, found.listed, found.held_back, found.findings) == (State.OK, True, "", [])
    assert found.counts["right"] == 2
    assert to_settle(found, APPLY) == []
    lists = [r for r in world.uploads()[before:] if not r["path"].endswith("queryIndicators")]
    assert lists == []


@BOTH
def test_what_people_delete_goes_on_hold(world: World, only: str) -> None:
    """With who, when and why; later pushes leave it away, and a comparison finds nothing more."""
    settings = _configure(world, only)
    _push(settings, _event(ONE, TWO))
    _delete(settings, ONE)
    found = _compare(settings)
    assert _drifts(found) == {ONE: Drift.DELETED}
    assert _row(settings, ONE).state == schema.SETTLED
    settle(found, APPLY, settings)
    assert _actions(found) == {ONE: "on hold"}
    hold = _hold(settings, ONE)
    assert hold.who == SOMEONE
    assert "deleted" in hold.why
    assert hold.since_ms > 0
    (destination,) = _push(settings, _event(ONE, TWO, timestamp=NOW + 10, info="Changed")).destinations
    assert {item.value: item.reason for item in destination.items} == {ONE: Reason.ON_HOLD, TWO: None}
    assert _held(world, only) == {TWO}
    again = _compare(settings)
    assert (again.findings, again.counts["held"]) == ([], 1)


@BOTH
def test_what_people_edit_goes_on_hold_and_stays_as_they_left_it(world: World, only: str) -> None:
    """Until the release, after which it says again what we say, although our content never changed."""
    settings = _configure(world, only)
    _push(settings, _event(ONE, TWO))
    _edit(settings, ONE, facts=("seen by us, not dangerous",))
    found = _compare(settings)
    assert _drifts(found) == {ONE: Drift.EDITED}
    assert found.findings[0].message.startswith("Somebody has edited it: ")
    settle(found, APPLY, settings)
    before = len(world.uploads())
    _push(settings, _event(ONE, TWO))
    assert world.uploads()[before:] == []
    assert _compare(settings).counts["held"] == 1
    (place,) = places(settings, ())
    numbers = [observable_id(Observable(Kind.DOMAIN_NAME, ONE))]
    place.ledger.write(lambda c: holds.end(c, [place.store], numbers, place.base_url, everywhere=True))
    Rounds("test", "worker", QUICK).go(settings, wait=True)
    assert (_compare(settings).findings, _compare(settings).counts["right"]) == ([], 2)


def test_what_people_revoke_at_sentinel_goes_on_hold_and_comes_back_under_a_new_id(world: World) -> None:
    """STIX makes a revocation permanent for an id."""
    settings = _configure(world, SENTINEL)
    _push(settings, _event(ONE, TWO))
    them = _them(settings)
    gone = due(Kind.DOMAIN_NAME, ONE)
    later = gone.stamp._replace(modified_ms=int(time.time() * 1000) + 1)
    assert them.withdraw([gone._replace(stamp=later)], 10.0)[0].outcome is Outcome.ACCEPTED
    found = _compare(settings)
    assert _drifts(found) == {ONE: Drift.DELETED}
    settle(found, APPLY, settings)
    (place,) = places(settings, ())
    numbers = [observable_id(Observable(Kind.DOMAIN_NAME, ONE))]
    place.ledger.write(lambda c: holds.end(c, [place.store], numbers, place.base_url, everywhere=True))
    Rounds("test", "worker", QUICK).go(settings, wait=True)
    assert _held(world, SENTINEL) == {ONE, TWO}
    held = world.emulator.state()["sentinel"][WORKSPACE]
    assert [held[Observable(Kind.DOMAIN_NAME, ONE).stix_id(k)].get("revoked", False) for k in (0, 1)] == [True, False]
    assert _compare(settings).findings == []


def test_an_added_label_is_no_edit(world: World) -> None:
    """People sort indicators by labels of their own."""
    settings = _configure(world, SENTINEL)
    _push(settings, _event(ONE))
    state = world.emulator.core.intel.workspaces()[WORKSPACE]
    (record,) = state.values()
    record.data["labels"] = [*record.data["labels"], "ours: checked"]
    assert _compare(settings).findings == []


@BOTH
def test_what_was_withdrawn_and_is_still_there_goes_again(world: World, only: str) -> None:
    """A person put the withdrawn entry back, or the withdrawal had no effect."""
    settings = _configure(world, only)
    first = _event(ONE, TWO)
    _push(settings, first)
    backup = {e.observable.value: e for e in _them(settings).entries(10.0) if e.observable}
    submit(
        [replace(first, timestamp=NOW + 10, attributes=first.attributes[1:], complete=True)],
        settings,
        Order("cli", origin=Origin.OWN_READING),
        QUICK,
    )
    assert _held(world, only) == {TWO}
    _restore(world, settings, only, ONE, backup[ONE].stix_id)
    assert _held(world, only) == {ONE, TWO}
    found = _compare(settings)
    assert _drifts(found) == {ONE: Drift.LEFT_OVER}
    assert [f.leaving for f in to_settle(found, APPLY)] == [True]
    settle(found, APPLY, settings)
    assert _actions(found) == {ONE: "withdrawn"}
    assert _held(world, only) == {TWO}
    assert _row(settings, ONE).generation == 1
    assert _compare(settings).findings == []


def _restore(world: World, settings: Settings, only: str, value: str, stix_id: str) -> None:
    if only == DEFENDER:
        made = due(Kind.DOMAIN_NAME, value)
        assert made.stamp.stix_id == stix_id
        assert _them(settings).send([made], 10.0)[0].outcome is Outcome.ACCEPTED
        return
    records = world.emulator.core.intel.workspaces()[WORKSPACE]
    next(r for r in records.values() if r.data["id"] == stix_id).data["revoked"] = False


def test_what_expired_is_no_difference_at_sentinel(world: World) -> None:
    """Sentinel keeps what is over; it has no effect any more."""
    settings = _configure(world, SENTINEL, window="1 hour")
    now = int(time.time())
    soon = event(attribute("domain", ONE, timestamp=now, last_seen=now))
    _push(settings, soon)
    (place,) = places(settings, ())
    later = now + 7200
    place.ledger.write(lambda c: c.execute(schema.holding.update().values(valid_until=now - 1)))
    place.ledger.write(lambda c: holdings.expire(c, place.store, later * 1000))
    record = next(iter(world.emulator.core.intel.workspaces()[WORKSPACE].values()))
    record.data["valid_until"] = "2026-01-01T00:00:00Z"
    assert _compare(settings).findings == []
    record.data["valid_until"] = "2031-01-01T00:00:00Z"
    found = _compare(settings)
    assert _drifts(found) == {ONE: Drift.EDITED}
    assert "ends on 2031-01-01" in found.findings[0].message


@BOTH
def test_what_was_sent_a_moment_ago_is_left_aside(world: World, only: str) -> None:
    """Microsoft shows it with a delay: what does not show yet is not gone."""
    settings = _configure(world, only)
    _push(settings, _event(ONE, TWO))
    _delete(settings, ONE)
    found = _compare(settings, settle_ms=900_000)
    assert (found.findings, found.counts["settling"], found.counts["right"]) == ([], 2, 0)
    assert to_settle(found, APPLY) == []


def test_a_delayed_list_is_not_a_deletion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sentinel's list of this moment lacks what was sent within its delay."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with Emulator(rates=False, behaviour=Behaviour(read_back_delay=300.0)) as emulator:
        world = World(emulator, tmp_path / "rh-isac.conf")
        settings = _configure(world, SENTINEL)
        _push(settings, _event(ONE))
        assert _compare(settings, settle_ms=900_000).findings == []
        emulator.advance(301)
        assert _compare(settings).counts["right"] == 1


def test_a_row_in_flight_is_left_aside(world: World) -> None:
    """Its request has no answer yet: nothing can be said of it, nor of the entry that it may have made."""
    settings = _configure(world, DEFENDER)
    world.emulator.fault(api="defender", path="import", drop="after", times=2)
    account = _push(settings, _event(ONE))
    assert {item.outcome for item in account.destinations[0].items} == {Outcome.PENDING}
    assert _held(world, DEFENDER) == {ONE}
    found = _compare(settings)
    assert (found.findings, found.counts["settling"]) == ([], 1)


FAULTS: list[dict[str, Any]] = [
    {"status": 500},
    {"status": 403},
    {"status": 404},
    {"status": 429, "retryAfter": 60},
    {"drop": "before"},
]


@BOTH
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: "-".join(str(v) for v in fault.values()))
def test_peers_21_a_failing_list_withdraws_nothing(world: World, only: str, fault: dict[str, Any]) -> None:
    """PEERS 21: no page, no conclusion: neither holds nor withdrawals, and the state says why."""
    settings = _configure(world, only)
    _push(settings, _event(ONE, TWO))
    world.emulator.fault(api="management" if only == SENTINEL else "defender", **fault)
    found = _compare(settings)
    assert (found.listed, found.findings) == (False, [])
    assert found.state is not State.OK
    assert found.message
    world.emulator.clear_faults()
    settle(found, Wanted(True, True, True), settings)
    assert _held(world, only) == {ONE, TWO}
    assert _compare(settings).counts["right"] == 2


@BOTH
def test_peers_21_an_empty_list_withdraws_nothing(world: World, only: str) -> None:
    """PEERS 21: a store that seems emptied is a wrong address until a person says otherwise."""
    settings = _configure(world, only)
    _push(settings, _event(ONE, TWO))
    kept = world.emulator.core.dump()
    world.emulator.reset()
    found = _compare(settings)
    assert "All 2" in found.held_back
    assert to_settle(found, Wanted(True, True, True)) == []
    settle(found, Wanted(True, True, True), settings)
    world.emulator.core.load(kept)
    assert _held(world, only) == {ONE, TWO}
    assert _compare(settings).counts["right"] == 2
    assert {_row(settings, value).state for value in (ONE, TWO)} == {schema.SETTLED}


def test_a_wrong_workspace_name_is_named(world: World) -> None:
    """It has entries of its own, of which none is ours."""
    settings = _configure(world, SENTINEL)
    _push(settings, _event(ONE, TWO))
    other = "99999999-9999-4999-8999-999999999999"
    wrong = _configure(world, SENTINEL, wipe=False, workspaceName=other)
    found = _compare(wrong)
    assert "`workspaceName`" in found.held_back
    settle(found, APPLY, wrong)
    assert {f.action for f in found.findings} == {""}


def test_sentinel_without_its_place_says_which_keys_to_set_and_applies_rules(world: World) -> None:
    """What rests on the ledger alone is done all the same."""
    settings = load(world.configure(only=(SENTINEL,)))
    _push(settings, _event(ONE, TWO, tags=["tlp:amber"]))
    stricter = load(world.configure(only=(SENTINEL,), wipe=False, maxTlp="green"))
    found = _compare(stricter)
    assert (found.listed, found.state) == (False, State.MISCONFIGURED)
    assert "`subscriptionId`" in found.message
    assert _drifts(found) == {ONE: Drift.RULES, TWO: Drift.RULES}
    settle(found, APPLY, stricter)
    assert _actions(found) == {ONE: "withdrawn", TWO: "withdrawn"}
    assert _held(world, SENTINEL) == set()


@BOTH
def test_a_changed_rule_withdraws_only_when_it_is_applied(world: World, only: str) -> None:
    """Rule 5; and under the cap. When the rule is as before, what it withdrew goes again."""
    settings = _configure(world, only)
    green = attribute("domain", TWO, timestamp=BEFORE, tags=["tlp:green"])
    mixed = event(attribute("domain", ONE, timestamp=BEFORE), attribute("domain", THREE, timestamp=BEFORE), green)
    _push(settings, mixed)
    stricter = _configure(world, only, wipe=False, maxTlp="green", maxWithdraw="1")
    Rounds("test", "worker", QUICK).go(stricter, wait=True)
    assert _held(world, only) == {ONE, TWO, THREE}
    found = _compare(stricter)
    assert _drifts(found) == {ONE: Drift.RULES, THREE: Drift.RULES}
    acted = settle(found, APPLY, stricter)
    assert len(_held(world, only)) == 2
    assert sorted(result.outcome for result in acted.results.values()) == [Outcome.PENDING, Outcome.WITHDRAWN]
    assert {r.reason for r in acted.results.values()} == {Reason.WITHDRAWAL_CAP, None}
    as_before = _configure(world, only, wipe=False)
    settle(_compare(as_before), APPLY, as_before)
    Rounds("test", "worker", QUICK).go(as_before, wait=True)
    assert _held(world, only) == {ONE, TWO, THREE}


def test_a_changed_rule_changes_content(world: World) -> None:
    """Another confidence by configuration: sent once it is applied."""
    settings = _configure(world, SENTINEL, confidence="30")
    _push(settings, _event(ONE))
    other = _configure(world, SENTINEL, wipe=False, confidence="90")
    found = _compare(other)
    assert _drifts(found) == {ONE: Drift.RULES}
    settle(found, APPLY, other)
    assert _actions(found) == {ONE: "sent"}
    (held,) = world.emulator.state()["sentinel"][WORKSPACE].values()
    assert held["confidence"] == 90
    assert _compare(other).findings == []


def test_another_severity_by_configuration_is_nobodys_edit(world: World) -> None:
    """It is no content, so only Microsoft's list shows that it should go again."""
    settings = _configure(world, DEFENDER)
    _push(settings, _event(ONE, TWO))
    other = _configure(world, DEFENDER, wipe=False, severity="High")
    Rounds("test", "worker", QUICK).go(other, wait=True)
    found = _compare(other)
    assert _drifts(found) == {ONE: Drift.RULES, TWO: Drift.RULES}
    settle(found, APPLY, other)
    assert {e["severity"] for e in world.emulator.state()["defender"][TENANT]} == {"High"}
    assert _compare(other).findings == []
    _edit(other, ONE, facts=("edited",))
    assert _drifts(_compare(other)) == {ONE: Drift.EDITED}


@BOTH
def test_an_unknown_entry_is_reported_and_stays(world: World, only: str) -> None:
    """An earlier installation made it; --apply does not touch it, nor does anything else but adoption."""
    settings = _configure(world, only)
    _push(settings, _event(ONE))
    _them(settings).send([due(Kind.DOMAIN_NAME, TWO)], 10.0)
    found = _compare(settings)
    assert _drifts(found) == {TWO: Drift.UNKNOWN}
    settle(found, Wanted(apply=True, adopt=True), settings)
    assert _actions(found) == {TWO: ""}
    assert _held(world, only) == {ONE, TWO}


@BOTH
def test_a_lost_ledger_adopts_its_store(world: World, only: str) -> None:
    """What MISP vouches for is taken over and updated, under the same id; the rest goes when a person says so."""
    settings = _configure(world, only)
    _push(settings, _event(ONE, TWO, THREE))
    ids = {e.stix_id for e in _them(settings).entries(10.0)}
    fresh = world.config.with_name("fresh.db")
    settings = settings.model_copy(update={"ledger": settings.ledger.model_copy(update={"url": _address(fresh)})})
    with pytest.raises(LedgerError, match="--adopt"):
        _compare(settings)
    found = _compare(settings, marked=False)
    assert set(_drifts(found).values()) == {Drift.UNKNOWN}
    settle(found, Wanted(adopt=True), settings)
    # The store is ours now, and a push of what MISP says tells which entries somebody vouches for.
    account = _push(settings, _event(ONE, TWO, timestamp=NOW + 10, info="Changed"))
    outcomes = {item.outcome for item in account.destinations[0].items}
    assert outcomes == ({Outcome.SKIPPED} if only == DEFENDER else {Outcome.ACCEPTED})
    found = _compare(settings)
    assert _drifts(found) == dict.fromkeys({ONE, TWO} if only == DEFENDER else (), Drift.UNKNOWN) | {
        THREE: Drift.UNKNOWN
    }
    settle(found, Wanted(adopt=True), settings)
    expected = {ONE: "adopted", TWO: "adopted"} if only == DEFENDER else {}
    assert _actions(found) == expected | {THREE: ""}
    assert {e.stix_id for e in _them(settings).entries(10.0)} == ids
    assert _compare(settings).counts["right"] == 2
    found = _compare(settings)
    assert [f.leaving for f in to_settle(found, Wanted(adopt=True, withdraw_unknown=True))] == [True]
    settle(found, Wanted(adopt=True, withdraw_unknown=True), settings)
    assert _actions(found) == {THREE: "withdrawn"}
    assert _held(world, only) == {ONE, TWO}
    assert _compare(settings).findings == []


@BOTH
def test_when_all_are_edited_alike_nothing_is_concluded(world: World, only: str) -> None:
    """Microsoft may write something down in its own way: that must not put everything on hold."""
    settings = _configure(world, only)
    _push(settings, _event(ONE, TWO))
    _edit(settings, ONE, facts=("edited",))
    _edit(settings, TWO, facts=("edited",))
    found = _compare(settings)
    assert _drifts(found) == {ONE: Drift.EDITED, TWO: Drift.EDITED}
    assert found.held_back.startswith("All 2 that were compared differ in the same (")
    settle(found, APPLY, settings)
    assert _actions(found) == {ONE: "", TWO: ""}
    assert {_row(settings, value).state for value in (ONE, TWO)} == {schema.SETTLED}


def test_of_two_entries_for_a_value_one_is_settled_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row stands for one of them: nothing is told as done of the other."""
    settings = _configure(world, DEFENDER)
    _push(settings, _event(ONE))
    _them(settings).send([due(Kind.DOMAIN_NAME, TWO)], 10.0)
    entries = _them(settings).entries(10.0)
    second = [e._replace(remote_id="999999") for e in entries if e.observable and e.observable.value == TWO]
    monkeypatch.setattr(comparing, "entries_of", lambda *_, **__: [*entries, *second])
    found = _compare(settings)
    wanted = Wanted(adopt=True, withdraw_unknown=True)
    assert [f.leaving for f in to_settle(found, wanted)] == [True]
    settle(found, wanted, settings)
    assert [f.action for f in found.findings] == ["withdrawn", ""]
    assert "second entry" in found.findings[1].message
    assert _held(world, DEFENDER) == {ONE}


def _other_ledger(world: World, settings: Settings) -> Settings:
    fresh = _address(world.config.with_name("fresh.db"))
    return settings.model_copy(update={"ledger": settings.ledger.model_copy(update={"url": fresh})})


def test_a_store_that_never_can_be_read_is_adopted_all_the_same(world: World) -> None:
    """Sentinel without its place, its ledger lost: the push goes again, to the same ids."""
    settings = load(world.configure(only=(SENTINEL,)))
    _push(settings, _event(ONE))
    settings = _other_ledger(world, settings)
    settle(_compare(settings, marked=False), Wanted(adopt=True), settings)
    account = _push(settings, _event(ONE))
    assert {item.outcome for item in account.destinations[0].items} == {Outcome.ACCEPTED}
    assert _held(world, SENTINEL) == {ONE}


@BOTH
def test_a_store_that_was_not_taken_over_gets_nothing(world: World, only: str) -> None:
    """Its list could not be read: neither what the rules say nor what waits goes to another ledger's store."""
    settings = _configure(world, only)
    _push(settings, _event(ONE))
    other = _other_ledger(world, settings)
    (place,) = places(other, (), marked=False)
    place.ledger.write(lambda c: take(c, [_event(TWO)], Origin.REQUEST, [place.store], ""))
    number = observable_id(Observable(Kind.DOMAIN_NAME, TWO))
    sent = schema.holding.update().values(state=schema.SETTLED, due_hash=b"x" * 32, sent_hash=b"x" * 32)
    place.ledger.write(lambda c: c.execute(sent))
    world.emulator.fault(api="management" if only == SENTINEL else "defender", status=500)
    found = _compare(other, marked=False)
    assert _drifts(found) == {TWO: Drift.RULES}
    world.emulator.clear_faults()
    settle(found, Wanted(apply=True, adopt=True), other)
    assert _actions(found) == {TWO: ""}
    assert _held(world, only) == {ONE}
    assert place.ledger.read(lambda c: holdings.read(c, place.store, [number]))[number].due_hash == b"x" * 32


def _address(path: Path) -> SecretStr:
    return SecretStr(f"sqlite:///{path}")


def test_peers_22_a_value_of_another_event_is_not_withdrawn(world: World) -> None:
    """PEERS 22: our own reading takes it from one event; the other one still vouches for it."""
    settings = load(world.configure(only=(SENTINEL, DEFENDER)))
    first, second = _event(ONE, TWO), _event(ONE, uuid="0e0e0e0e-0000-4000-8000-000000000000")
    _push(settings, first, replace(second, attributes=(replace(second.attributes[0], uuid=_uuid(7)),)))
    own = Order("cli", origin=Origin.OWN_READING)
    off = tuple(replace(a, to_ids=False, timestamp=BEFORE + 10) for a in first.attributes)
    submit([replace(first, attributes=off, timestamp=NOW + 10, complete=True)], settings, own, QUICK)
    assert (_held(world, SENTINEL), _held(world, DEFENDER)) == ({ONE}, {ONE})


def _uuid(number: int) -> str:
    return f"0a0a0a0a-0000-4000-8000-{number:012d}"


def test_peers_22_entries_of_others_are_never_deleted(world: World) -> None:
    """PEERS 22: the same value of somebody else's at Defender outlives withdrawals, holds and reconcile."""
    settings = _configure(world, DEFENDER)
    theirs = _them(settings, source_system="Another tool")
    theirs.send([due(Kind.DOMAIN_NAME, ONE), due(Kind.DOMAIN_NAME, THREE)], 10.0)
    account = _push(settings, _event(ONE, TWO))
    reasons = {item.value: item.reason for item in account.destinations[0].items}
    assert reasons == {ONE: Reason.ALREADY_THERE, TWO: None}
    assert _row(settings, ONE).remote_id is None
    own = Order("cli", origin=Origin.OWN_READING)
    submit([replace(_event(), timestamp=NOW + 10, complete=True)], settings, own, QUICK)
    found = _compare(settings)
    settle(found, Wanted(True, True, True), settings)
    assert found.findings == []
    assert _held(world, DEFENDER) == {ONE, THREE}
    (place,) = places(settings, ())
    numbers = [observable_id(Observable(Kind.DOMAIN_NAME, value)) for value in (ONE, TWO)]
    assert place.ledger.write(lambda c: holds.take_back(c, place.store, numbers, lifted=True)) == set()
    Rounds("test", "worker", QUICK).go(settings, wait=True)
    assert _held(world, DEFENDER) == {ONE, THREE}


KEY = misp_key()
Cause = Callable[[Misp, str, str], None]


def _with_warning(misp: Misp, event_uuid: str, attribute_uuid: str) -> None:
    misp.edit(attribute_uuid, warnings=("List of known Office 365 URLs",))


CAUSES: dict[str, Cause] = {
    "flag off": lambda misp, _, a: misp.set_to_ids(a, on=False),
    "deleted": lambda misp, _, a: misp.delete_attribute(a),
    "deleted for good": lambda misp, _, a: misp.delete_attribute(a, hard=True),
    "another value": lambda misp, _, a: misp.edit(a, value="new.evil.example"),
    "stricter tag": lambda misp, _, a: misp.tag(a, "tlp:red"),
    "narrower": lambda misp, _, a: misp.edit(a, distribution=0),
    "warninglist": _with_warning,
    "event gone": lambda misp, e, _: misp.delete_event(e),
    "event unpublished": lambda misp, e, _: misp.unpublish(e),
}


@contextmanager
def _misp() -> Iterator[tuple[MispServer, str]]:
    made = Misp(lambda: int(time.time()))
    org = made.add_org("Ours")
    made.add_user(KEY, org, perm_auth=True)
    uuid = made.add_event(org, distribution=1)
    for value in (ONE, TWO):
        made.add_attribute(uuid, "domain", value, to_ids=True)
    made.publish(uuid)
    with MispServer(made) as server:
        yield server, uuid


def _let_the_grace_pass(settings: Settings) -> None:
    columns = (schema.event.c.unpublished_since_ms, schema.event.c.missing_since_ms)
    earlier = schema.event.update().values({column: column - 61_000 for column in columns})
    open_ledger(settings.ledger.url.get_secret_value()).write(lambda connection: connection.execute(earlier))


@pytest.mark.parametrize("cause", list(CAUSES))
def test_peers_23_every_cause_in_misp_withdraws(world: World, cause: str) -> None:
    """PEERS 23: what peers are blind to, seen by our own reading of MISP."""
    with _misp() as (server, uuid):
        selection = {
            "unpublishedGrace": "1 minute",
            "missingGrace": "1 minute",
            "minDistribution": "1",
            "warninglists": "List of known Office 365 URLs",
        }
        config = world.configure(selection, (SENTINEL, DEFENDER), misp={"url": server.url, "key": KEY})
        settings = load(config)
        submit([event(uuid=uuid)], settings, Order("cli", read_later=True), QUICK)
        Rounds("test", "worker", QUICK).go(settings, wait=True)
        assert (_held(world, SENTINEL), _held(world, DEFENDER)) == ({ONE, TWO}, {ONE, TWO})
        misp = server.world
        first = next(a.uuid for a in misp.events[uuid].attributes if a.value == ONE)
        CAUSES[cause](misp, uuid, first)
        if uuid in misp.events and cause != "event unpublished":
            misp.publish(uuid)
        for grace in (True, False) if cause.startswith("event") else (False,):
            submit([event(uuid=uuid)], settings, Order("cli", read_later=True), QUICK)
            Rounds("test", "worker", QUICK).go(settings, wait=True)
            assert not grace or _held(world, SENTINEL) == {ONE, TWO}
            _let_the_grace_pass(settings)
        left = set() if cause.startswith("event") else {TWO}
        left |= {"new.evil.example"} if cause == "another value" else set()
        assert (_held(world, SENTINEL), _held(world, DEFENDER)) == (left, left)


@pytest.mark.parametrize("fault", ["status", "truncate"])
def test_peers_23_an_unread_misp_withdraws_nothing(world: World, fault: str) -> None:
    """An error is no evidence of absence."""
    with _misp() as (server, uuid):
        settings = load(world.configure(None, (SENTINEL,), misp={"url": server.url, "key": KEY}))
        submit([event(uuid=uuid)], settings, Order("cli", read_later=True), QUICK)
        Rounds("test", "worker", QUICK).go(settings, wait=True)
        server.world.delete_attribute(server.world.events[uuid].attributes[0].uuid)
        server.world.publish(uuid)
        many = [Fault(path="restSearch", status=500) if fault == "status" else Fault(path="restSearch", truncate=True)]
        server.faults += many * 20
        submit([event(uuid=uuid)], settings, Order("cli", read_later=True), QUICK)
        Rounds("test", "worker", QUICK).go(settings, wait=True)
        assert _held(world, SENTINEL) == {ONE, TWO}


@BOTH
def test_peers_24_values_with_quotes_and_later_pages_are_found(
    world: World, only: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PEERS 24: the list is read to its end, and odd values are what they are."""
    monkeypatch.setattr(sentinel_management, "PAGE", 100)
    settings = _configure(world, only)
    odd = attribute("url", "http://evil.example/it's/\\'quoted'%2F", timestamp=BEFORE)
    many = [attribute("domain", f"host{n}.evil.example", timestamp=BEFORE) for n in range(230)]
    _push(settings, event(odd, *many))
    found = _compare(settings)
    assert (found.findings, found.counts["right"]) == ([], 231)


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
@BOTH
def test_on_the_other_databases(world: World, only: str, kind: str, tmp_path: Path) -> None:
    """A deletion, an edit, an unknown entry and a changed rule at once, on PostgreSQL and MariaDB."""
    with prepared(kind, tmp_path) as url:
        other = Elsewhere(world.emulator, world.config, url)
        settings = _configure(other, only, wipe=False)
        strict = attribute("domain", "strict.evil.example", timestamp=BEFORE, tags=["tlp:amber+strict"])
        _push(settings, event(*_event(ONE, TWO, THREE).attributes, strict))
        _delete(settings, ONE)
        _edit(settings, TWO, facts=("edited",))
        _them(settings).send([due(Kind.DOMAIN_NAME, "unknown.evil.example")], 10.0)
        settings = _configure(other, only, wipe=False, maxTlp="amber")
        found = _compare(settings)
        assert _drifts(found) == {
            ONE: Drift.DELETED,
            TWO: Drift.EDITED,
            "strict.evil.example": Drift.RULES,
            "unknown.evil.example": Drift.UNKNOWN,
        }
        settle(found, Wanted(True, True, True), settings)
        assert sorted(_actions(found).values()) == ["on hold", "on hold", "withdrawn", "withdrawn"]
        assert _held(other, only) == {TWO, THREE}
        again = _compare(settings)
        assert (again.findings, again.counts["right"], again.counts["held"]) == ([], 1, 2)
        open_ledger(url).close()


def test_an_event_that_nobody_read_again_vouches_on(world: World) -> None:
    """Reconcile looks at Microsoft, not at MISP: it concludes nothing about events."""
    settings = _configure(world, DEFENDER)
    _push(settings, _event(ONE))
    settle(_compare(settings), APPLY, settings)
    (place,) = places(settings, ())
    found = place.ledger.read(lambda c: holds.of_event(c, EVENT, place.store, ""))
    assert found is not None
    assert found.alone == {observable_id(Observable(Kind.DOMAIN_NAME, ONE))}
