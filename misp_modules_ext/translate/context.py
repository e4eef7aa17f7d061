"""What one attribute vouches for: its observables with the context that event and attribute give."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from misp_modules_ext.model.indicator import Evidence, Kind, Reference, Severity
from misp_modules_ext.model.misp import Attribute, Event, ObjectContext, Tag, Tlp
from misp_modules_ext.translate.lifetime import LAST_SECOND, base_of, ends, valid_from, window_of
from misp_modules_ext.translate.markings import EventMarks, Marks
from misp_modules_ext.translate.observation import Observation
from misp_modules_ext.translate.text import readable

if TYPE_CHECKING:
    from misp_modules_ext.config.settings import IndicatorRules

#: The fact that stands with evidence whose source says no date at all.
NO_DATE = "no date in the source"

_SEVERITIES = {1: Severity.HIGH, 2: Severity.MEDIUM, 3: Severity.LOW}
_MOST_SIBLINGS = 10


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
        self._marks = EventMarks(event.tags, rules.tlp, rules.labels)
        self._windows: dict[tuple[Kind, Tlp], int] = {}

    def marks(self, tags: tuple[Tag, ...]) -> Marks:
        """What the event's tags say together with an attribute's own."""
        return self._marks.of(tags)

    def evidence(
        self, attribute: Attribute, observation: Observation, marks: Marks, taken: int
    ) -> tuple[Evidence, ...]:
        """As the function of this name; `marks` are those of the attribute."""
        event, rules = self._event, self._rules
        base, dated = base_of(event, attribute, taken)
        end = ends(attribute)
        # What ends before it began is written so that it can be: STIX 2.1 (4.7) wants an end after the beginning.
        start = valid_from(attribute, base) if end is None else min(valid_from(attribute, base), end - 1)
        facts = _facts(attribute, observation, dated)
        reference = Reference(event.uuid, attribute.uuid, self._link)
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
                    rules.confidence,
                    rules.threat_type,
                    marks.tlp,
                    marks.labels,
                    facts,
                    start,
                    until,
                )
            )
        return tuple(found)

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


def _facts(attribute: Attribute, observation: Observation, dated: bool) -> tuple[str, ...]:
    facts = observation.facts
    if attribute.object is not None:
        facts += tuple(_object_facts(attribute.value, attribute.object))
    if attribute.comment and (comment := readable(attribute.comment)):
        facts += (f"comment: {comment}",)
    if not dated:
        facts += (NO_DATE,)
    return facts if len(facts) < 2 else tuple(dict.fromkeys(facts))


def _object_facts(value: str, holder: ObjectContext) -> Iterator[str]:
    """The object's name, and for a file object the names of that file; other siblings are not this attribute's."""
    if holder.name == "file":
        names = (name for relation, name in holder.siblings if relation == "filename")
        others = [name for name in dict.fromkeys(names) if name != value and name.strip()]
        for name in others[:_MOST_SIBLINGS]:
            yield f"file name: {readable(name)}"
    if holder.name:
        yield f"object: {readable(holder.name)}"
