"""An event that is kept on disk while it is read: whatever goes wrong at any page, it is never a wrong complete one."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any

import pytest

from misp_modules_ext.errors import MispError
from misp_modules_ext.misp.client import MispClient
from misp_modules_ext.misp.large import LargeEvent, LargePages
from misp_modules_ext.misp.pages import Pages
from misp_modules_ext.misp.spool import Spool
from misp_modules_ext.model.misp import Attribute, Event
from tests.support.misp_server import Fault, MispServer
from tests.support.misp_world import Org, User, World

from .conftest import KEY, Clock, Connect, settings

ATTRIBUTES = "attributes/restSearch"
MOST = 2
SIZES = (1, 2, 3, 100)
ROWS = ("shown", "asked", "hidden")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is larger than three attributes goes to disk."""
    monkeypatch.setattr("misp_modules_ext.misp.client.MOST_AT_ONCE", 3)


def _all_of(read: Event | LargeEvent, most: int = MOST) -> Event:
    """The event with all its attributes; what lies on disk is removed."""
    if isinstance(read, Event):
        return read
    with read:
        slices = list(read.slices(most))
        assert all(0 < len(part.attributes) <= most for part in slices)
        shown = tuple(attribute for part in slices for attribute in part.attributes)
        return replace(read.header, attributes=shown, kept_out=())


def _read(client: MispClient, event: str) -> Event:
    return _all_of(client.read_of_any_size(event))


@pytest.fixture
def mixed(world: World, ours: Org, event: str, clock: Clock) -> str:
    """The event of all tests here, with objects whose attributes lie far apart."""
    holders = [world.add_object(event, "file", comment=f"file {number}") for number in range(2)]
    for number in range(6):
        within = holders[number % 2]
        world.add_attribute(event, "sha1", f"{number:040x}", within=within, relation="sha1")
    clock.now += 60
    world.publish(event)
    return event


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("page", SIZES)
def test_what_lies_on_disk_is_what_is_kept_in_memory(
    connect: Connect, me: User, mixed: str, page: int, rows: str
) -> None:
    """Attribute by attribute, in the same order, whatever the size of pages and slices."""
    me.deleted_rows = rows  # type: ignore[assignment]
    client = connect(page=page)
    whole = client.read_event(mixed)
    assert whole.complete
    for most in SIZES:
        read = client.read_of_any_size(mixed)
        assert isinstance(read, LargeEvent)
        assert _all_of(read, most) == whole


FAULTS = {
    "error": {"status": 500},
    "truncated": {"truncate": True},
    "dropped": {"drop": True},
    "slow": {"delay": 0.6},
    "dripping": {"drip": 0.1},
    "another page": {"body": b"<html>Log in</html>"},
    "no list": {"body": b'{"response": {"Attribute": "?"}}'},
    "nothing": {"body": b'{"response": []}'},
}


def _known(read: Event, good: Event) -> list[Attribute]:
    """What of a reading the good one shows as well."""
    return [attribute for attribute in read.attributes if attribute in set(good.attributes)]


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_at_any_request(connect: Connect, server: MispServer, mixed: str, fault: dict[str, Any]) -> None:
    """It is an error, or an incomplete view, or does not matter; and the next reading shows all."""
    good = connect(page=2).read_event(mixed)
    server.requests.clear()
    assert _read(connect(page=2), mixed) == good
    requests, failed = len(server.requests), 0
    for after in range(requests):
        client = connect(page=2, timeout=0.3)
        server.faults.append(Fault(after=after, **fault))
        read = None
        with suppress(MispError):
            read = _read(client, mixed)
        failed += read is None
        assert read is None or read == good or not read.complete
        server.faults.clear()
        assert _read(client, mixed) == good
    assert requests > 15
    assert failed > (2 if b"response" in fault.get("body", b"") else requests - 5)


class _Muddled(MispServer):
    """Answers other pages than those it is asked for.

    Attributes:
        instead: the page that is given, by the one that was asked for.
        of: of `attributes` or `objects`.
    """

    instead: dict[int, int]
    of: str

    def answer(self, path: str, body: dict[str, Any], key: str) -> tuple[int, Any]:
        """As `MispServer`."""
        if f"{self.of}/restSearch" in path and "uuid" not in body:
            body = body | {"page": self.instead.get(body["page"], body["page"])}
        return super().answer(path, body, key)


@pytest.fixture
def muddled(world: World) -> Iterator[_Muddled]:
    """A server that gives wrong pages."""
    with _Muddled(world) as made:
        made.instead, made.of = {}, "attributes"
        yield made


