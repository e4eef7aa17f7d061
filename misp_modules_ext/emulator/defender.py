"""Defender for Endpoint's indicators: one list of at most 15,000 for each tenant.

Sources: Defender for Endpoint API, "List indicators", "Submit or update indicator", "Import indicators", "Delete
indicator", "Batch delete indicators", "Common REST API error codes"; "Overview of indicators" (15,000 for a tenant).
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .behaviour import Behaviour
from .calls import Answer, Call, Grant, JsonObject, Limit, Refusal, Result, json_answer
from .clock import Clock, parse_offset, to_text
from .defender_rules import complaint
from .odata import FilterError, Predicate, parse_filter

CAPACITY = 15_000
BATCH = 500
TOP = 10_000
FILTERABLE = frozenset(
    [
        "application",
        "createdByDisplayName",
        "expirationTime",
        "generateAlert",
        "title",
        "rbacGroupNames",
        "rbacGroupIds",
        "indicatorValue",
        "indicatorType",
        "creationTimeDateTimeUtc",
        "createdBy",
        "action",
        "severity",
    ]
)
AUDIENCES = frozenset(
    {
        "https://api.securitycenter.microsoft.com",
        "https://api.security.microsoft.com",
        "https://securitycenter.onmicrosoft.com/windowsatpservice",
        "https://api-gcc.securitycenter.microsoft.us",
        "https://api-gov.securitycenter.microsoft.us",
    }
)
# Documented and undocumented properties that a caller may set; `application` only when the indicator is new.
_SETTABLE = [
    "indicatorValue",
    "indicatorType",
    "action",
    "title",
    "description",
    "application",
    "expirationTime",
    "severity",
    "recommendedActions",
    "rbacGroupNames",
    "rbacGroupIds",
    "educateUrl",
    "generateAlert",
    "externalId",
    "category",
    "mitreTechniques",
    "bypassDurationHours",
    "lookBackPeriod",
    "historicalDetection",
    "additionalInfo",
    "notificationId",
    "notificationBody",
    "version",
    "certificateInfo",
]
_FIXED = ("application", "version", "certificateInfo")
_ITEM = re.compile(r"/api/indicators/(\d+)")
_CODES = {
    400: ("BadRequest", "The request is not valid."),
    401: ("Unauthorized", "The token is missing, expired or for another resource."),
    403: ("Forbidden", "The application lacks Ti.ReadWrite or Ti.ReadWrite.All."),
    404: ("NotFound", "Nothing was found."),
    429: ("TooManyRequests", "The limit of requests is exceeded."),
    500: ("InternalServerError", "An internal error occurred. Try again."),
}
Key = tuple[str, str, str]


def error_answer(status: int, code: str | None, message: str | None, retry_after: float | None) -> Answer:
    """An error in Defender's shape, whose `target` is a correlation id; `retry_after` in seconds for a header."""
    known = _CODES.get(status, ("Error", "The request failed."))
    error = {"code": code or known[0], "message": message or known[1], "target": str(uuid.uuid4())}
    return json_answer(status, {"error": error}, {} if retry_after is None else {"Retry-After": f"{retry_after:g}"})


class _Tenant:
    """The list of one tenant, newest change last."""

    def __init__(self) -> None:
        self.entities: dict[str, JsonObject] = {}
        self.ids: dict[Key, str] = {}
        self.next_id = 1
        self.next_expiry = math.inf

    def put(self, entity: JsonObject) -> None:
        self.entities.pop(entity["id"], None)
        self.entities[entity["id"]] = entity
        self.ids[_key(entity)] = entity["id"]
        self.next_expiry = min(self.next_expiry, _expiry(entity))

    def remove(self, number: str) -> None:
        del self.ids[_key(self.entities.pop(number))]

    def purge(self, now: float) -> None:
        """Expired indicators are deleted; looks only when one is due."""
        if now < self.next_expiry:
            return
        for number in [number for number, entity in self.entities.items() if _expiry(entity) <= now]:
            self.remove(number)
        self.next_expiry = min(map(_expiry, self.entities.values()), default=math.inf)


