"""Sentinel's indicators as its management API shows them: what they are about, what they say. Pure.

Source: Azure Resource Manager, Microsoft.SecurityInsights, ThreatIntelligenceIndicatorProperties (2025-09-01).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from misp_modules_ext.destinations import drift
from misp_modules_ext.destinations.interface import Entry
from misp_modules_ext.destinations.sentinel_payload import observable
from misp_modules_ext.destinations.wire import to_seconds


def entry_of(item: Mapping[str, Any], properties: Mapping[str, Any]) -> Entry:
    """An indicator of ours as an entry.

    Args:
        item: as listed.
        properties: of it.
    """
    name, stix_id, pattern = item.get("name"), properties.get("externalId"), properties.get("pattern")
    return Entry(
        remote_id=name if isinstance(name, str) else "",
        stix_id=stix_id if isinstance(stix_id, str) else "",
        observable=observable(pattern) if isinstance(pattern, str) else None,
        ours=True,
        valid_until=to_seconds(properties.get("validUntil")),
        revoked=properties.get("revoked") is True,
        says=_says(properties),
    )


def _says(properties: Mapping[str, Any]) -> dict[str, object]:
    names = {"displayName": "name", "description": "description", "pattern": "pattern"}
    found = drift.texts(properties, names) | drift.end(properties, "validUntil")
    found |= _common(properties)
    tags = [properties.get(name) for name in ("threatIntelligenceTags", "labels")]
    if any(isinstance(given, list) for given in tags):
        found["labels"] = drift.Labels.of(*tags)
    return found


def meant(document: Mapping[str, Any]) -> dict[str, object]:
    """What an object of the upload says, in the form that `drift` compares."""
    names = {"name": "name", "description": "description", "pattern": "pattern"}
    found = drift.texts(document, names) | drift.end(document, "valid_until") | _common(document)
    return found | {"labels": drift.Labels.of(document.get("labels"))}


def _common(document: Mapping[str, Any]) -> dict[str, object]:
    # An object that says nothing of it is not revoked.
    found: dict[str, object] = {"revoked": document.get("revoked") is True}
    confidence = document.get("confidence")
    if isinstance(confidence, (int, float)) and not isinstance(confidence, bool):
        found["confidence"] = int(confidence)
    return found
