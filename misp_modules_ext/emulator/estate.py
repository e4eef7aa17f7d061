"""What was seen in the emulated estates: sightings on order, and the tables that answer with them.

Sources: advanced hunting schema (tables of Defender XDR), Azure Monitor table reference (`CommonSecurityLog`,
`DnsEvents`, `AlertEvidence`): of their columns those that our queries name.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from .calls import JsonObject
from .clock import parse_offset, to_text
from .kql import Column, Estate, Leg, QueryError

STATISTICS = "statistics"
#: The table of what alerts are about.
ALERTS = "AlertEvidence"
CLASSIFICATIONS = ("truePositive", "falsePositive", "informationalExpectedActivity")
_ADDRESS, _HOST, _URL, _MAIL = frozenset({"ip"}), frozenset({"host"}), frozenset({"url"}), frozenset({"mail"})
_MD5, _SHA1, _SHA256 = frozenset({"md5"}), frozenset({"sha1"}), frozenset({"sha256"})
_ANY_HASH = _MD5 | _SHA1 | _SHA256
#: What a column that counts devices holds is never compared.
_NEVER: frozenset[str] = frozenset()

Tables = Mapping[str, Mapping[str, frozenset[str]]]
_ALERTS = {
    "RemoteIP": _ADDRESS,
    "RemoteUrl": _HOST | _URL,
    "SHA1": _SHA1,
    "SHA256": _SHA256,
    "DeviceId": _NEVER,
}
#: Table -> column -> what kinds of values stand in it.
HUNTING: Tables = {
    "DeviceNetworkEvents": {"RemoteIP": _ADDRESS, "RemoteUrl": _HOST | _URL, "DeviceId": _NEVER},
    "DeviceFileEvents": {"MD5": _MD5, "SHA1": _SHA1, "SHA256": _SHA256, "DeviceId": _NEVER},
    "DeviceProcessEvents": {"MD5": _MD5, "SHA1": _SHA1, "SHA256": _SHA256, "DeviceId": _NEVER},
    "EmailEvents": {
        "SenderIPv4": _ADDRESS,
        "SenderIPv6": _ADDRESS,
        "SenderFromDomain": _HOST,
        "SenderMailFromDomain": _HOST,
        "SenderFromAddress": _MAIL,
        "SenderMailFromAddress": _MAIL,
    },
    "EmailUrlInfo": {"Url": _URL, "UrlDomain": _HOST},
    "EmailAttachmentInfo": {"SHA256": _SHA256},
    "UrlClickEvents": {"Url": _URL},
    ALERTS: _ALERTS,
}
LOGS: Tables = {
    "CommonSecurityLog": {
        "DestinationIP": _ADDRESS,
        "SourceIP": _ADDRESS,
        "DestinationHostName": _HOST,
        "RequestURL": _URL,
        "FileHash": _ANY_HASH,
    },
    "DnsEvents": {"Name": _HOST, "ClientIP": _NEVER},
    ALERTS: _ALERTS,
}
PLACES = (STATISTICS, *dict.fromkeys((*HUNTING, *LOGS)))
_TIMES = ("last", "first", "updated", "resolved")
_FIELDS = frozenset(["value", "table", "count", "devices", "tenant", "workspace", "classification", "role", *_TIMES])
_HASHES = {32: "md5", 40: "sha1", 64: "sha256"}


class Sighting(NamedTuple):
    """One order; times in seconds since 1970, `""` for everywhere."""

    value: str
    table: str
    times: int
    devices: int
    first: float
    last: float
    tenant: str
    workspace: str


class Window(NamedTuple):
    """Whose estate is asked, and since when (seconds since 1970)."""

    since: float
    tenant: str = ""
    workspace: str = ""


def read_sighting(given: Any, now: float) -> JsonObject:
    """An order as it is kept, with its defaults.

    Raises:
        ValueError: It cannot be understood.
    """
    if not isinstance(given, dict) or not isinstance(given.get("value"), str) or not given["value"]:
        raise ValueError("a sighting is an object with a value")
    unknown = sorted(set(given) - _FIELDS)
    if unknown:
        raise ValueError(f"unknown field {', '.join(unknown)}; known are {', '.join(sorted(_FIELDS))}")
    if given.get("table", STATISTICS) not in PLACES:
        raise ValueError(f"table must be one of {', '.join(PLACES)}")
    if given.get("classification", CLASSIFICATIONS[0]) not in CLASSIFICATIONS:
        raise ValueError(f"classification must be one of {', '.join(CLASSIFICATIONS)}")
    last = given.get("last", to_text(now))
    kept = {"count": 1, "devices": 1, "last": last, "first": last, **given}
    _check(kept)
    return kept


def _check(kept: JsonObject) -> None:
    for name in ("count", "devices"):
        if not isinstance(kept[name], int) or isinstance(kept[name], bool) or kept[name] < 0:
            raise ValueError(f"{name} must be a number that is not negative")
    for name in (name for name in _TIMES if name in kept):
        if not isinstance(kept[name], str) or parse_offset(kept[name]) is None:
            raise ValueError(f"{name} must be an ISO 8601 time with a zone")
    if not all(isinstance(kept.get(name, ""), str) for name in ("tenant", "workspace", "role")):
        raise ValueError("tenant, workspace and role must be texts")


def sighting_of(kept: JsonObject) -> Sighting:
    """An order that was kept."""
    first, last = parse_offset(kept["first"]) or 0.0, parse_offset(kept["last"]) or 0.0
    tenant, workspace = str(kept.get("tenant", "")).lower(), str(kept.get("workspace", "")).lower()
    return Sighting(
        kept["value"], kept.get("table", ""), kept["count"], kept["devices"], first, last, tenant, workspace
    )


def seen(sightings: Iterable[Sighting], table: str, window: Window) -> list[Sighting]:
    """The sightings of one table that fall into a window and belong to whose estate it is."""
    return [
        one
        for one in sightings
        if one.table in ("", table)
        and one.last >= window.since
        and one.tenant in ("", window.tenant.lower())
        and one.workspace in ("", window.workspace.lower())
    ]


def rows(query: Estate, sightings: Iterable[Sighting], tables: Tables, time: str, window: Window) -> list[JsonObject]:
    """What a query about the estate answers.

    Args:
        query: the query.
        sightings: all orders.
        tables: those that exist.
        time: the name of their column of times.
        window: of the request; the shorter of it and the query's own counts.

    Raises:
        QueryError: none of the tables exists, or a column does not.
    """
    window = window._replace(since=max(window.since, query.since))
    legs = [leg for leg in query.legs if leg.table in tables]
    if not legs:
        raise QueryError("none of the tables exists: " + ", ".join(leg.table for leg in query.legs))
    held = list(sightings)
    return [row for leg in legs for row in _of_leg(leg, query, seen(held, leg.table, window), tables, time, window)]


def _of_leg(
    leg: Leg, query: Estate, found: Iterable[Sighting], tables: Tables, time: str, window: Window
) -> list[JsonObject]:
    columns = tables[leg.table]
    for name in (*(column.name for column in leg.columns), *([leg.devices] if leg.devices else [])):
        if name not in columns:
            raise QueryError(f"'{name}' is no column of {leg.table}")
    if leg.time != time:
        raise QueryError(f"'{leg.time}' is no column of {leg.table}")
    grouped: dict[str, list[Sighting]] = {}
    for one in found:
        value = next((v for column in leg.columns if (v := _value(one, column, columns)) in query.wanted), None)
        if value is not None:
            grouped.setdefault(value, []).append(one)
    return [_row(value, leg, group, window) for value, group in grouped.items()]


def _row(value: str, leg: Leg, group: list[Sighting], window: Window) -> JsonObject:
    return {
        "Value": value,
        "Times": sum(one.times for one in group),
        "Devices": sum(one.devices for one in group) if leg.devices else None,
        "First": to_text(max(window.since, min(one.first for one in group))),
        "Last": to_text(max(one.last for one in group)),
        "Source": leg.table,
    }


def _value(one: Sighting, column: Column, columns: Mapping[str, frozenset[str]]) -> str:
    """What would stand in the column, in lower case; `""` where the value has no place."""
    if kind_of(one.value) not in columns.get(column.name, _NEVER):
        return ""
    if not column.host:
        return one.value.lower()
    try:
        return (urlsplit(one.value).hostname or "").lower()
    except ValueError:
        return ""


def kind_of(value: str) -> str:
    """What a value is: `ip`, `url`, `mail`, `md5`, `sha1`, `sha256`, else `host`."""
    if "://" in value:
        return "url"
    if "@" in value:
        return "mail"
    if len(value) in _HASHES and re.fullmatch(r"[0-9A-Fa-f]+", value):
        return _HASHES[len(value)]
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return "host"
    return "ip"
