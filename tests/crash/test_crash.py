"""Service and worker are killed at random instants, again and again: nothing is lost, and nothing comes twice."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

import pytest

from misp_modules_ext.delivery.places import REQUEST_PART
from misp_modules_ext.emulator import Emulator
from tests.crash import checks
from tests.crash.analyst import Analysts
from tests.crash.processes import Nursery, Replaceable
from tests.crash.recorder import Recorder
from tests.crash.trouble import Trouble
from tests.crash.worlds import KEY, Stage, StillMisp, environment, settle
from tests.support.databases import KINDS, database
from tests.support.misp_world import World as Misp
from tests.support.world import TENANT, WORKSPACE

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
#: How long there is trouble.
SECONDS = 120 if LONG else 20
#: Milliseconds: short, so that who was killed is soon replaced; long enough for a busy machine to answer in.
LEASE_MS = 4_000
#: People at MISP, and the events of each.
PEOPLE, EVENTS = 3, 2


class Person(threading.Thread):
    """Changes and publishes until the end.

    Args:
        analysts: change the world.
        service: gets the requests.
        random: decides.
        seconds: how long.

    Attributes:
        events: this one's.
        answers: the service's.
    """

    def __init__(self, analysts: Analysts, service: Replaceable, random: Random, seconds: float) -> None:
        super().__init__()
        self.events = analysts.create(EVENTS)
        self.answers: list[Any] = []
        self._analysts = analysts
        self._service = service
        self._random = random
        self._end = time.monotonic() + seconds

    def run(self) -> None:
        """Work."""
        while time.monotonic() < self._end:
            uuid = self._random.choice(self.events)
            self.send(uuid, self._analysts.work(uuid, self._random))

    def send(self, uuid: str, request: Mapping[str, Any]) -> None:
        """Press the button until it is answered; then MISP publishes."""
        self.answers.append(self._service.ask({**request, "timeout": self._random.randint(2, 5)}))
        self._analysts.publish(uuid)


@pytest.mark.property
@pytest.mark.parametrize("number", range(3 if LONG else 1))
@pytest.mark.parametrize("kind", KINDS)
def test_killed_again_and_again(kind: str, number: int, tmp_path: Path) -> None:
    seed = int(os.environ.get("TEST_CRASH_SEED", SystemRandom().randrange(10**6) if LONG else 20261124))
    print(f"TEST_CRASH_SEED={seed}")
    random = Random(seed)
    misp = StillMisp(Misp(lambda: int(time.time())))
    misp.world.add_user(KEY, misp.world.add_org("Ours"))
    analysts = Analysts(misp.world, misp.lock)
    with database(kind, tmp_path) as address, Emulator(state=tmp_path / "emulator", rates=False) as emulator, misp:
        stage = Stage(emulator, tmp_path / "rh-isac.conf", address)
        stage.at(misp)
        recorder = Recorder(emulator)
        t0 = time.time()
        with (
            Nursery(tmp_path, environment(stage, LEASE_MS)) as nursery,
            Replaceable(nursery, "service") as service,
            Replaceable(nursery, "worker") as worker,
        ):
            print("up", time.time() - t0)
            people = [Person(analysts, service, Random(random.random()), SECONDS) for _ in range(PEOPLE)]
            with Trouble([(service, 6.0), (worker, 4.0)], emulator, misp, Random(random.random())):
                for person in people:
                    person.start()
                for person in people:
                    person.join()
            killed = service.killed + worker.killed
            print("chaos over", time.time() - t0, [len(p.answers) for p in people], len(service.killed), len(worker.killed))
            for person in people:
                for uuid in person.events:
                    person.send(uuid, analysts.request(uuid))
            settle(address)
            print("settled", time.time() - t0)
        for answer in [a for p in people for a in p.answers]:
            if answer != {"data": True}:
                print(answer)
        state = emulator.state()
        problems = {
            "difference": checks.differences(
                state["sentinel"][WORKSPACE].values(), state["defender"].get(TENANT, []), analysts.model()
            ),
            "overlap": checks.overlaps(recorder.carried, killed, LEASE_MS / 1000 * REQUEST_PART),
            "needless": checks.needless(recorder.carried, killed),
            "too often": checks.too_often(recorder.carried, analysts.changes),
            "disorder": checks.disorder(recorder.carried),
            "remark": checks.remarks(emulator.requests()),
        }
        print(len(recorder.carried), "values sent", len(emulator.requests()), recorder.calls)
        for name, found in problems.items():
            for one in found:
                print("PROBLEM", name, one)
        assert not any(problems.values())
