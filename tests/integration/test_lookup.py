"""`lookup_in_microsoft` in the real misp-modules service: what an analyst sees, and how soon."""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections import Counter
from typing import Any

import pytest
import requests
from pymisp import MISPAttribute
from sqlalchemy import update

from misp_modules_ext.cli import main
from misp_modules_ext.demo.service import Service
from misp_modules_ext.ledger import open_ledger, schema
from tests.support.recordings import recording
from tests.support.world import SECRET, TENANT, WORKSPACE, World

Served = tuple[Service, World]

#: Seconds that MISP waits for a hover.
HOVER = 5


def _pushed(served: Served) -> str:
    """Push the recorded event; its UUID."""
    service, _ = served
    body = recording("action_event_publish") | {"module": "push_to_microsoft", "params": {}, "timeout": 30}
    body.pop("filteredItems", None)
    assert service.query(body) == {"data": True}
    return str(body["data"]["Event"]["uuid"])


def _hover(value: str = "203.0.113.77", type_: str = "ip-dst") -> dict[str, Any]:
    body = recording("expansion_hover_misp_standard") | {"module": "lookup_in_microsoft", "config": {}}
    body["attribute"] |= {"value": value, "value1": value, "type": type_}
    return body


def _enrich(name: str = "expansion_misp_standard_attribute") -> dict[str, Any]:
    return recording(name) | {"module": "lookup_in_microsoft", "config": {"destinations": None}}


def _lines(answer: dict[str, Any]) -> dict[str, str]:
    """What is said for each destination; the answer is in MISP's own format."""
    assert set(answer) == {"results"}
    found = {}
    for shown in answer["results"]["Attribute"]:
        attribute = MISPAttribute()
        attribute.from_dict(**shown)
        assert attribute.type == "text"
        assert attribute.to_ids is False
        assert attribute.disable_correlation is True
        assert str(attribute.distribution) == "0"
        name = attribute.value.partition("[")[2].partition("]")[0]
        found[name] = attribute.value
    return found


def _ask(served: Served, body: dict[str, Any]) -> dict[str, str]:
    return _lines(served[0].query(body))


@pytest.mark.parametrize("body", [_hover(), _enrich(), _enrich("expansion_enrich_event_misp_standard")])
def test_what_was_pushed_is_there(served: Served, body: dict[str, Any]) -> None:
    """By the ledger and by Microsoft, with the event as a link, and nothing that not everybody may see."""
    event = _pushed(served)
    said = _ask(served, body)
    assert set(said) == {"microsoft", "microsoft defender", "microsoft graph"}
    for name, api in (
        ("microsoft", "Log Analytics: active, ours"),
        ("microsoft defender", "Defender's indicators: active"),
    ):
        assert ": there, ours. Ledger: there; since " in said[name]
        assert api in said[name]
        assert f"By 1 event of MISP: https://misp.example/events/view/{event}" in said[name]
    # Graph cannot be asked: what is said is the ledger's word.
    assert "there by the ledger" in said["microsoft graph"]
    everything = json.dumps(said)
    title = recording("action_event_publish")["data"]["Event"]["info"]
    for secret in (SECRET, TENANT, WORKSPACE, title):
        assert secret not in everything


