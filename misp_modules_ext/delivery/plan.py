"""What should go, before any destination is asked: selection, translation and merging under one rule set.

Destinations whose `[selection]` and `[indicator]` keys are equal share one plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import NamedTuple

from misp_modules_ext.config.settings import DestinationSettings, IndicatorRules, Selection
from misp_modules_ext.misp.selection import Closed, View, carries, exists, may_go, picks
from misp_modules_ext.model.indicator import Evidence, Observable
from misp_modules_ext.model.misp import Attribute, Event
from misp_modules_ext.model.outcome import Reason
from misp_modules_ext.translate import (
    Merged,
    Observation,
    evidence,
    merge,
    observe,
    pap_of,
    special,
    tlp_of,
    unknown_markings,
)


class RuleSet(NamedTuple):
    """What decides which attributes go and what their indicators say."""

    selection: Selection
    indicator: IndicatorRules

    @classmethod
    def of(cls, settings: DestinationSettings) -> RuleSet:
        """The rule set of a destination."""
        return cls(settings.selection, settings.indicator)


class Part(NamedTuple):
    """One observable of an attribute: with its evidence when it may go, else with the reason why not."""

    observable: Observable
    evidence: Evidence | None = None
    reason: Reason | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class PlannedAttribute:
    """An attribute with what it yields.

    Attributes:
        parts: its observables; empty when `reason` says why the attribute as a whole stays behind.
    """

    event: Event
    attribute: Attribute
    parts: tuple[Part, ...] = ()
    reason: Reason | None = None
    message: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """All attributes read, and the indicators that should go, each once, in the order they were first seen."""

    attributes: tuple[PlannedAttribute, ...]
    merged: tuple[Merged, ...]


def make_plan(events: Sequence[Event], rules: RuleSet, base_url: str, now: int) -> Plan:
    """Plan under one rule set.

    Args:
        events: what was read.
        rules: the rule set.
        base_url: address of MISP for links, `""` when it is not configured.
        now: seconds since 1970 UTC.
    """
    attributes = tuple(_planned(events, rules, base_url, now))
    return Plan(attributes, tuple(merge(_evidence_of(attributes))))


def _planned(events: Iterable[Event], rules: RuleSet, base_url: str, now: int) -> Iterator[PlannedAttribute]:
    for event in events:
        some_picked = picks(event, rules.selection.pick_tag)
        for attribute in event.attributes:
            picked = carries(attribute.tags, rules.selection.pick_tag) if some_picked else None
            view = View(
                event, attribute, tlp_of(event, attribute, rules.indicator.tlp), pap_of(event, attribute), picked
            )
            yield _plan_one(view, rules, base_url, now)


def _plan_one(view: View, rules: RuleSet, base_url: str, now: int) -> PlannedAttribute:
    """The reasons in the order that tells an analyst most: what can never go is not asked for its IDS flag."""
    gone = exists(view)
    if gone is not None:
        return _stays(view, gone)
    observation = observe(view.attribute)
    if observation.reason is Reason.UNSUPPORTED_TYPE:
        return _stays(view, Closed(observation.reason, observation.message))
    closed = may_go(view, rules.selection)
    if closed is not None:
        return _stays(view, closed)
    if observation.reason is not None:
        return _stays(view, Closed(observation.reason, observation.message))
    parts = tuple(_parts(view, observation, rules, base_url, now))
    unknown = unknown_markings(view.event, view.attribute)
    notes = (*observation.notes, *(f"The marking {tag} is not known and was left aside." for tag in unknown))
    return PlannedAttribute(view.event, view.attribute, parts, notes=notes)


def _stays(view: View, closed: Closed) -> PlannedAttribute:
    return PlannedAttribute(view.event, view.attribute, reason=closed.reason, message=closed.message)


def _parts(view: View, observation: Observation, rules: RuleSet, base_url: str, now: int) -> Iterator[Part]:
    allow_documentation = rules.selection.allow_documentation_ranges
    found = evidence(view.event, view.attribute, observation, rules.indicator, base_url, now=now)
    for piece in found:
        why = special(piece.observable, allow_documentation)
        if why:
            yield Part(piece.observable, reason=Reason.SPECIAL_VALUE, message=why)
        elif piece.valid_until <= now:
            yield Part(piece.observable, reason=Reason.EXPIRED, message=f"It expired on {_day(piece.valid_until)}.")
        else:
            yield Part(piece.observable, piece)


def _evidence_of(attributes: Iterable[PlannedAttribute]) -> Iterator[Evidence]:
    return (part.evidence for planned in attributes for part in planned.parts if part.evidence is not None)


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).date().isoformat()
