"""Reading back, counting, deleting."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from .world import MANAGEMENT, WORKSPACE, World, indicator, stix_id

STABLE = "api-version=2025-09-01"
PREVIEW = "api-version=2025-10-01-preview"
QUERY = f"{MANAGEMENT}/main/query?{PREVIEW}"
INDICATORS = f"{MANAGEMENT}/main/queryIndicators?{STABLE}"
COUNT = f"{MANAGEMENT}/main/count?{PREVIEW}"


def _filled(**behaviour: Any) -> World:
    world = World(**behaviour)
    world.upload(
        indicator(1, confidence=10, labels=["alpha"], indicator_types=["malicious-activity"]),
        indicator(2, confidence=50, pattern="[domain-name:value = 'a.example']", valid_until="2026-12-01T00:00:00Z"),
        indicator(3, confidence=90, valid_until=None, revoked=True),
    )
    actor = {"type": "threat-actor", "id": stix_id(4, "threat-actor"), "name": "Actor", "spec_version": "2.1"}
    world.upload({**actor, "created": "2026-11-24T10:00:00Z", "modified": "2026-11-24T10:00:00Z"}, source="Other")
    return world


def _numbers(answer: Any) -> list[int]:
    assert answer.status == 200, answer.body
    found = answer.json()["value"]
    ids = [item["properties"].get("externalId") or item["properties"]["data"]["id"] for item in found]
    return [int(text[-1]) for text in ids]


def _where(field: str, operator: str, *values: str, **more: str) -> dict[str, Any]:
    clause = {"field": field, "operator": operator, "values": list(values), **more}
    return {"condition": {"clauses": [clause]}}


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ({}, [1, 2]),
        ({"includeDisabled": True}, [1, 2, 3]),
        ({"includeDisabled": True, "minConfidence": 50}, [2, 3]),
        ({"maxConfidence": 49}, [1]),
        ({"minValidUntil": "2027-01-01T00:00:00Z"}, [1]),
        ({"maxValidUntil": "2027-01-01T00:00:00Z"}, [2]),
        ({"sources": ["Other"]}, []),
        ({"sources": ["MISP"]}, [1, 2]),
        ({"patternTypes": ["domain-name"]}, [2]),
        ({"threatTypes": ["malicious-activity"]}, [1]),
        ({"ids": [stix_id(2)]}, [2]),
        ({"keywords": ["ALPHA"]}, [1]),
        ({"keywords": "a.example"}, [2]),
        ({"sortBy": [{"itemKey": "confidence", "sortOrder": "descending"}]}, [2, 1]),
        ({"sortBy": [{"itemKey": "validUntil", "sortOrder": "ascending"}]}, [2, 1]),
    ],
)
def test_query_indicators(wanted: dict[str, Any], numbers: list[int]) -> None:
    """Each documented filter narrows the indicators; other types never appear."""
    assert _numbers(_filled().send("POST", INDICATORS, wanted)) == numbers


def test_an_indicator_reads_back_with_source_and_stix_id() -> None:
    """The two properties by which a client finds its own objects, and the parsed pattern."""
    found = _filled().send("POST", INDICATORS, {"ids": [stix_id(2)]}).json()["value"][0]
    assert (found["kind"], found["properties"]["source"]) == ("indicator", "MISP")
    assert found["properties"]["externalId"] == stix_id(2)
    parsed = {"valueType": "domain-name:value", "value": "a.example"}
    assert found["properties"]["parsedPattern"] == [{"patternTypeKey": "domain-name", "patternTypeValues": [parsed]}]


@pytest.mark.parametrize("as_body", [True, False])
def test_pages_follow_each_other(as_body: bool) -> None:
    """A next link is given while there is more; its token works in the body and in the address."""
    world = _filled()
    first = world.send("POST", INDICATORS, {"pageSize": 1, "sources": ["MISP"]})
    link = first.json()["nextLink"]
    token = parse_qs(urlsplit(link).query)["$skipToken"][0]
    path = urlsplit(link)._replace(scheme="", netloc="").geturl()
    second = world.send("POST", INDICATORS, {"skipToken": token}) if as_body else world.send("GET", path)
    assert (_numbers(first), _numbers(second)) == ([1], [2])
    assert "nextLink" not in second.json()


@pytest.mark.parametrize(
    ("field", "operator", "values", "numbers"),
    [
        ("id", "Equals", [stix_id(1)], [1]),
        ("id", "NotEquals", [stix_id(1), stix_id(2)], [3, 4]),
        ("source", "Equals", ["Other"], [4]),
        ("source", "StringStartsWith", ["MI"], [1, 2, 3]),
        ("source", "StringNotStartsWith", ["MI"], [4]),
        ("source", "StringEndsWith", ["her", "x"], [4]),
        ("source", "StringNotEndsWith", ["her"], [1, 2, 3]),
        ("pattern", "StringContains", ["domain-name"], [2]),
        ("pattern", "StringNotContains", ["domain-name"], [1, 3, 4]),
        ("confidence", "GreaterThan", ["50"], [3]),
        ("confidence", "GreaterThanEqual", ["50"], [2, 3]),
        ("confidence", "LessThan", ["50"], [1]),
        ("confidence", "LessThanEqual", ["50"], [1, 2]),
        ("confidence", "LessThan", ["many"], []),
        ("labels", "ArrayContains", ["alpha"], [1]),
        ("labels", "ArrayNotContains", ["alpha"], [2, 3, 4]),
        ("revoked", "IsTrue", [], [3]),
        ("revoked", "IsFalse", [], []),
        ("revoked", "Equals", ["true"], [3]),
        ("labels", "IsNull", [], [2, 3, 4]),
        ("pattern", "StringIsEmpty", [], [4]),
        ("valid_until", "OnOrAfterAbsolute", ["2027-02-22T10:00:00Z"], [1]),
        ("valid_until", "AfterAbsolute", ["2027-02-22T10:00:00Z"], []),
        ("valid_until", "OnOrBeforeAbsolute", ["2026-12-01T00:00:00Z"], [2]),
        ("valid_until", "BeforeAbsolute", ["2026-12-01T00:00:00Z"], []),
        ("lastUpdatedTimeUtc", "OnOrAfterAbsolute", ["2026-11-24T10:00:00Z"], [1, 2, 3, 4]),
        ("firstIngestedTimeUtc", "BeforeAbsolute", ["2026-11-24T10:00:00Z"], []),
    ],
)
def test_query_operators(field: str, operator: str, values: list[str], numbers: list[int]) -> None:
    """Each operator, over all types of objects."""
    assert _numbers(_filled().send("POST", QUERY, _where(field, operator, *values))) == numbers


def test_query_joins_clauses_and_sorts() -> None:
    """Type, connectives, order and page size work together; objects carry their full STIX."""
    world = _filled()
    clauses = [
        {"field": "source", "operator": "Equals", "values": ["MISP"]},
        {"field": "confidence", "operator": "LessThan", "values": ["90"]},
    ]
    condition = {"stixObjectType": "indicator", "conditionConnective": "And", "clauses": clauses}
    order = {"field": "confidence", "direction": "DESC"}
    answer = world.send("POST", QUERY, {"condition": condition, "sortBy": order, "maxPageSize": 1})
    assert _numbers(answer) == [2]
    found = answer.json()["value"][0]
    assert (found["kind"], found["name"]) == ("Indicator", f"TUlTUA==---{stix_id(2)}")
    assert found["properties"]["data"]["pattern"] == "[domain-name:value = 'a.example']"
    either = {**condition, "conditionConnective": "Or", "stixObjectType": None}
    assert world.send("POST", COUNT, {"properties": {"condition": either}}).json() == {"count": 3}
    both = _where("source", "StringContains", "M", "P", clauseConnective="And")
    assert _numbers(world.send("POST", QUERY, both)) == [1, 2, 3]


def test_count_without_condition_counts_all() -> None:
    """An empty body counts every object of the workspace."""
    assert _filled().send("POST", COUNT, {}).json() == {"count": 4}


@pytest.mark.parametrize(
    ("target", "body"),
    [
        (INDICATORS, b"{"),
        (INDICATORS, {"minConfidence": "low"}),
        (INDICATORS, {"minValidUntil": "soon"}),
        (INDICATORS, {"sources": "MISP"}),
        (INDICATORS, {"sortBy": {"itemKey": "confidence"}}),
        (INDICATORS, {"skipToken": "bm90IGpzb24="}),
        (INDICATORS, {"skipToken": "x"}),
        (INDICATORS, {"pageSize": "many"}),
        (QUERY, {"condition": {}}),
        (QUERY, {"condition": {"clauses": ["x"]}}),
        (QUERY, {"sortBy": ["x"]}),
        (QUERY, _where("source", "Is", "MISP")),
        (QUERY, _where("source", "Equals")),
        (QUERY, _where("source", "Equals", "MISP", clauseConnective="Xor")),
        (COUNT, {"properties": ["x"]}),
        (QUERY.replace(PREVIEW, STABLE), {}),
        (QUERY.replace(PREVIEW, "x=1"), {}),
        (QUERY.replace(PREVIEW, "api-version=newest"), {}),
    ],
)
def test_bad_requests(target: str, body: object) -> None:
    """Bodies and api-versions that break the documented form are 400 in Azure Resource Manager's shape."""
    answer = _filled().send("POST", target, body)
    assert answer.status == 400
    assert set(answer.json()["error"]) == {"code", "message"}


