"""What a destination should hold, row by row: the rules by which a holding becomes due (DESIGN.md 4).

A row is compared, never overwritten: what is unchanged stays, also its rejection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, FromClause

from misp_modules_ext.ledger import schema
from misp_modules_ext.ledger.bulk import chunks, insert, rows_by, update
from misp_modules_ext.ledger.holdings import Holding, held, mark_expired, read
from misp_modules_ext.ledger.parts import Counting
from misp_modules_ext.ledger.stores import Refuses, Store
from misp_modules_ext.model.indicator import BLOCKING, Action, Indicator
from misp_modules_ext.model.outcome import Reason
from misp_modules_ext.planning import RuleSet
from misp_modules_ext.translate import Merged, leader, tenth_of_window

_AUDIT = Action.AUDIT
_DUE = schema.DUE


class Standing(NamedTuple):
    """How an observable stands at a destination.

    Attributes:
        state: one of the states of `schema`.
        fresh: this made it due, or it was due already.
        modified_ms: of one that is due where an older version of it is there: as long as its row says so, nothing has
            been sent since.
    """

    state: int
    reason: Reason | None = None
    message: str = ""
    valid_until: int | None = None
    generation: int = 0
    fresh: bool = False
    modified_ms: int | None = None


class Ready(NamedTuple):
    """An indicator that is due, at hand."""

    indicator: Indicator
    digest: bytes


class Change(NamedTuple):
    """New values of a row."""

    state: int
    due_hash: bytes | None
    valid_until: int | None
    grade: int
    due_ms: int
    attempts: int = 0
    reason: str | None = None
    message: str | None = None


@dataclass(slots=True)
class Settled:
    """What became of a set of observables at one destination.

    Attributes:
        standings: by observable id.
        ready: the indicators that are due, by observable id.
        withdrawing: the observables that are to be withdrawn.
    """

    standings: dict[int, Standing] = field(default_factory=dict)
    ready: dict[int, Ready] = field(default_factory=dict)
    withdrawing: set[int] = field(default_factory=set)


#: The columns of a new row but for the destination: the rest of a `Change` is what the table has by itself.
_NEW = ("observable_id", "state", "due_hash", "valid_until", "grade", "due_ms")


class First(NamedTuple):
    """How an observable is placed where there is nothing of it yet.

    Attributes:
        row: values of `_NEW`.
    """

    ready: Ready
    standing: Standing
    row: tuple[Any, ...]


class Entering(NamedTuple):
    """What enters destinations that take the same.

    Attributes:
        numbers: the observables that nothing is known of, with those that do not enter.
        ready: by observable id.
        standings: by observable id.
        rows: values of `_NEW`.
    """

    numbers: Sequence[int]
    ready: Mapping[int, Ready]
    standings: Mapping[int, Standing]
    rows: Sequence[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Content under one rule set, worked out once for all destinations that share it.

    Attributes:
        merged: content by observable.
        digests: its digests.
        firsts: see `first`, as far as anybody has asked.
        entering: see `enter`, by what says whether there is a place.
    """

    rules: RuleSet
    merged: Mapping[int, Merged]
    digests: Mapping[int, bytes]
    firsts: dict[int, First] = field(default_factory=dict)
    entering: dict[Refuses, Entering] = field(default_factory=dict)

    @classmethod
    def of(cls, rules: RuleSet, merged: Mapping[int, Merged]) -> Wanted:
        """Hash all content."""
        return cls(rules, merged, {number: entry.indicator.content_hash() for number, entry in merged.items()})

    def and_also(self, merged: Mapping[int, Merged]) -> Wanted:
        """With more content."""
        if not merged:
            return self
        more = Wanted.of(self.rules, merged)
        return Wanted(self.rules, {**self.merged, **more.merged}, {**self.digests, **more.digests})

    def first(self, numbers: Iterable[int], now_ms: int) -> Mapping[int, First]:
        """How some of them, and perhaps others, are placed at a destination that has no rows for them.

        What is over is not among them.
        """
        firsts, merged, digests = self.firsts, self.merged, self.digests
        # Most share their expiry, and so the record.
        alike: dict[int, Standing] = {}
        for number in numbers:
            if number in firsts:
                continue
            indicator, digest = merged[number].indicator, digests[number]
            until = indicator.valid_until
            if until > now_ms // 1000:
                standing = alike.get(until)
                if standing is None:
                    standing = alike[until] = Standing(_DUE, None, "", until, 0, True)
                row = (number, _DUE, digest, until, grade(indicator), now_ms)
                firsts[number] = First(Ready(indicator, digest), standing, row)
        return firsts

    def enter(self, numbers: Sequence[int], refuses: Refuses, now_ms: int) -> Entering:
        """Place those of which there is nothing at a destination; destinations with the same kinds share the work."""
        found = self.entering.get(refuses)
        if found is None or found.numbers != numbers:
            # In the order of the view: that of the numbers leads from one end of the memory to the other, which takes
            # twice the time.
            known = map(self.first(numbers, now_ms).get, numbers)
            firsts = [first for first in known if first is not None and refuses(first.ready.indicator) is None]
            found = self.entering[refuses] = Entering(
                numbers,
                {first.row[0]: first.ready for first in firsts},
                {first.row[0]: first.standing for first in firsts},
                sorted([first.row for first in firsts]),
            )
        return found


