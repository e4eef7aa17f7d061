"""Sentinel's management API: reading back, counting and deleting threat intelligence.

Source: Azure Resource Manager, Microsoft.SecurityInsights, ThreatIntelligence (2025-09-01) and ThreatIntelligenceQuery,
ThreatIntelligenceCount (2025-07-01-preview and later).

In Azure a workspace has a name and an id; the upload API takes the id, this API the name. The emulator has no Azure
resources behind it, so here **the workspace name is the workspace id**, in whatever subscription and resource group.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from .behaviour import Behaviour
from .calls import Answer, Call, Grant, JsonObject, Limit, Refusal, Result, json_answer
from .clock import Clock, parse_offset, to_text
from .conditions import field_of, parse_condition
from .intel import Intel, Record
from .sentinel import ARM_AUDIENCES, workspace_key

PAGE = 100
LARGEST_PAGE = 1000
_PATH = re.compile(
    r"(?P<base>/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.OperationalInsights/workspaces/"
    r"(?P<workspace>[^/]+)/providers/Microsoft\.SecurityInsights/threatIntelligence)/(?P<rest>.+)",
    re.IGNORECASE,
)
_VERSION = re.compile(r"\d{4}-\d\d-\d\d(-preview)?")
_KINDS = {
    "indicator": "Indicator",
    "attack-pattern": "AttackPattern",
    "threat-actor": "ThreatActor",
    "identity": "Identity",
    "relationship": "Relationship",
}
_SORT_FIELDS = {"validFrom": "valid_from", "validUntil": "valid_until", "displayName": "name"}
_CODES = {
    400: ("BadRequest", "The request is not valid."),
    401: ("AuthenticationFailed", "Authentication failed."),
    403: ("AuthorizationFailed", "The client has no authorization to perform this action on the workspace."),
    404: ("ResourceNotFound", "The resource was not found."),
    429: ("TooManyRequests", "Too many requests."),
    500: ("InternalServerError", "An internal error occurred. Try again."),
}


class Management:
    """``…/providers/Microsoft.SecurityInsights/threatIntelligence`` of every workspace."""

    name = "management"
    audiences = ARM_AUDIENCES

    def __init__(self, intel: Intel, clock: Clock, behaviour: Behaviour) -> None:
        self._intel = intel
        self._clock = clock
        self._behaviour = behaviour

    def limits(self, call: Call) -> Sequence[Limit]:
        """Azure's token bucket is not documented in numbers: a limit only when the behaviour names one."""
        count = self._behaviour.management_per_minute
        return () if count is None else (Limit("management", count),)

    def refuse(self, status: int, code: str | None, message: str | None, retry_after: float | None = None) -> Answer:
        """Azure Resource Manager's error body."""
        known = _CODES.get(status, ("Error", "The request failed."))
        headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
        return json_answer(status, {"error": {"code": code or known[0], "message": message or known[1]}}, headers)

    def unauthorized(self, reason: str) -> Answer:
        """401 in Azure Resource Manager's shape."""
        return self.refuse(401, None, reason)

    def throttled(self, retry_after: float) -> Answer:
        """429 with ``Retry-After`` in seconds."""
        return self.refuse(429, None, None, math.ceil(retry_after))

    def handle(self, call: Call, caller: Grant, forced: frozenset[int]) -> Result:
        """Answer one operation.

        Raises:
            Refusal: Unknown path, api-version or workspace name, or a body that breaks the documented form.
        """
        found = _PATH.fullmatch(call.path)
        if found is None:
            raise Refusal(404, "InvalidResourceType", "The path is not known.")
        base, rest, workspace = found["base"], found["rest"], workspace_key(found["workspace"])
        _check_version(call, preview_only=rest in ("main/query", "main/count"))
        if workspace is None:
            raise Refusal(404, "ResourceNotFound", "Here a workspace's name is its id: put the GUID into the path.")
        operation = self._operations().get((call.method, rest)) or self._operations().get(("POST", rest))
        if operation is not None:
            return Result(json_answer(200, operation(call, base, workspace)))
        return self._by_name(call, base, rest, workspace)

    def _operations(self) -> dict[tuple[str, str], Callable[[Call, str, str], JsonObject]]:
        return {
            ("POST", "main/queryIndicators"): self._query_indicators,
            ("POST", "main/query"): self._query,
            ("POST", "main/count"): self._count,
            ("GET", "main/indicators"): self._query_indicators,
        }

    def _query_indicators(self, call: Call, base: str, workspace: str) -> JsonObject:
        offset, wanted = _page_of(call)
        _check_filter(wanted)
        records = [r for r in self._intel.visible(workspace).values() if r.data["type"] == "indicator"]
        found = [record for record in records if _passes(record, wanted)]
        for order in reversed(wanted.get("sortBy") or ()):
            field = _SORT_FIELDS.get(str(order.get("itemKey")), str(order.get("itemKey")))
            _sort(found, field, descending=order.get("sortOrder") == "descending")
        size = wanted.get("pageSize") or call.query.get("$top") or PAGE
        return _page(call, wanted, found, offset=offset, size=size, show=lambda record: _indicator(base, record))

    def _query(self, call: Call, base: str, workspace: str) -> JsonObject:
        offset, wanted = _page_of(call)
        holds = parse_condition(wanted.get("condition"))
        found = [record for record in self._intel.visible(workspace).values() if holds(record)]
        order = wanted.get("sortBy") or {}
        if not isinstance(order, dict):
            raise Refusal(400, "BadRequest", "sortBy must be an object with field and direction.")
        if order.get("field"):
            _sort(found, order["field"], descending=order.get("direction") == "DESC")
        size = wanted.get("maxPageSize") or PAGE
        return _page(call, wanted, found, offset=offset, size=size, show=lambda record: _object(base, record))

    def _count(self, call: Call, base: str, workspace: str) -> JsonObject:
        properties = _body(call).get("properties") or {}
        if not isinstance(properties, dict):
            raise Refusal(400, "BadRequest", "properties must be an object with a condition.")
        holds = parse_condition(properties.get("condition"))
        return {"count": sum(map(holds, self._intel.visible(workspace).values()))}

    def _by_name(self, call: Call, base: str, rest: str, workspace: str) -> Result:
        by_name = rest.lower().startswith("main/indicators/")
        name = rest[len("main/indicators/") :] if by_name else rest
        record = next((r for r in self._intel.visible(workspace).values() if r.name == name), None)
        may_delete = self._behaviour.delete_by_name if by_name else self._behaviour.delete_by_resource_id
        if call.method == "DELETE" and (by_name or "---" in name):
            if record is not None and may_delete:
                self._intel.delete(workspace, record)
            note = () if may_delete else (f"{name}: answered 200, nothing was deleted",)
            return Result(Answer(200 if record is not None or not may_delete else 204), note)
        if call.method == "GET" and record is not None and not by_name:
            return Result(json_answer(200, _object(base, record)))
        # Objects of the upload API live in another store than the one behind main/indicators/{name}.
        raise Refusal(404, "ResourceNotFound", f"{name} was not found.")

    def reset(self) -> None:
        """The store belongs to the upload API."""


