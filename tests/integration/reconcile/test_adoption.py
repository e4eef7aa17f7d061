"""Entries that this ledger does not know, and stores of a ledger that is lost."""

from __future__ import annotations

import pytest

from misp_modules_ext.config import load
from misp_modules_ext.delivery import comparing
from misp_modules_ext.delivery.acting import places
from misp_modules_ext.delivery.drift import Drift
from misp_modules_ext.delivery.reconcile import Wanted, settle, to_settle
from misp_modules_ext.errors import LedgerError
from misp_modules_ext.ledger import Origin, holdings, schema, take
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.model.outcome import Outcome
from tests.support.build import NOW, due
from tests.support.compared import (
    BOTH,
    DEFENDER,
    ONE,
    SENTINEL,
    THREE,
    TWO,
    actions,
    compared,
    configure,
    domains,
    drifts,
    other_ledger,
    push,
    shown,
    somebody,
)
from tests.support.world import World


@BOTH
def test_an_unknown_entry_is_reported_and_stays(world: World, only: str) -> None:
    """An earlier installation made it; --apply does not touch it, nor does anything else but adoption."""
    settings = configure(world, only)
    push(settings, domains(ONE))
    somebody(settings).send([due(Kind.DOMAIN_NAME, TWO)], 10.0)
    found = compared(settings)
    assert drifts(found) == {TWO: Drift.UNKNOWN}
    settle(found, Wanted(apply=True, adopt=True), settings)
    assert actions(found) == {TWO: ""}
    assert shown(world, only) == {ONE, TWO}


@BOTH
def test_a_lost_ledger_adopts_its_store(world: World, only: str) -> None:
    """What MISP vouches for is taken over and updated, under the same id; the rest goes when a person says so."""
    settings = configure(world, only)
    push(settings, domains(ONE, TWO, THREE))
    ids = {e.stix_id for e in somebody(settings).entries(10.0)}
    settings = other_ledger(world, settings)
    with pytest.raises(LedgerError, match="--adopt"):
        compared(settings)
    found = compared(settings, marked=False)
    assert set(drifts(found).values()) == {Drift.UNKNOWN}
    settle(found, Wanted(adopt=True), settings)
    # The store is ours now, and a push of what MISP says tells which entries somebody vouches for.
    account = push(settings, domains(ONE, TWO, timestamp=NOW + 10, info="Changed"))
    outcomes = {item.outcome for item in account.destinations[0].items}
    assert outcomes == ({Outcome.SKIPPED} if only == DEFENDER else {Outcome.ACCEPTED})
    found = compared(settings)
    assert drifts(found) == dict.fromkeys({ONE, TWO} if only == DEFENDER else (), Drift.UNKNOWN) | {
        THREE: Drift.UNKNOWN
    }
    settle(found, Wanted(adopt=True), settings)
    expected = {ONE: "adopted", TWO: "adopted"} if only == DEFENDER else {}
    assert actions(found) == expected | {THREE: ""}
    assert {e.stix_id for e in somebody(settings).entries(10.0)} == ids
    assert compared(settings).counts["right"] == 2
    found = compared(settings)
    assert [f.leaving for f in to_settle(found, Wanted(adopt=True, withdraw_unknown=True))] == [True]
    settle(found, Wanted(adopt=True, withdraw_unknown=True), settings)
    assert actions(found) == {THREE: "withdrawn"}
    assert shown(world, only) == {ONE, TWO}
    assert compared(settings).findings == []


def test_of_two_entries_for_a_value_one_is_settled_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row stands for one of them: nothing is told as done of the other."""
    settings = configure(world, DEFENDER)
    push(settings, domains(ONE))
    somebody(settings).send([due(Kind.DOMAIN_NAME, TWO)], 10.0)
    entries = somebody(settings).entries(10.0)
    second = [e._replace(remote_id="999999") for e in entries if e.observable and e.observable.value == TWO]
    monkeypatch.setattr(comparing, "entries_of", lambda *_, **__: [*entries, *second])
    found = compared(settings)
    wanted = Wanted(adopt=True, withdraw_unknown=True)
    assert [f.leaving for f in to_settle(found, wanted)] == [True]
    settle(found, wanted, settings)
    assert [f.action for f in found.findings] == ["withdrawn", ""]
    assert "second entry" in found.findings[1].message
    assert shown(world, DEFENDER) == {ONE}


def test_a_store_that_never_can_be_read_is_adopted_all_the_same(world: World) -> None:
    """Sentinel without its place, its ledger lost: the push goes again, to the same ids."""
    settings = load(world.configure(only=(SENTINEL,)))
    push(settings, domains(ONE))
    settings = other_ledger(world, settings)
    settle(compared(settings, marked=False), Wanted(adopt=True), settings)
    account = push(settings, domains(ONE))
    assert {item.outcome for item in account.destinations[0].items} == {Outcome.ACCEPTED}
    assert shown(world, SENTINEL) == {ONE}


@BOTH
def test_a_store_that_was_not_taken_over_gets_nothing(world: World, only: str) -> None:
    """Its list could not be read: neither what the rules say nor what waits goes to another ledger's store."""
    settings = configure(world, only)
    push(settings, domains(ONE))
    other = other_ledger(world, settings)
    (place,) = places(other, (), marked=False)
    place.ledger.write(lambda c: take(c, [domains(TWO)], Origin.REQUEST, [place.store], ""))
    number = observable_id(Observable(Kind.DOMAIN_NAME, TWO))
    sent = schema.holding.update().values(state=schema.SETTLED, due_hash=b"x" * 32, sent_hash=b"x" * 32)
    place.ledger.write(lambda c: c.execute(sent))
    world.emulator.fault(api="management" if only == SENTINEL else "defender", status=500)
    found = compared(other, marked=False)
    assert drifts(found) == {TWO: Drift.RULES}
    world.emulator.clear_faults()
    settle(found, Wanted(apply=True, adopt=True), other)
    assert actions(found) == {TWO: ""}
    assert shown(world, only) == {ONE}
    assert place.ledger.read(lambda c: holdings.read(c, place.store, [number]))[number].due_hash == b"x" * 32
