"""What an own read holds: everything the key may see, read by the same code as a request."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from misp_modules_ext.cli.sources import read_misp
from misp_modules_ext.config.settings import Settings
from misp_modules_ext.errors import EventNotFound, MispError
from misp_modules_ext.misp.requests import read_action, read_export
from misp_modules_ext.model.misp import NO_DECAY, NO_SIGHTINGS, Attribute, Decay, Event, Sharing, Sightings, Tag
from tests.support import misp_views as views
from tests.support.keys import misp_key
from tests.support.misp_server import Fault, MispServer
from tests.support.misp_world import Org, User, World

from .conftest import Clock, Connect, settings


def _by_value(event: Event) -> dict[str, Attribute]:
    return {a.value: a for a in event.attributes}


def _exported(world: World, uuid: str, user: User) -> Event:
    return read_export(json.dumps(views.export_request(world, uuid, user))).events[0]


def _as_exported(attribute: Attribute) -> Attribute:
    """An attribute as an export request would show it: without non-exportable tags, MISP's warninglists and decay.

    Where there are no sightings, the core format does not say so.
    """
    sightings = None if attribute.sightings == NO_SIGHTINGS else attribute.sightings
    tags = tuple(tag for tag in attribute.tags if tag.exportable)
    return replace(attribute, tags=tags, warninglists=None, sightings=sightings, decay=None)


def test_the_event(connect: Connect, event: str, world: World, ours: Org) -> None:
    """Its header, and that the view is complete and published."""
    read = connect().read_event(event)
    row = world.events[event]
    assert (read.uuid, read.id, read.info, read.date) == (event, str(row.id), "Loader", "2026-11-20")
    assert (read.published, read.counts_as_published, read.complete) == (True, True, True)
    assert (read.timestamp, read.publish_timestamp) == (row.timestamp, row.publish_timestamp)
    assert (read.threat_level, read.creator_uuid, read.creator_name) == (1, ours.uuid, "Ours")
    assert (read.attribute_count, len(read.attributes)) == (6, 8)
    assert read.tags == (Tag("tlp:green"), Tag("triage:done", local=True))
    assert (read.problem, read.notes, read.kept_out) == ("", (), ())


@pytest.mark.parametrize("rights", [(), ("perm_sync",), ("perm_sync", "perm_site_admin")], ids="-".join)
def test_local_tags_are_there_whatever_the_role(
    connect: Connect, event: str, me: User, rights: tuple[str, ...]
) -> None:
    """MISP keeps those of events from whoever may synchronise, unless asked; a gate may hang on one."""
    me.rights = frozenset(rights)
    assert Tag("triage:done", local=True) in connect().read_event(event).tags


def test_deleted_attributes_are_there_and_say_so(connect: Connect, event: str) -> None:
    """One that was deleted itself, and one with its object."""
    read = _by_value(connect().read_event(event))
    assert {value for value, a in read.items() if a.deleted} == {"http://gone.example/a", "old.example"}
    holder = read["old.example"].object
    assert holder is not None
    assert (holder.name, holder.deleted) == ("domain-ip", True)


def test_all_tags_are_there_and_flagged(connect: Connect, event: str) -> None:
    """Pages do not say whether a tag is exportable; the client finds out."""
    read = _by_value(connect().read_event(event))
    assert read["c2.evil.example"].tags == (
        Tag("tlp:amber"),
        Tag("microsoft:push", local=True),
        Tag("internal:case-7", exportable=False),
    )


def test_sharing_groups_are_named_and_warninglists_told(connect: Connect, event: str, world: World) -> None:
    """A page holds only the group's number; MISP looks up warninglists for attributes with to_ids alone."""
    read = _by_value(connect().read_event(event))
    group = world.groups[0].uuid
    assert read["198.51.100.7"].sharing == Sharing(4, group)
    assert read["a.dll"].object is not None
    assert read["a.dll"].object.sharing == Sharing(4, group)
    lists = {value: a.warninglists for value, a in read.items()}
    assert (lists["198.51.100.7"], lists["c2.evil.example"], lists["a note"]) == (("List of IPs",), (), None)


@pytest.mark.parametrize("page", [1, 2, 3, 2000])
def test_an_own_read_is_what_the_export_of_the_same_event_holds(
    connect: Connect, event: str, world: World, me: User, page: int
) -> None:
    """In the same order, with object context and siblings, however pages fall, but for what an export leaves out."""
    read = connect(page=page).read_event(event)
    exported = _exported(world, event, me)
    assert read.complete
    assert [_as_exported(a) for a in read.attributes if not a.deleted] == list(exported.attributes)
    assert replace(read, attributes=()) == replace(exported, attributes=(), counts_as_published=True)


