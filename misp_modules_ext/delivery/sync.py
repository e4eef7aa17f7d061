"""`sync`: what was published in a MISP since the last run that ended well, whole event by whole event.

Each event is read with the section's key, judged and taken as any reading of our own; what it takes away is withdrawn.
Memory is that of one event, or of a part of a large one. Whatever interrupts a run, nothing is withdrawn because of it,
and the next run goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from misp_modules_ext.config.settings import DAY, MispSettings, Settings
from misp_modules_ext.delivery.narrowing import narrowed
from misp_modules_ext.delivery.places import base_url_of, holder, readable
from misp_modules_ext.delivery.reading import read_rest, read_soon, settle_missing
from misp_modules_ext.delivery.submit import Order, choose, submit
from misp_modules_ext.destinations import create
from misp_modules_ext.errors import EventNotFound, LedgerError, MispError, MispRefused
from misp_modules_ext.ledger import (
    Ledger,
    Origin,
    Part,
    Parts,
    open_ledger,
    register,
    schema,
    submissions,
    syncs,
)
from misp_modules_ext.logs import What, fields, logger
from misp_modules_ext.misp import client as misp_client
from misp_modules_ext.misp.client import MispClient
from misp_modules_ext.misp.large import LargeEvent
from misp_modules_ext.model.account import Account
from misp_modules_ext.model.misp import Attribute, Event
from misp_modules_ext.model.outcome import Outcome
from misp_modules_ext.planning import RuleSet, judged

log = logger()

#: Seconds that the first run looks back.
FIRST = DAY
#: Seconds that every run looks back further than where the last one began: clocks differ, and MISP notes the time of a
#: publication before others can see it.
OVERLAP = 3600
#: A run gives up when so many events in a row cannot be read: then it is MISP that does not answer. Otherwise the next
#: run finds out, in which these come last.
MOST_FAILURES = 3
#: Seconds between two signs of life while one event is read.
HEARD_EVERY = 30.0
#: Of an account, outcomes that say that something moves.
_MOVES = frozenset({Outcome.ACCEPTED, Outcome.PENDING, Outcome.WITHDRAWN, Outcome.REJECTED})


@dataclass(frozen=True, slots=True)
class Wish:
    """What a run is to read.

    Attributes:
        misp: where.
        since: seconds since 1970 UTC; `None` for where the last run that ended well began.
        full: also every event that the ledger holds of this MISP.
        only: further conditions for MISP's list of events, as in `misp.client.EVENT_FILTERS`.
        tags: take only attributes that carry one of these, themselves or through their event, in any case of letters;
            empty for all.
        types: take only attributes of these types; empty for all.
        destinations: names; empty for all.
        preview: take and send nothing.
    """

    misp: MispSettings
    since: int | None = None
    full: bool = False
    only: Mapping[str, str] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    destinations: tuple[str, ...] = ()
    preview: bool = False

    @property
    def narrow(self) -> bool:
        """Whether only part of each event is taken."""
        return bool(self.tags or self.types)


@dataclass(slots=True)
class Synced:
    """What a run did.

    Attributes:
        busy: another run reads this MISP, so this one did nothing.
        since: where it began to read, seconds since 1970 UTC.
        listed: events that were to be read.
        read: events that were read.
        before: events that an interrupted run had read already.
        changed: events of which anything is to be sent.
        submissions: UUIDs of the submissions of these; a large event has several.
        missing: UUIDs of events that MISP does not show.
        incomplete: UUIDs of events of which MISP counts other attributes than it shows.
        in_parts: UUIDs of large events that a preview has judged part by part: each by the ledger as it is.
        failures: a sentence for each event, or list, that could not be read.
        refused: MISP does not take the key.
    """

    busy: syncs.Busy | None = None
    since: int = 0
    listed: int = 0
    read: int = 0
    before: int = 0
    changed: int = 0
    submissions: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)
    in_parts: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    refused: bool = False

    @property
    def whole(self) -> bool:
        """Whether all of it is in the ledger."""
        return self.busy is None and not self.failures


#: Called for each event, and each part of a large one, with its account, if anything of it concerns anybody; whether
#: something is to be sent; how many of how many events are done.
Told = Callable[[Account | None, bool, int, int], None]


def sync(settings: Settings, wish: Wish, told: Told) -> Synced:
    """Read what was published, and take it into the ledger; whoever drains it sends.

    Args:
        settings: the configuration.
        wish: what to read.
        told: told of each event.

    Raises:
        UsageError: the section has no key, or a destination does not exist.
        LedgerError: the ledger cannot be used.
    """
    choose(settings, wish.destinations)
    client = MispClient(wish.misp)
    ledger = open_ledger(settings.ledger.url.get_secret_value())
    turn = ledger.write(lambda connection: syncs.begin(connection, wish.misp.address, holder("sync")))
    if isinstance(turn, syncs.Busy):
        return Synced(busy=turn)
    whole = False
    try:
        run = _Run(settings, wish, ledger, client, turn, told)
        whole = run.go()
    finally:
        ledger.write(lambda connection: syncs.end(connection, turn, whole=whole))
    return run.synced


class _Run:
    def __init__(
        self, settings: Settings, wish: Wish, ledger: Ledger, client: MispClient, turn: syncs.Turn, told: Told
    ) -> None:
        self._settings = settings
        self._wish = wish
        self._ledger = ledger
        self._client = client
        self._turn = turn
        self._told = told
        self._heard = time.monotonic()
        self._known = ledger.read(lambda connection: syncs.known(connection, wish.misp.address))
        self._asked_for = self._of_served()
        self.synced = Synced(since=self._since())
        self._covers = self._leaves_nothing_out() and not wish.preview
        self._tried = ledger.read(lambda connection: syncs.tried(connection, wish.misp.address)) if self._covers else {}

    def _of_served(self) -> dict[str, syncs.Known]:
        """What people and workflows have pushed from this MISP, when it is the one that the modules serve."""
        served = readable(self._settings).get("")
        if served is None or served.address != self._wish.misp.address:
            return {}
        return self._ledger.read(lambda connection: syncs.known(connection, ""))

    def _since(self) -> int:
        turn, wish = self._turn, self._wish
        if wish.since is not None:
            return wish.since
        if turn.since is not None:
            return turn.since
        if turn.checkpoint is not None:
            return turn.checkpoint - OVERLAP
        return self._first()

    def _first(self) -> int:
        """Where the first run begins to read."""
        return self._turn.began_ms // 1000 - FIRST

    def go(self) -> bool:
        """Do it; whether the next run may begin where this one began."""
        synced = self.synced
        self._keep_turn()
        self._client.before_each = self._keep_turn_now_and_then
        try:
            listed = self._list()
        except MispError as error:
            self._failed(error)
            return False
        synced.listed = len(listed)
        failed_in_a_row = 0
        for uuid in self._unread(listed):
            failed_in_a_row = 0 if self._read(uuid) else failed_in_a_row + 1
            if synced.refused or failed_in_a_row == MOST_FAILURES:
                break
        return synced.whole and self._covers

    def _leaves_nothing_out(self) -> bool:
        """Whether all is read that is to be: since the last run that ended well, unfinished ones included, or a day."""
        wish, turn = self._wish, self._turn
        begins = [moment for moment in (turn.since, turn.checkpoint) if moment is not None] or [self._first()]
        return self.synced.since <= min(begins) and not wish.only and not wish.narrow and not wish.destinations

    def _keep_turn_now_and_then(self) -> None:
        if time.monotonic() >= self._heard + HEARD_EVERY:
            self._keep_turn()

    def _keep_turn(self, uuid: str = "", timestamp: int | None = None) -> None:
        """Be heard of, and note what came of an event; see `syncs.Tried`.

        Raises:
            LedgerError: another run has the turn.
        """
        self._heard = time.monotonic()

        def work(connection: Connection) -> bool:
            # A run that covers less than what is to be read leaves no trace for the next one to go on with.
            mine = syncs.goes_on(connection, self._turn, self.synced.since if self._covers else None)
            if mine and uuid and self._covers:
                syncs.note(connection, self._turn, uuid, timestamp)
            return mine

        if not self._ledger.write(work):
            raise LedgerError("Another run of sync reads this MISP now. Nothing is lost: what was read is kept.")

    def _list(self) -> dict[str, int]:
        """The events to read: their timestamps by UUID, 0 where MISP's list does not tell."""
        listed = self._client.published_since(self.synced.since, self._wish.only)
        if self._wish.full:
            for uuid in self._known:
                listed.setdefault(uuid, 0)
        return listed

    def _unread(self, listed: Mapping[str, int]) -> list[str]:
        """Those that no interrupted run has read as they are now; those that it could not read come last."""
        first: list[str] = []
        last: list[tuple[int, str]] = []
        for uuid, timestamp in listed.items():
            tried = self._tried.get(uuid)
            if tried is not None and tried.timestamp is None:
                last.append((tried.tried_ms, uuid))
            elif tried is None or tried.timestamp is None or tried.timestamp < timestamp or self._wish.full:
                first.append(uuid)
            else:
                self.synced.before += 1
        return [*first, *(uuid for _, uuid in sorted(last))]

    def _read(self, uuid: str) -> bool:
        """Read and take one event; whether MISP answered."""
        try:
            event = self._read_whole(uuid)
            if isinstance(event, LargeEvent):
                # As it was read: what a narrow run takes of it is never all of it.
                header = event.header
                with event:
                    self._take_large(event)
                event = header
            else:
                self._take(event)
        except EventNotFound:
            self._missing(uuid)
            self._keep_turn(uuid, schema.READ_AGAIN)
            return True
        except MispError as error:
            self._failed(error)
            self._keep_turn(uuid)
            return False
        if not event.complete:
            self.synced.incomplete.append(event.uuid)
        if not self._wish.preview:
            self._read_later(event)
        # Publishing changes no timestamp: what was unpublished may be published when it is listed next.
        self._keep_turn(uuid, event.timestamp if event.counts_as_published else schema.READ_AGAIN)
        return True

    def _read_whole(self, uuid: str) -> Event | LargeEvent:
        """Read an event, once more when MISP did not show all of it: it may have been edited meanwhile."""
        event = self._client.read_of_any_size_at_once(uuid)
        if isinstance(event, LargeEvent) and not event.header.complete:
            event.close()
            event = self._client.read_of_any_size_at_once(uuid)
        elif isinstance(event, Event) and not event.complete:
            event = self._client.read_of_any_size_at_once(uuid)
        if isinstance(event, Event):
            return replace(event, misp=self._wish.misp.address)
        event.change(lambda part: replace(part, misp=self._wish.misp.address))
        return event

    def _take(self, event: Event) -> None:
        """Take an event if it concerns anybody."""
        self.synced.read += 1
        view = _narrowed(event, self._wish)
        # Of one that is known a view without attributes says that all of them are gone, unless it is a narrowed one.
        known = event.uuid in self._known and bool(view.attributes or not self._wish.narrow)
        if not known and not self._may_have_more(event) and not self._wanted(view):
            self._tell(None, moves=False)
            return
        self.synced.changed += self._submit(view)

    def _take_large(self, event: LargeEvent) -> None:
        """The same in parts: what is the case for any of them is for all."""
        if self._wish.narrow:
            event.change(lambda view: _narrowed(view, self._wish))
        known = event.header.uuid in self._known and (not self._wish.narrow or any(self._slices(event)))
        if not known and not self._may_have_more(event.header) and not any(map(self._wanted, self._slices(event))):
            self.synced.read += 1
            self._tell(None, moves=False)
            return
        if self._wish.preview:
            self.synced.in_parts.append(event.header.uuid)
        parts = Parts(event, misp_client.MOST_AT_ONCE)
        self._ledger.read(parts.begin)
        moves = False
        for view, part in parts.each():
            self._keep_turn_now_and_then()
            self.synced.read += part.last
            moves = self._submit(view, part) or moves
        self.synced.changed += moves

    def _may_have_more(self, event: Event) -> bool:
        """Whether MISP did not show all of it: what is missing may go, and the drain reads only what is known."""
        return not event.complete and not self._wish.narrow

    def _slices(self, event: LargeEvent) -> Iterator[Event]:
        """All of it, only to be looked at: with many rule sets that takes longer than a turn lasts."""
        for view in event.slices(misp_client.MOST_AT_ONCE):
            self._keep_turn_now_and_then()
            yield view

    def _read_later(self, event: Event) -> None:
        """Have the drain read what it alone can."""
        if not event.complete:
            self._ledger.write(lambda connection: read_rest(connection, event.uuid, event.misp))
        asked_for = self._asked_for.get(event.uuid)
        if asked_for is not None and asked_for != syncs.Known(event.timestamp, event.counts_as_published):
            self._ledger.write(lambda connection: read_soon(connection, event.uuid))

    def _wanted(self, event: Event) -> bool:
        """Whether anything of it goes anywhere; of most events of a large community nothing does."""
        rules = dict.fromkeys(RuleSet.of(d) for d in choose(self._settings, self._wish.destinations))
        base_url = base_url_of(self._settings)
        return any(planned.parts for each in rules for planned in judged(event, each, base_url))

    def _submit(self, event: Event, part: Part | None = None) -> bool:
        """Take an event, or a part of one; whether anything of it is to be sent."""
        wish = self._wish
        order = Order(
            "sync", wish.destinations, wish.preview, origin=Origin.OWN_READING, send_later=True, only=wish.narrow
        )
        account = submit([event], self._settings, order, part=part)
        moves = _moves(account)
        if moves:
            self.synced.submissions.append(account.submission)
        elif not wish.preview:
            self._ledger.write(lambda connection: submissions.drop(connection, account.submission))
        self._tell(account, moves=moves)
        return moves

    def _tell(self, account: Account | None, *, moves: bool) -> None:
        self._told(account, moves, self.synced.read + self.synced.before, self.synced.listed)

    def _missing(self, uuid: str) -> None:
        """It was there a moment ago, or is known from earlier: its grace begins, or is over."""
        self.synced.missing.append(uuid)
        if self._wish.preview:
            return
        if uuid in self._asked_for:
            self._ledger.write(lambda connection: read_soon(connection, uuid))
        if uuid in self._known:
            settings, misp = self._settings, self._wish.misp
            stores = self._ledger.write(
                lambda connection: register(connection, [(d, create(d).refuses) for d in settings.destinations])
            )
            base_url = base_url_of(settings)
            settle_missing(
                self._ledger, uuid, misp.address, stores, base_url, lambda _: True, self._keep_turn_now_and_then
            )

    def _failed(self, error: MispError) -> None:
        self.synced.failures.append(str(error))
        self.synced.refused = isinstance(error, MispRefused)
        log.warning("%s", error, extra=fields(What.MISP_UNREADABLE, misp=self._wish.misp.name))


def _narrowed(event: Event, wish: Wish) -> Event:
    """What a run is to take of an event."""
    if not wish.narrow:
        return event
    tags = frozenset(tag.lower() for tag in wish.tags)
    all_tagged = any(tag.name.lower() in tags for tag in event.tags)

    def wanted(attribute: Attribute) -> bool:
        if wish.types and attribute.type not in wish.types:
            return False
        return not tags or all_tagged or any(tag.name.lower() in tags for tag in attribute.tags)

    return narrowed(event, wanted)


def _moves(account: Account) -> bool:
    return any(
        destination.removed or any(item.outcome in _MOVES for item in destination.items)
        for destination in account.destinations
    )
