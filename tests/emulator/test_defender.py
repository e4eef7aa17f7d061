"""Defender's list: rules for values, upsert, import, deletes, slots, expiry."""

from __future__ import annotations

from typing import Any

import pytest

from misp_modules_ext.emulator.defender import CAPACITY

from .world import DEFENDER, World, entity

SHA256 = "ab" * 32


def _failure(world: World, **changes: Any) -> str | None:
    result = world.bring(entity(**changes)).json()["value"][0]
    assert result["isFailed"] is (result["failureReason"] is not None)
    reason: str | None = result["failureReason"]
    return reason


def test_an_import_is_listed_with_what_the_system_stamps(world: World) -> None:
    """Results name value and id; the list shows the entity, its creator and times."""
    answer = world.bring(entity(rbacGroupNames="a, b", externalId="x", unknown=1))
    value = [{"id": "1", "indicator": "192.0.2.1", "isFailed": False, "failureReason": None}]
    assert (answer.status, answer.json()["value"]) == (200, value)
    stored = world.listed()[0]
    assert (stored["createdBy"], stored["sourceType"], stored["externalId"]) == ("app-1", "AadApp", "x")
    assert stored["creationTimeDateTimeUtc"] == "2026-11-24T10:00:00.000Z"
    assert stored["rbacGroupNames"] == ["a", "b"]
    assert "unknown" not in stored


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("IpAddress", "203.0.113.7"),
        ("IpAddress", "2001:db8:0:0:0:0:0:1"),
        ("DomainName", "a.example"),
        ("DomainName", "xn--bcher-kva.example"),
        ("DomainName", "_dmarc.a.example"),
        ("Url", "https://a.example/path?x=1"),
        ("Url", "http://192.0.2.1:8080/x"),
        ("Url", "a.example/path"),
        ("Url", "http://[2001:db8::1]/x"),
        ("FileMd5", "ab" * 16),
        ("FileSha1", "AB" * 20),
        ("FileSha256", SHA256),
    ],
)
def test_values_that_pass(world: World, kind: str, value: str) -> None:
    """One good value of each type and spelling."""
    assert _failure(world, indicatorType=kind, value=value) is None


