"""Graph tiIndicators."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from .world import GRAPH, World, ti

MDE = {"targetProduct": "Microsoft Defender ATP", "networkIPv4": None, "networkDestinationIPv4": "192.0.2.1"}
UNKNOWN = "00000000-0000-0000-0000-000000000000"


def test_create_stamps_and_reads_back(world: World) -> None:
    """201 with id, tenant and time of ingestion; the list and the id find it."""
    created = world.graph("POST", "", ti())
    assert created.status == 201
    body = created.json()
    assert (body["azureTenantId"], body["ingestedDateTime"]) == ("tenant-1", "2026-11-24T10:00:00.000Z")
    assert world.graph("GET", f"/{body['id']}").json()["externalId"] == "external-1"
    assert [item["id"] for item in world.graph("GET").json()["value"]] == [body["id"]]


@pytest.mark.parametrize(
    "changes",
    [
        {"targetProduct": "Microsoft Sentinel"},
        {"action": "Alert"},
        {"tlpLevel": "clear"},
        {"fileHashType": "SHA256"},
        {"confidence": "80"},
        {"description": 7},
        {"tags": "a"},
        {"isActive": "true"},
        {"expirationDateTime": "tomorrow"},
        {"unknown": 1},
    ],
)
def test_a_body_that_cannot_be_read_is_refused_whole(world: World, changes: dict[str, Any]) -> None:
    """Wrong kinds, enumerations and unknown properties are 400 for the whole batch, and nothing is stored."""
    answer = world.graph("POST", "/submitTiIndicators", {"value": [ti(1), ti(2, **changes)]})
    assert (answer.status, answer.json()["error"]["code"]) == (400, "BadRequest")
    assert set(answer.json()["error"]["innerError"]) == {"date", "request-id", "client-request-id"}
    assert world.core.state()["graph"] == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"targetProduct": None},
        {"action": None},
        {"description": None},
        {"expirationDateTime": None},
        {"threatType": None},
        {"threatType": "Bad"},
        {"tlpLevel": None},
        {"networkIPv4": None},
        {"description": "x" * 101},
        {"confidence": 101},
        {"severity": 6},
        {"killChain": ["C3"]},
        {"networkIPv4": None, "fileHashValue": "ab" * 16},
        {"targetProduct": "Microsoft Defender ATP"},
        {"networkIPv4": "203.0.113.0/24"},
        {"networkIPv4": "2001:db8::1"},
        {"networkIPv4": "a.example"},
        {"networkIPv4": None, "networkIPv6": "203.0.113.1"},
        {"networkIPv4": None, "networkIPv6": "2001:db8::/32"},
        {"networkIPv4": None, "networkIPv6": "2001:db8::1%eth0"},
        {"networkIPv4": None, "networkDestinationIPv4": "203.0.113.0/24"},
        {"networkIPv4": None, "networkCidrBlock": "203.0.113.7"},
        {"networkIPv4": None, "networkCidrBlock": "203.0.113.0/33"},
        {"networkIPv4": None, "fileHashType": "md5", "fileHashValue": "ab" * 20},
        {"networkIPv4": None, "fileHashType": "sha1", "fileHashValue": "zz" * 20},
        {"networkIPv4": None, "fileHashType": "sha256", "fileHashValue": "ab" * 31},
        {"expirationDateTime": "2026-11-24T10:00:00Z"},
        {"domainName": "a.example"},
        {"networkIPv6": "2001:db8::1"},
        {"fileHashType": "md5", "fileHashValue": "ab" * 16},
    ],
)
def test_an_item_that_the_product_refuses(world: World, changes: dict[str, Any]) -> None:
    """Missing or overlong values fail the item: 206 in a batch, 400 alone."""
    answer = world.graph("POST", "/submitTiIndicators", {"value": [ti(1), ti(2, **changes)]})
    good, bad = answer.json()["value"]
    assert answer.status == 206
    assert good["externalId"] == "external-1"
    assert bad["id"] == "Failed to create, check Error element for reason"
    assert json.loads(bad["Error"])["error"]["code"] == "InvalidInput"
    assert world.graph("POST", "", ti(2, **changes)).status == 400
    assert len(world.core.state()["graph"]["tenant-1"]) == 1


@pytest.mark.parametrize(
    "observed",
    [
        {"networkIPv6": "2001:db8::1"},
        {"networkCidrBlock": "203.0.113.0/24"},
        {"networkCidrBlock": "2001:db8::/32"},
        {"fileHashType": "md5", "fileHashValue": "ab" * 16, "fileName": "a.exe"},
        {"fileHashType": "sha256", "fileHashValue": "AB" * 32},
        {"fileHashType": "ctph", "fileHashValue": "3:a:b"},
        {"emailSenderAddress": "a@b.example", "emailSubject": "Invoice"},
        {"domainName": "a.example"},
    ],
)
def test_one_observable_of_each_kind_passes(world: World, observed: dict[str, str]) -> None:
    """Networks stand in their own property; what describes one file or one mail is one observable."""
    assert world.graph("POST", "", ti(1, networkIPv4=None, **observed)).status == 201


def test_an_end_in_the_past_is_refused_when_set(world: World) -> None:
    """A patch cannot set a past end, but may change other things of an indicator that has ended."""
    number = world.graph("POST", "", ti()).json()["id"]
    past = world.graph("PATCH", f"/{number}", {"expirationDateTime": "2026-11-24T09:00:00Z"})
    assert (past.status, past.json()["error"]["code"]) == (400, "InvalidInput")
    world.core.advance(365 * 86400)
    assert world.graph("PATCH", f"/{number}", {"severity": 1}).status == 204


def test_a_good_batch_is_200(world: World) -> None:
    """A full batch of both products is accepted."""
    answer = world.graph("POST", "/submitTiIndicators", {"value": [ti(n) for n in range(99)] + [ti(99, **MDE)]})
    assert answer.status == 200
    assert len(world.core.state()["graph"]["tenant-1"]) == 100


@pytest.mark.parametrize("body", [{}, [], {"value": []}, {"value": ti()}, {"value": [ti(n) for n in range(101)]}, b"{"])
def test_bad_batches(world: World, body: object) -> None:
    """Empty, oversized or malformed batches are 400."""
    assert world.graph("POST", "/submitTiIndicators", body).status == 400


def test_patch(world: World) -> None:
    """204, or 200 with the entity on request; Defender's allow three properties only."""
    number = world.graph("POST", "", ti()).json()["id"]
    assert world.graph("PATCH", f"/{number}", {"tlpLevel": "red"}).status == 204
    shown = world.graph("PATCH", f"/{number}", {"severity": 5}, Prefer="return=representation")
    assert (shown.status, shown.json()["tlpLevel"], shown.json()["severity"]) == (200, "red", 5)
    assert world.graph("PATCH", f"/{number}", {"severity": 9}).status == 400
    other = world.graph("POST", "", ti(2, **MDE)).json()["id"]
    assert world.graph("PATCH", f"/{other}", {"severity": 1}).status == 204
    assert world.graph("PATCH", f"/{other}", {"tlpLevel": "red"}).status == 400


