"""The modules in the real misp-modules service, called over HTTP as MISP calls them."""

from __future__ import annotations

import base64
import html
import re
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from misp_modules_ext.demo.service import Service
from tests.support.recordings import names, recording
from tests.support.world import SECRET, World

Served = tuple[Service, World]

#: What the recorded event selects once it is published: 18 indicators.
SELECTED = {
    "[ipv4-addr:value = '198.51.100.23']",
    "[ipv4-addr:value = '203.0.113.77']",
    "[ipv6-addr:value = '2001:db8:85a3::8a2e:370:7334']",
    "[ipv4-addr:value = '203.0.113.78']",
    "[domain-name:value = 'login-portal-retail.example']",
    "[domain-name:value = 'cdn.update-check.example']",
    "[url:value = 'https://login-portal-retail.example/auth/index.php?id=1']",
    "[file:hashes.MD5 = 'd41d8cd98f00b204e9800998ecf8427f']",
    "[file:hashes.'SHA-1' = 'da39a3ee5e6b4b0d3255bfef95601890afd80710']",
    "[file:hashes.'SHA-256' = 'a3f5c1d2e4b60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90']",
    "[file:hashes.'SHA-256' = 'b4f5c1d2e4b60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f91']",
    "[email-addr:value = 'billing@login-portal-retail.example']",
    "[file:name = 'updchk.dll']",
    "[file:hashes.'SHA-256' = 'c5f5c1d2e4b60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f92']",
    "[file:hashes.MD5 = '0123456789abcdef0123456789abcdef']",
    "[domain-name:value = 'c2.update-check.example']",
    "[ipv4-addr:value = '203.0.113.90']",
    "[url:value = 'http://c2.update-check.example/gate']",
}


def _export(name: str, *, published: bool | None = None, **config: str) -> dict[str, Any]:
    body = recording(name) | {"module": "export_to_microsoft", "config": config, "timeout": 30}
    if published is not None:
        body["data"][0]["Event"]["published"] = published
    return body


def _action(name: str, module: str = "push_to_microsoft", **params: str) -> dict[str, Any]:
    body = recording(name) | {"module": module, "params": params, "timeout": 30}
    body.pop("filteredItems", None)
    return body


def _page(answer: dict[str, Any]) -> str:
    assert set(answer) == {"data"}
    page = base64.b64decode(answer["data"], validate=True).decode("utf-8")
    assert page.lower().startswith("<!doctype html>")
    assert len(page) > 1000
    return page


def _soon(true: Callable[[], bool], seconds: float = 60) -> bool:
    """Whether it becomes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.2)
    return False


def _settled(world: World) -> None:
    """Nothing is under way any more: what is would reach into the next test."""

    def nothing_due() -> bool:
        with closing(sqlite3.connect(world.ledger.removeprefix("sqlite:///"), timeout=30)) as connection:
            (due,) = connection.execute(
                "SELECT count(*) FROM holding WHERE flight_hash IS NOT NULL OR state = 0"
            ).fetchone()
        return bool(due == 0)

    assert _soon(nothing_due)


def _text(page: str) -> str:
    """What a reader sees of a page, in one line."""
    shown = re.sub(r"(?s)<(style|script).*?</\1>|<[^>]+>", " ", page)
    return " ".join(html.unescape(shown).split())


def _as_action(export: dict[str, Any], module: str) -> dict[str, Any]:
    """The event of an export as a workflow brings it."""
    return {"module": module, "params": {}, "timeout": 30, "data": export["data"][0]}


def test_the_service_lists_our_modules_beside_its_own(served: Served) -> None:
    """Three of ours, of the right type, in the form that MISP can read; misp-modules' own are still there."""
    listed = {m["name"]: m for m in served[0].get("/modules")}
    export = listed["export_to_microsoft"]
    assert export["meta"]["module-type"] == ["export"]
    assert export["meta"]["require_standard_format"] is True
    assert export["mispattributes"]["outputFileExtension"] == "html"
    assert all(isinstance(name, str) for name in export["meta"]["config"])
    for name, blocking in (("push_to_microsoft", False), ("push_to_microsoft_or_stop", True)):
        config = listed[name]["meta"]["config"]
        assert listed[name]["meta"]["module-type"] == ["action"]
        assert (config["blocking"], config["support_filters"]) == (blocking, False)
        assert all(p["type"] == "string" for p in config["params"].values())
    assert {"export_sentinel", "defender_endpoint_export"} <= set(listed)
    assert len(listed) > 20


def test_export_sends_exactly_the_selected_attributes(served: Served) -> None:
    """Sentinel holds the 18 indicators of the published event, Defender those it has a place for, Graph all."""
    service, world = served
    page = _page(service.query(_export("export_event_require_standard_format", published=True)))
    assert set(world.patterns()) == SELECTED
    assert len(world.patterns()) == len(SELECTED)
    assert len(world.defender()) == 16
    assert len(world.graph()) == 18
    assert "login-portal-retail.example" in page


