"""One MISP event, in MISP's core format or in the internal one of export modules, as frozen records.

Core format: `{"Event": {…, "Attribute": [{…, "Tag": […]}], "Object": […], "Tag": […]}}`. Internal (an export module
that does not ask for the standard format): `Attribute`, `Object`, `EventTag`, `Orgc` stand beside `Event`, tags under
`AttributeTag` (contracts: misp-seen.md 3). Whatever is wrong costs that part alone: an attribute that cannot be read
becomes a record with its `problem`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from sys import intern
from typing import NamedTuple

from misp_modules_ext.errors import UsageError
from misp_modules_ext.misp.coerce import date, flag, identity, integer, seconds, text, uuid_or_none
from misp_modules_ext.misp.decay import read_decay
from misp_modules_ext.misp.shapes import Raw, listed, mapping, shape
from misp_modules_ext.misp.sightings import Beside, beside, read_sightings
from misp_modules_ext.misp.tags import ATTRIBUTE_TAGS, EVENT_TAGS, read_tags
from misp_modules_ext.model.misp import INHERIT, Attribute, Event, ObjectContext, Sharing, decays_from

#: So many different siblings are kept as an attribute's context: every attribute looks at all of them.
MOST_SIBLINGS = 20
#: What an attribute outside of objects says for its object's id, beside nothing at all.
NO_OBJECT = frozenset({"", "0"})
_SECOND = (
    "Another attribute of this event has the same UUID but another type or value: only the first of the two counts."
)
_ASTRAY = "Its object, which says what it is and who may see it, is not shown; our own reading of the event decides."


def parse_event(raw: object, *, only: object = None) -> Event:
    """Read one event.

    Args:
        raw: `{"Event": …}` in either format, or the event itself.
        only: where a workflow filtered, its `_AttributeFlattened` (list, or object keyed by index): the attributes
            that count. Completeness is still judged by the whole view.

    Raises:
        UsageError: `raw` is no MISP event.
    """
    outer = mapping(raw)
    header = mapping(outer.get("Event", outer))
    if not _looks_like_event(header):
        raise UsageError("This is no MISP event: it has none of info, uuid, Attribute and Object.")
    # The internal format puts these beside the header, the core format into it; nothing is lost where both hold some.
    sources = (header, outer) if outer is not header and "Event" in outer else (header,)
    event_uuid = identity(header.get("uuid"), text(header.get("info")), text(header.get("date")))
    notes = [] if uuid_or_none(header.get("uuid")) else ["The event has no valid UUID; one was derived from its title."]
    place = _Place(event_uuid, beside(*sources))
    every = _told_apart(tuple(attribute for source in sources for attribute in _attributes(source, place)))
    shown = every if only is None else _told_apart(tuple(_filtered(only, every, place)))
    count = integer(header.get("attribute_count"))
    creator = _first_mapping(sources, "Orgc")
    published = flag(header.get("published"))
    tags, tag_problem = read_tags(*((source, EVENT_TAGS) for source in sources))
    sharing, sharing_problem = _sharing(*sources)
    return Event(
        uuid=event_uuid,
        id=text(header.get("id")),
        info=text(header.get("info")),
        date=date(header.get("date")),
        published=published,
        counts_as_published=published is True,
        timestamp=seconds(header.get("timestamp")) or 0,
        publish_timestamp=seconds(header.get("publish_timestamp")) or 0,
        threat_level=integer(header.get("threat_level_id")),
        creator_uuid=uuid_or_none(creator.get("uuid")),
        creator_name=text(creator.get("name")),
        sharing=sharing,
        tags=tags,
        attribute_count=count,
        complete=count is not None and count == sum(1 for a in every if not a.gone),
        attributes=shown,
        kept_out=() if only is None else every,
        problem=tag_problem or sharing_problem,
        notes=tuple(notes),
    )


def parse_events(entries: Iterable[object], where: str) -> tuple[list[Event], list[str]]:
    """Read many events; an entry that is none costs itself alone.

    Args:
        entries: what should be events.
        where: where they stand, for messages.

    Returns:
        The events that can be read, and a sentence for each entry that cannot.
    """
    events: list[Event] = []
    refused: list[str] = []
    for number, entry in enumerate(entries, 1):
        try:
            events.append(parse_event(entry))
        except UsageError as error:
            refused.append(f"{where}, entry {number}: {error}")
    return events, refused


def _first_mapping(sources: Iterable[Raw], key: str) -> Raw:
    for source in sources:
        found = mapping(source.get(key))
        if found:
            return found
    return {}


def _looks_like_event(header: Raw) -> bool:
    return any(key in header for key in ("info", "uuid", "Attribute", "Object"))


class _Place(NamedTuple):
    """What an attribute's reader needs of its event: its UUID, and the sightings beside it."""

    event_uuid: str
    sightings: Beside


