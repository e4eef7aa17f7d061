"""Every attribute's outcome at one destination: nothing read ends without one (DESIGN.md 4, rule 1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from misp_modules_ext.model.account import Item, ObservableAccount, that_count, worst
from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.model.outcome import Outcome, Reason
from misp_modules_ext.planning import Part, Plan, PlannedAttribute
from misp_modules_ext.translate import why_it_ended

_ACCEPTED = Outcome.ACCEPTED
_EXPIRED = Reason.EXPIRED
_TEXTS = {kind: kind.value for kind in Kind}
#: So many earlier destinations are looked at for an equal record.
MOST_COMPARED = 3
_THERE = frozenset({Outcome.ACCEPTED, Outcome.MERGED, Outcome.UNCHANGED})


class Result(NamedTuple):
    """What became of one observable.

    Attributes:
        valid_until: seconds since 1970 UTC; `None` where it is not known.
        generation: how often this ledger has revoked it.
    """

    outcome: Outcome
    reason: Reason | None = None
    message: str = ""
    valid_until: int | None = None
    generation: int = 0


#: What became of an attribute that counted and no longer does; `None` for all others.
Taken = Callable[[PlannedAttribute], Result | None]


class _Leaders:
    """Which attribute speaks for an indicator: it is `accepted`, all others that vouch for it are `merged`."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._by_observable: Mapping[Observable, tuple[str, str]] | None = None
        self._taken: set[Observable] = set()

    def claims(self, planned: PlannedAttribute, observable: Observable) -> bool:
        """Whether this attribute leads; listed twice, it leads once."""
        if self._by_observable is None:
            # Nobody asks when nothing was sent.
            self._by_observable = self._plan.leaders()
        here = (planned.event.uuid, planned.attribute.uuid)
        if self._by_observable.get(observable) != here or observable in self._taken:
            return False
        self._taken.add(observable)
        return True


class Accountant:
    """Accounts for one destination after the other.

    What became of an attribute at one destination became of it at most others: there are few records for all of them.
    """

    def __init__(self) -> None:
        self._done: list[_Done] = []

    def items(
        self, plan: Plan, results: Mapping[Observable, Result], otherwise: Result, withdrawn: Taken | None = None
    ) -> tuple[Item, ...]:
        """As `account_for`."""
        earlier = [done for done in self._done if done.plan is plan]
        for done in earlier:
            alike = withdrawn is None and not done.withdrawn and done.otherwise == otherwise
            # To compare a dictionary with itself takes as long as with any other.
            if alike and (done.results is results or done.results == results):
                return done.items
        made = account_for(plan, results, otherwise, withdrawn, [done.items for done in earlier[-MOST_COMPARED:]])
        self._done.append(_Done(plan, results, otherwise, withdrawn is not None, made))
        return made


class _Done(NamedTuple):
    """The account of one destination, and what it was made of."""

    plan: Plan
    results: Mapping[Observable, Result]
    otherwise: Result
    withdrawn: bool
    items: tuple[Item, ...]


def account_for(
    plan: Plan,
    results: Mapping[Observable, Result],
    otherwise: Result,
    withdrawn: Taken | None = None,
    earlier: Sequence[Sequence[Item]] = (),
) -> tuple[Item, ...]:
    """The outcome of every planned attribute.

    Args:
        plan: what was planned.
        results: one result for each observable that has one.
        otherwise: the result of observables without one.
        withdrawn: what became of attributes that stay behind although they counted before.
        earlier: accounts of the same plan at other destinations, whose records are used again where they are equal.
    """
    leaders = _Leaders(plan)
    return tuple(
        [
            _known(_item(planned, results, otherwise, leaders, withdrawn), known)
            for planned, *known in zip(plan.attributes, *earlier, strict=True)
        ]
    )


def _known(item: Item, known: Sequence[Item]) -> Item:
    """The item, or one that is there already and says the same."""
    for other in known:
        if other == item:
            return other
    return item


def _item(
    planned: PlannedAttribute,
    results: Mapping[Observable, Result],
    otherwise: Result,
    leaders: _Leaders,
    withdrawn: Taken | None,
) -> Item:
    event, attribute, parts, why, message, notes = planned
    uuid, type_, value = attribute.uuid, attribute.type, attribute.value
    if why is not None:
        gone = withdrawn(planned) if withdrawn is not None else None
        if gone is not None:
            return Item(event.uuid, uuid, type_, value, gone.outcome, gone.reason, gone.message, notes)
        return Item(event.uuid, uuid, type_, value, why.outcome, why, message, notes)
    accounts = tuple([_observable(planned, part, results, otherwise, leaders) for part in parts])
    if len(accounts) == 1:
        # Nearly all of them, and there may be fifty thousand at each destination.
        ((_, _, outcome, _, _, reason, message, *_),) = accounts
        return Item(event.uuid, uuid, type_, value, outcome, reason, message, notes, accounts)
    counted = that_count(accounts)
    outcome = worst(a.outcome for a in counted)
    telling = next(a for a in counted if a.outcome is outcome)
    left_out = tuple(f"{a.kind} {a.value} did not go: {_why(a)}" for a in accounts if a not in counted)
    return Item(event.uuid, uuid, type_, value, outcome, telling.reason, telling.message, notes + left_out, accounts)


def _why(account: ObservableAccount) -> str:
    return account.message or (account.reason.meaning if account.reason else "")


def _observable(
    planned: PlannedAttribute,
    part: Part,
    results: Mapping[Observable, Result],
    otherwise: Result,
    leaders: _Leaders,
) -> ObservableAccount:
    observable = part.observable
    # Kinds are texts, and plain ones here: finding an enumeration's value takes longer than all the rest.
    kind, value = _TEXTS[observable.kind], observable.value
    reason = part.reason
    if reason is not None:
        return ObservableAccount(kind, value, reason.outcome, observable.stix_id(), None, reason, part.message)
    outcome, reason, message, valid_until, generation = results.get(observable, otherwise)
    if reason is _EXPIRED:
        message = f"{message} {why_it_ended(planned.attribute)}".strip()
    if outcome is _ACCEPTED and not leaders.claims(planned, observable):
        outcome = Outcome.MERGED
    expiry = valid_until if outcome in _THERE else None
    return ObservableAccount(kind, value, outcome, observable.stix_id(generation), expiry, reason, message)
