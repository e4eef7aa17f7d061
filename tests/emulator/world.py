"""A core with a clock that stands still, and short ways to speak to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from misp_modules_ext.emulator.behaviour import Behaviour
from misp_modules_ext.emulator.calls import Answer, Call
from misp_modules_ext.emulator.clock import Clock
from misp_modules_ext.emulator.core import Core, Reply

START = datetime(2026, 11, 24, 10, 0, tzinfo=timezone.utc).timestamp()
WORKSPACE = "11111111-2222-3333-4444-555555555555"
UPLOAD = f"/workspaces/{WORKSPACE}/threat-intelligence-stix-objects:upload?api-version=2024-02-01-preview"
ARM = "https://management.azure.com"
DEFENDER = "https://api.securitycenter.microsoft.com"
GRAPH = "https://graph.microsoft.com"
MANAGEMENT = (
    "/subscriptions/sub/resourceGroups/rg/providers/Microsoft.OperationalInsights/workspaces/"
    f"{WORKSPACE}/providers/Microsoft.SecurityInsights/threatIntelligence"
)


class World:
    """One core, and tokens fetched as a client fetches them."""

    def __init__(self, *, rates: bool = True, apps: Any = (), **behaviour: Any) -> None:
        self.core = Core(rates=rates, apps=apps, behaviour=Behaviour(**behaviour), clock=Clock(lambda: START))
        self.core.own_origins = frozenset({"https://127.0.0.1"})

    def login(self, tenant: str = "tenant-1", **form: str) -> Answer:
        """Ask for a token; a form field set to an empty string is left out."""
        fields = {
            "grant_type": "client_credentials",
            "client_id": "app-1",
            "client_secret": "not-a-secret",
            "scope": f"{ARM}/.default",
        }
        fields.update(form)
        body = urlencode({name: value for name, value in fields.items() if value}).encode()
        answer = self.core.handle(Call.read("POST", f"/{tenant}/oauth2/v2.0/token", body=body)).answer
        assert answer is not None
        return answer

    def bearer(self, resource: str, *, app: str = "app-1", tenant: str = "tenant-1") -> dict[str, str]:
        """The header with a token for a resource."""
        answer = self.login(tenant, scope=f"{resource}/.default", client_id=app)
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def reply(
        self, method: str, target: str, payload: object = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """One request; `target` may carry a query, `payload` is sent as JSON (bytes as they are)."""
        parts = urlsplit(target)
        body = payload if isinstance(payload, bytes) else b"" if payload is None else json.dumps(payload).encode()
        fields = {"Content-Type": "application/json", **(headers or {})}
        return self.core.handle(
            Call.read(method, parts.path, query=dict(parse_qsl(parts.query)), headers=fields, body=body)
        )

    def send(
        self, method: str, target: str, payload: object = None, *, resource: str = ARM, app: str = "app-1", **more: str
    ) -> Answer:
        """One authorised request that is answered; `more` are further header fields."""
        answer = self.reply(method, target, payload, {**self.bearer(resource, app=app), **more}).answer
        assert answer is not None
        return answer

    def upload(self, *items: Any, source: str = "MISP") -> Answer:
        """Upload these objects to Sentinel."""
        return self.send("POST", UPLOAD, {"sourcesystem": source, "stixobjects": list(items)})

    def stored(self) -> Any:
        """What Sentinel holds in the workspace, by STIX id."""
        return self.core.state()["sentinel"].get(WORKSPACE, {})

    def bring(self, *items: Any) -> Answer:
        """Import these indicators into Defender."""
        return self.send("POST", "/api/indicators/import", {"Indicators": list(items)}, resource=DEFENDER)

    def listed(self, target: str = "/api/indicators", **more: str) -> list[Any]:
        """Defender's list."""
        value: list[Any] = self.send("GET", target, resource=DEFENDER, **more).json()["value"]
        return value

    def graph(self, method: str, target: str = "", payload: object = None, **more: str) -> Answer:
        """One request to tiIndicators."""
        return self.send(method, f"/beta/security/tiIndicators{target}", payload, resource=GRAPH, **more)


def stix_id(number: int, kind: str = "indicator") -> str:
    """A STIX id by number."""
    return f"{kind}--67e62408-e3de-5783-9480-{number:012d}"


def indicator(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A valid STIX indicator; a change to None leaves the property out."""
    item = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": stix_id(number),
        "created": "2026-11-24T10:00:00.000Z",
        "modified": "2026-11-24T10:00:00.000Z",
        "valid_from": "2026-11-24T10:00:00.000Z",
        "valid_until": "2027-02-22T10:00:00.000Z",
        "pattern": f"[ipv4-addr:value = '203.0.113.{number % 256}']",
        "pattern_type": "stix",
        "name": f"Indicator {number}",
        **changes,
    }
    return {name: value for name, value in item.items() if value is not None}


def entity(value: str = "192.0.2.1", **changes: Any) -> dict[str, Any]:
    """A valid indicator for Defender; a change to None leaves the property out."""
    item = {
        "indicatorValue": value,
        "indicatorType": "IpAddress",
        "action": "Audit",
        "generateAlert": True,
        "title": "A title",
        "description": "A description",
        "application": "MISP",
        "expirationTime": "2027-02-22T10:00:00Z",
        **changes,
    }
    return {name: value for name, value in item.items() if value is not None}


def ti(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A valid tiIndicator for Sentinel; a change to None leaves the property out."""
    item = {
        "targetProduct": "Azure Sentinel",
        "action": "alert",
        "description": "A description",
        "expirationDateTime": "2027-02-22T10:00:00Z",
        "threatType": "WatchList",
        "tlpLevel": "amber",
        "networkIPv4": f"203.0.113.{number % 256}",
        "externalId": f"external-{number}",
        **changes,
    }
    return {name: value for name, value in item.items() if value is not None}
