"""From evidence to indicators: one for each observable, whatever the order in which its evidence came.

The content is a pure function of the evidence (DESIGN.md 4, rule 4). What has one value only (title, severity, threat
type) comes from the evidence that leads: severest first, then the most confident, the newest event, the smallest event
UUID, the smallest attribute UUID. The action comes from the first in that order that has a say in it: who may not block
may not end a block by saying nothing, either. Evidence that is over has no say, and what one piece with a say forbids
nobody gets. Where the action does more than alert, or less, title, severity, confidence, threat type and end come from
the evidence that asks for it: what anyone may send must not keep it alive.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import NamedTuple

from misp_modules_ext.model.indicator import BLOCKING, Action, Evidence, Indicator, Observable, Reference
from misp_modules_ext.translate.context import FALSE_POSITIVE
from misp_modules_ext.translate.markings import OBJECT_LABEL, joined

MOST_REFERENCES = 10
MOST_OBJECTS = 10
#: So many facts are kept of an indicator: every attribute of a common value may bring some, and no description holds
#: more.
MOST_FACTS = 50

# Python 3.11 takes 0.2 µs to find a member of an enumeration, and this is asked for every indicator.
_AUDIT = Action.AUDIT


class Merged(NamedTuple):
    """One observable's indicator and what vouches for it.

    Attributes:
        evidence: the one that leads first, the others in their order.
    """

    indicator: Indicator
    evidence: tuple[Evidence, ...]


def merge(evidence: Iterable[Evidence], now: int = 0) -> list[Merged]:
    """Group evidence by observable, in the order in which observables first come; the time is linear.

    Evidence that is over counts like any other, but for the action; whether an indicator is, its `valid_until` says.

    Args:
        evidence: in any order.
        now: seconds since 1970 UTC; 0 where nothing is over.
    """
    firsts: dict[Observable, Evidence] = {}
    groups: dict[Observable, list[Evidence]] = {}
    for item in evidence:
        first = firsts.setdefault(item.observable, item)
        if first is not item:
            groups.setdefault(item.observable, [first]).append(item)
    return [
        _merged(groups[observable], now) if observable in groups else Merged(_of_one(item), (item,))
        for observable, item in firsts.items()
    ]


def leader(merged: Merged) -> Evidence:
    """The evidence that leads: its attribute is reported as accepted, those of the others as merged."""
    return merged.evidence[0]


def _merged(evidence: list[Evidence], now: int) -> Merged:
    # By the total order. Stable sorts, last criterion first, since the directions differ.
    evidence.sort(key=_ties)
    evidence.sort(key=lambda item: (item.severity, item.confidence, item.event_date), reverse=True)
    return Merged(_of_several(evidence, now), tuple(evidence))


def _ties(item: Evidence) -> tuple[object, ...]:
    """UUIDs; behind them all the rest, so that two states of one attribute are in order too."""
    return (
        item.reference.event,
        item.reference.attribute,
        item.title,
        item.threat_type,
        item.reference.url,
        item.tlp,
        item.labels,
        item.facts,
        item.valid_from,
        item.valid_until,
        item.action or "",
        item.context,
        item.vetoes,
    )


def _of_one(item: Evidence) -> Indicator:
    """What `_of_several` makes of one, without the work: most observables have one attribute."""
    observable, reference, title, _, severity, confidence, threat, tlp, labels, facts, start, until, action, told, _ = (
        item
    )
    references = (reference,)
    act = action or _AUDIT
    return Indicator(
        observable, title, severity, confidence, threat, act, tlp, labels, facts, references, start, until, told
    )


def _of_several(evidence: Sequence[Evidence], now: int) -> Indicator:
    action = _action(evidence, now)
    asking = evidence if action is _AUDIT else [item for item in evidence if _asks(item, action, now)]
    first = asking[0]
    return Indicator(
        first.observable,
        first.title,
        first.severity,
        max(item.confidence for item in asking),  # the order goes by severity first, so not always the first's
        first.threat_type,
        action,
        max(item.tlp for item in evidence),
        _labels(evidence),
        _facts(evidence),
        _references(evidence),
        min(item.valid_from for item in evidence),
        max(item.valid_until for item in asking),
        joined(item.context for item in evidence),
    )


def _action(evidence: Sequence[Evidence], now: int) -> Action:
    """That of the first which has a say; Audit where any that has one forbids it."""
    if all(item.action is _AUDIT for item in evidence):
        return _AUDIT
    said = (item.action for item in evidence if item.action is not None and item.valid_until > now)
    action = next(said, _AUDIT)
    return _AUDIT if any(action in item.vetoes for item in evidence) else action


def _asks(item: Evidence, action: Action, now: int) -> bool:
    """Whether it asks for an action, or for more of the same."""
    if item.action is None or item.valid_until <= now:
        return False
    if item.action in BLOCKING and action in BLOCKING:
        return BLOCKING.index(item.action) >= BLOCKING.index(action)
    return item.action is action


def _facts(evidence: Sequence[Evidence]) -> tuple[str, ...]:
    """The first ones, each once; that somebody saw a false positive is never left out."""
    told = dict.fromkeys(chain.from_iterable(item.facts for item in evidence))
    if len(told) <= MOST_FACTS:
        return tuple(told)
    kept = tuple(islice(told, MOST_FACTS))
    return kept if FALSE_POSITIVE in kept or FALSE_POSITIVE not in told else (*kept[:-1], FALSE_POSITIVE)


def _labels(evidence: Sequence[Evidence]) -> tuple[str, ...]:
    """Those of all; of labels that tie the indicators of an object, the first ten, for objects are without end."""
    labels = dict.fromkeys(chain.from_iterable(item.labels for item in evidence))
    objects = [label for label in labels if label.startswith(OBJECT_LABEL)]
    return tuple(sorted(labels.keys() - set(objects[MOST_OBJECTS:])))


def _references(evidence: Sequence[Evidence]) -> tuple[Reference, ...]:
    """One for each event, at most ten."""
    by_event: dict[str, Reference] = {}
    for item in evidence:
        by_event.setdefault(item.reference.event, item.reference)
        if len(by_event) == MOST_REFERENCES:
            break
    return tuple(by_event.values())
