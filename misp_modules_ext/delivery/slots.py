"""Defender's slots: who may be sent when there are fewer of them than indicators (DESIGN.md 8).

A tenant holds 15,000 entries, which everybody shares. The ledger knows ours, Microsoft's list says how many others
hold. All newcomers of a destination are placed at once, by the classes that the ledger keeps, so that it does not
matter in which portions they are sent.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection, select

from misp_modules_ext.config.settings import Api, DestinationSettings, Settings
from misp_modules_ext.delivery.journal import LedgerJournal, answer_of, number_of
from misp_modules_ext.delivery.sender import Policy
from misp_modules_ext.destinations.defender_slots import Places, Rank, Ranked, place, room
from misp_modules_ext.destinations.interface import Entry, ItemResult
from misp_modules_ext.errors import Throttled, Unavailable
from misp_modules_ext.ledger import evictions, schema
from misp_modules_ext.ledger.evictions import Crowd, Known
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.ledger.lease import Lease, renew
from misp_modules_ext.ledger.stores import key_of
from misp_modules_ext.model.indicator import Due, Severity

if TYPE_CHECKING:
    from misp_modules_ext.delivery.drain import Place

#: Others' entries are counted anew after so many seconds, and whenever fewer slots than these would be left.
MEMORY = 600.0
PLENTY = 500
#: Grades from here on are those of blocking actions (`ledger.placing.grade`).
BLOCKING = 100


class _Counted(NamedTuple):
    """How many entries others hold, and when that was."""

    others: int
    at: float


_counted: dict[tuple[str, bytes], _Counted] = {}
_lock = threading.Lock()


def neighbours(settings: Settings, mine: DestinationSettings) -> tuple[DestinationSettings, ...]:
    """The other destinations of a configuration that share a destination's slots."""
    if mine.api is not Api.DEFENDER:
        return ()
    same = (d for d in settings.destinations if d.api is Api.DEFENDER and d.tenant_id.lower() == mine.tenant_id.lower())
    return tuple(d for d in same if d.store != mine.store)


