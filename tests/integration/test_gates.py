"""Every gate of [selection] in every door: the same refusal, with the same reason, of the same event.

The doors: an export request, a workflow's request, a file pushed by `misp-microsoft push`, an event that the command
reads from MISP, and the drain, which reads the event again after the workflow.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from misp_modules_ext.cli.app import app
from misp_modules_ext.config import load
from misp_modules_ext.delivery import embedded
from misp_modules_ext.delivery.rounds import Rounds
from misp_modules_ext.delivery.sender import Policy
from misp_modules_ext.doors.common import answer
from misp_modules_ext.misp.requests import read_action, read_export
from misp_modules_ext.model.account import Account
from misp_modules_ext.model.outcome import Reason
from misp_modules_ext.report import to_json
from tests.support import lists
from tests.support.keys import misp_key
from tests.support.misp_server import MispServer
from tests.support.misp_views import action_request, core_event, export_request
from tests.support.misp_world import Org, SharingGroup, User
from tests.support.misp_world import World as Misp
from tests.support.world import World

KEY = misp_key()
SENTINEL, DEFENDER = "microsoft", "microsoft defender"
QUICK = Policy(request_timeout=5.0)
#: The attribute that a gate refuses, and one that passes beside it unless the gate looks at the event as a whole.
SUBJECT, OTHER = "subject.evil.example", "198.51.100.9"
ELSEWHERE = "7d1f4a60-2f3e-4f0e-9a55-1c2d3e4f5a6b"

DOORS = ("export", "action", "file", "reading")
REQUESTS = ("export", "action", "file")


@dataclass
class Scene:
    """A MISP with an event of two attributes."""

    misp: Misp
    server: MispServer
    org: Org
    user: User
    group: SharingGroup
    event: str
    subject: str
    other: str


Change = Callable[[Scene], None]
Strip = Callable[[dict[str, Any]], object]


@dataclass(frozen=True)
class Case:
    """What closes a gate.

    Attributes:
        reason: the refusal, `None` when it passes.
        selection: keys of [selection].
        change: what is done in MISP before it publishes.
        strip: takes facts out of a request's event.
        whole: the gate looks at the event: the other attribute is refused as well.
        doors: those that can bring this about.
    """

    reason: Reason | None
    selection: Mapping[str, str] = field(default_factory=dict)
    change: Change = lambda _: None
    strip: Strip | None = None
    whole: bool = False
    doors: tuple[str, ...] = DOORS


def _tag(name: str, *, whole: bool = False) -> Change:
    return lambda s: s.misp.tag(s.event if whole else s.subject, name)


def _edit(**fields: Any) -> Change:
    return lambda s: s.misp.edit(s.subject, **fields)


def _into_group(s: Scene) -> None:
    s.misp.edit(s.subject, distribution=4, group=s.group)


def _event_into_group(s: Scene) -> None:
    s.misp.edit(s.event, distribution=4, group=s.group)


def _into_object(s: Scene) -> None:
    holder = s.misp.add_object(s.event, "domain-ip", distribution=0)
    s.misp.edit(s.subject, object=s.misp.row(holder))


def _clear_other(s: Scene) -> None:
    s.misp.tag(s.other, "tlp:green")


def _subject(event: dict[str, Any]) -> dict[str, Any]:
    return next(a for a in event["Attribute"] if a["value"] == SUBJECT)


CASES: dict[str, Case] = {
    "to_ids off": Case(Reason.TO_IDS_OFF, change=_edit(to_ids=False)),
    "to_ids not said": Case(Reason.TO_IDS_OFF, strip=lambda e: _subject(e).pop("to_ids"), doors=REQUESTS),
    "type not named": Case(Reason.TYPE_NOT_SELECTED, {"types": "ip-dst"}),
    "no tag": Case(Reason.TAG_MISSING, {"tags": "Vetted"}),
    "excluded tag": Case(Reason.TAG_EXCLUDED, {"excludeTags": "internal"}, _tag("Internal")),
    "excluded tag of the event": Case(
        Reason.TAG_EXCLUDED, {"excludeTags": "internal"}, _tag("Internal", whole=True), whole=True
    ),
    "not picked": Case(Reason.NOT_PICKED, change=lambda s: s.misp.tag(s.other, "microsoft:push")),
    "TLP": Case(Reason.TLP, change=_tag("tlp:red")),
    "TLP of the event, in upper case": Case(Reason.TLP, change=_tag("TLP:RED", whole=True), whole=True),
    "TLP amber+strict above amber": Case(Reason.TLP, {"maxTlp": "amber"}, _tag("tlp:amber+strict")),
    "TLP untagged is amber": Case(Reason.TLP, {"maxTlp": "green"}, _clear_other),
    "PAP": Case(Reason.PAP, change=_tag("PAP:RED")),
    "PAP of the event": Case(Reason.PAP, change=_tag("pap:red", whole=True), whole=True),
    "distribution": Case(Reason.DISTRIBUTION, {"minDistribution": "1"}, _edit(distribution=0)),
    "distribution of the object": Case(Reason.DISTRIBUTION, {"minDistribution": "1"}, _into_object),
    "distribution 5 is that of the event": Case(Reason.DISTRIBUTION, {"minDistribution": "2"}, whole=True),
    "distribution 4 is above nothing": Case(Reason.DISTRIBUTION, {"minDistribution": "1"}, _into_group),
    "distribution not said": Case(
        Reason.DISTRIBUTION,
        {"minDistribution": "1"},
        strip=lambda e: e.pop("distribution"),
        whole=True,
        doors=REQUESTS,
    ),
    "another sharing group": Case(Reason.SHARING_GROUP, {"sharingGroups": ELSEWHERE}, _into_group),
    "another sharing group of the event": Case(
        Reason.SHARING_GROUP, {"sharingGroups": ELSEWHERE}, _event_into_group, whole=True
    ),
    "sharing group not named": Case(
        Reason.SHARING_GROUP,
        {"sharingGroups": "GROUP"},
        _into_group,
        strip=lambda e: _subject(e).pop("SharingGroup"),
        doors=REQUESTS,
    ),
    "the right sharing group": Case(None, {"sharingGroups": "GROUP", "minDistribution": "1"}, _into_group),
    "another organisation": Case(Reason.ORGANISATION, {"orgs": ELSEWHERE}, whole=True),
    "a refused organisation": Case(Reason.ORGANISATION, {"excludeOrgs": "CREATOR"}, whole=True),
    "organisation not said": Case(
        Reason.ORGANISATION, {"excludeOrgs": ELSEWHERE}, strip=lambda e: e.pop("Orgc"), whole=True, doors=REQUESTS
    ),
    "the right organisation": Case(None, {"orgs": "CREATOR"}),
    "warninglist": Case(Reason.WARNINGLIST, {"warninglists": lists.OFFICE[0]}),
    "warninglist that is not named": Case(None, {"warninglists": "Another list"}),
    "no warninglist is named": Case(None, {"warninglists": "none"}),
    "unpublished": Case(
        Reason.UNPUBLISHED, change=lambda s: s.misp.unpublish(s.event), whole=True, doors=("export", "file", "reading")
    ),
    # A workflow on an attribute: the whole event, which counts as published, would have both lists.
    "unpublished, on a single attribute": Case(
        Reason.UNPUBLISHED, strip=lambda e: e.pop("Object"), whole=True, doors=("action",)
    ),
    "published not said": Case(
        Reason.UNPUBLISHED, strip=lambda e: e.pop("published"), whole=True, doors=("export", "file")
    ),
    "nothing closed": Case(None),
}


def _scenes() -> Iterator[Scene]:
    misp = Misp(lambda: int(time.time()))
    org, partner = misp.add_org("Ours"), misp.add_org("Partner")
    user = misp.add_user(KEY, org)
    group = misp.add_group(org, partner)
    event = misp.add_event(org, distribution=1)
    subject = misp.add_attribute(event, "domain", SUBJECT)
    other = misp.add_attribute(event, "ip-dst", OTHER)
    misp.tag(other, "vetted")
    with MispServer(misp) as server:
        yield Scene(misp, server, org, user, group, event, subject, other)


@pytest.fixture
def scene() -> Iterator[Scene]:
    """A MISP of its own for each test, since tests change it."""
    yield from _scenes()


@pytest.fixture(autouse=True)
def _configured_by_variable(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the service and the commands find it. When the drain has its rounds is for the tests to say."""
    monkeypatch.setenv("RH_ISAC_CONF", str(world.config))
    monkeypatch.setattr(embedded, "ensure", lambda: None)


