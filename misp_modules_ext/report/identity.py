"""Does an account add up? (DESIGN.md 4, rule 1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from misp_modules_ext.model.account import Account, DestinationAccount, Item, that_count, worst
from misp_modules_ext.model.outcome import Outcome, Reason

#: Outcomes that need a reason; the others have none.
_EXPLAINED = frozenset({Outcome.SKIPPED, Outcome.PENDING, Outcome.REJECTED})


def check_identity(account: Account) -> list[str]:
    """What is wrong with an account; an empty list when it adds up.

    Checked: every destination accounts for the same attributes, each of them once; the outcomes add up to `read`;
    the skipped, pending and rejected have a reason, and every reason fits its outcome; an attribute counts by its worst
    observable (one that the destination cannot hold does not count when another went); items name events of the
    account.
    """
    return [
        *_different_attributes(account),
        *_unknown_events(account),
        *(f"{destination.name}: {fault}" for destination in account.destinations for fault in _faults(destination)),
    ]


def _different_attributes(account: Account) -> Iterator[str]:
    """Every destination accounts for every attribute that was read."""
    accounted = [(d.name, Counter((i.event, i.attribute) for i in d.items)) for d in account.destinations]
    for name, attributes in accounted:
        every = accounted[0][1]
        for event, attribute in sorted((every - attributes) + (attributes - every)):
            yield f"{name} and {accounted[0][0]} differ in whether attribute {attribute} of event {event} was read"


def _unknown_events(account: Account) -> Iterator[str]:
    known = {event.uuid for event in account.events}
    found = {item.event for destination in account.destinations for item in destination.items}
    for event in sorted(found - known):
        yield f"items name event {event}, which the account does not list"


def _faults(destination: DestinationAccount) -> Iterator[str]:
    counts = destination.counts
    total = sum(counts.values()) - counts["read"]
    if total != counts["read"]:
        yield f"outcomes add up to {total}, but {counts['read']} attributes were read"
    for item in destination.items:
        for fault in _item_faults(item):
            yield f"attribute {item.attribute}: {fault}"


def _item_faults(item: Item) -> Iterator[str]:
    yield from _reason_faults(item.outcome, item.reason)
    for part in item.observables:
        for fault in _reason_faults(part.outcome, part.reason):
            yield f"{part.kind} {part.value!r}: {fault}"
    if item.observables and item.outcome is not _expected(item):
        yield f"counts as {item.outcome}, but by its observables it is {_expected(item)}"


def _reason_faults(outcome: Outcome, reason: Reason | None) -> Iterator[str]:
    if outcome in _EXPLAINED and reason is None:
        yield f"{outcome} without a reason"
    if reason is not None and reason.outcome is not outcome:
        yield f"{outcome} with the reason {reason}, which is one for {reason.outcome}"


def _expected(item: Item) -> Outcome:
    """The worst outcome of the observables that count."""
    return worst(part.outcome for part in that_count(item.observables))