@pytest.mark.parametrize("of", ["attributes", "objects"])
@pytest.mark.parametrize("step", [-1, 1, 2, 50], ids=["repeated", "skipped", "two skipped", "empty"])
def test_a_page_that_is_another_one(muddled: _Muddled, mixed: str, of: str, step: int) -> None:
    """A page that comes twice or not at all: the view is incomplete, and says nothing that is not so."""
    client = MispClient(settings(muddled.url, KEY), page=2)
    good = _read(client, mixed)
    assert good.complete
    muddled.of = of
    pages = 8 if of == "attributes" else 2
    for page in range(1 if step > 0 else 2, pages):
        muddled.instead = {page: page + step}
        read = _read(client, mixed)
        assert not read.complete, page
        # What of an object is read before another one is missing has fewer siblings.
        assert {a.uuid for a in read.attributes} <= {a.uuid for a in good.attributes}
        assert read.attributes != good.attributes
        muddled.instead = {}
        assert _read(client, mixed) == good


def test_the_same_page_for_ever(muddled: _Muddled, mixed: str) -> None:
    """A server that ignores `page` ends the reading, and nothing counts twice."""
    client = MispClient(settings(muddled.url, KEY), page=2)
    good = _read(client, mixed)
    for of in ("attributes", "objects"):
        muddled.of, muddled.instead = of, dict.fromkeys(range(2, 50), 1)
        read = _read(client, mixed)
        assert not read.complete
        assert len({a.uuid for a in read.attributes}) == len(read.attributes) < len(good.attributes)


class _Counting(MispServer):
    """Counts other attributes in the event's second header than in its first."""

    more = 0

    def answer(self, path: str, body: dict[str, Any], key: str) -> tuple[int, Any]:
        """As `MispServer`."""
        status, answer = super().answer(path, body, key)
        if "events/restSearch" in path:
            header = answer["response"][0]["Event"]
            header["attribute_count"] = str(int(header["attribute_count"]) + self.more)
            self.more = -self.more
        return status, answer


@pytest.mark.parametrize("by", [-1, 1])
def test_a_count_that_differs_between_the_headers(world: World, mixed: str, by: int) -> None:
    """Whichever of the two is right: all was shown that one of them counts, and still it is not complete."""
    with _Counting(world) as server:
        client = MispClient(settings(server.url, KEY), page=2)
        assert _read(client, mixed).complete
        server.requests.clear()
        for first in (by, 0):
            server.more = first
            read = client.read_of_any_size(mixed)
            server.more = 0
            assert _all_of(read).complete is (first == 0)


def _edit(world: World, event: str) -> None:
    world.edit(world.events[event].attributes[5].uuid, comment="edited")


def _delete(world: World, event: str) -> None:
    world.delete_attribute(world.events[event].attributes[0].uuid, hard=True)


def _exchange(world: World, event: str) -> None:
    """The count stays the same, and what comes behind moves to the page before."""
    _delete(world, event)
    world.add_attribute(event, "domain", "new.example")


def _move_out_of_object(world: World, event: str) -> None:
    """An attribute that was in an object is not any more."""
    attribute = next(a for a in world.events[event].attributes if a.object is not None)
    world.edit(attribute.uuid, object=None, relation=None)


@pytest.mark.parametrize("change", [_edit, _delete, _exchange, _move_out_of_object])
@pytest.mark.parametrize("published", [False, True])
def test_an_event_that_changes_between_two_pages(
    world: World, ours: Org, clock: Clock, change: Callable[[World, str], None], published: bool
) -> None:
    """Before any page, published again at once or not: incomplete, and whole when it is read again."""
    for after in range(9):
        with MispServer(world) as server:
            event = world.add_event(ours)
            holder = world.add_object(event, "file")
            for number in range(9):
                within = holder if number % 2 else None
                world.add_attribute(event, "domain", f"h{number}-{after}.example", within=within, relation="domain")
            world.publish(event)
            client = MispClient(settings(server.url, KEY), page=2)

            def edit(event: str = event) -> None:
                clock.now += published
                change(world, event)
                if published:
                    world.publish(event)

            server.faults.append(Fault("restSearch", after=after, before=edit))
            read = _read(client, event)
            # Before its first header is read, nothing has changed meanwhile.
            assert read.complete is (after == 0), after
            assert read.counts_as_published is published
            assert _read(client, event).complete
            assert _read(client, event) == client.read_event(event)


@pytest.mark.parametrize("what", ["attributes", "deleted ones", "objects"])
def test_an_event_that_outgrows_memory_while_it_is_read(
    connect: Connect, server: MispServer, world: World, ours: Org, clock: Clock, what: str
) -> None:
    """Whatever it is that MISP does not count, or that came after it has counted: it is read anew, onto disk."""
    event = world.add_event(ours)
    world.add_attribute(event, "domain", "first.example")
    world.publish(event)

    def grow() -> None:
        clock.now += 5
        for number in range(8):
            if what == "objects":
                world.add_object(event, "file")
                continue
            made = world.add_attribute(event, "domain", f"h{number}.example")
            if what == "deleted ones":
                world.delete_attribute(made)
        world.publish(event)

    client = connect(page=2)
    assert isinstance(client.read_of_any_size(event), Event)
    server.faults.append(Fault("objects/restSearch", before=grow))
    read = client.read_of_any_size(event)
    assert isinstance(read, LargeEvent)
    whole = client.read_event(event)
    assert len(whole.attributes) == (1 if what == "objects" else 9)
    assert _all_of(read) == whole
    assert whole.complete


