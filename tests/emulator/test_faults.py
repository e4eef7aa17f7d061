"""Faults on order, through the core as a client meets them."""

from __future__ import annotations

from typing import Any

import pytest

from misp_modules_ext.emulator.faults import FaultError, read_fault

from .world import ARM, GRAPH, MANAGEMENT, UPLOAD, WORKSPACE, World, entity, indicator, stix_id, ti

IMPORT = "/api/indicators/import"


def _order(world: World, **fields: Any) -> None:
    world.core.fault(fields)


def test_times_counts_down(world: World) -> None:
    """A fault hits as many requests as ordered and is gone; the refused requests change nothing."""
    _order(world, api="sentinel", status=500, times=2)
    assert [world.upload(indicator()).status for _ in range(3)] == [500, 500, 200]
    assert world.core.faults() == []


def test_without_times_it_stays_until_cleared(world: World) -> None:
    """No count means every request; an empty list clears."""
    _order(world, api="sentinel", status=500)
    assert {world.upload(indicator()).status for _ in range(5)} == {500}
    world.core.replace_faults([])
    assert world.upload(indicator()).status == 200


def test_orders_follow_each_other(world: World) -> None:
    """Of several refusals each waits for its own request."""
    for status in (429, 503):
        _order(world, api="sentinel", status=status, times=1)
    assert [world.upload(indicator()).status for _ in range(3)] == [429, 503, 200]


def test_only_the_named_api_fails(world: World) -> None:
    """A fault for one API leaves the others alone."""
    _order(world, api="defender", status=500)
    assert world.upload(indicator()).status == 200
    assert world.bring(entity()).status == 500


def test_path_and_method_narrow_a_fault(world: World) -> None:
    """Defender's import can fail while its list answers."""
    _order(world, api="defender", status=500, path="/import")
    _order(world, api="defender", status=403, method="delete")
    assert world.listed() == []
    assert world.bring(entity()).status == 500
    assert world.send("DELETE", "/api/indicators/1", resource="https://127.0.0.1").status == 403


@pytest.mark.parametrize(("fields", "header"), [({"retryAfter": 7}, "7"), ({"retry_after": 0.5}, "0.5"), ({}, None)])
def test_sentinel_429(world: World, fields: dict[str, Any], header: str | None) -> None:
    """The gateway's body; a Retry-After header only when ordered."""
    _order(world, api="sentinel", status=429, **fields)
    answer = world.upload(indicator())
    assert answer.json()["statusCode"] == 429
    assert answer.json()["message"].startswith("Rate limit is exceeded. Try again in ")
    assert answer.headers.get("Retry-After") == header


def test_code_and_message_are_passed_on(world: World) -> None:
    """What the order says stands in the API's own shape."""
    _order(world, api="sentinel", status=403, code="AuthorizationFailed", message="No role.")
    answer = world.upload(indicator())
    assert answer.json() == {"error": {"code": "AuthorizationFailed", "message": "No role."}}
    _order(world, api="management", status=429, retryAfter=3)
    answer = world.send("POST", f"{MANAGEMENT}/main/count?api-version=2025-10-01-preview", {})
    assert (answer.status, answer.headers["Retry-After"]) == (429, "3")
    assert set(answer.json()["error"]) == {"code", "message"}


@pytest.mark.parametrize("status", [403, 404, 410])
def test_retired_graph(world: World, status: int) -> None:
    """Graph answers its retirement in its own shape."""
    _order(world, api="graph", status=status)
    answer = world.graph("POST", "/submitTiIndicators", {"value": [ti()]})
    assert answer.status == status
    assert "innerError" in answer.json()["error"]


def test_item_errors(world: World) -> None:
    """Items at the ordered indexes fail in each API's shape; the others are stored."""
    for api in ("sentinel", "defender", "graph"):
        _order(world, api=api, itemErrors=[1], times=1)
    assert [e["recordIndex"] for e in world.upload(indicator(1), indicator(2)).json()["errors"]] == [1]
    value = world.bring(entity(), entity("192.0.2.2")).json()["value"]
    assert [item["isFailed"] for item in value] == [False, True]
    answer = world.graph("POST", "/submitTiIndicators", {"value": [ti(1), ti(2)]})
    assert (answer.status, "Error" in answer.json()["value"][1]) == (206, True)
    state = world.core.state()
    assert list(state["sentinel"][WORKSPACE]) == [stix_id(1)]
    assert len(state["defender"]["tenant-1"]) == len(state["graph"]["tenant-1"]) == 1


def test_item_errors_of_updates_and_deletes(world: World) -> None:
    """Graph's other batches fail item by item too."""
    number = world.graph("POST", "", ti()).json()["id"]
    _order(world, api="graph", itemErrors=[0])
    change = {"id": number, "expirationDateTime": "2027-03-01T00:00:00Z", "targetProduct": "Azure Sentinel"}
    assert world.graph("POST", "/updateTiIndicators", {"value": [change]}).status == 206
    assert world.graph("POST", "/deleteTiIndicators", {"value": [number]}).json()["value"][0]["code"] == "400"


