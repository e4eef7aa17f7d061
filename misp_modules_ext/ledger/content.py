"""What the stored evidence says about an observable under a rule set: the same as a plan of a fresh view would say."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, select

from misp_modules_ext.ledger import asked, schema
from misp_modules_ext.ledger.asked import NOBODY, Audience
from misp_modules_ext.ledger.bulk import chunks
from misp_modules_ext.ledger.documents import read_attribute, read_header
from misp_modules_ext.ledger.engine import now_ms
from misp_modules_ext.ledger.keys import uuid_text
from misp_modules_ext.ledger.stores import Store
from misp_modules_ext.ledger.views import Origin
from misp_modules_ext.model.indicator import Evidence, Kind, Observable
from misp_modules_ext.model.misp import Attribute, Event
from misp_modules_ext.planning import RuleSet, judge
from misp_modules_ext.translate import Merged, merge

_AS_READ = Origin.AS_READ.value


class Witness(NamedTuple):
    """An attribute that vouches for an observable, in its event as one view of it said.

    Attributes:
        picked: the pick tags that some attributes of that view carry.
        taken: when the ledger first took it, seconds since 1970 UTC.
        vouches: it still does; else it is kept for the sake of a withdrawal.
        reread: it stands exactly as our own reading saw it.
    """

    observable: Observable
    event_id: int
    event: Event
    picked: tuple[str, ...]
    attribute: Attribute
    taken: int
    vouches: bool = True
    reread: bool = False

    def passes(self, rules: RuleSet, base_url: str) -> Evidence | None:
        """Its evidence, if it passes the gates of a rule set."""
        pick = rules.selection.pick_tag
        picked = pick in self.picked
        planned = judge(self.event, self.attribute, rules, base_url, self.taken, picked, reread=self.reread)
        found = (part.evidence for part in planned.parts if part.observable == self.observable)
        return next(found, None)


def witnesses(connection: Connection, observable_ids: Iterable[int]) -> Iterator[tuple[int, Witness]]:
    """All attributes that vouch, or vouched, for some observables, with the observables' ids."""
    event, header, observable, found = schema.event, schema.header, schema.observable, schema.evidence
    joined = (
        found.join(event, event.c.event_id == found.c.event_id)
        .join(header, header.c.header_id == found.c.header_id)
        .join(observable, observable.c.observable_id == found.c.observable_id)
    )
    wanted = select(
        found.c.observable_id,
        observable.c.kind,
        observable.c.value,
        event.c.event_id,
        event.c.uuid,
        event.c.misp,
        header.c.header_id,
        header.c.document,
        found.c.attribute,
        found.c.timestamp,
        found.c.document,
        found.c.taken,
        found.c.vouches,
        found.c.origins,
    ).select_from(joined)
    headers: dict[int, tuple[Event, tuple[str, ...]]] = {}
    for chunk in chunks(sorted(observable_ids)):
        for row in connection.execute(wanted.where(found.c.observable_id.in_(chunk))):
            number, kind, value, event_id, event_uuid, misp, header_id, document, *rest = row
            uuid, timestamp, said, taken, vouches, origins = rest
            if header_id not in headers:
                headers[header_id] = read_header(event_uuid, document, misp)
            attribute = read_attribute(uuid_text(uuid), timestamp, said)
            seen, picked = headers[header_id]
            named = Observable(Kind(kind), value)
            reread = bool(origins & _AS_READ)
            yield number, Witness(named, event_id, seen, picked, attribute, taken, bool(vouches), reread)


def by_observable(connection: Connection, observable_ids: Iterable[int]) -> dict[int, list[Witness]]:
    """The witnesses of each observable."""
    found: dict[int, list[Witness]] = {}
    for observable_id, witness in witnesses(connection, observable_ids):
        found.setdefault(observable_id, []).append(witness)
    return found


def content(
    said: Mapping[int, Iterable[Witness]], rules: RuleSet, base_url: str, audience: Audience, now: int
) -> dict[int, Merged]:
    """What a destination with these rules should hold; observables without passing evidence are left out.

    Args:
        said: witnesses by observable.
        rules: the gates.
        base_url: address of MISP for links.
        audience: what counts there.
        now: seconds since 1970 UTC.
    """
    found = {}
    for number, those in said.items():
        counting = (w for w in those if w.vouches and audience.counts(w.event_id, w.attribute.uuid))
        passing = [piece for witness in counting if (piece := witness.passes(rules, base_url)) is not None]
        if passing:
            found[number] = merge(passing, now)[0]
    return found


def audiences(connection: Connection, said: Mapping[int, Iterable[Witness]]) -> dict[int, Audience]:
    """What of the witnesses' events counts, by destination id."""
    return asked.audiences(connection, {witness.event_id for those in said.values() for witness in those})


class Stored:
    """The content that the stored evidence gives to some observables, for one destination after the other."""

    def __init__(self, connection: Connection, observable_ids: Collection[int], base_url: str) -> None:
        self._said = by_observable(connection, observable_ids) if observable_ids else {}
        self._audiences = audiences(connection, self._said) if self._said else {}
        self._base_url = base_url
        self._now = now_ms(connection) // 1000 if self._said else 0
        self._found: dict[tuple[RuleSet, Audience], dict[int, Merged]] = {}

    def content(self, store: Store) -> dict[int, Merged]:
        """What a destination should hold of them."""
        audience = self._audiences.get(store.destination_id, NOBODY)
        if (store.rules, audience) not in self._found:
            self._found[store.rules, audience] = content(self._said, store.rules, self._base_url, audience, self._now)
        return self._found[store.rules, audience]

    def named(self) -> dict[int, Observable]:
        """Those for which anything ever vouched."""
        return {number: those[0].observable for number, those in self._said.items()}