def _check_version(call: Call, *, preview_only: bool) -> None:
    version = call.query.get("api-version")
    if version is None:
        raise Refusal(400, "MissingApiVersionParameter", "The api-version query parameter is required.")
    found = _VERSION.fullmatch(version)
    if found is None or (preview_only and not found[1]):
        raise Refusal(400, "InvalidApiVersionParameter", f"api-version {version} does not have this operation.")


def _body(call: Call) -> JsonObject:
    if call.malformed or not isinstance(call.payload, (dict, type(None))):
        raise Refusal(400, "BadRequest", "The body must be a JSON object.")
    return call.payload or {}


def _page_of(call: Call) -> tuple[int, JsonObject]:
    """Offset and filter: of the skip token, which holds the first page's body, else of the body itself."""
    body = _body(call)
    token = body.get("skipToken") or call.query.get("$skipToken")
    if not token:
        return 0, body
    try:
        held = json.loads(base64.urlsafe_b64decode(str(token).encode()))
        return int(held["offset"]), dict(held["body"])
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise Refusal(400, "BadRequest", "skipToken is not one that this API gave out.") from error


def _check_filter(wanted: JsonObject) -> None:
    for name in ("minConfidence", "maxConfidence"):
        if not isinstance(wanted.get(name, 0), (int, type(None))):
            raise Refusal(400, "BadRequest", f"{name} must be an integer.")
    for name in ("minValidUntil", "maxValidUntil"):
        if wanted.get(name) is not None and _moment(wanted[name]) is None:
            raise Refusal(400, "BadRequest", f"{name} must be an ISO 8601 time with a zone.")
    for name in ("sources", "patternTypes", "threatTypes", "ids"):
        if not isinstance(wanted.get(name, []), (list, type(None))):
            raise Refusal(400, "BadRequest", f"{name} must be a list.")
    orders = wanted.get("sortBy") or []
    if not isinstance(orders, list) or not all(isinstance(order, dict) for order in orders):
        raise Refusal(400, "BadRequest", "sortBy must be a list of objects with itemKey and sortOrder.")


