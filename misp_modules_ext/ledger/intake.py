"""Taking views of events into the ledger: evidence first, then what every destination should hold because of it.

All of it happens in one transaction of the caller's, and one such transaction at a time in a ledger: two that saw each
other's evidence half would both write content that neither event explains.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, FromClause

from misp_modules_ext.ledger import bulk, farewells, repeats, schema
from misp_modules_ext.ledger.asked import asked_for, in_part, narrowed, note_asked, note_attributes
from misp_modules_ext.ledger.comparison import COLUMNS, KEY, Changes, Comparison, Frame, Headers
from misp_modules_ext.ledger.content import Stored
from misp_modules_ext.ledger.engine import alone, now_ms
from misp_modules_ext.ledger.keys import Numbers, no_clash, uuid_text
from misp_modules_ext.ledger.parts import Part, read_part
from misp_modules_ext.ledger.placing import Placing, Settled, Wanted
from misp_modules_ext.ledger.seeing import note, read_now, seen_now, vouch
from misp_modules_ext.ledger.stores import Store
from misp_modules_ext.ledger.views import (
    Known,
    Origin,
    View,
    carried,
    dated,
    find_event,
    lacks,
    prepared,
    read_evidence,
)
from misp_modules_ext.model.indicator import Observable
from misp_modules_ext.model.misp import Event
from misp_modules_ext.planning import Plan, RuleSet, make_plan


@dataclass(slots=True)
class Taken:
    """What became of a submission's views.

    Attributes:
        plans: what was read, judged under each rule set.
        settled: how each observable stands, by destination id.
        named: the observables by id.
        lost_by: by rule set, attributes (UUIDs) whose evidence counted and no longer does.
        kept: by rule set, attributes (UUIDs) that no longer pass, whose earlier version stays until our own reading.
        absent: observables that no attribute of MISP's stands for: it is gone, or has another value.
        stale: UUIDs of events of which the ledger had seen a later state.
    """

    plans: dict[RuleSet, Plan]
    settled: dict[int, Settled]
    named: dict[int, Observable]
    lost_by: dict[RuleSet, set[str]] = field(default_factory=dict)
    kept: dict[RuleSet, set[str]] = field(default_factory=dict)
    absent: set[int] = field(default_factory=set)
    stale: set[str] = field(default_factory=set)


def take(
    connection: Connection,
    events: Sequence[Event],
    origin: Origin,
    stores: Sequence[Store],
    base_url: str,
    *,
    read_later: bool = False,
    elsewhere: Iterable[RuleSet] = (),
    asked: Collection[int] = (),
    part: Part | None = None,
    only: bool = False,
) -> Taken:
    """Take views into the ledger.

    Args:
        connection: in a transaction.
        events: the views, each of one event, all of one MISP.
        origin: who says so.
        stores: the destinations. A request asks for them; our own reading changes only those that were asked for the
            event before.
        base_url: address of MISP for links.
        read_later: have our own reading settle the events.
        elsewhere: rule sets of destinations that a request does not name: it takes nothing away from them either.
        asked: ids of the destinations that a person asks for with our own reading.
        part: there is one view, our own reading of a part of an event; see `parts`.
        only: a person asks for these attributes, not for their events.
    """
    alone(connection)
    clock = now_ms(connection) if part is None else part.began_ms
    views = [prepared(event, clock // 1000) for event in events]
    names = sorted({(view.event.uuid, view.event.misp) for view in views})
    known = {uuid: find_event(connection, uuid, misp) for uuid, misp in names}
    event_ids = [event.event_id for event in known.values()]
    if origin is Origin.REQUEST:
        asked = [store.destination_id for store in stores]
    note_asked(connection, event_ids, asked, only=only)
    if origin is Origin.OWN_READING:
        everywhere = asked_for(connection, event_ids)
        stores = [store for store in stores if store.destination_id in everywhere]
    partly = in_part(connection, event_ids) & {store.destination_id for store in stores}
    narrow = _Partly(partly, frozenset(asked), only)
    taking = _Taking(connection, origin, base_url, clock, tuple(elsewhere), narrow, part)
    # What was said before is what the whole event said.
    if part is None and not partly and taking.repeats(views, known, stores):
        taking.note_views(read_later=read_later)
        return taking.result
    for event in known.values():
        if part is None:
            read_evidence(connection, event)
        else:
            read_part(connection, event, part)
    if partly and not only and len(partly) == len(stores):
        views = [narrowed(view, known[view.event.uuid]) for view in views]
    views = [dated(view, known[view.event.uuid]) for view in views]
    whole = [carried(view, known[view.event.uuid], origin) for view in views]
    if any(lacks(view, said) for view, said in zip(views, whole, strict=True)):
        taking.compare_each_time()
    views = whole
    taking.plan(views, known, stores)
    taking.compare()
    taking.remember()
    taking.write(stores)
    taking.note_attributes(stores)
    taking.note_views(read_later=read_later)
    taking.settle(stores)
    taking.leave_out_what_waits()
    return taking.result


class _Partly(NamedTuple):
    """Where only some attributes of the events count.

    Attributes:
        places: ids of the destinations.
        asking: ids of those that are asked for what the views show.
        asked: the views show what somebody asks for, and the rest of their events is not meant.
    """

    places: frozenset[int]
    asking: frozenset[int]
    asked: bool


class _Taking:
    """The steps of `take`, in their order."""

    def __init__(
        self,
        connection: Connection,
        origin: Origin,
        base_url: str,
        clock: int,
        elsewhere: tuple[RuleSet, ...],
        partly: _Partly,
        part: Part | None = None,
    ) -> None:
        self._connection = connection
        self._origin = origin
        self._base_url = base_url
        self._clock = clock
        self._elsewhere = elsewhere
        self._partly = partly
        self._part = part
        self._numbers = Numbers()
        self._views: Sequence[View] = ()
        self._known: Mapping[str, Known] = {}
        self._compared: list[tuple[Known, Changes]] = []
        self._new: set[int] = set()
        self._before = Stored(connection, (), base_url)
        self._digest: bytes | None = None
        self._whole = True
        self._reread = origin is Origin.OWN_READING
        self.result = Taken({}, {}, {})

    def repeats(self, views: Sequence[View], known: Mapping[str, Known], stores: Sequence[Store]) -> bool:
        """Whether there is one view that says what it said before; then everything is settled."""
        if len(views) != 1:
            return False
        view, rule_sets = views[0], dict.fromkeys(store.rules for store in stores)
        event, stored = view.event, known[view.event.uuid]
        if self._is_stale(event, stored) or self._may_be_frozen(event):
            return False
        self._digest = repeats.digest_of(view, [*rule_sets, *self._elsewhere], self._base_url)
        if not repeats.was_said(self._connection, stored.event_id, stores, self._origin, self._digest):
            return False
        saying = repeats.Saying(event, self._base_url, self._clock, self._reread)
        again = repeats.settle_again(self._connection, saying, stores, self._numbers)
        if again is None:
            return False
        self._views, self._known = views, known
        self.result = Taken(again.plans, again.settled, again.named)
        if again.sends:
            # The report says which attribute speaks for what is sent.
            read_evidence(self._connection, stored)
            self.plan(views, known, stores)
        return True

    def compare_each_time(self) -> None:
        """The view lacks facts that are known: what it says alone is not what counts, also when it says it again."""
        self._whole = False

    def _is_stale(self, event: Event, known: Known) -> bool:
        # 0 is not said, and not older than anything.
        return 0 < event.timestamp < (known.own_timestamp if self._origin is Origin.OWN_READING else known.timestamp)

    def _may_be_frozen(self, event: Event) -> bool:
        """Whether what our own reading says of an event means something else as time passes."""
        return self._origin is Origin.OWN_READING and not event.counts_as_published

    def plan(self, views: Sequence[View], known: Mapping[str, Known], stores: Iterable[Store]) -> None:
        """Judge the views under the rule set of each destination."""
        self._views, self._known = views, known
        events = [view.event for view in views]
        taken = {uuid: event.taken() for uuid, event in known.items()}
        for rules in dict.fromkeys(store.rules for store in stores):
            self.result.plans[rules] = make_plan(
                events, rules, self._base_url, taken, self._clock // 1000, reread=self._reread
            )

    def compare(self) -> None:
        """Find what each view changes in the evidence."""
        result, start = self.result, 0
        for view in self._views:
            event, stored = view.event, self._known[view.event.uuid]
            end = start + len(event.attributes)
            planned = {rules: plan.attributes[start:end] for rules, plan in result.plans.items()}
            start = end
            if self._is_stale(event, stored):
                result.stale.add(event.uuid)
                continue
            # With no destination left there is nothing to go by.
            if not result.plans:
                continue
            frozen = self._frozen(event, stored)
            now = self._clock // 1000
            frame = Frame(self._origin, frozen, self._base_url, now, self._elsewhere, self._partly.asked)
            headers = Headers(self._connection, stored, event, [*result.plans, *self._elsewhere])
            comparison = Comparison(view, stored, planned, headers, frame, self._numbers)
            # What cannot be judged takes nothing away (rule 5).
            unread = self._origin is Origin.OWN_READING and bool(event.problem)
            changes = comparison.doubt() if unread else comparison.run()
            if self._part is not None and self._part.adds_only:
                self._put_off(self._part, stored, changes)
            self._compared.append((stored, changes))
            result.named |= changes.named
            for rules in result.plans:
                result.lost_by.setdefault(rules, set()).update(changes.lost_by[rules])
                result.kept.setdefault(rules, set()).update(changes.kept[rules])
            result.absent |= changes.absent

    def _put_off(self, part: Part, stored: Known, changes: Changes) -> None:
        """Let what takes anything away wait for the other parts."""
        merged = (m.indicator.observable for plan in self.result.plans.values() for m in plan.merged)
        changes.put_off(stored.rows, {self._numbers[observable] for observable in merged})
        part.waiting = {uuid_text(key) for key in changes.losing}
        part.added = {(key, number) for number, key in changes.rows if key in changes.losing}

    def leave_out_what_waits(self) -> None:
        """What waits is accounted for when it is taken once more."""
        waiting = self._part.waiting if self._part is not None else ()
        if waiting:
            plans = self.result.plans
            for rules, plan in plans.items():
                plans[rules] = replace(
                    plan, attributes=tuple(p for p in plan.attributes if p.attribute.uuid not in waiting)
                )

    def _frozen(self, event: Event, known: Known) -> bool:
        """Whether an unpublished event still counts as it was: the longest grace of all rule sets is not over."""
        if not self._may_be_frozen(event):
            return False
        selections = [rules.selection for rules in self.result.plans]
        graces = [selection.unpublished_grace for selection in selections if selection.published]
        since = self._clock if known.unpublished_since_ms is None else known.unpublished_since_ms
        return bool(graces) and self._clock < since + max(graces) * 1000

    def remember(self) -> None:
        """Note what the evidence says of observables that are about to lose some."""
        lost = set[int]().union(*(numbers for _, changes in self._compared for numbers in changes.lost.values()))
        self._before = Stored(self._connection, lost, self._base_url)

    def write(self, stores: Sequence[Store]) -> None:
        """Write the evidence."""
        connection = self._connection
        event_ids = [event.event_id for event in self._known.values()]
        self._write_observables()
        rows = [row for _, changes in self._compared for row in changes.rows.values()]
        if len(self._compared) > 1:
            # Of an event that is shown twice, what is shown later.
            rows = list({row[:3]: row for row in rows}.values())
        bulk.upsert(connection, schema.evidence, COLUMNS, KEY, sorted(rows))
        gone = sorted(
            (number, event.event_id, key, 0) for event, changes in self._compared for number, key in changes.gone
        )
        bulk.update(connection, schema.evidence, KEY, ["vouches"], gone)
        changed = bool(rows or gone)
        if self._origin is Origin.OWN_READING and (self._part is None or self._part.last):
            read = [event.event_id for event, changes in self._compared if not changes.unread]
            changed = vouch(connection, read) or changed
        if changed:
            repeats.forget(connection, event_ids, stores)
        if self._digest is not None and self._compared:
            ((event, changes),) = self._compared
            # What is listed twice, or kept although the view says otherwise, is compared each time.
            plain = self._whole and not changes.undecided and len(changes.seen) == len(self._views[0].event.attributes)
            repeats.note(connection, event.event_id, stores, self._origin, self._digest if plain else None)

    def _write_observables(self) -> None:
        """Those that the ledger has never seen."""
        named: dict[int, Observable] = {}
        for _, changes in self._compared:
            named |= changes.named
        stored = {row.observable_id for event in self._known.values() for rows in event.rows.values() for row in rows}
        unknown = sorted(named.keys() - stored)
        table = schema.observable
        there = list(bulk.rows_by(self._connection, table.c.observable_id, unknown, table.c.kind, table.c.value))
        no_clash(named, there)
        known = {row[0] for row in there}
        new = [number for number in unknown if number not in known]
        self._new = set(new)
        rows = [(number, named[number].kind.value, named[number].value) for number in new]
        bulk.insert(self._connection, table, ["observable_id", "kind", "value"], rows)

    def note_views(self, *, read_later: bool) -> None:
        """Note that the events were seen, and when they are to be read."""
        own, last = self._origin is Origin.OWN_READING, self._part is None or self._part.last
        for view in self._views:
            stored = self._known[view.event.uuid]
            fresh = view.event.uuid not in self.result.stale
            values = seen_now(view.event, stored, fresh=fresh)
            if own:
                values |= read_now(view.event, stored, self._clock, fresh=fresh, last=last)
            elif read_later:
                values |= {"read_due_ms": self._clock, "read_attempts": 0}
            note(self._connection, stored, values)

    def note_attributes(self, stores: Sequence[Store]) -> None:
        """Note what somebody asks for where the rest of its event is not meant; not what may not go as it is now."""
        if not self._partly.asked:
            return
        passing = {
            rules: [
                (self._known[planned.event.uuid].event_id, planned.attribute.uuid)
                for planned in plan.attributes
                if any(part.reason is None for part in planned.parts)
            ]
            for rules, plan in self.result.plans.items()
        }
        for store in stores:
            if store.destination_id in self._partly.places & self._partly.asking:
                note_attributes(self._connection, store.destination_id, passing[store.rules])

    def settle(self, stores: Sequence[Store]) -> None:
        """Find the content of all observables concerned, and bring the rows of each destination in line with it."""
        result, connection = self.result, self._connection
        odd = set().union(*(changes.odd for _, changes in self._compared))
        if result.stale:
            odd |= {self._numbers[m.indicator.observable] for plan in result.plans.values() for m in plan.merged}
        event_ids = [event.event_id for event in self._known.values()]
        for rules, plan in result.plans.items():
            lost = set().union(*(changes.lost.get(rules, set()) for _, changes in self._compared))
            merged = {self._numbers[entry.indicator.observable]: entry for entry in plan.merged}
            others = _elsewhere(connection, merged.keys() - self._new - odd, event_ids, self._attributes())
            # A request may have named fewer destinations than the event goes to: our own reading brings all in line.
            concerned = odd if self._origin is Origin.OWN_READING else odd & merged.keys()
            doubtful = concerned | lost | others
            if any(store.rules == rules and store.destination_id in self._partly.places for store in stores):
                # What counts there is not what the view says.
                doubtful |= merged.keys()
            sure = Wanted.of(rules, {number: entry for number, entry in merged.items() if number not in doubtful})
            stored = Stored(connection, doubtful, self._base_url)
            for store in stores:
                if store.rules == rules:
                    wanted = sure.and_also(stored.content(store))
                    order: Mapping[int, object] = wanted.merged
                    if wanted is not sure:
                        order = dict.fromkeys([*(n for n in merged if n in wanted.merged), *wanted.merged])
                    counting = self._part.counting if self._part is not None else None
                    before = self._before.content(store)
                    placing = Placing(connection, store, wanted, lost, before, self._clock, counting)
                    settled = placing.settle([*order, *sorted(lost - order.keys())], self._new)
                    farewells.keep(connection, store, placing.leaving)
                    result.settled[store.destination_id] = settled
            result.named |= {n: merged[n].indicator.observable for n in merged.keys() - result.named.keys()}
            result.named |= stored.named()

    def _attributes(self) -> Collection[bytes] | None:
        """Those that are looked at, where these are not all of the event."""
        return self._part.held.keys() if self._part is not None else None


def _elsewhere(
    connection: Connection,
    observable_ids: Collection[int],
    event_ids: Sequence[int],
    attributes: Collection[bytes] | None,
) -> set[int]:
    """Those for which other events vouch as well, or other attributes than these of the same event."""
    table = schema.evidence

    def others(row: FromClause) -> ColumnElement[bool]:
        vouches = row.c.vouches == 1
        return vouches & row.c.event_id.not_in(event_ids) if attributes is None else vouches

    keys = sorted(observable_ids)
    if attributes is None:
        return {row[0] for row in bulk.rows_by(connection, table.c.observable_id, keys, also=others)}
    found = bulk.rows_by(connection, table.c.observable_id, keys, table.c.event_id, table.c.attribute, also=others)
    return {number for number, event, key in found if event not in event_ids or bytes(key) not in attributes}
