"""The drain's own reading of a large event, and what comes between two of its parts.

As a twin the same event goes whole into another ledger, which nothing interrupts: in the end both hold the same.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, select, update

from misp_modules_ext.config import load
from misp_modules_ext.config.settings import Settings
from misp_modules_ext.delivery.places import base_url_of, readable
from misp_modules_ext.delivery.reading import claim, read_one, read_soon
from misp_modules_ext.delivery.rounds import Rounds
from misp_modules_ext.delivery.submit import Order, submit
from misp_modules_ext.destinations import create
from misp_modules_ext.ledger import Ledger, Store, holds, open_ledger, register, schema
from misp_modules_ext.ledger.holds import Hold
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.misp import client
from misp_modules_ext.misp.requests import read_action
from misp_modules_ext.model.indicator import Kind, Observable
from tests.support.databases import KINDS, prepared
from tests.support.held import held
from tests.support.misp_server import Fault, MispServer
from tests.support.misp_views import action_request
from tests.support.misp_world import Attribute
from tests.support.misp_world import World as Misp
from tests.support.side import KEY, Side, side

#: Attributes in a part, rows in a page of MISP's.
MOST, PAGE = 3, 4
DAY = 86_400
LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
pytestmark = pytest.mark.property


@dataclass
class Scene:
    """A MISP with one event, and both sides.

    Attributes:
        parts: where it is taken in parts.
        whole: where it is taken whole.
    """

    misp: Misp
    server: MispServer
    parts: Side
    whole: Side
    clock: list[int]
    event: str
    number: Iterator[int] = field(default_factory=itertools.count)

    @property
    def ledger(self) -> Ledger:
        """Where it is taken in parts."""
        return open_ledger(self.parts.ledger)

    def add(self, *names: str, within: str | None = None) -> None:
        """More attributes."""
        for name in names:
            self.misp.add_attribute(self.event, "domain", f"{name}.evil.example", within=within)

    def attribute(self, name: str) -> Attribute:
        """The first with this value."""
        rows = self.misp.events[self.event].attributes
        return next(a for a in rows if a.value == f"{name}.evil.example")

    def edit(self) -> int:
        """Something new, changed, taken back, given back and removed; then publish. The number of this edit."""
        number = next(self.number)
        self.clock[0] += 10
        self.add(f"new-{number}")
        self.misp.edit(self.attribute("a").uuid, comment=f"comment {number}")
        self.misp.edit(self.attribute("h").uuid, comment=f"comment {number}")
        for name in ("c", "g"):
            self.misp.set_to_ids(self.attribute(name).uuid, on=not self.attribute(name).to_ids)
        if number >= 2:
            self.misp.delete_attribute(self.attribute(f"new-{number - 2}").uuid, hard=True)
        for attribute in self.misp.events[self.event].attributes:
            if attribute.value.startswith("twice"):
                self.misp.set_to_ids(attribute.uuid, on=number % 3 != 0)
        self.misp.publish(self.event)
        return number

    def push(self, where: Side) -> None:
        """A workflow pushes the event as it is."""
        asked = read_action(action_request(self.misp, self.event))
        submit(asked.events, load(where.config), Order("action", read_later=True, send_later=True))

    def read(self, where: Side) -> bool:
        """Read what is due first; whether there was anything."""
        settings = load(where.config)
        ledger = open_ledger(where.ledger)
        stores = ledger.write(lambda c: _stores(c, settings))
        lists = settings.warninglist_index
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(client, "MOST_AT_ONCE", MOST if where is self.parts else 20_000)
            patch.setattr(client, "PAGE", PAGE)
            return read_one(ledger, readable(settings), stores, base_url_of(settings), lists)

    def both(self, do: Callable[[Side], object]) -> None:
        """Do the same on both sides."""
        for where in (self.parts, self.whole):
            do(where)

    def values(self) -> list[str]:
        """What should be there."""
        return sorted({a.value for a in self.misp.events[self.event].attributes if not a.deleted and a.to_ids})

    def send(self, where: Side) -> None:
        """Send what is due."""
        Rounds("test", "worker").go(load(where.config), wait=True)

    def compare(self, *, closely: bool = True) -> None:
        """See that both sides hold the same once all is sent, here and at Microsoft.

        Not `closely` where a person has acted before or after a part: then an end may be one of those that it had.
        """
        self.both(self.send)
        found = [held(open_ledger(s.ledger), self.event, "%.evil.example") for s in (self.parts, self.whole)]
        for there in found:
            rows = there["holdings"].items()
            there["holdings"] = {key: row if closely else (row[0], row[4], bool(row[2])) for key, row in rows}
        for name in ("event", "evidence", "holdings"):
            assert found[0][name] == found[1][name], name
        assert self.parts.there() == self.whole.there()

    def read_due(self) -> int | None:
        """When it is to be read, milliseconds since 1970 UTC."""
        wanted = select(schema.event.c.read_due_ms)
        return self.ledger.read(lambda c: c.execute(wanted).scalar_one())

    def evidence(self, name: str) -> list[Any]:
        """Of a value that one attribute has."""
        table = schema.evidence
        wanted = select(table).where(table.c.observable_id == _number(name))
        return list(self.ledger.read(lambda c: c.execute(wanted).all()))


def _stores(connection: Connection, settings: Settings) -> list[Store]:
    return register(connection, [(d, create(d).refuses) for d in settings.destinations])


def _number(name: str) -> int:
    return observable_id(Observable(Kind.DOMAIN_NAME, f"{name}.evil.example"))


@pytest.fixture(params=KINDS)
def scene(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """An event of eleven attributes, pushed, read and sent on both sides."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    # Later than ledgers take it, so that expiry does not go by the second in which they do.
    clock = [int(time.time()) + 3600]
    misp = Misp(lambda: clock[0])
    misp.add_user(KEY, misp.add_org("Ours"))
    with ExitStack() as stack:
        server = stack.enter_context(MispServer(misp))
        address = stack.enter_context(prepared(request.param, tmp_path))
        parts = stack.enter_context(side(tmp_path / "parts", address, server.url))
        whole = stack.enter_context(side(tmp_path / "whole", f"sqlite:///{tmp_path / 'whole.db'}", server.url))
        made = Scene(misp, server, parts, whole, clock, misp.add_event(misp.orgs[0]))
        holder = misp.add_object(made.event, "domain-ip")
        made.add("twice", "a", "b")
        made.add("c", "d", "e", "f", within=holder)
        made.add("g", "h", "twice")
        misp.publish(made.event)
        made.both(made.push)
        made.both(made.read)
        made.compare()
        yield made


