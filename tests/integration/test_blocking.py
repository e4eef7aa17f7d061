"""Actions at Defender, against the emulator over TLS: what is there, by which requests, and through which door."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from misp_modules_ext.config import load
from misp_modules_ext.config.settings import Settings
from misp_modules_ext.delivery.acting import places
from misp_modules_ext.delivery.comparing import compare
from misp_modules_ext.delivery.drain import drain
from misp_modules_ext.delivery.reconcile import Wanted, settle
from misp_modules_ext.delivery.revisit import up_to_date
from misp_modules_ext.delivery.sender import Policy
from misp_modules_ext.delivery.submit import Order, submit
from misp_modules_ext.demo.service import Service
from misp_modules_ext.destinations.defender import Defender
from misp_modules_ext.ledger import Origin, again, open_ledger
from misp_modules_ext.misp.files import read_events
from misp_modules_ext.model.account import Item
from misp_modules_ext.model.indicator import Action, Kind
from misp_modules_ext.model.misp import Event
from misp_modules_ext.model.outcome import Outcome, Reason
from tests.support import lists
from tests.support.build import NOW, attribute, due, event
from tests.support.keys import misp_key
from tests.support.misp_server import MispServer
from tests.support.misp_views import action_request, core_event, export_request
from tests.support.misp_world import World as Misp
from tests.support.world import TENANT, World

QUICK = Policy(attempts=2, first_wait=0.05, longest_wait=1.0, request_timeout=10.0)
DEFENDER = "microsoft defender"
ORG = "aaaaaaaa-0000-4000-8000-000000000001"
KEYS = {"blockTags": "block", "warnTags": "warn", "allowTags": "allow", "blockOrgs": ORG}
MISP = {"url": "https://misp.example", "key": misp_key()}
NAME = "c2.evil.example"


def _configure(world: World, *, wipe: bool = True, **keys: str) -> Settings:
    return _with_index(load(world.configure(only=(DEFENDER,), wipe=wipe, misp=MISP, **keys)))


def _with_index(settings: Settings) -> Settings:
    """With warninglists to look values up in; none of them holds ours."""
    if not settings.warninglist_index.exists():
        lists.index(settings.warninglist_index, lists.TOP)
    return settings


def _event(*tags: str, **fields: Any) -> Event:
    one = attribute("domain", NAME, tags=tags, warninglists=(), timestamp=NOW - 86_400)
    return event(one, **{"creator_uuid": ORG, "timestamp": NOW, "complete": True} | fields)


def _push(settings: Settings, shown: Event, *, own: bool = True, **order: Any) -> Item:
    origin = Origin.OWN_READING if own else Origin.REQUEST
    account = submit([shown], settings, Order("cli", origin=origin, **order), QUICK)
    (destination,) = account.destinations
    (item,) = destination.items
    return item


def _there(world: World) -> list[tuple[str, str]]:
    """Value and action of what Defender holds."""
    held = world.emulator.state()["defender"].get(TENANT, [])
    return sorted((entry["indicatorValue"], entry["action"]) for entry in held)


def _writes(world: World) -> list[str]:
    """The requests that changed something, oldest first."""
    return [request["path"].rpartition("/")[2] for request in world.uploads()]


def test_a_block_arrives_and_is_told(world: World) -> None:
    """The report says it at the observable; the same once more sends no request at all."""
    settings = _configure(world, **KEYS)
    item = _push(settings, _event("block"))
    assert item.outcome is Outcome.ACCEPTED
    assert [(part.action, part.action_note) for part in item.observables] == [("Block", "")]
    assert _there(world) == [(NAME, "Block")]
    before = len(world.emulator.requests())
    for own in (True, False, True):
        item = _push(settings, _event("block"), own=own)
        assert item.outcome is Outcome.UNCHANGED
        assert [(part.action, part.action_note) for part in item.observables] == [("Block", "")]
    assert len(world.emulator.requests()) == before


@pytest.mark.parametrize("listed", [False, True])
def test_without_a_good_verdict_of_the_index_nothing_blocks(world: World, listed: bool) -> None:
    """No index is none; and any list counts, whichever `warninglists` names."""
    settings = load(world.configure(only=(DEFENDER,), misp=MISP, **KEYS))
    if listed:
        name, match, types, _ = lists.TOP
        lists.index(settings.warninglist_index, (name, match, types, ("evil.example",)))
    (part,) = _push(settings, _event("block")).observables
    assert (f"on a warninglist: {lists.TOP[0]}" if listed else "nobody has looked for it") in part.action_note
    assert _there(world) == [(NAME, "Audit")]


def test_without_an_index_a_destination_that_blocks_warns_whatever_its_gates(world: World) -> None:
    """Its `warninglists = none` is about what goes, not about what is blocked."""
    settings = load(world.configure(only=(DEFENDER,), misp=MISP, warninglists="none", **KEYS))
    account = submit([_event("block")], settings, Order("cli"), QUICK)
    assert [w for w in account.warnings if f"nothing new is blocked by [{DEFENDER}]" in w]
    _with_index(settings)
    account = submit([_event("block")], settings, Order("cli"), QUICK)
    assert not [w for w in account.warnings if "index of warninglists" in w]


def test_what_a_request_asks_for_alerts_and_says_why(world: World) -> None:
    """Until our own reading."""
    settings = _configure(world, **KEYS)
    (part,) = _push(settings, _event("block"), own=False).observables
    assert part.action == ""
    assert part.action_note.startswith("Would be Block, is Audit: what a request or a file says never decides it")
    assert _there(world) == [(NAME, "Audit")]


@pytest.mark.parametrize(("first", "second"), [("", "block"), ("block", ""), ("warn", "block"), ("block", "allow")])
def test_another_action_replaces_the_entry(world: World, first: str, second: str) -> None:
    """Imported first, then the old one is deleted by its id: never both for long, and never neither."""
    actions = {"": "Audit", "block": "Block", "warn": "Warn", "allow": "Allowed"}
    settings = _configure(world, **KEYS)
    _push(settings, _event(*filter(None, [first])))
    assert _there(world) == [(NAME, actions[first])]
    before = len(_writes(world))
    item = _push(settings, _event(*filter(None, [second]), timestamp=NOW + 1))
    assert item.outcome is Outcome.ACCEPTED
    assert _there(world) == [(NAME, actions[second])]
    assert _writes(world)[before:] == ["import", "BatchDelete"]
    assert _push(settings, _event(*filter(None, [second]), timestamp=NOW + 1)).outcome is Outcome.UNCHANGED


def test_what_changes_beside_the_action_stays_one_entry(world: World) -> None:
    """An import changes the entry of the same value and action: nothing has to be deleted."""
    settings = _configure(world, **KEYS)
    _push(settings, _event("block"))
    before = len(_writes(world))
    assert _push(settings, _event("block", info="Another title", timestamp=NOW + 1)).outcome is Outcome.ACCEPTED
    assert _writes(world)[before:] == ["import"]
    assert _there(world) == [(NAME, "Block")]


@pytest.mark.parametrize("then", ["block", "", "gone"])
def test_a_crash_between_import_and_deletion_heals(world: World, then: str) -> None:
    """The row stays due; whatever MISP says by then, one entry is left, or none."""
    settings = _configure(world, **KEYS)
    _push(settings, _event())
    world.emulator.fault(api="defender", path="BatchDelete", status=500)
    item = _push(settings, _event("block", timestamp=NOW + 1))
    assert item.outcome is Outcome.PENDING
    assert _there(world) == [(NAME, "Audit"), (NAME, "Block")]
    world.emulator.clear_faults()
    if then == "gone":
        shown = replace(_event(timestamp=NOW + 2), attributes=())
        submit([shown], settings, Order("cli", origin=Origin.OWN_READING), QUICK)
    else:
        _push(settings, _event(*filter(None, [then]), timestamp=NOW + 2))
    _drain(settings)
    assert _there(world) == {"block": [(NAME, "Block")], "": [(NAME, "Audit")], "gone": []}[then]


@pytest.mark.parametrize("status", [429, 400, 403])
@pytest.mark.parametrize(("first", "then"), [("block", ""), ("", "block"), ("", "")])
def test_a_refused_deletion_after_the_import_leaves_no_second_entry(
    world: World, status: int, first: str, then: str
) -> None:
    """The import was taken, so the request is in doubt: neither the new entry nor the old one is orphaned."""
    settings = _configure(world, **KEYS)
    _push(settings, _event(*filter(None, [first])))
    other = "" if first else "block"
    world.emulator.fault(api="defender", path="BatchDelete", status=status)
    assert _push(settings, _event(*filter(None, [other]), timestamp=NOW + 1)).outcome is Outcome.PENDING
    assert _there(world) == [(NAME, "Audit"), (NAME, "Block")]
    world.emulator.clear_faults()
    _push(settings, _event(*filter(None, [then]), timestamp=NOW + 2))
    _drain(settings)
    assert _there(world) == [(NAME, "Block" if then else "Audit")]


def _drain(settings: Settings) -> None:
    for place in places(settings, ()):
        ledger, store = place.ledger, place.store
        ledger.write(lambda c: again.make_due(c, store, None))  # noqa: B023 - called at once
        drain(place, patient=False)


def test_blocking_that_is_switched_off_leaves_no_block(world: World) -> None:
    """The destination does not block any more, but what it had sent is looked at once more."""
    settings = _configure(world, **KEYS)
    _push(settings, _event("block"))
    settings = _configure(world, wipe=False)
    before = len(_writes(world))
    assert _push(settings, _event("block")).outcome is Outcome.ACCEPTED
    assert _there(world) == [(NAME, "Audit")]
    assert _writes(world)[before:] == ["import", "BatchDelete"]


def test_the_entry_of_someone_else_with_that_action_is_left_alone(world: World) -> None:
    """An import would change theirs; ours, which says something else by now, does not stay beside it."""
    settings = _configure(world, **KEYS)
    _push(settings, _event("block"))
    theirs = _someone_puts(world, settings, "Audit")
    item = _push(settings, _event(timestamp=NOW + 1))
    assert (item.outcome, item.reason) == (Outcome.SKIPPED, Reason.ALREADY_THERE)
    assert "Another tool has put this value into Defender" in item.message
    assert _there(world) == [(NAME, "Audit")]
    (left,) = world.emulator.state()["defender"][TENANT]
    assert left["title"] == theirs


def test_an_earlier_report_tells_what_our_own_reading_made_of_it(world: World) -> None:
    """When the request was answered it only alerted."""
    settings = _configure(world, **KEYS)
    account = submit([_event("block")], settings, Order("cli"), QUICK)
    _push(settings, _event("block"))
    now = up_to_date(open_ledger(settings.ledger.url.get_secret_value()), account, settings.destinations)
    told = [
        (part.action, bool(part.action_note))
        for record in (account, now)
        for part in record.destinations[0].items[0].observables
    ]
    assert told == [("", True), ("Block", False)]


@pytest.mark.parametrize(("first", "then"), [("", "block"), ("block", "")])
def test_an_action_that_is_not_there_yet_is_not_called_in_force(world: World, first: str, then: str) -> None:
    """Neither by the account of the push nor by a later look at an earlier one."""
    settings = _configure(world, **KEYS)
    before = submit([_event(*filter(None, [first]))], settings, Order("cli", origin=Origin.OWN_READING), QUICK)
    world.emulator.fault(api="defender", path="import", status=503)
    (part,) = _push(settings, _event(*filter(None, [then]), timestamp=NOW + 1)).observables
    assert part.outcome is Outcome.PENDING
    assert (part.action, part.action_note) == ("", "Block is asked for and not there yet." if then else "")
    ledger = open_ledger(settings.ledger.url.get_secret_value())
    now = up_to_date(ledger, before, settings.destinations)
    (part,) = now.destinations[0].items[0].observables
    told = "Block" if then else "Audit"
    assert (part.action, part.action_note) == ("", f"{told} is asked for and not there yet.")


def _someone_puts(world: World, settings: Settings, action: str) -> str:
    """An entry of another application in the same tenant."""
    (ours,) = settings.destinations
    other = ours.model_copy(update={"app_id": str(uuid.uuid4()), "source_system": "Another tool"})
    title = "Not ours"
    made = due(Kind.DOMAIN_NAME, NAME, title=title, action=Action(action), valid_until=int(time.time()) + 86_400)
    (result,) = Defender(other).send([made], 10.0)
    assert result.outcome is Outcome.ACCEPTED
    return title


@pytest.mark.parametrize(("first", "then"), [("block", "block"), ("", "block"), ("warn", "block")])
def test_a_refused_indicator_stays_as_it_was(world: World, first: str, then: str) -> None:
    """Its own fault is no reason to delete what is there, as long as that does no more than it would."""
    settings = _configure(world, **KEYS)
    _push(settings, _event(*filter(None, [first])))
    before = _there(world)
    world.emulator.fault(api="defender", path="import", itemErrors=[0], times=1)
    assert _push(settings, _event(then, info="Changed", timestamp=NOW + 1)).outcome is Outcome.REJECTED
    assert _there(world) == before


@pytest.mark.parametrize(("first", "then"), [("block", ""), ("block", "warn"), ("block", "allow"), ("allow", "")])
def test_what_is_refused_keeps_no_block_alive(world: World, first: str, then: str) -> None:
    """What is there does what is not asked for any more, and nothing can replace it: it goes, and the ledger knows."""
    settings = _configure(world, **KEYS)
    _push(settings, _event(first))
    world.emulator.fault(api="defender", path="import", itemErrors=[0], times=1)
    changed = _event(*filter(None, [then]), info="Changed", timestamp=NOW + 1)
    assert _push(settings, changed).outcome is Outcome.REJECTED
    assert _there(world) == []
    assert _push(settings, _event(first, timestamp=NOW + 2)).outcome is Outcome.ACCEPTED
    assert len(_there(world)) == 1


def test_what_was_deleted_for_someone_elses_entry_is_not_there_any_more(world: World) -> None:
    """For the ledger neither: it does not call it unchanged, and reconciling blames nobody."""
    settings = _configure(world, **KEYS)
    _push(settings, _event("block"))
    _someone_puts(world, settings, "Audit")
    assert _push(settings, _event(timestamp=NOW + 1)).reason is Reason.ALREADY_THERE
    (place,) = places(settings, ())
    assert compare(place, 0).findings == []
    assert _push(settings, _event("block", timestamp=NOW + 2)).reason is Reason.ALREADY_THERE
    assert _there(world) == [(NAME, "Audit")]


def test_a_block_is_withdrawn_like_everything_else(world: World) -> None:
    """By its id."""
    settings = _configure(world, **KEYS)
    _push(settings, _event("block"))
    assert _push(settings, _off()).outcome is Outcome.WITHDRAWN
    assert _there(world) == []


def _off() -> Event:
    shown = _event("block", timestamp=NOW + 1)
    (one,) = shown.attributes
    return replace(shown, attributes=(replace(one, to_ids=False),))


@pytest.mark.parametrize(("there", "comes"), [("block", ""), ("", "block")])
def test_blocking_ones_keep_or_get_the_last_slot(world: World, there: str, comes: str) -> None:
    """Whatever the severity: a newcomer never evicts one that blocks, and one that blocks evicts what only alerts."""
    levels = {"block": 3, "": 1}
    settings = _configure(world, maxIndicators="1", **KEYS)
    _push(settings, _event(*filter(None, [there]), threat_level=levels[there]))
    newcomer = attribute("domain", "new.evil.example", tags=tuple(filter(None, [comes])), warninglists=())
    second = replace(_event(threat_level=levels[comes]), uuid=str(uuid.uuid4()), attributes=(newcomer,))
    item = _push(settings, second)
    if comes:
        assert item.outcome is Outcome.ACCEPTED
        assert _there(world) == [("new.evil.example", "Block")]
    else:
        assert (item.outcome, item.reason) == (Outcome.SKIPPED, Reason.CAPACITY)
        assert _there(world) == [(NAME, "Block")]


def test_graph_changes_an_action_by_a_new_indicator(world: World) -> None:
    """For Defender an update cannot change it; for Sentinel it does."""
    for product, writes in (
        ("Microsoft Defender", ["deleteTiIndicators", "submitTiIndicators"]),
        ("Azure Sentinel", ["updateTiIndicators"]),
    ):
        world.emulator.reset()
        keys = KEYS | {"product": product, "api": "graph"}
        settings = _with_index(load(world.configure(only=("microsoft graph",), misp=MISP, **keys)))
        _push(settings, _event("block"))
        assert [entity["action"] for entity in world.graph()] == ["block"]
        before = len(_writes(world))
        assert _push(settings, _event(timestamp=NOW + 1)).outcome is Outcome.ACCEPTED
        assert [entity["action"] for entity in world.graph()] == ["alert"]
        assert _writes(world)[before:] == writes


def test_a_preview_shows_the_action_and_sends_nothing(world: World) -> None:
    """How an engineer tries it before switching it on."""
    settings = _configure(world, **KEYS)
    _push(settings, _event())
    before = _writes(world)
    (part,) = _push(settings, _event("block", timestamp=NOW + 1), preview=True).observables
    assert (part.change, part.action) == ("update", "Block")
    assert [(d.field, d.before, d.after) for d in part.differences if d.field == "action"] == [
        ("action", "Audit", "Block")
    ]
    assert _writes(world) == before
    assert _there(world) == [(NAME, "Audit")]


@pytest.mark.parametrize("keys", [{}, KEYS | {"neverBlock": "evil.example"}, KEYS | {"blockOrgs": "none"}])
def test_a_changed_rule_is_carried_out_by_reconcile(world: World, keys: dict[str, str]) -> None:
    """At once, and without reading MISP: switched off, or the value never to be blocked, or the creator not trusted."""
    settings = _configure(world, **KEYS)
    _push(settings, _event("block"))
    settings = _configure(world, wipe=False, **keys)
    _reconcile(settings, Wanted())
    assert _there(world) == [(NAME, "Block")]
    _reconcile(settings, Wanted(apply=True))
    assert _there(world) == [(NAME, "Audit")]


def _reconcile(settings: Settings, wanted: Wanted) -> None:
    (place,) = places(settings, ())
    settle(compare(place, 0), wanted, settings)


CERTIFICATE = "0123456789abcdef0123456789abcdef01234567"


def _certificate(*tags: str, **fields: Any) -> Event:
    one = attribute("x509-fingerprint-sha1", CERTIFICATE, tags=tags, warninglists=(), timestamp=NOW - 86_400)
    return event(one, **{"creator_uuid": ORG, "timestamp": NOW, "complete": True} | fields)


def test_a_certificate_stops_being_blocked_when_its_tag_goes(world: World) -> None:
    """Defender audits no certificates: the entry is withdrawn, which the report says."""
    settings = _configure(world, **KEYS | {"blockAndRemediateTags": "remediate"})
    assert _push(settings, _certificate("remediate")).outcome is Outcome.ACCEPTED
    assert _there(world) == [(CERTIFICATE, "BlockAndRemediate")]
    item = _push(settings, _certificate(timestamp=NOW + 1))
    assert (item.outcome, item.reason) == (Outcome.SKIPPED, Reason.KIND_NOT_HELD)
    assert item.message.endswith("What is there of it is withdrawn.")
    assert _there(world) == []


def test_a_certificate_stops_being_blocked_by_reconcile_when_a_rule_goes(world: World) -> None:
    """It is a finding although nothing can be sent in its place."""
    settings = _configure(world, **KEYS | {"blockAndRemediateTags": "remediate"})
    _push(settings, _certificate("remediate"))
    settings = _configure(world, wipe=False)
    _reconcile(settings, Wanted())
    assert _there(world) == [(CERTIFICATE, "BlockAndRemediate")]
    _reconcile(settings, Wanted(apply=True))
    assert _there(world) == []


def test_an_entry_that_is_taken_over_gets_our_action(world: World) -> None:
    """What an earlier installation had made blocks no longer beside ours."""
    settings = _configure(world)
    (ours,) = settings.destinations
    made = due(Kind.DOMAIN_NAME, NAME, action=Action.BLOCK, valid_until=int(time.time()) + 86_400)
    assert Defender(ours).send([made], 10.0)[0].outcome is Outcome.ACCEPTED
    item = _push(settings, _event())
    assert (item.outcome, item.reason) == (Outcome.SKIPPED, Reason.ALREADY_THERE)
    _reconcile(settings, Wanted(adopt=True))
    assert _there(world) == [(NAME, "Audit")]


MISP_KEY = misp_key()


@pytest.fixture
def misp() -> Iterator[tuple[Misp, MispServer, str, str]]:
    """A MISP with one published event of one domain: its UUID, and that of its creator."""
    made = Misp(lambda: int(time.time()))
    org = made.add_org("Ours")
    made.add_user(MISP_KEY, org, perm_auth=True)
    shown = made.add_event(org, distribution=1)
    made.add_attribute(shown, "domain", NAME, to_ids=True)
    made.publish(shown)
    with MispServer(made) as server:
        yield made, server, shown, org.uuid


def _soon(look: Callable[[], bool], seconds: float = 40) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if look():
            return True
        time.sleep(0.2)
    return False


def _with_tag(shown: dict[str, Any]) -> dict[str, Any]:
    """The body of a request, whose sender wrote a tag into it."""
    tag = {"name": "block", "exportable": True, "local": False}
    return shown | {"Tag": [*shown.get("Tag", ()), tag]}


def test_through_every_door_only_our_own_reading_blocks(
    served: tuple[Service, World],
    misp: tuple[Misp, MispServer, str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A body with the tag alerts, through the menu, a workflow and as a file; MISP's own tag blocks, and ends it."""
    service, world = served
    made, server, shown, org = misp
    keys = KEYS | {"blockOrgs": org, "doors": "\n    export\n    action\n    cli"}
    monkeypatch.setenv("XDG_STATE_HOME", str(world.config.parent / "state"))
    configured = world.configure(only=(DEFENDER,), misp={"url": server.url, "key": MISP_KEY}, **keys)
    settings = _with_index(load(configured))

    def read_again() -> int:
        return len(server.requests)

    def after_reading(ask: Callable[[], object]) -> None:
        before = read_again()
        ask()
        assert _soon(lambda: read_again() > before)
        time.sleep(1)

    workflow = action_request(made, shown)
    workflow["data"]["Event"] = _with_tag(workflow["data"]["Event"])
    menu = export_request(made, shown, made.users[0])
    menu["data"] = [{"Event": _with_tag(menu["data"][0]["Event"])}]
    for body in (workflow, menu):
        after_reading(lambda: service.query(body))  # noqa: B023 - called at once
        assert _there(world) == [(NAME, "Audit")]
    file = tmp_path / "event.json"
    file.write_text(json.dumps({"Event": _with_tag(core_event(made, shown, None))}))
    submit(read_events(file.read_bytes(), file.name).events, settings, Order("cli"), QUICK)
    assert _there(world) == [(NAME, "Audit")]

    made.tag(shown, "block")
    made.publish(shown)
    service.query(action_request(made, shown))
    assert _soon(lambda: _there(world) == [(NAME, "Block")])
    service.query(action_request(made, shown))
    time.sleep(2)
    assert _there(world) == [(NAME, "Block")]
    made.untag(shown, "block")
    made.publish(shown)
    service.query(action_request(made, shown))
    assert _soon(lambda: _there(world) == [(NAME, "Audit")])
