"""Advanced hunting through Microsoft Graph.

Source: Microsoft Graph v1.0, "security: runHuntingQuery". An older example has its keys with capital letters, so they
are read in any case.
"""

from __future__ import annotations

from typing import Any

from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.destinations.answers import unreadable
from misp_modules_ext.destinations.estate import timespan
from misp_modules_ext.destinations.graph_security import asking
from misp_modules_ext.destinations.interface import Limit
from misp_modules_ext.destinations.transport import Transport
from misp_modules_ext.destinations.wire import encode

#: Documented as the least that a tenant has. Processor time is limited, too: Microsoft's words say which limit it was.
RATE = Limit(45, 60.0)
NAME = "Advanced hunting"
_PATH = "/v1.0/security/runHuntingQuery"


class Hunting:
    """The tables of one tenant.

    Args:
        settings: whose.
        transport: how Graph is reached; the process's shared one when absent.
    """

    def __init__(self, settings: DestinationSettings, transport: Transport | None = None) -> None:
        self._asking = asking(settings, NAME, "ThreatHunting.Read.All", {"hunting": RATE}, transport)

    def rows(self, query: str, since: int, deadline: float) -> list[dict[str, Any]]:
        """What a query answers, by names of columns.

        Args:
            query: one of `queries`.
            since: seconds since 1970 UTC.
            deadline: by `time.monotonic`.

        Raises:
            DestinationError: no answer, or none with results.
        """
        body = encode({"Query": query, "Timespan": timespan(since)})
        answer = self._asking.ask("POST", _PATH, deadline, body=body)
        document = answer.json()
        named = {str(name).lower(): value for name, value in document.items()} if isinstance(document, dict) else {}
        results = named.get("results")
        if not isinstance(results, list) or not all(isinstance(row, dict) for row in results):
            raise unreadable(answer, NAME, "not with the documented list of results")
        return results
