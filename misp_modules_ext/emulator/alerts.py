"""Graph's list of alerts: `GET /v1.0/security/alerts_v2`, as far as our own question goes.

Sources: Microsoft Graph v1.0, "List alerts_v2" and its example, "alert resource type", "alertEvidence resource type"
and the types derived from it; "Microsoft Graph service-specific throttling limits".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

from .behaviour import Behaviour
from .calls import Call, Grant, JsonObject, Limit, Refusal, Result, json_answer
from .clock import Clock, parse_offset
from .estate import ALERTS, CLASSIFICATIONS, kind_of
from .graph import AUDIENCES, GraphErrors

PATH = "/v1.0/security/alerts_v2"
#: Largest `$top`, and what is shown without one.
LARGEST, PAGE = 1000, 100
_OPTIONS = frozenset({"$filter", "$top", "$skip"})
_FILTER = re.compile(
    rf"classification eq '({'|'.join(('unknown', *CLASSIFICATIONS))})' and lastUpdateDateTime ge ([0-9T:.+Z-]+)"
)
_NAMESPACE = "#microsoft.graph.security"


class Alerts(GraphErrors):
    """The alerts of every tenant: the orders of sightings that have a classification."""

    name = "alerts"
    audiences = AUDIENCES
    codes: ClassVar = {**GraphErrors.codes, 403: ("Forbidden", "The application lacks SecurityAlert.Read.All.")}

    def __init__(self, clock: Clock, behaviour: Behaviour, orders: Callable[[], Sequence[JsonObject]]) -> None:
        super().__init__(clock)
        self._behaviour = behaviour
        self._orders = orders

    def limits(self, call: Call) -> Sequence[Limit]:
        """150 requests a minute for an application in a tenant."""
        return (Limit("alerts", 150),)

    def handle(self, call: Call, caller: Grant, forced: frozenset[int]) -> Result:
        """Answer the list.

        Raises:
            Refusal: Another method or address, or another query than this tool's own.
        """
        if call.method != "GET" or call.path != PATH:
            raise Refusal(404, "ResourceNotFound", "The address or the method is not known.")
        unknown = sorted(set(call.query) - _OPTIONS)
        if unknown:
            raise Refusal(400, "BadRequest", f"Query option '{unknown[0]}' is not allowed.")
        classification, since = _wanted(call.query.get("$filter", ""))
        top, skip = _number(call.query, "$top", PAGE, 1), _number(call.query, "$skip", 0, 0)
        if top > LARGEST:
            raise Refusal(400, "BadRequest", f"The limit of {LARGEST} for $top has been exceeded.")
        found = [
            alert
            for alert in self._of(caller.tenant)
            if alert["classification"] == classification and (parse_offset(alert["lastUpdateDateTime"]) or 0) >= since
        ]
        return Result(json_answer(200, self._page(call, found, skip, min(top, self._behaviour.alerts_page))))

    def _page(self, call: Call, found: Sequence[JsonObject], skip: int, size: int) -> JsonObject:
        end = skip + size
        body = {"@odata.context": f"{call.origin}/v1.0/$metadata#security/alerts_v2", "value": found[skip:end]}
        if end < len(found):
            kept = f"$filter={quote(call.query['$filter'])}&$top={call.query.get('$top', PAGE)}"
            body["@odata.nextLink"] = f"{call.origin}{PATH}?{kept}&$skip={end}"
        return body

    def _of(self, tenant: str) -> list[JsonObject]:
        """The alerts of a tenant, the newest first."""
        held = [
            _alert(number, order, tenant)
            for number, order in enumerate(self._orders())
            if order.get("classification")
            and order.get("table", ALERTS) == ALERTS
            and str(order.get("tenant", "")).lower() in ("", tenant.lower())
        ]
        return sorted(held, key=lambda alert: parse_offset(alert["createdDateTime"]) or 0, reverse=True)

    def reset(self) -> None:
        """The sightings belong to the core."""


def _wanted(text: str) -> tuple[str, float]:
    """Classification, and seconds since 1970, of the one filter that is known.

    Raises:
        Refusal: It is another one.
    """
    found = _FILTER.fullmatch(text)
    since = parse_offset(found[2]) if found else None
    if found is None or since is None:
        raise Refusal(400, "BadRequest", "Invalid filter clause.")
    return found[1], since


def _number(query: Mapping[str, str], name: str, default: int, least: int) -> int:
    text = query.get(name, str(default))
    if not text.isascii() or not text.isdigit() or int(text) < least:
        raise Refusal(400, "BadRequest", f"Invalid value '{text}' for {name} query option.")
    return int(text)


def _alert(number: int, order: JsonObject, tenant: str) -> JsonObject:
    resolved = order.get("resolved")
    return {
        "@odata.type": f"{_NAMESPACE}.alert",
        "id": f"da{number:018}_1",
        "providerAlertId": f"da{number:018}_1",
        "incidentId": str(number + 1),
        "status": "resolved" if resolved else "new",
        "severity": "medium",
        "classification": order["classification"],
        "determination": "unknown",
        "serviceSource": "microsoftDefenderForEndpoint",
        "detectionSource": "customTi",
        "tenantId": tenant,
        "title": "Emulated alert",
        "createdDateTime": order["first"],
        "lastUpdateDateTime": order.get("updated", order["last"]),
        "resolvedDateTime": resolved,
        "firstActivityDateTime": order["first"],
        "lastActivityDateTime": order["last"],
        "comments": [],
        "evidence": [_device(), *_evidence(order["value"], order.get("role", "suspicious"))],
    }


def _device() -> JsonObject:
    """The tenant's own: its address and name say nothing of what the alert is about."""
    return {
        **_common("deviceEvidence", "compromised"),
        "deviceDnsName": "device.tenant.example",
        "ipInterfaces": ["198.51.100.250"],
    }


def _common(type_: str, role: str) -> JsonObject:
    return {
        "@odata.type": f"{_NAMESPACE}.{type_}",
        "verdict": "unknown",
        "remediationStatus": "none",
        "roles": [role],
        "detailedRoles": [],
        "tags": [],
    }


def _evidence(value: str, role: str) -> list[JsonObject]:
    """The entities that stand for a value in an alert."""
    kind = kind_of(value)
    if kind in ("md5", "sha1", "sha256"):
        file: dict[str, Any] = {"sha1": None, "sha256": None, "fileName": "file.exe", kind: value}
        parent = {"sha1": "f" * 40, "sha256": "f" * 64, "fileName": "services.exe"}
        return [
            {**_common("fileEvidence", role), "fileDetails": file},
            {**_common("processEvidence", role), "imageFile": file, "parentProcessImageFile": parent},
        ]
    if kind == "ip":
        return [{**_common("ipEvidence", role), "ipAddress": value, "countryLetterCode": None}]
    if kind == "mail":
        sender = {"emailAddress": value, "displayName": None, "domainName": value.rpartition("@")[2]}
        message: JsonObject = {"senderIp": None, "recipientEmailAddress": "somebody@tenant.example", "urls": []}
        return [{**_common("analyzedMessageEvidence", role), **message, "p1Sender": sender, "p2Sender": sender}]
    return [{**_common("urlEvidence", role), "url": value}]