def _page(
    call: Call, wanted: JsonObject, found: list[Record], *, offset: int, size: Any, show: Callable[[Record], JsonObject]
) -> JsonObject:
    try:
        size = max(1, min(int(size), LARGEST_PAGE))
    except (TypeError, ValueError) as error:
        raise Refusal(400, "BadRequest", "The page size must be a number.") from error
    answer: JsonObject = {"value": [show(record) for record in found[offset : offset + size]]}
    if len(found) > offset + size:
        held = json.dumps({"offset": offset + size, "body": {**wanted, "skipToken": None}}).encode()
        token = base64.urlsafe_b64encode(held).decode()
        version = call.query["api-version"]
        answer["nextLink"] = f"{call.origin}{call.path}?api-version={version}&$skipToken={token}"
    return answer


def _sort(records: list[Record], field: str, *, descending: bool) -> None:
    def key(record: Record) -> tuple[bool, float, str]:
        value = field_of(record, field)
        number = float(value) if isinstance(value, (int, float)) else 0.0
        return value is not None, number, str(value)

    records.sort(key=key, reverse=descending)


def _passes(record: Record, wanted: JsonObject) -> bool:
    data = record.data
    return (
        (bool(wanted.get("includeDisabled")) or not record.revoked)
        and _within(data.get("confidence"), wanted.get("minConfidence"), wanted.get("maxConfidence"))
        and _within(
            _moment(data.get("valid_until")), *(_moment(wanted.get(f"{end}ValidUntil")) for end in ("min", "max"))
        )
        and _any(wanted.get("sources"), lambda source: bool(source == record.source))
        and _any(wanted.get("ids"), lambda name: name in (data["id"], record.name))
        and _any(wanted.get("patternTypes"), lambda kind: record.observed.key.startswith(f"{kind}:"))
        and _any(wanted.get("threatTypes"), lambda kind: kind in (data.get("indicator_types") or ()))
        and _any(wanted.get("keywords"), lambda word: _mentions(data, str(word).lower()))
    )


def _within(value: Any, low: Any, high: Any) -> bool:
    if low is None and high is None:
        return True
    return value is not None and (low is None or value >= low) and (high is None or value <= high)


def _moment(text: Any) -> float | None:
    return parse_offset(text) if isinstance(text, str) else None


def _any(wanted: Any, holds: Callable[[Any], bool]) -> bool:
    if not wanted:
        return True
    # Clients send a single keyword as a string; the documented form is a list.
    return any(holds(item) for item in (wanted if isinstance(wanted, list) else [wanted]))


def _mentions(data: JsonObject, word: str) -> bool:
    texts = (data["id"], data.get("name"), data.get("description"), data.get("pattern"), *(data.get("labels") or ()))
    return any(word in str(text).lower() for text in texts if text)


def _indicator(base: str, record: Record) -> JsonObject:
    data = record.data
    key, value = record.observed
    parsed = {"patternTypeKey": key.split(":")[0], "patternTypeValues": [{"valueType": key, "value": value}]}
    properties = {
        "source": record.source,
        "externalId": data["id"],
        "displayName": data.get("name"),
        "description": data.get("description"),
        "pattern": data.get("pattern"),
        "patternType": data.get("pattern_type"),
        "patternVersion": data.get("pattern_version"),
        "parsedPattern": [parsed] if key else [],
        "threatIntelligenceTags": data.get("labels") or [],
        "threatTypes": data.get("indicator_types") or [],
        "confidence": data.get("confidence"),
        "revoked": record.revoked,
        "validFrom": data.get("valid_from"),
        "validUntil": data.get("valid_until"),
        "created": data["created"],
        "externalLastUpdatedTimeUtc": data["modified"],
        "lastUpdatedTimeUtc": to_text(record.last_ingested),
        "objectMarkingRefs": data.get("object_marking_refs") or [],
        "externalReferences": data.get("external_references") or [],
    }
    return {
        "id": f"{base}/main/indicators/{record.name}",
        "name": record.name,
        "etag": f'"{record.last_ingested:.6f}"',
        "type": "Microsoft.SecurityInsights/threatIntelligence",
        "kind": "indicator",
        "properties": {name: value for name, value in properties.items() if value is not None},
    }


def _object(base: str, record: Record) -> JsonObject:
    return {
        "id": f"{base}/{record.name}",
        "name": record.name,
        "type": "Microsoft.SecurityInsights/threatIntelligence",
        "kind": _KINDS[record.data["type"]],
        "properties": {
            "data": record.data,
            "source": record.source,
            "firstIngestedTimeUtc": to_text(record.first_ingested),
            "lastIngestedTimeUtc": to_text(record.last_ingested),
            "lastUpdatedDateTimeUtc": to_text(record.last_ingested),
            "lastUpdateMethod": "UploadApi",
        },
    }


def is_management(path: str) -> bool:
    """Whether a path belongs to this API."""
    return path.lower().startswith("/subscriptions/")