def test_a_workflow_on_publish_sees_the_same(connect: Connect, event: str, world: World) -> None:
    """SYSTEM's view, sent while `published` is still off."""
    world.unpublish(event)
    sent = read_action(json.dumps(views.action_request(world, event))).events[0]
    world.publish(event)
    read = connect().read_event(event)
    assert (sent.complete, sent.counts_as_published, sent.published) == (True, True, False)
    assert [_as_exported(a) for a in read.attributes if not a.deleted] == list(sent.attributes)


def test_siblings_are_told_across_pages(connect: Connect, world: World, ours: Org) -> None:
    """An object of 30 attributes in pages of seven: the first twenty, in their order, as in one piece."""
    uuid = world.add_event(ours)
    holder = world.add_object(uuid, "file")
    for number in range(30):
        world.add_attribute(uuid, "md5", f"{number:032x}", within=holder, relation="md5")
    read = connect(page=7).read_event(uuid)
    contexts = {a.object for a in read.attributes}
    assert len(contexts) == 1
    (context,) = contexts
    assert context is not None
    assert context.siblings == tuple(("md5", f"{number:032x}") for number in range(20))


@pytest.mark.parametrize(
    ("way", "deleted"), [("shown", 2), ("asked", 2), ("hidden", 0)], ids=["2.5.1", "2026 without perm_sync", "never"]
)
def test_deleted_rows_by_right(connect: Connect, event: str, me: User, way: Any, deleted: int) -> None:
    """However MISP shows them; a view without them is still complete."""
    me.deleted_rows = way
    read = connect(page=3).read_event(event)
    assert (read.complete, sum(a.deleted for a in read.attributes)) == (True, deleted)


def test_another_organisation_sees_a_part(connect: Connect, event: str, world: World) -> None:
    """What is for its owner or a group only is missing, and the global count says so."""
    theirs = world.add_user(misp_key("theirs"), world.add_org("Theirs"))
    world.edit(world.events[event].attributes[0].uuid, distribution=0)
    read = connect(theirs.key).read_event(event)
    assert (read.complete, read.attribute_count) == (False, 6)
    assert {a.value for a in read.attributes} == {
        "198.51.100.8|443",
        "a note",
        "http://gone.example/a",
        "old.example",
    }
    exported = _exported(world, event, theirs)
    assert [_as_exported(a) for a in read.attributes if not a.deleted] == list(exported.attributes)
    assert not exported.complete


def test_a_group_that_may_not_be_looked_at_stays_unnamed(connect: Connect, event: str, me: User) -> None:
    """MISP refuses: the attributes are there, and the gates that need the group are closed."""
    me.sees_groups = False
    read = connect().read_event(event)
    assert read.complete
    assert _by_value(read)["198.51.100.7"].sharing == Sharing(4, None)


def test_an_unpublished_event_does_not_count_as_published(connect: Connect, event: str, world: World) -> None:
    """Its own flag decides, also for a complete view."""
    world.set_to_ids(world.events[event].attributes[0].uuid, False)
    read = connect().read_event(event)
    assert (read.complete, read.published, read.counts_as_published) == (True, False, False)
    assert read.attributes[0].to_ids is False


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5])
def test_pages_of_every_fill(connect: Connect, world: World, ours: Org, count: int) -> None:
    """Empty, full and short last pages of two."""
    uuid = world.add_event(ours)
    for number in range(count):
        world.add_attribute(uuid, "domain", f"h{number}.example")
    read = connect(page=2).read_event(uuid)
    assert [a.value for a in read.attributes] == [f"h{number}.example" for number in range(count)]
    assert read.complete


def test_an_event_that_is_gone_or_not_for_us(connect: Connect, event: str, world: World) -> None:
    """MISP answers both alike, and the message says what it may be."""
    world.add_user(misp_key("theirs"), world.add_org("Theirs"))
    world.edit(event, distribution=0)
    with pytest.raises(EventNotFound, match=f"shows no event {event}.*deleted, or it is not shared"):
        connect(misp_key("theirs")).read_event(event)
    world.delete_event(event)
    client = connect()
    with pytest.raises(EventNotFound):
        client.read_event(event)


def test_one_client_reads_many_events(connect: Connect, event: str, world: World, ours: Org, clock: Clock) -> None:
    """PyMISP asks for version, user and types once, and a UUID may be in upper case."""
    other = world.add_event(ours, "Other")
    client = connect()
    assert client.read_event(event.upper()).uuid == event
    clock.now += 1
    assert client.read_event(other).info == "Other"