class Placing:
    """Brings one destination's rows in line with what it should hold.

    Args:
        connection: in a transaction that is alone in changing evidence.
        store: the destination.
        wanted: content by observable; those of `observable_ids` that it lacks should be absent.
        lost: observables whose evidence passed this destination's gates and no longer does: only these are withdrawn.
        before: what the evidence said of those before it was lost.
        now_ms: the database's clock.
        counting: for `maxPerEvent`, where this is only a part of an event.

    Attributes:
        leaving: what is there of those that are to be withdrawn, as far as that is known.
    """

    def __init__(
        self,
        connection: Connection,
        store: Store,
        wanted: Wanted,
        lost: Collection[int],
        before: Mapping[int, Merged],
        now_ms: int,
        counting: Counting | None = None,
    ) -> None:
        self._connection = connection
        self._store = store
        self._counting = counting
        self._counted: dict[int, int] = {}
        self._wanted = wanted
        self._lost = lost
        self._before = before
        self.leaving: dict[int, Indicator] = {}
        self._now_ms = now_ms
        self._now = now_ms // 1000
        # Found once: each is asked for every observable.
        self._refuses = store.refuses
        self._most = store.settings.max_per_event
        self._per_event: dict[str, int] = {}
        self._held: dict[int, str] = {}
        self._expired: list[int] = []
        self._counts = False
        self.settled = Settled()

    def settle(self, observable_ids: Collection[int], new: Collection[int]) -> Settled:
        """Compare and write.

        Args:
            observable_ids: which, in the order in which `maxPerEvent` counts.
            new: those for which no row exists anywhere, be they among them or meant for another destination.
        """
        old = [number for number in observable_ids if number not in new]
        self._held = held(self._connection, self._store, old) if old else {}
        self._counts = self._most > 0 and (self._counting is not None or self._most < len(observable_ids))
        if self._counts and self._counting is not None:
            self._counted = self._counting.counted(self._store.destination_id, observable_ids)
        unchanged = self._unchanged(old) if old else set()
        rest = [number for number in old if number not in unchanged]
        rows = read(self._connection, self._store, rest) if rest else {}
        entering = [number for number in observable_ids if number in new and number in self._wanted.merged]
        inserts = [] if self._counts else self._enter(entering)
        changing: list[int] = []
        for number in observable_ids if self._counts else rest:
            if number in unchanged:
                self._count(number, self._wanted.merged[number])
                continue
            change = self._compare(number, rows.get(number))
            if change is not None and number in rows:
                changing.append(number)
            elif change is not None:
                inserts.append(_new_row(number, change))
        inserts.sort()
        made = [(*row, self._store.destination_id) for row in inserts]
        insert(self._connection, schema.holding, [*_NEW, "destination_id"], made)
        self._change(changing)
        for chunk in chunks(sorted(self._expired)):
            mark_expired(self._connection, self._store, schema.holding.c.observable_id.in_(chunk))
        return self.settled

    def _enter(self, numbers: Sequence[int]) -> list[tuple[Any, ...]]:
        """As `_compare`, of those that no row is about: most of what comes, so with few words for each.

        Args:
            numbers: which; there is content for each.

        Returns:
            Values of `_NEW`.
        """
        entering = self._wanted.enter(numbers, self._refuses, self._now_ms)
        self.settled.ready |= entering.ready
        self.settled.standings |= entering.standings
        if len(entering.rows) < len(numbers):
            # There is no place for them, or they are over: that makes no row, but they stand so.
            for number in numbers:
                if number not in entering.ready:
                    self._compare(number, None)
        return list(entering.rows)

    def _unchanged(self, observable_ids: Collection[int]) -> set[int]:
        """Those that are there as they should be: nearly all of a submission that comes again, so read in few words."""
        table = schema.holding
        here = table.c.destination_id == self._store.destination_id
        columns = (table.c.sent_hash, table.c.valid_until, table.c.generation)
        digests, now, standings = self._wanted.digests, self._now, self.settled.standings
        # Most share their expiry, and so the record.
        alike: dict[tuple[int, int], Standing] = {}
        found = set()
        for number, sent, valid_until, generation in rows_by(
            self._connection, table.c.observable_id, sorted(observable_ids), *columns, where=here, also=as_it_should_be
        ):
            if digests.get(number) == sent and valid_until > now and number not in self._held:
                standing = alike.get((valid_until, generation))
                if standing is None:
                    standing = Standing(schema.SETTLED, None, "", valid_until, generation)
                    alike[valid_until, generation] = standing
                standings[number] = standing
                found.add(number)
        return found

    def _change(self, changing: Collection[int]) -> None:
        """Change rows: looked at once more under a lock, since an answer of Microsoft's may have come meanwhile."""
        if not changing:
            return
        values = []
        for number, row in sorted(read(self._connection, self._store, changing, locked=True).items()):
            change = self._compare(number, row, again=True)
            if change is not None:
                values.append((self._store.destination_id, number, *change))
        update(self._connection, schema.holding, ["destination_id", "observable_id"], list(Change._fields), values)

    def _compare(self, number: int, row: Holding | None, *, again: bool = False) -> Change | None:
        """What has to change about a row, and how the observable stands then."""
        entry = self._wanted.merged.get(number)
        if entry is None:
            return self._absent(number, row)
        refused = self._refuses(entry.indicator)
        if refused is not None:
            return self._refused(number, row, *refused)
        if number in self._held:
            self._stand(number, Standing(schema.ON_HOLD, Reason.ON_HOLD, self._held[number]))
            return None
        if not again and self._too_many(number, entry, row):
            message = f"maxPerEvent is {self._most}."
            self._stand(number, Standing(schema.SKIPPED, Reason.MAX_PER_EVENT, message))
            return None
        return self._present(number, row, entry.indicator, self._wanted.digests[number])

    def _refused(self, number: int, row: Holding | None, reason: Reason, message: str) -> Change | None:
        """No place for it as it is now: what acts there under what it was before goes, since nothing can replace it.

        A certificate is the case: Defender lets one be blocked, but not audited.
        """
        leaves = row is not None and row.maybe_there and row.state not in (schema.ON_HOLD, schema.EXPIRED)
        if row is None or not leaves or not (number in self._lost or acts(row) or row.due_hash is None):
            self._stand(number, Standing(schema.SKIPPED, reason, message))
            return None
        self._keep(number, row)
        self.settled.withdrawing.add(number)
        self._stand(number, Standing(schema.SKIPPED, reason, f"{message} What is there of it is withdrawn."))
        return None if row.due_hash is None else Change(schema.DUE, None, row.valid_until, 0, self._now_ms)

    def _too_many(self, number: int, entry: Merged, row: Holding | None) -> bool:
        # A submission of fewer indicators cannot bring too many of one event.
        if not self._counts:
            return False
        over = self._count(number, entry) > self._most
        return over and (row is None or not row.maybe_there)

    def _count(self, number: int, entry: Merged) -> int:
        """How many indicators the event that leads this one has brought so far."""
        event = leader(entry).reference.event
        if self._counting is not None:
            before = self._counted.get(number)
            return self._counting.count(self._store.destination_id, number, event) if before is None else before
        count = self._per_event[event] = self._per_event.get(event, 0) + 1
        return count

    def _present(self, number: int, row: Holding | None, indicator: Indicator, digest: bytes) -> Change | None:
        if row is not None and row.valid_until is not None and row.valid_until > self._now:
            indicator, digest = damped(indicator, digest, row.valid_until, self._wanted.rules)
        if indicator.valid_until <= self._now:
            return self._over(number, row, indicator.valid_until)
        if row is None:
            first = self._wanted.first((number,), self._now_ms)[number]
            self.settled.ready[number] = first.ready
            self.settled.standings[number] = first.standing
            return Change(*first.row[1:])
        if digest == row.sent_hash and row.flight_hash is None:
            self._stand(number, _standing(row, schema.SETTLED, fresh=False))
            if row.state == schema.SETTLED and row.due_hash == digest:
                return None
            return Change(schema.SETTLED, digest, indicator.valid_until, grade(indicator), row.due_ms)
        if digest == row.due_hash and row.state in (schema.DUE, schema.REJECTED, schema.SKIPPED):
            if row.state == schema.DUE:
                self._due(number, row, indicator, digest)
            else:
                self._stand(number, _standing(row, row.state, fresh=False))
            return None
        self._due(number, row, indicator, digest)
        return _make_due(indicator, digest, self._now_ms)

    def _over(self, number: int, row: Holding | None, valid_until: int) -> Change | None:
        if row is not None and row.maybe_there and row.valid_until is not None and row.valid_until > self._now:
            # What is there has time left: it goes when its evidence is gone, not because this would be over.
            return self._absent(number, row)
        self._stand(number, Standing(schema.EXPIRED, Reason.EXPIRED, valid_until=valid_until))
        if row is not None and row.state != schema.EXPIRED:
            self._expired.append(number)
        return None

    def _absent(self, number: int, row: Holding | None) -> Change | None:
        if row is None or row.state in (schema.ON_HOLD, schema.EXPIRED):
            return None
        if not row.maybe_there:
            return None if row.due_hash is None else Change(schema.SETTLED, None, None, 0, row.due_ms)
        if row.due_hash is None:
            self._withdraw(number, row)
            return None
        if number in self._lost or row.sent_hash is None:
            self._keep(number, row)
            self._withdraw(number, row)
            return Change(schema.DUE, None, row.valid_until, 0, self._now_ms)
        # Today's rules would not let it go, but its evidence is what it was: a rule withdraws nothing by itself.
        self._stand(number, _standing(row, schema.SETTLED, fresh=False))
        if row.due_hash == row.sent_hash:
            return None
        return Change(schema.SETTLED, row.sent_hash, row.valid_until, 0, row.due_ms)

    def _keep(self, number: int, row: Holding) -> None:
        """Keep what is there, as long as it is known: the evidence says something else from now on."""
        entry = self._before.get(number)
        if entry is not None:
            indicator = as_held(entry.indicator, row, self._wanted.rules)
            if indicator.content_hash() == row.sent_hash:
                self.leaving[number] = indicator

    def _withdraw(self, number: int, row: Holding) -> None:
        self.settled.withdrawing.add(number)
        self._stand(number, _standing(row, schema.DUE, fresh=True))

    def _due(self, number: int, row: Holding, indicator: Indicator, digest: bytes) -> None:
        self.settled.ready[number] = Ready(indicator, digest)
        # A request without an answer is repeated as it was, also with the time that it said.
        modified = row.modified_ms if row.flight_hash is None and row.sent_hash is not None else None
        self._stand(number, Standing(schema.DUE, None, "", indicator.valid_until, row.generation, True, modified))

    def _stand(self, number: int, standing: Standing) -> None:
        self.settled.standings[number] = standing


