"""What is done on a match, in the account: the action in force, and why it is not the one that was asked for.

Of what waits the ledger knows the action that is due, not the one that is there: then none is called in force.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import or_

from misp_modules_ext.ledger import Ledger, Settled, Store, bulk, schema
from misp_modules_ext.ledger.placing import action_of
from misp_modules_ext.model.account import Item, ObservableAccount
from misp_modules_ext.model.indicator import Action, Observable
from misp_modules_ext.model.outcome import Outcome
from misp_modules_ext.planning import Part, Plan

#: Outcomes of what is at the destination, or will be.
_GOING = frozenset({Outcome.ACCEPTED, Outcome.MERGED, Outcome.UNCHANGED, Outcome.PENDING})
_ANOTHER = "another attribute with this value, which forbids it or goes before this one, says so."

Actions = Mapping[Observable, Action]


def in_force(ledger: Ledger, store: Store, settled: Settled, named: Mapping[int, Observable]) -> Actions | None:
    """The actions that a destination should have, where they are more than Audit.

    Args:
        ledger: where the rows say so.
        store: the destination.
        settled: what a submission came to; of a preview the ledger keeps nothing.
        named: the observables by id.

    Returns:
        By observable; `None` for a destination that only alerts.
    """
    if not store.settings.actions.acts:
        return None
    row = schema.holding.c
    here = (row.destination_id == store.destination_id) & or_(row.grade >= 100, row.grade < 0)
    numbers = sorted(settled.standings.keys() & named.keys())
    found = ledger.read(
        lambda connection: list(bulk.rows_by(connection, row.observable_id, numbers, row.grade, where=here))
    )
    actions = {named[number]: action_of(grade) for number, grade in found}
    ready = (one.indicator for one in settled.ready.values())
    return actions | {indicator.observable: indicator.action for indicator in ready}


def not_yet(action: Action) -> str:
    """What to say of an action that is due."""
    return f"{action} is asked for and not there yet."


def with_actions(items: tuple[Item, ...], plan: Plan, actions: Actions | None) -> tuple[Item, ...]:
    """The items, whose observables say what is done on a match.

    Args:
        items: the account of the plan's attributes, in their order.
        plan: what was planned.
        actions: as `in_force` gives them.
    """
    if actions is None:
        return items
    return tuple(_item(item, planned.parts, actions) for item, planned in zip(items, plan.attributes, strict=True))


def _item(item: Item, parts: tuple[Part, ...], actions: Actions) -> Item:
    if len(parts) != len(item.observables):
        return item
    accounts = tuple(_account(*pair, actions) for pair in zip(item.observables, parts, strict=True))
    return item if accounts == item.observables else item._replace(observables=accounts)


def _account(account: ObservableAccount, part: Part, actions: Actions) -> ObservableAccount:
    if account.outcome not in _GOING:
        return account
    action = actions.get(part.observable, Action.AUDIT)
    waits = account.outcome is Outcome.PENDING
    note = not_yet(action) if waits and action is not Action.AUDIT else ""
    if part.wished not in (None, action):
        is_ = "is to be" if waits else "is"
        note = f"Would be {part.wished}, {is_} {action}: {part.why_not or _ANOTHER}"
    if waits:
        return account._replace(action="", action_note=note)
    return account._replace(action="" if action is Action.AUDIT else action.value, action_note=note)
