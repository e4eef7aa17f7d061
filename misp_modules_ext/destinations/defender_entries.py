"""Defender's entries: whose they are, what they are about, what they say. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from misp_modules_ext.destinations import drift
from misp_modules_ext.destinations.answers import clean
from misp_modules_ext.destinations.defender_answers import identifier
from misp_modules_ext.destinations.defender_payload import TYPES, folded
from misp_modules_ext.destinations.interface import Entry, Refusal
from misp_modules_ext.destinations.wire import to_seconds
from misp_modules_ext.model.indicator import Due, Kind, Observable
from misp_modules_ext.model.outcome import Reason

#: Address kinds share a type; the value tells them apart.
_KINDS = {type_.casefold(): kind for kind, type_ in TYPES.items() if type_ != "IpAddress"}
_ADDRESSES = {4: Kind.IPV4_ADDR, 6: Kind.IPV6_ADDR}
#: What Defender gives back as it was set, and its name in a sentence.
_TEXTS = {"action": "action", "severity": "severity", "title": "title", "description": "description"}

ANOTHER_LEDGER = (
    "This entry was made by another ledger or an earlier installation of this tool, so it is left alone; take it over "
    "with `misp-microsoft reconcile --adopt`."
)


def judge(due: Due, alike: Sequence[Mapping[str, Any]], ids: Collection[str], application: str) -> Due | Refusal:
    """Whether a due may be sent: only what this ledger made may be updated.

    Args:
        due: with the id that the ledger knows.
        alike: the entries that are there for its value.
        ids: of all entries that are there.
        application: our name.
    """
    if due.remote_id and due.remote_id in ids:
        return due
    ours = [entry for entry in alike if is_ours(entry, application)]
    if due.unanswered and (taken := _unanswered(due, ours)):
        return due._replace(remote_id=taken)
    if ours:
        return Refusal(Reason.ALREADY_THERE, ANOTHER_LEDGER)
    if alike:
        return Refusal(Reason.ALREADY_THERE, f"{_owner(alike[0])} has put this value into Defender; it is left alone.")
    return due._replace(remote_id="")


def _unanswered(due: Due, ours: Sequence[Mapping[str, Any]]) -> str:
    """The id of what an earlier request without an answer made, preferably with the action that it asked for."""
    same = [entry for entry in ours if entry.get("action") == due.indicator.action.value]
    return next((identifier(entry) for entry in (*same, *ours) if identifier(entry)), "")


def is_ours(entry: Mapping[str, Any], application: str) -> bool:
    """Whether an entry carries our name."""
    return entry.get("application") == application


def _owner(entry: Mapping[str, Any]) -> str:
    for name in ("application", "createdByDisplayName", "createdBy"):
        if isinstance(entry.get(name), str) and entry[name].strip():
            return clean(entry[name], 80)
    return "Someone else"


def entry_of(item: Mapping[str, Any], application: str) -> Entry:
    """An element of the list as an entry."""
    stix_id = item.get("externalId")
    return Entry(
        remote_id=identifier(item),
        stix_id=stix_id if isinstance(stix_id, str) else "",
        observable=observable(item),
        ours=is_ours(item, application),
        valid_until=to_seconds(item.get("expirationTime")),
        revoked=False,
        says=says(item),
    )


def observable(item: Mapping[str, Any]) -> Observable | None:
    """What an entry is about; `None` for types that we do not send, and for values that are none of their type."""
    type_, value = item.get("indicatorType"), item.get("indicatorValue")
    if not isinstance(type_, str) or not isinstance(value, str):
        return None
    if type_.casefold() == "ipaddress":
        return _address(value.strip())
    kind = _KINDS.get(type_.casefold())
    if kind is None:
        return None
    return Observable(kind, folded(value) if kind is Kind.URL else value.strip().lower())


def _address(text: str) -> Observable | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return Observable(_ADDRESSES[address.version], address.compressed)


def says(document: Mapping[str, Any]) -> dict[str, object]:
    """What an entity says, of the list as of an import, in the form that `drift` compares."""
    found = drift.texts(document, _TEXTS) | drift.end(document, "expirationTime")
    alert, groups = document.get("generateAlert"), document.get("rbacGroupNames")
    if isinstance(alert, bool):
        found["alert"] = alert
    if isinstance(groups, list):
        found["device groups"] = ", ".join(sorted(group for group in groups if isinstance(group, str)))
    return found