def test_an_event_that_grows_again_while_it_is_read_onto_disk(
    connect: Connect, server: MispServer, world: World, ours: Org
) -> None:
    """Then it is incomplete, as any other."""
    event = world.add_event(ours)
    world.add_attribute(event, "domain", "first.example")

    def grow() -> None:
        for _ in range(8):
            world.add_attribute(event, "domain", f"h{uuid.uuid4()}.example")
        world.publish(event)

    server.faults += [Fault("objects/restSearch", before=grow), Fault(ATTRIBUTES, after=4, before=grow)]
    read = connect(page=2).read_of_any_size(event)
    assert isinstance(read, LargeEvent)
    assert not server.faults
    assert not _all_of(read).complete


def test_an_event_that_shrinks_while_it_is_read(
    connect: Connect, server: MispServer, world: World, ours: Org, clock: Clock
) -> None:
    """Onto disk, since it was large when it was counted; incomplete; and in memory when it is read again."""
    event = world.add_event(ours)
    for number in range(9):
        world.add_attribute(event, "domain", f"h{number}.example")
    world.publish(event)

    def shrink() -> None:
        clock.now += 5
        for attribute in list(world.events[event].attributes)[2:]:
            world.delete_attribute(attribute.uuid, hard=True)
        world.publish(event)

    client = connect(page=2)
    server.faults.append(Fault(ATTRIBUTES, before=shrink))
    read = client.read_of_any_size(event)
    assert isinstance(read, LargeEvent)
    assert not read.header.complete
    assert len(_all_of(read).attributes) == 2
    after = client.read_of_any_size(event)
    assert isinstance(after, Event)
    assert (len(after.attributes), after.complete) == (2, True)


_HEADER = {"id": "1", "uuid": str(uuid.UUID(int=1)), "info": "x", "attribute_count": "2"}


def _pages(kind: type[Pages], *more: Any) -> Any:
    """An event of a server that sends for an object's number what is none."""
    row = {"event_id": "1", "type": "domain", "distribution": "5", "deleted": False}
    seen = kind(_HEADER, *more)
    numbers = ["\ud800", "\x00", "7" * 5000]
    assert seen.add_objects([{"id": n, "uuid": str(uuid.UUID(int=9)), "name": "file"} for n in numbers]) == 3
    for place, number in enumerate([*numbers, "\udfff"], 10):
        found = row | {"uuid": str(uuid.UUID(int=place)), "object_id": number, "value": f"h{place}.example\ud800\x00"}
        seen.add_attributes([found])
    return seen


def test_numbers_of_objects_that_are_none() -> None:
    """A hostile server's text, also one that is no Unicode, is kept as in memory."""
    whole = _pages(Pages).finish(_HEADER)
    with Spool() as spool:
        assert _all_of(_pages(LargePages, spool).finish_large(_HEADER)) == whole
    assert len(whole.attributes) == 3


def test_what_was_read_is_removed_whatever_happens(connect: Connect, server: MispServer, mixed: str) -> None:
    """A reading that fails leaves nothing behind, and neither does one that is closed twice."""
    with ExitStack() as stack:
        read = connect(page=2).read_of_any_size(mixed)
        assert isinstance(read, LargeEvent)
        stack.callback(read.close)
        read.close()
        with pytest.raises(MispError, match="TMPDIR"):
            list(read.slices(1))
    server.faults.append(Fault(ATTRIBUTES, after=3, body=json.dumps({"errors": ["no"]}).encode()))
    with pytest.raises(MispError):
        connect(page=2).read_of_any_size(mixed)


def test_what_is_nested_too_deeply_is_an_error_of_misp() -> None:
    """A reader that met anything else would end, with all other events that it was to read."""
    deep: list[Any] = []
    for _ in range(2000):
        deep = [deep]
    with Spool() as spool:
        pages = LargePages({"uuid": str(uuid.uuid4()), "id": "1"}, spool)
        with pytest.raises(MispError, match="a thousand deep"):
            pages.add_attributes([{"uuid": str(uuid.uuid4()), "type": "domain", "value": "a.example", "x": deep}])
        with pytest.raises(MispError, match="a thousand deep"):
            pages.add_objects([{"id": "1", "name": "file", "SharingGroup": deep}])
