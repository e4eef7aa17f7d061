"""STIX objects of context beside an indicator: threat actors, techniques of ATT&CK, and what ties them to it. Pure.

Sources: STIX 2.1, 4.1 (attack-pattern), 4.17 (threat-actor), 5.1 (relationship), and 4.7: an indicator `indicates` a
threat actor or an attack pattern. Sentinel takes no malware objects ("STIX objects API"): families stay labels.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from misp_modules_ext.destinations.interface import Beside
from misp_modules_ext.destinations.sentinel_payload import MARKINGS, MAX_NAME
from misp_modules_ext.destinations.wire import from_milliseconds, repair, shorten
from misp_modules_ext.model.indicator import NAMESPACE, Context, Due

#: So many threat actors and techniques of one indicator get a relationship, actors first: each is an object of its own
#: in a table that is billed, and an event with a hundred techniques would make a hundred of each of its values.
MOST_RELATED = 20
#: `created` and `modified` of what belongs to no indicator: its content follows from its name, and never changes.
FOUNDED_MS = 1_577_836_800_000  # 2020-01-01
_TECHNIQUES = "https://attack.mitre.org/techniques/"


def beside(due: Due) -> list[Beside]:
    """The objects of an indicator: each shared one before the relationship that needs it."""
    found: list[Beside] = []
    for shared in list(_shared(due.indicator.context))[:MOST_RELATED]:
        found += [shared, _relationship(due, shared.stix_id)]
    return found


def again(document: Mapping[str, Any], generation: int) -> dict[str, Any]:
    """The object under the id that comes after so many revocations."""
    if not generation:
        return dict(document)
    return {**document, "id": _stix_id(document["type"], f"{document['id']}#{generation}")}


def taken_back(document: Mapping[str, Any], modified_ms: int) -> dict[str, Any]:
    """The object, revoked for good (STIX 2.1 section 3.2)."""
    return {**document, "modified": from_milliseconds(modified_ms), "revoked": True}


def _shared(context: Context) -> Iterator[Beside]:
    for name in dict.fromkeys(shorten(actor, MAX_NAME) for actor in context.actors):
        if name:
            yield _founded("threat-actor", name, {"name": name})
    names: dict[str, str] = {}
    for technique, name in context.techniques:
        names[technique] = names.get(technique) or shorten(name, MAX_NAME)
    for technique, name in names.items():
        reference = {
            "source_name": "mitre-attack",
            "external_id": technique,
            "url": _TECHNIQUES + technique.replace(".", "/"),
        }
        yield _founded("attack-pattern", technique, {"name": name or technique, "external_references": [reference]})


def _founded(kind: str, key: str, content: Mapping[str, Any]) -> Beside:
    stix_id = _stix_id(kind, key)
    founded = from_milliseconds(FOUNDED_MS)
    document = {
        "type": kind,
        "spec_version": "2.1",
        "id": stix_id,
        "created": founded,
        "modified": founded,
        **content,
    }
    return Beside(stix_id, document, shared=True)


def _relationship(due: Due, target: str) -> Beside:
    source = due.stamp.stix_id
    stix_id = _stix_id("relationship", f"{source}:indicates:{target}")
    document = {
        "type": "relationship",
        "spec_version": "2.1",
        "id": stix_id,
        "created": from_milliseconds(due.stamp.created_ms),
        "modified": from_milliseconds(max(due.stamp.modified_ms, due.stamp.created_ms)),
        "relationship_type": "indicates",
        "source_ref": source,
        "target_ref": target,
        "object_marking_refs": [MARKINGS[due.indicator.tlp]],
    }
    return Beside(stix_id, document, needs=(target,))


def _stix_id(kind: str, key: str) -> str:
    """DESIGN.md 4 rule 3, in a name space of its own beside the kinds of observables."""
    return f"{kind}--{uuid.uuid5(NAMESPACE, f'{kind}:{repair(key)}')}"