@pytest.mark.parametrize(
    ("kind", "value", "code"),
    [
        ("IpAddress", "192.0.2.0/24", "InvalidIpAddress"),
        ("IpAddress", "999.1.1.1", "InvalidIpAddress"),
        ("IpAddress", "10.1.2.3", "InvalidIpAddress"),
        ("IpAddress", "172.16.0.1", "InvalidIpAddress"),
        ("IpAddress", "192.168.1.1", "InvalidIpAddress"),
        ("IpAddress", "127.0.0.1", "InvalidIpAddress"),
        ("IpAddress", "169.254.1.1", "InvalidIpAddress"),
        ("IpAddress", "fd00:0:0:0:0:0:0:1", "InvalidIpAddress"),
        ("IpAddress", "2001:db8::1", "InvalidIpAddress"),
        ("IpAddress", "0:0:0:0:0:ffff:c0a8:101", "InvalidIpAddress"),
        ("IpAddress", "::ffff:10.0.0.1", "InvalidIpAddress"),
        ("IpAddress", "2001:db8:0:0:0:0:0:1%eth0", "InvalidIpAddress"),
        ("DomainName", "https://a.example", "InvalidDomainName"),
        ("DomainName", "*.a.example", "InvalidDomainName"),
        ("DomainName", "localhost", "InvalidDomainName"),
        ("DomainName", "192.0.2.1", "InvalidDomainName"),
        ("DomainName", "a." * 127 + "example", "InvalidDomainName"),
        ("Url", "hxxp://a.example", "InvalidUrl"),
        ("Url", "https://a.example/a b", "InvalidUrl"),
        ("Url", "https://[a/", "InvalidUrl"),
        ("Url", "http://10.0.0.1/x", "InvalidUrl"),
        ("Url", "192.168.1.1:8080/x", "InvalidUrl"),
        ("Url", "https://user@127.0.0.1/", "InvalidUrl"),
        ("Url", "http://[::1]/", "InvalidUrl"),
        ("Url", "http://[::ffff:10.0.0.1]/", "InvalidUrl"),
        ("FileMd5", "ab" * 20, "InvalidHashValue"),
        ("FileSha1", "zz" * 20, "InvalidHashValue"),
        ("FileSha256", SHA256[:-1], "InvalidHashValue"),
    ],
)
def test_values_that_are_refused(world: World, kind: str, value: str, code: str) -> None:
    """Each wrong value fails as an item with the documented code and is not stored."""
    reason = _failure(world, indicatorType=kind, value=value)
    assert reason is not None
    assert reason.startswith(f"{code}: ")
    assert world.listed() == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"value": ""}, "MissingRequiredParameter"),
        ({"title": None}, "MissingRequiredParameter"),
        ({"description": None}, "MissingRequiredParameter"),
        ({"action": None, "Action": "Audit"}, "MissingRequiredParameter"),
        ({"indicatorType": "Ip"}, "InvalidInput"),
        ({"action": "Alert"}, "InvalidInput"),
        ({"action": "AlertAndBlock"}, "InvalidInput"),
        ({"action": "BlockAndRemediate"}, "InvalidInput"),
        ({"indicatorType": "CertificateThumbprint", "value": "ab" * 20}, "InvalidInput"),
        ({"severity": "Critical"}, "InvalidInput"),
        ({"severity": 3}, "InvalidInput"),
        ({"generateAlert": None}, "InvalidInput"),
        ({"generateAlert": False}, "InvalidInput"),
        ({"generateAlert": 1}, "InvalidInput"),
        ({"expirationTime": "2026-11-24T10:00:00Z"}, "InvalidInput"),
        ({"expirationTime": "2027-01-01"}, "InvalidRequestBody"),
        ({"expirationTime": 7}, "InvalidRequestBody"),
        ({"application": 7}, "InvalidRequestBody"),
        ({"rbacGroupNames": [7]}, "InvalidRequestBody"),
        ({"mitreTechniques": ["T1566", 7]}, "InvalidRequestBody"),
        ({"mitreTechniques": {"T1566": True}}, "InvalidRequestBody"),
    ],
)
def test_fields_that_are_refused(world: World, changes: dict[str, Any], code: str) -> None:
    """Missing, misspelled and impossible fields fail as items."""
    assert (_failure(world, **changes) or "").startswith(f"{code}: ")


@pytest.mark.parametrize(
    "changes",
    [
        {"action": "Allowed", "generateAlert": None},
        {"action": "Block", "generateAlert": None, "severity": "High"},
        {"generateAlert": "true"},
        {"mitreTechniques": ["T1566", "T1566.001"]},
        {"action": "BlockAndRemediate", "indicatorType": "FileSha256", "value": SHA256},
        {"action": "Allowed", "indicatorType": "CertificateThumbprint", "value": "ab" * 20},
        {"expirationTime": None},
    ],
)
def test_actions_per_type(world: World, changes: dict[str, Any]) -> None:
    """What a type allows passes."""
    assert _failure(world, **changes) is None


def test_an_item_that_is_no_object_fails_alone(world: World) -> None:
    """The others of the batch are stored."""
    value = world.bring("text", entity()).json()["value"]
    assert [(item["indicator"], item["isFailed"]) for item in value] == [(None, True), ("192.0.2.1", False)]


def test_the_switches_for_values() -> None:
    """Short IPv6, past expiry and a length limit follow the behaviour."""
    world = World(defender_full_ipv6=False, defender_refuse_expired=False, defender_value_limit=20)
    assert _failure(world, value="2001:db8::1") is None
    assert _failure(world, expirationTime="2026-11-24T09:00:00Z") is None
    assert "longer than 20" in (_failure(world, indicatorType="Url", value="https://a.example/" + "x" * 9) or "")


