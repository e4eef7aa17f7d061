"""Draining one destination: from rows that are due to outcomes in the ledger, under a lease.

Doors, the embedded drain and `misp-microsoft worker` all drain alike; whoever has the lease sends, the others wait.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection

from misp_modules_ext.config.settings import Api, DestinationSettings
from misp_modules_ext.delivery.journal import LedgerJournal, number_of
from misp_modules_ext.delivery.sender import TROUBLE, Delivered, Policy, Sender, Troubled
from misp_modules_ext.delivery.slots import EvictionJournal, Slots
from misp_modules_ext.delivery.stopping import Stopping
from misp_modules_ext.delivery.telling import tell
from misp_modules_ext.destinations.interface import Destination
from misp_modules_ext.destinations.limits import limiter_for
from misp_modules_ext.errors import DestinationError, LedgerError
from misp_modules_ext.ledger import brakes, evictions, flight, holdings, holds, lease, manner, schema
from misp_modules_ext.ledger.bulk import chunks
from misp_modules_ext.ledger.content import Stored
from misp_modules_ext.ledger.engine import now_ms
from misp_modules_ext.ledger.farewells import farewells
from misp_modules_ext.ledger.holdings import WITHDRAWING, Holding
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.ledger.ledger import Ledger
from misp_modules_ext.ledger.placing import Ready, damped
from misp_modules_ext.ledger.refreshing import refresh
from misp_modules_ext.ledger.stores import Store
from misp_modules_ext.logs import What, fields, logger
from misp_modules_ext.model.indicator import Due, Indicator, Stamp
from misp_modules_ext.model.outcome import Outcome, Reason, State

log = logger()

#: Rows that are taken up at once.
PORTION = 2_000
#: Rows that are prepared at once where their content is at hand; five minutes' worth would only take memory.
AT_HAND = 10_000
#: Of those who drain until nothing is due.
NEVER = Stopping()


@dataclass(frozen=True, slots=True)
class Drained:
    """How a destination did.

    Attributes:
        message: a sentence, `""` when all is well.
        sent: how many rows got an answer, or needed none.
    """

    state: State = State.OK
    reason: Reason = Reason.NOT_IN_TIME
    message: str = ""
    sent: int = 0


#: Another has the lease.
BUSY = Drained(message="Another process sends to this destination at this moment.")


@dataclass(frozen=True, slots=True)
class Work:
    """What may be sent now.

    Attributes:
        adding: content digests by observable id, and the dues.
        leaving: the dues of what is to be withdrawn.
        returning: those of them that are wanted again.
        outdated: rows whose stored evidence says otherwise than their digest.
        alike: rows whose newer content would look as what is there does: nothing is sent for them.
    """

    adding: dict[int, bytes] = field(default_factory=dict)
    dues: list[Due] = field(default_factory=list)
    leaving: list[Due] = field(default_factory=list)
    returning: set[int] = field(default_factory=set)
    outdated: set[int] = field(default_factory=set)
    alike: dict[int, flight.Alike] = field(default_factory=dict)

    def also(self, more: Work) -> None:
        """Add what else may be sent."""
        self.adding.update(more.adding)
        self.dues.extend(more.dues)
        self.leaving.extend(more.leaving)
        self.alike.update(more.alike)


class Place(NamedTuple):
    """A destination with everything that draining it needs.

    Attributes:
        holder: who drains, for people.
        base_url: address of MISP for links.
        lease_ms: how long a lease lasts without being renewed.
        neighbours: other destinations that share its slots.
        stopping: when it begins, what is under way is finished and nothing else begins.
        troubled: see `Sender`.
    """

    ledger: Ledger
    store: Store
    destination: Destination
    holder: str
    base_url: str = ""
    policy: Policy | None = None
    lease_ms: int = lease.LEASE_MS
    neighbours: tuple[DestinationSettings, ...] = ()
    stopping: Stopping = NEVER
    troubled: Troubled = lambda _: None


def drain(
    place: Place, first: Mapping[int, Ready] | None = None, withdrawing: Collection[int] = (), *, patient: bool = True
) -> Drained:
    """Send what is due until nothing is, or the destination does not take it.

    Args:
        place: the destination.
        first: only these, which are at hand (and `withdrawing`), instead of whatever is due.
        withdrawing: only these are withdrawn, beside `first`.
        patient: respect a pause; else only one that Microsoft asked for.
    """
    if place.stopping.begun:
        return Drained()
    drained = _drain(place, first, withdrawing, patient=patient)
    tell(place.ledger, place.store, drained.state, drained.reason, drained.message)
    return drained


def _drain(place: Place, first: Mapping[int, Ready] | None, withdrawing: Collection[int], *, patient: bool) -> Drained:
    ledger, store = place.ledger, place.store
    pause = ledger.read(lambda connection: lease.paused(connection, store.destination_id))
    if pause is not None and (patient or pause.asked or pause.reason is Reason.THROTTLED):
        return _paused(pause)
    taken, since_ms = ledger.write(lambda connection: _take(connection, place))
    if taken is None:
        return BUSY
    try:
        return _Draining(place, taken, since_ms).run(first, withdrawing)
    except lease.LeaseLostError:
        return BUSY
    finally:
        _give_back(ledger, taken)


def _take(connection: Connection, place: Place) -> tuple[lease.Lease | None, int]:
    """The lease, and since when the destination sends in today's manner: what goes from now on goes in it."""
    since_ms = manner.since_ms(connection, place.store)
    return lease.acquire(connection, place.store.destination_id, place.holder, place.lease_ms), since_ms