def test_one_is_found_changed_and_deleted_only_by_its_owner(world: World) -> None:
    """Another application sees nothing; unknown ids are 404; other methods 405."""
    number = world.graph("POST", "", ti()).json()["id"]
    other = {"resource": GRAPH, "app": "app-2"}
    target = f"/beta/security/tiIndicators/{number}"
    assert world.send("GET", "/beta/security/tiIndicators", **other).json()["value"] == []
    assert [world.send(method, target, {}, **other).status for method in ("GET", "PATCH", "DELETE")] == [404] * 3
    assert world.graph("PUT", f"/{number}", {}).status == 405
    assert [world.graph("DELETE", f"/{number}").status for _ in range(2)] == [204, 404]


def test_update_many(world: World) -> None:
    """Items without id, unknown ones and those on order fail; the others change."""
    number = world.graph("POST", "", ti()).json()["id"]
    change = {"id": number, "expirationDateTime": "2027-03-01T00:00:00Z", "targetProduct": "Azure Sentinel"}
    assert world.graph("POST", "/updateTiIndicators", {"value": [change]}).status == 200
    answer = world.graph("POST", "/updateTiIndicators", {"value": [{**change, "id": UNKNOWN}, ti(2)]})
    assert answer.status == 206
    assert all("Error" in item for item in answer.json()["value"])
    assert world.graph("GET", f"/{number}").json()["expirationDateTime"] == "2027-03-01T00:00:00Z"


