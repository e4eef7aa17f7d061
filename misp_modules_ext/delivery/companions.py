"""Objects of context follow their indicators: what a destination lacks of them is sent, what is too much taken back.

After the indicators, in requests of their own: nobody waits for them, and what is wrong with one is told and is no
fault of an indicator. Under the same lease and the same rate as everything that goes to that destination, but with a
pause of their own: what keeps them from being taken holds no indicator back.
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection

from misp_modules_ext.delivery.drain import BUSY, Drained, Place
from misp_modules_ext.delivery.sender import TROUBLE, Policy
from misp_modules_ext.destinations.interface import MAX_OBJECTS, Beside, HoldsObjects
from misp_modules_ext.destinations.limits import limiter_for
from misp_modules_ext.destinations.wire import to_seconds
from misp_modules_ext.errors import BatchRefused, DestinationError, LedgerError
from misp_modules_ext.ledger import companions, lease
from misp_modules_ext.ledger.companions import EARLIER, Companion
from misp_modules_ext.ledger.engine import now_ms
from misp_modules_ext.ledger.schema import SHARED
from misp_modules_ext.logs import Standing, What, fields, logger
from misp_modules_ext.model.outcome import Outcome

log = logger()
#: Where objects of context wait.
_told = Standing()

#: Indicators that are looked at at once.
PORTION = 500
#: When so many objects of one request are refused one by one and none passes, the cause is not theirs.
MANY = 8


class _Change(NamedTuple):
    """An object to send, or to take back.

    Attributes:
        document: what is sent.
        leaves: it is taken back.
        for_good: its indicator is gone, so that its id is never asked for again.
        held: the destination holds an earlier version.
        needs: objects that must be there before it.
    """

    companion: Companion
    document: Mapping[str, Any]
    leaves: bool = False
    for_good: bool = False
    held: bool = False
    needs: tuple[bytes, ...] = ()


class _Changes(NamedTuple):
    """What is to be done for a portion.

    Attributes:
        dropped: what was refused, so never there, and is not asked for any more: nothing is sent for it.
        refused: what belongs to none alone and was refused, and is not to be sent now.
    """

    shared: list[_Change]
    own: list[_Change]
    dropped: list[Companion]
    refused: set[bytes]


def follow(place: Place) -> Drained:
    """Bring a destination's objects of context in line with its indicators, if it has a place for such objects."""
    objects, ledger, store = place.destination, place.ledger, place.store
    if not isinstance(objects, HoldsObjects) or place.stopping.begun:
        return Drained()
    if not ledger.read(lambda connection: companions.may_go(connection, store)):
        return Drained()
    if ledger.read(lambda connection: lease.paused(connection, store.destination_id)) is not None:
        return Drained()
    taken = ledger.write(lambda c: lease.acquire(c, store.destination_id, place.holder, place.lease_ms))
    if taken is None:
        return BUSY
    try:
        return _Following(place, objects, taken).run()
    except lease.LeaseLostError:
        return BUSY
    finally:
        ledger.write(lambda connection: lease.release(connection, taken))


class _Stopped(Exception):
    """It ended while a request waited for its turn."""


