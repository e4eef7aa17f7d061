"""Graph's tiIndicators: whose they are, what they are about, what they say. Pure.

An application sees its own only, and they carry no name of ours: a STIX id as we make them (UUIDv5) is the sign.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from misp_modules_ext.destinations import drift
from misp_modules_ext.destinations.defender_entries import ANOTHER_LEDGER
from misp_modules_ext.destinations.graph_payload import DEFENDER_FIELDS, FIELDS, HASHES, NUMBERS
from misp_modules_ext.destinations.interface import Entry, Refusal
from misp_modules_ext.destinations.wire import to_seconds
from misp_modules_ext.model.indicator import Due, Kind, Observable
from misp_modules_ext.model.outcome import Reason

_OURS = re.compile(r"indicator--[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_KINDS: Mapping[str, Kind] = {
    **{field: kind for kind, field in DEFENDER_FIELDS.items()},
    **{field: kind for kind, field in FIELDS.items() if field != "networkCidrBlock"},
}
_HASHES: Mapping[str, Kind] = {name.lower(): kind for kind, name in HASHES.items()}
_WITH_CASE = frozenset({Kind.FILE_SSDEEP, Kind.FILE_TLSH})


def judge(due: Due, there: Mapping[str, list[str]]) -> Due | Refusal:
    """Whether a due may be sent: only what this ledger made may be updated.

    Args:
        due: with the id that the ledger knows.
        there: ids of what is there, by external id.
    """
    numbers = there.get(due.stamp.stix_id, [])
    if due.remote_id in numbers:
        return due
    if numbers and not due.unanswered:
        return Refusal(Reason.ALREADY_THERE, ANOTHER_LEDGER)
    return due._replace(remote_id=numbers[0] if numbers else "")


def entry_of(item: Mapping[str, Any]) -> Entry:
    """An element of the list as an entry."""
    stix_id = item.get("externalId") or ""
    return Entry(
        remote_id=item.get("id") or "",
        stix_id=stix_id,
        observable=_observable(item),
        ours=_OURS.fullmatch(stix_id) is not None,
        valid_until=to_seconds(item.get("expirationDateTime")),
        revoked=item.get("isActive") is False,
        says=says(item),
    )


def _observable(item: Mapping[str, Any]) -> Observable | None:
    """What it is about, `None` when it has none that we send, or several."""
    found = [Observable(kind, str(item[field])) for field, kind in _KINDS.items() if _is_filled(item.get(field), kind)]
    network = item.get("networkCidrBlock")
    if isinstance(network, str) and network:
        found.append(Observable(Kind.IPV6_CIDR if ":" in network else Kind.IPV4_CIDR, network))
    value, type_ = item.get("fileHashValue"), item.get("fileHashType")
    if isinstance(value, str) and isinstance(type_, str) and type_.lower() in _HASHES:
        kind = _HASHES[type_.lower()]
        found.append(Observable(kind, value if kind in _WITH_CASE else value.lower()))
    return found[0] if len(found) == 1 else None


def _is_filled(value: object, kind: Kind) -> bool:
    if kind in NUMBERS:
        return isinstance(value, int) and not isinstance(value, bool) and value > 0
    return isinstance(value, str) and bool(value)


def says(document: Mapping[str, Any]) -> dict[str, object]:
    """What a tiIndicator says, of the list as of an update, in the form that `drift` compares."""
    found = drift.texts(document, {"description": "description"}) | drift.end(document, "expirationDateTime")
    if isinstance(document.get("severity"), int):
        found["severity"] = document["severity"]
    if isinstance(document.get("tags"), list):
        found["labels"] = drift.Labels.of(document["tags"])
    return found
