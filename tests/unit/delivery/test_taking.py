"""Taking many events that a person asked for in one transaction."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection

from misp_modules_ext.config.settings import Selection
from misp_modules_ext.delivery import taking
from misp_modules_ext.ledger import Ledger, Taken, register
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.model.indicator import Evidence, Kind, Observable
from misp_modules_ext.model.misp import Event
from misp_modules_ext.planning import RuleSet
from misp_modules_ext.translate import Merged, merge
from tests.support.build import SPACE, attribute, destination, event

HERE = destination(selection=Selection(allow_documentation_ranges=True))
RULES = RuleSet.of(HERE)


def _event(name: str, *values: str, **fields: object) -> Event:
    """An event with domains that are its own attributes."""
    moment = int(time.time()) - 3600
    attributes = [
        attribute("domain", value, uuid=str(uuid.uuid5(SPACE, name + value)), timestamp=moment) for value in values
    ]
    return event(*attributes, uuid=str(uuid.uuid5(SPACE, name)), timestamp=moment, complete=True, **fields)


def _take(ledger: Ledger, *events: Event) -> Taken:
    def work(connection: Connection) -> Taken:
        stores = register(connection, [(HERE, lambda _: None)])
        return taking.take_read(connection, events, stores, {store.destination_id for store in stores}, "")

    return ledger.write(work)


def test_all_of_it_is_merged_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Merged anew with each event, the time grew with the square of their number, in one transaction."""
    pieces: list[int] = []

    def counted(evidence: Iterable[Evidence], now: int) -> list[Merged]:
        known = list(evidence)
        pieces.append(len(known))
        return merge(known, now)

    monkeypatch.setattr(taking, "merge", counted)
    events = [_event(f"e{number}", f"h{number}.example", "shared.example") for number in range(20)]
    taken = _take(Ledger(f"sqlite:///{tmp_path / 'ledger.db'}"), *events)
    assert pieces == [40]
    assert len(taken.plans[RULES].attributes) == 40
    assert len(taken.plans[RULES].merged) == 21


def test_what_a_later_event_says_of_a_value_holds(tmp_path: Path) -> None:
    """The first one brings it, the second one takes it away again; each is settled after the other."""
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    first, other = _event("a", "one.example", "two.example"), _event("b", "three.example")
    without = replace(first, attributes=first.attributes[1:], timestamp=first.timestamp + 1)
    (settled,) = _take(ledger, first, other, without).settled.values()
    left = {observable_id(Observable(Kind.DOMAIN_NAME, f"{name}.example")) for name in ("two", "three")}
    assert settled.ready.keys() >= left
    assert settled.withdrawing == set()


def test_nothing_is_taken_of_nothing(tmp_path: Path) -> None:
    """No event could be read."""
    taken = _take(Ledger(f"sqlite:///{tmp_path / 'ledger.db'}"))
    assert (taken.plans[RULES].attributes, taken.settled) == ((), {})