class Defender:
    """``/api/indicators`` for all tenants."""

    name = "defender"
    audiences = AUDIENCES

    def __init__(self, clock: Clock, behaviour: Behaviour) -> None:
        self._clock = clock
        self._behaviour = behaviour
        self._tenants: dict[str, _Tenant] = {}
        self._operations: dict[tuple[str, str], Callable[[Call, Grant, frozenset[int]], Result]] = {
            ("GET", "/api/indicators"): self._list,
            ("POST", "/api/indicators"): self._submit,
            ("POST", "/api/indicators/import"): self._import,
            ("POST", "/api/indicators/BatchDelete"): self._batch_delete,
        }

    def limits(self, call: Call) -> Sequence[Limit]:
        """30 imports a minute; 30 batch deletes and 100 of each other operation a minute, 1,500 an hour."""
        if call.path.endswith("/import"):
            return (Limit("defender import", 30),)
        name = "defender BatchDelete" if call.path.endswith("/BatchDelete") else f"defender {call.method}"
        return (Limit(name, 30 if "Batch" in name else 100), Limit(f"{name} hour", 1500, 3600.0))

    def refuse(self, status: int, code: str | None, message: str | None, retry_after: float | None = None) -> Answer:
        """Defender's error body, whose `target` is a correlation id."""
        return error_answer(status, code, message, retry_after)

    def unauthorized(self, reason: str) -> Answer:
        """401 in Defender's shape."""
        return self.refuse(401, None, reason)

    def throttled(self, retry_after: float) -> Answer:
        """429 with ``Retry-After`` in seconds."""
        return self.refuse(429, None, None, math.ceil(retry_after))

    def handle(self, call: Call, caller: Grant, forced: frozenset[int]) -> Result:
        """Answer one operation.

        Raises:
            Refusal: Unknown path, or a request that breaks the documented rules.
        """
        self._tenant(caller.tenant).purge(self._clock.now())
        operation = self._operations.get((call.method, call.path))
        if operation is not None:
            return operation(call, caller, forced)
        item = _ITEM.fullmatch(call.path)
        if call.method == "DELETE" and item:
            return self._delete(item[1], caller)
        raise Refusal(404, "NotFound", "No such operation; paths are case-sensitive.")

    def _tenant(self, name: str) -> _Tenant:
        return self._tenants.setdefault(name, _Tenant())

    def _list(self, call: Call, caller: Grant, forced: frozenset[int]) -> Result:
        unknown = set(call.query) - {"$filter", "$top", "$skip"}
        if unknown:
            raise Refusal(400, "ODataError", f"{', '.join(sorted(unknown))} is not supported.")
        top, skip = _number(call, "$top", TOP), _number(call, "$skip", 0)
        if top > TOP:
            raise Refusal(400, "ODataError", f"$top is limited to {TOP}.")
        keep = _filter(call)
        seen = self._visible(caller)
        found = [entity for entity in seen if keep(entity)] if keep else list(seen)
        found.sort(key=lambda entity: int(entity["id"]))
        context = f"{call.origin}/api/$metadata#Indicators"
        return Result(json_answer(200, {"@odata.context": context, "value": found[skip : skip + top]}))

    def _visible(self, caller: Grant) -> Iterable[JsonObject]:
        entities = self._tenant(caller.tenant).entities.values()
        return [entity for entity in entities if entity["createdBy"] == caller.app] if self._own else entities

    @property
    def _own(self) -> bool:
        return self._behaviour.defender_own_only

    def _submit(self, call: Call, caller: Grant, forced: frozenset[int]) -> Result:
        if not isinstance(call.payload, dict):
            raise Refusal(400, "InvalidRequestBody", "The body must be an indicator, sent as application/json.")
        stored = self._accept(call.payload, caller)
        return Result(json_answer(200, {"@odata.context": f"{call.origin}/api/$metadata#Indicators/$entity", **stored}))

    def _import(self, call: Call, caller: Grant, forced: frozenset[int]) -> Result:
        items = _batch(call, "Indicators")
        value = [self._import_one(item, caller, index in forced) for index, item in enumerate(items)]
        context = f"{call.origin}/api/$metadata#Collection(microsoft.windowsDefenderATP.api.ImportIndicatorResult)"
        return Result(json_answer(200, {"@odata.context": context, "value": value}))

    def _import_one(self, item: Any, caller: Grant, forced: bool) -> JsonObject:
        value = item.get("indicatorValue") if isinstance(item, dict) else None
        try:
            if forced:
                raise Refusal(400, "InvalidInput", "Error on order.")
            stored = self._accept(item, caller)
        except Refusal as refusal:
            reason = f"{refusal.code}: {refusal.message}"
            return {"id": None, "indicator": value, "isFailed": True, "failureReason": reason}
        return {"id": stored["id"], "indicator": value, "isFailed": False, "failureReason": None}

    def _accept(self, item: Any, caller: Grant) -> JsonObject:
        problem = complaint(item, self._clock.now(), self._behaviour)
        if problem is not None:
            raise Refusal(400, problem.code, problem.message)
        tenant = self._tenant(caller.tenant)
        number = tenant.ids.get(_key(item))
        if number is not None:
            entity = self._updated(tenant.entities[number], item, caller)
        elif len(tenant.entities) >= CAPACITY:
            raise Refusal(400, "InvalidInput", f"The tenant holds {CAPACITY} indicators, the most it can.")
        else:
            entity = self._created(tenant, item, caller)
        tenant.put(entity)
        return entity

    def _created(self, tenant: _Tenant, item: JsonObject, caller: Grant) -> JsonObject:
        number, now = str(tenant.next_id), to_text(self._clock.now())
        tenant.next_id += 1
        return {
            "id": number,
            **_given(item),
            "sourceType": "AadApp",
            "createdBySource": "PublicApi",
            "createdBy": caller.app,
            "createdByDisplayName": caller.app,
            "lastUpdatedBy": None,
            "creationTimeDateTimeUtc": now,
            "lastUpdateTime": now,
        }

    def _updated(self, entity: JsonObject, item: JsonObject, caller: Grant) -> JsonObject:
        if self._own and entity["createdBy"] != caller.app:
            raise Refusal(403, "Forbidden", "The indicator was created by another application.")
        changes = {name: value for name, value in _given(item).items() if name not in _FIXED}
        return {**entity, **changes, "lastUpdatedBy": caller.app, "lastUpdateTime": to_text(self._clock.now())}

    def _batch_delete(self, call: Call, caller: Grant, forced: frozenset[int]) -> Result:
        numbers = _batch(call, "IndicatorIds")
        if not all(isinstance(number, str) and number.isdigit() for number in numbers):
            raise Refusal(400, "InvalidInput", "IndicatorIds must be strings of digits.")
        tenant, seen = self._tenant(caller.tenant), {entity["id"] for entity in self._visible(caller)}
        missing = [number for number in numbers if number not in seen]
        if missing:
            raise Refusal(404, "ResourceNotFound", f"Not found, so nothing was deleted: {', '.join(missing[:10])}.")
        for number in dict.fromkeys(numbers):
            tenant.remove(number)
        return Result(Answer(204))

    def _delete(self, number: str, caller: Grant) -> Result:
        if not any(entity["id"] == number for entity in self._visible(caller)):
            raise Refusal(404, "NotFound", f"Indicator {number} was not found.")
        self._tenant(caller.tenant).remove(number)
        return Result(Answer(204))

    def entities(self) -> dict[str, list[JsonObject]]:
        """All live indicators, by tenant, oldest change first."""
        now = self._clock.now()
        for tenant in self._tenants.values():
            tenant.purge(now)
        return {name: list(tenant.entities.values()) for name, tenant in self._tenants.items() if tenant.entities}

    def dump(self) -> dict[str, Any]:
        """What survives a restart."""
        return {name: {"next": t.next_id, "entities": list(t.entities.values())} for name, t in self._tenants.items()}

    def load(self, saved: Mapping[str, Any]) -> None:
        """Take back what `dump` gave."""
        self.reset()
        for name, kept in saved.items():
            tenant = self._tenant(name)
            tenant.next_id = kept["next"]
            for entity in kept["entities"]:
                tenant.put(entity)

    def reset(self) -> None:
        """Forget everything."""
        self._tenants.clear()