def _give_back(ledger: Ledger, taken: lease.Lease) -> None:
    try:
        ledger.write(lambda connection: lease.release(connection, taken))
    except LedgerError as error:
        log.warning("%s It ends by itself.", error, extra=fields(What.LEASE_LEFT))


def _paused(pause: lease.Pause) -> Drained:
    state = {
        Reason.THROTTLED: State.THROTTLED,
        Reason.UNREACHABLE: State.UNREACHABLE,
        Reason.CREDENTIALS_REFUSED: State.REFUSED,
        Reason.PERMISSION_REFUSED: State.REFUSED,
        Reason.NOT_FOUND: State.MISCONFIGURED,
        Reason.RETIRED: State.RETIRED,
    }
    reason = pause.reason or Reason.PAUSED
    return Drained(state.get(reason, State.PAUSED), reason, pause.message)


class _Draining:
    def __init__(self, place: Place, taken: lease.Lease, since_ms: int) -> None:
        self._place = place
        self._lease = taken
        self._since_ms = since_ms
        self._slots = Slots(place, taken) if place.store.settings.api is Api.DEFENDER else None
        self._sent = 0

    def run(self, first: Mapping[int, Ready] | None, withdrawing: Collection[int]) -> Drained:
        if first is not None:
            return self._only(first, withdrawing)
        ledger, store = self._place.ledger, self._place.store
        ledger.write(lambda connection: holdings.expire(connection, store, now_ms(connection)))
        while True:
            due = ledger.read(lambda connection: flight.due_rows(connection, store, now_ms(connection), PORTION))
            if not due or self._place.stopping.begun:
                return Drained(sent=self._sent)
            before = self._sent
            drained = self._once([row.observable_id for row in due], {})
            if drained.state is not State.OK or drained.message:
                return drained
            if self._sent == before and not self._moved(due):
                # Whatever the cause, it is not to be a loop without a pause.
                return drained

    def _only(self, first: Mapping[int, Ready], withdrawing: Collection[int]) -> Drained:
        numbers = [*withdrawing, *first]
        if self._slots is not None:
            # Which of them find a slot is decided between all of them.
            return self._once(numbers, first)
        drained = Drained()
        for portion in chunks(numbers, AT_HAND):
            drained = self._once(portion, first)
            if drained.state is not State.OK or drained.message or self._place.stopping.begun:
                break
        return drained

    def _moved(self, due: Sequence[flight.DueRow]) -> bool:
        """Whether the head of what is due is another one now."""
        ledger, store = self._place.ledger, self._place.store
        return due != ledger.read(lambda connection: flight.due_rows(connection, store, now_ms(connection), PORTION))

    def _once(self, numbers: Collection[int], at_hand: Mapping[int, Ready]) -> Drained:
        work = self._place.ledger.read(lambda connection: self._prepare(connection, numbers, at_hand))
        if work.outdated:
            store, base_url = self._place.store, self._place.base_url
            self._place.ledger.write(lambda connection: refresh(connection, work.outdated, [store], base_url))
            self._add(work, work.outdated, {})
        if work.alike:
            self._sent += self._place.ledger.write(
                lambda c: flight.settle_alike(c, self._place.store, self._lease, work.alike)
            )
        drained = Drained(sent=self._sent)
        if work.leaving:
            drained = self._send(work.leaving, dict.fromkeys(map(number_of, work.leaving), WITHDRAWING), leaving=True)
            self._place.ledger.write(lambda connection: holds.mark(connection, self._place.store))
        if work.returning:
            self._add(work, work.returning, at_hand)
        if self._slots is not None and drained.state is State.OK:
            drained = self._within_slots(self._slots, work)
        if work.dues and drained.state is State.OK:
            drained = self._send(work.dues, work.adding, leaving=False)
        return drained

    def _add(self, work: Work, numbers: Collection[int], at_hand: Mapping[int, Ready]) -> None:
        """Add what is to be sent of these now."""
        work.also(self._place.ledger.read(lambda connection: self._prepare(connection, numbers, at_hand)))

    def _within_slots(self, slots: Slots, work: Work) -> Drained:
        """Finish evictions that were interrupted, leave out what finds no slot, and evict for the rest."""
        drained = self._evict()
        if drained.state is not State.OK:
            return drained
        try:
            left = slots.left_out(work.adding)
        except DestinationError as error:
            state, reason = TROUBLE[type(error)]
            after: float | None = getattr(error, "retry_after", None)
            self._pause(Delivered({}, state, reason, str(error), after), [])
            return Drained(state, reason, str(error), self._sent)
        if left:
            work.dues[:] = [due for due in work.dues if number_of(due) not in left]
        return self._evict()

    def _evict(self) -> Drained:
        store = self._place.store
        dues = self._place.ledger.read(lambda c: self._farewells(c, evictions.under_way(c, store)))
        return self._send(dues, {}, leaving=True, evicting=True) if dues else Drained(sent=self._sent)

    def _farewells(self, connection: Connection, numbers: Collection[int]) -> list[Due]:
        rows = holdings.read(connection, self._place.store, numbers)
        said = farewells(connection, self._place.store, rows, self._place.base_url)
        return [self._due(said[number], row) for number, row in rows.items()]

    def _prepare(self, connection: Connection, numbers: Collection[int], at_hand: Mapping[int, Ready]) -> Work:
        """Find the content of rows that are due: at hand, or from the evidence."""
        store = self._place.store
        rows = holdings.read(connection, store, numbers)
        sendable = (schema.DUE, schema.SKIPPED)
        due = {n: rows[n] for n in numbers if n in rows and rows[n].state in sendable}
        due = {n: row for n, row in due.items() if not evictions.is_evicted(row)}
        stored = Stored(connection, [n for n in due if n not in at_hand], self._place.base_url)
        content = stored.content(store)
        going = {n: row for n, row in due.items() if flight.leaves(row) and row.maybe_there}
        said = farewells(connection, store, going, self._place.base_url)
        now = now_ms(connection) // 1000
        work = Work()
        for number, row in due.items():
            ready = at_hand.get(number)
            if flight.leaves(row):
                if row.due_hash is not None:
                    work.returning.add(number)
                if number in said:
                    work.leaving.append(self._due(said[number], row))
                continue
            if ready is None and number in content:
                indicator = content[number].indicator
                ready = Ready(indicator, indicator.content_hash())
                if row.valid_until is not None and row.valid_until > now:
                    ready = Ready(*damped(*ready, row.valid_until, store.rules))
            if ready is None or ready.digest != row.due_hash or ready.indicator.valid_until <= now:
                work.outdated.add(number)
            elif (shown := self._shown_again(ready.indicator, row)) is not None:
                work.alike[number] = flight.Alike(ready.digest, shown)
            else:
                work.adding[number] = ready.digest
                work.dues.append(self._due(ready.indicator, row))
        return work

    def _shown_again(self, indicator: Indicator, row: Holding) -> bytes | None:
        """The digest of what the destination would show of an indicator, if that is what it shows already."""
        if row.shown_hash is None or not row.maybe_there:
            return None
        shown = self._place.destination.digest(indicator)
        return shown if row.shows(shown) else None

    def _send(self, dues: list[Due], digests: dict[int, bytes], *, leaving: bool, evicting: bool = False) -> Drained:
        place = self._place
        live = place.ledger.read(lambda c: brakes.live_count(c, place.store)) if leaving else None
        book = EvictionJournal if evicting else LedgerJournal
        journal = book(
            place.ledger, place.store, self._lease, digests, place.destination.digest, live=live, withdrawing=leaving
        )
        limiter = limiter_for(place.store.settings, place.destination.limit) if place.destination.limit else None
        sender = Sender(
            place.destination,
            limiter,
            None,
            place.policy,
            journal,
            withdrawing=leaving,
            troubled=place.troubled,
        )
        with place.stopping.telling(sender.stop):
            sender.start(dues)
            delivered = sender.wait()
        self._sent += sender.answered
        self._note(delivered, sender, leaving=leaving)
        return Drained(delivered.state, delivered.reason, delivered.message, self._sent)

    def _note(self, delivered: Delivered, sender: Sender, *, leaving: bool) -> None:
        ledger, store = self._place.ledger, self._place.store
        if self._slots is not None and any(r.reason is Reason.CAPACITY for r in delivered.results.values()):
            self._slots.forget()
        if delivered.state is State.OK:
            if any(result.outcome is Outcome.ACCEPTED for result in delivered.results.values()):
                ledger.write(lambda connection: lease.resume(connection, store.destination_id))
            return
        self._pause(
            delivered, [] if leaving else [observable_id(observable) for observable in sender.wrongly_rejected()]
        )

    def _pause(self, delivered: Delivered, wrongly: Collection[int]) -> None:
        """Pause the destination; what was wrongly rejected is due again."""
        ledger, store = self._place.ledger, self._place.store

        def pause(connection: Connection) -> None:
            if wrongly:
                flight.take_back_rejections(connection, store, self._lease, wrongly)
            lease.pause(connection, self._lease, delivered.reason, delivered.message, delivered.retry_after)

        ledger.write(pause)

    def _due(self, indicator: Indicator, row: Holding) -> Due:
        """A due as far as it is known before its request begins."""
        stamp = Stamp(indicator.observable.stix_id(row.generation), row.created_ms or 0, row.modified_ms or 0)
        another_manner = (
            self._place.store.settings.actions.acts
            or (row.modified_ms or 0) < self._since_ms
            or row.sent_hash == holdings.CHANGED
        )
        return Due(
            indicator,
            stamp,
            row.remote_id or "",
            row.flight_hash is not None,
            rewritten=row.maybe_there and another_manner,
        )
