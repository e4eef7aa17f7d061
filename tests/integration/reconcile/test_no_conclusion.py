"""What a list does not say for certain: nothing follows from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from misp_modules_ext.delivery.drift import Drift
from misp_modules_ext.delivery.reconcile import Wanted, settle, to_settle
from misp_modules_ext.emulator import Behaviour, Emulator
from misp_modules_ext.ledger import schema
from misp_modules_ext.model.outcome import Outcome, State
from tests.support.compared import (
    APPLY,
    BOTH,
    DEFENDER,
    ONE,
    SENTINEL,
    TWO,
    actions,
    compared,
    configure,
    delete,
    domains,
    drifts,
    edit,
    push,
    row_of,
    shown,
)
from tests.support.world import World


@BOTH
def test_what_was_sent_a_moment_ago_is_left_aside(world: World, only: str) -> None:
    """Microsoft shows it with a delay: what does not show yet is not gone."""
    settings = configure(world, only)
    push(settings, domains(ONE, TWO))
    delete(settings, ONE)
    found = compared(settings, settle_ms=900_000)
    assert (found.findings, found.counts["settling"], found.counts["right"]) == ([], 2, 0)
    assert to_settle(found, APPLY) == []


def test_a_delayed_list_is_not_a_deletion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sentinel's list of this moment lacks what was sent within its delay."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with Emulator(rates=False, behaviour=Behaviour(read_back_delay=300.0)) as emulator:
        world = World(emulator, tmp_path / "rh-isac.conf")
        settings = configure(world, SENTINEL)
        push(settings, domains(ONE))
        assert compared(settings, settle_ms=900_000).findings == []
        emulator.advance(301)
        assert compared(settings).counts["right"] == 1


def test_a_row_in_flight_is_left_aside(world: World) -> None:
    """Its request has no answer yet: nothing can be said of it, nor of the entry that it may have made."""
    settings = configure(world, DEFENDER)
    world.emulator.fault(api="defender", path="import", drop="after", times=2)
    account = push(settings, domains(ONE))
    assert {item.outcome for item in account.destinations[0].items} == {Outcome.PENDING}
    assert shown(world, DEFENDER) == {ONE}
    found = compared(settings)
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
    settings = configure(world, only)
    push(settings, domains(ONE, TWO))
    world.emulator.fault(api="management" if only == SENTINEL else "defender", **fault)
    found = compared(settings)
    assert (found.listed, found.findings) == (False, [])
    assert found.state is not State.OK
    assert found.message
    world.emulator.clear_faults()
    settle(found, Wanted(True, True, True), settings)
    assert shown(world, only) == {ONE, TWO}
    assert compared(settings).counts["right"] == 2


@BOTH
def test_peers_21_an_empty_list_withdraws_nothing(world: World, only: str) -> None:
    """PEERS 21: a store that seems emptied is a wrong address until a person says otherwise."""
    settings = configure(world, only)
    push(settings, domains(ONE, TWO))
    kept = world.emulator.core.dump()
    world.emulator.reset()
    found = compared(settings)
    assert "All 2" in found.held_back
    assert to_settle(found, Wanted(True, True, True)) == []
    settle(found, Wanted(True, True, True), settings)
    world.emulator.core.load(kept)
    assert shown(world, only) == {ONE, TWO}
    assert compared(settings).counts["right"] == 2
    assert {row_of(settings, value).state for value in (ONE, TWO)} == {schema.SETTLED}


def test_a_wrong_workspace_name_is_named(world: World) -> None:
    """It has entries of its own, of which none is ours."""
    settings = configure(world, SENTINEL)
    push(settings, domains(ONE, TWO))
    other = "99999999-9999-4999-8999-999999999999"
    wrong = configure(world, SENTINEL, wipe=False, workspaceName=other)
    found = compared(wrong)
    assert "`workspaceName`" in found.held_back
    settle(found, APPLY, wrong)
    assert {f.action for f in found.findings} == {""}


@BOTH
def test_when_all_are_edited_alike_nothing_is_concluded(world: World, only: str) -> None:
    """Microsoft may write something down in its own way: that must not put everything on hold."""
    settings = configure(world, only)
    push(settings, domains(ONE, TWO))
    edit(settings, ONE, facts=("edited",))
    edit(settings, TWO, facts=("edited",))
    found = compared(settings)
    assert drifts(found) == {ONE: Drift.EDITED, TWO: Drift.EDITED}
    assert found.held_back.startswith("All 2 that were compared differ in the same (")
    settle(found, APPLY, settings)
    assert actions(found) == {ONE: "", TWO: ""}
    assert {row_of(settings, value).state for value in (ONE, TWO)} == {schema.SETTLED}
