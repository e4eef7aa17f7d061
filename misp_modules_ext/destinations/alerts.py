"""Alerts that somebody has classified as false positives, through Microsoft Graph.

Sources: Microsoft Graph v1.0, "List alerts_v2" (`$filter` by `classification` and `lastUpdateDateTime`, `$top`,
`@odata.nextLink`), "alert resource type", and "Microsoft Graph service-specific throttling limits" for the rate. When
an alert was classified is not told there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.destinations.alerts_evidence import named
from misp_modules_ext.destinations.answers import Answer, unreadable
from misp_modules_ext.destinations.graph_security import asking
from misp_modules_ext.destinations.interface import Limit
from misp_modules_ext.destinations.looking import FalseAlert
from misp_modules_ext.destinations.queries import Moment, odata
from misp_modules_ext.destinations.transport import Transport
from misp_modules_ext.destinations.wire import to_seconds
from misp_modules_ext.errors import TO_DO, Unavailable

#: Documented for an application in a tenant.
RATE = Limit(150, 60.0)
NAME = "Defender's alerts"
#: The largest `$top` in Microsoft's examples of this list.
PAGE = 100
#: More than fit into a question's time: a list that goes on is none.
MAX_PAGES = 1_000
FALSE_POSITIVE = "falsePositive"
_PATH = "/v1.0/security/alerts_v2"


class Alerts:
    """The alerts of one tenant.

    Args:
        settings: whose.
        transport: how Graph is reached; the process's shared one when absent.
    """

    def __init__(self, settings: DestinationSettings, transport: Transport | None = None) -> None:
        otherwise = "; or set `falsePositives` of [write-back] to no"
        self._asking = asking(settings, NAME, "SecurityAlert.Read.All", {"alerts": RATE}, transport, otherwise)

    def false(self, since: int, timeout: float) -> list[FalseAlert]:
        """The values of alerts that changed since a moment and are classified as false positives.

        Args:
            since: seconds since 1970 UTC.
            timeout: in seconds, for all pages.

        Raises:
            DestinationError: not all of the list came.
        """
        # By alert, since one may come twice; without the rest of it, which is large.
        found: dict[str, list[FalseAlert]] = {}
        for page in self._pages(since, time.monotonic() + timeout):
            for alert in page:
                # A filter that is not heeded would make false positives of all alerts.
                is_false = alert.get("classification") == FALSE_POSITIVE
                found[str(alert["id"])] = list(_values(alert)) if is_false else []
        return [one for values in found.values() for one in values]

    def _pages(self, since: int, deadline: float) -> Iterator[list[dict[str, Any]]]:
        """The list to its end.

        Raises:
            DestinationError: a page did not come, or leads back to one that was read.
        """
        wanted = odata("alerts_false_positive", since=Moment(since))
        address, seen = f"{_PATH}?$filter={wanted}&$top={PAGE}", set[str]()
        for _ in range(MAX_PAGES):
            answer = self._asking.ask("GET", address, deadline)
            yield _items(answer)
            seen.add(address)
            following = self._next(answer.json())
            if following is None:
                return
            if following in seen:
                break
            address = following
        raise Unavailable(f"{NAME}: the list does not end.{TO_DO}repeat later.")

    def _next(self, document: Mapping[str, Any]) -> str | None:
        """The next page's address; the token goes to no other origin."""
        address = document.get("@odata.nextLink")
        if not address:
            return None
        if not isinstance(address, str) or not self._asking.is_ours(address):
            raise Unavailable(
                f"{NAME}: the list goes on at an address that is not Graph's.{TO_DO}correct `endpoint.hunting` if it "
                "is set, and report it to this project if not."
            )
        return address


def _items(answer: Answer) -> list[dict[str, Any]]:
    document = answer.json()
    found = document.get("value") if isinstance(document, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, dict) and _is_whole(one) for one in found):
        raise unreadable(answer, NAME, "not with the documented list of alerts")
    return found


def _is_whole(alert: Mapping[str, Any]) -> bool:
    """Whether it has what is relied on: without evidence, an alert would seem to be about nothing."""
    return bool(alert.get("id")) and "classification" in alert and isinstance(alert.get("evidence", ""), list | None)


def _values(alert: Mapping[str, Any]) -> Iterator[FalseAlert]:
    # Later changes, such as a comment, leave the first of these as it is, so that no alert counts on many days.
    moments = (to_seconds(alert.get(name)) for name in ("resolvedDateTime", "lastUpdateDateTime"))
    # The year 1 is .NET's word for none.
    moment = next((one for one in moments if one is not None and one > 0), None)
    for kinds, value in dict.fromkeys(one for evidence in alert["evidence"] or () for one in named(evidence)):
        yield FalseAlert(str(alert["id"]), kinds, value, moment)
