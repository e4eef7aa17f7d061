"""What Microsoft holds against the ledger: real lists over TLS, real ledgers, people who edit and delete."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from misp_modules_ext.config.settings import Settings
from misp_modules_ext.delivery.acting import places
from misp_modules_ext.delivery.drift import Drift
from misp_modules_ext.delivery.reconcile import Wanted, settle, to_settle
from misp_modules_ext.delivery.rounds import Rounds
from misp_modules_ext.delivery.submit import Order, submit
from misp_modules_ext.destinations import sentinel_management
from misp_modules_ext.ledger import Origin, holdings, holds, open_ledger, schema
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.ledger.repairs import SOMEONE
from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.model.outcome import Outcome, Reason, State
from tests.support.build import EVENT, NOW, attribute, due, event
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
    delete,
    domains,
    drifts,
    edit,
    hold_of,
    push,
    row_of,
    shown,
    somebody,
)
from tests.support.databases import prepared
from tests.support.world import WORKSPACE, Elsewhere, World


@BOTH
def test_nothing_differs_after_a_push(world: World, only: str) -> None:
    """All is right; nothing is written and nothing is sent by looking."""
    settings = configure(world, only)
    push(settings, domains(ONE, TWO))
    before = len(world.uploads())
    found = compared(settings)
    assert (found.state, found.listed, found.held_back, found.findings) == (State.OK, True, "", [])
    assert found.counts["right"] == 2
    assert to_settle(found, APPLY) == []
    lists = [r for r in world.uploads()[before:] if not r["path"].endswith("queryIndicators")]
    assert lists == []


@BOTH
def test_what_people_delete_goes_on_hold(world: World, only: str) -> None:
    """With who, when and why; later pushes leave it away, and a comparison finds nothing more."""
    settings = configure(world, only)
    push(settings, domains(ONE, TWO))
    delete(settings, ONE)
    found = compared(settings)
    assert drifts(found) == {ONE: Drift.DELETED}
    assert row_of(settings, ONE).state == schema.SETTLED
    settle(found, APPLY, settings)
    assert actions(found) == {ONE: "on hold"}
    hold = hold_of(settings, ONE)
    assert hold.who == SOMEONE
    assert "deleted" in hold.why
    assert hold.since_ms > 0
    (destination,) = push(settings, domains(ONE, TWO, timestamp=NOW + 10, info="Changed")).destinations
    assert {item.value: item.reason for item in destination.items} == {ONE: Reason.ON_HOLD, TWO: None}
    assert shown(world, only) == {TWO}
    again = compared(settings)
    assert (again.findings, again.counts["held"]) == ([], 1)


@BOTH
def test_what_people_edit_goes_on_hold_and_stays_as_they_left_it(world: World, only: str) -> None:
    """Until the release, after which it says again what we say, although our content never changed."""
    settings = configure(world, only)
    push(settings, domains(ONE, TWO))
    edit(settings, ONE, facts=("seen by us, not dangerous",))
    found = compared(settings)
    assert drifts(found) == {ONE: Drift.EDITED}
    assert found.findings[0].message.startswith("Somebody has edited it: ")
    settle(found, APPLY, settings)
    before = len(world.uploads())
    push(settings, domains(ONE, TWO))
    assert world.uploads()[before:] == []
    assert compared(settings).counts["held"] == 1
    (place,) = places(settings, ())
    numbers = [observable_id(Observable(Kind.DOMAIN_NAME, ONE))]
    place.ledger.write(lambda c: holds.end(c, [place.store], numbers, place.base_url, everywhere=True))
    Rounds("test", "worker", QUICK).go(settings, wait=True)
    assert (compared(settings).findings, compared(settings).counts["right"]) == ([], 2)


def test_what_people_revoke_at_sentinel_goes_on_hold_and_comes_back_under_a_new_id(world: World) -> None:
    """STIX makes a revocation permanent for an id."""
    settings = configure(world, SENTINEL)
    push(settings, domains(ONE, TWO))
    them = somebody(settings)
    gone = due(Kind.DOMAIN_NAME, ONE)
    later = gone.stamp._replace(modified_ms=int(time.time() * 1000) + 1)
    assert them.withdraw([gone._replace(stamp=later)], 10.0)[0].outcome is Outcome.ACCEPTED
    found = compared(settings)
    assert drifts(found) == {ONE: Drift.DELETED}
    settle(found, APPLY, settings)
    (place,) = places(settings, ())
    numbers = [observable_id(Observable(Kind.DOMAIN_NAME, ONE))]
    place.ledger.write(lambda c: holds.end(c, [place.store], numbers, place.base_url, everywhere=True))
    Rounds("test", "worker", QUICK).go(settings, wait=True)
    assert shown(world, SENTINEL) == {ONE, TWO}
    held = world.emulator.state()["sentinel"][WORKSPACE]
    assert [held[Observable(Kind.DOMAIN_NAME, ONE).stix_id(k)].get("revoked", False) for k in (0, 1)] == [True, False]
    assert compared(settings).findings == []


def test_an_added_label_is_no_edit(world: World) -> None:
    """People sort indicators by labels of their own."""
    settings = configure(world, SENTINEL)
    push(settings, domains(ONE))
    state = world.emulator.core.intel.workspaces()[WORKSPACE]
    (record,) = state.values()
    record.data["labels"] = [*record.data["labels"], "ours: checked"]
    assert compared(settings).findings == []


@BOTH
def test_what_was_withdrawn_and_is_still_there_goes_again(world: World, only: str) -> None:
    """A person put the withdrawn entry back, or the withdrawal had no effect."""
    settings = configure(world, only)
    first = domains(ONE, TWO)
    push(settings, first)
    backup = {e.observable.value: e for e in somebody(settings).entries(10.0) if e.observable}
    submit(
        [replace(first, timestamp=NOW + 10, attributes=first.attributes[1:], complete=True)],
        settings,
        Order("cli", origin=Origin.OWN_READING),
        QUICK,
    )
    assert shown(world, only) == {TWO}
    _restore(world, settings, only, ONE, backup[ONE].stix_id)
    assert shown(world, only) == {ONE, TWO}
    found = compared(settings)
    assert drifts(found) == {ONE: Drift.LEFT_OVER}
    assert [f.leaving for f in to_settle(found, APPLY)] == [True]
    settle(found, APPLY, settings)
    assert actions(found) == {ONE: "withdrawn"}
    assert shown(world, only) == {TWO}
    assert row_of(settings, ONE).generation == 1
    assert compared(settings).findings == []


def _restore(world: World, settings: Settings, only: str, value: str, stix_id: str) -> None:
    if only == DEFENDER:
        made = due(Kind.DOMAIN_NAME, value)
        assert made.stamp.stix_id == stix_id
        assert somebody(settings).send([made], 10.0)[0].outcome is Outcome.ACCEPTED
        return
    records = world.emulator.core.intel.workspaces()[WORKSPACE]
    next(r for r in records.values() if r.data["id"] == stix_id).data["revoked"] = False


def test_what_expired_is_no_difference_at_sentinel(world: World) -> None:
    """Sentinel keeps what is over; it has no effect any more."""
    settings = configure(world, SENTINEL, window="1 hour")
    now = int(time.time())
    soon = event(attribute("domain", ONE, timestamp=now, last_seen=now))
    push(settings, soon)
    (place,) = places(settings, ())
    later = now + 7200
    place.ledger.write(lambda c: c.execute(schema.holding.update().values(valid_until=now - 1)))
    place.ledger.write(lambda c: holdings.expire(c, place.store, later * 1000))
    record = next(iter(world.emulator.core.intel.workspaces()[WORKSPACE].values()))
    record.data["valid_until"] = "2026-01-01T00:00:00Z"
    assert compared(settings).findings == []
    record.data["valid_until"] = "2031-01-01T00:00:00Z"
    found = compared(settings)
    assert drifts(found) == {ONE: Drift.EDITED}
    assert "ends on 2031-01-01" in found.findings[0].message


@BOTH
def test_peers_24_values_with_quotes_and_later_pages_are_found(
    world: World, only: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PEERS 24: the list is read to its end, and odd values are what they are."""
    monkeypatch.setattr(sentinel_management, "PAGE", 100)
    settings = configure(world, only)
    odd = attribute("url", "http://evil.example/it's/\\'quoted'%2F", timestamp=BEFORE)
    many = [attribute("domain", f"host{n}.evil.example", timestamp=BEFORE) for n in range(230)]
    push(settings, event(odd, *many))
    found = compared(settings)
    assert (found.findings, found.counts["right"]) == ([], 231)


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
@BOTH
def test_on_the_other_databases(world: World, only: str, kind: str, tmp_path: Path) -> None:
    """A deletion, an edit, an unknown entry and a changed rule at once, on PostgreSQL and MariaDB."""
    with prepared(kind, tmp_path) as url:
        other = Elsewhere(world.emulator, world.config, url)
        settings = configure(other, only, wipe=False)
        strict = attribute("domain", "strict.evil.example", timestamp=BEFORE, tags=["tlp:amber+strict"])
        push(settings, event(*domains(ONE, TWO, THREE).attributes, strict))
        delete(settings, ONE)
        edit(settings, TWO, facts=("edited",))
        somebody(settings).send([due(Kind.DOMAIN_NAME, "unknown.evil.example")], 10.0)
        settings = configure(other, only, wipe=False, maxTlp="amber")
        found = compared(settings)
        assert drifts(found) == {
            ONE: Drift.DELETED,
            TWO: Drift.EDITED,
            "strict.evil.example": Drift.RULES,
            "unknown.evil.example": Drift.UNKNOWN,
        }
        settle(found, Wanted(True, True, True), settings)
        assert sorted(actions(found).values()) == ["on hold", "on hold", "withdrawn", "withdrawn"]
        assert shown(other, only) == {TWO, THREE}
        again = compared(settings)
        assert (again.findings, again.counts["right"], again.counts["held"]) == ([], 1, 2)
        open_ledger(url).close()


def test_an_event_that_nobody_read_again_vouches_on(world: World) -> None:
    """Reconcile looks at Microsoft, not at MISP: it concludes nothing about events."""
    settings = configure(world, DEFENDER)
    push(settings, domains(ONE))
    settle(compared(settings), APPLY, settings)
    (place,) = places(settings, ())
    found = place.ledger.read(lambda c: holds.of_event(c, EVENT, place.store, ""))
    assert found is not None
    assert found.alone == {observable_id(Observable(Kind.DOMAIN_NAME, ONE))}
