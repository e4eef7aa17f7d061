"""An event taken in parts leaves the same ledger, and the same withdrawals, as the same event taken whole."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from misp_modules_ext.config.settings import ActionRules, Selection
from misp_modules_ext.errors import MispError
from misp_modules_ext.ledger import Ledger, Origin, Parts, Store, take
from misp_modules_ext.misp.large import LargeEvent, LargePages
from misp_modules_ext.misp.pages import Pages
from misp_modules_ext.misp.spool import Spool
from misp_modules_ext.model.misp import Event
from tests.ledger.house import NARROW, WIDE, House
from tests.support import misp_views as views
from tests.support.build import destination
from tests.support.databases import KINDS, prepared
from tests.support.held import held
from tests.support.keys import misp_key
from tests.support.misp_world import Attribute, World

URL = "https://misp.example"
PICK = "microsoft:push"
SELECTION = Selection(allow_documentation_ranges=True)
FEW = destination(
    name="microsoft few", workspace_id="55555555-5555-4555-8555-555555555555", selection=SELECTION, max_per_event=3
)
BLOCKER = "77777777-7777-4777-8777-777777777777"
BLOCKS = destination(
    name="microsoft blocks",
    workspace_id="66666666-6666-4666-8666-666666666666",
    selection=Selection(allow_documentation_ranges=True, to_ids=False),
    actions=ActionRules(block_tags=frozenset({"block"}), block_orgs=frozenset({BLOCKER})),
)

#: Attributes in a part, and in a page.
MOST, PAGE = 2, 3


@dataclass(repr=False)
class Twins:
    """Two ledgers that should always hold the same."""

    whole: House
    parts: House
    numbers: Iterator[int]


@pytest.fixture(scope="module", params=KINDS)
def twins(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    """On each of the three databases."""
    with ExitStack() as stack:
        made = []
        for name in ("whole", "parts"):
            folder: Path = tmp_path_factory.mktemp(name)
            ledger = Ledger(stack.enter_context(prepared(request.param, folder)))
            stack.callback(ledger.close)
            made.append(House(ledger, (WIDE, NARROW, BLOCKS)))
        yield Twins(made[0], made[1], itertools.count(1))


class Story:
    """An event in a MISP, and what people do to it.

    Args:
        twins: where it is read into.
        number: makes its values its own.
    """

    def __init__(self, twins: Twins) -> None:
        self.twins = twins
        self.number = next(twins.numbers)
        # Later than the ledgers take it, so that expiry does not go by the second in which they do.
        self.clock = int(time.time()) + 3600
        self.misp = World(lambda: self.clock)
        # Each story another world: UUIDs are counted.
        self.misp._ids = itertools.count(self.number * 100_000)
        org = self.misp.add_org("Ours")
        org.uuid = BLOCKER
        self.user = self.misp.add_user(misp_key("parts"), org)
        self.event = self.misp.add_event(org)
        self.other = self.misp.add_event(org, "Other")
        self.shown = True

    def value(self, choice: int) -> str:
        """One of few values, so that attributes share them."""
        return f"v{choice}-{self.number}.evil.example"

    def pages(self, uuid: str, kind: type[Pages], *more: Any) -> Any:
        """What a client would read of an event."""
        event = self.misp.events[uuid]
        seen = kind(views.header(self.misp, event, True), *more)
        for rows in _paged([{"Object": views.object_row(o)} for o in views.objects(event, self.user)]):
            seen.add_objects([row["Object"] for row in rows])
        asked = {"includeAllTags": 1, "includeWarninglistHits": 1, "includeSightings": 1}
        rows = [a for a in views.attributes(event, self.user) if self.shown or not a.deleted]
        found = [views.attribute_row(self.misp, a, asked) for a in rows if a.value not in self.misp.allowed_list]
        for page in _paged(found):
            seen.learn_tags(seen.unknown_tags(page), [])
            seen.add_attributes(page)
        return seen, views.header(self.misp, event, True)

    def whole(self, uuid: str) -> Event:
        """The event as it is read into memory."""
        seen, last = self.pages(uuid, Pages)
        event: Event = seen.finish(last)
        return event

    def large(self, spool: Spool) -> LargeEvent:
        """The event as it is read onto disk."""
        seen, last = self.pages(self.event, LargePages, spool)
        large: LargeEvent = seen.finish_large(last)
        return large

    def read(self) -> None:
        """Read it into both ledgers."""
        _take(self.twins.whole, self.whole(self.event))
        with Spool() as spool:
            parts = Parts(self.large(spool), MOST)
            self.twins.parts.ledger.read(parts.begin)
            for view, part in parts.each():
                assert len(view.attributes) <= MOST
                _take(self.twins.parts, view, part)

    def read_other(self) -> None:
        """Read the other event into both ledgers."""
        for house in (self.twins.whole, self.twins.parts):
            _take(house, self.whole(self.other))

    def do(self, what: str, choice: int, value: int) -> None:
        """What people do; `choice` is of the attributes there are."""
        self.clock += 10
        if what == "read":
            self.read()
            self.compare()
        elif what == "send":
            self.send()
        elif what == "publish":
            self.misp.publish(self.event)
        elif what == "hide":
            self.misp.allowed_list ^= {self.value(value)}
        elif what == "deleted rows":
            self.shown = not self.shown
        elif what == "other":
            self.misp.add_attribute(self.other, "domain", self.value(value))
            self.misp.publish(self.other)
            self.read_other()
        else:
            self.edit(what, choice, value)

    def edit(self, what: str, choice: int, value: int) -> None:
        """Changes of the event, which is not published by them."""
        misp, event = self.misp, self.misp.events[self.event]
        if what == "add":
            within = next((o.uuid for o in event.objects if not o.deleted), None) if choice % 2 else None
            relation = "domain" if within else None
            misp.add_attribute(self.event, "domain", self.value(value), within=within, relation=relation)
        elif what == "add object":
            misp.add_object(self.event, "domain-ip")
        elif what == "tag event":
            misp.tag(self.event, ("tlp:green", "block", "tlp:amber")[value % 3])
        elif event.attributes:
            self._change(event.attributes[choice % len(event.attributes)], what, value)

    def _change(self, attribute: Attribute, what: str, value: int) -> None:
        misp, uuid, holder = self.misp, attribute.uuid, attribute.object
        changes: dict[str, Callable[[], object]] = {
            "flag": lambda: misp.set_to_ids(uuid, on=not attribute.to_ids),
            "delete": lambda: misp.delete_attribute(uuid, hard=bool(value % 2)),
            "value": lambda: misp.edit(uuid, value=self.value(value)),
            "comment": lambda: misp.edit(uuid, comment=f"comment {value}"),
            "end": lambda: misp.sight(uuid, 2, date=int(time.time()) - 60),
            "delete object": lambda: misp.delete_object(holder.uuid) if holder is not None else None,
            "tag": lambda: self._tag(uuid, ("tlp:red", PICK, "block", "tlp:green")[value % 4]),
        }
        changes[what]()

    def _tag(self, uuid: str, name: str) -> None:
        if name in self.misp.row(uuid).tags:
            self.misp.untag(uuid, name)
        else:
            self.misp.tag(uuid, name, local=name == PICK)

    def send(self) -> None:
        """Have everything accepted, and see that it is the same."""
        for store in range(len(self.twins.whole.settings)):
            whole = [(row.observable_id, row.due_hash) for row in self.twins.whole.send(store)]
            parts = [(row.observable_id, row.due_hash) for row in self.twins.parts.send(store)]
            assert sorted(parts, key=str) == sorted(whole, key=str)

    def compare(self) -> None:
        """See that both ledgers hold the same."""
        of = f"%-{self.number}.evil.example"
        parts, whole = (held(house.ledger, self.event, of) for house in (self.twins.parts, self.twins.whole))
        # A value that several attributes lose in different parts is withdrawn without saying more than the value.
        assert parts.pop("farewells").items() <= whole.pop("farewells").items()
        for what, found in whole.items():
            assert parts[what] == found, what


def _paged(rows: list[Any]) -> Iterator[list[Any]]:
    yield from (rows[start : start + PAGE] for start in range(0, len(rows), PAGE))


def _take(house: House, event: Event, part: Any = None) -> None:
    def work(connection: Connection) -> None:
        stores: list[Store] = house.stores(connection)
        asked = [store.destination_id for store in stores]
        take(connection, [event], Origin.OWN_READING, stores, URL, asked=asked, part=part)

    house.ledger.write(work)


EDITS = ("add", "add object", "flag", "delete", "value", "comment", "end", "delete object", "tag", "tag event")
STEPS = ("read", "send", "publish", "hide", "deleted rows", "other", *EDITS)
steps = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 9), st.integers(0, 7)), max_size=10)
FILLED = [("add", number, number % 6) for number in range(9)]
PUBLISHED = [("publish", 0, 0), ("read", 0, 0), ("send", 0, 0)]


#: Without shrinking: what an example leaves in the ledgers would have to be the same each time.
@settings(
    max_examples=max(3, settings.default.max_examples // 30),
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(steps=steps)
@example(steps=[])
@example(steps=[("value", 0, 5), ("value", 5, 0), ("value", 8, 1)])
@example(steps=[("delete", 0, 0), ("delete", 1, 0), ("deleted rows", 0, 0)])
@example(steps=[("delete", 0, 1), ("delete", 8, 1), ("delete", 3, 1)])
@example(steps=[("tag", 3, 1), ("comment", 1, 1), ("comment", 8, 1)])
@example(steps=[("end", 0, 0), ("end", 6, 0)])
@example(
    steps=[
        ("add object", 0, 0),
        ("add", 1, 6),
        ("add", 1, 7),
        ("add", 1, 5),
        ("add", 1, 4),
        *PUBLISHED,
        ("delete object", 9, 0),
    ]
)
@example(steps=[("tag event", 0, 1), *PUBLISHED, ("comment", 0, 1), ("read", 0, 0), ("flag", 2, 0), ("read", 0, 0)])
def test_parts_leave_what_the_whole_leaves(twins: Twins, steps: list[tuple[str, int, int]]) -> None:
    """Taken first, repeated, edited, removed, picked, unpublished, hidden in part; values shared with another event."""
    story = Story(twins)
    for what, choice, value in [*FILLED, *PUBLISHED, ("read", 0, 0), ("send", 0, 0), *steps, *PUBLISHED]:
        story.do(what, choice, value)
    story.do("read", 0, 0)
    for house in (twins.whole, twins.parts):
        assert [house.send(store) for store in range(len(house.settings))] == [[], [], []]


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [("comment", 0, 1), ("comment", 8, 1), *PUBLISHED],
        [("tag", 1, 0), *PUBLISHED],
        [("delete", 1, 1), ("delete", 7, 1), *PUBLISHED, ("comment", 0, 1), *PUBLISHED],
        [("add", 0, 6), ("add", 0, 7), ("value", 0, 7), *PUBLISHED],
    ],
    ids=["first", "comments", "too red", "gone", "more"],
)
def test_max_per_event_is_counted_over_all_parts(twins: Twins, steps: list[tuple[str, int, int]]) -> None:
    """Each value once, in the order of the event: of six the first three go, whichever part they are in."""
    few = Twins(*(House(house.ledger, (WIDE, FEW)) for house in (twins.whole, twins.parts)), twins.numbers)
    story = Story(few)
    for what, choice, value in [*FILLED, *PUBLISHED, ("read", 0, 0), *steps, ("read", 0, 0), ("send", 0, 0)]:
        story.do(what, choice, value)
    assert few.parts.holds(1) == few.whole.holds(1)
    first = {value for value in few.parts.holds(1) if f"-{story.number}." in value}
    assert {story.value(0), story.value(1), story.value(2)} <= first or steps


def _leaving(house: House, story: Story) -> set[Any]:
    """What is there and due to go."""
    rows = held(house.ledger, story.event, f"%-{story.number}.evil.example")["holdings"]
    return {key for key, (_, due, sent, *_) in rows.items() if due is None and sent is not None}


def _take_with_room(story: Story, pages: int) -> tuple[int, bool]:
    """Take it in parts, with so many pages left on the disk when it has been read; how many parts, and whether all."""
    taken = 0
    with Spool() as spool, suppress(MispError):
        spool.run("PRAGMA page_size = 512")
        large = story.large(spool)
        ((used,),) = spool.run("PRAGMA page_count")
        spool.run(f"PRAGMA max_page_count = {used + pages}")
        parts = Parts(large, MOST)
        story.twins.parts.ledger.read(parts.begin)
        for view, part in parts.each():
            _take(story.twins.parts, view, part)
            taken += 1
        return taken, True
    return taken, False


def test_a_disk_that_is_full_while_parts_are_taken(twins: Twins) -> None:
    """Whichever statement finds it full: nothing goes that stays in the end, and the next reading does all of it."""
    few = Twins(*(House(house.ledger, (WIDE, FEW)) for house in (twins.whole, twins.parts)), twins.numbers)
    story = Story(few)
    for number in range(30):
        story.edit("add", number, number)
    for what in ("publish", "read", "send"):
        story.do(what, 0, 0)
    room, enough = 0, False
    stages = set()
    while not enough:
        for what, choice in (("add", 0), ("add", 1), ("delete", 3), ("value", 5), ("flag", 7)):
            story.edit(what, choice + 2 * room, 30 + room)
        story.do("publish", 0, 0)
        _take(few.whole, story.whole(story.event))
        taken, enough = _take_with_room(story, room)
        stages.add(taken)
        assert _leaving(few.parts, story) <= _leaving(few.whole, story)
        story.do("read", 0, 0)
        story.do("send", 0, 0)
        room += 1
    assert len(stages) > 3