def test_same_value_type_and_action_is_an_update(world: World) -> None:
    """The entity keeps its id and its application; another action makes a second one."""
    world.bring(entity())
    world.core.advance(60)
    result = world.bring(entity(title="New", application="Other"), entity(action="Block")).json()["value"]
    assert [item["id"] for item in result] == ["1", "2"]
    stored = world.listed()[0]
    assert (stored["title"], stored["application"], stored["lastUpdatedBy"]) == ("New", "MISP", "app-1")
    assert (stored["creationTimeDateTimeUtc"], stored["lastUpdateTime"]) == (
        "2026-11-24T10:00:00.000Z",
        "2026-11-24T10:01:00.000Z",
    )


def test_post_stores_one_or_refuses_it(world: World) -> None:
    """The single POST answers the entity, or 400 with code, message and correlation id."""
    good = world.send("POST", "/api/indicators", entity(), resource=DEFENDER)
    assert (good.status, good.json()["id"]) == (200, "1")
    bad = world.send("POST", "/api/indicators", entity("10.0.0.1"), resource=DEFENDER)
    assert (bad.status, bad.json()["error"]["code"]) == (400, "InvalidIpAddress")
    assert set(bad.json()["error"]) == {"code", "message", "target"}
    assert (
        world.send("POST", "/api/indicators", b"{", resource=DEFENDER).json()["error"]["code"] == "InvalidRequestBody"
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "InvalidRequestBody"),
        ({"indicators": [entity()]}, "InvalidRequestBody"),
        ({"Indicators": entity()}, "InvalidRequestBody"),
        ({"Indicators": []}, "MissingRequiredParameter"),
        ({"Indicators": [entity()] * 501}, "MaximumBatchSizeExceeded"),
        (b"{", "InvalidRequestBody"),
    ],
)
def test_bad_imports(world: World, body: object, code: str) -> None:
    """A body that breaks the rules is 400 as a whole."""
    answer = world.send("POST", "/api/indicators/import", body, resource=DEFENDER)
    assert (answer.status, answer.json()["error"]["code"]) == (400, code)


def test_the_empty_import_tells_the_permission() -> None:
    """An empty list is 403 without permission, where it is 400 with it."""
    world = World(without_permission=frozenset({"defender"}))
    answer = world.send("POST", "/api/indicators/import", {"Indicators": []}, resource=DEFENDER)
    assert (answer.status, answer.json()["error"]["code"]) == (403, "Forbidden")


def test_list_pages_and_filters(world: World) -> None:
    """$top, $skip and $filter narrow the list, which is in order of ids."""
    world.bring(*(entity(f"192.0.2.{n}", title=f"it's {n}") for n in range(1, 6)))
    world.bring(entity("192.0.2.1", title="it's 1"))
    page = world.listed("/api/indicators?$top=2&$skip=1")
    assert [item["indicatorValue"] for item in page] == ["192.0.2.2", "192.0.2.3"]
    found = world.listed("/api/indicators?$filter=application eq 'MISP' and title eq 'it''s 4'")
    assert [item["indicatorValue"] for item in found] == ["192.0.2.4"]


@pytest.mark.parametrize("query", ["$top=10001", "$top=x", "$skip=-1", "$filter=externalId eq 'x'", "$orderby=title"])
def test_bad_lists(world: World, query: str) -> None:
    """Limits and unknown options are ODataError."""
    answer = world.send("GET", f"/api/indicators?{query}", resource=DEFENDER)
    assert (answer.status, answer.json()["error"]["code"]) == (400, "ODataError")


def _delete(world: World, *numbers: Any) -> Any:
    return world.send("POST", "/api/indicators/BatchDelete", {"IndicatorIds": list(numbers)}, resource=DEFENDER)


def test_batch_delete_is_all_or_nothing(world: World) -> None:
    """One missing id is 404 and deletes nothing; all present is 204, a repeated id does no harm."""
    world.bring(entity(), entity("192.0.2.2"))
    missing = _delete(world, "1", "7")
    assert (missing.status, missing.json()["error"]["code"]) == (404, "ResourceNotFound")
    assert len(world.listed()) == 2
    assert (_delete(world, "1", "2", "2").status, world.listed()) == (204, [])


