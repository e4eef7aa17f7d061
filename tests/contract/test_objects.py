"""Objects of context at the emulated Sentinel: each once, tied to its indicators, taken back with them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from misp_modules_ext.config.settings import Api, ContextAs, DestinationSettings, Selection, Settings
from misp_modules_ext.delivery.companions import follow
from misp_modules_ext.delivery.drain import Drained, Place, drain
from misp_modules_ext.delivery.places import place_of
from misp_modules_ext.delivery.sender import Policy
from misp_modules_ext.destinations import create
from misp_modules_ext.emulator import Emulator
from misp_modules_ext.ledger import Ledger, Origin, companions, lease, register, take
from misp_modules_ext.model.misp import Attribute
from misp_modules_ext.model.outcome import State
from tests.support.build import NOW, attribute, event

from .conftest import WORKSPACE, settings_for

ACTOR = 'misp-galaxy:threat-actor="Sofacy"'
TECHNIQUE = 'misp-galaxy:mitre-attack-pattern="Phishing - T1566"'


@dataclass
class Desk:
    """A ledger, a Sentinel that takes objects, and an event that grows."""

    ledger: Ledger
    emulator: Emulator
    settings: DestinationSettings
    moment: int = NOW
    tags: list[str] = field(default_factory=lambda: [ACTOR, TECHNIQUE])

    def place(self) -> Place:
        """The destination as it is configured now."""
        made = [(self.settings, create(self.settings).refuses)]
        (store,) = self.ledger.write(lambda connection: register(connection, made))
        return place_of(self.ledger, store, Settings(path=Path("x")), "test", Policy(attempts=1))

    def take(self, *attributes: Attribute) -> None:
        """A later view of the event: somebody asks for it, and we read it."""
        self.moment += 1
        view = replace(event(*attributes, tags=self.tags, timestamp=self.moment), complete=True)
        store = self.place().store
        for origin in (Origin.REQUEST, Origin.OWN_READING):
            self.ledger.write(lambda connection, said=origin: take(connection, [view], said, [store], ""))

    def go(self) -> tuple[Drained, Drained]:
        """Send indicators, then their objects."""
        place = self.place()
        return drain(place), follow(place)

    def held(self, kind: str) -> list[dict[str, Any]]:
        """What Sentinel holds of a type and was not revoked."""
        objects = self.emulator.state()["sentinel"].get(WORKSPACE, {}).values()
        return [one for one in objects if one["type"] == kind and not one.get("revoked")]

    def rows(self) -> int:
        """How many objects were sent so far."""
        return sum(request["objects"] for request in self.emulator.requests() if request["api"] == "sentinel")


@pytest.fixture
def desk(emulator: Emulator, tmp_path: Path) -> Iterator[Desk]:
    """Nothing is there yet."""
    selection = Selection(allow_documentation_ranges=True)
    settings = settings_for(emulator, Api.SENTINEL, context=ContextAs.OBJECTS, selection=selection)
    made = Desk(Ledger(f"sqlite:///{tmp_path / 'ledger.db'}"), emulator, settings)
    yield made
    made.ledger.close()


def _host(number: int, **fields: Any) -> Attribute:
    return attribute("domain", f"host{number}.example", timestamp=NOW - 3600, **fields)


def test_each_object_is_sent_once_and_tied_to_each_indicator(desk: Desk) -> None:
    """Two indicators, one actor, one technique, four relationships; the second time nothing goes."""
    desk.take(_host(1), _host(2))
    assert [one.state for one in desk.go()] == [State.OK, State.OK]
    assert [one["name"] for one in desk.held("threat-actor")] == ["Sofacy"]
    assert [one["name"] for one in desk.held("attack-pattern")] == ["Phishing"]
    ties = {(one["source_ref"], one["target_ref"]) for one in desk.held("relationship")}
    indicators = {one["id"] for one in desk.held("indicator")}
    targets = {one["id"] for one in (*desk.held("threat-actor"), *desk.held("attack-pattern"))}
    assert ties == {(source, target) for source in indicators for target in targets}
    assert len(ties) == 4
    sent = desk.rows()
    desk.take(_host(1), _host(2))
    desk.go()
    assert desk.rows() == sent == 8


def test_another_indicator_of_the_same_actor_brings_its_relationships_only(desk: Desk) -> None:
    """What is shared is there already."""
    desk.take(_host(1))
    desk.go()
    before = desk.rows()
    desk.take(_host(1), _host(2))
    desk.go()
    assert desk.rows() - before == 1 + 2


def test_a_withdrawn_indicator_takes_its_relationships_with_it(desk: Desk) -> None:
    """And nobody else's; when it comes back under its next id, it is tied anew."""
    desk.take(_host(1), _host(2))
    desk.go()
    desk.take(_host(1, to_ids=False), _host(2))
    desk.go()
    (left,) = desk.held("indicator")
    assert {one["source_ref"] for one in desk.held("relationship")} == {left["id"]}
    assert desk.held("threat-actor")
    desk.take(_host(1), _host(2))
    desk.go()
    assert {one["source_ref"] for one in desk.held("relationship")} == {one["id"] for one in desk.held("indicator")}
    assert len(desk.held("relationship")) == 4