def _key(entity: JsonObject) -> Key:
    return (entity["indicatorValue"], entity["indicatorType"], entity["action"])


def _expiry(entity: JsonObject) -> float:
    moment = parse_offset(entity["expirationTime"]) if entity.get("expirationTime") else None
    return math.inf if moment is None else moment


def _given(item: JsonObject) -> JsonObject:
    given = {name: item[name] for name in _SETTABLE if name in item}
    if isinstance(given.get("generateAlert"), str):
        given["generateAlert"] = given["generateAlert"].lower() == "true"
    if isinstance(given.get("rbacGroupNames"), str):
        given["rbacGroupNames"] = [part.strip() for part in given["rbacGroupNames"].split(",") if part.strip()]
    return given


def _batch(call: Call, name: str) -> list[Any]:
    items = call.payload.get(name) if isinstance(call.payload, dict) else None
    if not isinstance(items, list):
        raise Refusal(400, "InvalidRequestBody", f"The body needs a list {name}; names are case-sensitive.")
    if not items:
        raise Refusal(400, "MissingRequiredParameter", f"{name} is empty.")
    if len(items) > BATCH:
        raise Refusal(400, "MaximumBatchSizeExceeded", f"{name} holds {len(items)} items; at most {BATCH} are allowed.")
    return items


def _number(call: Call, name: str, default: int) -> int:
    text = call.query.get(name, str(default))
    if not text.isascii() or not text.isdigit():
        raise Refusal(400, "ODataError", f"{name} must be a number that is not negative.")
    return int(text)


def _filter(call: Call) -> Predicate | None:
    try:
        return parse_filter(call.query["$filter"], FILTERABLE) if "$filter" in call.query else None
    except FilterError as error:
        raise Refusal(400, "ODataError", f"$filter: {error}.") from error