def _attributes(body: Raw, place: _Place) -> Iterator[Attribute]:
    for raw in listed(body.get("Attribute")):
        yield _attribute(raw, place, None)
    for raw_object in listed(body.get("Object")):
        holder = mapping(raw_object)
        if not holder:
            # No object at all: as a malformed attribute it is accounted for.
            yield _attribute(raw_object, place, None)
            continue
        context, problem = _object(holder, place.event_uuid)
        for raw in listed(holder.get("Attribute")):
            yield _attribute(raw, place, context, problem)


def _told_apart(attributes: tuple[Attribute, ...]) -> tuple[Attribute, ...]:
    """Of several attributes with one UUID, which MISP never has but files do, only what the first one says can count.

    The same once more is no harm; another type or value cannot be told from the first, so it is accounted for.
    """
    if len({attribute.uuid for attribute in attributes}) == len(attributes):
        return attributes
    firsts: dict[str, Attribute] = {}
    return tuple(
        attribute
        if (attribute.type, attribute.value) == (first.type, first.value)
        else replace(attribute, problem=attribute.problem or _SECOND)
        for attribute in attributes
        for first in (firsts.setdefault(attribute.uuid, attribute),)
    )


def _filtered(only: object, every: Iterable[Attribute], place: _Place) -> Iterator[Attribute]:
    """The attributes a workflow let through, with the object context that only the unfiltered part has."""
    known = {attribute.uuid: attribute for attribute in every}
    for raw in listed(only):
        attribute = _attribute(raw, place, None)
        twin = known.get(attribute.uuid)
        yield _attribute(raw, place, twin.object, twin.problem) if twin else attribute


def _attribute(raw: object, place: _Place, context: ObjectContext | None, problem: str = "") -> Attribute:
    """One attribute; `problem` is what is wrong with the object that holds it."""
    source = mapping(raw)
    kind, value = text(source.get("type")), text(source.get("value"))
    tags, tag_problem = read_tags((source, ATTRIBUTE_TAGS))
    sharing, sharing_problem = _sharing(source)
    timestamp, last_seen = seconds(source.get("timestamp")) or 0, seconds(source.get("last_seen"))
    sightings = read_sightings(source, place.sightings)
    decay = None
    if "decay_score" in source:
        decay = read_decay(source, timestamp, decays_from(timestamp, last_seen, sightings))
    # Types, categories and comments are the same again and again: one text for all of them is a fifth of the memory.
    if context is None:
        problem = problem or _astray(source)
    return Attribute(
        uuid=identity(source.get("uuid"), place.event_uuid, kind, value),
        type=intern(kind),
        value=value if source else text(raw)[:200],
        category=intern(text(source.get("category"))),
        comment=intern(text(source.get("comment"))),
        to_ids=flag(source.get("to_ids")),
        deleted=flag(source.get("deleted")) is True,
        timestamp=timestamp,
        first_seen=seconds(source.get("first_seen")),
        last_seen=last_seen,
        sharing=sharing,
        tags=tags,
        warninglists=_warninglists(source),
        sightings=sightings,
        decay=decay,
        object=context,
        problem=_problem(raw, source) or tag_problem or sharing_problem or problem,
        relation=intern(text(source.get("object_relation"))) if context else "",
    )