@contextmanager
def _between(ledger: Ledger, number: int, work: Callable[[], object]) -> Iterator[list[bool]]:
    """Do something just before the ledger's n-th transaction from now on; tells whether it was done."""
    begun = 0
    done: list[bool] = []

    def beginning(*_: object) -> None:
        nonlocal begun
        if not done and begun == number:
            done.append(True)
            work()
        begun += not done

    # Each transaction has a connection of its own from the pool.
    event.listen(ledger.engine, "checkout", beginning)
    try:
        yield done
    finally:
        event.remove(ledger.engine, "checkout", beginning)


def _each_gap(
    scene: Scene, work: Callable[[], object], before: Callable[[], object] = lambda: None, *, every: int = 1
) -> Iterator[bool]:
    """Edit and push the event, and have something done between two transactions of its reading, a later one each time.

    Gives each time whether it was done; ends when the reading has fewer transactions. All are tried in
    `make test-long`, else only some, and fewer with databases that take their time.
    """
    step = every if LONG else 3 if scene.ledger.engine.dialect.name == "sqlite" else 5
    # Two transactions find the stores and take the event up.
    for number in itertools.count(2, step):
        before()
        scene.edit()
        scene.both(scene.push)
        with _between(scene.ledger, number, work) as done:
            assert scene.read(scene.parts)
        yield bool(done)
        if not done:
            assert number > 8
            return


def test_what_a_door_brings_between_two_parts_wins(scene: Scene) -> None:
    """Nothing of the older view is taken after it, and the event is read again at once."""
    edits: list[int] = []

    def push() -> None:
        edits.append(scene.edit())
        scene.push(scene.parts)

    for done in _each_gap(scene, push):
        if done:
            assert scene.read_due() is not None
            (row,) = scene.evidence(f"new-{edits[-1]}")
            assert row.vouches
            (row,) = scene.evidence("h")
            assert f"comment {edits[-1]}".encode() in bytes(row.document)
            scene.push(scene.whole)
            assert scene.read(scene.parts)
        assert not scene.read(scene.parts)
        assert scene.read(scene.whole)
        scene.compare()
        assert scene.parts.there() == scene.values()


def test_what_a_person_takes_back_between_two_parts_stays_away(scene: Scene) -> None:
    """And comes again when the hold ends between two others, with what MISP says by then."""
    numbers = [_number("h"), _number("twice")]

    def withdraw(where: Side) -> None:
        ledger, settings = open_ledger(where.ledger), load(where.config)

        def work(connection: Connection) -> None:
            holds.put(connection, dict.fromkeys(numbers, Hold("me", "a test")), schema.EVERYWHERE)
            for store in _stores(connection, settings):
                holds.take_back(connection, store, numbers, lifted=True)

        ledger.write(work)

    def release(where: Side) -> None:
        ledger, settings = open_ledger(where.ledger), load(where.config)
        base_url = base_url_of(settings)
        ledger.write(lambda c: holds.end(c, _stores(c, settings), numbers, base_url, everywhere=True))

    for do in (withdraw, release):

        def undo(act: Callable[[Side], None] = release if do is withdraw else withdraw) -> None:
            scene.both(act)
            scene.both(scene.send)

        for done in _each_gap(scene, lambda act=do: act(scene.parts), undo, every=2):  # type: ignore[misc] # mypy cannot infer it
            assert scene.read(scene.whole)
            do(scene.whole)
            if not done:
                do(scene.parts)
            assert not scene.read(scene.parts)
            scene.compare(closely=False)
            away = {"h.evil.example", "twice.evil.example"} if do is withdraw else set()
            assert set(scene.parts.there()) == set(scene.values()) - away


