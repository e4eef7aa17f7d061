"""Short ways to make the records that tests talk about."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from misp_modules_ext.config.settings import Api, DestinationSettings
from misp_modules_ext.model.indicator import Action, Due, Indicator, Kind, Observable, Reference, Severity, Stamp
from misp_modules_ext.model.misp import Attribute, Event, Tag, Tlp

#: 2026-11-24 12:00:00 UTC, seconds.
NOW = 1_795_521_600
SPACE = uuid.UUID("00000000-0000-4000-8000-000000000000")
EVENT = str(uuid.uuid5(SPACE, "event"))


def attribute(type_: str = "domain", value: str = "c2.evil.example", /, **fields: Any) -> Attribute:
    """An attribute that may go, unless `fields` say otherwise; `tags` may be names."""
    fields.setdefault("uuid", str(uuid.uuid5(SPACE, type_ + value)))
    fields.setdefault("to_ids", True)
    fields.setdefault("timestamp", NOW - 3600)
    return Attribute(type=type_, value=value, **_tags(fields))


def event(*attributes: Attribute, **fields: Any) -> Event:
    """A published event; `tags` may be names."""
    fields.setdefault("uuid", EVENT)
    fields.setdefault("info", "Campaign")
    fields.setdefault("date", "2026-11-20")
    fields.setdefault("published", True)
    fields.setdefault("counts_as_published", fields["published"] is True)
    return Event(attributes=attributes, **_tags(fields))


def _tags(fields: dict[str, Any]) -> dict[str, Any]:
    given = fields.get("tags", ())
    return {**fields, "tags": tuple(Tag(t) if isinstance(t, str) else t for t in given)}


def indicator(kind: Kind = Kind.DOMAIN_NAME, value: str = "c2.evil.example", /, **fields: Any) -> Indicator:
    """An indicator as merging makes it."""
    made = Indicator(
        observable=Observable(kind, value),
        title="Campaign",
        severity=Severity.MEDIUM,
        confidence=50,
        threat_type="WatchList",
        action=Action.AUDIT,
        tlp=Tlp.AMBER,
        labels=("rhisac: vetted",),
        facts=("C2 server",),
        references=(Reference(EVENT, str(uuid.uuid5(SPACE, value)), f"https://misp.example/events/view/{EVENT}"),),
        valid_from=NOW - 3600,
        valid_until=NOW + 86_400 * 120,
    )
    return made._replace(**fields)


def due(kind: Kind = Kind.DOMAIN_NAME, value: str = "c2.evil.example", /, **fields: Any) -> Due:
    """An indicator with its stamp."""
    made = indicator(kind, value, **fields)
    return Due(made, Stamp(made.observable.stix_id(), (NOW - 86_400) * 1000, (NOW - 3600) * 1000))


def destination(**fields: Any) -> DestinationSettings:
    """Settings of a Sentinel destination at an address that answers nothing."""
    defaults: dict[str, Any] = {
        "name": "microsoft",
        "product": "Microsoft Sentinel",
        "api": Api.SENTINEL,
        "tenant_id": "11111111-1111-4111-8111-111111111111",
        "app_id": "22222222-2222-4222-8222-222222222222",
        "app_secret": SecretStr("not-a-secret"),
        "workspace_id": "33333333-3333-4333-8333-333333333333",
        "endpoint_login": "https://127.0.0.1:1",
        "endpoint_api": "https://127.0.0.1:1",
        "scope": "https://management.azure.com/.default",
        "api_version": "2024-02-01-preview",
        "ca": Path("/nonexistent/ca.pem"),
    }
    return DestinationSettings(**(defaults | fields))