def test_exporting_twice_sends_nothing(served: Served) -> None:
    """Rule 7: the second time Microsoft is not even asked, by whichever door and format; the page says `unchanged`."""
    service, world = served
    service.query(_export("export_event_require_standard_format", published=True))
    requests, state = world.emulator.requests(), world.emulator.state()
    page = _page(service.query(_export("export_event_require_standard_format", published=True)))
    assert "18 unchanged + 6 skipped = 24 read" in _text(page)
    _page(service.query(_export("export_event", published=True)))
    assert world.emulator.requests() == requests
    assert world.emulator.state() == state


def test_the_report_names_the_ledger(served: Served) -> None:
    """Where what waits is kept."""
    service, world = served
    page = _page(service.query(_export("export_event_require_standard_format", published=True)))
    assert world.ledger in page


@pytest.mark.parametrize("name", names("export_event"))
def test_every_export_recording_gets_a_report(served: Served, name: str) -> None:
    """As recorded: unpublished ones send nothing and say so, the other organisation's published view sends its part."""
    service, world = served
    page = _page(service.query(_export(name)))
    if name == "export_event_as_other_org_user":
        assert world.patterns()
    else:
        assert world.patterns() == []
        assert "unpublished" in page


def test_both_formats_send_the_same(served: Served) -> None:
    """MISP's internal format gives the indicators of the standard one."""
    service, world = served
    service.query(_export("export_event", published=True))
    assert set(world.patterns()) == SELECTED


@pytest.mark.parametrize("module", ["push_to_microsoft", "push_to_microsoft_or_stop"])
@pytest.mark.parametrize("name", names("action_"))
def test_every_action_recording_gets_the_right_answer(served: Served, name: str, module: str) -> None:
    """Refused with `filteredItems`; else true, and whole or published events send something."""
    service, world = served
    as_recorded = recording(name) | {"module": module, "params": {}, "timeout": 30}
    if "filteredItems" in as_recorded:
        answer = service.query(as_recorded)
        assert "Filter :: Generic" in answer["error"]
        assert world.patterns() == []
    assert service.query(_action(name, module)) == {"data": True}
    sends = name.startswith("action_event_") or name in ("action_run_workflow_manual", "action_enrichment_before_query")
    assert bool(world.patterns()) is sends


def test_a_filter_node_is_obeyed(served: Served) -> None:
    """Behind Filter :: Generic only the addresses and hashes it let through are sent."""
    service, world = served
    service.query(_action("action_event_publish_after_generic_filter"))
    assert len(world.patterns()) == 5
    assert all("addr" in p or "SHA-256" in p for p in world.patterns())


def test_preview_sends_nothing(served: Served) -> None:
    """With `preview` the report says what would go and no request reaches Microsoft."""
    service, world = served
    page = _page(service.query(_export("export_event_require_standard_format", published=True, preview="true")))
    assert world.emulator.requests() == []
    assert "nothing was sent" in page


def test_destinations_can_be_named(served: Served) -> None:
    """Only the named destination is sent to; an unknown name is a page that lists the known ones."""
    service, world = served
    service.query(_export("export_event_require_standard_format", published=True, destinations="defender"))
    assert world.patterns() == []
    assert len(world.defender()) == 16
    page = _page(service.query(_export("export_event_require_standard_format", destinations="nowhere")))
    assert "nowhere" in page
    assert "microsoft graph" in page


def test_untouched_parameters_arrive_empty(served: Served) -> None:
    """MISP sends "" for a field nobody touched: all destinations, no preview."""
    service, world = served
    assert service.query(_action("action_event_publish_plain", destinations="", preview="")) == {"data": True}
    assert world.patterns()
    assert world.defender()


@pytest.mark.parametrize(
    "body",
    [
        {"data": []},
        {"data": [{"Event": {}}]},
        {"data": [{"Event": {"info": "empty", "published": True}}]},
        {"data": [{"Event": {"info": "x", "Attribute": "oops", "published": True}}]},
        {"data": "strange"},
        {},
    ],
)
def test_a_strange_request_still_gets_a_page(served: Served, body: dict[str, Any]) -> None:
    """An empty download would tell the analyst nothing."""
    _page(served[0].query({"module": "export_to_microsoft"} | body))


def test_a_bad_configuration_is_a_page_and_an_error(served: Served) -> None:
    """Every problem with section and key, in the report and for the workflow; the service lives on."""
    service, world = served
    world.configure(workspaceid="", colour="blue")
    page = _page(service.query(_export("export_event_require_standard_format", published=True)))
    assert "colour" in page
    for module in ("push_to_microsoft", "push_to_microsoft_or_stop"):
        assert "colour" in service.query(_action("action_event_publish_plain", module))["error"]
    world.configure()
    assert service.query(_action("action_event_publish_plain")) == {"data": True}


def test_refused_credentials_name_the_remedy(served: Served) -> None:
    """The Entra code becomes a sentence; the secret is in no answer."""
    service, world = served
    world.emulator.fault(api="login", status=401, code="AADSTS7000222")
    page = _page(service.query(_export("export_event_require_standard_format", published=True)))
    answer = service.query(_action("action_event_publish_plain", "push_to_microsoft_or_stop"))
    for text in (page, answer["error"]):
        assert "AADSTS7000222" in text
        assert "expired" in text
        assert SECRET not in text