Report = dict[str, Any]


def _export(scene: Scene, strip: Strip | None, _: Path) -> Report:
    body = export_request(scene.misp, scene.event, scene.user)
    return _request("export", body, body["data"][0]["Event"], strip)


def _action(scene: Scene, strip: Strip | None, _: Path) -> Report:
    body = action_request(scene.misp, scene.event)
    return _request("action", body, body["data"]["Event"], strip)


def _request(door: str, body: dict[str, Any], event: dict[str, Any], strip: Strip | None) -> Report:
    """What a module makes of a request, but for the words in which it answers."""
    if strip is not None:
        strip(event)
    kept: list[Account] = []
    answer(door, json.dumps(body), read_export if door == "export" else read_action, kept.append)
    report: Report = json.loads(to_json(kept[0]))
    return report


def _file(scene: Scene, strip: Strip | None, folder: Path) -> Report:
    event = core_event(scene.misp, scene.event, scene.user)
    if strip is not None:
        strip(event)
    path = folder / "event.json"
    path.write_text(json.dumps({"Event": event}))
    return _push(str(path))


def _reading(scene: Scene, _: Strip | None, __: Path) -> Report:
    return _push(scene.event)


def _push(source: str) -> Report:
    done = CliRunner().invoke(app, ["push", source, "--json"])
    report: Report = json.loads(done.stdout)
    return report


