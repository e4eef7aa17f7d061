"""Graph beta `security/tiIndicators`, as it was before Microsoft retired it.

Source: Microsoft Graph beta, "tiIndicator" operations and "Microsoft Graph Security API error responses" (206 with an
`Error` in each failed item). Applications see only what they created.
"""

from __future__ import annotations

import json
import math
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple
from urllib.parse import quote

from .behaviour import Behaviour
from .calls import Answer, Call, Grant, JsonObject, Limit, Refusal, Result, json_answer
from .clock import Clock, to_text
from .graph_rules import DEFENDER, PROPERTIES, SENTINEL, check_body, expired, problem
from .odata import FilterError, parse_filter

BATCH = 100
PAGE = 1000
AUDIENCES = frozenset(
    {
        "https://graph.microsoft.com",
        "https://graph.microsoft.us",
        "https://dod-graph.microsoft.us",
    }
)
BASE = "/beta/security/tiIndicators"
_ITEM = re.compile(rf"{BASE}/([0-9a-fA-F-]{{36}})")
_ACTION = re.compile(rf"{BASE}/(?:microsoft\.graph\.)?(\w+)")
_FAILED_ID = "Failed to create, check Error element for reason"
_DEFENDER_EDITS = frozenset({"expirationDateTime", "severity", "description", "targetProduct", "id", "@odata.type"})


def error_answer(clock: Clock, status: int, code: str, message: str, retry_after: float | None) -> Answer:
    """An error in Graph's shape; `retry_after` in seconds for a header."""
    request = str(uuid.uuid4())
    inner = {"date": to_text(clock.now())[:19], "request-id": request, "client-request-id": request}
    headers = {"request-id": request}
    if retry_after is not None:
        headers["Retry-After"] = f"{retry_after:g}"
    return json_answer(status, {"error": {"code": code, "message": message, "innerError": inner}}, headers)


class GraphErrors:
    """How each of Graph's APIs refuses.

    Args:
        clock: what the time is.
    """

    #: By status, code and message where the API says nothing else.
    codes: ClassVar[Mapping[int, tuple[str, str]]] = {
        400: ("BadRequest", "The request is not valid."),
        401: ("InvalidAuthenticationToken", "The access token is missing, expired or for another resource."),
        404: ("ResourceNotFound", "The resource was not found."),
        429: ("TooManyRequests", "Too many requests."),
        500: ("InternalServerError", "An internal error occurred. Try again."),
    }

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def refuse(self, status: int, code: str | None, message: str | None, retry_after: float | None = None) -> Answer:
        """Graph's error body with an `innerError`."""
        known = self.codes.get(status, ("generalException", "The request failed."))
        return error_answer(self._clock, status, code or known[0], message or known[1], retry_after)

    def unauthorized(self, reason: str) -> Answer:
        """401 in Graph's shape."""
        return self.refuse(401, None, reason)

    def throttled(self, retry_after: float) -> Answer:
        """429 with ``Retry-After`` in seconds."""
        return self.refuse(429, None, None, math.ceil(retry_after))


class _Owned(NamedTuple):
    app: str
    entity: JsonObject


