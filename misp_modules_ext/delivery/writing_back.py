"""Tags back to MISP: which events have something at Microsoft, in the background and without haste.

All events of the ledger are gone through again and again, soon after something was sent or read, else every minute.
Only where MISP's tags, as the ledger knows them, are not what they should be, MISP is asked to change them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping, Sequence
from functools import partial

from misp_modules_ext.config.settings import MispSettings, Settings
from misp_modules_ext.delivery.places import base_url_of, readable
from misp_modules_ext.delivery.stopping import Stopping
from misp_modules_ext.errors import EventNotFound, MispError, MispRefused, UsageError
from misp_modules_ext.ledger import Ledger, Store, schema, written_back
from misp_modules_ext.ledger.stores import configuration_of
from misp_modules_ext.ledger.written_back import Candidate
from misp_modules_ext.logs import Standing, What, fields, logger
from misp_modules_ext.misp.tagging import TaggingClient
from misp_modules_ext.misp.tags import SENT, sent_to

log = logger()

#: Seconds between two times that all events are gone through, when nothing has happened here.
PERIOD = 60.0
#: Events that are tagged in one round, and the seconds that it may take.
MOST = 50
PATIENCE = 30.0
#: Seconds for one answer of MISP's.
TIMEOUT = 10.0
#: Seconds that a MISP is left alone after a failure, doubled with each further one.
FIRST_WAIT = 2.0
LONGEST_WAIT = 900.0
#: Seconds.
FOR_A_WHILE = 600.0


class WriteBack:
    """Keeps our tags in MISP as they should be. For one thread at a time, but for `wake`.

    Args:
        stopping: when the process ends.
    """

    def __init__(self, stopping: Stopping) -> None:
        self._stopping = stopping
        self._woken = threading.Event()
        self._next = 0.0
        self._troubles = Standing()
        self._after = -1
        #: How often each MISP has failed in a row, and until when it is left alone.
        self._failures: dict[str, int] = {}
        self._until: dict[str, float] = {}
        #: By MISP, the event at which it failed: when it is asked again, those behind it come first.
        self._failed_at: dict[str, int] = {}
        #: For event and destination: what was said then, the value that was there, and `time.monotonic()` until which
        #: that is believed without anything that tells of a change.
        self._known: dict[tuple[int, int], tuple[object, int, float]] = {}
        #: By destination, those of these values that are still there, of the events that are gone through now.
        self._still: dict[int, set[int]] = {}

    def wake(self) -> None:
        """Something may have changed: go through all events soon."""
        self._woken.set()

    def go(self, ledger: Ledger, settings: Settings, stores: Sequence[Store]) -> None:
        """Go through the events, unless it is not time; ends early when it takes long, and goes on next time.

        Args:
            ledger: the ledger.
            settings: the configuration.
            stores: the destinations of this ledger's.

        Raises:
            LedgerError: the ledger cannot be read or written.
        """
        now = time.monotonic()
        if not settings.write_back.tags or (now < self._next and not self._woken.is_set()):
            return
        self._woken.clear()
        if self._through(ledger, settings, stores, now + PATIENCE):
            self._after = -1
            self._next = time.monotonic() + self._pause()
        else:
            self._woken.set()

    def _through(self, ledger: Ledger, settings: Settings, stores: Sequence[Store], end: float) -> bool:
        """Go on to the last event; whether it was reached."""
        left = MOST
        while misps := self._willing(readable(settings)):
            found = ledger.read(partial(written_back.page, misps=misps, after=self._after))
            self._look_at_known(ledger, stores, found)
            for candidate in found:
                if self._stopping.begun or left <= 0 or time.monotonic() >= end:
                    return False
                # Also when it fails: the next one is not to wait for it.
                self._after = candidate.event_id
                if self._has_its_turn(candidate, misps):
                    left -= self._one(ledger, settings, stores, candidate, misps[candidate.misp])
            if len(found) < written_back.PAGE:
                break
        # Where nothing has just failed, all events have had their turn.
        now = time.monotonic()
        self._failed_at = {name: at for name, at in self._failed_at.items() if self._until.get(name, 0.0) > now}
        return True

    def _look_at_known(self, ledger: Ledger, stores: Sequence[Store], page: Sequence[Candidate]) -> None:
        """See which values that were there are still there: of most events nothing else is to be known."""
        for store in stores:
            keys = ((candidate.event_id, store.destination_id) for candidate in page)
            values = {self._known[key][1] for key in keys if key in self._known}
            look = partial(written_back.still_there, store=store, numbers=values)
            self._still[store.destination_id] = ledger.read(look) if values else set()

    def _has_its_turn(self, candidate: Candidate, misps: Mapping[str, MispSettings]) -> bool:
        """Whether its MISP may be asked, and was not asked about it before it failed."""
        misp = self._willing(misps).get(candidate.misp)
        return misp is not None and candidate.event_id > self._failed_at.get(misp.name, -1)

    def _pause(self) -> float:
        """Seconds until all events are gone through again: until a MISP may be asked again, if that is sooner."""
        now = time.monotonic()
        return min([PERIOD, *(until - now for until in self._until.values() if until > now)])

    def _willing(self, misps: Mapping[str, MispSettings]) -> dict[str, MispSettings]:
        """Those that are not left alone after a failure."""
        now = time.monotonic()
        return {name: misp for name, misp in misps.items() if self._until.get(misp.name, 0.0) <= now}

    def _one(
        self, ledger: Ledger, settings: Settings, stores: Sequence[Store], candidate: Candidate, misp: MispSettings
    ) -> int:
        """Bring the tags of one event in line; how often MISP was to be asked for that: 0 or 1."""
        if candidate.hidden or not (candidate.said or candidate.noted or candidate.doubtful):
            return 0
        ours = {schema.ANYWHERE, *(store.destination_id for store in stores)}
        wanted = self._wanted(ledger, settings, stores, candidate)
        if wanted == candidate.noted and ours.isdisjoint(candidate.doubtful):
            return 0
        until = ledger.write(lambda connection: written_back.claim(connection, candidate, wanted, ours))
        if until is None:
            # Another worker is at it. Whatever comes of that, this event has its turn again.
            return 0
        number = candidate.event_id
        try:
            asked = self._ask(candidate, wanted, ours, misp)
        except EventNotFound:
            ledger.write(lambda connection: written_back.hide(connection, number, until, candidate.timestamp))
            return 1
        except (MispError, UsageError) as error:
            ledger.write(lambda connection: written_back.leave(connection, number, until))
            self._failed(misp.name, error)
            self._failed_at[misp.name] = number
            return 1
        ledger.write(lambda connection: written_back.note(connection, number, until, wanted, ours))
        self._worked(misp.name)
        if asked:
            count = len(set(wanted.values()) - {""})
            what = fields(What.TAGGED, event=candidate.uuid, misp=misp.name, count=count)
            log.info("The event %s has %d tags of ours in MISP now.", candidate.uuid, count, extra=what)
        return int(asked)

    def _ask(self, candidate: Candidate, wanted: Mapping[int, str], ours: Collection[int], misp: MispSettings) -> bool:
        """Have MISP put and take away tags; whether there was anything to ask for."""
        sure, after = set(candidate.noted.values()), set(wanted.values()) - {""}
        doubtful = {tag for number, tag in candidate.doubtful.items() if number in ours}
        putting, taking = sorted(after - sure), sorted((sure | doubtful) - after - {""})
        client = TaggingClient(misp, timeout=TIMEOUT)
        for tag in putting:
            client.put(candidate.uuid, tag)
        for tag in taking:
            client.take_away(candidate.uuid, tag)
        return bool(putting or taking)

    def _wanted(
        self, ledger: Ledger, settings: Settings, stores: Sequence[Store], candidate: Candidate
    ) -> dict[int, str]:
        """The tags that an event should have, by destination. Of destinations that others configure, what is noted."""
        mine = {store.destination_id for store in stores}
        wanted = {n: tag for n, tag in candidate.noted.items() if n not in mine and n != schema.ANYWHERE}
        for store in stores:
            if self._is_there(ledger, store, base_url_of(settings), candidate):
                name = sent_to(store.settings.name) if settings.write_back.detail else ""
                before = {**candidate.doubtful, **candidate.noted}.get(store.destination_id, "")
                # Of a destination one tag is known: that of its earlier name goes before another one comes.
                wanted[store.destination_id] = name if before in ("", name) else ""
        return wanted | ({schema.ANYWHERE: SENT} if wanted else {})

    def _is_there(self, ledger: Ledger, store: Store, base_url: str, candidate: Candidate) -> bool:
        number, key = store.destination_id, (candidate.event_id, store.destination_id)
        noted = number in candidate.noted or number in candidate.doubtful
        if number not in candidate.said:
            return noted and ledger.read(lambda c: written_back.is_leaving(c, store, candidate.event_id))
        said = (candidate.said[number], configuration_of(store.settings))
        known = self._known.get(key)
        # Without a digest nothing tells that what is said has changed: then what was found holds for a while only.
        lasting = candidate.said[number] != (None, None)
        fresh = known is not None and (lasting or time.monotonic() < known[2])
        if known and fresh and known[0] == said and known[1] in self._still[number]:
            return True
        self._known.pop(key, None)
        found = ledger.read(lambda c: written_back.witness(c, store, base_url, candidate.event_id))
        if found is not None:
            self._known[key] = (said, found, time.monotonic() + FOR_A_WHILE)
            return True
        return noted and ledger.read(lambda c: written_back.is_leaving(c, store, candidate.event_id))

    def _failed(self, misp: str, error: Exception) -> None:
        """Leave a MISP alone for a while, and tell why, once."""
        failures = self._failures[misp] = self._failures.get(misp, 0) + 1
        wait = (
            LONGEST_WAIT if isinstance(error, MispRefused) else min(FIRST_WAIT * 2 ** min(failures, 20), LONGEST_WAIT)
        )
        self._until[misp] = time.monotonic() + wait
        if self._troubles.begins(misp, str(error)):
            what = fields(What.NOT_TAGGED, misp=misp, attempts=failures, seconds=int(wait))
            log.warning("[%s] Events cannot be tagged in MISP: %s", misp, error, extra=what)

    def _worked(self, misp: str) -> None:
        self._failures.pop(misp, None)
        self._until.pop(misp, None)
        if self._troubles.ends(misp):
            log.info("[%s] Events can be tagged in MISP again.", misp, extra=fields(What.TAGGED_AGAIN, misp=misp))
