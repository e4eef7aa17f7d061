"""Inspection, permissions, reset, persistence, the clock."""

from __future__ import annotations

import json

import pytest

from misp_modules_ext.emulator.clock import parse_offset, parse_stix, to_text
from misp_modules_ext.emulator.core import Core, api_of

from .world import ARM, DEFENDER, GRAPH, MANAGEMENT, UPLOAD, WORKSPACE, World, entity, indicator, stix_id, ti


def _full() -> World:
    world = World()
    world.upload(indicator(1), indicator(2, revoked=True))
    world.bring(entity(), entity("192.0.2.2"))
    world.send("DELETE", "/api/indicators/2", resource=DEFENDER)
    world.graph("POST", "", ti())
    world.core.add_sightings([{"value": "192.0.2.1"}])
    return world


def test_state_has_the_documented_shape() -> None:
    """Objects by workspace and STIX id, entities by tenant, as last accepted."""
    state = _full().core.state()
    assert state["sentinel"] == {WORKSPACE: {stix_id(1): indicator(1), stix_id(2): indicator(2, revoked=True)}}
    assert [item["indicatorValue"] for item in state["defender"]["tenant-1"]] == ["192.0.2.1"]
    assert [item["externalId"] for item in state["graph"]["tenant-1"]] == ["external-1"]
    now = "2026-11-24T10:00:00.000Z"
    assert state["sightings"] == [{"value": "192.0.2.1", "count": 1, "devices": 1, "first": now, "last": now}]


def test_requests_are_logged_oldest_first(world: World) -> None:
    """Each entry says when, what, how many objects and what was answered; no token, no body."""
    world.upload(indicator(1), indicator(2))
    login, upload = world.core.requests()
    assert (login["api"], login["status"]) == ("login", 200)
    assert upload == {
        "at": "2026-11-24T10:00:00.000Z",
        "api": "sentinel",
        "method": "POST",
        "path": UPLOAD.split("?")[0],
        "status": 200,
        "objects": 2,
        "notes": [],
    }


@pytest.mark.parametrize(
    ("path", "api"),
    [
        ("/tenant/oauth2/v2.0/token", "login"),
        ("/common/discovery/instance", "login"),
        ("/tenant/v2.0/.well-known/openid-configuration", "login"),
        (MANAGEMENT, "management"),
        ("/workspaces/x", "sentinel"),
        ("/api/indicators/import", "defender"),
        ("/v1.0/security/runHuntingQuery", "hunting"),
        ("/beta/security/tiIndicators", "graph"),
        ("/v1/workspaces/x/query", "logs"),
        ("/api/files/x/stats", "statistics"),
        ("/elsewhere", "unknown"),
    ],
)
def test_addresses_tell_the_api(path: str, api: str) -> None:
    """All APIs share one address and are told apart by path."""
    assert api_of(path) == api


@pytest.mark.parametrize("path", ["/elsewhere", "/v1/elsewhere/x/query", "/api/machines"])
def test_addresses_without_an_api(world: World, path: str) -> None:
    """What is not built is 404, not an empty success."""
    assert world.send("GET", path).status == 404


@pytest.mark.parametrize(
    ("api", "target", "resource"),
    [
        ("sentinel", UPLOAD, ARM),
        ("management", f"{MANAGEMENT}/main/count?api-version=2025-10-01-preview", ARM),
        ("defender", "/api/indicators/import", DEFENDER),
        ("graph", "/beta/security/tiIndicators", GRAPH),
        ("statistics", "/api/ips/192.0.2.1/stats", DEFENDER),
        ("hunting", "/v1.0/security/runHuntingQuery", GRAPH),
        ("logs", f"/v1/workspaces/{WORKSPACE}/query", "https://api.loganalytics.io"),
    ],
)
def test_missing_permission(api: str, target: str, resource: str) -> None:
    """403 in each API's shape when no application has a role there."""
    world = World(without_permission=frozenset({api}))
    answer = world.send("POST", target, {}, resource=resource)
    assert (answer.status, set(answer.json()["error"]) >= {"code", "message"}) == (403, True)


def test_reset_forgets_all_but_tokens() -> None:
    """State, history, log, faults and counted requests are gone; a client's token still works."""
    world = _full()
    headers = world.bearer(ARM)
    for _ in range(100):
        world.reply("POST", UPLOAD, {}, headers)
    world.core.fault({"api": "sentinel", "status": 500})
    world.core.reset()
    empty: dict[str, object] = {"sentinel": {}, "defender": {}, "graph": {}, "sources": {}, "sightings": []}
    assert (world.core.state(), world.core.requests(), world.core.history()["count"]) == (empty, [], 0)
    answer = world.reply("POST", UPLOAD, {"sourcesystem": "MISP", "stixobjects": [indicator()]}, headers).answer
    assert answer is not None
    assert answer.status == 200


def test_no_rates() -> None:
    """Limits can be switched off."""
    world = World(rates=False)
    assert {world.upload(indicator()).status for _ in range(120)} == {200}


def test_dump_and_load_keep_everything() -> None:
    """After a restart: the same state, tokens, numbers; revocation is still permanent."""
    world = _full()
    headers = world.bearer(ARM)
    saved = json.loads(json.dumps(world.core.dump()))
    state = world.core.state()
    world.core = Core(clock=world.core.clock)
    world.core.load(saved)
    assert world.core.state() == state
    assert world.core.history()["count"] == 2
    assert world.bring(entity("192.0.2.3")).json()["value"][0]["id"] == "3"
    assert world.upload(indicator(2, revoked=False)).status == 400
    answer = world.reply("POST", UPLOAD, {"sourcesystem": "MISP", "stixobjects": [indicator()]}, headers).answer
    assert answer is not None
    assert answer.status == 200


def test_a_loaded_store_is_visible_at_once() -> None:
    """Read-back delay counts from an upload, not from a restart."""
    world = _full()
    saved = world.core.dump()
    world = World(read_back_delay=60.0)
    world.core.load(saved)
    answer = world.send("POST", f"{MANAGEMENT}/main/count?api-version=2025-10-01-preview", {})
    assert answer.json() == {"count": 2}


@pytest.mark.parametrize(
    ("text", "stix", "offset"),
    [
        ("2026-11-24T10:00:00Z", True, True),
        ("2026-11-24T10:00:00.1234567Z", True, True),
        ("2026-11-24T12:00:00+02:00", False, True),
        ("2026-11-24T10:00:00", False, False),
        ("2026-11-24T25:00:00Z", False, False),
        ("", False, False),
    ],
)
def test_times(text: str, stix: bool, offset: bool) -> None:
    """STIX wants UTC as Z, the others any zone; all formats mean the same moment."""
    assert (parse_stix(text) is not None, parse_offset(text) is not None) == (stix, offset)
    if offset:
        assert to_text(parse_offset(text) or 0.0).startswith("2026-11-24T10:00:00")
