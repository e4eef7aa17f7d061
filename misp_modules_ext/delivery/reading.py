"""Our own reading of MISP: the only thing that takes away (DESIGN.md 2).

Every event that a request brought is read again, by UUID, with the key of its MISP; also one that was found unpublished
or missing, when its grace is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, select, update

from misp_modules_ext.config.settings import MispSettings
from misp_modules_ext.errors import EventNotFound, MispError, UsageError
from misp_modules_ext.ledger import Ledger, Origin, Part, Parts, Store, bulk, event_missing, let_go, schema, take
from misp_modules_ext.ledger.engine import alone, now_ms
from misp_modules_ext.ledger.refreshing import AT_ONCE
from misp_modules_ext.logs import Standing, What, fields, logger
from misp_modules_ext.misp import client as misp_client
from misp_modules_ext.misp.client import MispClient
from misp_modules_ext.misp.large import LargeEvent
from misp_modules_ext.model.misp import Event
from misp_modules_ext.warninglists.asking import ask

log = logger()

#: A reading is taken up by another when the one that took it up has not ended after so many milliseconds.
CLAIM_MS = 300_000
#: Seconds between two renewals of that, while one event is read.
RENEW_EVERY = 60.0
#: The first look after an event was found unpublished.
SOON_MS = 15_000
FIRST_WAIT_MS = 2_000
LONGEST_WAIT_MS = 900_000
#: An event of which a run of `sync` saw only part is looked at again after as much time as has gone since its last
#: change, at least and at most so much: soon at first, then half as often each time, and after a day not any more. Of
#: some events MISP never shows all that it counts.
SOONEST_PART_MS = 60_000
LATEST_PART_MS = 86_400_000
#: `read_message` of such an event.
PART = "MISP counts other attributes than it shows. What it shows was taken; what it does not show stays as it was."
#: `read_message` of one that is not there.
MISSING = "MISP does not show this event to our key. It stays as it was until missingGrace is over."
#: Why the warninglists could not be asked, as far as it was logged since they last could.
_told: set[str] = set()
#: Which MISPs, and which of their events, could not be read.
_unreadable = Standing()


class Claim(NamedTuple):
    """An event to read.

    Attributes:
        marker: what its `read_due_ms` was set to: a request that comes meanwhile sets it anew.
        message: what came of the reading before, `None` when all was well.
    """

    event_id: int
    uuid: str
    misp: str
    attempts: int
    marker: int
    message: str | None = None


def claim(connection: Connection, misps: Collection[str], until_ms: int | None = None) -> Claim | None:
    """Take up the event that is due first, of those that one of these MISPs shows.

    Args:
        connection: in a transaction.
        misps: by what `Event.misp` calls them.
        until_ms: only what was due then; `None` for now.
    """
    table = schema.event
    clock = now_ms(connection)
    until = clock if until_ms is None else min(clock, until_ms)
    columns = (
        table.c.event_id,
        table.c.uuid,
        table.c.misp,
        table.c.read_attempts,
        table.c.read_message,
        table.c.read_due_ms,
    )
    due = select(*columns).where(table.c.read_due_ms <= until, table.c.misp.in_(sorted(misps)))
    first = due.order_by(table.c.read_due_ms, table.c.event_id).limit(1)
    found = connection.execute(first).one_or_none()
    if found is None:
        return None
    event_id, uuid, misp, attempts, message, before = found
    mine = (table.c.event_id == event_id) & (table.c.read_due_ms == before)
    taken = connection.execute(update(table).where(mine).values(read_due_ms=clock + CLAIM_MS))
    return Claim(event_id, uuid, misp, attempts, clock + CLAIM_MS, message) if taken.rowcount == 1 else None


def read_one(
    ledger: Ledger,
    misps: Mapping[str, MispSettings],
    stores: list[Store],
    base_url: str,
    lists: Path,
    until_ms: int | None = None,
) -> bool:
    """Read one event that is due and settle what it says.

    Args:
        ledger: the ledger.
        misps: with a key each, by what `Event.misp` calls them.
        stores: all destinations.
        base_url: address of `[misp]` for links.
        lists: the index of warninglists, if there is one.
        until_ms: only one that was due then; `None` for now.

    Returns:
        Whether there was one.
    """
    found = ledger.write(lambda connection: claim(connection, misps, until_ms))
    if found is None:
        return False
    kept = _Kept(ledger, found)
    client = MispClient(misps[found.misp])
    client.before_each = kept.renew_now_and_then
    try:
        event = client.read_of_any_size(found.uuid, failed=found.attempts)
        if isinstance(event, LargeEvent):
            with event:
                _settle_large(ledger, event, kept, stores, base_url, lists)
        else:
            _settle(ledger, replace(event, misp=found.misp), kept.claim, stores, base_url, lists)
    except EventNotFound:
        _settle_missing(ledger, kept, stores, base_url)
    except (MispError, UsageError) as error:
        message = str(error)
        _tell_unreadable(found, misps[found.misp].name, message)
        ledger.write(lambda connection: _repeat_later(connection, kept.claim, message))
    else:
        name = misps[found.misp].name
        log.info(
            "The event %s was read from MISP.", found.uuid, extra=fields(What.EVENT_READ, event=found.uuid, misp=name)
        )
        _unreadable.ends((name, found.uuid))
        if _unreadable.ends(name):
            log.info("[%s] can be read again.", name, extra=fields(What.MISP_READABLE, misp=name))
    return True


def _tell_unreadable(found: Claim, misp: str, message: str) -> None:
    """Tell why, once for each MISP, and for an event for which it is another reason."""
    if _unreadable.told(misp) == message or not _unreadable.begins((misp, found.uuid), message):
        return
    _unreadable.begins(misp, message)
    wait = min(FIRST_WAIT_MS * 2 ** min(found.attempts, 20), LONGEST_WAIT_MS)
    what = fields(What.MISP_UNREADABLE, event=found.uuid, misp=misp, attempts=found.attempts + 1, seconds=wait // 1000)
    log.warning("The event %s could not be read from MISP: %s", found.uuid, message, extra=what)


class _Kept:
    """A claim that is renewed while its event is read, which may take longer than it lasts.

    Attributes:
        claim: as it is now.
    """

    def __init__(self, ledger: Ledger, found: Claim) -> None:
        self.claim = found
        self._ledger = ledger
        self._renewed = time.monotonic()

    def renew_now_and_then(self) -> None:
        """Renew it when it was not for a while; what has come meanwhile stays as it is."""
        if time.monotonic() >= self._renewed + RENEW_EVERY:
            self.claim = self._ledger.write(lambda connection: _renewed(connection, self.claim))
            self._renewed = time.monotonic()


def _renewed(connection: Connection, found: Claim) -> Claim:
    table = schema.event
    marker = now_ms(connection) + CLAIM_MS
    mine = (table.c.event_id == found.event_id) & (table.c.read_due_ms == found.marker)
    renewed = connection.execute(update(table).where(mine).values(read_due_ms=marker)).rowcount
    return found._replace(marker=marker) if renewed else found


def _settle(ledger: Ledger, event: Event, found: Claim, stores: Sequence[Store], base_url: str, lists: Path) -> None:
    events = _asked(event, lists, stores)

    def settle(connection: Connection) -> None:
        alone(connection)
        if _is_latest(connection, found):
            take(connection, events, Origin.OWN_READING, stores, base_url)
            _done(connection, found, stores, part=found.message == PART and not event.complete)

    ledger.write(settle)


def _settle_large(
    ledger: Ledger, event: LargeEvent, kept: _Kept, stores: Sequence[Store], base_url: str, lists: Path
) -> None:
    """As `_settle`, in parts; none of them after something has come meanwhile."""
    event.change(lambda view: replace(view, misp=kept.claim.misp))
    parts = Parts(event, misp_client.MOST_AT_ONCE)
    ledger.read(parts.begin)
    for view, part in parts.each():
        events = _asked(view, lists, stores)
        work = partial(_settle_part, events, part, kept.claim, stores, base_url)
        if not ledger.write(work):
            return
        kept.renew_now_and_then()


def _settle_part(
    events: Sequence[Event], part: Part, found: Claim, stores: Sequence[Store], base_url: str, connection: Connection
) -> bool:
    """Take one part, unless something has come meanwhile; whether nothing has."""
    alone(connection)
    if not _is_latest(connection, found):
        return False
    take(connection, events, Origin.OWN_READING, stores, base_url, part=part)
    if part.last:
        seen_part = found.message == PART and not events[0].complete
        _done(connection, found, stores, part=seen_part, as_of_ms=part.began_ms)
    return True


def _asked(event: Event, lists: Path, stores: Sequence[Store]) -> list[Event]:
    """The event with what warninglists say; where they cannot be asked nothing new is blocked, so it is told, once."""
    events, problem = ask([event], lists, [store.settings.actions for store in stores])
    if not problem:
        _told.clear()
    elif problem not in _told and any(store.settings.actions.blocks for store in stores):
        _told.add(problem)
        log.warning("Nothing new is blocked: %s", problem, extra=fields(What.WARNINGLISTS))
    return events


def _is_latest(connection: Connection, found: Claim) -> bool:
    """Whether nothing has come since it was taken up: what a newer request brought, this reading has not seen."""
    table = schema.event
    due = connection.execute(select(table.c.read_due_ms).where(table.c.event_id == found.event_id)).scalar_one()
    return bool(due == found.marker)


def _settle_missing(ledger: Ledger, kept: _Kept, stores: Sequence[Store], base_url: str) -> None:
    """Note that MISP does not show an event; nothing of that after something has come meanwhile."""

    def is_latest(connection: Connection) -> bool:
        return _is_latest(connection, kept.claim)

    def end(connection: Connection) -> None:
        alone(connection)
        if is_latest(connection):
            here = schema.event.c.event_id == kept.claim.event_id
            connection.execute(update(schema.event).where(here).values(read_message=MISSING))
            _done(connection, kept.claim, stores, as_of_ms=began)

    # A grace that is over only now was not over for what follows, and is read once more.
    began = ledger.read(now_ms)
    settle_missing(ledger, kept.claim.uuid, kept.claim.misp, stores, base_url, is_latest, kept.renew_now_and_then)
    ledger.write(end)


def settle_missing(
    ledger: Ledger,
    uuid: str,
    misp: str,
    stores: Sequence[Store],
    base_url: str,
    may: Callable[[Connection], bool],
    between: Callable[[], object],
) -> None:
    """Settle that our own reading did not find an event: when its grace is over nothing vouches by it any more.

    That goes in transactions of some values each. After an interruption the next reading that does not find it does
    the rest.

    Args:
        ledger: the ledger.
        uuid: the event's.
        misp: as in `Event.misp`.
        stores: all destinations.
        base_url: address of MISP for links.
        may: whether to go on, asked in each transaction.
        between: called after each transaction.
    """

    def begin(connection: Connection) -> Sequence[int] | None:
        alone(connection)
        return event_missing(connection, uuid, misp, stores) if may(connection) else None

    def go_on(part: Sequence[int], connection: Connection) -> None:
        alone(connection)
        if may(connection):
            let_go(connection, uuid, misp, stores, base_url, part)

    gone = ledger.write(begin)
    for part in bulk.chunks(gone or (), AT_ONCE):
        ledger.write(partial(go_on, part))
        between()


def _repeat_later(connection: Connection, found: Claim, message: str) -> None:
    table = schema.event
    wait = min(FIRST_WAIT_MS * 2 ** min(found.attempts, 20), LONGEST_WAIT_MS)
    values = {
        "read_due_ms": now_ms(connection) + wait,
        "read_attempts": found.attempts + 1,
        "read_message": message,
    }
    mine = (table.c.event_id == found.event_id) & (table.c.read_due_ms == found.marker)
    connection.execute(update(table).where(mine).values(**values))


def _done(
    connection: Connection, found: Claim, stores: Sequence[Store], *, part: bool = False, as_of_ms: int | None = None
) -> None:
    """Read it again when a grace is over, or for what was not shown (`part`); else not before somebody pushes it."""
    table = schema.event
    mine = (table.c.event_id == found.event_id) & (table.c.read_due_ms == found.marker)
    again = _grace_over(connection, found.event_id, stores, as_of_ms)
    connection.execute(update(table).where(mine).values(read_due_ms=again, read_attempts=0))
    if part:
        _read_rest(connection, found.event_id, LATEST_PART_MS)


def _read_rest(connection: Connection, event_id: int, oldest: int | None = None) -> None:
    """Look again for what MISP did not show, unless the last change is older than so many milliseconds."""
    table = schema.event
    here = table.c.event_id == event_id
    changed, due = connection.execute(select(table.c.own_timestamp, table.c.read_due_ms).where(here)).one()
    clock = now_ms(connection)
    age = clock - (changed or 0) * 1000
    if oldest is not None and age > oldest:
        return
    again = clock + min(max(age, SOONEST_PART_MS), LATEST_PART_MS)
    values = {"read_due_ms": again if due is None else min(due, again), "read_message": PART}
    connection.execute(update(table).where(here).values(**values))


def _grace_over(
    connection: Connection, event_id: int, stores: Sequence[Store], as_of_ms: int | None = None
) -> int | None:
    """When a grace that is running is over; `None` when none is: one that was over at this reading is acted on.

    Args:
        connection: in a transaction.
        event_id: of the event.
        stores: all destinations.
        as_of_ms: when the reading was taken; `None` for now.
    """
    table = schema.event
    columns = (table.c.unpublished_since_ms, table.c.missing_since_ms)
    unpublished, missing = connection.execute(select(*columns).where(table.c.event_id == event_id)).one()
    again: int | None = None
    if missing is not None:
        again = missing + max((s.rules.selection.missing_grace for s in stores), default=0) * 1000
    elif unpublished is not None:
        again = unpublished + max((s.rules.selection.unpublished_grace for s in stores), default=0) * 1000
    clock = now_ms(connection) if as_of_ms is None else as_of_ms
    if again is None or again <= clock:
        return None
    if missing is None and unpublished is not None:
        # MISP sets the flag after the workflow that brought the event: look again soon, then less and less often.
        return min(again, clock + max(SOON_MS, clock - int(unpublished)))
    return again


def read_again(
    connection: Connection, uuid: str, misp: str, stores: Sequence[Store], as_of_ms: int | None = None
) -> None:
    """An event was read because a person asked for it: read it again when a grace is over, or as it was to be."""
    table = schema.event
    this = (table.c.uuid == uuid) & (table.c.misp == misp)
    event_id = connection.execute(select(table.c.event_id).where(this)).scalar_one()
    idle = (table.c.event_id == event_id) & table.c.read_due_ms.is_(None)
    again = _grace_over(connection, event_id, stores, as_of_ms)
    connection.execute(update(table).where(idle).values(read_due_ms=again))


def read_soon(connection: Connection, uuid: str, misp: str = "") -> None:
    """An event that the ledger knows is to be read at once."""
    table = schema.event
    this = (table.c.uuid == uuid) & (table.c.misp == misp)
    connection.execute(update(table).where(this).values(read_due_ms=now_ms(connection)))


def read_rest(connection: Connection, uuid: str, misp: str) -> None:
    """A reading saw only part of an event: if the ledger knows it, look again for the rest."""
    table = schema.event
    this = (table.c.uuid == uuid) & (table.c.misp == misp)
    event_id = connection.execute(select(table.c.event_id).where(this)).scalar_one_or_none()
    if event_id is not None:
        _read_rest(connection, event_id)