class _Following:
    def __init__(self, place: Place, objects: HoldsObjects, taken: lease.Lease) -> None:
        self._place = place
        self._objects = objects
        self._lease = taken
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._error: Exception | None = None
        self._refused: set[bytes] = set()
        self._sent = 0

    def run(self) -> Drained:
        """Until all stand as they should, or the destination does not take them."""
        ledger, store = self._place.ledger, self._place.store
        ledger.write(lambda connection: companions.change_over(connection, store, self._lease))
        with self._place.stopping.telling(self._stopped.set):
            try:
                while not self._stopped.is_set() and self._portion():
                    pass
            except DestinationError as error:
                return self._pause(error)
        if _told.ends(_about(self._place)):
            what = fields(What.OBJECTS_RESUMED, destination=store.settings.name)
            log.info("[%s] Objects of context go again.", store.settings.name, extra=what)
        if self._sent:
            name = store.settings.name
            what = fields(What.OBJECTS_SENT, destination=name, count=self._sent)
            log.info("[%s] %d objects of context were sent.", name, self._sent, extra=what)
        return Drained(sent=self._sent)

    def _portion(self) -> bool:
        """Bring some in line; whether there may be more."""
        ledger, store = self._place.ledger, self._place.store
        numbers = ledger.read(lambda connection: companions.due(connection, store, PORTION))
        if not numbers:
            return False
        changes = ledger.read(lambda connection: self._changes(connection, numbers))
        self._refused = changes.refused
        self._drop(changes.dropped)
        self._send(changes.shared)
        self._send([change for change in changes.own if not self._refused.intersection(change.needs)])
        if self._stopped.is_set():
            return False
        ledger.write(lambda connection: companions.done(connection, store, self._lease, numbers))
        return True

    def _changes(self, connection: Connection, numbers: Sequence[int]) -> _Changes:
        """What is missing, says something else, or is too much."""
        place = self._place
        stands = companions.standing(connection, place.store, numbers, place.base_url)
        there = {one.object: one for one in companions.beside(connection, place.store, numbers)}
        clock = now_ms(connection)
        wanted: dict[bytes, Companion] = {}
        shared: list[_Change] = []
        own: list[_Change] = []
        for number, due in stands.there.items():
            for beside in self._objects.beside(due):
                name = _uuid(beside.stix_id)
                if name in wanted:
                    continue
                known = there.get(name)
                generation = 0 if known is None else known.generation
                document = self._objects.again(beside.document, generation)
                holder = SHARED if beside.shared else number
                one = wanted[name] = Companion(name, holder, orjson.dumps(document), generation=generation)
                change = _change(beside, document, one, known)
                if change is not None:
                    (shared if beside.shared else own).append(change)
        gone = set(stands.gone)
        settled = gone | stands.there.keys()
        dropped: list[Companion] = []
        for name, one in there.items():
            if one.observable_id not in settled or name in wanted or one.document is None:
                continue
            if one.held:
                own.append(self._leaving(one, one.document, clock, for_good=one.observable_id in gone))
            else:
                dropped.append(one)
        refused = {name for name, one in there.items() if one.refusal and one.observable_id == SHARED}
        return _Changes(shared, own, dropped, refused - {change.companion.object for change in shared})

    def _drop(self, dropped: Sequence[Companion]) -> None:
        """Forget what never was there, but not how often an earlier one was taken back."""
        if not dropped:
            return
        kept = [one._replace(document=None, refusal="") for one in dropped if one.generation]
        gone = [one.object for one in dropped if not one.generation]

        def write(connection: Connection) -> None:
            companions.keep(connection, self._place.store, self._lease, kept)
            companions.forget(connection, self._place.store, self._lease, gone)

        self._place.ledger.write(write)

    def _leaving(self, one: Companion, held: bytes, clock: int, *, for_good: bool) -> _Change:
        document = orjson.loads(held)
        # Later than the version that is there, whose fractions of a second are cut off here.
        modified = max(clock, ((to_seconds(document.get("modified")) or 0) + 1) * 1000)
        return _Change(one, self._objects.taken_back(document, modified), leaves=True, for_good=for_good)

    def _send(self, changes: Sequence[_Change]) -> None:
        """Send in parallel requests.

        Raises:
            DestinationError: the first error that is not an object's own.
        """
        chunks = deque(changes[start : start + MAX_OBJECTS] for start in range(0, len(changes), MAX_OBJECTS))
        count = min(self._place.destination.in_flight, len(chunks))
        workers = [threading.Thread(target=self._work, args=(chunks,), daemon=True) for _ in range(count)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if self._error is not None:
            raise self._error

    def _work(self, chunks: deque[Sequence[_Change]]) -> None:
        done = False
        try:
            while chunks and not self._stopped.is_set():
                try:
                    chunk = chunks.popleft()
                except IndexError:
                    break
                self._record(chunk, self._refusals(chunk))
            done = True
        except _Stopped:
            return
        except (DestinationError, LedgerError) as error:
            with self._lock:
                self._error = self._error or error
        finally:
            if not done:
                # Whatever ended it: not all of these were sent, so they are to be looked at again.
                self._stopped.set()

    def _refusals(self, chunk: Sequence[_Change]) -> list[str]:
        """Send a chunk; for each of it why it was refused, `""` when it was taken."""
        try:
            return self._request(chunk)
        except BatchRefused as error:
            if len(chunk) == 1:
                return [str(error)]
            middle = len(chunk) // 2
            found = self._refusals(chunk[:middle]) + self._refusals(chunk[middle:])
            if len(chunk) >= MANY and all(found):
                raise
            return found

    def _request(self, chunk: Sequence[_Change]) -> list[str]:
        place = self._place
        limit = place.destination.limit
        if limit is not None and not limiter_for(place.store.settings, limit).acquire(None, self._stopped):
            raise _Stopped
        place.ledger.write(lambda connection: lease.renew(connection, self._lease))
        timeout = (place.policy or Policy()).request_timeout
        results = self._objects.put([change.document for change in chunk], timeout)
        return ["" if result.outcome is Outcome.ACCEPTED else result.message or "refused" for result in results]

    def _record(self, chunk: Sequence[_Change], refusals: Sequence[str]) -> None:
        answered = list(zip(chunk, refusals, strict=True))
        # What could not be taken back is there still, as it was.
        kept = [c.companion.refused(why, held=c.held) if why else c.companion for c, why in answered if not c.leaves]
        left = [c for c, why in answered if c.leaves and not why]
        gone = [c.companion.object for c in left if c.for_good]
        kept += [_taken_back(c.companion) for c in left if not c.for_good]

        def write(connection: Connection) -> None:
            companions.keep(connection, self._place.store, self._lease, kept)
            companions.forget(connection, self._place.store, self._lease, gone)
            companions.resume(connection, self._place.store)

        self._place.ledger.write(write)
        with self._lock:
            self._sent += refusals.count("")
            self._refused |= {c.companion.object for c, why in answered if why}
        for change, why in answered:
            if why:
                name, told = self._place.store.settings.name, change.document["id"]
                what = fields(What.OBJECT_REFUSED, destination=name, object=told)
                log.warning("[%s] The object %s was refused: %s", name, told, why, extra=what)

    def _pause(self, error: DestinationError) -> Drained:
        ledger = self._place.ledger
        state, reason = TROUBLE[type(error)]
        after: float | None = getattr(error, "retry_after", None)
        store = self._place.store
        ledger.write(lambda connection: companions.pause(connection, store, self._lease, str(error), after))
        if _told.begins(_about(self._place), (state, reason)):
            what = fields(What.OBJECTS_PAUSED, destination=store.settings.name, state=state.value, reason=reason.code)
            log.warning("[%s] Objects of context wait: %s", store.settings.name, error, extra=what)
        return Drained(state, reason, str(error), self._sent)


def _about(place: Place) -> tuple[str, int]:
    return place.ledger.where, place.store.destination_id


def _taken_back(one: Companion) -> Companion:
    return one._replace(document=None, refusal="", generation=one.generation + 1)


def _change(beside: Beside, document: Mapping[str, Any], one: Companion, known: Companion | None) -> _Change | None:
    """What is to be sent of an object that should be there; `None` when it is, or was refused as it is.

    What belongs to none alone stays as it was when it was first named: a technique has one name in each version of
    ATT&CK, and would change with each event.
    """
    held = known is not None and known.held
    change = _Change(one, document, held=held, needs=tuple(map(_uuid, beside.needs)))
    if known is None or known.document is None or known.refusal == EARLIER:
        return change
    if beside.shared and not known.refusal:
        return None
    return None if _same(orjson.loads(known.document), document) else change


def _same(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether two objects differ in nothing but the time of their version."""
    names = before.keys() | now.keys()
    return all(before.get(name) == now.get(name) for name in names if name != "modified")


def _uuid(stix_id: str) -> bytes:
    return uuid.UUID(stix_id.rpartition("--")[2]).bytes
