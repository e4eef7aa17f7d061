"""What MISP shows of a `World`, to whom, and in which JSON: shaped like the recordings, or as its source writes it.

A user who is `None` is MISP's own SYSTEM user, who sees everything.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.support.misp_world import (
    Attribute,
    DecayingModel,
    Event,
    MispObject,
    Row,
    SharingGroup,
    Sighting,
    User,
    World,
)
from tests.support.recordings import recording

Json = dict[str, Any]

_RECORDED: Json = recording("export_event_require_standard_format")["data"][0]["Event"]
_PARTS = ("Attribute", "ShadowAttribute", "RelatedEvent", "Galaxy", "Object", "EventReport", "CryptographicKey", "Tag")
#: Recorded parts, for what a world does not model.
_EVENT = {key: value for key, value in _RECORDED.items() if key not in _PARTS}
_OBJECT = {key: value for key, value in _RECORDED["Object"][0].items() if key not in {"ObjectReference", "Attribute"}}
_ATTRIBUTE = {k: v for k, v in _RECORDED["Attribute"][0].items() if k not in {"Galaxy", "ShadowAttribute", "Tag"}}
_TAG = _RECORDED["Attribute"][0]["Tag"][0]
#: What `attributes/restSearch` says of a tag: not whether it is exportable.
_SHORT_TAG = ("id", "name", "colour", "numerical_value", "is_galaxy", "local")


def export_request(world: World, uuid: str, user: User) -> Json:
    """What an export module with `require_standard_format` gets when this user presses the button."""
    return {"module": "export_to_microsoft", "config": {}, "data": [{"Event": core_event(world, uuid, user)}]}


def action_request(world: World, uuid: str) -> Json:
    """What an action module gets from a workflow on publish: SYSTEM's view, sent before `published` is set."""
    event = core_event(world, uuid, None)
    event["_AttributeFlattened"] = [*event["Attribute"], *(a for o in event["Object"] for a in o["Attribute"])]
    for attribute in event["_AttributeFlattened"]:
        inherited = [tag | {"inherited": True} for tag in event["Tag"]]
        attribute["_allTags"] = [*inherited, *(tag | {"inherited": False} for tag in attribute.get("Tag", []))]
    return {"module": "push_to_microsoft", "data": {"Event": event}, "params": {}}


def core_event(world: World, uuid: str, user: User | None, *, deleted: bool = False, all_tags: bool = False) -> Json:
    """A whole event in MISP's core format."""
    event = world.events[uuid]
    visible = [a for a in attributes(event, user) if deleted or not a.deleted]
    shown = header(world, event, all_tags) | {part: [] for part in _PARTS if part != "Tag"}
    shown["Attribute"] = [_core_attribute(world, a, all_tags) for a in visible if a.object is None]
    for holder in event.objects:
        inside = [_core_attribute(world, a, all_tags) for a in visible if a.object is holder]
        # MISP leaves out objects of which nothing is shown.
        if inside:
            shown["Object"].append(object_row(holder) | _group(holder) | {"ObjectReference": [], "Attribute": inside})
    return shown


def sees(event: Event, user: User | None) -> bool:
    """Whether a user may see an event."""
    return _open(event, event, user)


def attributes(event: Event, user: User | None) -> list[Attribute]:
    """The attributes that a user may see, soft-deleted ones included."""
    return [a for a in event.attributes if all(_open(row, event, user) for row in (a, a.object) if row is not None)]


def objects(event: Event, user: User | None) -> list[MispObject]:
    """The objects that a user may see, soft-deleted ones included."""
    return [o for o in event.objects if _open(o, event, user)]


def without_local_tags(user: User) -> bool:
    """Whether MISP keeps local tags of events from a user who says nothing about them (`Event::fetchEvent`)."""
    return "perm_sync" in user.rights and "perm_site_admin" not in user.rights


def header(world: World, event: Event, all_tags: bool, *, local: bool = True) -> Json:
    """An event without its attributes and objects; `local` for all its tags, not only those that leave MISP."""
    org = {"id": str(event.orgc.id), "name": event.orgc.name, "uuid": event.orgc.uuid, "local": True}
    tags = {"Tag": [tag for tag in _tags(world, event, all_tags) if local or not tag["local"]]}
    return (
        _EVENT
        | _common(event)
        | _group(event)
        | tags
        | {
            "orgc_id": org["id"],
            "org_id": org["id"],
            "date": event.date,
            "threat_level_id": str(event.threat_level),
            "info": event.info,
            "published": event.published,
            "attribute_count": str(event.attribute_count),
            "analysis": str(event.analysis),
            "publish_timestamp": str(event.publish_timestamp),
            "Org": org,
            "Orgc": org,
        }
    )


def object_row(holder: MispObject) -> Json:
    """An object as `objects/restSearch` shows it with `metadata`."""
    own = {"name": holder.name, "comment": holder.comment, "deleted": holder.deleted, "event_id": str(holder.event.id)}
    return _OBJECT | _common(holder) | own


