"""Graph's list of alerts: what it shows, how it is paged, and which questions it refuses."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from misp_modules_ext.emulator.calls import Answer

from .world import DEFENDER, GRAPH, World

FILTER = "classification eq 'falsePositive' and lastUpdateDateTime ge 2026-11-20T00:00:00Z"
DAYS = {"first": "2026-11-21T00:00:00Z", "last": "2026-11-22T00:00:00Z"}


def _list(world: World, filter_: str = FILTER, more: str = "", resource: str = GRAPH) -> Answer:
    return world.send("GET", f"/v1.0/security/alerts_v2?$filter={quote(filter_)}{more}", resource=resource)


def _order(world: World, *values: str, **fields: Any) -> None:
    world.core.add_sightings(
        [{"value": value, "classification": "falsePositive", **DAYS, **fields} for value in values]
    )


def test_orders_with_a_classification_are_alerts(world: World) -> None:
    """With the documented names, the device that it happened on, and what it is about."""
    _order(world, "203.0.113.1", resolved="2026-11-23T00:00:00Z", role="destination")
    _order(world, "203.0.113.2", table="DeviceNetworkEvents")
    world.core.add_sightings([{"value": "203.0.113.3"}])
    (alert,) = _list(world).json()["value"]
    assert (alert["status"], alert["classification"]) == ("resolved", "falsePositive")
    assert alert["lastUpdateDateTime"] == DAYS["last"]
    assert alert["resolvedDateTime"] == "2026-11-23T00:00:00Z"
    device, address = alert["evidence"]
    assert device["@odata.type"] == "#microsoft.graph.security.deviceEvidence"
    assert (address["ipAddress"], address["roles"]) == ("203.0.113.1", ["destination"])


@pytest.mark.parametrize(
    ("value", "types"),
    [
        ("evil.example", ["urlEvidence"]),
        ("http://evil.example/", ["urlEvidence"]),
        ("2001:db8::1", ["ipEvidence"]),
        ("a@evil.example", ["analyzedMessageEvidence"]),
        ("ab" * 16, ["fileEvidence", "processEvidence"]),
        ("ab" * 20, ["fileEvidence", "processEvidence"]),
        ("ab" * 32, ["fileEvidence", "processEvidence"]),
    ],
)
def test_each_value_is_the_evidence_that_fits(world: World, value: str, types: list[str]) -> None:
    """Beside the device."""
    _order(world, value)
    (alert,) = _list(world).json()["value"]
    assert [one["@odata.type"].rpartition(".")[2] for one in alert["evidence"][1:]] == types


def test_the_filter_is_heeded(world: World) -> None:
    """Classification, last change, tenant."""
    _order(world, "one.example")
    _order(world, "two.example", classification="truePositive")
    _order(world, "three.example", updated="2026-11-19T00:00:00Z")
    _order(world, "four.example", tenant="another")
    _order(world, "five.example", tenant="TENANT-1")
    assert len(_list(world).json()["value"]) == 2
    assert len(_list(world, FILTER.replace("falsePositive", "truePositive")).json()["value"]) == 1
    assert len(_list(world, FILTER.replace("11-20", "11-18")).json()["value"]) == 3


def test_pages_lead_to_the_next(world: World) -> None:
    """The newest first; the link keeps the question."""
    _order(world, *(f"n{number}.example" for number in range(5)))
    _order(world, "new.example", first="2026-11-23T00:00:00Z")
    found, target = [], f"/v1.0/security/alerts_v2?$filter={quote(FILTER)}&$top=4"
    while target:
        answer = world.send("GET", target.removeprefix("https://127.0.0.1"), resource=GRAPH).json()
        found.append([alert["evidence"][1]["url"] for alert in answer["value"]])
        target = answer.get("@odata.nextLink", "")
    assert [len(page) for page in found] == [4, 2]
    assert found[0][0] == "new.example"
    assert len({url for page in found for url in page}) == 6


def test_a_page_may_be_smaller_than_asked_for() -> None:
    """By the switch."""
    world = World(alerts_page=2)
    _order(world, "a.example", "b.example", "c.example")
    answer = _list(world, more="&$top=100").json()
    assert len(answer["value"]) == 2
    assert "$skip=2" in answer["@odata.nextLink"]


@pytest.mark.parametrize(
    ("filter_", "more"),
    [
        ("", ""),
        ("classification eq 'falsePositive'", ""),
        (FILTER.replace("falsePositive", "false"), ""),
        (FILTER.replace("2026-11-20T00:00:00Z", "'2026-11-20T00:00:00Z'"), ""),
        (FILTER.replace("2026-11-20T00:00:00Z", "2026-11-20"), ""),
        (FILTER.replace(" and ", " or "), ""),
        (FILTER + " or severity eq 'high'", ""),
        (FILTER, "&$select=id"),
        (FILTER, "&$orderby=createdDateTime"),
        (FILTER, "&$top=0"),
        (FILTER, "&$top=many"),
        (FILTER, "&$top=1001"),
        (FILTER, "&$skip=-1"),
    ],
)
def test_any_other_question_is_refused(world: World, filter_: str, more: str) -> None:
    """400 in Graph's shape."""
    answer = _list(world, filter_, more)
    assert (answer.status, answer.json()["error"]["code"]) == (400, "BadRequest")
    assert "request-id" in answer.json()["error"]["innerError"]


def test_permission_token_rate_and_faults(world: World) -> None:
    """Its own permission, Graph's token, 150 requests a minute; faults come by the name of Graph."""
    refused = _list(World(without_permission=frozenset({"alerts"})))
    assert (refused.status, "SecurityAlert.Read.All" in refused.json()["error"]["message"]) == (403, True)
    assert _list(World(without_permission=frozenset({"graph"}))).status == 200
    assert _list(world, resource=DEFENDER).status == 401
    assert [_list(world).status for _ in range(151)] == [200] * 150 + [429]
    world.core.fault({"api": "graph", "status": 403})
    assert "SecurityAlert.Read.All" in _list(world).json()["error"]["message"]
    assert world.core.requests()[-1]["api"] == "graph"


def test_other_methods_and_addresses(world: World) -> None:
    """404 and 400: one alert is not to be had, and none can be changed."""
    assert world.send("PATCH", "/v1.0/security/alerts_v2", {}, resource=GRAPH).status == 404
    assert world.send("GET", "/v1.0/security/alerts_v2/da1", resource=GRAPH).status == 400
