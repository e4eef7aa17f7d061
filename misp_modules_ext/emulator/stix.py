"""The checks of the upload API on one STIX object.

Sources: Microsoft Sentinel, "STIX objects API" (required fields, value ranges, wording of messages); STIX 2.1, sections
3.2, 3.7 and 4 (timestamps, common properties, required properties of each type).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from .calls import JsonObject
from .clock import parse_stix

Check = Callable[[Any], bool]

TLP_MARKINGS: Mapping[str, str] = {
    "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9": "white",
    "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da": "green",
    "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82": "amber",
    "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed": "red",
}
_UUID = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
_ID = re.compile(rf"([a-z0-9][a-z0-9-]*)--{_UUID}")
_COMMON = ("type", "id", "created", "modified")
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "indicator": (*_COMMON, "pattern", "pattern_type", "valid_from"),
    "attack-pattern": (*_COMMON, "name"),
    "threat-actor": (*_COMMON, "name"),
    "identity": (*_COMMON, "name"),
    "relationship": (*_COMMON, "relationship_type", "source_ref", "target_ref"),
}


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_time(value: Any) -> bool:
    return isinstance(value, str) and parse_stix(value) is not None


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _is_texts(value: Any) -> bool:
    return _is_list(value) and all(isinstance(item, str) for item in value)


def _is_list(value: Any) -> bool:
    """STIX 2.1, 2.9: a list that is present is not empty."""
    return isinstance(value, list) and bool(value)


def _is_confidence(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 100


def _is_markings(value: Any) -> bool:
    return _is_list(value) and all(isinstance(item, str) and item in TLP_MARKINGS for item in value)


def _is_references(value: Any) -> bool:
    return _is_list(value) and all(
        isinstance(item, dict) and _is_text(item.get("source_name")) and all(_is_text(v) for v in _plain(item))
        for item in value
    )


def _plain(reference: JsonObject) -> list[Any]:
    return [value for name, value in reference.items() if name != "hashes"]


def _is_phases(value: Any) -> bool:
    return _is_list(value) and all(
        isinstance(item, dict) and _is_text(item.get("kill_chain_name")) and _is_text(item.get("phase_name"))
        for item in value
    )


_KINDS: Mapping[str, tuple[Check, str]] = {
    "id": (_is_id, "Must be <type>--<UUID>"),
    "created": (_is_time, "Must be an RFC 3339 timestamp in UTC"),
    "modified": (_is_time, "Must be an RFC 3339 timestamp in UTC"),
    "valid_from": (_is_time, "Must be an RFC 3339 timestamp in UTC"),
    "valid_until": (_is_time, "Must be an RFC 3339 timestamp in UTC"),
    "spec_version": (lambda value: value in ("2.0", "2.1"), "Must be 2.0 or 2.1"),
    "created_by_ref": (_is_id, "Must be <type>--<UUID>"),
    "source_ref": (_is_id, "Must be <type>--<UUID>"),
    "target_ref": (_is_id, "Must be <type>--<UUID>"),
    "revoked": (lambda value: isinstance(value, bool), "Must be a boolean"),
    "labels": (_is_texts, "Must be a list of strings"),
    "indicator_types": (_is_texts, "Must be a list of strings"),
    "confidence": (_is_confidence, "Must be an integer from 0 to 100"),
    "lang": (_is_text, "Must be a string"),
    "object_marking_refs": (_is_markings, "Must be one of the four TLP marking-definition ids"),
    "external_references": (_is_references, "Must be a list of objects with a source_name"),
    "kill_chain_phases": (_is_phases, "Must be a list of objects with kill_chain_name and phase_name"),
    "extensions": (lambda value: isinstance(value, dict), "Must be an object"),
    "granular_markings": (lambda value: isinstance(value, list), "Must be a list"),
    "pattern": (_is_text, "Must be a string"),
    "pattern_type": (_is_text, "Must be a string"),
    "pattern_version": (_is_text, "Must be a string"),
    "name": (_is_text, "Must be a string"),
    "description": (_is_text, "Must be a string"),
    "relationship_type": (_is_text, "Must be a string"),
}


def problems(item: Any) -> list[str]:
    """All that is wrong with one object of `stixobjects`; empty when the upload accepts it."""
    if not isinstance(item, dict):
        return [_message("type", "Must be a STIX object", item)]
    kind = item.get("type")
    if not isinstance(kind, str) or kind not in REQUIRED:
        complaint = "Required property is missing" if kind is None else "The STIX type is not supported"
        return [_message("type", complaint, kind)]
    found = [_message(name, "Required property is missing", None) for name in REQUIRED[kind] if _absent(item, name)]
    found += [
        _message(name, _KINDS[name][1], value)
        for name, value in item.items()
        if name in _KINDS and not _absent(item, name) and not _KINDS[name][0](value)
    ]
    found += [
        _message(name, "Must not hold an empty list", value) for name, value in item.items() if _hollow(name, value)
    ]
    return found or _relations(item)


def _hollow(name: str, value: Any) -> bool:
    """Whether a property that `_KINDS` does not check for it is, or holds, an empty list."""
    return _has_empty_list(value) and (name not in _KINDS or _KINDS[name][0](value))


def _has_empty_list(value: Any) -> bool:
    if isinstance(value, list):
        return not value or any(map(_has_empty_list, value))
    return isinstance(value, dict) and any(map(_has_empty_list, value.values()))


def _absent(item: JsonObject, name: str) -> bool:
    return item.get(name) is None or item[name] == ""


def _relations(item: JsonObject) -> list[str]:
    """Rules between properties that are each well-formed."""
    found = []
    if item["id"].split("--")[0] != item["type"]:
        found.append(_message("id", "Must begin with the type of the object", item["id"]))
    if _earlier(item["modified"], item["created"]):
        found.append(_message("modified", "Must not be earlier than created", item["modified"]))
    until = item.get("valid_until")
    if item["type"] == "indicator" and until and not _earlier(item["valid_from"], until):
        found.append(_message("valid_until", "Must be later than valid_from", until))
    return found


def _earlier(first: str, second: str) -> bool:
    return (parse_stix(first) or 0.0) < (parse_stix(second) or 0.0)


def _message(name: str, complaint: str, value: Any) -> str:
    actual = "NULL" if value is None else json.dumps(value, default=str)[:200]
    return f"Error for Property={name}: {complaint}. Actual value: {actual}."