def attribute_row(world: World, attribute: Attribute, body: Json) -> Json:
    """An attribute as `attributes/restSearch` shows it to whoever asks with `body`."""
    all_tags, warnings = bool(body.get("includeAllTags")), bool(body.get("includeWarninglistHits"))
    event, holder = attribute.event, attribute.object
    shown = _attribute(attribute) | {"Event": {"id": str(event.id), "uuid": event.uuid, "info": event.info}}
    if holder is not None:
        shown["Object"] = {key: _common(holder)[key] for key in ("id", "distribution", "sharing_group_id")}
    if tags := _tags(world, attribute, all_tags):
        shown["Tag"] = [{key: tag[key] for key in _SHORT_TAG} for tag in tags]
    if warnings and attribute.to_ids and attribute.warnings:
        shown["warnings"] = [{"warninglist_name": name, "value": attribute.value} for name in attribute.warnings]
    if body.get("includeSightings") and world.scores:
        shown["Sighting"] = [sighting_json(attribute, sighting) for sighting in attribute.sightings]
    if body.get("includeDecayScore") and world.scores:
        inherited = [{key: tag[key] for key in _SHORT_TAG} | {"inherited": 1} for tag in _tags(world, event, all_tags)]
        if inherited:
            shown["Tag"] = [*shown.get("Tag", []), *inherited]
        full = bool(body.get("includeFullModel"))
        scores = [_score(world, attribute, model, full=full) for model in world.models if attribute.type in model.types]
        if scores:
            shown["decay_score"] = scores
    return shown


def sighting_json(attribute: Attribute, sighting: Sighting) -> Json:
    """As MISP shows a sighting with its attribute, or answers to one that was added."""
    org = {"id": str(sighting.org.id), "uuid": sighting.org.uuid, "name": sighting.org.name}
    return {
        "id": str(sighting.id),
        "attribute_id": str(attribute.id),
        "event_id": str(attribute.event.id),
        "org_id": org["id"],
        "date_sighting": str(sighting.date),
        "uuid": sighting.uuid,
        "source": sighting.source,
        "type": str(sighting.type),
        "Organisation": org,
        "attribute_uuid": attribute.uuid,
    }


def _score(world: World, attribute: Attribute, model: DecayingModel, *, full: bool) -> Json:
    """As MISP computes it now (2.5.1, `DecayingModelBase` and `Polynomial`), from all sightings that say seen."""
    seen = [sighting.date for sighting in attribute.sightings if sighting.type == 0]
    last_seen = None if attribute.last_seen is None else int(datetime.fromisoformat(attribute.last_seen).timestamp())
    edited = attribute.timestamp if last_seen is None else last_seen
    start = max(seen) if seen and max(seen) >= attribute.timestamp else edited
    elapsed = world.clock() - start
    share = (max(elapsed, 0) / (model.lifetime * 86_400)) ** (1 / model.decay_speed)
    score = 0 if elapsed < 0 else max(model.base_score * (1 - share), 0)
    told: Json = {"id": str(model.id), "name": model.name}
    if full:
        parameters = {
            "lifetime": model.lifetime,
            "decay_speed": model.decay_speed,
            "threshold": model.threshold,
            "default_base_score": model.base_score,
            "base_score_config": {},
        }
        told |= {"formula": model.formula, "parameters": parameters, "attribute_types": list(model.types)}
    return {
        "score": score,
        "base_score": model.base_score,
        "decayed": model.threshold > score,
        "DecayingModel": told,
    }


def group_json(group: SharingGroup) -> Json:
    """A sharing group."""
    return {"id": str(group.id), "name": f"Group {group.id}", "uuid": group.uuid, "active": True}


def _common(row: Row) -> Json:
    return {
        "id": str(row.id),
        "uuid": row.uuid,
        "timestamp": str(row.timestamp),
        "distribution": str(row.distribution),
        "sharing_group_id": str(row.group.id) if row.group else "0",
    }


def _group(row: Row) -> Json:
    return {"SharingGroup": group_json(row.group)} if row.group else {}


def _core_attribute(world: World, attribute: Attribute, all_tags: bool) -> Json:
    tags = _tags(world, attribute, all_tags)
    shown = _attribute(attribute) | {"Galaxy": [], "ShadowAttribute": []} | _group(attribute)
    if attribute.sightings:
        shown["Sighting"] = [sighting_json(attribute, sighting) for sighting in attribute.sightings]
    return shown | ({"Tag": tags} if tags else {})


def _attribute(attribute: Attribute) -> Json:
    same = ("type", "value", "category", "to_ids", "comment", "deleted", "first_seen", "last_seen")
    return (
        _ATTRIBUTE
        | _common(attribute)
        | {name: getattr(attribute, name) for name in same}
        | {
            "event_id": str(attribute.event.id),
            "object_id": str(attribute.object.id) if attribute.object else "0",
            "object_relation": attribute.relation,
        }
    )


def _tags(world: World, row: Row, all_tags: bool) -> list[Json]:
    carried = [(world.tags[name], local) for name, local in row.tags.items()]
    return [
        _TAG | {"id": str(tag.id), "name": tag.name, "exportable": tag.exportable, "local": local}
        for tag, local in carried
        if all_tags or tag.exportable
    ]


def _open(row: Row, event: Event, user: User | None) -> bool:
    """Distribution as MISP applies it: the owner sees all, 0 nobody else, 4 the group, 1 to 3 and 5 everybody."""
    if user is None or user.org is event.orgc:
        return True
    if row.distribution == 4:
        return row.group is not None and user.org in row.group.orgs
    return row.distribution != 0