BY_DOOR: Mapping[str, Callable[[Scene, Strip | None, Path], Report]] = {
    "export": _export,
    "action": _action,
    "file": _file,
    "reading": _reading,
}


def _index(world: World) -> None:
    """An index with the subject in a list."""
    path = load(world.config).warninglist_index
    name, match, types, _ = lists.OFFICE
    lists.index(path, (name, match, types, (SUBJECT,)))


def _reasons(report: Report, destination: int = 0) -> dict[str, str | None]:
    """Why attributes do not go; a workflow waits three seconds at most, so what goes may still be pending."""
    items = report["destinations"][destination]["items"]
    return {item["value"]: item["reason"] if item["outcome"] != "pending" else None for item in items}


@pytest.mark.parametrize("name", list(CASES))
def test_every_door_gives_the_same_reason(name: str, world: World, scene: Scene, tmp_path: Path) -> None:
    """And sends neither then, nor when the drain reads the event again, what a gate refuses."""
    case = CASES[name]
    names = {"GROUP": scene.group.uuid, "CREATOR": scene.org.uuid}
    selection = {key: names.get(value, value) for key, value in case.selection.items()}
    case.change(scene)
    refused = None if case.reason is None else case.reason.code
    for door in case.doors:
        if case.reason is not Reason.UNPUBLISHED:
            scene.misp.publish(scene.event)
        world.emulator.reset()
        world.configure(selection, (SENTINEL,), misp={"url": scene.server.url, "key": KEY})
        if "warninglist" in name:
            _index(world)
        report = BY_DOOR[door](scene, case.strip, tmp_path)
        assert _reasons(report) == {SUBJECT: refused, OTHER: refused if case.whole else None}, door
        goes = {SUBJECT} if refused is None else set[str]()
        goes |= {OTHER} if refused is None or not case.whole else set()
        assert _sent(world) <= goes, door
        if case.strip is None:
            _drain(world)
            assert _sent(world) == goes, f"drain after {door}"


