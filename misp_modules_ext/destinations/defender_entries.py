"""Defender's entries: whose they are, what they are about, what they say. Pure.

An import changes the entry of the same value, type and action, and makes a new one beside it for another action
(Microsoft's words in microsoft-365-docs #4927; "Create indicators for IPs and URLs/domains": several indicators with
different actions may exist for one value).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from misp_modules_ext.destinations import drift
from misp_modules_ext.destinations.answers import clean
from misp_modules_ext.destinations.defender_answers import identifier
from misp_modules_ext.destinations.defender_payload import TYPES, folded
from misp_modules_ext.destinations.interface import Entry, Refusal
from misp_modules_ext.destinations.wire import to_seconds
from misp_modules_ext.model.indicator import BLOCKING, Action, Due, Kind, Observable
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


class Taken(NamedTuple):
    """Why a due may not be sent, and what is there in its place.

    Attributes:
        refusal: somebody else's entry is where an import would go.
        ours: ids of our own entries, which say something else and have to go.
        lost: the entry that the ledger knows is not there any more.
    """

    refusal: Refusal
    ours: tuple[str, ...] = ()
    lost: bool = False


def judge(
    due: Due, alike: Sequence[Mapping[str, Any]], ids: Collection[str], application: str, groups: Collection[str] = ()
) -> Due | Taken:
    """Whether a due may be sent: only what this ledger made may be updated.

    Args:
        due: with the id that the ledger knows.
        alike: the entries that are there for its value.
        ids: of all entries that are there.
        application: our name.
        groups: the device groups that it is for.

    Returns:
        The due with the id of its entry; a `rewritten` one also with those of our entries that an import would leave
        beside it.
    """
    known = due.remote_id if due.remote_id in ids else ""
    ours = [entry for entry in alike if is_ours(entry, application)]
    if chosen := known or (due.unanswered and _unanswered(due, ours)):
        due = due._replace(remote_id=chosen)
        return _replacing(due, alike, ours, groups) if due.rewritten else due
    if ours:
        return Taken(Refusal(Reason.ALREADY_THERE, ANOTHER_LEDGER))
    return _left_alone(alike[0])._replace(lost=bool(due.remote_id)) if alike else due._replace(remote_id="")


def _replacing(
    due: Due, alike: Sequence[Mapping[str, Any]], ours: Sequence[Mapping[str, Any]], groups: Collection[str]
) -> Due | Taken:
    """A due whose entry may be one with another action or other device groups."""
    named = [entry for entry in alike if identifier(entry)]
    mine = [entry for entry in named if identifier(entry) == due.remote_id or (due.unanswered and entry in ours)]
    others = tuple(identifier(entry) for entry in mine if not _is_updated(due, entry, groups))
    at_its_place = [entry for entry in named if entry.get("action") == due.indicator.action.value]
    if others and at_its_place and not any(entry in mine for entry in at_its_place):
        return _left_alone(at_its_place[0])._replace(ours=others)
    lowers = any(_does_more(entry.get("action"), due.indicator.action) for entry in mine)
    return due._replace(others=others, lowers=lowers)


def _does_more(there: object, action: Action) -> bool:
    """Whether an entry does on a match what an action does not; one whose action nobody knows may."""
    known = next((one for one in Action if one.value == there), None)
    if known in BLOCKING and action in BLOCKING:
        return BLOCKING.index(known) > BLOCKING.index(action)
    return known is not Action.AUDIT and known is not action


def _is_updated(due: Due, entry: Mapping[str, Any], groups: Collection[str]) -> bool:
    """Whether an import changes this entry."""
    same = says(entry).get("device groups", "") == ", ".join(sorted(groups))
    return same and entry.get("action") == due.indicator.action.value


def _left_alone(entry: Mapping[str, Any]) -> Taken:
    message = f"{_owner(entry)} has put this value into Defender; it is left alone."
    return Taken(Refusal(Reason.ALREADY_THERE, message))


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