@pytest.mark.parametrize("numbers", [[], [1], ["x"], ["1"] * 501])
def test_bad_batch_deletes(world: World, numbers: list[Any]) -> None:
    """Empty, oversized or ill-typed lists are 400."""
    assert _delete(world, *numbers).status == 400


def test_delete_one(world: World) -> None:
    """204, then 404."""
    world.bring(entity())
    statuses = [world.send("DELETE", "/api/indicators/1", resource=DEFENDER).status for _ in range(2)]
    assert statuses == [204, 404]


@pytest.mark.parametrize("target", ["/api/indicators/Import", "/api/indicators/batchdelete", "/api/indicators/x/y"])
def test_unknown_operations(world: World, target: str) -> None:
    """Paths are case-sensitive."""
    assert world.send("POST", target, {}, resource=DEFENDER).status == 404


def test_slots_are_limited(world: World) -> None:
    """The 15,001st indicator fails as an item, updates still pass, a freed slot is taken."""
    world = World(rates=False)
    for start in range(0, CAPACITY, 500):
        world.bring(*(entity(f"{n:064x}", indicatorType="FileSha256") for n in range(start, start + 500)))
    value = world.bring(entity(), entity(f"{0:064x}", indicatorType="FileSha256", title="New")).json()["value"]
    assert [item["isFailed"] for item in value] == [True, False]
    assert str(CAPACITY) in value[0]["failureReason"]
    _delete(world, "2")
    assert world.bring(entity()).json()["value"][0]["isFailed"] is False
    assert len(world.listed("/api/indicators?$top=10000&$skip=10000")) == 5000


def test_expired_ones_vanish(world: World) -> None:
    """An indicator is gone when its time has passed, and its slot and key are free."""
    world.bring(entity(expirationTime="2026-11-24T10:01:00Z"), entity("192.0.2.2"))
    world.core.advance(60)
    assert [item["indicatorValue"] for item in world.core.state()["defender"]["tenant-1"]] == ["192.0.2.2"]
    assert [item["id"] for item in world.listed()] == ["2"]
    assert world.bring(entity()).json()["value"][0]["id"] == "3"


def test_tenants_are_apart(world: World) -> None:
    """Another tenant's token sees its own list."""
    world.bring(entity())
    answer = world.reply("GET", "/api/indicators", None, world.bearer(DEFENDER, tenant="tenant-2")).answer
    assert answer is not None
    assert answer.json()["value"] == []


def test_own_only() -> None:
    """With Ti.ReadWrite an application neither sees nor changes what another created."""
    world = World(defender_own_only=True)
    world.bring(entity())
    other = {"resource": DEFENDER, "app": "app-2"}
    assert world.send("GET", "/api/indicators", **other).json()["value"] == []
    assert world.send("DELETE", "/api/indicators/1", **other).status == 404
    value = world.send("POST", "/api/indicators/import", {"Indicators": [entity()]}, **other).json()["value"]
    assert value[0]["failureReason"].startswith("Forbidden: ")


@pytest.mark.parametrize(
    ("method", "path", "count"),
    [
        ("GET", "/api/indicators", 100),
        ("POST", "/api/indicators", 100),
        ("POST", "/api/indicators/import", 30),
        ("POST", "/api/indicators/BatchDelete", 30),
        ("DELETE", "/api/indicators/1", 100),
    ],
)
def test_limits(world: World, method: str, path: str, count: int) -> None:
    """Each operation has its documented limit a minute, refused with Retry-After in seconds."""
    statuses = [world.send(method, path, {}, resource=DEFENDER).status for _ in range(count)]
    assert 429 not in statuses
    answer = world.send(method, path, {}, resource=DEFENDER)
    assert (answer.status, answer.json()["error"]["code"]) == (429, "TooManyRequests")
    assert answer.headers["Retry-After"] == "60"
