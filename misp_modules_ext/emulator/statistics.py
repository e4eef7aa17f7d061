"""Defender's statistics of a file, a domain or an address.

Sources: Defender for Endpoint API, "Get file statistics", "Get domain statistics", "Get IP statistics": 404 for a file
that was not seen, the prevalence 0 for a domain or an address, 400 for what is none.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Sequence

from .calls import Answer, Call, Grant, JsonObject, Limit, Refusal, Result, json_answer
from .clock import Clock, to_text
from .defender import AUDIENCES, error_answer
from .estate import STATISTICS, Sighting, Window, seen

MOST_HOURS = 720
_PATH = re.compile(r"/api/(?P<part>files|domains|ips)/(?P<value>.+)/stats", re.DOTALL)
_NAMES = {"domains": "host", "ips": "ipAddress"}
_TYPES = {"files": "InOrgFileStats", "domains": "InOrgDomainStats", "ips": "InOrgIPStats"}
_PERMISSION = "The application lacks File.Read.All, URL.Read.All or Ip.Read.All."


class Statistics:
    """``/api/files|domains|ips/{value}/stats``, counted from the sightings on order."""

    name = "statistics"
    audiences = AUDIENCES

    def __init__(self, clock: Clock, sightings: Callable[[], Sequence[Sighting]]) -> None:
        self._clock = clock
        self._sightings = sightings

    def limits(self, call: Call) -> Sequence[Limit]:
        """100 calls a minute and 1,500 an hour for each of the three."""
        found = _PATH.fullmatch(call.path)
        name = f"statistics {found['part']}" if found else "statistics"
        return (Limit(name, 100), Limit(f"{name} hour", 1500, 3600.0))

    def refuse(self, status: int, code: str | None, message: str | None, retry_after: float | None = None) -> Answer:
        """Defender's error body."""
        return error_answer(status, code, message or (_PERMISSION if status == 403 else None), retry_after)

    def unauthorized(self, reason: str) -> Answer:
        """401 in Defender's shape."""
        return self.refuse(401, None, reason)

    def throttled(self, retry_after: float) -> Answer:
        """429 with ``Retry-After`` in seconds."""
        return self.refuse(429, None, None, math.ceil(retry_after))

    def handle(self, call: Call, caller: Grant, forced: frozenset[int]) -> Result:
        """Answer for one value.

        Raises:
            Refusal: Another method or address, a value that is none, or a file that was not seen.
        """
        found = _PATH.fullmatch(call.path)
        if found is None or call.method != "GET":
            raise Refusal(404, "NotFound", "No such operation.")
        part, value = found["part"], found["value"]
        _check(part, value)
        window = Window(self._clock.now() - _hours(call) * 3600.0, tenant=caller.tenant)
        group = [one for one in seen(self._sightings(), STATISTICS, window) if one.value.lower() == value.lower()]
        if part == "files" and not group:
            raise Refusal(404, "ResourceNotFound", "The file was not found.")
        context = f"{call.origin}/api/$metadata#microsoft.windowsDefenderATP.api.{_TYPES[part]}"
        name = _NAMES.get(part) or ("sha1" if len(value) == 40 else "sha256")
        return Result(json_answer(200, {"@odata.context": context, name: value, **_counted(group)}))

    def reset(self) -> None:
        """The sightings belong to the core."""


def _counted(group: Sequence[Sighting]) -> JsonObject:
    return {
        "organizationPrevalence": sum(one.devices for one in group),
        "orgFirstSeen": to_text(min(one.first for one in group)) if group else None,
        "orgLastSeen": to_text(max(one.last for one in group)) if group else None,
    }


def _hours(call: Call) -> int:
    text = call.query.get("lookBackHours", str(MOST_HOURS))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_HOURS:
        raise Refusal(400, "InvalidInput", f"lookBackHours must be a number from 1 to {MOST_HOURS}.")
    return int(text)


def _check(part: str, value: str) -> None:
    if part == "files" and not re.fullmatch(r"[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}", value):
        raise Refusal(400, "InvalidInput", "The file must be named by its SHA-1 or SHA-256.")
    if part == "domains" and not re.fullmatch(r"[\w-]+(\.[\w-]+)+", value):
        raise Refusal(400, "InvalidInput", "The domain is not valid.")
    if part == "ips":
        try:
            ipaddress.ip_address(value)
        except ValueError as error:
            raise Refusal(400, "InvalidInput", "The IP address is not valid.") from error


def is_statistics(path: str) -> bool:
    """Whether a path belongs to these statistics."""
    return _PATH.fullmatch(path) is not None
