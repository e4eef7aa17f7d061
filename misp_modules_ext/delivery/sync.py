"""`sync`: what was published in a MISP since the last run that ended well, whole event by whole event.

Each event is read with the section's key, judged and taken as any reading of our own; what it takes away is withdrawn.
Memory is that of one event. Whatever interrupts a run, nothing is withdrawn because of it, and the next run goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from misp_modules_ext.config.settings import DAY, MispSettings, Settings
from misp_modules_ext.delivery.places import base_url_of, holder
from misp_modules_ext.delivery.submit import Order, choose, submit
from misp_modules_ext.destinations import create
from misp_modules_ext.errors import EventNotFound, LedgerError, MispError, MispRefused
from misp_modules_ext.ledger import Ledger, Origin, event_missing, open_ledger, register, submissions, syncs
from misp_modules_ext.misp.client import MispClient
from misp_modules_ext.model.account import Account
from misp_modules_ext.model.misp import Event
from misp_modules_ext.model.outcome import Outcome
from misp_modules_ext.planning import RuleSet, make_bare_plan

log = logging.getLogger("misp_modules_ext")

#: Seconds that the first run looks back.
FIRST = DAY
#: Seconds that every run looks back further than where the last one began: clocks differ, and MISP notes the time of a
#: publication before others can see it.
OVERLAP = 3600
#: A run gives up when so many events in a row cannot be read.
MOST_FAILURES = 3
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
        narrow: the rules of the destinations are narrower than those of the configuration.
        destinations: names; empty for all.
        preview: take and send nothing.
    """

    misp: MispSettings
    since: int | None = None
    full: bool = False
    only: Mapping[str, str] = field(default_factory=dict)
    narrow: bool = False
    destinations: tuple[str, ...] = ()
    preview: bool = False


@dataclass(slots=True)
class Synced:
    """What a run did.

    Attributes:
        busy: another run reads this MISP, so this one did nothing.
        since: where it began to read, seconds since 1970 UTC.
        listed: events that were to be read.
        read: events that were read.
        before: events that an interrupted run had read already.
        changed: UUIDs of the submissions of those events of which anything is to be sent.
        missing: UUIDs of events that MISP does not show.
        failures: a sentence for each event, or list, that could not be read.
        refused: MISP does not take the key.
    """

    busy: syncs.Busy | None = None
    since: int = 0
    listed: int = 0
    read: int = 0
    before: int = 0
    changed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    refused: bool = False

    @property
    def whole(self) -> bool:
        """Whether all of it is in the ledger."""
        return self.busy is None and not self.failures


#: Called for each event with its account, if anything of it concerns anybody; whether something is to be sent; how many
#: of how many events are done.
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
    run = _Run(settings, wish, ledger, client, turn, told)
    whole = False
    try:
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
        self._known = ledger.read(lambda connection: syncs.known(connection, wish.misp.address))
        self.synced = Synced(since=self._since())

    def _since(self) -> int:
        turn, wish = self._turn, self._wish
        if wish.since is not None:
            return wish.since
        if turn.since is not None:
            return turn.since
        if turn.checkpoint is not None:
            return turn.checkpoint - OVERLAP
        return turn.began_ms // 1000 - FIRST

    def go(self) -> bool:
        """Do it; whether the next run may begin where this one began."""
        synced = self.synced
        self._keep_turn()
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
            self._keep_turn()
        return synced.whole and self._covers() and not self._wish.preview

    def _covers(self) -> bool:
        """Whether nothing that was published since the last run that ended well was left out."""
        wish, turn = self._wish, self._turn
        reaches = turn.checkpoint is None or self.synced.since <= turn.checkpoint
        return reaches and not wish.only and not wish.narrow and not wish.destinations

    def _keep_turn(self) -> None:
        """Be heard of.

        Raises:
            LedgerError: another run has the turn.
        """
        # A run that covers less than what is to be read leaves no trace for the next one to go on with.
        since = self.synced.since if self._covers() else None
        if not self._ledger.write(lambda connection: syncs.goes_on(connection, self._turn, since)):
            raise LedgerError("Another run of sync reads this MISP now. Nothing is lost: what was read is kept.")

    def _list(self) -> list[str]:
        listed = dict.fromkeys(self._client.published_since(self.synced.since, self._wish.only))
        if self._wish.full:
            listed |= dict.fromkeys(self._known)
        return list(listed)

    def _unread(self, listed: Sequence[str]) -> Iterator[str]:
        """Those that no interrupted run has read since the first attempt."""
        for uuid in listed:
            known = self._known.get(uuid)
            if known is not None and known.read_ms is not None and known.read_ms >= self._turn.began_ms:
                self.synced.before += 1
            else:
                yield uuid

    def _read(self, uuid: str) -> bool:
        """Read and take one event; whether MISP answered."""
        try:
            event = replace(self._client.read_event_at_once(uuid), misp=self._wish.misp.address)
        except EventNotFound:
            self._missing(uuid)
            return True
        except MispError as error:
            self._failed(error)
            return False
        self.synced.read += 1
        account = self._take(event) if uuid in self._known or self._wanted(event) else None
        moves = account is not None and account.submission in self.synced.changed[-1:]
        self._told(account, moves, self.synced.read + self.synced.before, self.synced.listed)
        return True

    def _wanted(self, event: Event) -> bool:
        """Whether anything of it goes anywhere; of most events of a large community nothing does."""
        rules = dict.fromkeys(RuleSet.of(d) for d in choose(self._settings, self._wish.destinations))
        base_url = base_url_of(self._settings)
        return any(planned.parts for each in rules for planned in make_bare_plan([event], each, base_url).attributes)

    def _take(self, event: Event) -> Account:
        wish = self._wish
        order = Order("sync", wish.destinations, wish.preview, origin=Origin.OWN_READING, send_later=True)
        account = submit([event], self._settings, order)
        if _moves(account):
            self.synced.changed.append(account.submission)
        elif not wish.preview:
            self._ledger.write(lambda connection: submissions.drop(connection, account.submission))
        return account

    def _missing(self, uuid: str) -> None:
        """It was there a moment ago, or is known from earlier: its grace begins, or is over."""
        self.synced.missing.append(uuid)
        if uuid in self._known and not self._wish.preview:
            settings, misp = self._settings, self._wish.misp
            stores = self._ledger.write(
                lambda connection: register(connection, [(d, create(d).refuses) for d in settings.destinations])
            )
            base_url = base_url_of(settings)
            self._ledger.write(lambda connection: event_missing(connection, uuid, misp.address, stores, base_url))

    def _failed(self, error: MispError) -> None:
        self.synced.failures.append(str(error))
        self.synced.refused = isinstance(error, MispRefused)
        log.warning("%s", error)


def _moves(account: Account) -> bool:
    return any(
        destination.removed or any(item.outcome in _MOVES for item in destination.items)
        for destination in account.destinations
    )
