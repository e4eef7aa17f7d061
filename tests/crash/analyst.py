"""Analysts at work in MISP: random changes of events, publications, and what should be at Microsoft because of them."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

from tests.support import misp_views as views
from tests.support.misp_world import Attribute, Event, World

#: MISP's types here: how Sentinel's pattern begins, and whether Defender has a place for it.
TYPES = {
    "domain": ("domain-name:value", True),
    "ip-dst": ("ipv4-addr:value", True),
    "url": ("url:value", True),
    "sha256": ("file:hashes.'SHA-256'", True),
    "email-src": ("email-addr:value", False),
}
#: So few values of each type that events share them.
VALUES = 14
#: What carries this tag must not leave.
SECRET = "tlp:red"
#: An event with more attributes only loses some.
MOST = 20


def value(type_: str, number: int) -> str:
    """The nth value of a type."""
    return {
        "domain": f"c2-{number}.evil.example",
        "ip-dst": f"198.51.100.{number + 1}",
        "url": f"https://evil.example/drop/{number}",
        "sha256": f"{number + 1:064x}",
        "email-src": f"sender{number}@evil.example",
    }[type_]


def pattern(type_: str, text: str) -> str:
    """What Sentinel's pattern for it should be."""
    return f"[{TYPES[type_][0]} = '{text}']"


@dataclass
class Model:
    """What should be at Microsoft: the rules in a few lines, without any of the program's code.

    Attributes:
        sentinel: facts that must be told, by pattern.
        defender: the same by value.
    """

    sentinel: dict[str, set[str]] = field(default_factory=dict)
    defender: dict[str, set[str]] = field(default_factory=dict)

    def add(self, told: Told) -> None:
        """Something that counts."""
        self.sentinel.setdefault(pattern(told.type, told.value), set()).add(told.comment)
        if TYPES[told.type][1]:
            self.defender.setdefault(told.value, set()).add(told.comment)


class Told(NamedTuple):
    """An attribute as it was when its event was published."""

    type: str
    value: str
    comment: str


def counts(attribute: Attribute) -> bool:
    """Whether an attribute of an event that is published now should be at Microsoft."""
    return attribute.to_ids and not attribute.deleted and SECRET not in attribute.tags


class Analysts:
    """Change a world at random, each their own events, which share values.

    Args:
        world: MISP.
        lock: held while the world changes, so that nobody reads half of a change.

    Attributes:
        changes: how often each value was touched, by API and what that knows it by.
    """

    def __init__(self, world: World, lock: threading.RLock) -> None:
        self.world = world
        self.changes: dict[tuple[str, str], int] = {}
        self._told: dict[str, dict[str, Told]] = {}
        self._lock = lock
        self._revisions = itertools.count(1)

    def create(self, events: int) -> list[str]:
        """New events; their UUIDs."""
        with self._lock:
            return [self.world.add_event(self.world.orgs[0], f"Campaign {n}") for n in range(events)]

    def work(self, uuid: str, random: Random) -> Any:
        """Change an event a little; what MISP sends to the action module when it is published then."""
        with self._lock:
            self.change(uuid, random, _CHANGES)
            return self.request(uuid)

    def change(self, uuid: str, random: Random, changes: Sequence[Change]) -> None:
        """Change an event a little, each way as often as it is in `changes`."""
        with self._lock:
            event = self.world.events[uuid]
            for _ in range(random.randint(2, 8)):
                chosen = random.choice(changes) if len(event.attributes) <= MOST else Analysts._delete
                (chosen if event.attributes else Analysts._add)(self, event, random)

    def request(self, uuid: str) -> Any:
        """What MISP sends to the action module when an event is published."""
        with self._lock:
            return views.action_request(self.world, uuid)

    def publish(self, uuid: str) -> None:
        """What MISP does once the workflow has run."""
        with self._lock:
            self.world.publish(uuid)
            event = self.world.events[uuid]
            self._told[uuid] = {a.uuid: Told(a.type, a.value, a.comment) for a in event.attributes if counts(a)}

    def export(self, uuid: str) -> Any:
        """What MISP sends when somebody presses "Download as…"."""
        with self._lock:
            return views.export_request(self.world, uuid, self.world.users[0])

    def model(self) -> Model:
        """What should be at Microsoft: what was published, without what was switched off or deleted since."""
        made = Model()
        with self._lock:
            for uuid, told in self._told.items():
                left = {a.uuid for a in self.world.events[uuid].attributes if a.to_ids and not a.deleted}
                for attribute in told.keys() & left:
                    made.add(told[attribute])
        return made

    def _add(self, event: Event, random: Random) -> None:
        type_ = random.choice(list(TYPES))
        text = value(type_, random.randrange(VALUES))
        self._touch(type_, text)
        self.world.add_attribute(event.uuid, type_, text, comment=self._fact(), to_ids=random.random() < 0.85)

    def _comment(self, event: Event, random: Random) -> None:
        attribute = random.choice(event.attributes)
        self._touch(attribute.type, attribute.value)
        self.world.edit(attribute.uuid, comment=self._fact())

    def _flip(self, event: Event, random: Random) -> None:
        attribute = random.choice(event.attributes)
        self._touch(attribute.type, attribute.value)
        self.world.set_to_ids(attribute.uuid, not attribute.to_ids)

    def _revalue(self, event: Event, random: Random) -> None:
        attribute = random.choice(event.attributes)
        text = value(attribute.type, random.randrange(VALUES))
        self._touch(attribute.type, attribute.value)
        self._touch(attribute.type, text)
        self.world.edit(attribute.uuid, value=text)

    def _delete(self, event: Event, random: Random) -> None:
        attribute = random.choice(event.attributes)
        self._touch(attribute.type, attribute.value)
        self.world.delete_attribute(attribute.uuid, hard=attribute.deleted or random.random() < 0.3)

    def _rename(self, event: Event, random: Random) -> None:
        for attribute in event.attributes:
            self._touch(attribute.type, attribute.value)
        self.world.edit(event.uuid, info=f"Campaign {self._fact()}")

    def _hide(self, event: Event, random: Random) -> None:
        attribute = random.choice(event.attributes)
        self._touch(attribute.type, attribute.value)
        (self.world.untag if SECRET in attribute.tags else self.world.tag)(attribute.uuid, SECRET)

    def _touch(self, type_: str, text: str) -> None:
        for key in (("sentinel", pattern(type_, text)), ("defender", text)):
            self.changes[key] = self.changes.get(key, 0) + 1

    def _fact(self) -> str:
        return f"revision-{next(self._revisions)}."


Change = Callable[[Analysts, Event, Random], None]
#: What people do to an event that stays unpublished, where the old version goes on to count; the more often the more.
UNPUBLISHED: Sequence[Change] = (
    *[Analysts._add] * 4,
    *[Analysts._comment] * 2,
    *[Analysts._flip] * 3,
    *[Analysts._delete] * 2,
    Analysts._rename,
    Analysts._hide,
)
_CHANGES = (*UNPUBLISHED, *[Analysts._revalue] * 2)
