"""One value's whole story: who vouches for it, how it stands at each destination, and what today's rules say."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from misp_modules_ext.ledger import bulk, holds, schema
from misp_modules_ext.ledger.asked import NOBODY, Audience
from misp_modules_ext.ledger.content import Witness, audiences, by_observable, content
from misp_modules_ext.ledger.engine import now_ms
from misp_modules_ext.ledger.holdings import Holding
from misp_modules_ext.ledger.holds import Hold
from misp_modules_ext.ledger.keys import observable_id, uuid_text
from misp_modules_ext.ledger.stores import Store
from misp_modules_ext.ledger.views import Origin
from misp_modules_ext.model.indicator import NAMESPACE, Action, Kind, Observable
from misp_modules_ext.model.outcome import Reason
from misp_modules_ext.planning import PlannedAttribute, RuleSet, judge
from misp_modules_ext.translate import Merged

#: Rows that are judged at once.
PAGE = 2_000


class Said(NamedTuple):
    """An attribute that vouches, or vouched, for a value.

    Attributes:
        origins: who said so.
    """

    witness: Witness
    origins: Origin


class Story(NamedTuple):
    """What the ledger holds of one value.

    Attributes:
        said: those that vouch come first, then the earliest.
        rows: by destination id.
        holds: by destination id, `schema.EVERYWHERE` for one of all destinations.
        audience: what counts, by destination id.
        now: when it was told, seconds since 1970 UTC.
    """

    observable: Observable
    said: tuple[Said, ...]
    rows: Mapping[int, Holding]
    holds: Mapping[int, Hold]
    audience: Mapping[int, Audience]
    now: int

    def content(self, store: Store, base_url: str) -> Merged | None:
        """What a destination should hold of it by today's rules; `None` for nothing."""
        number = observable_id(self.observable)
        witnesses = [said.witness for said in self.said]
        audience = self.audience.get(store.destination_id, NOBODY)
        return content({number: witnesses}, store.rules, base_url, audience, self.now).get(number)


class Closed(NamedTuple):
    """Why something may not go by today's rules.

    Attributes:
        reason: `None` when the message says it all.
    """

    reason: Reason | None
    message: str


def story(connection: Connection, observable: Observable) -> Story | None:
    """The story of a value; `None` when the ledger has never seen it."""
    number = observable_id(observable)
    table = schema.observable
    seen = connection.execute(select(table.c.kind, table.c.value).where(table.c.observable_id == number)).one_or_none()
    if seen is None or tuple(seen) != (observable.kind.value, observable.value):
        return None
    witnesses = by_observable(connection, [number])
    return Story(
        observable,
        tuple(sorted(_said(connection, number, witnesses.get(number, ())), key=_order)),
        _rows(connection, number),
        holds.on(connection, [number]).get(number, {}),
        audiences(connection, witnesses),
        now_ms(connection) // 1000,
    )


def _said(connection: Connection, number: int, witnesses: Sequence[Witness]) -> Iterator[Said]:
    table = schema.evidence
    columns = (table.c.event_id, table.c.attribute, table.c.origins)
    found = connection.execute(select(*columns).where(table.c.observable_id == number))
    origins = {(event_id, uuid_text(key)): origin for event_id, key, origin in found}
    for witness in witnesses:
        yield Said(witness, Origin(origins[witness.event_id, witness.attribute.uuid]))


def _order(said: Said) -> tuple[bool, int, str, str]:
    witness = said.witness
    return (not witness.vouches, witness.taken, witness.event.uuid, witness.attribute.uuid)


def _rows(connection: Connection, number: int) -> dict[int, Holding]:
    row = schema.holding
    # By destination: the key begins with it, and there is no index by value alone.
    places = list(connection.execute(select(schema.destination.c.destination_id)).scalars())
    columns = [row.c[name] for name in Holding._fields]
    found: dict[int, Holding] = {}
    for chunk in bulk.chunks(sorted(places)):
        here = row.c.destination_id.in_(chunk) & (row.c.observable_id == number)
        for place, *values in connection.execute(select(row.c.destination_id, *columns).where(here)):
            found[place] = Holding._make(values)
    return found


