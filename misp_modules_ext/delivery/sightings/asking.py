"""Asking Microsoft, and noting what it says: hits of values that a destination holds, and alerts that were false."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from typing import TypeVar

from misp_modules_ext.config.settings import DestinationSettings, Settings
from misp_modules_ext.delivery import lookup
from misp_modules_ext.delivery.places import base_url_of, told_of_sightings
from misp_modules_ext.delivery.sightings.account import Done
from misp_modules_ext.delivery.sightings.doubts import doubted
from misp_modules_ext.delivery.sightings.words import detail
from misp_modules_ext.destinations import create
from misp_modules_ext.destinations.looking import (
    ASKED_ALERTS,
    ASKED_STATISTICS,
    ClassifiesAlerts,
    LooksUp,
    Probe,
    Sighting,
)
from misp_modules_ext.errors import BatchRefused, CredentialsRefused, DestinationError, LedgerError, PermissionRefused
from misp_modules_ext.ledger import Ledger, Store, queries, sightings, syncs
from misp_modules_ext.ledger.sightings import Hit, Key, Seen, Told
from misp_modules_ext.ledger.stores import key_of
from misp_modules_ext.misp.sightings import FALSE_POSITIVE, SEEN
from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.planning import RuleSet

#: Seconds that Microsoft has for an answer.
PATIENCE = 100.0
#: The word of `[lookup] sources` for each API that takes many values in one query.
SOURCES = {asked: word for asked, word in lookup.SOURCES.items() if asked != ASKED_STATISTICS}

#: A value that each of them can be asked about.
_SAMPLE = Observable(Kind.DOMAIN_NAME, "example.com")

_Said = TypeVar("_Said")


def goes_on(ledger: Ledger, turn: syncs.Turn | None) -> None:
    """Be heard of.

    Raises:
        LedgerError: another run has the turn.
    """
    if turn is not None and not ledger.write(lambda connection: syncs.goes_on(connection, turn, None)):
        raise LedgerError("Another run of sightings is at it now. Nothing is lost: what was seen is noted.")


@dataclass(slots=True)
class Look:
    """Asks Microsoft, and notes what it says unless this is a preview, which has no turn."""

    settings: Settings
    ledger: Ledger
    chosen: Sequence[DestinationSettings]
    done: Done
    turn: syncs.Turn | None
    #: How often, by the name of the destination, for each sighting that this run has met.
    _times: dict[Key, dict[str, int]] = field(default_factory=dict)

    def go(self) -> None:
        """Ask every destination."""
        known = {row.store: row.destination_id for row in self.ledger.read(queries.destinations)}
        stores = [
            Store(known[key_of(one)], one, RuleSet.of(one), create(one).refuses)
            for one in self.chosen
            if key_of(one) in known
        ]
        for store in stores:
            self._destination(store)
        if self.settings.write_back.false_positives:
            for group in _tenants(stores):
                self._tenant(group)

    def _destination(self, store: Store) -> None:
        """What was seen of all that a destination holds."""
        there = create(store.settings)
        if not (isinstance(there, LooksUp) and asks_of(there, self.settings.lookup.sources)):
            return
        silent: set[object] = set()
        for page in _pages(self.ledger, store.destination_id):
            for probe in there.estate(page, self.done.since):
                question = (probe.asked, probe.about[0].kind)
                if SOURCES.get(probe.asked) not in self.settings.lookup.sources or silent & {probe.asked, question}:
                    continue
                failure = self._probe(store, probe)
                if failure is not None:
                    # An API that does not answer is asked no more in this run. One that refuses a query, for example
                    # because none of its tables is there, may answer those about other kinds of values.
                    silent.add(question if isinstance(failure, BatchRefused) else probe.asked)
                goes_on(self.ledger, self.turn)

    def _probe(self, store: Store, probe: Probe[Sighting]) -> DestinationError | None:
        """Ask once; why there is no answer."""
        self.done.asked += len(probe.about)
        found = self._answer(store, probe.asked, lambda: probe.ask(PATIENCE))
        if isinstance(found, DestinationError):
            return found
        self.done.hits += len(found)
        self.done.undated += sum(one.last is None for one in found)
        self._note(store, _by_value((one.observable, one.last, one.times) for one in found), SEEN)
        return None

    def _tenant(self, group: Sequence[Store]) -> None:
        """Which alerts of a tenant were false: one question, whatever many destinations there are in it."""
        there = create(group[0].settings)
        if not isinstance(there, ClassifiesAlerts):
            return
        found = self._answer(group[0], ASKED_ALERTS, lambda: there.false_alerts(self.done.since, PATIENCE))
        goes_on(self.ledger, self.turn)
        if isinstance(found, DestinationError):
            return
        self.done.false_alerts += len({one.alert for one in found})
        self.done.undated += len({one.alert for one in found if one.moment is None})
        # How many alerts are about an attribute is not counted: it may stand for several values of one.
        seen = _by_value((value, moment, 0) for value, moment in doubted(found))
        for store in group:
            place = store.destination_id
            held = self.ledger.read(lambda connection, place=place: sightings.held_of(connection, place, seen))  # type: ignore[misc] # mypy cannot infer it
            self._note(store, {value: seen[value] for value in held}, FALSE_POSITIVE)

    def _answer(
        self, store: Store, asked: str, ask: Callable[[], Sequence[_Said]]
    ) -> Sequence[_Said] | DestinationError:
        """What an API says, or why it says nothing, which is then among the problems."""
        try:
            return ask()
        except DestinationError as error:
            self.done.refused |= isinstance(error, (CredentialsRefused, PermissionRefused))
            self.done.problems.append(f"{store.settings.name}, {asked}: {error}")
            return error

    def _note(self, store: Store, seen: Seen, kind: int) -> None:
        if not seen:
            return
        base_url, misps = base_url_of(self.settings), told_of_sightings(self.settings)
        meant = self.ledger.read(lambda connection: sightings.concerned(connection, store, base_url, seen, kind))
        self.done.elsewhere += len({hit.told.key for hit in meant if hit.told.misp not in misps})
        told = self._detailed(store, [hit for hit in meant if hit.told.misp in misps])
        before = self.ledger.read(lambda connection: sightings.noted(connection, list(told.values())))
        if self.turn is not None:
            self.ledger.write(lambda connection: sightings.intend(connection, told.values()))
        for key, one in told.items():
            if key in self.done.new:
                self.done.new[key] = self.done.new[key]._replace(detail=one.detail)
            elif key not in before:
                self.done.new[key] = one

    def _detailed(self, store: Store, hits: Sequence[Hit]) -> dict[Key, Told]:
        """One sighting for each attribute and day, the latest, with all that this run knows of it."""
        for hit in hits:
            counted = self._times.setdefault(hit.told.key, {})
            counted[store.settings.name] = counted.get(store.settings.name, 0) + hit.times
        latest = {hit.told.key: hit.told for hit in sorted(hits, key=lambda hit: hit.told.seen)}
        return {key: one._replace(detail=detail(self._times[key])) for key, one in latest.items()}


def asks_of(there: LooksUp, sources: Collection[str]) -> bool:
    """Whether a destination has an API that takes many values and that `[lookup] sources` names."""
    return any(SOURCES.get(probe.asked) in sources for probe in there.estate([_SAMPLE], 0))


def _by_value(found: Iterable[tuple[Observable, int | None, int]]) -> Seen:
    """How often by value and moment; what has no moment is left out."""
    now = int(time.time())
    seen: dict[Observable, dict[int, int]] = {}
    for value, moment, times in found:
        if moment is not None:
            # A clock that is ahead says nothing about tomorrow.
            counted, at = seen.setdefault(value, {}), min(moment, now)
            counted[at] = counted.get(at, 0) + times
    return seen


def _pages(ledger: Ledger, destination_id: int) -> Iterator[list[Observable]]:
    """All that a destination holds, from another place on each time.

    Where a quota of Microsoft's, or a failure, ends every run early, it must not always be the same values that are
    asked about.
    """
    begin = random.randrange(sightings.LAST)  # noqa: S311 - spread evenly, not secret
    # Behind that place and before it, as if nothing lay between: a page more would be queries more.
    held = chain(_held(ledger, destination_id, begin, sightings.LAST), _held(ledger, destination_id, -1, begin))
    while page := list(islice(held, sightings.PAGE)):
        yield page


def _held(ledger: Ledger, destination_id: int, begin: int, until: int) -> Iterator[Observable]:
    after: int | None = begin
    while after is not None:
        after, page = ledger.read(partial(sightings.held, destination_id=destination_id, after=after, until=until))
        yield from page


def _tenants(stores: Sequence[Store]) -> list[list[Store]]:
    """The destinations at which the same application would be shown the same alerts."""
    groups: dict[tuple[str, ...], list[Store]] = {}
    for store in stores:
        one = store.settings
        if isinstance(create(one), ClassifiesAlerts):
            shared = (one.endpoint_login, one.endpoint_hunting, one.tenant_id.lower(), one.app_id.lower())
            groups.setdefault(shared, []).append(store)
    return list(groups.values())