def test_an_ordinary_event_takes_few_requests(connect: Connect, server: MispServer, world: World, ours: Org) -> None:
    """Three to begin with; then header, objects, attributes, deleted attributes, header."""
    uuid = world.add_event(ours)
    world.add_attribute(uuid, "domain", "c2.evil.example")
    client = connect()
    client.read_event(uuid)
    begun = len(server.requests)
    client.read_event(uuid)
    assert (begun, len(server.requests) - begun) == (3 + 5, 5)


DAY = 86_400


def test_sightings_and_decay_are_read(connect: Connect, event: str, world: World, clock: Clock) -> None:
    """Of every attribute, with the parameters of its type's models: the day on which its score is too low is known."""
    seen, quiet = (a.uuid for a in world.events[event].attributes[:2])
    world.add_model("NIDS", "domain", lifetime=120, decay_speed=2, threshold=30)
    world.sight(seen, date=clock.now - 5)
    world.sight(seen, 1)
    world.sight(seen, 2, date=clock.now + DAY)
    world.sight(seen, source="misp-microsoft: Sentinel")
    world.sight(quiet, 1)
    read = _by_value(connect(page=3).read_event(event))
    told = read["c2.evil.example"]
    assert told.sightings == Sightings(1, 1, clock.now + DAY, clock.now - 5)
    assert told.decay == Decay(int(46.875 * DAY), "NIDS")
    assert (read["198.51.100.7"].sightings, read["198.51.100.7"].decay) == (Sightings(0, 1), NO_DECAY)
    assert (read["a.dll"].sightings, read["a.dll"].decay) == (NO_SIGHTINGS, NO_DECAY)


def test_the_events_tags_beside_scores_are_not_the_attributes(connect: Connect, event: str, world: World) -> None:
    """MISP shows them with decay scores, marked as inherited."""
    plain = _by_value(connect().read_event(event))
    world.add_model("NIDS", "domain", "text")
    read = _by_value(connect().read_event(event))
    assert {value: a.tags for value, a in read.items()} == {value: a.tags for value, a in plain.items()}


@pytest.mark.parametrize("page", [3, 2000])
def test_a_misp_that_knows_neither_is_read_all_the_same(connect: Connect, event: str, world: World, page: int) -> None:
    """An old one ignores what it does not know, and so says nothing of it."""
    world.scores = False
    read = connect(page=page).read_event(event)
    assert read.complete
    assert {(a.sightings, a.decay) for a in read.attributes} == {(None, None)}


@pytest.mark.parametrize(
    ("failed", "said"), [(1, (NO_SIGHTINGS, None)), (2, (None, None)), (3, (NO_SIGHTINGS, NO_DECAY))]
)
def test_a_reading_that_failed_asks_for_less(
    connect: Connect, server: MispServer, event: str, failed: int, said: tuple[Any, Any]
) -> None:
    """In 2.5.1 a score fails where sightings are for reporters only, or where a formula is missing."""
    read = connect(page=3).read_event(event, failed=failed)
    assert (read.complete, len(read.attributes)) == (True, 8)
    assert {(a.sightings, a.decay) for a in read.attributes} == {said}


@pytest.mark.parametrize("fault", [Fault(status=500), Fault(status=404), Fault(drop=True)], ids=["500", "404", "drop"])
def test_scores_that_fail_are_told_from_a_misp_that_is_away(
    connect: Connect, server: MispServer, event: str, fault: Fault
) -> None:
    """Less is asked at once where that may help, and only there."""
    client = connect()
    server.faults = [replace(fault, path="attributes/restSearch", asking="includeDecayScore")]
    assert client.read_event_at_once(event).complete
    assert server.faults == []
    for path, failures in (("events/restSearch", 1), ("attributes/restSearch", 3)):
        server.faults = [replace(fault, path=path) for _ in range(failures)]
        with pytest.raises(MispError):
            client.read_event_at_once(event)
        assert server.faults == []


def test_a_persons_push_reads_without_scores_where_they_fail(server: MispServer, event: str, tmp_path: Path) -> None:
    """At once, and no more often than there is less to ask for."""
    config = Settings(path=tmp_path, misp=settings(server.url))
    server.faults = [Fault(path="attributes/restSearch", status=500, asking="includeDecayScore")]
    found = read_misp(config, config.misp, [event])
    assert ([e.complete for e in found.events], found.unread, found.codes) == ([True], [], set())
    server.faults = [Fault(path="attributes/restSearch", status=500)] * 3
    assert read_misp(config, config.misp, [event]).codes == {5}
    assert server.faults == []
