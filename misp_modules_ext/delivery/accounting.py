"""Every attribute's outcome at one destination: nothing read ends without one (DESIGN.md 4, rule 1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from misp_modules_ext.delivery.plan import Part, Plan, PlannedAttribute
from misp_modules_ext.destinations.interface import ItemResult
from misp_modules_ext.model.account import Item, ObservableAccount, that_count, worst
from misp_modules_ext.model.indicator import Observable, Reference
from misp_modules_ext.model.outcome import Outcome, Reason
from misp_modules_ext.translate import Merged, leader

_THERE = frozenset({Outcome.ACCEPTED, Outcome.MERGED, Outcome.UNCHANGED})


@dataclass(slots=True)
class _Leaders:
    """Which attribute speaks for an indicator: it is `accepted`, all others that vouch for it are `merged`."""

    by_observable: dict[Observable, Reference]
    taken: set[Observable] = field(default_factory=set)

    def claims(self, part: Part) -> bool:
        """Whether this part leads; the same attribute listed twice leads once."""
        leading = part.evidence is not None and self.by_observable.get(part.observable) == part.evidence.reference
        if not leading or part.observable in self.taken:
            return False
        self.taken.add(part.observable)
        return True


def account_for(plan: Plan, results: Mapping[Observable, ItemResult], otherwise: ItemResult) -> tuple[Item, ...]:
    """The outcome of every planned attribute.

    Args:
        plan: what was planned.
        results: one result for each observable that has one.
        otherwise: the result of observables without one.
    """
    leaders = _Leaders({m.indicator.observable: leader(m).reference for m in plan.merged})
    indicators = {m.indicator.observable: m for m in plan.merged}
    return tuple(_item(planned, results, otherwise, leaders, indicators) for planned in plan.attributes)


def _item(
    planned: PlannedAttribute,
    results: Mapping[Observable, ItemResult],
    otherwise: ItemResult,
    leaders: _Leaders,
    indicators: Mapping[Observable, Merged],
) -> Item:
    if planned.reason is not None:
        return _of(planned, planned.reason.outcome, planned.reason, planned.message)
    accounts = tuple([_observable(part, results, otherwise, leaders, indicators) for part in planned.parts])
    if len(accounts) == 1:
        # Nearly all of them, and there may be fifty thousand at each destination.
        return _of(planned, accounts[0].outcome, accounts[0].reason, accounts[0].message, (), accounts)
    counted = that_count(accounts)
    outcome = worst(a.outcome for a in counted)
    telling = next(a for a in counted if a.outcome is outcome)
    left_out = tuple(f"{a.kind} {a.value} did not go: {_why(a)}" for a in accounts if a not in counted)
    return _of(planned, outcome, telling.reason, telling.message, left_out, accounts)


def _of(
    planned: PlannedAttribute,
    outcome: Outcome,
    reason: Reason | None,
    message: str,
    left_out: tuple[str, ...] = (),
    accounts: tuple[ObservableAccount, ...] = (),
) -> Item:
    attribute = planned.attribute
    notes = planned.notes + left_out
    return Item(
        planned.event.uuid, attribute.uuid, attribute.type, attribute.value, outcome, reason, message, notes, accounts
    )


def _why(account: ObservableAccount) -> str:
    return account.message or (account.reason.meaning if account.reason else "")


def _observable(
    part: Part,
    results: Mapping[Observable, ItemResult],
    otherwise: ItemResult,
    leaders: _Leaders,
    indicators: Mapping[Observable, Merged],
) -> ObservableAccount:
    kind, value = part.observable.kind.value, part.observable.value
    if part.evidence is None:
        reason = part.reason or Reason.INVALID_VALUE
        return ObservableAccount(kind, value, reason.outcome, part.observable.stix_id(), None, reason, part.message)
    result = results.get(part.observable, otherwise)
    outcome = result.outcome
    if outcome is Outcome.ACCEPTED and not leaders.claims(part):
        outcome = Outcome.MERGED
    merged = indicators[part.observable]
    expiry = merged.indicator.valid_until if outcome in _THERE else None
    return ObservableAccount(kind, value, outcome, merged.stamp.stix_id, expiry, result.reason, result.message)
