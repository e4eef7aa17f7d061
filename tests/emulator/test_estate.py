"""What the emulator answers about values: statistics, advanced hunting, Log Analytics; which questions it refuses."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misp_modules_ext.emulator.calls import Answer
from misp_modules_ext.emulator.estate import PLACES
from misp_modules_ext.emulator.hunting import read_span
from misp_modules_ext.emulator.kql import Estate, Presence, QueryError, parse_query, read_literal

from .world import ARM, DEFENDER, GRAPH, WORKSPACE, World, indicator

LOGS = "https://api.loganalytics.io"
LEG = (
    "(DeviceNetworkEvents | where Timestamp >= Since | where RemoteIP in~ (Wanted) | summarize Times = count(), "
    "Devices = dcount(DeviceId), First = min(Timestamp), Last = max(Timestamp) by Value = tolower(RemoteIP) "
    '| extend Source = "DeviceNetworkEvents")'
)
HELD = """let Wanted = datatable(Value: string) ["203.0.113.1"];
ThreatIntelIndicators
| where ObservableValue in~ (Wanted)
| summarize arg_max(TimeGenerated, *) by Id
| where IsDeleted == false
| project Id, SourceSystem, ObservableKey, ObservableValue, Confidence, ValidUntil, Revoked = tostring(Data.revoked)
| take 1000"""


def _query(leg: str = LEG, values: str = '"192.0.2.1"', since: str = "2026-11-01T00:00:00Z", end: str = "") -> str:
    return (
        f"let Since = datetime({since});\nlet Wanted = datatable(Value: string) [{values}];\nunion isfuzzy=true\n"
        f"{leg}\n| take 10000{end}"
    )


def _hunt(world: World, query: str, span: str = "P30D", resource: str = GRAPH) -> Answer:
    body = {"Query": query, "Timespan": span}
    return world.send("POST", "/v1.0/security/runHuntingQuery", body, resource=resource)


def _ask(world: World, query: str, workspace: str = WORKSPACE, resource: str = LOGS, **more: Any) -> Answer:
    return world.send("POST", f"/v1/workspaces/{workspace}/query", {"query": query, **more}, resource=resource)


def _stats(world: World, target: str) -> Answer:
    return world.send("GET", f"/api/{target}", resource=DEFENDER)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"a"', "a"),
        (r'"a\"b\\c\n\r\t\'"', "a\"b\\c\n\r\t'"),
        (r'"\u2028\u00e9"', "\u2028\u00e9"),
        ('"|;//{{x}}[]"', "|;//{{x}}[]"),
    ],
)
def test_literals(text: str, value: str) -> None:
    """Backslash escapes; nothing else has a meaning inside."""
    assert read_literal(text) == value


@pytest.mark.parametrize(
    "text", ['"', '"a', 'a"', '"a"b"', '"a\nb"', '"a\u2028b"', '"a\x00b"', '"\\q"', '"\\u12"', "'a'", ""]
)
def test_what_is_no_literal(text: str) -> None:
    """No end, two ends, the end of a line, an unknown escape, other quotes."""
    with pytest.raises(QueryError):
        read_literal(text)


def test_a_query_is_taken_apart() -> None:
    """Where, which, since when."""
    found = parse_query(_query(values='"192.0.2.1", "A\\"B"'))
    assert isinstance(found, Estate)
    assert (found.wanted, found.legs[0].table) == (frozenset({"192.0.2.1", 'a"b'}), "DeviceNetworkEvents")
    assert parse_query(HELD) == Presence(frozenset({"203.0.113.1"}))


@pytest.mark.parametrize(
    "query",
    [
        "",
        "DeviceInfo | take 1",
        _query(end=" | project 1"),
        _query(end="; DeviceInfo"),
        _query(values='"a"] // "'),
        _query(values='"a" "b"'),
        _query(values="'a'"),
        _query(values='@"a"'),
        _query(values=""),
        _query(values="#0"),
        _query(since="yesterday"),
        _query(leg=LEG + LEG),
        _query(leg=f"{LEG}, "),
        _query(leg=LEG.replace("tolower(RemoteIP)", "tolower(LocalIP)")),
        _query(leg=LEG.replace('"DeviceNetworkEvents")', '"EmailEvents")')),
        _query(leg=LEG.replace("min(Timestamp)", "min(TimeGenerated)")),
        _query(leg=LEG.replace("RemoteIP in~ (Wanted)", 'RemoteIP has "192"')),
        HELD.replace("false", "true"),
        HELD.replace('"203.0.113.1"', '"203.0.113.1\\"'),
        "/* */ " + HELD,
    ],
)
def test_any_other_query_is_an_error_in_both_shapes(world: World, query: str) -> None:
    """400, as each API says it."""
    hunted, asked = _hunt(world, query), _ask(world, query)
    assert (hunted.status, hunted.json()["error"]["code"]) == (400, "BadRequest")
    assert (asked.status, asked.json()["error"]["code"]) == (400, "BadArgumentError")


@given(st.text(max_size=60))
def test_no_text_makes_the_reader_fail(text: str) -> None:
    """It answers, or says what is wrong."""
    for query in (text, _query(values=text), _query(leg=text), HELD.replace("203", text)):
        with contextlib.suppress(QueryError):
            assert parse_query(query).wanted


def test_tables_and_columns_are_those_of_the_api(world: World) -> None:
    """A column that is not there is an error, a table only when no other is there; tables of the other API are none."""
    odd = _hunt(world, _query(leg=LEG.replace("RemoteIP", "Nowhere")))
    assert "'Nowhere' is no column of DeviceNetworkEvents" in odd.json()["error"]["message"]
    alone = _hunt(world, _query(leg=LEG.replace("DeviceNetworkEvents", "Elsewhere")))
    assert "none of the tables exists: Elsewhere" in alone.json()["error"]["message"]
    beside = _query(leg=f"{LEG.replace('DeviceNetworkEvents', 'Elsewhere')},\n{LEG}")
    assert _hunt(world, beside).status == 200
    assert "'ThreatIntelIndicators' is no table" in _hunt(world, HELD).json()["error"]["message"]
    assert "none of the tables exists" in _ask(world, _query()).json()["error"]["message"]


def test_advanced_hunting_counts_sightings(world: World) -> None:
    """All of a value in one row for each table, within the window."""
    world.core.add_sightings(
        [
            {"value": "192.0.2.1", "table": "DeviceNetworkEvents", "count": 2, "last": "2026-11-20T00:00:00Z"},
            {"value": "192.0.2.1", "count": 5, "devices": 2, "last": "2026-11-22T00:00:00Z"},
            {"value": "192.0.2.1", "table": "EmailEvents", "count": 9},
            {"value": "192.0.2.1", "count": 9, "last": "2026-10-30T00:00:00Z"},
            {"value": "192.0.2.1", "count": 9, "tenant": "another"},
            {"value": "192.0.2.2", "count": 9},
        ]
    )
    answer = _hunt(world, _query()).json()
    assert answer["results"] == [
        {
            "Value": "192.0.2.1",
            "Times": 7,
            "Devices": 3,
            "First": "2026-11-20T00:00:00.000Z",
            "Last": "2026-11-22T00:00:00.000Z",
            "Source": "DeviceNetworkEvents",
        }
    ]
    assert [column["name"] for column in answer["schema"]] == list(answer["results"][0])
    assert _hunt(world, _query(), span="P2D").json()["results"] == []
    assert _hunt(world, _query(since="2026-11-21T00:00:00Z")).json()["results"][0]["Times"] == 5


def test_log_analytics_shows_indicators_of_their_workspace(world: World) -> None:
    """The newest row of each, deleted ones not, revoked ones as such; older rows are written again within ten days."""
    world.upload(indicator(1, confidence=70), indicator(2))
    world.upload(indicator(1, revoked=True), source="Another tool")
    (table,) = _ask(world, HELD, timespan="P14D").json()["tables"]
    names = [column["name"] for column in table["columns"]]
    rows = [dict(zip(names, row, strict=True)) for row in table["rows"]]
    assert [(row["SourceSystem"], row["Confidence"], row["Revoked"]) for row in rows] == [
        ("MISP", 70, ""),
        ("Another tool", None, "true"),
    ]
    assert _ask(world, HELD, workspace="aaaaaaaa-2222-3333-4444-555555555555").json()["tables"][0]["rows"] == []
    world.core.advance(25 * 86_400)
    assert [row[1] for row in _ask(world, HELD, timespan="P14D").json()["tables"][0]["rows"]] == ["MISP"]
    assert _ask(world, HELD, timespan="P1D").json()["tables"][0]["rows"] == []


def test_statistics(world: World) -> None:
    """Not seen is 404 for a file and the prevalence 0 for others; what is no value is 400."""
    assert _stats(world, f"files/{'ab' * 20}/stats").status == 404
    assert _stats(world, "domains/evil.example/stats").json()["organizationPrevalence"] == 0
    world.core.add_sightings({"value": "evil.example", "table": "statistics", "devices": 4, "count": 9})
    assert _stats(world, "domains/evil.example/stats?lookBackHours=1").json()["organizationPrevalence"] == 4
    world.core.advance(7200)
    assert _stats(world, "domains/evil.example/stats?lookBackHours=1").json()["organizationPrevalence"] == 0
    for wrong in ("files/abc/stats", "ips/1.2.3/stats", "domains/x/stats", "ips/192.0.2.1/stats?lookBackHours=721"):
        assert _stats(world, wrong).status == 400


@pytest.mark.parametrize("resource", [ARM, DEFENDER, GRAPH, LOGS])
def test_each_api_has_its_own_audience(world: World, resource: str) -> None:
    """A token for another is 401."""
    assert (_hunt(world, _query(), resource=resource).status == 200) is (resource == GRAPH)
    assert (_ask(world, HELD, resource=resource).status == 200) is (resource == LOGS)
    answer = world.send("GET", "/api/ips/192.0.2.1/stats", resource=resource)
    assert (answer.status == 200) is (resource == DEFENDER)


def test_documented_limits(world: World) -> None:
    """45 hunts a minute, 200 queries in 30 seconds, 100 statistics of one kind a minute; then 429 with Retry-After."""
    hunts = [_hunt(world, _query()) for _ in range(46)]
    asks = [_ask(world, HELD) for _ in range(201)]
    stats = [_stats(world, "ips/192.0.2.1/stats") for _ in range(101)]
    for answers in (hunts, asks, stats):
        assert [one.status for one in answers].index(429) == len(answers) - 1
        assert int(answers[-1].headers["Retry-After"]) > 0
    assert _stats(world, "domains/evil.example/stats").status == 200


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ({}, "an object with a value"),
        ("x", "an object with a value"),
        ({"value": "x", "tabel": "y"}, "unknown field tabel"),
        ({"value": "x", "table": "Nowhere"}, "table must be one of statistics"),
        ({"value": "x", "count": -1}, "count must be"),
        ({"value": "x", "devices": True}, "devices must be"),
        ({"value": "x", "last": "yesterday"}, "last must be"),
        ({"value": "x", "tenant": 1}, "tenant, workspace and role must be"),
        ({"value": "x", "classification": "maybe"}, "classification must be one of truePositive"),
    ],
)
def test_orders_that_cannot_be_understood(world: World, order: Any, words: str) -> None:
    """Nothing of the list is kept."""
    with pytest.raises(ValueError, match=words):
        world.core.add_sightings([{"value": "x"}, order])
    assert world.core.state()["sightings"] == []


def test_orders_are_kept_with_their_defaults(world: World) -> None:
    """Every place takes one; a classification stays with it."""
    kept = [{"value": "x", "table": place, "classification": "falsePositive"} for place in PLACES]
    assert world.core.add_sightings(kept) == len(PLACES)
    assert {one["classification"] for one in world.core.state()["sightings"]} == {"falsePositive"}


@pytest.mark.parametrize(("text", "seconds"), [("P1D", 86_400), ("PT6H", 21_600), ("P1DT1H", 90_000)])
def test_time_spans(text: str, seconds: float) -> None:
    """Days and hours."""
    assert read_span(text) == seconds


@pytest.mark.parametrize("text", ["", "P", "PT", "30", "P1W", None, 5])
def test_what_is_no_time_span(world: World, text: Any) -> None:
    """400."""
    assert _hunt(world, _query(), span=text).status == 400


def test_other_methods_and_addresses(world: World) -> None:
    """404 in the shape of the API."""
    assert world.send("GET", "/v1.0/security/runHuntingQuery", resource=GRAPH).status == 404
    assert world.send("POST", "/v1/workspaces/no-guid/query", {"query": HELD}, resource=LOGS).status == 404
    assert world.send("POST", "/api/ips/192.0.2.1/stats", {}, resource=DEFENDER).status == 404
    assert world.send("POST", "/v1.0/security/runHuntingQuery", {}, resource=GRAPH).status == 400
    assert world.send("POST", f"/v1/workspaces/{WORKSPACE}/query", {}, resource=LOGS).status == 400
