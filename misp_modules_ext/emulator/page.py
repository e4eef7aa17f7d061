"""The page for a person: what has arrived, and the recent requests.

Values come from whoever sends indicators, so the template escapes everything and links nothing, and the page's content
security policy lets nothing load and no script run.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import islice
from typing import Any

from jinja2 import Environment, Template

from .calls import Answer, JsonObject
from .clock import parse_offset, to_text
from .core import Core
from .intel import Record

LATEST = 40
_CUT = 160
_GRAPH_VALUES = (
    "domainName",
    "url",
    "networkIPv4",
    "networkIPv6",
    "networkDestinationIPv4",
    "networkDestinationIPv6",
    "networkSourceIPv4",
    "networkSourceIPv6",
    "networkCidrBlock",
    "networkDestinationCidrBlock",
    "networkSourceCidrBlock",
    "fileHashValue",
    "fileName",
    "emailSenderAddress",
    "emailSubject",
    "userAgent",
)


@dataclass(frozen=True, slots=True)
class Line:
    """One indicator as a person reads it."""

    kind: str
    value: str
    title: str
    until: str
    source: str
    tlp: str
    state: str


@dataclass(frozen=True, slots=True)
class Place:
    """One workspace or tenant: how many of each state, and the latest indicators, newest first."""

    product: str
    name: str
    counts: dict[str, int]
    lines: list[Line]


def page(core: Core) -> Answer:
    """The page as it stands now."""
    nonce = secrets.token_urlsafe(16)
    now = core.clock.now()
    with core.locked():
        places = [*_sentinel(core, now), *_defender(core), *_graph(core, now)]
    requests = core.requests()
    html = _template().render(
        nonce=nonce,
        now=to_text(now)[:19].replace("T", " "),
        places=places,
        requests=requests[: -LATEST - 1 : -1],
        total=len(requests),
        faults=core.faults(),
    )
    policy = f"default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'"
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return Answer(200, html.encode("utf-8", "replace"), headers)


@lru_cache(maxsize=1)
def _template() -> Template:
    text = files(__package__ or "").joinpath("page.html.j2").read_text("utf-8")
    return Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(text)


def _sentinel(core: Core, now: float) -> Iterable[Place]:
    for workspace, records in core.intel.workspaces().items():
        counts: dict[str, int] = {}
        for record in records.values():
            state = _record_state(record, now)
            counts[state] = counts.get(state, 0) + 1
        latest = islice(reversed(records.values()), LATEST)
        yield Place("Microsoft Sentinel", workspace, counts, [_record_line(record, now) for record in latest])


def _record_state(record: Record, now: float) -> str:
    if record.revoked:
        return "revoked"
    if record.expired(now):
        return "expired"
    return "not parsed" if record.data["type"] == "indicator" and not record.observed.key else "live"


def _record_line(record: Record, now: float) -> Line:
    data = record.data
    value = record.observed.value or data.get("pattern") or data["id"]
    return Line(
        kind=record.observed.key or data["type"],
        value=_short(value),
        title=_short(data.get("name")),
        until=_day(data.get("valid_until")),
        source=_short(record.source),
        tlp=record.tlp,
        state=_record_state(record, now),
    )


def _defender(core: Core) -> Iterable[Place]:
    for tenant, entities in core.defender.entities().items():
        counts: dict[str, int] = {}
        for entity in entities:
            counts[entity["action"]] = counts.get(entity["action"], 0) + 1
        lines = [_defender_line(entity) for entity in islice(reversed(entities), LATEST)]
        yield Place("Microsoft Defender", tenant, counts, lines)


def _defender_line(entity: JsonObject) -> Line:
    return Line(
        kind=entity["indicatorType"],
        value=_short(entity["indicatorValue"]),
        title=_short(entity["title"]),
        until=_day(entity.get("expirationTime")),
        source=_short(entity.get("application")),
        tlp="",
        state=entity["action"],
    )


def _graph(core: Core, now: float) -> Iterable[Place]:
    for tenant, entities in core.graph.entities().items():
        counts: dict[str, int] = {}
        for entity in entities:
            counts[_graph_state(entity, now)] = counts.get(_graph_state(entity, now), 0) + 1
        lines = [_graph_line(entity, now) for entity in islice(reversed(entities), LATEST)]
        yield Place("Graph tiIndicators", tenant, counts, lines)


def _graph_state(entity: JsonObject, now: float) -> str:
    until = parse_offset(entity.get("expirationDateTime") or "")
    if until is not None and until <= now:
        return "expired"
    return "live" if entity.get("isActive", True) else "inactive"


def _graph_line(entity: JsonObject, now: float) -> Line:
    kind = next((name for name in _GRAPH_VALUES if entity.get(name)), "")
    return Line(
        kind=kind,
        value=_short(entity.get(kind)),
        title=_short(entity.get("description")),
        until=_day(entity.get("expirationDateTime")),
        source=_short(entity["targetProduct"]),
        tlp=entity.get("tlpLevel") or "",
        state=_graph_state(entity, now),
    )


def _short(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= _CUT else text[:_CUT] + "…"


def _day(value: Any) -> str:
    return str(value)[:10] if value else "never"