def test_events_of_another_misp_are_for_those_who_run_this_alone(
    served: Served, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Their address says with whom this installation shares, and this MISP could not keep their UUIDs from anybody."""
    event = _pushed(served)
    world = served[1]
    elsewhere = update(schema.event).values(misp="https://sharing.example")
    open_ledger(world.ledger).write(lambda connection: connection.execute(elsewhere))
    for body in (_hover(), _enrich()):
        said = _ask(served, body)
        assert ": there, ours. Ledger: there; since " in said["microsoft"]
        assert "sharing.example" not in json.dumps(said)
        assert event not in json.dumps(said)
    monkeypatch.setattr(sys, "argv", ["misp-microsoft", "lookup", "203.0.113.77", "--config", str(world.config)])
    with pytest.raises(SystemExit):
        main()
    words = " ".join(capfd.readouterr().out.split())
    assert f"By 1 event of other MISPs: https://sharing.example/events/view/{event}" in words


def test_what_was_never_pushed_is_not_there(served: Served) -> None:
    """Asked of both."""
    said = _ask(served, _hover("198.51.100.200"))
    assert "not there. Ledger: never there. Log Analytics: not there." in said["microsoft"]
    assert "not there. Ledger: never there. Defender's indicators: not there." in said["microsoft defender"]


def test_what_another_tool_has_put_there(served: Served) -> None:
    """It is someone else's, and our ledger knows nothing of it."""
    world = served[1]
    world.configure(sourceSystem="Another tool")
    _pushed(served)
    world.configure()
    said = _ask(served, _hover())
    assert ": there, someone else's. Ledger: never there." in said["microsoft"]
    assert ": there, someone else's. Ledger: never there." in said["microsoft defender"]


def test_a_destination_that_is_closed_to_enrichment_does_not_answer(served: Served) -> None:
    """As its `doors` say."""
    world = served[1]
    world.configure(only=("microsoft",), doors="\n  export\n  cli", wipe=False)
    assert _ask(served, _hover()) == {}


def test_an_object_is_looked_up_value_by_value(served: Served) -> None:
    """MISP sends `object` in place of `attribute`."""
    _pushed(served)
    said = _ask(served, _enrich("expansion_misp_standard_object"))
    assert ": there, ours." in said["microsoft"]


def test_an_object_asks_the_estate_once_for_each_kind(served: Served) -> None:
    """And each value keeps its own answer, so that pointing at one of them afterwards asks nothing."""
    world = served[1]
    world.configure(more={"lookup": {"estate": "yes", "sources": "\n  hunting\n  logs"}})
    body = _enrich("expansion_misp_standard_object")
    (sample,) = body["object"]["Attribute"]
    names = [f"c{number}.evil.example" for number in range(15)]
    texts = [(name, "domain") for name in names] + [("203.0.113.77", "ip-dst")]
    body["object"]["Attribute"] = [
        sample | {"type": type_, "value": text, "value1": text, "uuid": str(uuid.uuid4())} for text, type_ in texts
    ]
    _see(world, {"value": names[4], "count": 7})
    said = [shown["value"] for shown in served[0].query(body)["results"]["Attribute"]]
    assert len(said) == 3 * len(texts)
    assert sum("DeviceNetworkEvents 7 times" in line for line in said) == 1
    asked = Counter(request["api"] for request in world.emulator.requests())
    # Log Analytics is asked whether they are there, and for each of the two kinds whether they were seen.
    assert (asked["hunting"], asked["logs"], asked["defender"]) == (2, 3, len(texts))
    _ask(served, _hover(names[0], "domain"))
    assert Counter(request["api"] for request in world.emulator.requests()) == asked


def test_pointing_at_much_leaves_defenders_list_to_sending(served: Served) -> None:
    """Half of its rate is for hovers; beyond that they say so in time, and what is pushed still arrives."""
    world = served[1]
    world.configure(only=("microsoft defender",))
    for number in range(50):
        said = _ask(served, _hover(f"198.51.100.{number}"))
        assert "Defender's indicators: not there" in said["microsoft defender"]
    began = time.monotonic()
    for number in range(50, 56):
        said = _ask(served, _hover(f"198.51.100.{number}"))
        assert "never there by the ledger" in said["microsoft defender"]
        assert "Defender's indicators: asked too often for now" in said["microsoft defender"]
    assert time.monotonic() - began < HOVER
    assert sum(request["api"] == "defender" for request in world.emulator.requests()) == 50
    _pushed(served)
    end = time.monotonic() + 20
    while not world.defender() and time.monotonic() < end:
        time.sleep(0.1)
    assert "203.0.113.77" in world.defender()


def test_one_that_hangs_hides_nothing(served: Served) -> None:
    """The answer comes before MISP gives up, and says what is missing."""
    _pushed(served)
    served[1].emulator.fault(api="defender", delay=20, times=10)
    began = time.monotonic()
    said = _ask(served, _hover())
    assert time.monotonic() - began < HOVER
    assert ": there, ours." in said["microsoft"]
    assert "there by the ledger" in said["microsoft defender"]
    assert "Defender's indicators: did not answer in time" in said["microsoft defender"]


@pytest.mark.parametrize(("status", "words"), [(403, "no answer: "), (500, "no answer: "), (404, "no answer: ")])
def test_one_that_refuses_hides_nothing(served: Served, status: int, words: str) -> None:
    """What kind of refusal is said, not Microsoft's words, which name tenants and applications."""
    _pushed(served)
    served[1].emulator.fault(api="logs", status=status, times=10)
    said = _ask(served, _hover())
    assert f"Log Analytics: {words}" in said["microsoft"]
    assert "`misp-microsoft lookup` says more" in said["microsoft"]
    assert ": there, ours." in said["microsoft defender"]


def test_a_host_that_is_not_there_hides_nothing(served: Served) -> None:
    """As a destination that was set up wrongly."""
    service, world = served
    gone = {
        "product": "Microsoft Defender",
        "tenantId": "44444444-4444-4444-8444-444444444444",
        "appId": "55555555-5555-4555-8555-555555555555",
        "appSecret": SECRET,
        "endpoint.login": "https://127.0.0.1:1",
        "endpoint.api": "https://127.0.0.1:1",
    }
    world.configure(more={"microsoft gone": gone})
    said = _lines(service.query(_hover()))
    assert "Defender's indicators: no answer: " in said["microsoft gone"]
    assert "Log Analytics: not there" in said["microsoft"]


def test_pointing_twice_asks_once(served: Served) -> None:
    """Also while the first answer is still awaited."""
    world = served[1]

    def asked() -> int:
        return sum(request["api"] == "logs" for request in world.emulator.requests())

    _ask(served, _hover())
    assert asked() == 1
    _ask(served, _hover() | {"persistent": 1})
    _ask(served, _enrich())
    assert asked() == 1
    _ask(served, _hover("203.0.113.78"))
    assert asked() == 2


def test_the_estate_only_where_it_is_wanted_and_never_in_a_hover(served: Served) -> None:
    """How often, on how many devices, first and last."""
    world = served[1]
    hits = {"value": "203.0.113.77", "count": 7, "devices": 3}
    _see(world, hits)
    quiet = _ask(served, _enrich())
    assert "Seen" not in json.dumps(quiet)
    world.configure(more={"lookup": {"estate": "yes", "sources": "\n  statistics\n  hunting\n  logs"}})
    assert "Seen" not in json.dumps(_ask(served, _hover()))
    said = _ask(served, _enrich())
    assert "Seen, by Defender's statistics: " in said["microsoft defender"]
    assert "on 3 devices" in said["microsoft defender"]
    assert "Seen, by advanced hunting: " in said["microsoft defender"]
    assert "7 times" in said["microsoft defender"]
    assert "Seen, by Log Analytics: " in said["microsoft"]


def _see(world: World, hits: dict[str, Any]) -> None:
    emulator = world.emulator
    url = f"{emulator.url}/_emulator/sightings"
    requests.post(url, json=[hits], verify=str(emulator.ca), timeout=10).raise_for_status()


@pytest.mark.parametrize(
    "body", [{}, {"attribute": 1}, {"attribute": {"type": "comment", "value": "no"}}, {"object": {}}]
)
def test_what_cannot_be_looked_up_is_said(served: Served, body: dict[str, Any]) -> None:
    """An answer without results would end "Enrich Event" for the analyst."""
    answer = served[0].query({"module": "lookup_in_microsoft", **body})
    (shown,) = answer["results"]["Attribute"]
    assert len(shown["value"]) > 20


def test_nothing_is_written(served: Served) -> None:
    """Neither at Microsoft, nor by naming hosts or credentials in a request."""
    world = served[1]
    before = world.emulator.state()["sentinel"], world.emulator.state()["defender"]
    body = _enrich() | {
        "config": {"destinations": "microsoft", "endpoint.api": "https://evil.example", "appSecret": "x"}
    }
    assert set(_ask(served, body)) == {"microsoft"}
    assert (world.emulator.state()["sentinel"], world.emulator.state()["defender"]) == before
    assert {request["method"] for request in world.emulator.requests() if "upload" in request["path"]} == set()


def test_it_offers_itself_for_what_microsoft_holds(served: Served) -> None:
    """As expansion and hover, for types and objects."""
    modules = {module["name"]: module for module in served[0].get("/modules")}
    ours = modules["lookup_in_microsoft"]
    assert sorted(ours["meta"]["module-type"]) == ["expansion", "hover"]
    assert ours["mispattributes"]["format"] == "misp_standard"
    assert {"ip-dst", "domain", "url", "sha256", "filename|sha256", "email-src", "file"} <= set(
        ours["mispattributes"]["input"]
    )
    assert not {"comment", "text", "link", "bic"} & set(ours["mispattributes"]["input"])
