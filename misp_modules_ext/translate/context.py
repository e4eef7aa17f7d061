"""What one attribute vouches for: its observables with the context that event and attribute give."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from misp_modules_ext.model.indicator import Action, Evidence, Kind, Reference, Severity
from misp_modules_ext.model.misp import Attribute, Event, ObjectContext, Tag, Tlp
from misp_modules_ext.model.outcome import Reason
from misp_modules_ext.translate.lifetime import LAST_SECOND, base_of, ends, valid_from, window_of
from misp_modules_ext.translate.markings import OBJECT_LABEL, EventMarks, Marks
from misp_modules_ext.translate.observation import Observation, observe
from misp_modules_ext.translate.special_use import special
from misp_modules_ext.translate.templates import Fact, template
from misp_modules_ext.translate.text import readable
from misp_modules_ext.translate.threats import threat_type

if TYPE_CHECKING:
    from misp_modules_ext.config.settings import IndicatorRules

#: The fact that stands with evidence whose source says no date at all.
NO_DATE = "no date in the source"
#: The fact that stands with evidence whose attribute somebody sighted as a false positive. It says no number: content
#: would change with each of them.
FALSE_POSITIVE = "sighted as a false positive"

_SEVERITIES = {1: Severity.HIGH, 2: Severity.MEDIUM, 3: Severity.LOW}
#: What looks like an IPv4 address in a text.
_ADDRESS = re.compile(r"(?<![\w.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?!\.?\w)")
#: What looks like a mail address in a text.
_MAILBOX = re.compile(r"[^\s@]@[^\s@]")
#: A name that is shorter stands in many words.
_SHORTEST_NAME = 4
# Python 3.11 takes 0.2 µs to find a member of an enumeration, and this is asked for every attribute.
_AUDIT = Action.AUDIT


class EventContext:
    """What an event and the rules say for all attributes of that event, worked out once."""

    def __init__(self, event: Event, rules: IndicatorRules, base_url: str) -> None:
        """Read the event's header.

        Args:
            event: its attributes are not looked at.
            rules: how indicators are made.
            base_url: address of the MISP for links, `""` when it is not configured.
        """
        self._event = event
        self._rules = rules
        self._link = event_link(base_url, event.uuid)
        self._title = readable(event.info)
        self._severity = _SEVERITIES.get(event.threat_level or 0, Severity.INFORMATIONAL)
        self._marks = EventMarks(event.tags, rules.tlp, rules.labels, rules.confidence)
        self._windows: dict[tuple[Kind, Tlp], int] = {}
        self._linked: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = {}
        self._told: dict[int, tuple[ObjectContext, tuple[tuple[str, str], ...]]] = {}

    def marks(self, tags: tuple[Tag, ...]) -> Marks:
        """What the event's tags say together with an attribute's own."""
        return self._marks.of(tags)

    def evidence(
        self, attribute: Attribute, observation: Observation, marks: Marks, taken: int
    ) -> tuple[Evidence, ...]:
        """As the function of this name; `marks` are those of the attribute."""
        event, rules = self._event, self._rules
        base, dated = base_of(event, attribute, taken)
        end = None if attribute.sightings is None and attribute.decay is None else ends(attribute)
        # What ends before it began is written so that it can be: STIX 2.1 (4.7) wants an end after the beginning.
        start = valid_from(attribute, base) if end is None else min(valid_from(attribute, base), end - 1)
        facts = self._facts(attribute, observation, dated)
        reference = Reference(event.uuid, attribute.uuid, self._link)
        sightings, confidence = attribute.sightings, marks.confidence
        if sightings is not None:
            confidence = marks.assessment.confidence(rules.confidence, sightings)
        labels = marks.labels if attribute.object is None else self._labels(attribute.object.uuid, marks.labels)
        found = []
        for observable in observation.observables:
            until = end or min(base + self._window(observable.kind, marks.tlp), LAST_SECOND)
            # In the order of the fields: keywords cost a quarter more, and this runs for every attribute.
            found.append(
                Evidence(
                    observable,
                    reference,
                    self._title,
                    event.date,
                    self._severity,
                    confidence,
                    threat_type(marks.threat, attribute.category, observable.kind, rules.threat_type),
                    marks.tlp,
                    labels,
                    facts,
                    start,
                    until,
                    _AUDIT,
                    marks.context,
                )
            )
        return tuple(found)

    def _labels(self, holder: str, labels: tuple[str, ...]) -> tuple[str, ...]:
        """The labels of an attribute in an object: with the one that all indicators of this object have."""
        linked = self._linked.get((holder, labels))
        if linked is None:
            linked = self._linked[holder, labels] = tuple(sorted({*labels, OBJECT_LABEL + holder}))
        return linked

    def _facts(self, attribute: Attribute, observation: Observation, dated: bool) -> tuple[str, ...]:
        facts = observation.facts
        if attribute.object is not None:
            facts += tuple(fact for value, fact in self._of_object(attribute.object) if value != attribute.value)
        if attribute.comment and (comment := readable(attribute.comment)):
            facts += (f"comment: {comment}",)
        if attribute.first_seen or attribute.last_seen:
            facts += tuple(_seen(attribute))
        if attribute.sightings is not None and attribute.sightings.false_positives:
            facts += (FALSE_POSITIVE,)
        if not dated:
            facts += (NO_DATE,)
        return facts if len(facts) < 2 else tuple(dict.fromkeys(facts))

    def _of_object(self, holder: ObjectContext) -> tuple[tuple[str, str], ...]:
        # By identity, since hashing one takes as long as all else here; it is kept, so that no other gets its identity.
        found = self._told.get(id(holder))
        if found is None:
            found = self._told[id(holder)] = (holder, tuple(_object_facts(holder)))
        return found[1]

    def _window(self, kind: Kind, tlp: Tlp) -> int:
        window = self._windows.get((kind, tlp))
        if window is None:
            window = self._windows[kind, tlp] = window_of(self._rules, kind, tlp)
        return window


def evidence(
    event: Event,
    attribute: Attribute,
    observation: Observation,
    rules: IndicatorRules,
    base_url: str,
    taken: int,
) -> tuple[Evidence, ...]:
    """The evidence of one attribute, one for each observable. For many attributes of an event: `EventContext`.

    Args:
        event: the event that holds the attribute.
        attribute: the attribute.
        observation: what `observe` made of it.
        rules: how indicators are made.
        base_url: address of the MISP for links, `""` when it is not configured.
        taken: when the ledger first took this attribute, seconds since 1970 UTC, more than 0.

    Returns:
        In the order of `observation.observables`; empty when there are none.
    """
    context = EventContext(event, rules, base_url)
    return context.evidence(attribute, observation, context.marks(attribute.tags), taken)


def event_link(base_url: str, event: str) -> str:
    """Where MISP shows an event; `""` when its address is not configured."""
    return f"{base_url.rstrip('/')}/events/view/{event}" if base_url else ""


def _object_facts(holder: ObjectContext) -> Iterator[tuple[str, str]]:
    """What the object's template says of its indicators, as pairs of a value and the fact that tells it.

    Siblings that are context, the object's name, its comment.
    """
    row = template(holder.name)
    facts = row.facts
    hidden = {name for relation, value in holder.siblings if row.why_silent(relation) for name in _names(value)}
    told = ((facts[relation], value) for relation, value in holder.siblings if relation in facts and value.strip())
    for fact, value in dict.fromkeys(told):
        if _may_be_told(fact, value) and not _gives_away(fact, value, hidden):
            yield value, f"{fact.name}: {readable(value)}"
    if holder.name:
        yield "", f"object: {readable(holder.name)}"
    if holder.comment and (comment := readable(holder.comment)):
        yield "", f"object comment: {comment}"


#: Types that hold a number; they become no indicator, so no reader looks at them.
_NUMBERS = frozenset({"port", "size-in-bytes"})


def _may_be_told(fact: Fact, value: str) -> bool:
    """Whether a sibling is what its type says, and none of the values that go nowhere, such as private addresses."""
    if not fact.type:
        return True
    if fact.type in _NUMBERS:
        return value.strip().isascii() and value.strip().isdecimal()
    observation = observe(Attribute("", fact.type, value))
    if observation.reason is Reason.INVALID_VALUE:
        return False
    return not any(special(observable, allow_documentation=True) for observable in observation.observables)


def _names(value: str) -> Iterator[str]:
    """By which a text would name a sibling that does not go, in lower case: a mailbox also without its domain."""
    whole = value.strip().lower()
    return (name for name in (whole, whole.partition("@")[0]) if len(name) >= _SHORTEST_NAME)


def _gives_away(fact: Fact, value: str, hidden: Collection[str]) -> bool:
    """Whether a text says what does not go by itself.

    That is a sibling that does not go (the recipient, in the subject of a mail), any mailbox in a subject, or an
    address of a private network.

    Args:
        fact: how it would be told.
        value: the text.
        hidden: names of the siblings that do not go, in lower case.
    """
    lowered = value.lower()
    if any(name in lowered for name in hidden):
        return True
    if fact.type:
        return fact.type == "email-subject" and _MAILBOX.search(value) is not None
    addresses = (observe(Attribute("", "ip-dst", found)) for found in _ADDRESS.findall(value))
    return any(special(o, allow_documentation=True) for seen in addresses for o in seen.observables)


def _seen(attribute: Attribute) -> Iterator[str]:
    """When it was first and last seen, as far as the source says it and a calendar has it."""
    for name, moment in (("first seen", attribute.first_seen), ("last seen", attribute.last_seen)):
        if moment and 0 < moment <= LAST_SECOND:
            yield f"{name}: {datetime.fromtimestamp(moment, timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
