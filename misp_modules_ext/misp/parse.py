"""One MISP event, in MISP's core format or in the internal one of export modules, as frozen records.

Core format: `{"Event": {…, "Attribute": [{…, "Tag": […]}], "Object": […], "Tag": […]}}`. Internal (an export module
that does not ask for the standard format): `Attribute`, `Object`, `EventTag`, `Orgc` stand beside `Event`, tags under
`AttributeTag` (contracts: misp-seen.md 3). Whatever is wrong costs that part alone: an attribute that cannot be read
becomes a record with its `problem`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from misp_modules_ext.errors import UsageError
from misp_modules_ext.misp.coerce import date, flag, identity, integer, seconds, text, uuid_or_none
from misp_modules_ext.model.misp import INHERIT, Attribute, Event, ObjectContext, Sharing, Tag

Raw = Mapping[str, Any]


def parse_event(raw: object, *, only: object = None) -> Event:
    """Read one event.

    Args:
        raw: `{"Event": …}` in either format, or the event itself.
        only: where a workflow filtered, its `_AttributeFlattened` (list, or object keyed by index): the attributes
            that count. Completeness is still judged by the whole view.

    Raises:
        UsageError: `raw` is no MISP event.
    """
    outer = _mapping(raw)
    header = _mapping(outer.get("Event", outer))
    if not _looks_like_event(header):
        raise UsageError("This is no MISP event: it has none of info, uuid, Attribute and Object.")
    body = outer if "Event" in outer and ("Attribute" in outer or "EventTag" in outer) else header
    event_uuid = identity(header.get("uuid"), text(header.get("info")), text(header.get("date")))
    notes = [] if uuid_or_none(header.get("uuid")) else ["The event has no valid UUID; one was derived from its title."]
    every = tuple(_attributes(body, event_uuid, notes))
    count = integer(header.get("attribute_count"))
    creator = _mapping(body.get("Orgc") or header.get("Orgc"))
    published = flag(header.get("published"))
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
        sharing=_sharing(header, body),
        tags=_event_tags(body, header),
        attribute_count=count,
        complete=count is not None and count == sum(1 for a in every if not _gone(a)),
        attributes=every if only is None else tuple(_filtered(only, every, event_uuid)),
        notes=tuple(notes),
    )


def _looks_like_event(header: Raw) -> bool:
    return any(key in header for key in ("info", "uuid", "Attribute", "Object"))


def _gone(attribute: Attribute) -> bool:
    return attribute.deleted or (attribute.object is not None and attribute.object.deleted)


def _attributes(body: Raw, event_uuid: str, notes: list[str]) -> Iterator[Attribute]:
    for raw in _listed(body.get("Attribute"), "Attribute", notes):
        yield _attribute(raw, event_uuid, None)
    for raw_object in _listed(body.get("Object"), "Object", notes):
        holder = _mapping(raw_object)
        if not holder:
            notes.append(f"An entry of Object is no object but {_shape(raw_object)}; it was left out.")
            continue
        context = _object(holder, event_uuid)
        for raw in _listed(holder.get("Attribute"), "Attribute of an object", notes):
            yield _attribute(raw, event_uuid, context)


def _filtered(only: object, every: Iterable[Attribute], event_uuid: str) -> Iterator[Attribute]:
    """The attributes a workflow let through, with the object context that only the unfiltered part has."""
    known = {attribute.uuid: attribute for attribute in every}
    notes: list[str] = []
    for raw in _listed(only, "_AttributeFlattened", notes):
        attribute = _attribute(raw, event_uuid, None)
        twin = known.get(attribute.uuid)
        yield _attribute(raw, event_uuid, twin.object) if twin and twin.object else attribute


def _listed(value: object, what: str, notes: list[str]) -> list[object]:
    """A list, or an object keyed by index as PHP writes a filtered list."""
    if value is None:
        return []
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        return list(value.values())
    notes.append(f"{what} is no list but {_shape(value)}; it was left out.")
    return []


def _attribute(raw: object, event_uuid: str, context: ObjectContext | None) -> Attribute:
    source = _mapping(raw)
    kind, value = text(source.get("type")), text(source.get("value"))
    problem = _problem(raw, source)
    return Attribute(
        uuid=identity(source.get("uuid"), event_uuid, kind, value),
        type=kind,
        value=value if source else text(raw)[:200],
        category=text(source.get("category")),
        comment=text(source.get("comment")),
        to_ids=flag(source.get("to_ids")),
        deleted=flag(source.get("deleted")) is True,
        timestamp=seconds(source.get("timestamp")) or 0,
        first_seen=seconds(source.get("first_seen")),
        last_seen=seconds(source.get("last_seen")),
        sharing=_sharing(source, source),
        tags=_attribute_tags(source),
        warninglists=_warninglists(source),
        object=context,
        problem=problem,
    )


def _problem(raw: object, source: Raw) -> str:
    if not isinstance(raw, dict):
        return f"An attribute should be an object, this is {_shape(raw)}."
    if not isinstance(source.get("type"), str) or not source["type"].strip():
        return "The attribute has no type."
    if isinstance(source.get("value"), (dict, list)):
        return f"The attribute's value is {_shape(source['value'])}, not a text."
    if source.get("value") is None or not text(source["value"]).strip():
        return "The attribute has no value."
    return ""


def _object(raw: Raw, event_uuid: str) -> ObjectContext:
    name = text(raw.get("name"))
    inner = [_mapping(entry) for entry in _listed(raw.get("Attribute"), "Attribute", [])]
    return ObjectContext(
        uuid=identity(raw.get("uuid"), event_uuid, name, *(text(entry.get("uuid")) for entry in inner)),
        name=name,
        comment=text(raw.get("comment")),
        deleted=flag(raw.get("deleted")) is True,
        sharing=_sharing(raw, raw),
        siblings=tuple(
            (text(entry.get("object_relation")), text(entry.get("value"))) for entry in inner if _may_be_told(entry)
        ),
    )


def _may_be_told(sibling: Raw) -> bool:
    """Whether an object's attribute may stand as context with its siblings.

    One with tags or a distribution of its own may be marked more strictly than they are: it is not told.
    """
    narrower = integer(sibling.get("distribution")) not in (None, INHERIT)
    tagged = bool(_attribute_tags(sibling))
    return flag(sibling.get("deleted")) is not True and not narrower and not tagged


def _sharing(source: Raw, beside: Raw) -> Sharing:
    group = _mapping(source.get("SharingGroup") or beside.get("SharingGroup"))
    return Sharing(distribution=integer(source.get("distribution")), group=uuid_or_none(group.get("uuid")))


def _event_tags(body: Raw, header: Raw) -> tuple[Tag, ...]:
    if "EventTag" in body:
        return _linked_tags(body["EventTag"])
    return _tags(header.get("Tag"))


def _attribute_tags(source: Raw) -> tuple[Tag, ...]:
    """The attribute's own tags: `_allTags` of workflows also holds the event's, marked as inherited."""
    if "Tag" in source:
        return _tags(source["Tag"])
    if "AttributeTag" in source:
        return _linked_tags(source["AttributeTag"])
    own = [t for t in _listed(source.get("_allTags"), "", []) if flag(_mapping(t).get("inherited")) is not True]
    return _tags(own)


def _linked_tags(value: object) -> tuple[Tag, ...]:
    """Tags in the internal format, where the link (`EventTag`, `AttributeTag`) says whether the tag is local."""
    links = [_mapping(link) for link in _listed(value, "", [])]
    return _tags([{**_mapping(link.get("Tag")), "local": link.get("local")} for link in links])


def _tags(value: object) -> tuple[Tag, ...]:
    return tuple(_tag(entry) for entry in _listed(value, "", []) if _tag_name(entry))


def _tag(entry: object) -> Tag:
    source = _mapping(entry)
    return Tag(
        name=_tag_name(entry),
        exportable=flag(source.get("exportable")) is not False,
        local=flag(source.get("local")) is True or flag(source.get("local_only")) is True,
    )


def _tag_name(entry: object) -> str:
    return entry.strip() if isinstance(entry, str) else text(_mapping(entry).get("name")).strip()


def _warninglists(source: Raw) -> tuple[str, ...] | None:
    """Names of the warninglists that MISP says hold the value (`includeWarninglistHits`)."""
    if "warnings" not in source:
        return None
    hits = [_mapping(hit) for hit in _listed(source["warnings"], "warnings", [])]
    return tuple(name for name in (text(hit.get("warninglist_name") or hit.get("name")) for hit in hits) if name)


def _mapping(value: object) -> Raw:
    return value if isinstance(value, dict) else {}


def _shape(value: object) -> str:
    names = {list: "a list", dict: "an object", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