class Graph(GraphErrors):
    """All tenants' tiIndicators."""

    name = "graph"
    audiences = AUDIENCES

    codes: ClassVar = {
        **GraphErrors.codes,
        403: ("Forbidden", "The application lacks ThreatIndicators.ReadWrite.OwnedBy."),
        404: ("ResourceNotFound", "The resource was not found: the tiIndicator API is not available any more."),
        410: ("Gone", "The tiIndicator API has been removed."),
    }

    def __init__(self, clock: Clock, behaviour: Behaviour) -> None:
        super().__init__(clock)
        self._behaviour = behaviour
        self._tenants: dict[str, dict[str, _Owned]] = {}
        self._actions: dict[str, Callable[[Call, Grant, frozenset[int]], Result]] = {
            "submitTiIndicators": self._submit,
            "updateTiIndicators": self._update,
            "deleteTiIndicators": self._delete_many,
            "deleteTiIndicatorsByExternalId": self._delete_many,
        }

    def limits(self, call: Call) -> Sequence[Limit]:
        """1,000 requests a minute for an application in a tenant."""
        return (Limit("graph", 1000),)

    def handle(self, call: Call, caller: Grant, forced: frozenset[int]) -> Result:
        """Answer one operation.

        Raises:
            Refusal: Unknown path or entity, or a body that cannot be read.
        """
        if call.path == BASE and call.method in ("GET", "POST"):
            return self._list(call, caller) if call.method == "GET" else self._create(call, caller)
        if item := _ITEM.fullmatch(call.path):
            return self._one(item[1].lower(), call, caller)
        action = _ACTION.fullmatch(call.path)
        if action and call.method == "POST" and action[1] in self._actions:
            return self._actions[action[1]](call, caller, forced)
        raise Refusal(400, "BadRequest", "The address or the method is not known.")

    def _of(self, caller: Grant) -> dict[str, _Owned]:
        return self._tenants.setdefault(caller.tenant, {})

    def _create(self, call: Call, caller: Grant) -> Result:
        item = check_body(call.payload)
        fault = self._fault(item)
        if fault is not None:
            raise Refusal(400, "InvalidInput", fault)
        entity = self._store(item, caller)
        return Result(json_answer(201, {"@odata.context": _context(call, "/$entity"), **entity}))

    def _fault(self, item: JsonObject) -> str | None:
        return problem(item) or expired(item, self._clock.now())

    def _store(self, item: JsonObject, caller: Grant) -> JsonObject:
        number = str(uuid.uuid4())
        stamped = {"azureTenantId": caller.tenant, "ingestedDateTime": to_text(self._clock.now())}
        defaults = {"isActive": True, "passiveOnly": False, "severity": 3}
        given = {name: value for name, value in item.items() if name != "@odata.type"}
        entity = {**defaults, **given, "id": number, **stamped}
        self._of(caller)[number] = _Owned(caller.app, entity)
        return entity

    def _list(self, call: Call, caller: Grant) -> Result:
        try:
            keep = parse_filter(call.query["$filter"], PROPERTIES) if "$filter" in call.query else None
            top, skip = int(call.query.get("$top", PAGE)), int(call.query.get("$skip", 0))
        except (FilterError, ValueError) as error:
            raise Refusal(400, "BadRequest", f"Invalid query: {error}.") from error
        mine = [owned.entity for owned in self._of(caller).values() if owned.app == caller.app]
        found = [entity for entity in mine if keep is None or keep(entity)]
        body = {"@odata.context": _context(call), "value": found[skip : skip + min(top, PAGE)]}
        if len(found) > skip + min(top, PAGE):
            kept = f"&$filter={quote(call.query['$filter'])}" if keep else ""
            body["@odata.nextLink"] = f"{call.origin}{BASE}?$top={min(top, PAGE)}&$skip={skip + min(top, PAGE)}{kept}"
        return Result(json_answer(200, body))

    def _one(self, number: str, call: Call, caller: Grant) -> Result:
        owned = self._find(number, caller)
        if owned is None:
            raise Refusal(404, "ResourceNotFound", f"Indicator {number} was not found.")
        if call.method == "GET":
            return Result(json_answer(200, {"@odata.context": _context(call, "/$entity"), **owned.entity}))
        if call.method == "DELETE":
            self._remove(number, owned, caller)
            return Result(Answer(204))
        if call.method != "PATCH":
            raise Refusal(405, "BadRequest", "The method is not allowed.")
        entity = self._patch(number, check_body(call.payload), caller)
        wants = "return=representation" in call.headers.get("prefer", "")
        return Result(json_answer(200, entity) if wants else Answer(204))

    def _find(self, number: object, caller: Grant) -> _Owned | None:
        owned = self._of(caller).get(number) if isinstance(number, str) else None
        return owned if owned and owned.app == caller.app else None

    def _patch(self, number: str, changes: JsonObject, caller: Grant) -> JsonObject:
        owned = self._find(number, caller)
        if owned is None:
            raise Refusal(404, "ResourceNotFound", f"Indicator {number} was not found.")
        fixed = set(changes) - _DEFENDER_EDITS
        if owned.entity["targetProduct"] == DEFENDER and fixed:
            raise Refusal(400, "InvalidInput", f"{', '.join(sorted(fixed))} cannot be changed for {DEFENDER}.")
        kept = {name: owned.entity[name] for name in ("id", "azureTenantId", "ingestedDateTime")}
        entity = {**owned.entity, **changes, **kept}
        # An expired one may be changed otherwise; what must not be is a new end in the past.
        fault = problem(entity) or expired(changes, self._clock.now())
        if fault is not None:
            raise Refusal(400, "InvalidInput", fault)
        self._of(caller)[number] = _Owned(caller.app, entity)
        return entity

    def _remove(self, number: str, owned: _Owned, caller: Grant) -> None:
        if owned.entity["targetProduct"] != SENTINEL or self._behaviour.graph_deletes_sentinel:
            self._of(caller).pop(number, None)

    def _submit(self, call: Call, caller: Grant, forced: frozenset[int]) -> Result:
        items = [check_body(item) for item in _batch(call)]
        answers = [self._submit_one(item, caller, index in forced) for index, item in enumerate(items)]
        return _partial(call, answers)

    def _submit_one(self, item: JsonObject, caller: Grant, forced: bool) -> JsonObject:
        fault = "Error on order." if forced else self._fault(item)
        return self._store(item, caller) if fault is None else _failed(item, "InvalidInput", fault)

    def _update(self, call: Call, caller: Grant, forced: frozenset[int]) -> Result:
        items = [check_body(item) for item in _batch(call)]
        answers = [self._update_one(item, caller, index in forced) for index, item in enumerate(items)]
        return _partial(call, answers)

    def _update_one(self, item: JsonObject, caller: Grant, forced: bool) -> JsonObject:
        missing = [name for name in ("id", "expirationDateTime", "targetProduct") if not item.get(name)]
        if forced or missing:
            return _failed(item, "InvalidInput", f"{', '.join(missing)} is required." if missing else "Error on order.")
        try:
            return self._patch(item["id"], item, caller)
        except Refusal as refusal:
            return _failed(item, refusal.code, refusal.message)

    def _delete_many(self, call: Call, caller: Grant, forced: frozenset[int]) -> Result:
        names = _batch(call)
        if not all(isinstance(name, str) for name in names):
            raise Refusal(400, "BadRequest", "value must be a list of strings.")
        numbers = self._numbers("externalId" if call.path.endswith("ByExternalId") else "id", caller)
        answers = [self._delete_named(name, numbers, caller, i in forced) for i, name in enumerate(names)]
        failed = any(answer["code"] != "0" for answer in answers)
        return Result(json_answer(206 if failed else 200, {"@odata.context": _context(call), "value": answers}))

    def _numbers(self, key: str, caller: Grant) -> dict[Any, list[str]]:
        """The ids of the caller's indicators by the value of a property."""
        numbers: dict[Any, list[str]] = {}
        for number, owned in self._of(caller).items():
            if owned.app == caller.app:
                numbers.setdefault(owned.entity.get(key), []).append(number)
        return numbers

    def _delete_named(self, name: str, numbers: dict[Any, list[str]], caller: Grant, forced: bool) -> JsonObject:
        if forced:
            return _result_info("400", "Error on order.")
        if name not in numbers:
            return _result_info("404", f"{name} was not found.")
        for number in numbers[name]:
            owned = self._of(caller).get(number)
            if owned is not None:
                self._remove(number, owned, caller)
        return _result_info("0", "")

    def entities(self) -> dict[str, list[JsonObject]]:
        """All indicators, by tenant."""
        return {name: [owned.entity for owned in kept.values()] for name, kept in self._tenants.items() if kept}

    def dump(self) -> dict[str, Any]:
        """What survives a restart."""
        return {name: [[owned.app, owned.entity] for owned in kept.values()] for name, kept in self._tenants.items()}

    def load(self, saved: Mapping[str, Any]) -> None:
        """Take back what `dump` gave."""
        self._tenants = {
            name: {entity["id"]: _Owned(app, entity) for app, entity in kept} for name, kept in saved.items()
        }

    def reset(self) -> None:
        """Forget everything."""
        self._tenants.clear()


def _batch(call: Call) -> list[Any]:
    items = call.payload.get("value") if isinstance(call.payload, dict) else None
    if not isinstance(items, list) or not items:
        raise Refusal(400, "BadRequest", "The body needs a list 'value' that is not empty, sent as application/json.")
    if len(items) > BATCH:
        raise Refusal(400, "BadRequest", f"value holds {len(items)} items; at most {BATCH} are allowed.")
    return items


def _partial(call: Call, answers: list[JsonObject]) -> Result:
    failed = any("Error" in answer for answer in answers)
    return Result(json_answer(206 if failed else 200, {"@odata.context": _context(call), "value": answers}))


def _failed(item: JsonObject, code: str, message: str) -> JsonObject:
    error = json.dumps({"error": {"code": code, "message": message, "target": str(uuid.uuid4())}})
    return {**item, "id": _FAILED_ID, "Error": error}


def _result_info(code: str, message: str) -> JsonObject:
    return {"@odata.type": "#microsoft.graph.resultInfo", "code": code, "message": message, "subCode": "0"}


def _context(call: Call, suffix: str = "") -> str:
    return f"{call.origin}/beta/$metadata#security/tiIndicators{suffix}"
