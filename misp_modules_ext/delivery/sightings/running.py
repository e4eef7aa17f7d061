"""`sightings`: hits at Microsoft on what this ledger holds there become sightings in MISP.

First every destination is asked and what it says is noted in the ledger, then MISP is told what is noted. A run that
ends between the two, or anywhere else, loses nothing: what is noted waits. Nor does it double anything: before it adds,
every run asks MISP which sightings of ours the attributes have.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from misp_modules_ext.config.settings import DAY, DestinationSettings, Settings
from misp_modules_ext.delivery.places import base_url_of, holder, readable
from misp_modules_ext.delivery.submit import choose
from misp_modules_ext.destinations import create
from misp_modules_ext.destinations.looking import ASKED_HUNTING, ASKED_LOGS, LooksUp, Probe, Sighting
from misp_modules_ext.errors import (
    CredentialsRefused,
    DestinationError,
    EventNotFound,
    LedgerError,
    MispError,
    MispRefused,
    PermissionRefused,
    UsageError,
)
from misp_modules_ext.ledger import Ledger, Store, open_ledger, queries, schema, sightings, syncs
from misp_modules_ext.ledger.sightings import Told
from misp_modules_ext.ledger.stores import key_of
from misp_modules_ext.misp.adding import SightingsClient
from misp_modules_ext.misp.sightings import SEEN
from misp_modules_ext.model.indicator import Observable
from misp_modules_ext.planning import RuleSet

#: Seconds that the first run looks back.
FIRST = DAY
#: Seconds that every run looks back further than where the last one began: logs arrive late.
OVERLAP = 3600
#: Seconds that Microsoft has for an answer.
PATIENCE = 100.0
#: Attributes that MISP is asked about at once.
PORTION = 100
#: A MISP is told no more in this run when it refuses so many in a row.
MOST_REFUSED = 3
#: In the table of `syncs`, which has one row for each MISP, the row of these runs: no MISP has such an address.
TURN = "sightings"

#: The word of `[lookup] sources` for each API that takes many values in one query.
_SOURCES = {ASKED_HUNTING: "hunting", ASKED_LOGS: "logs"}


@dataclass(frozen=True, slots=True)
class Wish:
    """What a run is to do.

    Attributes:
        last: seconds to look back; `None` for where the last run that ended well began.
        destinations: names; empty for all.
        most: sightings that MISP is told at most.
        preview: note and tell nothing.
    """

    last: int | None = None
    destinations: tuple[str, ...] = ()
    most: int = 1000
    preview: bool = False


@dataclass(slots=True)
class Done:
    """What a run did.

    Attributes:
        busy: another run is at it, so this one did nothing.
        since: where it began to look, seconds since 1970 UTC.
        asked: values that were asked about, at all destinations together.
        hits: answers that a value was seen.
        undated: hits left out because Microsoft does not say when.
        unreadable: sightings left out because their MISP has no key.
        new: sightings that no run had noted before; in a preview those that would be told.
        told: added to MISP.
        known: sightings that MISP had already.
        gone: sightings of attributes that MISP does not show.
        waiting: sightings that MISP has still to be told.
        problems: a sentence for each API of a destination that did not answer.
        failures: a sentence for each MISP that could not be told.
        refused: whether Microsoft or MISP refused us.
        unreachable: whether a MISP could not be asked.
    """

    busy: syncs.Busy | None = None
    since: int = 0
    asked: int = 0
    hits: int = 0
    undated: int = 0
    unreadable: int = 0
    new: list[Told] = field(default_factory=list)
    told: int = 0
    known: int = 0
    gone: int = 0
    waiting: int = 0
    problems: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    refused: bool = False
    unreachable: bool = False


def run(settings: Settings, wish: Wish) -> Done:
    """Look for hits and tell MISP.

    Raises:
        UsageError: the configuration does not allow it, or names a destination that no section has.
        LedgerError: the ledger cannot be used, or another run took the turn.
    """
    chosen = _askable(settings, wish)
    ledger = open_ledger(settings.ledger.url.get_secret_value())
    now = int(time.time())
    if wish.preview:
        look = _Look(settings, ledger, chosen, Done(since=now - min(wish.last or FIRST, settings.lookup.window)), None)
        look.go()
        return look.done
    turn = ledger.write(lambda connection: syncs.begin(connection, TURN, holder("sightings")))
    if isinstance(turn, syncs.Busy):
        return Done(busy=turn)
    whole = False
    try:
        done = Done(since=max(_since(turn, wish, now), now - settings.lookup.window))
        look = _Look(settings, ledger, chosen, done, turn)
        look.go()
        reaches = turn.checkpoint is None or done.since <= turn.checkpoint or done.since <= now - settings.lookup.window
        whole = reaches and not wish.destinations and not done.problems
        _tell(settings, ledger, wish.most, done, turn)
        done.waiting = ledger.read(sightings.count_waiting)
    finally:
        ledger.write(lambda connection: syncs.end(connection, turn, whole=whole))
    return done


def _since(turn: syncs.Turn, wish: Wish, now: int) -> int:
    if wish.last is not None or turn.checkpoint is None:
        return now - (wish.last or FIRST)
    return turn.checkpoint - OVERLAP


def _askable(settings: Settings, wish: Wish) -> list[DestinationSettings]:
    """The destinations that can be asked.

    Raises:
        UsageError: there is none, or the configuration does not allow it.
    """
    named = choose(settings, wish.destinations)
    if not settings.lookup.estate:
        raise UsageError("The estate is not asked: [lookup] estate is not on. What to do: set `estate = yes` there.")
    if not (settings.write_back.sightings or wish.preview):
        raise UsageError(
            "MISP is told nothing: [write-back] sightings is not on. What to do: set `sightings = yes` there, or see "
            "with --dry-run what it would be told."
        )
    if not settings.lookup.sources & set(_SOURCES.values()):
        raise UsageError(
            "No source takes many values in one query: the statistics take one each. What to do: add `hunting` or "
            "`logs` to `sources` of [lookup]."
        )
    if not readable(settings):
        raise UsageError("No MISP has a key. What to do: add `key` to [misp], of a user whose role has perm_sighting.")
    chosen = [one for one in named if isinstance(create(one), LooksUp)]
    if not chosen:
        raise UsageError("None of these destinations can be asked. What to do: name one of Sentinel or Defender.")
    return chosen


@dataclass(slots=True)
class _Look:
    """Asks Microsoft, and notes what it says unless this is a preview, which has no turn."""

    settings: Settings
    ledger: Ledger
    chosen: Sequence[DestinationSettings]
    done: Done
    turn: syncs.Turn | None

    def go(self) -> None:
        """Ask every destination."""
        known = {row.store: row.destination_id for row in self.ledger.read(queries.destinations)}
        for settings in self.chosen:
            if key_of(settings) in known:
                self._destination(
                    Store(known[key_of(settings)], settings, RuleSet.of(settings), create(settings).refuses)
                )

    def _destination(self, store: Store) -> None:
        there = create(store.settings)
        silent: set[str] = set()
        for page in _pages(self.ledger, store.destination_id):
            self.done.asked += len(page)
            for probe in there.estate(page, self.done.since) if isinstance(there, LooksUp) else ():
                if probe.asked not in silent and _SOURCES.get(probe.asked) in self.settings.lookup.sources:
                    self._probe(store, probe, silent)
                    _goes_on(self.ledger, self.turn)

    def _probe(self, store: Store, probe: Probe[Sighting], silent: set[str]) -> None:
        """Ask once; an API that does not answer is asked no more in this run."""
        try:
            found = probe.ask(PATIENCE)
        except DestinationError as error:
            silent.add(probe.asked)
            self.done.refused |= isinstance(error, (CredentialsRefused, PermissionRefused))
            self.done.problems.append(f"{store.settings.name}, {probe.asked}: {error}")
            return
        self.done.hits += len(found)
        self.done.undated += sum(one.last is None for one in found)
        now = int(time.time())
        seen: dict[Observable, set[int]] = {}
        for one in found:
            if one.last is not None:
                # A clock that is ahead says nothing about tomorrow.
                seen.setdefault(one.observable, set()).add(min(one.last, now))
        if seen:
            self._note(store, seen)

    def _note(self, store: Store, seen: dict[Observable, set[int]]) -> None:
        base_url, misps = base_url_of(self.settings), readable(self.settings)
        meant = self.ledger.read(lambda connection: sightings.concerned(connection, store, base_url, seen, SEEN))
        told = {one.key: one for one in sorted(meant, key=lambda one: one.seen) if one.misp in misps}
        self.done.unreadable += len({one.key for one in meant}) - len(told)
        before = self.ledger.read(lambda connection: sightings.noted(connection, list(told.values())))
        before |= {one.key for one in self.done.new}
        fresh = [one for key, one in told.items() if key not in before]
        if self.turn is not None:
            self.ledger.write(lambda connection: sightings.intend(connection, fresh))
        self.done.new += fresh


def _pages(ledger: Ledger, destination_id: int) -> Iterator[list[Observable]]:
    after: int | None = -1
    while after is not None:
        start = after
        after, page = ledger.read(lambda connection, start=start: sightings.held(connection, destination_id, start))  # type: ignore[misc] # mypy cannot infer it
        if page:
            yield page


def _goes_on(ledger: Ledger, turn: syncs.Turn | None) -> None:
    """Be heard of.

    Raises:
        LedgerError: another run has the turn.
    """
    if turn is not None and not ledger.write(lambda connection: syncs.goes_on(connection, turn, None)):
        raise LedgerError("Another run of sightings is at it now. Nothing is lost: what was seen is noted.")


def _tell(settings: Settings, ledger: Ledger, most: int, done: Done, turn: syncs.Turn) -> None:
    """Tell each MISP what waits for it."""
    misps = readable(settings)
    waiting = ledger.read(lambda connection: sightings.waiting(connection, list(misps), most))
    for name in dict.fromkeys(one.misp for one in waiting):
        client = SightingsClient(misps[name])
        mine = [one for one in waiting if one.misp == name]
        try:
            for start in range(0, len(mine), PORTION):
                _goes_on(ledger, turn)
                _tell_some(client, ledger, mine[start : start + PORTION], done)
        except MispError as error:
            done.failures.append(str(error))
            done.refused |= isinstance(error, MispRefused)
            done.unreachable |= not isinstance(error, MispRefused)


def _tell_some(client: SightingsClient, ledger: Ledger, portion: Sequence[Told], done: Done) -> None:
    """Tell a MISP some; it is asked first what it has, since an earlier run may not have heard its answer.

    Raises:
        MispRefused: MISP does not let us, several times in a row or at the end.
        MispError: MISP cannot be asked.
    """
    there = client.ours(sorted({one.attribute for one in portion}))
    refused: list[MispRefused] = []
    for one in portion:
        ours = there.get(one.attribute)
        if ours is None:
            done.gone += 1
            _note(ledger, one, schema.GONE)
        elif (one.kind, one.day) in ours:
            done.known += 1
            _note(ledger, one, schema.TOLD)
        elif _added(client, ledger, one, done, refused.append):
            refused.clear()
        if len(refused) == MOST_REFUSED:
            break
    if refused:
        raise refused[-1]


def _added(
    client: SightingsClient, ledger: Ledger, one: Told, done: Done, refuse: Callable[[MispRefused], object]
) -> bool:
    """Add a sighting; whether MISP took, or could have taken, it."""
    try:
        client.add(one.attribute, one.kind, one.seen)
    except EventNotFound:
        done.gone += 1
        _note(ledger, one, schema.GONE)
        return True
    except MispRefused as error:
        # Tried last next time: it may be this attribute alone.
        _note(ledger, one, schema.WAITS)
        refuse(error)
        return False
    done.told += 1
    _note(ledger, one, schema.TOLD)
    return True


def _note(ledger: Ledger, one: Told, state: int) -> None:
    ledger.write(lambda connection: sightings.note(connection, one, state))
