"""Defender's statistics of one file, domain or address.

Sources: Defender for Endpoint API, "Get file statistics" (an unknown file is 404), "Get domain statistics" and "Get IP
statistics" (what was not seen has the prevalence 0; what is no address is 400).
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.destinations.answers import Advice, Answer, error_for, error_text, unreadable
from misp_modules_ext.destinations.askable import askable
from misp_modules_ext.destinations.asking import Asking
from misp_modules_ext.destinations.interface import Limit
from misp_modules_ext.destinations.looking import ASKED_STATISTICS, Sighting
from misp_modules_ext.destinations.transport import Transport
from misp_modules_ext.destinations.wire import to_seconds
from misp_modules_ext.model.indicator import Observable

#: Documented for each of the three, by words that follow its name.
RATES = {"in a minute": Limit(100, 60.0), "in an hour": Limit(1500, 3600.0)}
#: Documented: 30 days.
MOST_HOURS = 720
_PERMISSIONS = {"files": "File.Read.All", "domains": "URL.Read.All", "ips": "Ip.Read.All"}


def _advice(settings: DestinationSettings, part: str) -> Advice:
    section = f"[{settings.name}]"
    return Advice(
        f"Defender's statistics of {part}",
        unauthorized=f"correct `cloud` of {section}: the token must be for Defender's API in the tenant's cloud.",
        forbidden=f"give the application of {section} (`appId`) the application permission {_PERMISSIONS[part]} of "
        "WindowsDefenderATP, and have an administrator consent to it.",
        not_found=f"correct `endpoint.api` or `cloud` of {section}.",
    )


def _limits(part: str) -> dict[str, Limit]:
    return {f"statistics of {part} {words}": limit for words, limit in RATES.items()}


class Statistics:
    """Of one tenant.

    Args:
        settings: whose.
        transport: how Defender is reached; the process's shared one when absent.
    """

    def __init__(self, settings: DestinationSettings, transport: Transport | None = None) -> None:
        self._advice = {part: _advice(settings, part) for part in _PERMISSIONS}
        self._asking = {part: Asking(settings, self._advice[part], _limits(part), transport) for part in _PERMISSIONS}

    def ask(self, observable: Observable, since: int, timeout: float) -> list[Sighting]:
        """On how many devices a value was seen; nothing when on none.

        Args:
            observable: of a kind that has statistics.
            since: seconds since 1970 UTC; Microsoft looks back 30 days at most.
            timeout: in seconds.

        Raises:
            DestinationError: no answer, or none that says it.
        """
        part = askable(observable).statistics
        hours = min(MOST_HOURS, max(1, math.ceil((time.time() - since) / 3600)))
        path = f"/api/{part}/{quote(observable.value, safe='')}/stats?lookBackHours={hours}"
        answer = self._asking[part].ask("GET", path, time.monotonic() + timeout, statuses=(200, 404))
        if answer.status == 404:
            if not error_text(answer).code:
                # A gateway that knows no such address, not Defender that knows no such value.
                raise error_for(answer, self._advice[part])
            return []
        return _sightings(answer, observable, since)


def _sightings(answer: Answer, observable: Observable, since: int) -> list[Sighting]:
    document = answer.json()
    named = {str(name).lower(): value for name, value in document.items()} if isinstance(document, dict) else {}
    devices = _count(named)
    if devices is None:
        raise unreadable(answer, "Microsoft Defender", "not with the documented statistics")
    first, last = to_seconds(named.get("orgfirstseen")), to_seconds(named.get("orglastseen"))
    if devices < 1 or (last is not None and last < since):
        return []
    # A first time before the window is true, but not of the window.
    within = first if first is None or first >= since else None
    return [Sighting(observable, ASKED_STATISTICS, devices, devices, within, last)]


def _count(named: Mapping[str, Any]) -> int | None:
    """Older pages name it otherwise, and as text."""
    given = named.get("organizationprevalence", named.get("orgprevalence"))
    text = str(given) if isinstance(given, (int, str)) and not isinstance(given, bool) else ""
    return int(text) if text.isascii() and text.isdigit() else None