def closed(witness: Witness, store: Store, base_url: str, audience: Audience) -> Closed | None:
    """Why an attribute does not count at a destination by today's rules; `None` when it does."""
    if not witness.vouches:
        return Closed(None, "MISP no longer says so.")
    if not audience.counts(witness.event_id, witness.attribute.uuid):
        some = any(event_id == witness.event_id for event_id, _ in audience.parts)
        return Closed(None, f"Nobody has asked for this {'attribute' if some else 'event'} at this destination.")
    return _gate(witness, store.rules, base_url)


def action_refused(witness: Witness, store: Store, base_url: str) -> tuple[Action, str] | None:
    """The action that an attribute asks for and does not get, with the reason; `None` when there is none."""
    planned = _judged(witness, store.rules, base_url)
    part = next((part for part in planned.parts if part.observable == witness.observable), None)
    return (part.wished, part.why_not) if part is not None and part.wished is not None and part.why_not else None


def _judged(witness: Witness, rules: RuleSet, base_url: str) -> PlannedAttribute:
    some_picked = rules.selection.pick_tag in witness.picked
    return judge(witness.event, witness.attribute, rules, base_url, witness.taken, some_picked, reread=witness.reread)


def _gate(witness: Witness, rules: RuleSet, base_url: str) -> Closed | None:
    planned = _judged(witness, rules, base_url)
    if planned.reason is not None:
        return Closed(planned.reason, planned.message)
    part = next((part for part in planned.parts if part.observable == witness.observable), None)
    if part is None:
        return Closed(None, "This version reads the attribute in another way.")
    return None if part.reason is None else Closed(part.reason, part.message)


def by_stix_id(connection: Connection, stix_id: str) -> Observable | None:
    """The value whose indicator has, or had, this STIX id.

    The id is a digest of the value, so all values are looked at: some seconds for each million.
    """
    wanted = stix_id.lower()
    table, row = schema.observable, schema.holding
    columns = (table.c.kind, table.c.value)
    # Withdrawn ones first: they are few, and have had several ids.
    again = select(*columns, row.c.generation).where(row.c.generation > 0, row.c.observable_id == table.c.observable_id)
    for kind, value, generation in connection.execute(again.distinct()):
        observable = Observable(Kind(kind), value)
        if any(observable.stix_id(number) == wanted for number in range(1, generation + 1)):
            return observable
    # Of a UUIDv5 the first six bytes are those of the digest as it is: enough to leave nearly all others out.
    start = bytes.fromhex(wanted.removeprefix("indicator--").replace("-", "")[:12])
    space = hashlib.sha1(NAMESPACE.bytes, usedforsecurity=False)
    with connection.execute(select(*columns).execution_options(yield_per=PAGE)) as values:
        for kind, value in values:
            digest = space.copy()
            digest.update(f"{kind}:{value}".encode())
            if digest.digest()[:6] == start and (observable := Observable(Kind(kind), value)).stix_id() == wanted:
                return observable
    return None


def against_rules(
    connection: Connection, store: Store, base_url: str, after: int
) -> tuple[int | None, dict[Observable, Closed]]:
    """What a destination holds although today's rules would not let it go: one page of its rows.

    Args:
        connection: in a transaction.
        store: the destination.
        base_url: address of MISP for links.
        after: where the page before ended; -1 for the first page.

    Returns:
        Where this page ends, `None` when it is the last one; and the values with the reason of the first attribute that
        counts for each.
    """
    row = schema.holding
    kept = row.c.due_hash.is_not(None) & row.c.sent_hash.is_not(None) & (row.c.state != schema.ON_HOLD)
    here = (row.c.destination_id == store.destination_id) & (row.c.observable_id > after)
    ordered = select(row.c.observable_id).where(here, kept).order_by(row.c.observable_id).limit(PAGE)
    numbers = list(connection.execute(ordered).scalars())
    said = by_observable(connection, numbers)
    audience = audiences(connection, said).get(store.destination_id, NOBODY)
    passing = content(said, store.rules, base_url, audience, now_ms(connection) // 1000)
    found = {
        witnesses[0].observable: _first(witnesses, store, base_url, audience)
        for number, witnesses in said.items()
        if number not in passing
    }
    return (numbers[-1] if len(numbers) == PAGE else None), found


def _first(witnesses: Sequence[Witness], store: Store, base_url: str, audience: Audience) -> Closed:
    """The reason of an attribute that counts, if there is one."""
    reasons = [found for witness in witnesses if (found := closed(witness, store, base_url, audience)) is not None]
    return next((found for found in reasons if found.reason is not None), reasons[0])
