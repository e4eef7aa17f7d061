"""What a preview would change at a destination: new indicators, and for those that are there, which fields differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import NamedTuple

from sqlalchemy import Connection

from misp_modules_ext.destinations import create
from misp_modules_ext.ledger import Ledger, Settled, Store, holdings, schema
from misp_modules_ext.ledger.content import Stored
from misp_modules_ext.ledger.holdings import Holding
from misp_modules_ext.ledger.placing import Ready, Standing, damped
from misp_modules_ext.model.account import Difference, Item, ObservableAccount
from misp_modules_ext.model.indicator import Indicator, Kind, Observable
from misp_modules_ext.model.misp import Attribute
from misp_modules_ext.model.outcome import Outcome
from misp_modules_ext.translate import Merged, observe

CREATE = "create"
UPDATE = "update"
WITHDRAW = "withdraw"


class Change(NamedTuple):
    """What would be sent.

    Attributes:
        kind: `CREATE`, `UPDATE` or `WITHDRAW`.
        generation: which of its ids the indicator has.
    """

    kind: str
    differences: tuple[Difference, ...] = ()
    generation: int = 0


def changes(ledger: Ledger, store: Store, settled: Settled, base_url: str) -> dict[Observable, Change]:
    """What is due according to a rehearsal, compared with the ledger as it is.

    Args:
        ledger: where nothing of the rehearsal was kept.
        store: the destination.
        settled: what the rehearsal came to.
        base_url: address of MISP for links.
    """

    def work(connection: Connection) -> dict[Observable, Change]:
        rows = holdings.read(connection, store, settled.ready)
        there = {number: row for number, row in rows.items() if row.maybe_there}
        stored = Stored(connection, there, base_url).content(store)
        found = {}
        for number, ready in settled.ready.items():
            found[ready.indicator.observable] = _change(there.get(number), stored.get(number), ready, store)
        for number, (kind, value) in holdings.names(settled.withdrawing, connection).items():
            if number not in settled.ready:
                generation = settled.standings[number].generation
                found[Observable(Kind(kind), value)] = Change(WITHDRAW, (), generation)
        return found

    return ledger.read(work)


def settle_alike(ledger: Ledger, store: Store, settled: Settled) -> None:
    """Settle in a rehearsal what the destination would show as it does already: nothing would be sent for it.

    Args:
        ledger: where nothing of the rehearsal was kept.
        store: the destination.
        settled: what the rehearsal came to; changed.
    """
    digest = create(store.settings).digest
    rows = ledger.read(lambda connection: holdings.read(connection, store, settled.ready))
    for number, row in rows.items():
        if row.shown_hash is not None and row.shows(digest(settled.ready[number].indicator)):
            ready = settled.ready.pop(number)
            settled.standings[number] = Standing(schema.SETTLED, None, "", ready.indicator.valid_until, row.generation)


def _change(row: Holding | None, stored: Merged | None, ready: Ready, store: Store) -> Change:
    if row is None:
        return Change(CREATE)
    sent = None if stored is None else _sent(stored.indicator, row, store)
    return Change(UPDATE, () if sent is None else tuple(differences(sent, ready.indicator)))


def _sent(stored: Indicator, row: Holding, store: Store) -> Indicator | None:
    """What is there, if the stored evidence still tells."""
    digest = stored.content_hash()
    if row.valid_until is not None:
        stored, digest = damped(stored, digest, row.valid_until, store.rules)
    return stored if digest == row.sent_hash else None


def differences(before: Indicator, after: Indicator) -> Iterator[Difference]:
    """The fields in which two indicators of one observable differ, in words."""
    for field, old, new in zip(_FIELDS, _words(before), _words(after), strict=True):
        if old == new:
            continue
        if isinstance(old, tuple) and isinstance(new, tuple):
            gone, come = [part for part in old if part not in new], [part for part in new if part not in old]
            yield Difference(field, ", ".join(gone), ", ".join(come))
        else:
            yield Difference(field, str(old), str(new))


_FIELDS = (
    "title",
    "severity",
    "confidence",
    "threatType",
    "action",
    "tlp",
    "labels",
    "facts",
    "references",
    "validFrom",
    "validUntil",
)


def _words(indicator: Indicator) -> Sequence[object]:
    return (
        indicator.title,
        indicator.severity.label,
        indicator.confidence,
        indicator.threat_type,
        indicator.action.value,
        indicator.tlp.tag,
        indicator.labels,
        indicator.facts,
        tuple(f"event {reference.event}, attribute {reference.attribute}" for reference in indicator.references),
        _moment(indicator.valid_from),
        _moment(indicator.valid_until),
    )


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def with_changes(items: Sequence[Item], found: Mapping[Observable, Change]) -> tuple[Item, ...]:
    """The items of a preview, whose observables say what would be sent."""
    by_name = {(observable.kind.value, observable.value): change for observable, change in found.items()}
    return tuple(_item(item, by_name) for item in items)


def _item(item: Item, found: Mapping[tuple[str, str], Change]) -> Item:
    if item.outcome is Outcome.WITHDRAWN:
        return item._replace(observables=tuple(_leaving(item, found)))
    parts = tuple(_part(part, found.get((part.kind, part.value))) for part in item.observables)
    return item if parts == item.observables else item._replace(observables=parts)


def _leaving(item: Item, found: Mapping[tuple[str, str], Change]) -> Iterator[ObservableAccount]:
    """What of a withdrawn attribute is withdrawn: for the rest of it something else vouches."""
    for observable in observe(Attribute(item.attribute, item.type, item.value)).observables:
        change = found.get((observable.kind.value, observable.value))
        if change is not None and change.kind == WITHDRAW:
            kind, value = observable.kind.value, observable.value
            name = observable.stix_id(change.generation)
            yield ObservableAccount(kind, value, Outcome.WITHDRAWN, name, None, item.reason, item.message, WITHDRAW)


def _part(part: ObservableAccount, change: Change | None) -> ObservableAccount:
    if change is None or part.outcome not in (Outcome.ACCEPTED, Outcome.MERGED):
        return part
    return part._replace(change=change.kind, differences=change.differences)