def test_the_workspace_name_is_the_id() -> None:
    """A name that is no GUID is not found, and the message says what to put there."""
    answer = _filled().send("POST", QUERY.replace(WORKSPACE, "soc"), {})
    assert answer.status == 404
    assert "GUID" in answer.json()["error"]["message"]


@pytest.mark.parametrize("rest", ["", "/main/unknown", "/main/indicators/unknown", "/unknown---indicator--1"])
def test_unknown_resources(rest: str) -> None:
    """Addresses without a resource are 404."""
    assert _filled().send("GET", f"{MANAGEMENT}{rest}?{STABLE}").status == 404


def test_delete_by_the_id_that_query_returned() -> None:
    """The resource id deletes; the log says so; a second delete finds nothing."""
    world = _filled()
    found = world.send("POST", QUERY, _where("id", "Equals", stix_id(1))).json()["value"][0]
    target = f"{found['id'].replace('threatIntelligence', 'threatintelligence')}?{PREVIEW}"
    assert world.send("GET", target).json()["properties"]["source"] == "MISP"
    assert [world.send("DELETE", target).status for _ in range(2)] == [200, 204]
    assert stix_id(1) not in world.stored()
    assert world.core.history()["rows"][-1]["IsDeleted"] is True


def test_delete_by_name_answers_200_and_does_nothing() -> None:
    """As seen in practice: uploads live in another store than the one behind indicators/{name}."""
    world = _filled()
    found = world.send("POST", INDICATORS, {"ids": [stix_id(1)]}).json()["value"][0]
    target = f"{found['id']}?{STABLE}"
    assert (world.send("DELETE", target).status, world.send("GET", target).status) == (200, 404)
    assert stix_id(1) in world.stored()
    notes = [request["notes"] for request in world.core.requests() if request["method"] == "DELETE"]
    assert "nothing was deleted" in notes[0][0]


