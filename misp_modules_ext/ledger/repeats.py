"""A view that says what it said before: most of what comes, through another door or read again.

What was said last is noted for each destination in 32 bytes. While it is said again and neither evidence nor rules have
changed meanwhile, the content is what it was: the evidence need not be read and no indicator be made. Only rows that
are not as they should be are looked at.

The note goes when any evidence of the event changes, and when the destination's configuration does (`stores`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import NamedTuple

from sqlalchemy import Connection, select, update

from misp_modules_ext.ledger import bulk, schema
from misp_modules_ext.ledger.content import Stored
from misp_modules_ext.ledger.documents import write_header
from misp_modules_ext.ledger.holdings import held
from misp_modules_ext.ledger.keys import Numbers
from misp_modules_ext.ledger.placing import Placing, Settled, Standing, Wanted, as_it_should_be
from misp_modules_ext.ledger.stores import Store
from misp_modules_ext.ledger.views import Origin, View
from misp_modules_ext.misp.selection import picks
from misp_modules_ext.model.indicator import Observable
from misp_modules_ext.model.misp import Event
from misp_modules_ext.planning import Plan, PlannedAttribute, RuleSet, judged

_TABLE = schema.audience
#: The column in which an origin's latest view is noted.
_COLUMNS = {Origin.REQUEST: "requested", Origin.OWN_READING: "own"}
#: Of more rows that are not as they should be, everything is settled anew: at once is quicker than one by one.
MOST_ODD = 0.1
_FEW_ODD = 20


def digest_of(view: View, rule_sets: Iterable[RuleSet], base_url: str) -> bytes:
    """32 bytes that differ when anything differs on which the view's effect depends, this program's version included.

    Args:
        view: prepared, before anything is carried into it.
        rule_sets: their pick tags are looked for among attributes that a filter kept out, too.
        base_url: address of MISP for links.
    """
    event = view.event
    tags = sorted({rules.selection.pick_tag for rules in rule_sets})
    picked = tuple(tag for tag in tags if picks(event, tag))
    head = (
        version("misp-modules-ext"),
        base_url,
        event.uuid,
        event.misp,
        event.timestamp,
        event.complete,
        len(event.attributes),
    )
    digest = hashlib.sha256(repr((head, tags)).encode())
    digest.update(write_header(event, picked))
    times = ",".join([f"{attribute.uuid}{attribute.timestamp}" for attribute in event.attributes])
    digest.update(times.encode())
    # What a source does not say is carried into it: it may mean something else than that there is none, and documents
    # say the same of both.
    unsaid = [(a.warninglists is None) | (a.sightings is None) << 1 | (a.decay is None) << 2 for a in event.attributes]
    digest.update(bytes(unsaid))
    digest.update(b"\n".join(view.documents))
    return digest.digest()


def was_said(connection: Connection, event_id: int, stores: Sequence[Store], origin: Origin, digest: bytes) -> bool:
    """Whether this is what that origin said last, for every one of these destinations."""
    wanted = select(_TABLE.c.destination_id, _TABLE.c[_COLUMNS[origin]]).where(_TABLE.c.event_id == event_id)
    noted = {destination_id for destination_id, said in connection.execute(wanted) if said == digest}
    return bool(stores) and noted.issuperset(store.destination_id for store in stores)


def note(connection: Connection, event_id: int, stores: Sequence[Store], origin: Origin, digest: bytes | None) -> None:
    """Note what was said last; `None` when saying it again might change something."""
    ids = [store.destination_id for store in stores]
    here = (_TABLE.c.event_id == event_id) & _TABLE.c.destination_id.in_(ids)
    connection.execute(update(_TABLE).where(here).values({_COLUMNS[origin]: digest}))


def forget(connection: Connection, event_ids: Collection[int], stores: Sequence[Store]) -> None:
    """The evidence of these events changed.

    Args:
        connection: in a transaction.
        event_ids: the events.
        stores: where their content is brought in line with it now. Elsewhere nothing is known to be in line any more,
            of other events neither, since they may vouch for the same values.
    """
    ids = [store.destination_id for store in stores]
    nothing = dict.fromkeys(_COLUMNS.values())
    connection.execute(update(_TABLE).where(_TABLE.c.event_id.in_(event_ids)).values(nothing))
    asked = select(_TABLE.c.destination_id).where(_TABLE.c.event_id.in_(event_ids), _TABLE.c.destination_id.not_in(ids))
    elsewhere = set(connection.execute(asked).scalars())
    if elsewhere:
        connection.execute(update(_TABLE).where(_TABLE.c.destination_id.in_(elsewhere)).values(nothing))


class Saying(NamedTuple):
    """What is said again.

    Attributes:
        event: as its view shows it.
        base_url: address of MISP for links.
        clock: milliseconds since 1970 UTC by the database's clock.
        reread: it is our own reading.
    """

    event: Event
    base_url: str
    clock: int
    reread: bool


@dataclass(slots=True)
class Again:
    """How everything stands that is said again.

    Attributes:
        plans: bare ones, of the view.
        settled: by destination id.
        named: the observables by id.
    """

    plans: dict[RuleSet, Plan] = field(default_factory=dict)
    settled: dict[int, Settled] = field(default_factory=dict)
    named: dict[int, Observable] = field(default_factory=dict)

    @property
    def sends(self) -> bool:
        """Whether anything is due because of it."""
        return any(settled.ready or settled.withdrawing for settled in self.settled.values())


def settle_again(connection: Connection, saying: Saying, stores: Sequence[Store], numbers: Numbers) -> Again | None:
    """Find how everything stands of a view that says what it said before.

    Args:
        connection: in a transaction that is alone in changing evidence.
        saying: the view.
        stores: the destinations.
        numbers: the ids of observables.

    Returns:
        `None` when so much is not as it should be that all is to be settled anew.
    """
    again = Again()
    odd: dict[int, list[int]] = {}
    for rules in dict.fromkeys(store.rules for store in stores):
        alike = [store for store in stores if store.rules == rules]
        judging = _Judging(saying, rules, numbers)
        standings = _as_they_should_be(connection, alike, judging.going(), saying.clock)
        going = judging.found
        for store, those in zip(alike, standings, strict=True):
            for number in held(connection, store, going):
                those.pop(number, None)
            again.settled[store.destination_id] = Settled(those)
            rest = sorted(going.keys() - those.keys())
            if len(rest) > max(_FEW_ODD, MOST_ODD * len(going)) or (rest and _counts(store, going)):
                return None
            odd[store.destination_id] = rest
        again.plans[rules] = Plan(tuple(judging.planned), ())
        again.named |= going
    stored = Stored(connection, set().union(*odd.values()), saying.base_url)
    for store in stores:
        rest = odd[store.destination_id]
        if rest:
            here = set(rest)
            wanted = Wanted.of(store.rules, {n: m for n, m in stored.content(store).items() if n in here})
            settled = Placing(connection, store, wanted, (), {}, saying.clock).settle(rest, ())
            before = again.settled[store.destination_id]
            before.standings |= settled.standings
            before.ready, before.withdrawing = settled.ready, settled.withdrawing
    return again


class _Judging:
    """What passes the gates of a rule set; judged while it is asked for, see `bulk.grouped`.

    Attributes:
        planned: the attributes so far.
        found: the observables that go so far, by id.
    """

    def __init__(self, saying: Saying, rules: RuleSet, numbers: Numbers) -> None:
        self._judged = judged(saying.event, rules, saying.base_url, reread=saying.reread)
        self._numbers = numbers
        self.planned: list[PlannedAttribute] = []
        self.found: dict[int, Observable] = {}

    def going(self) -> Iterator[int]:
        """The ids of those that go, each once."""
        planned, found, numbers = self.planned, self.found, self._numbers
        for attribute in self._judged:
            planned.append(attribute)
            for part in attribute.parts:
                if part.reason is None:
                    number = numbers[part.observable]
                    if number not in found:
                        found[number] = part.observable
                        yield number


def _counts(store: Store, going: Collection[int]) -> bool:
    """Whether `maxPerEvent` may hold some back: that is counted over all of them."""
    return 0 < store.settings.max_per_event < len(going)


def _as_they_should_be(
    connection: Connection, stores: Sequence[Store], numbers: Iterable[int], clock: int
) -> list[dict[int, Standing]]:
    """Those of some that destinations hold as they should, for each destination."""
    table = schema.holding
    facts = (table.c.valid_until, table.c.generation)
    places = [table.c.destination_id == store.destination_id for store in stores]
    everywhere = bulk.grouped(connection, table.c.observable_id, numbers, *facts, wheres=places, also=as_it_should_be)
    found: list[dict[int, Standing]] = []
    for groups in everywhere:
        here: dict[int, Standing] = {}
        for (valid_until, generation), those in groups.items():
            if valid_until * 1000 > clock:
                here.update(dict.fromkeys(those, Standing(schema.SETTLED, None, "", valid_until, generation)))
        found.append(here)
    return found