@pytest.mark.parametrize("fault", [{"status": 500}, {"drop": True}, {"body": b"[]"}], ids=str)
def test_a_failure_at_any_request(scene: Scene, fault: dict[str, Any]) -> None:
    """Nothing goes because of it; it is tried again, and then it is as if nothing had happened."""
    if scene.ledger.engine.dialect.name != "sqlite":
        pytest.skip("MISP's failures are the same for all databases")
    for after in itertools.count():
        before = set(scene.values())
        scene.edit()
        scene.both(scene.push)
        scene.server.faults.append(Fault(after=after, **fault))
        assert scene.read(scene.parts)
        if scene.server.faults:
            break
        scene.send(scene.parts)
        assert set(scene.parts.there()) >= before & set(scene.values())
        # Due again, when a little time has passed.
        now = update(schema.event).where(schema.event.c.read_due_ms.is_not(None)).values(read_due_ms=1)
        scene.ledger.write(lambda c, due=now: c.execute(due))  # type: ignore[misc] # mypy cannot infer it
        if not scene.read(scene.parts):
            # What was shown looked whole, or incomplete: then nothing that was absent has gone.
            scene.ledger.write(lambda c: read_soon(c, scene.event))
            assert scene.read(scene.parts)
        assert scene.read(scene.whole)
        scene.compare()
        assert scene.parts.there() == scene.values()
    scene.server.faults.clear()
    assert after > 9


def test_a_grace_that_ends_between_two_parts(scene: Scene) -> None:
    """The event is frozen, or it is withdrawn: not half of it, and what is not done now is due."""

    def pass_time(where: Side, seconds: int) -> None:
        since = schema.event.c.unpublished_since_ms
        earlier = update(schema.event).values({since: since - seconds * 1000})
        open_ledger(where.ledger).write(lambda c: c.execute(earlier))

    for number in range(2, 8):
        scene.clock[0] += 10
        scene.misp.publish(scene.event)
        scene.both(scene.push)
        scene.both(scene.read)
        scene.both(scene.send)
        assert scene.parts.there() == scene.values()
        scene.misp.unpublish(scene.event)
        scene.ledger.write(lambda c: read_soon(c, scene.event))
        assert scene.read(scene.parts)
        pass_time(scene.parts, 14 * DAY - 2)
        scene.ledger.write(lambda c: read_soon(c, scene.event))
        with _between(scene.ledger, number, lambda: time.sleep(2.5)) as done:
            assert scene.read(scene.parts)
        assert done
        rows = held(scene.ledger, scene.event, "%.evil.example")["holdings"].values()
        there = [due for _, due, sent, *_ in rows if sent is not None]
        assert all(there) or not any(there), "half of it goes"
        if any(there):
            assert scene.read_due() is not None
            assert scene.read(scene.parts)
        scene.send(scene.parts)
        assert scene.parts.there() == []


def test_a_missing_event_that_is_seen_again_is_not_missing(scene: Scene) -> None:
    """From its first part on: whatever interrupts the reading, its grace begins anew when it is missing again."""
    missing = update(schema.event).values(missing_since_ms=1)
    scene.ledger.write(lambda c: c.execute(missing))
    scene.ledger.write(lambda c: read_soon(c, scene.event))

    class Interrupted(Exception):
        """As if the process had ended."""

    def interrupt() -> None:
        raise Interrupted

    with pytest.raises(Interrupted), _between(scene.ledger, 4, interrupt):
        scene.read(scene.parts)
    wanted = select(schema.event.c.missing_since_ms)
    assert scene.ledger.read(lambda c: c.execute(wanted).scalar_one()) is None


def test_nobody_else_takes_up_an_event_whose_parts_take_long(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The claim is renewed from part to part, and after the last one there is none."""
    monkeypatch.setattr("misp_modules_ext.delivery.reading.RENEW_EVERY", 0.0)
    marks: list[int | None] = []

    def look() -> None:
        marks.append(scene.read_due())
        assert scene.ledger.write(lambda c: claim(c, [""])) is None

    for done in _each_gap(scene, look):
        assert scene.read_due() is None or not done
        scene.read(scene.whole)
    # After the last part nobody has it any more.
    taken = [mark for mark in marks if mark is not None]
    assert len(set(taken)) == len(taken) > 2
