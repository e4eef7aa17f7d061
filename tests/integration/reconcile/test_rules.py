"""Rules that changed in the configuration: told by every comparison, and applied when somebody says so."""

from __future__ import annotations

from misp_modules_ext.config import load
from misp_modules_ext.delivery.drift import Drift
from misp_modules_ext.delivery.reconcile import settle
from misp_modules_ext.delivery.rounds import Rounds
from misp_modules_ext.model.outcome import Outcome, Reason, State
from tests.support.build import attribute, event
from tests.support.compared import (
    APPLY,
    BEFORE,
    BOTH,
    DEFENDER,
    ONE,
    QUICK,
    SENTINEL,
    THREE,
    TWO,
    actions,
    compared,
    configure,
    domains,
    drifts,
    edit,
    push,
    shown,
)
from tests.support.world import TENANT, WORKSPACE, World


@BOTH
def test_a_changed_rule_withdraws_only_when_it_is_applied(world: World, only: str) -> None:
    """Rule 5; and under the cap. When the rule is as before, what it withdrew goes again."""
    settings = configure(world, only)
    green = attribute("domain", TWO, timestamp=BEFORE, tags=["tlp:green"])
    mixed = event(attribute("domain", ONE, timestamp=BEFORE), attribute("domain", THREE, timestamp=BEFORE), green)
    push(settings, mixed)
    stricter = configure(world, only, wipe=False, maxTlp="green", maxWithdraw="1")
    Rounds("test", "worker", QUICK).go(stricter, wait=True)
    assert shown(world, only) == {ONE, TWO, THREE}
    found = compared(stricter)
    assert drifts(found) == {ONE: Drift.RULES, THREE: Drift.RULES}
    acted = settle(found, APPLY, stricter)
    assert len(shown(world, only)) == 2
    assert sorted(result.outcome for result in acted.results.values()) == [Outcome.PENDING, Outcome.WITHDRAWN]
    assert {r.reason for r in acted.results.values()} == {Reason.WITHDRAWAL_CAP, None}
    as_before = configure(world, only, wipe=False)
    settle(compared(as_before), APPLY, as_before)
    Rounds("test", "worker", QUICK).go(as_before, wait=True)
    assert shown(world, only) == {ONE, TWO, THREE}


def test_a_changed_rule_changes_content(world: World) -> None:
    """Another confidence by configuration: sent once it is applied."""
    settings = configure(world, SENTINEL, confidence="30")
    push(settings, domains(ONE))
    other = configure(world, SENTINEL, wipe=False, confidence="90")
    found = compared(other)
    assert drifts(found) == {ONE: Drift.RULES}
    settle(found, APPLY, other)
    assert actions(found) == {ONE: "sent"}
    (held,) = world.emulator.state()["sentinel"][WORKSPACE].values()
    assert held["confidence"] == 90
    assert compared(other).findings == []


def test_another_severity_by_configuration_is_nobodys_edit(world: World) -> None:
    """It is no content, so only Microsoft's list shows that it should go again."""
    settings = configure(world, DEFENDER)
    push(settings, domains(ONE, TWO))
    other = configure(world, DEFENDER, wipe=False, severity="High")
    Rounds("test", "worker", QUICK).go(other, wait=True)
    found = compared(other)
    assert drifts(found) == {ONE: Drift.RULES, TWO: Drift.RULES}
    settle(found, APPLY, other)
    assert {e["severity"] for e in world.emulator.state()["defender"][TENANT]} == {"High"}
    assert compared(other).findings == []
    edit(other, ONE, facts=("edited",))
    assert drifts(compared(other)) == {ONE: Drift.EDITED}


def test_sentinel_without_its_place_says_which_keys_to_set_and_applies_rules(world: World) -> None:
    """What rests on the ledger alone is done all the same."""
    settings = load(world.configure(only=(SENTINEL,)))
    push(settings, domains(ONE, TWO, tags=["tlp:amber"]))
    stricter = load(world.configure(only=(SENTINEL,), wipe=False, maxTlp="green"))
    found = compared(stricter)
    assert (found.listed, found.state) == (False, State.MISCONFIGURED)
    assert "`subscriptionId`" in found.message
    assert drifts(found) == {ONE: Drift.RULES, TWO: Drift.RULES}
    settle(found, APPLY, stricter)
    assert actions(found) == {ONE: "withdrawn", TWO: "withdrawn"}
    assert shown(world, SENTINEL) == set()
