"""One attribute, or one object, pushed from MISP's own pages: through the real misp-modules service, with MISP."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pymisp import MISPAttribute

from misp_modules_ext.demo.service import Service
from tests.support.keys import misp_key
from tests.support.misp_server import Fault, MispServer
from tests.support.misp_world import Attribute, MispObject
from tests.support.misp_world import World as Misp
from tests.support.recordings import recording
from tests.support.world import SECRET, World

KEY = misp_key()
ONLY = ("microsoft", "microsoft defender")
MODULE = "push_attribute_to_microsoft"


class Place:
    """A published event of two domains and a file, the service, and what stands behind it."""

    def __init__(self, service: Service, world: World, misp: Misp, server: MispServer) -> None:
        self.service, self.world, self.misp, self.server = service, world, misp, server
        self.event = misp.add_event(misp.orgs[0], distribution=1)
        self.one, self.two = (misp.add_attribute(self.event, "domain", f"{n}.evil.example") for n in ("one", "two"))
        self.file = misp.add_object(self.event, "file")
        self.hash = misp.add_attribute(self.event, "sha256", "ab" * 32, within=self.file, relation="sha256")
        self.name = misp.add_attribute(self.event, "filename", "updchk.dll", within=self.file, relation="filename")
        misp.publish(self.event)
        self.configure()

    def configure(self, **keys: Any) -> None:
        """The ordinary configuration, or another one."""
        self.world.configure(only=ONLY, **({"misp": {"url": self.server.url, "key": KEY}} | keys))

    def push(self, uuid: str, name: str = "expansion_misp_standard_attribute", **more: Any) -> list[str]:
        """Press the button; the lines that MISP shows."""
        row = self.misp.row(uuid)
        assert isinstance(row, (Attribute, MispObject))
        number = str(row.event.id)
        body = recording(name) | {"module": MODULE, "event_id": number, "config": {}, "timeout": 60} | more
        shown = {"id": str(row.id), "event_id": number, "uuid": row.uuid, "timestamp": str(row.timestamp)}
        if isinstance(row, Attribute):
            shown |= {"type": row.type, "value": row.value, "value1": row.value}
        part = "attribute" if isinstance(row, Attribute) else "object"
        body[part] = body[part] | shown | more.get(part, {})
        if "attribute_uuid" in body:
            body["attribute_uuid"] = row.uuid
        return self.answered(body)

    def answered(self, body: dict[str, Any]) -> list[str]:
        """What the service answers, which MISP must be able to take."""
        answer = self.service.query(body)
        assert set(answer) == {"results"}
        assert set(answer["results"]) == {"Attribute"}
        said = json.dumps(answer)
        assert KEY not in said
        assert SECRET not in said
        for raw in answer["results"]["Attribute"]:
            made = MISPAttribute()
            made.from_dict(**raw)
            assert (made.type, made.to_ids, made.disable_correlation) == ("text", False, True)
        return [raw["value"] for raw in answer["results"]["Attribute"]]

    def arrived(self) -> tuple[list[str], list[str]]:
        """What Sentinel and Defender hold."""
        return self.world.patterns(), self.world.defender()


@pytest.fixture
def place(served: tuple[Service, World]) -> Iterator[Place]:
    """The usual one."""
    # Each change in a second of its own, as people's are.
    seconds = itertools.count(int(time.time()) - 10_000)
    misp = Misp(lambda: next(seconds))
    misp.add_user(KEY, misp.add_org("Ours"))
    with MispServer(misp) as server:
        yield Place(*served, misp, server)


def test_the_module_is_offered_for_what_may_be_an_indicator(place: Place) -> None:
    """Never as a hover, which comes by itself; for types and for objects, whose names MISP looks for."""
    listed = {module["name"]: module for module in place.service.get("/modules")}[MODULE]
    assert listed["meta"]["module-type"] == ["expansion"]
    assert listed["meta"]["config"] == ["destinations", "preview", "addResult"]
    assert listed["mispattributes"]["format"] == "misp_standard"
    offered = set(listed["mispattributes"]["input"])
    assert {"domain", "ip-dst|port", "sha256", "file", "domain-ip", "url"} <= offered
    assert not {"text", "comment", "target-user"} & offered


def test_one_attribute_goes_as_misp_shows_it(place: Place) -> None:
    """Alone, with its tags; what the request says of it counts for nothing; a second time nothing is sent."""
    place.misp.tag(place.one, "tlp:green")
    place.misp.publish(place.event)
    lies = {"value": "other.evil.example", "value1": "other.evil.example", "type": "ip-dst", "to_ids": False}
    said = place.push(place.one, attribute=lies, config={"key": "x", "url": "https://foreign.example", "ca": "/etc"})
    assert place.arrived() == (["[domain-name:value = 'one.evil.example']"], ["one.evil.example"])
    assert [line.split(":")[0] for line in said] == [
        "[microsoft] one.evil.example",
        "[microsoft defender] one.evil.example",
    ]
    assert all("accepted. It is there now, until 20" in line for line in said)
    uploads = len(place.world.uploads())
    assert all("unchanged. It was there already" in line for line in place.push(place.one))
    assert len(place.world.uploads()) == uploads
    held = place.world.emulator.state()["sentinel"]
    (indicator,) = next(iter(held.values())).values()
    assert "tlp:green" in json.dumps(indicator)


def test_an_object_goes_with_all_its_attributes(place: Place) -> None:
    """A line for each of them and each destination."""
    said = place.push(place.file, "expansion_misp_standard_object")
    assert place.world.defender() == ["ab" * 32]
    assert place.world.patterns() == [f"[file:hashes.'SHA-256' = '{'ab' * 32}']", "[file:name = 'updchk.dll']"]
    assert len(said) == 4


def test_enrich_event_reads_misp_once_and_adds_nothing(place: Place) -> None:
    """One call for each of 26 attributes; with addResult what happened becomes part of the event."""
    event = place.misp.add_event(place.misp.orgs[0], distribution=1)
    many = [place.misp.add_attribute(event, "domain", f"n{number}.evil.example") for number in range(26)]
    place.misp.publish(event)
    for uuid in many[:-1]:
        assert place.push(uuid, "expansion_enrich_event_misp_standard") == []
    said = place.push(many[-1], "expansion_enrich_event_misp_standard", config={"addResult": "true"})
    assert len(said) == 2
    read = [body for _, path, body in place.server.requests if path.startswith("/attributes/restSearch")]
    asked = [body for body in read if body["eventid"] == event and body["page"] == 1 and "uuid" not in body]
    # One reading asks for what is there, and then for what is deleted.
    assert [body["deleted"] for body in asked] == [[0, 1], "only"]
    assert len(place.world.defender()) == 26


def test_what_must_not_go_does_not(place: Place) -> None:
    """TLP of the event, a flag that is off, an event that is a draft, a door that is closed: told in words."""
    place.misp.tag(place.event, "tlp:red")
    place.misp.publish(place.event)
    assert all("skipped. The traffic light protocol" in line for line in place.push(place.one))
    place.misp.untag(place.event, "tlp:red")
    place.misp.set_to_ids(place.two, on=False)
    assert all("The event is not published" in line for line in place.push(place.one))
    place.misp.publish(place.event)
    assert all("(to_ids is off or missing)" in line for line in place.push(place.two))
    place.configure(doors="cli")
    assert all("not to expansion" in line for line in place.push(place.one))
    assert place.arrived() == ([], [])
    place.configure()
    assert all("would" in line for line in place.push(place.one, config={"preview": "true"}))
    assert place.arrived() == ([], [])
    place.push(place.one, config={"destinations": "defender"})
    assert place.arrived() == ([], ["one.evil.example"])


def test_what_is_gone_in_misp_is_withdrawn_by_the_button(place: Place) -> None:
    """It is our own reading of MISP: the flag off takes it away."""
    place.push(place.one)
    place.misp.set_to_ids(place.one, on=False)
    place.misp.publish(place.event)
    assert all("withdrawn. It was there and is withdrawn." in line for line in place.push(place.one))
    assert place.arrived() == ([], [])


def test_without_misp_nothing_goes(place: Place) -> None:
    """No key, a wrong key, no such event, an attribute of another event, MISP out of order: each says what to do."""
    place.configure(misp={"url": place.server.url})
    assert "[misp] has no key" in place.push(place.one)[0]
    place.configure(misp={"url": place.server.url, "key": misp_key("a-foreign-one")})
    assert "refused the key" in place.push(place.one)[0]
    place.configure()
    assert "shows no event 4711" in place.push(place.one, event_id="4711")[0]
    other = place.misp.add_event(place.misp.orgs[0])
    told = place.push(place.one, event_id=str(place.misp.events[other].id))[0]
    assert "no attribute" in told
    # Whoever asked knew a number: which event that is, is not told.
    assert other not in told
    place.server.faults += [Fault("events/restSearch", status=500)]
    assert "could not answer" in place.push(place.one)[0]
    assert place.arrived() == ([], [])
    assert place.world.uploads() == []


def test_wrong_requests_are_answered_in_misps_format(place: Place) -> None:
    """Whatever comes: an answer without results would end "Enrich Event" for the analyst."""
    for body in ({}, {"attribute": []}, {"attribute": {"uuid": "x"}}, {"object": None}, {"domain": "one.evil.example"}):
        (line,) = place.answered({"module": MODULE, **body})
        assert line.startswith("Nothing was pushed. ")
    (line,) = place.push(place.one, config={"destinations": "nowhere"})
    assert "There is no destination called nowhere" in line
    (line,) = place.push(place.one, config={"preview": "perhaps"})
    assert "write true or false" in line
    place.world.config.write_text("[microsoft]\nproduct = nothing\n", encoding="utf-8")
    (line,) = place.push(place.one)
    assert line.startswith("Nothing was pushed. This module's configuration cannot be used.")
    assert str(place.world.config.parent) not in line


def test_microsoft_out_of_reach_hides_nothing(place: Place) -> None:
    """What one destination does not take waits, is told, and the other one has it."""
    place.world.emulator.fault(api="sentinel", status=503, times=50)
    said = place.push(place.one, timeout=8)
    assert "pending." in said[0]
    assert "accepted." in said[1]
    assert place.world.defender() == ["one.evil.example"]


def test_slow_misp_is_told_in_time(place: Place) -> None:
    """Within MISP's patience; the next press of the button finds the event read."""
    place.push(place.two, config={"preview": "true"})
    place.misp.edit(place.event, info="Another title")
    place.misp.publish(place.event)
    place.server.faults += [Fault("objects/restSearch", delay=6)]
    began = time.monotonic()
    (line,) = place.push(place.one, timeout=6)
    assert "could not be read from MISP within" in line
    assert time.monotonic() - began < 6
    assert all("accepted" in text for text in place.push(place.one))
