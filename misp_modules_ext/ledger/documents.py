"""What the ledger keeps of attributes, event headers and indicators: compact JSON of what gates and context need.

A document is written and read for every attribute, so it is an array in a fixed order and not an object. The first
entry is the number of the layout: an older layout is still read.
"""

from __future__ import annotations

from typing import Any

import orjson

from misp_modules_ext.errors import LedgerError
from misp_modules_ext.model.indicator import Action, Context, Indicator, Kind, Observable, Reference, Severity
from misp_modules_ext.model.misp import (
    NO_DECAY,
    NO_SIGHTINGS,
    Attribute,
    Decay,
    Event,
    ObjectContext,
    Sharing,
    Sightings,
    Tag,
    Tlp,
)

_ATTRIBUTE = 2
_HEADER = 1
_INDICATOR = 2


def write_attribute(attribute: Attribute) -> bytes:
    """The document of an attribute; its UUID and timestamp are columns."""
    written = orjson.dumps(
        [
            _ATTRIBUTE,
            attribute.type,
            attribute.value,
            attribute.category,
            attribute.comment,
            attribute.to_ids,
            attribute.deleted,
            attribute.first_seen,
            attribute.last_seen,
            tuple(attribute.sharing),
            _tags(attribute.tags) if attribute.tags else (),
            attribute.warninglists,
            None if attribute.object is None else _object(attribute.object),
            attribute.problem,
            # That there are none, and that the source did not say, are the same: neither ends or weighs anything.
            _said(attribute.sightings, NO_SIGHTINGS),
            _said(attribute.decay, NO_DECAY),
            attribute.relation,
        ]
    )
    # orjson writes into a kilobyte and cuts it off in place; of that, the rest is lost to others. A copy is as small as
    # it is.
    return memoryview(written).tobytes()


def read_attribute(uuid: str, timestamp: int, document: bytes) -> Attribute:
    """The attribute of a document.

    Raises:
        LedgerError: the document is damaged, or of a layout that this version does not know.
    """
    parts = _parts(document, _ATTRIBUTE)
    type_, value, category, comment, to_ids, deleted, first, last, sharing, tags, lists, holder, problem = parts[:13]
    # Layout 1 had none of these.
    sightings, decay, relation = parts[13:] or (None, None, "")
    return Attribute(
        uuid=uuid,
        type=type_,
        value=value,
        category=category,
        comment=comment,
        to_ids=to_ids,
        deleted=deleted,
        timestamp=timestamp,
        first_seen=first,
        last_seen=last,
        sharing=Sharing(*sharing),
        tags=_read_tags(tags),
        warninglists=None if lists is None else tuple(lists),
        sightings=None if sightings is None else Sightings(*sightings),
        decay=None if decay is None else Decay(*decay),
        object=_read_object(holder),
        relation=relation,
        problem=problem,
    )


def write_header(event: Event, picked: tuple[str, ...]) -> bytes:
    """The document of a header.

    Args:
        event: the view it is of.
        picked: the pick tags that any of its attributes carries; empty when nothing is picked.
    """
    return orjson.dumps(
        [
            _HEADER,
            event.info,
            event.date,
            event.counts_as_published,
            event.publish_timestamp,
            event.threat_level,
            event.creator_uuid,
            event.creator_name,
            tuple(event.sharing),
            _tags(event.tags),
            event.problem,
            picked,
        ]
    )


def read_header(uuid: str, document: bytes, misp: str = "") -> tuple[Event, tuple[str, ...]]:
    """The event of a document, without attributes, and the pick tags that some of them carry.

    Args:
        uuid: the event's.
        document: what `write_header` made.
        misp: see `Event.misp`.

    Raises:
        LedgerError: the document is damaged, or of a layout that this version does not know.
    """
    info, date, counts, publication, level, creator, name, sharing, tags, problem, picked = _parts(document, _HEADER)
    event = Event(
        uuid=uuid,
        misp=misp,
        info=info,
        date=date,
        counts_as_published=counts,
        publish_timestamp=publication,
        threat_level=level,
        creator_uuid=creator,
        creator_name=name,
        sharing=Sharing(*sharing),
        tags=_read_tags(tags),
        problem=problem,
    )
    return event, tuple(picked)


def write_indicator(indicator: Indicator) -> bytes:
    """The document of an indicator: what a destination holds, word for word."""
    return orjson.dumps(
        [
            _INDICATOR,
            *indicator.observable,
            indicator.title,
            indicator.severity,
            indicator.confidence,
            indicator.threat_type,
            indicator.action,
            indicator.tlp,
            indicator.labels,
            indicator.facts,
            [list(reference) for reference in indicator.references],
            indicator.valid_from,
            indicator.valid_until,
            list(indicator.context),
        ]
    )


def read_indicator(document: bytes) -> Indicator:
    """The indicator of a document.

    Raises:
        LedgerError: the document is damaged, or of a layout that this version does not know.
    """
    parts = _parts(document, _INDICATOR)
    kind, value, title, severity, confidence, threat, action, tlp, labels, facts, references, start, until = parts[:13]
    return Indicator(
        observable=Observable(Kind(kind), value),
        title=title,
        severity=Severity(severity),
        confidence=confidence,
        threat_type=threat,
        action=Action(action),
        tlp=Tlp(tlp),
        labels=tuple(labels),
        facts=tuple(facts),
        references=tuple(Reference(*reference) for reference in references),
        valid_from=start,
        valid_until=until,
        context=_read_context(*parts[13:]),
    )


def _read_context(told: list[list[Any]] | None = None) -> Context:
    """Layout 1 had none."""
    if told is None:
        return Context()
    phases, techniques, actors, malware = told
    return Context(
        tuple((chain, phase) for chain, phase in phases),
        tuple((technique, name) for technique, name in techniques),
        tuple(actors),
        tuple(malware),
    )


def _parts(document: bytes, newest: int) -> list[Any]:
    try:
        layout: Any
        parts: list[Any]
        layout, *parts = orjson.loads(document)
    except (ValueError, TypeError) as error:
        raise LedgerError("A document in the ledger is damaged. Restore the ledger from a backup.") from error
    if layout not in range(1, newest + 1):
        raise LedgerError(
            f"The ledger holds documents of layout {layout}, which a newer version wrote. Update this one."
        )
    return parts


def _said(facts: tuple[Any, ...] | None, nothing: tuple[Any, ...]) -> list[Any] | None:
    return None if facts is None or facts == nothing else list(facts)


def _tags(tags: tuple[Tag, ...]) -> list[tuple[Any, ...]]:
    # Their fields in their order, as with `Sharing`: one more makes another layout.
    return [tuple(tag) for tag in tags]


def _read_tags(tags: list[list[Any]]) -> tuple[Tag, ...]:
    return tuple(Tag(*tag) for tag in tags)


def _object(holder: ObjectContext) -> list[Any]:
    return [holder.uuid, holder.name, holder.comment, holder.deleted, tuple(holder.sharing), holder.siblings]


def _read_object(parts: list[Any] | None) -> ObjectContext | None:
    if parts is None:
        return None
    uuid, name, comment, deleted, sharing, siblings = parts
    told = tuple((relation, value) for relation, value in siblings)
    return ObjectContext(uuid, name, comment, deleted, Sharing(*sharing), told)