def test_delete_many(world: World) -> None:
    """By id or external id; what is missing is told item by item."""
    created = world.graph("POST", "/submitTiIndicators", {"value": [ti(1), ti(1), ti(2), ti(3)]}).json()["value"]
    by_external = world.graph("POST", "/deleteTiIndicatorsByExternalId", {"value": ["external-1", "x"]})
    assert by_external.status == 206
    assert [item["code"] for item in by_external.json()["value"]] == ["0", "404"]
    by_id = world.graph("POST", "/deleteTiIndicators", {"value": [created[2]["id"]]})
    assert (by_id.status, by_id.json()["value"][0]["code"]) == (200, "0")
    assert [item["externalId"] for item in world.graph("GET").json()["value"]] == ["external-3"]
    assert world.graph("POST", "/deleteTiIndicators", {"value": [7]}).status == 400


def test_deletes_may_miss_sentinel() -> None:
    """As one user saw: the delete answers and an indicator for Sentinel stays."""
    world = World(graph_deletes_sentinel=False)
    world.graph("POST", "/submitTiIndicators", {"value": [ti(1), ti(1, **MDE)]})
    assert world.graph("POST", "/deleteTiIndicatorsByExternalId", {"value": ["external-1"]}).status == 200
    assert [item["targetProduct"] for item in world.graph("GET").json()["value"]] == ["Azure Sentinel"]


def test_list_pages_and_filters(world: World) -> None:
    """$filter narrows, $top pages with a next link."""
    world.graph("POST", "/submitTiIndicators", {"value": [ti(n) for n in range(3)]})
    page = world.graph("GET", "?$top=2").json()
    assert len(page["value"]) == 2
    assert page["@odata.nextLink"].endswith("?$top=2&$skip=2")
    found = world.graph("GET", "?$filter=externalId eq 'external-2'").json()
    assert [item["externalId"] for item in found["value"]] == ["external-2"]
    assert "@odata.nextLink" not in found
    page = world.graph("GET", "?$top=1&$filter=threatType eq 'WatchList'").json()
    following = urlsplit(page["@odata.nextLink"]).query
    assert parse_qs(following) == {"$top": ["1"], "$skip": ["1"], "$filter": ["threatType eq 'WatchList'"]}
    assert world.graph("GET", "?$filter=x eq 1").status == world.graph("GET", "?$top=x").status == 400


@pytest.mark.parametrize("target", ["/v1.0/security/tiIndicators", "/beta/security/tiIndicators/unknownAction"])
def test_other_addresses(world: World, target: str) -> None:
    """There is no v1.0 and no other action."""
    assert world.send("POST", target, {}, resource=GRAPH).status == 400


def test_the_limit_is_a_thousand_a_minute(world: World) -> None:
    """The 1,001st request is refused with Retry-After."""
    headers = world.bearer(GRAPH)
    replies = [world.reply("GET", "/beta/security/tiIndicators", None, headers) for _ in range(1001)]
    statuses = [reply.answer.status for reply in replies if reply.answer]
    assert statuses == [200] * 1000 + [429]
    assert replies[-1].answer is not None
    assert replies[-1].answer.headers["Retry-After"] == "60"
