"""What the ledger says of a value at each destination, without the titles and names that it knows as well.

Whoever points at a value in MISP may see less than the ledger holds: events of that MISP go by their links alone, which
it opens for those who may see them, and those of other MISPs are kept apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from misp_modules_ext.config.settings import DestinationSettings, Settings
from misp_modules_ext.delivery.places import base_url_of
from misp_modules_ext.destinations import create
from misp_modules_ext.ledger import Ledger, Store, evictions, queries, schema
from misp_modules_ext.ledger.asked import NOBODY
from misp_modules_ext.ledger.holdings import Holding
from misp_modules_ext.ledger.stores import key_of
from misp_modules_ext.ledger.story import Story, story
from misp_modules_ext.model.indicator import Observable
from misp_modules_ext.model.outcome import Reason
from misp_modules_ext.planning import RuleSet
from misp_modules_ext.translate import event_link

#: So many events are linked.
MOST_LINKS = 10


class AtLedger(NamedTuple):
    """How a value stands at a destination.

    Attributes:
        state: in a word or two: `there`, `to be created`, `to be updated`, `to be withdrawn`, `rejected`, `skipped`,
            `expired`, `on hold`, `gone`, `never there`.
        there: whether the destination holds it, or may.
        reason: why it is not there, or waits.
        since: when it came there, seconds since 1970 UTC.
        valid_until: seconds since 1970 UTC.
        severity: as its indicator has it today; likewise `confidence` (0 to 100) and `action`.
        events: how many events of the MISP that the modules serve vouch for it.
        links: to the first of them.
        elsewhere: how many events of other MISPs do; only for those who run this installation, as are
            `links_elsewhere`: even their addresses say with whom it shares.
    """

    state: str
    there: bool = False
    reason: Reason | None = None
    since: int | None = None
    valid_until: int | None = None
    severity: str = ""
    confidence: int | None = None
    action: str = ""
    events: int = 0
    links: tuple[str, ...] = ()
    elsewhere: int = 0
    links_elsewhere: tuple[str, ...] = ()


NEVER = AtLedger("never there")
_STATES = {
    schema.REJECTED: "rejected",
    schema.SKIPPED: "skipped",
    schema.EXPIRED: "expired",
    schema.ON_HOLD: "on hold",
}

#: By destination's name and observable.
Standing = Mapping[tuple[str, Observable], AtLedger]


def standing(
    ledger: Ledger, settings: Settings, chosen: Sequence[DestinationSettings], observables: Sequence[Observable]
) -> Standing:
    """How values stand at destinations.

    Raises:
        LedgerError: the ledger cannot be read.
    """

    def read(connection: Connection) -> dict[tuple[str, Observable], AtLedger]:
        known = {row.store: row for row in queries.destinations(connection)}
        found: dict[tuple[str, Observable], AtLedger] = {}
        for observable in observables:
            told = story(connection, observable)
            for destination in chosen:
                row = known.get(key_of(destination))
                if told is None or row is None:
                    found[destination.name, observable] = NEVER
                    continue
                store = Store(row.destination_id, destination, RuleSet.of(destination), create(destination).refuses)
                found[destination.name, observable] = _at(told, store, settings)
        return found

    return ledger.read(read)


def _at(told: Story, store: Store, settings: Settings) -> AtLedger:
    row = told.rows.get(store.destination_id)
    audience = told.audience.get(store.destination_id, NOBODY)
    those = [said.witness for said in told.said if said.witness.vouches]
    vouching = [one.event for one in those if audience.counts(one.event_id, one.attribute.uuid)]
    base_url, served = base_url_of(settings), {"", settings.misp.address if settings.misp else ""}
    here = _links(event_link(base_url, event.uuid) or event.uuid for event in vouching if event.misp in served)
    others = _links(event_link(event.misp, event.uuid) for event in vouching if event.misp not in served)
    found = NEVER._replace(
        events=len(here),
        links=here[:MOST_LINKS],
        elsewhere=len(others),
        links_elsewhere=others[:MOST_LINKS],
    )
    if row is None:
        return found
    reason = Reason.CAPACITY if row.reason == evictions.MARK else Reason.of(row.reason)
    found = found._replace(state=_state(row), there=row.maybe_there, reason=reason)
    if row.maybe_there:
        since = None if row.created_ms is None else row.created_ms // 1000
        found = found._replace(since=since, valid_until=row.valid_until)
    merged = told.content(store, base_url)
    if merged is None:
        return found
    said = merged.indicator
    return found._replace(severity=said.severity.label, confidence=said.confidence, action=str(said.action))


def _links(found: Iterable[str]) -> tuple[str, ...]:
    """Each once: several attributes of an event may say the same."""
    return tuple(dict.fromkeys(found))


def _state(row: Holding) -> str:
    if row.state == schema.DUE:
        return "to be withdrawn" if row.due_hash is None else "to be updated" if row.maybe_there else "to be created"
    if row.state == schema.SETTLED:
        return "there" if row.sent_hash is not None else "gone"
    return _STATES[row.state]
