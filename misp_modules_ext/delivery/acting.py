"""What a person asks of the ledger at the command line: the destinations, the sending, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from misp_modules_ext.config.settings import Settings
from misp_modules_ext.delivery.accounting import Result
from misp_modules_ext.delivery.companions import follow
from misp_modules_ext.delivery.drain import BUSY, Drained, Place, drain
from misp_modules_ext.delivery.places import holder, place_of
from misp_modules_ext.delivery.standing import results
from misp_modules_ext.delivery.submit import choose
from misp_modules_ext.destinations import create
from misp_modules_ext.ledger import Settled, holdings, open_ledger, register, schema
from misp_modules_ext.ledger.holdings import Holding
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.ledger.marks import mark
from misp_modules_ext.ledger.placing import Standing
from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.model.outcome import Outcome, Reason, State

#: Seconds to wait for another process that sends to the same destination.
PATIENCE = 120.0
#: Seconds between two looks at it.
LOOK = 0.2


class Acted(NamedTuple):
    """What came of it at one destination.

    Attributes:
        state: how the destination did.
        message: a sentence, `""` when all is well.
        results: by observable.
    """

    name: str
    product: str
    api: str
    state: State
    message: str
    results: Mapping[Observable, Result]

    @property
    def counts(self) -> dict[str, int]:
        """How many ended with which outcome."""
        ended = [result.outcome for result in self.results.values()]
        return {outcome.value: ended.count(outcome) for outcome in Outcome if outcome in ended}


def places(settings: Settings, names: Iterable[str], *, marked: bool = True) -> list[Place]:
    """Destinations of a configuration, ready to be drained.

    Args:
        settings: the configuration.
        names: of destinations; all when there is none.
        marked: their stores must be this ledger's.

    Raises:
        UsageError: there is no such destination.
        LedgerError: the ledger cannot be opened, or a store belongs to another one.
    """
    chosen = choose(settings, names)
    ledger = open_ledger(settings.ledger.url.get_secret_value())
    if marked:
        for destination in chosen:
            mark(settings, destination, ledger)
    stores = ledger.write(lambda connection: register(connection, [(d, create(d).refuses) for d in chosen]))
    who = holder("cli")
    return [place_of(ledger, store, settings, who) for store in stores]


def carry_out(place: Place, numbers: Collection[int], leaving: Collection[int] = ()) -> Acted:
    """Send what is due at a destination, and tell what became of some of it.

    Args:
        place: the destination.
        numbers: ids of the observables to tell about.
        leaving: those of them that should be gone afterwards.
    """
    drained = _drained(place, numbers) if numbers else Drained()
    if not numbers:
        follow(place)
    rows = place.ledger.read(lambda connection: holdings.read(connection, place.store, numbers))
    names = place.ledger.read(lambda connection: holdings.names(numbers, connection))
    named = {number: Observable(Kind(kind), value) for number, (kind, value) in names.items()}
    settled = Settled({number: Standing(schema.DUE, fresh=True) for number in rows})
    found = results(settled, lambda _: rows, named, drained)
    for observable in found:
        number = observable_id(observable)
        if number in leaving:
            found[observable] = _gone(rows[number], drained)
    settings = place.store.settings
    return Acted(settings.name, settings.product, settings.api.value, drained.state, drained.message, found)


def _gone(row: Holding, drained: Drained) -> Result:
    if not row.maybe_there:
        return Result(Outcome.WITHDRAWN, None, "", None, row.generation)
    reason = Reason.of(row.reason)
    if reason is None:
        return Result(Outcome.PENDING, drained.reason, drained.message)
    return Result(Outcome.PENDING, reason, row.message or drained.message)


def _drained(place: Place, numbers: Collection[int]) -> Drained:
    """Drain, also when another process does so just now: it may have begun before these were due."""
    deadline = time.monotonic() + PATIENCE
    while True:
        drained = drain(place, patient=False)
        if drained.state is State.OK and not drained.message:
            follow(place)
        if drained is not BUSY or time.monotonic() >= deadline:
            return drained
        rows = place.ledger.read(lambda connection: holdings.read(connection, place.store, numbers))
        # The ledger's own marks are no reasons: what a person has just lifted over the cap was not tried yet.
        if all(row.state != schema.DUE or Reason.of(row.reason) is not None for row in rows.values()):
            return Drained()
        time.sleep(LOOK)
