"""What one attribute vouches for: its observables with the context that event and attribute give."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from misp_modules_ext.model.indicator import Evidence, Reference, Severity
from misp_modules_ext.model.misp import Attribute, Event
from misp_modules_ext.translate.lifetime import base_of, last_change, valid_from, valid_until
from misp_modules_ext.translate.markings import marks_of
from misp_modules_ext.translate.observation import Observation
from misp_modules_ext.translate.text import readable

if TYPE_CHECKING:
    from misp_modules_ext.config.settings import IndicatorRules

#: The fact that stands with evidence whose source says no date at all.
NO_DATE = "no date in the source"

_SEVERITIES = {1: Severity.HIGH, 2: Severity.MEDIUM, 3: Severity.LOW}
_MOST_SIBLINGS = 10


def evidence(
    event: Event,
    attribute: Attribute,
    observation: Observation,
    rules: IndicatorRules,
    base_url: str,
    *,
    taken: int = 0,
    now: int = 0,
) -> tuple[Evidence, ...]:
    """The evidence of one attribute, one for each observable.

    Args:
        event: the event that holds the attribute.
        attribute: the attribute.
        observation: what `observe` made of it.
        rules: how indicators are made.
        base_url: address of the MISP for links, `""` when it is not configured.
        taken: when the ledger first took this evidence, seconds since 1970 UTC; 0 while there is no ledger.
        now: what counts as the date when the source says none, seconds since 1970 UTC. Without it, such evidence is
            expired.

    Returns:
        In the order of `observation.observables`; empty when there are none.
    """
    if not observation.observables:
        return ()
    marks = marks_of(event.tags, attribute.tags, rules.labels)
    tlp = rules.tlp if marks.tlp is None else marks.tlp
    base, dated = base_of(event, attribute, taken, now)
    facts = _facts(attribute, observation, dated)
    reference = Reference(event.uuid, attribute.uuid, event_link(base_url, event.uuid))
    severity = _SEVERITIES.get(event.threat_level or 0, Severity.INFORMATIONAL)
    title = readable(event.info)
    changed = last_change(event, attribute, base, now)
    found = []
    for observable in observation.observables:
        until = valid_until(base, rules, observable.kind, tlp)
        start = valid_from(attribute, base, until)
        # In the order of the fields: keywords cost a quarter more, and this runs for every attribute.
        found.append(
            Evidence(
                observable,
                reference,
                title,
                event.date,
                severity,
                rules.confidence,
                rules.threat_type,
                tlp,
                marks.labels,
                facts,
                start,
                until,
                changed,
            )
        )
    return tuple(found)


def event_link(base_url: str, event: str) -> str:
    """Where MISP shows an event; `""` when its address is not configured."""
    return f"{base_url.rstrip('/')}/events/view/{event}" if base_url else ""


def _facts(attribute: Attribute, observation: Observation, dated: bool) -> tuple[str, ...]:
    if dated and attribute.object is None and not attribute.comment:
        return observation.facts
    facts = [*observation.facts, *_object_facts(attribute)]
    comment = readable(attribute.comment)
    if comment:
        facts.append(f"comment: {comment}")
    if not dated:
        facts.append(NO_DATE)
    return tuple(dict.fromkeys(facts))


def _object_facts(attribute: Attribute) -> Iterator[str]:
    """The object's name, and for a file object the names of that file; other siblings are not this attribute's."""
    if attribute.object is None:
        return
    if attribute.object.name == "file":
        names = (value for relation, value in attribute.object.siblings if relation == "filename")
        others = [name for name in dict.fromkeys(names) if name != attribute.value and name.strip()]
        for name in others[:_MOST_SIBLINGS]:
            yield f"file name: {readable(name)}"
    if attribute.object.name:
        yield f"object: {readable(attribute.object.name)}"