def test_a_hanging_microsoft_does_not_outlast_misps_patience(served: Served) -> None:
    """Workflow and analyst have their answers in time, nothing is called an arrival, and it all goes by itself later.

    The action is content once all is committed and 3 s are over; the export uses MISP's 4 s, and says `pending`.
    """
    service, world = served
    for api in ("sentinel", "defender", "graph"):
        world.emulator.fault(api=api, delay=9, times=1)
    export = _export("export_event_require_standard_format", published=True) | {"timeout": 4}
    began = time.monotonic()
    answer = service.query(_as_action(export, "push_to_microsoft_or_stop"))
    took = time.monotonic() - began
    assert answer == {"data": True}
    assert 3 <= took < 6
    began = time.monotonic()
    page = _text(_page(service.query(export)))
    assert time.monotonic() - began < 4
    assert "No: 0 of 18 selected attributes are at all 3 destinations." in page
    assert "18 pending + 6 skipped = 24 read" in page
    assert "goes on in the background" in page
    assert _soon(lambda: (len(world.patterns()), len(world.defender()), len(world.graph())) == (18, 16, 18))
    assert set(world.patterns()) == SELECTED
    _settled(world)
    assert sum(r["objects"] for r in world.uploads()) == 18 + 16 + 18


def test_what_is_pending_goes_by_itself(served: Served) -> None:
    """Microsoft is down, the report says so; when it is back, the service sends without anybody pressing anything."""
    service, world = served
    world.emulator.fault(api="sentinel", status=503)
    page = _page(service.query(_export("export_event_require_standard_format", published=True) | {"timeout": 4}))
    assert "18 pending (unreachable)" in _text(page)
    assert "503" in _text(page)
    assert world.patterns() == []
    world.emulator.clear_faults()
    assert _soon(lambda: set(world.patterns()) == SELECTED)
    _settled(world)


def test_a_pending_action_is_success(served: Served) -> None:
    """Throttled, down, paused: kept and sent later, so neither module stops a workflow or fills MISP's log."""
    service, world = served
    world.emulator.fault(api="sentinel", status=429, retryAfter=3600)
    world.emulator.fault(api="defender", status=500)
    for module in ("push_to_microsoft", "push_to_microsoft_or_stop"):
        assert service.query(_action("action_event_publish_plain", module)) == {"data": True}
    assert (world.patterns(), world.defender()) == ([], [])
    assert len(world.graph()) == 21
    world.emulator.clear_faults()
    assert _soon(lambda: len(world.defender()) == 19)
    assert world.patterns() == []


def test_a_rejection_is_told_and_stops_nothing(served: Served) -> None:
    """One indicator refused: an error in MISP's log, but no reason to stop a publish; also the second time."""
    service, world = served
    world.emulator.fault(api="sentinel", itemErrors=[0], times=1)
    for _ in range(2):
        error = service.query(_action("action_event_publish_plain"))["error"]
        assert "rejected 1 of 29 at microsoft" in error
        assert service.query(_action("action_event_publish_plain", "push_to_microsoft_or_stop")) == {"data": True}
    assert len(world.patterns()) == 20


def test_a_preview_before_and_after(served: Served) -> None:
    """It keeps nothing, so it goes on saying what would go; once that went, nothing would."""
    service, world = served
    body = _export("export_event_require_standard_format", published=True, preview="true")
    for _ in range(2):
        page = _text(_page(service.query(body)))
        assert "18 of 24 attributes would be " in page
        assert "as now" not in page
    service.query(_export("export_event_require_standard_format", published=True))
    requests = world.emulator.requests()
    page = _text(_page(service.query(body)))
    assert "18 unchanged + 6 skipped = 24 read" in page
    assert "18 of 24 attributes would be " in page
    assert ", as now: nothing would be sent." in page
    assert world.emulator.requests() == requests


def test_peers_26_no_parameter_chooses_what_runs_or_where_to(served: Served) -> None:
    """PEERS 26: hosts, credentials and files in a request are ignored; only names of destinations count."""
    service, world = served
    hostile = {
        "endpoint.api": "https://192.0.2.1",
        "ca": "/dev/null",
        "appSecret": "x",
        "misp2_script": "/bin/sh",
        "venv": "/opt",
    }
    body = _export("export_event_require_standard_format", published=True, **hostile)
    _page(service.query(body))
    assert set(world.patterns()) == SELECTED
    page = _page(service.query(_export("export_event_require_standard_format", destinations="../../etc/passwd")))
    assert re.search("no destination called", page)


def test_many_calls_at_once(served: Served) -> None:
    """Eight calls in parallel leave one of each indicator and no error."""
    service, world = served
    bodies = [_action("action_event_publish_plain")] * 8
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(service.query, bodies))
    assert answers == [{"data": True}] * 8
    assert len(world.patterns()) == len(set(world.patterns()))
