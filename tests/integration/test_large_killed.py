"""A large event whose reader is killed between any two of its parts, again and again: as if nothing had happened.

Two ledgers and two Microsofts read one MISP. Into one the event is taken in parts, and each time the process is killed
one commit later than the time before; into the other it is taken whole. In the end both hold the same, and what was
sent differs by nothing but what an interruption explains.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter, defaultdict
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import select, update

from misp_modules_ext.config import load
from misp_modules_ext.delivery.reading import read_soon
from misp_modules_ext.delivery.rounds import Rounds
from misp_modules_ext.delivery.submit import Order, submit
from misp_modules_ext.ledger import Origin, open_ledger, schema
from misp_modules_ext.misp.client import MispClient
from tests.crash.recorder import Recorder
from tests.support.databases import KINDS, prepared
from tests.support.forked import Forked
from tests.support.held import held
from tests.support.misp_server import MispServer
from tests.support.misp_world import Attribute
from tests.support.misp_world import World as Misp
from tests.support.side import KEY, Side, side, source

VETTED = "rhisac: vetted"
#: Attributes in a part, rows in a page of MISP's.
MOST, PAGE = 3, 4
WHOLE = 20_000
LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
pytestmark = pytest.mark.property
#: Which of the moments before and after each part are tried: all of them in `make test-long`.
EVERY = {"sqlite": 1 if LONG else 4, "postgresql": 1 if LONG else 6, "mariadb": 1 if LONG else 6}


class Campaign:
    """An event that is edited and published again and again."""

    def __init__(self) -> None:
        # Later than ledgers take it, so that expiry does not go by the second in which they do.
        self.clock = int(time.time()) + 3600
        self.misp = Misp(lambda: self.clock)
        org = self.misp.add_org("Members")
        self.misp.add_user(KEY, org)
        self.event = self.misp.add_event(org)
        self.misp.tag(self.event, VETTED)
        holder = self.misp.add_object(self.event, "domain-ip")
        self.add("shared")
        for number in range(8):
            self.add(f"old-{number}", holder if number % 3 == 1 else None)
        self.add("shared")
        self.misp.publish(self.event)

    def add(self, name: str, within: str | None = None) -> None:
        """One more attribute."""
        relation = "domain" if within else None
        self.misp.add_attribute(self.event, "domain", f"{name}.evil.example", within=within, relation=relation)

    def living(self) -> list[Attribute]:
        """Those that are not deleted and no value of several, oldest first."""
        found = self.misp.events[self.event].attributes
        return [a for a in found if not a.deleted and not a.value.startswith("shared")]

    def edit(self, number: int) -> None:
        """Something of everything: new, changed, flag off and on, deleted in both ways, another value; then publish."""
        misp = self.misp
        self.clock += 10
        for row in [row for row in misp.events[self.event].attributes if row.deleted]:
            misp.delete_attribute(row.uuid, hard=True)
        old = self.living()
        misp.delete_attribute(old[0].uuid, hard=True)
        misp.delete_attribute(old[1].uuid)
        # Another attribute, in a later part, vouches for the same value from now on.
        misp.set_to_ids(old[2].uuid, on=False)
        self.add(old[2].value.removesuffix(".evil.example"))
        misp.edit(old[3].uuid, value=f"moved-{number}.evil.example")
        misp.edit(old[4].uuid, comment=f"comment {number}")
        self.add(f"new-{number}", old[5].object.uuid if old[5].object else None)
        for row in misp.events[self.event].attributes:
            if row.value.startswith("shared"):
                # All of them lose it in one version, and have it again in the next but one; else they change.
                change = {"to_ids": bool(number % 4)} if number % 2 == 0 else {"comment": f"comment {number}"}
                misp.edit(row.uuid, **change)
        self.clock += 10
        misp.publish(self.event)

    def several(self) -> set[str]:
        """The values of more attributes than one."""
        found = Counter(a.value for a in self.misp.events[self.event].attributes)
        return {value for value, count in found.items() if count > 1}

    def values(self) -> set[str]:
        """What should be there."""
        return {a.value for a in self.misp.events[self.event].attributes if not a.deleted and a.to_ids}


def _sent(where: Side, recorder: Recorder) -> dict[tuple[str, str], list[str]]:
    """What was said of each value at each API since this was asked last, in order."""
    found = defaultdict(list)
    for each in recorder.carried:
        found[each.api, each.value].append(each.content.replace(source(where.config.parent), ""))
    recorder.carried.clear()
    return found


class Scene:
    """Both sides, and the MISP between them.

    Args:
        task: `sync` or `drain`: who reads the event.
        parts: where it is taken in parts.
        whole: where it is taken whole.
        campaign: the event.
        forked: runs the processes.
    """

    def __init__(self, task: str, parts: Side, whole: Side, campaign: Campaign, forked: Forked) -> None:
        self.task, self.parts, self.whole, self.campaign, self.forked = task, parts, whole, campaign, forked
        self._recorders = [(each, Recorder(each.emulator)) for each in (parts, whole)]
        self.misp = "" if task == "drain" else load(parts.config).rh_isac.address  # type: ignore[union-attr]

    def begin(self) -> None:
        """The event is known to the drain since somebody has pushed it."""
        if self.task == "sync":
            return
        for each in (self.parts, self.whole):
            settings = load(each.config)
            assert settings.misp is not None
            pushed = MispClient(settings.misp).read_event(self.campaign.event)
            submit([pushed], settings, Order("action", origin=Origin.REQUEST))

    def read(self, where: Side, kill: int = 0) -> int:
        """Have the event read, and what is due sent; the exit code."""
        most = MOST if where is self.parts else WHOLE
        return self.forked.run(self.task, where.config, most, PAGE, kill)

    def ask(self, where: Side) -> None:
        """Let the drain read the event soon; `sync` finds it by itself."""
        if self.task == "drain":
            open_ledger(where.ledger).write(lambda c: read_soon(c, self.campaign.event))

    def revive(self) -> bool:
        """Let the time pass in which a dead process keeps its turn; whether it was still reading."""
        table = schema.sync if self.task == "sync" else schema.event
        mark = schema.sync.c.holder if self.task == "sync" else schema.event.c.read_due_ms
        values = {"lease_until_ms": 0} if self.task == "sync" else {"read_due_ms": 1}
        ledger = open_ledger(self.parts.ledger)
        dead = update(table).where(mark.is_not(None)).values(values)
        return bool(ledger.write(lambda c: c.execute(dead).rowcount)) or self._not_yet()

    def _not_yet(self) -> bool:
        """Whether it was killed before it began."""
        here = (schema.event.c.uuid == self.campaign.event) & (schema.event.c.misp == self.misp)
        wanted = select(schema.event.c.own_timestamp).where(here)
        seen = open_ledger(self.parts.ledger).read(lambda c: c.execute(wanted).scalar_one_or_none())
        return seen != self.campaign.misp.events[self.campaign.event].timestamp

    def drain(self) -> None:
        """Another process sends what is due, and reads nothing."""
        settings = load(self.parts.config)
        ledger = open_ledger(self.parts.ledger)
        later = update(schema.event).where(schema.event.c.read_due_ms.is_not(None)).values(read_due_ms=1 << 60)
        ledger.write(lambda c: c.execute(later))
        rounds = Rounds("another", "worker")
        rounds.go(settings, wait=True)
        rounds.end(settings, 10)

    def compare(self) -> None:
        """See that both sides are the same."""
        uuid = self.campaign.event
        found = [held(open_ledger(each.ledger), uuid, "%.evil.example", self.misp) for each in (self.parts, self.whole)]
        for name in ("event", "evidence", "holdings", "farewells"):
            assert found[0][name] == found[1][name], name
        expected = sorted(self.campaign.values())
        assert self.parts.there() == self.whole.there() == expected

    def explain(self, *, drained: bool) -> None:
        """See that every request has its reason."""
        parts, whole = (_sent(*each) for each in self._recorders)
        for key, said in parts.items():
            repeated = [pair for pair in pairwise(said) if pair[0] == pair[1]]
            assert not repeated, (key, said)
            if not drained or not any(value in key[1] for value in self.campaign.several()):
                # Of a value of several attributes, what was sent in between is what the first of them say.
                assert said == whole[key], key
        assert parts.keys() == whole.keys()


@pytest.mark.parametrize("task", ["sync", "drain"])
@pytest.mark.parametrize("kind", KINDS)
def test_killed_between_any_two_parts(kind: str, task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is withdrawn or lost by it, nothing is sent twice, and the next run completes."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    campaign = Campaign()
    with ExitStack() as stack:
        server = stack.enter_context(MispServer(campaign.misp))
        address = stack.enter_context(prepared(kind, tmp_path))
        parts = stack.enter_context(side(tmp_path / "parts", address, server.url))
        whole = stack.enter_context(side(tmp_path / "whole", f"sqlite:///{tmp_path / 'whole.db'}", server.url))
        forked = stack.enter_context(Forked(tmp_path))
        scene = Scene(task, parts, whole, campaign, forked)
        scene.begin()
        for each in (parts, whole):
            scene.ask(each)
            assert scene.read(each) == 0, forked.log.read_text()
        scene.compare()
        scene.explain(drained=False)
        moment, killed = 0, 0
        while True:
            moment += EVERY[kind]
            before = campaign.values()
            campaign.edit(moment)
            for each in (parts, whole):
                scene.ask(each)
            code = scene.read(parts, moment)
            if code != -signal.SIGKILL or not scene.revive():
                break
            killed += 1
            drained = bool(killed % 2)
            if drained:
                scene.drain()
                scene.revive()
            there = set(parts.defender())
            assert before & campaign.values() <= there <= before | campaign.values()
            for each in (parts, whole):
                assert scene.read(each) == 0, forked.log.read_text()
            scene.compare()
            scene.explain(drained=drained)
        print(f"{killed} of {moment} moments of {task} on {kind}")
        assert moment > 12
        assert "Traceback" not in forked.log.read_text()
