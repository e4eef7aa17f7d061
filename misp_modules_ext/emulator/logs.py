"""Log Analytics: `POST /v1/workspaces/{id}/query`, as far as our own queries go.

Sources: Azure Monitor, "Log Analytics query API" (shapes, errors) and its service limits (200 requests in 30 seconds);
Microsoft Sentinel, "Understand threat intelligence" (rows are written again within 7 to 10 days).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .calls import Answer, Call, Grant, JsonObject, Limit, Refusal, Result, json_answer
from .clock import Clock
from .estate import LOGS, Sighting, Window, rows
from .hunting import read_span
from .intel import Intel, Record
from .kql import Presence, QueryError, parse_query
from .sentinel import workspace_key

AUDIENCES = frozenset(
    {"https://api.loganalytics.io", "https://api.loganalytics.azure.com", "https://api.loganalytics.us"}
)
REPUBLISHED = 10 * 86_400.0
_PATH = re.compile(r"/v1/workspaces/([^/]+)/query")
_SEEN = {
    "Value": "string",
    "Times": "long",
    "Devices": "long",
    "First": "datetime",
    "Last": "datetime",
    "Source": "string",
}
_HELD = {
    "Id": "string",
    "SourceSystem": "string",
    "ObservableKey": "string",
    "ObservableValue": "string",
    "Confidence": "int",
    "ValidUntil": "datetime",
    "Revoked": "string",
}
_CODES = {
    400: ("BadArgumentError", "The request had some invalid properties."),
    401: ("InvalidTokenError", "The provided authentication is not valid for this resource."),
    403: ("InsufficientAccessError", "The provided credentials have insufficient access to perform the operation."),
    404: ("WorkspaceNotFoundError", "The workspace could not be found."),
    429: ("ThrottledError", "The request is throttled. Try again later."),
    500: ("InternalError", "An internal error occurred. Try again."),
}


class Logs:
    """The tables of every workspace: its indicators, and what the sightings on order put into the others."""

    name = "logs"
    audiences = AUDIENCES

    def __init__(self, intel: Intel, clock: Clock, sightings: Callable[[], Sequence[Sighting]]) -> None:
        self._intel = intel
        self._clock = clock
        self._sightings = sightings

    def limits(self, call: Call) -> Sequence[Limit]:
        """200 requests in 30 seconds."""
        return (Limit("logs", 200, 30.0),)

    def refuse(self, status: int, code: str | None, message: str | None, retry_after: float | None = None) -> Answer:
        """The error body of Azure Monitor."""
        known = _CODES.get(status, ("Error", "The request failed."))
        body = {"error": {"message": message or known[1], "code": code or known[0]}}
        return json_answer(status, body, {} if retry_after is None else {"Retry-After": f"{retry_after:g}"})

    def unauthorized(self, reason: str) -> Answer:
        """401 in Azure Monitor's shape."""
        return self.refuse(401, None, reason)

    def throttled(self, retry_after: float) -> Answer:
        """429 with ``Retry-After`` in seconds."""
        return self.refuse(429, None, None, math.ceil(retry_after))

    def handle(self, call: Call, caller: Grant, forced: frozenset[int]) -> Result:
        """Answer a query.

        Raises:
            Refusal: Another method or address, a body without a query, or a query that is not known here.
        """
        found = _PATH.fullmatch(call.path)
        workspace = workspace_key(found[1]) if found else None
        if workspace is None or call.method != "POST":
            raise Refusal(404, *_CODES[404])
        given = call.payload if isinstance(call.payload, dict) else {}
        if not isinstance(given.get("query"), str):
            raise Refusal(400, "BadArgumentError", "The body needs a query.")
        try:
            since = self._clock.now() - read_span(given["timespan"]) if given.get("timespan") else 0.0
            window = Window(since, caller.tenant, workspace)
            return Result(json_answer(200, self._table(given["query"], window)))
        except QueryError as error:
            raise Refusal(400, "BadArgumentError", f"A semantic or syntax error occurred: {error}.") from error
        except ValueError as error:
            raise Refusal(400, "BadArgumentError", f"{error}.") from error

    def _table(self, text: str, window: Window) -> JsonObject:
        query = parse_query(text)
        if isinstance(query, Presence):
            return _shown(_HELD, map(_row, self._held(query, window)))
        return _shown(_SEEN, rows(query, self._sightings(), LOGS, "TimeGenerated", window))

    def _held(self, query: Presence, window: Window) -> Iterable[Record]:
        """Records about these values whose newest row is in the window."""
        for record in self._intel.visible(window.workspace).values():
            wanted = record.data["type"] == "indicator" and record.observed.value.lower() in query.wanted
            if wanted and self._newest(record) >= window.since:
                yield record

    def _newest(self, record: Record) -> float:
        """When the newest row of a record was written: what is neither revoked nor expired is written again."""
        now = self._clock.now()
        if record.revoked or record.expired(now):
            return record.last_ingested
        return now - (now - record.last_ingested) % REPUBLISHED

    def reset(self) -> None:
        """The indicators belong to the upload API, the sightings to the core."""


def _row(record: Record) -> JsonObject:
    data = record.data
    return {
        "Id": record.name,
        "SourceSystem": record.source,
        "ObservableKey": record.observed.key,
        "ObservableValue": record.observed.value,
        "Confidence": None if data.get("spec_version", "2.0") == "2.0" else data.get("confidence"),
        "ValidUntil": data.get("valid_until"),
        "Revoked": str(data["revoked"]).lower() if "revoked" in data else "",
    }


def _shown(columns: Mapping[str, str], found: Iterable[Mapping[str, Any]]) -> JsonObject:
    table = {
        "name": "PrimaryResult",
        "columns": [{"name": name, "type": type_} for name, type_ in columns.items()],
        "rows": [[row[name] for name in columns] for row in found],
    }
    return {"tables": [table]}
