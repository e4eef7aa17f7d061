"""Advanced hunting: `POST /v1.0/security/runHuntingQuery`, as far as our own queries go.

Source: Microsoft Graph v1.0, "security: runHuntingQuery" and "Use the Microsoft Graph security API" (limits).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import ClassVar

from .behaviour import Behaviour
from .calls import Call, Grant, JsonObject, Limit, Refusal, Result, json_answer
from .clock import Clock
from .estate import HUNTING, Sighting, Window, rows
from .graph import AUDIENCES, GraphErrors
from .kql import Estate, QueryError, parse_query

PATH = "/v1.0/security/runHuntingQuery"
LONGEST = 30 * 86_400
SCHEMA = {
    "Value": "String",
    "Times": "Int64",
    "Devices": "Int64",
    "First": "DateTime",
    "Last": "DateTime",
    "Source": "String",
}
_SPAN = re.compile(r"P(?:(\d+)D)?(?:T(\d+)H)?")


def read_span(text: object) -> float:
    """Seconds of an ISO 8601 duration of days and hours.

    Raises:
        ValueError: it is none.
    """
    found = _SPAN.fullmatch(text) if isinstance(text, str) else None
    if found is None or not (found[1] or found[2]):
        raise ValueError("the time span must be an ISO 8601 duration of days and hours, as P30D")
    return int(found[1] or 0) * 86_400.0 + int(found[2] or 0) * 3600.0


class Hunting(GraphErrors):
    """The tables of every tenant, filled by the sightings on order."""

    name = "hunting"
    audiences = AUDIENCES
    codes: ClassVar = {**GraphErrors.codes, 403: ("Forbidden", "The application lacks ThreatHunting.Read.All.")}

    def __init__(self, clock: Clock, behaviour: Behaviour, sightings: Callable[[], Sequence[Sighting]]) -> None:
        super().__init__(clock)
        self._behaviour = behaviour
        self._sightings = sightings

    def limits(self, call: Call) -> Sequence[Limit]:
        """45 calls a minute."""
        return (Limit("hunting", 45),)

    def handle(self, call: Call, caller: Grant, forced: frozenset[int]) -> Result:
        """Answer a query.

        Raises:
            Refusal: Another method or address, a body without a query, or a query that is not known here.
        """
        if call.method != "POST" or call.path != PATH:
            raise Refusal(404, "ResourceNotFound", "The address or the method is not known.")
        given = call.payload if isinstance(call.payload, dict) else {}
        named = {name.lower(): value for name, value in given.items()}
        if not isinstance(named.get("query"), str):
            raise Refusal(400, "BadRequest", "The body needs a Query.")
        try:
            span = min(LONGEST, read_span(named.get("timespan", "P30D")))
            found = self._rows(named["query"], Window(self._clock.now() - span, tenant=caller.tenant))
        except ValueError as error:
            raise Refusal(400, "BadRequest", f"{error}.") from error
        return Result(json_answer(200, self._shown(found)))

    def _rows(self, text: str, window: Window) -> list[JsonObject]:
        query = parse_query(text)
        if not isinstance(query, Estate):
            raise QueryError("'ThreatIntelIndicators' is no table of this tenant")
        return rows(query, self._sightings(), HUNTING, "Timestamp", window)

    def _shown(self, found: list[JsonObject]) -> JsonObject:
        name, type_, schema, results = "name", "type", "schema", "results"
        if self._behaviour.hunting_capitals:
            name, type_, schema, results = "Name", "Type", "Schema", "Results"
        return {schema: [{name: column, type_: kind} for column, kind in SCHEMA.items()], results: found}

    def reset(self) -> None:
        """The sightings belong to the core."""