def test_the_other_readings_of_delete() -> None:
    """Both ways of deleting can be turned round."""
    world = _filled(delete_by_name=True, delete_by_resource_id=False)
    found = world.send("POST", INDICATORS, {}).json()["value"]
    world.send("DELETE", f"{found[0]['id']}?{STABLE}")
    world.send("DELETE", f"{MANAGEMENT}/{found[1]['name']}?{PREVIEW}")
    assert (stix_id(1) in world.stored(), stix_id(2) in world.stored()) == (False, True)


def test_read_back_may_lag() -> None:
    """With a delay, uploads and deletions show only after it."""
    world = World(read_back_delay=120.0)
    world.upload(indicator(1))
    assert world.send("POST", COUNT, {}).json() == {"count": 0}
    world.core.advance(120)
    found = world.send("POST", QUERY, {}).json()["value"]
    assert len(found) == 1
    world.send("DELETE", f"{found[0]['id']}?{PREVIEW}")
    assert world.stored() == {}
    assert world.send("POST", COUNT, {}).json() == {"count": 1}
    world.core.advance(120)
    assert world.send("POST", COUNT, {}).json() == {"count": 0}


def test_a_limit_can_be_set() -> None:
    """The management API is limited only on demand, with a Retry-After header."""
    world = World(management_per_minute=1)
    assert world.send("POST", COUNT, {}).status == 200
    answer = world.send("POST", COUNT, {})
    assert (answer.status, answer.headers["Retry-After"]) == (429, "60")