def test_match_refuses_the_batch_with_the_guilty_item(world: World) -> None:
    """Any batch that holds the text is 400, so that halving ends at the one object."""
    _order(world, api="sentinel", match="203.0.113.7")
    _order(world, api="defender", match="192.0.2.7")
    assert world.upload(indicator(6), indicator(7)).status == 400
    assert world.upload(indicator(7)).status == 400
    assert world.upload(indicator(6)).status == 200
    assert world.bring(entity("192.0.2.7"), entity()).status == 400
    assert world.bring(entity()).status == 200


def test_match_with_a_status_or_item_errors(world: World) -> None:
    """The match may carry another refusal."""
    _order(world, api="sentinel", match="203.0.113.7", status=500)
    assert world.upload(indicator(7)).status == 500
    assert world.upload(indicator(6)).status == 200


@pytest.mark.parametrize(("drop", "stored"), [(True, 0), ("before", 0), ("after", 1)])
def test_drop(world: World, drop: Any, stored: int) -> None:
    """The connection closes without an answer, before or after the request took effect."""
    _order(world, api="sentinel", drop=drop, times=1)
    headers = world.bearer(ARM)
    reply = world.reply("POST", UPLOAD, {"sourcesystem": "MISP", "stixobjects": [indicator()]}, headers)
    assert reply.answer is None
    assert len(world.stored()) == stored
    assert world.core.requests()[-1]["status"] is None


def test_delay_alone_lets_the_request_through(world: World) -> None:
    """Delays of several faults add up; the request has taken effect before the wait."""
    _order(world, api="graph", delay=0.5)
    _order(world, api="graph", delay=1, status=500, times=1)
    headers = world.bearer(GRAPH)
    replies = [world.reply("POST", "/beta/security/tiIndicators", ti(), headers) for _ in range(2)]
    assert [(reply.delay, reply.answer.status) for reply in replies if reply.answer] == [(1.5, 500), (0.5, 201)]


@pytest.mark.parametrize(
    ("fields", "status", "code", "error"),
    [
        ({"code": "AADSTS7000222"}, 401, 7000222, "invalid_client"),
        ({"status": 401}, 401, 7000215, "invalid_client"),
        ({"status": 400, "code": "AADSTS700016"}, 400, 700016, "unauthorized_client"),
        ({"status": 500}, 500, 90033, "temporarily_unavailable"),
        ({"status": 429, "retryAfter": 5}, 429, 90055, "temporarily_unavailable"),
        ({"code": "AADSTS99"}, 400, 99, "invalid_request"),
    ],
)
def test_login(world: World, fields: dict[str, Any], status: int, code: int, error: str) -> None:
    """A fault for `login` answers in Entra's shape with the given or fitting AADSTS code."""
    _order(world, api="login", **fields)
    answer = world.login()
    assert (answer.status, answer.json()["error_codes"], answer.json()["error"]) == (status, [code], error)
    assert answer.headers.get("Retry-After") == ("5" if "retryAfter" in fields else None)


@pytest.mark.parametrize(
    ("fields", "hit"),
    [
        ({"code": "AADSTS7000222"}, False),
        ({"status": 401}, False),
        ({"code": "AADSTS90002"}, True),
        ({"status": 500}, True),
        ({"status": 429}, True),
        ({"drop": True}, True),
    ],
)
def test_login_faults_at_discovery(world: World, fields: dict[str, Any], hit: bool) -> None:
    """Discovery knows no secrets: only tenant faults, outages and lost connections show there."""
    _order(world, api="login", times=1, **fields)
    answer = world.reply("GET", "/tenant-1/v2.0/.well-known/openid-configuration").answer
    assert (answer is None or answer.status != 200) is hit
    assert (len(world.core.faults()) == 0) is hit


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"api": "entra"},
        {"api": "graph", "statuz": 500},
        {"api": "graph", "status": "many"},
        {"api": "graph", "drop": "sometimes"},
        {"api": "graph", "itemErrors": 3},
        {"api": "graph", "method": 7},
    ],
)
def test_orders_that_cannot_be_read(fields: dict[str, Any]) -> None:
    """A misspelled order is an error that says so, instead of a fault that never happens."""
    with pytest.raises(FaultError, match=r"known are|must be one of|wrong kind"):
        read_fault(fields)


def test_a_bad_list_leaves_the_faults_in_force(world: World) -> None:
    """Replacing is all or nothing."""
    _order(world, api="graph", status=500)
    with pytest.raises(FaultError):
        world.core.replace_faults([{"api": "graph"}, {"api": "x"}])
    assert [fault["status"] for fault in world.core.faults()] == [500]