def _make_due(indicator: Indicator, digest: bytes, now_ms: int) -> Change:
    return Change(schema.DUE, digest, indicator.valid_until, grade(indicator), now_ms)


def _new_row(number: int, change: Change) -> tuple[Any, ...]:
    return (number, *change[: len(_NEW) - 1])


def as_it_should_be(row: FromClause) -> ColumnElement[bool]:
    """A row whose destination holds what it should."""
    return (row.c.state == schema.SETTLED) & (row.c.due_hash == row.c.sent_hash) & row.c.flight_hash.is_(None)


def _standing(row: Holding, state: int, *, fresh: bool) -> Standing:
    reason = Reason.of(row.reason) if state == row.state else None
    return Standing(state, reason, (row.message or "") if reason else "", row.valid_until, row.generation, fresh)


def damped(indicator: Indicator, digest: bytes, before: int, rules: RuleSet) -> tuple[Indicator, bytes]:
    """The content with the expiry that stands, where the new one would move it by less than a tenth of the window.

    An event that is published every day would otherwise bring all its indicators again every day. A tenth of the whole
    lifetime counts where that is shorter, as a decay model may make it.
    """
    later = indicator.valid_until - before
    tenth = tenth_of_window(rules.indicator, indicator.observable.kind, indicator.tlp)
    if 0 < later < min(tenth, (indicator.valid_until - indicator.valid_from) // 10):
        indicator = indicator._replace(valid_until=before)
        return indicator, indicator.content_hash()
    return indicator, digest


def as_held(indicator: Indicator, row: Holding, rules: RuleSet) -> Indicator:
    """The content with the expiry under which a destination may hold it."""
    return indicator if row.valid_until is None else damped(indicator, b"", row.valid_until, rules)[0]


def grade(indicator: Indicator) -> int:
    """The class by which Defender's slots go: action, severity, then confidence in steps of 20; higher stays longer.

    Hundreds are the action's: none for Audit, -1 for Allowed, 1 and more for those that block; see `action_of`.
    """
    class_ = indicator.severity.value * 10 + indicator.confidence // 20
    # Nearly all are Audit, and finding a member of an enumeration takes longer than the rest.
    return class_ if indicator.action is _AUDIT else class_ + _HUNDREDS[indicator.action] * 100


def acts(row: Holding) -> bool:
    """Whether what a row asks for does more than alert, or less."""
    return action_of(row.grade) is not _AUDIT


def action_of(grade_: int) -> Action:
    """The action behind a grade."""
    return _BY_HUNDREDS[grade_ // 100]


_HUNDREDS = {Action.AUDIT: 0, Action.ALLOWED: -1} | {action: step for step, action in enumerate(BLOCKING, 1)}
_BY_HUNDREDS = {step: action for action, step in _HUNDREDS.items()}