def rank_of(grade: int) -> Rank:
    """The class behind a row's grade."""
    blocking, rest = divmod(grade, BLOCKING)
    return Rank(blocking > 0, Severity(rest // 10), rest % 10)


class Slots:
    """The slots of one destination, while it is drained.

    Args:
        place: the destination, at Defender.
        lease: under which it is drained.
    """

    def __init__(self, place: Place, lease: Lease) -> None:
        self._place = place
        self._lease = lease
        self._key = (place.ledger.identity, key_of(place.store.settings))

    def left_out(self, numbers: Collection[int]) -> set[int]:
        """Place all newcomers; write down those that find no slot, and those that have to give theirs away.

        Args:
            numbers: ids of observables that are about to be sent.

        Returns:
            Those of them that may not be sent.

        Raises:
            DestinationError: Microsoft's list could not be read to its end.
            LeaseLostError: another drains this destination now.
        """
        ledger, store = self._place.ledger, self._place.store
        crowd = ledger.read(lambda connection: evictions.crowd(connection, store))
        if crowd.newcomers.keys().isdisjoint(numbers):
            return set()
        known = ledger.read(self._known)
        if self._plenty(crowd, known):
            return set()
        entries = entries_of(self._place, self._lease)
        others = _others(entries, known)
        with _lock:
            _counted[self._key] = _Counted(others, time.monotonic())
        taken = {observable_id(entry.observable) for entry in entries if entry.observable is not None}
        places = self._placed(crowd, known, entries, taken)
        if not places.evicted and not places.left_out:
            return set()
        ours = len(known.numbers)
        why = f"Defender's slots are full: {ours} of ours and {others} of others, none of a lower class."
        return ledger.write(lambda connection: self._write(connection, places, why)).intersection(numbers)

    def forget(self) -> None:
        """Microsoft has no room where we counted some: count anew the next time."""
        with _lock:
            _counted.pop(self._key, None)

    def _known(self, connection: Connection) -> Known:
        """What the ledger has put into this tenant, through whichever of its destinations."""
        keys = [key_of(settings) for settings in self._place.neighbours]
        table = schema.destination
        found = connection.execute(select(table.c.destination_id).where(table.c.store.in_(keys))).scalars()
        return evictions.known(connection, {self._place.store.destination_id, *found})

    def _plenty(self, crowd: Crowd, known: Known) -> bool:
        """Whether there are slots for all newcomers beyond doubt, as far as is remembered."""
        with _lock:
            counted = _counted.get(self._key)
        if counted is None or time.monotonic() - counted.at > MEMORY:
            return False
        slots = room(_EMPTY * counted.others, self._place.store.settings.max_indicators)
        return slots - len(known.numbers) - len(crowd.newcomers) >= PLENTY

    def _placed(self, crowd: Crowd, known: Known, entries: Sequence[Entry], taken: set[int]) -> Places:
        marked = [entry._replace(ours=_is_known(entry, known)) for entry in entries]
        slots = room(marked, self._place.store.settings.max_indicators)
        elsewhere = len(known.numbers) - len(crowd.live)
        # Whoever holds a value already, the survey says what becomes of a newcomer with it: it takes no new slot.
        newcomers = {number: grade for number, grade in crowd.newcomers.items() if number not in taken}
        return place(_ranked(crowd.live), _ranked(newcomers), max(0, slots - elsewhere))

    def _write(self, connection: Connection, places: Places, why: str) -> set[int]:
        """Write it down; who may not be sent: no place for them, or one that they have to give away."""
        store = self._place.store
        most = evictions.budget(connection, store)
        evicted = [int(name) for name in places.evicted[:most]]
        # The last of those that fit do so in place of the evicted.
        stay = len(places.fit) - (len(places.evicted) - len(evicted))
        left = {int(name) for name in (*places.fit[stay:], *places.left_out)}
        evictions.place(connection, store, self._lease, evicted, left, why)
        # What is evicted may have newer content that is due: sent now, it would take its slot again.
        return left.union(evicted)


#: Stands for an entry of somebody else.
_EMPTY = [Entry("", "", None, False, None, False, {})]


def _ranked(grades: dict[int, int]) -> list[Ranked]:
    # Names of one length, so that their order is that of the numbers.
    return [Ranked(f"{number:020d}", rank_of(grade)) for number, grade in grades.items()]


def _is_known(entry: Entry, known: Known) -> bool:
    """Whether this ledger has put an entry there: by Microsoft's id, or by our name where it does not know the id."""
    if entry.remote_id in known.remote_ids:
        return True
    return entry.ours and entry.observable is not None and observable_id(entry.observable) in known.numbers


def _others(entries: Sequence[Entry], known: Known) -> int:
    return sum(not _is_known(entry, known) for entry in entries)


def entries_of(place: Place, held: Lease | None = None, patience: float | None = None) -> list[Entry]:
    """Microsoft's whole list, asked for again after errors that pass by themselves.

    Args:
        place: the destination.
        held: a lease that must outlast each request.
        patience: seconds for one reading of the list; else as long as a request may take.

    Raises:
        DestinationError: as `Destination.entries`, after the last attempt.
        LeaseLostError: the lease has gone to another.
    """
    policy = place.policy or Policy()
    for attempt in range(1, policy.attempts + 1):
        if held is not None:
            _outlast(place, held)
        try:
            return place.destination.entries(patience or policy.request_timeout)
        except (Throttled, Unavailable) as error:
            wait = max(error.retry_after or 0.0, policy.first_wait * 2 ** (attempt - 1))
            if attempt == policy.attempts or wait > policy.longest_wait:
                raise
        time.sleep(wait)
    raise AssertionError("a policy allows at least one attempt")


def _outlast(place: Place, held: Lease) -> None:
    place.ledger.write(lambda connection: renew(connection, held))


class EvictionJournal(LedgerJournal):
    """Keeps book of the requests that take evicted indicators away."""

    def begin(self, batch: Sequence[Due]) -> list[Due]:
        """Mark the rows; the dues, without those that may stay after all."""
        numbers = [number_of(due) for due in batch]
        begun = self._ledger.write(lambda c: evictions.begin(c, self._store, self._lease, numbers))
        by_number = {row.observable_id: row for row in begun}
        going = [(due, by_number[number]) for due, number in zip(batch, numbers, strict=True) if number in by_number]
        return [due._replace(remote_id=row.remote_id, unanswered=row.unanswered) for due, row in going]

    def record(self, batch: Sequence[Due], results: Sequence[ItemResult]) -> None:
        """Write whose slots are free."""
        answers = [answer_of(due, result) for due, result in zip(batch, results, strict=True)]
        self._ledger.write(lambda c: evictions.record(c, self._store, self._lease, answers))
