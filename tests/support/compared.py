"""What tests of the comparison with Microsoft, and of withdrawing, stand on: a push, and people who edit and delete."""

from __future__ import annotations

import time
from typing import Any

import pytest
from pydantic import SecretStr

from misp_modules_ext.config import load
from misp_modules_ext.config.settings import Settings
from misp_modules_ext.delivery.acting import places
from misp_modules_ext.delivery.comparing import compare
from misp_modules_ext.delivery.drift import Comparison, Drift
from misp_modules_ext.delivery.reconcile import Wanted
from misp_modules_ext.delivery.sender import Policy
from misp_modules_ext.delivery.submit import Order, submit
from misp_modules_ext.destinations import create
from misp_modules_ext.destinations.interface import Destination
from misp_modules_ext.ledger import holdings, holds, open_ledger
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.model.account import Account
from misp_modules_ext.model.indicator import Due, Kind, Observable, Severity
from misp_modules_ext.model.misp import Event
from misp_modules_ext.model.outcome import Outcome
from tests.support.build import NOW, attribute, due, event
from tests.support.world import PLACE, World

QUICK = Policy(attempts=2, first_wait=0.05, longest_wait=1.0, request_timeout=10.0)
BEFORE = NOW - 30 * 86_400
APPLY = Wanted(apply=True)
DEFENDER, SENTINEL = "microsoft defender", "microsoft"
ONE, TWO, THREE = (f"{name}.evil.example" for name in ("one", "two", "three"))
BOTH = pytest.mark.parametrize("only", [SENTINEL, DEFENDER])


def domains(*values: str, **fields: Any) -> Event:
    """An event of these, whose attributes are a month old."""
    attributes = [attribute("domain", value, timestamp=BEFORE) for value in values]
    return event(*attributes, **{"timestamp": NOW} | fields)


def configure(world: World, only: str, *, wipe: bool = True, **every: str) -> Settings:
    """The settings for one destination, with what its list needs."""
    keys = {**PLACE, **every} if only == SENTINEL else every
    return load(world.configure(only=(only,), wipe=wipe, **keys))


def push(settings: Settings, *events: Event) -> Account:
    """Submit them as the command does."""
    return submit(events, settings, Order("cli"), QUICK)


def compared(settings: Settings, *, marked: bool = True, settle_ms: int = 0) -> Comparison:
    """The comparison of the one destination there is."""
    (place,) = places(settings, (), marked=marked)
    return compare(place._replace(policy=QUICK), settle_ms, patience=5.0)


def drifts(comparison: Comparison) -> dict[str, Drift]:
    """What differs, by value."""
    return {f.observable.value if f.observable else f.name: f.drift for f in comparison.findings}


def actions(comparison: Comparison) -> dict[str, str]:
    """What was done about it, by value."""
    return {f.observable.value if f.observable else f.name: f.action for f in comparison.findings}


def row_of(settings: Settings, value: str) -> holdings.Holding:
    """What the ledger holds of a domain."""
    (place,) = places(settings, ())
    number = observable_id(Observable(Kind.DOMAIN_NAME, value))
    found = place.ledger.read(lambda c: holdings.read(c, place.store, [number])).get(number)
    assert found is not None
    return found


def hold_of(settings: Settings, value: str) -> holds.Hold:
    """The hold on a domain."""
    number = observable_id(Observable(Kind.DOMAIN_NAME, value))
    by_place = open_ledger(settings.ledger.url.get_secret_value()).read(lambda c: holds.on(c, [number]))[number]
    return next(iter(by_place.values()))


def shown(world: World, only: str) -> set[str]:
    """The domains that Microsoft holds and has not revoked."""
    if only == DEFENDER:
        return set(world.defender())
    return {pattern.split("'")[1] for pattern in world.patterns()}


def somebody(settings: Settings, **fields: Any) -> Destination:
    """Somebody else with the same rights."""
    return create(settings.destinations[0].model_copy(update=fields))


def delete(settings: Settings, value: str) -> None:
    """A person deletes an entry: at Defender by its id, at Sentinel as a resource."""
    them = somebody(settings, hard_delete=True)
    (entry,) = (e for e in them.entries(10.0) if e.observable and e.observable.value == value)
    gone = due(Kind.DOMAIN_NAME, value)
    gone = gone._replace(remote_id=entry.remote_id, stamp=gone.stamp._replace(stix_id=entry.stix_id))
    assert [result.outcome for result in them.withdraw([gone], 10.0)] == [Outcome.ACCEPTED]


def edit(settings: Settings, value: str, **fields: Any) -> None:
    """A person changes what an entry says."""
    them = somebody(settings)
    (entry,) = (e for e in them.entries(10.0) if e.observable and e.observable.value == value)
    made = due(Kind.DOMAIN_NAME, value, **{"severity": Severity.LOW, "confidence": 11} | fields)
    later = int(time.time() * 1000) + 1
    changed = Due(made.indicator, made.stamp._replace(stix_id=entry.stix_id, modified_ms=later), entry.remote_id)
    assert [result.outcome for result in them.send([changed], 10.0)] == [Outcome.ACCEPTED]


def other_ledger(world: World, settings: Settings) -> Settings:
    """The same settings with a ledger that knows nothing."""
    fresh = SecretStr(f"sqlite:///{world.config.with_name('fresh.db')}")
    return settings.model_copy(update={"ledger": settings.ledger.model_copy(update={"url": fresh})})