def _drain(world: World) -> None:
    Rounds("test", "worker", QUICK).go(load(world.config), wait=True)


def _sent(world: World) -> set[str]:
    return {value for value in (SUBJECT, OTHER) if any(f"'{value}'" in pattern for pattern in world.patterns())}


@pytest.mark.parametrize("door", DOORS)
def test_each_destination_has_gates_of_its_own(door: str, world: World, scene: Scene, tmp_path: Path) -> None:
    """What one refuses goes to the other, from one request."""
    scene.misp.tag(scene.subject, "tlp:amber")
    scene.misp.tag(scene.other, "tlp:green")
    scene.misp.publish(scene.event)
    world.configure(None, (SENTINEL, DEFENDER), misp={"url": scene.server.url, "key": KEY})
    text = world.config.read_text()
    world.config.write_text(text.replace(f"[{DEFENDER}]", f"[{DEFENDER}]\nmaxTlp = green"))
    report = BY_DOOR[door](scene, None, tmp_path)
    assert _reasons(report, 0) == {SUBJECT: None, OTHER: None}
    assert _reasons(report, 1) == {SUBJECT: "tlp", OTHER: None}
    _drain(world)
    assert (_sent(world), world.defender()) == ({SUBJECT, OTHER}, [OTHER])


@pytest.mark.parametrize("door", DOORS)
def test_a_hit_that_refuses_nothing_is_a_note(door: str, world: World, scene: Scene, tmp_path: Path) -> None:
    """In every door, at the attribute; and without an index each report says so once."""
    scene.misp.publish(scene.event)
    world.configure({"warninglists": "Another list"}, (SENTINEL,), misp={"url": scene.server.url, "key": KEY})
    warned = [w for w in BY_DOOR[door](scene, None, tmp_path)["warnings"] if "index of warninglists" in w]
    assert len(warned) == 1
    _index(world)
    report = BY_DOOR[door](scene, None, tmp_path)
    notes = {item["value"]: item["notes"] for item in report["destinations"][0]["items"]}
    told = f"It is on warninglists that [selection] lets pass: {lists.OFFICE[0]}."
    assert notes == {SUBJECT: [told], OTHER: []}
    assert not [w for w in report["warnings"] if "index of warninglists" in w]


def test_a_list_of_misps_own_refuses_what_our_reading_saw_on_it(world: World, scene: Scene, tmp_path: Path) -> None:
    """MISP tells its hits to our reading alone; the other doors keep to that."""
    scene.misp.publish(scene.event)
    world.configure({"warninglists": "Our own servers"}, (SENTINEL,), misp={"url": scene.server.url, "key": KEY})
    _index(world)
    assert _reasons(_reading(scene, None, tmp_path))[SUBJECT] is None
    _drain(world)
    scene.misp.edit(scene.subject, warnings=("Our own servers",))
    scene.misp.publish(scene.event)
    _reading(scene, None, tmp_path)
    _drain(world)
    assert _sent(world) == {OTHER}
    for door in REQUESTS:
        assert _reasons(BY_DOOR[door](scene, None, tmp_path))[SUBJECT] == "warninglist", door
        assert _sent(world) == {OTHER}, door


def test_a_list_that_a_new_index_has_takes_back_what_is_read_from_then_on(world: World, scene: Scene) -> None:
    """A request that came in between adds nothing and takes nothing away."""
    scene.misp.publish(scene.event)
    world.configure({"warninglists": lists.OFFICE[0]}, (SENTINEL,), misp={"url": scene.server.url, "key": KEY})
    lists.index(load(world.config).warninglist_index, lists.RESOLVERS)
    assert _reasons(_action(scene, None, world.config.parent))[SUBJECT] is None
    _drain(world)
    assert _sent(world) == {SUBJECT, OTHER}
    _index(world)
    _action(scene, None, world.config.parent)
    assert _sent(world) == {SUBJECT, OTHER}
    _drain(world)
    assert _sent(world) == {OTHER}
