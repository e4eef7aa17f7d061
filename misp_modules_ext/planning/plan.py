"""From events to indicators under one rule set, with a reason for everything that stays behind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import NamedTuple

from misp_modules_ext.misp.selection import Closed, Gates, exists, picks
from misp_modules_ext.model.indicator import Action, Evidence, Observable
from misp_modules_ext.model.misp import Attribute, Event, Tag
from misp_modules_ext.model.outcome import Reason
from misp_modules_ext.planning.actions import Acting
from misp_modules_ext.planning.rules import RuleSet
from misp_modules_ext.translate import EventContext, Marks, Merged, leader, merge, observe, special

# Python 3.11 takes 0.2 µs to find a member of an enumeration, and this is asked for every attribute.
_UNSUPPORTED = Reason.UNSUPPORTED_TYPE
#: So many warninglists are named for an attribute.
_MOST_LISTS = 3
_AUDIT = Action.AUDIT


class Part(NamedTuple):
    """One observable of an attribute: it may go, or there is a reason why not.

    Attributes:
        evidence: what the attribute vouches for when it may go; `None` also where nobody asked for it.
        wished: the action that the configuration asks for, `None` for Audit.
        why_not: why this attribute does not get it, `""` when it does.
    """

    observable: Observable
    evidence: Evidence | None = None
    reason: Reason | None = None
    message: str = ""
    wished: Action | None = None
    why_not: str = ""


class PlannedAttribute(NamedTuple):
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
    """All attributes read, and the indicators that should go, each once, in the order they were first seen.

    Attributes:
        leading: see `leaders`; empty while `merged` tells.
    """

    attributes: tuple[PlannedAttribute, ...]
    merged: tuple[Merged, ...]
    leading: Mapping[Observable, tuple[str, str]] = field(default_factory=dict)

    def leaders(self) -> Mapping[Observable, tuple[str, str]]:
        """Event and attribute (UUIDs) that speak for each observable that goes."""
        if self.leading:
            return self.leading
        leading = ((merged.indicator.observable, leader(merged).reference) for merged in self.merged)
        return {observable: (reference.event, reference.attribute) for observable, reference in leading}

    def bare(self) -> Plan:
        """The same without evidence and indicators, which are most of its memory: what an account needs of it."""
        if not self.merged:
            return self
        return Plan(tuple(map(_bare, self.attributes)), (), self.leaders())


def _bare(planned: PlannedAttribute) -> PlannedAttribute:
    if not planned.parts:
        return planned
    return planned._replace(parts=tuple([part._replace(evidence=None) for part in planned.parts]))


class Judge:
    """Plans the attributes of one event under one rule set; what is the same for many of them is worked out once."""

    def __init__(self, event: Event, rules: RuleSet, base_url: str, some_picked: bool) -> None:
        """Read the event's header.

        Args:
            event: the event; its attributes are not looked at.
            rules: the rule set.
            base_url: address of MISP for links, `""` when it is not configured.
            some_picked: whether any attribute of the event carries the pick tag (`misp.selection.picks`).
        """
        self._event = event
        self._gates = Gates(event, rules.selection, some_picked)
        self._context = EventContext(event, rules.indicator, event.misp or base_url)
        self._allow_documentation = rules.selection.allow_documentation_ranges
        self._by_tags: dict[tuple[Tag, ...], _Tagged] = {}
        self._acting = Acting(event, rules.actions) if rules.actions.acts else None

    def judge(self, attribute: Attribute, taken: int | None, *, reread: bool = False) -> PlannedAttribute:
        """Plan one attribute of the event.

        The reasons in the order that tells an analyst most: what can never go is not asked for its IDS flag.

        Args:
            attribute: the attribute.
            taken: when the ledger first took it, seconds since 1970 UTC, more than 0; `None` to leave the evidence out.
            reread: it stands exactly as our own reading of the event saw it.
        """
        gone = exists(self._event, attribute)
        if gone is not None:
            return self._stays(attribute, *gone)
        observation = observe(attribute)
        # Fields by their place, here and below: by their names they take three times as long.
        observables, _, notes, reason, message = observation
        if reason is _UNSUPPORTED:
            return self._stays(attribute, reason, message)
        marks, closed_by_tags, noted = self._by_tags.get(attribute.tags) or self._read(attribute.tags)
        closed = self._gates.first_closed(attribute, closed_by_tags)
        if closed is not None:
            return self._stays(attribute, *closed)
        if reason is not None:
            return self._stays(attribute, reason, message)
        found: Iterable[Evidence | None] = repeat(None)
        if taken is not None:
            found = self._context.evidence(attribute, observation, marks, taken)
        parts = []
        for observable, piece in zip(observables, found, strict=False):
            why = special(observable, self._allow_documentation)
            parts.append(Part(observable, None, Reason.SPECIAL_VALUE, why) if why else Part(observable, piece))
        if noted:
            notes += noted
        if attribute.warninglists:
            notes = (*notes, _listed(attribute.warninglists))
        if self._acting is not None:
            parts = [_acted(self._acting, part, attribute, marks, reread=reread) for part in parts]
        return PlannedAttribute(self._event, attribute, tuple(parts), None, "", notes)

    def _read(self, tags: tuple[Tag, ...]) -> _Tagged:
        marks = self._context.marks(tags)
        closed = self._gates.of_tags(tags, marks.tlp, marks.pap)
        tagged = self._by_tags[tags] = _Tagged(marks, closed, marks.notes())
        return tagged

    def _stays(self, attribute: Attribute, reason: Reason, message: str) -> PlannedAttribute:
        return PlannedAttribute(self._event, attribute, (), reason, message)


def _listed(lists: Sequence[str]) -> str:
    """That an attribute which may go is on warninglists; none of them is named by `warninglists`."""
    more = len(lists) - _MOST_LISTS
    named = "; ".join(lists[:_MOST_LISTS]) + (f"; and {more} more" if more > 0 else "")
    return f"It is on warninglists that [selection] lets pass: {named}."


def _acted(acting: Acting, part: Part, attribute: Attribute, marks: Marks, *, reread: bool) -> Part:
    """A part with the action that it asks for."""
    if part.reason is not None:
        return part
    action, wished, why, vetoes = acting.decide(part.observable, attribute, marks, reread=reread)
    evidence = part.evidence and part.evidence._replace(action=action, vetoes=vetoes)
    return Part(part.observable, evidence, None, "", None if wished is _AUDIT else wished, why)


class _Tagged(NamedTuple):
    """What follows from the tags of an attribute together with those of its event.

    Attributes:
        marks: what the tags say.
        closed: the gate that they close.
        notes: for the report.
    """

    marks: Marks
    closed: Closed | None
    notes: tuple[str, ...]


def make_plan(
    events: Sequence[Event],
    rules: RuleSet,
    base_url: str,
    taken: Mapping[str, Mapping[str, int]],
    now: int,
    *,
    reread: bool = False,
) -> Plan:
    """Plan under one rule set.

    Args:
        events: what was read.
        rules: the rule set.
        base_url: address of MISP for links, `""` when it is not configured.
        taken: event UUID -> attribute UUID -> when the ledger first took it, seconds since 1970 UTC.
        now: the same for attributes that `taken` does not name: they are taken now.
        reread: this is our own reading.
    """
    attributes: list[PlannedAttribute] = []
    for event in events:
        judge_ = Judge(event, rules, base_url, picks(event, rules.selection.pick_tag)).judge
        known = taken.get(event.uuid, {})
        attributes += [judge_(a, known.get(a.uuid, now), reread=reread) for a in event.attributes]
    return Plan(tuple(attributes), tuple(merge(parts_evidence(attributes), now)))


def judged(event: Event, rules: RuleSet, base_url: str, *, reread: bool = False) -> Iterator[PlannedAttribute]:
    """Which attributes of an event go, one after the other, without what their indicators say: half the work.

    The arguments are those of `make_plan`.
    """
    judge_ = Judge(event, rules, base_url, picks(event, rules.selection.pick_tag)).judge
    return (judge_(attribute, None, reread=reread) for attribute in event.attributes)


def judge(
    event: Event,
    attribute: Attribute,
    rules: RuleSet,
    base_url: str,
    taken: int,
    some_picked: bool,
    *,
    reread: bool = False,
) -> PlannedAttribute:
    """Plan one attribute; for many of one event, keep a `Judge`. The arguments are those of `Judge`."""
    return Judge(event, rules, base_url, some_picked).judge(attribute, taken, reread=reread)


def parts_evidence(attributes: Iterable[PlannedAttribute]) -> Iterator[Evidence]:
    """What attributes vouch for: the evidence of those of their parts that may go, for `translate.merge`."""
    return (part.evidence for planned in attributes for part in planned.parts if part.evidence is not None)