def _astray(source: Raw) -> str:
    """Why an attribute that is shown outside of objects cannot be judged; `""` when it can.

    Triggers that bring one attribute (attribute-after-save, tag-attached-after-save) show one of an object in a flat
    list. The object may make it no indicator, be deleted, or be for fewer eyes. What is deleted itself goes nowhere.
    """
    if text(source.get("object_id")) in NO_OBJECT or flag(source.get("deleted")) is True:
        return ""
    return _ASTRAY


def _problem(raw: object, source: Raw) -> str:
    if not isinstance(raw, dict):
        return f"An attribute should be an object, this is {shape(raw)}."
    if "proposal_to_delete" in source:
        # What MISP's triggers on proposals bring in place of an attribute (model ShadowAttribute); no attribute has it.
        return "It is a proposal, which nobody has accepted yet."
    if not isinstance(source.get("type"), str) or not source["type"].strip():
        return "The attribute has no type."
    if isinstance(source.get("value"), (dict, list)):
        return f"The attribute's value is {shape(source['value'])}, not a text."
    if source.get("value") is None or not text(source["value"]).strip():
        return "The attribute has no value."
    return ""


def _object(raw: Raw, event_uuid: str) -> tuple[ObjectContext, str]:
    """What an object's attributes need of it, and why they cannot be judged by it (`""` when they can)."""
    name = text(raw.get("name"))
    inner = [mapping(entry) for entry in listed(raw.get("Attribute"))]
    told = ((text(e.get("object_relation")), text(e.get("value"))) for e in inner if _may_be_told(e))
    sharing, problem = _sharing(raw)
    context = ObjectContext(
        uuid=identity(raw.get("uuid"), event_uuid, name, *sorted(text(entry.get("uuid")) for entry in inner)),
        name=name,
        comment=text(raw.get("comment")),
        deleted=flag(raw.get("deleted")) is True,
        sharing=sharing,
        siblings=first_siblings(told),
    )
    return context, problem


def first_siblings(told: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Those that are kept as context: the same ones in whatever order the source, or its pages, show them."""
    return tuple(sorted(set(told))[:MOST_SIBLINGS])


def _may_be_told(sibling: Raw) -> bool:
    """Whether an object's attribute may stand as context with its siblings.

    One with tags or a distribution of its own may be marked more strictly than they are: it is not told.
    """
    tags, unreadable = read_tags((sibling, ATTRIBUTE_TAGS))
    inherits = sibling.get("distribution") in (None, "") or integer(sibling.get("distribution")) == INHERIT
    return flag(sibling.get("deleted")) is not True and inherits and not tags and not unreadable


def _sharing(source: Raw, *beside: Raw) -> tuple[Sharing, str]:
    """Who may see an element, and why that cannot be judged (`""` when it can).

    A distribution that cannot be read might be the narrowest: nothing may go by it.

    Args:
        source: the element.
        beside: where else its sharing group may stand.
    """
    written = source.get("distribution")
    distribution = integer(written)
    group = _first_mapping((source, *beside), "SharingGroup")
    sharing = Sharing(distribution, uuid_or_none(group.get("uuid")) if group else None)
    if distribution is not None or written in (None, ""):
        return sharing, ""
    return sharing, f"Its distribution, {text(written)[:40]!r}, cannot be read."


def _warninglists(source: Raw) -> tuple[str, ...] | None:
    """Names of the warninglists that MISP says hold the value (`includeWarninglistHits`)."""
    if "warnings" not in source:
        return None
    hits = [mapping(hit) for hit in listed(source["warnings"])]
    return tuple(name for name in (text(hit.get("warninglist_name") or hit.get("name")) for hit in hits) if name)