def test_an_actor_that_the_event_does_not_name_any_more_is_untied(desk: Desk) -> None:
    """The relationship is revoked, later than it was made; the technique's stays as it was."""
    desk.take(_host(1))
    desk.go()
    desk.tags = [TECHNIQUE]
    desk.take(_host(1))
    desk.go()
    (tie,) = desk.held("relationship")
    assert tie["target_ref"].startswith("attack-pattern--")
    revoked = [one for one in desk.emulator.state()["sentinel"][WORKSPACE].values() if one.get("revoked")]
    assert [one["type"] for one in revoked] == ["relationship"]
    assert revoked[0]["modified"] > revoked[0]["created"]


def test_an_actor_that_is_named_again_is_tied_again(desk: Desk) -> None:
    """Under another id: STIX makes a revocation permanent, and Sentinel would refuse the old one."""
    for tags in ([ACTOR], [TECHNIQUE], [ACTOR], [TECHNIQUE], [ACTOR]):
        desk.tags = tags
        desk.take(_host(1))
        assert [one.state for one in desk.go()] == [State.OK, State.OK]
        (tie,) = desk.held("relationship")
        assert tie["target_ref"].startswith("threat-actor--") is (tags == [ACTOR])
    sent = desk.rows()
    desk.take(_host(1))
    desk.go()
    assert desk.rows() == sent


def test_a_stricter_marking_changes_the_relationship(desk: Desk) -> None:
    """Under the same id, in a later version."""
    desk.take(_host(1))
    desk.go()
    before = {one["id"]: one for one in desk.held("relationship")}
    desk.tags = [ACTOR, TECHNIQUE, "tlp:green"]
    desk.take(_host(1))
    desk.go()
    after = {one["id"]: one for one in desk.held("relationship")}
    assert before.keys() == after.keys()
    for name, one in after.items():
        assert one["object_marking_refs"] != before[name]["object_marking_refs"]
        assert one["modified"] > before[name]["modified"]
        assert one["created"] == before[name]["created"]


def test_an_error_of_an_object_is_not_the_indicators(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """It is told, not tried again as it is, and nothing is tied to what is not there."""
    desk.take(_host(1))
    place = desk.place()
    assert drain(place).sent == 1
    desk.emulator.fault(api="sentinel", itemErrors=[0], times=1)
    with caplog.at_level(logging.WARNING):
        assert follow(place).state is State.OK
    assert "The object threat-actor--" in caplog.text
    assert len(desk.held("indicator")) == len(desk.held("relationship")) == 1
    assert not desk.held("threat-actor")
    sent = desk.rows()
    assert follow(place) == Drained()
    assert desk.rows() == sent


@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 429, "retryAfter": 30}, {"drop": "after"}])
def test_trouble_pauses_the_destination_and_loses_nothing(desk: Desk, fault: dict[str, Any]) -> None:
    """What had no answer goes again after the pause, under the same ids."""
    desk.take(_host(1), _host(2))
    place = desk.place()
    drain(place)
    desk.emulator.fault(api="sentinel", times=1, **fault)
    assert follow(place).state is not State.OK
    assert place.ledger.read(lambda connection: companions.is_due(connection, place.store))
    place.ledger.write(lambda connection: lease.resume(connection, place.store.destination_id))
    assert follow(place).state is State.OK
    assert len(desk.held("relationship")) == 4
    assert not place.ledger.read(lambda connection: companions.is_due(connection, place.store))


def test_who_switches_to_objects_gets_those_of_what_is_there_and_back(desk: Desk) -> None:
    """Without any indicator being sent anew."""
    desk.settings = desk.settings.model_copy(update={"context": ContextAs.LABELS})
    desk.take(_host(1), _host(2))
    desk.go()
    assert desk.rows() == 2
    desk.settings = desk.settings.model_copy(update={"context": ContextAs.OBJECTS})
    assert desk.go()[0].sent == 0
    assert len(desk.held("relationship")) == 4
    desk.settings = desk.settings.model_copy(update={"context": ContextAs.LABELS})
    assert desk.go()[0].sent == 0
    assert desk.held("relationship") == []
    assert len(desk.held("indicator")) == 2


def test_many_go_in_requests_of_a_hundred(desk: Desk) -> None:
    """And all of them arrive."""
    desk.take(*map(_host, range(130)))
    desk.go()
    assert len(desk.held("relationship")) == 260
    assert max(r["objects"] for r in desk.emulator.requests() if r["api"] == "sentinel") <= 100
