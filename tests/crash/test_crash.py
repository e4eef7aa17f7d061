"""Service and worker are killed at random instants, again and again: nothing is lost, and nothing comes twice."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

import pytest

from misp_modules_ext.delivery.places import REQUEST_PART
from tests.crash import checks
from tests.crash.analyst import UNPUBLISHED, Analysts
from tests.crash.processes import Nursery, Replaceable, complaints, given_up
from tests.crash.pulse import Pulse
from tests.crash.recorder import Recorder
from tests.crash.trouble import Trouble
from tests.crash.worlds import settle, theatre
from tests.support.databases import KINDS, database

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
#: How long there is trouble.
SECONDS = 120 if LONG else 12
#: Milliseconds: short, so that who was killed is soon replaced; long enough for a busy machine to answer in.
LEASE_MS = 4_000
#: Seconds that MISP waits, from and to: it waits for ten where nobody has changed that. Half of what is left after the
#: way there and back is for the ledger, and a busy machine needs a part of it.
PATIENCE = (3, 6)
#: People at MISP, and the events of each.
PEOPLE, EVENTS = 5, 2


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
        self.answers.append(self._service.ask({**request, "timeout": self._random.randint(*PATIENCE)}))
        self._analysts.publish(uuid)

    def finish(self) -> None:
        """Publish all events as they are."""
        for uuid in self.events:
            self.send(uuid, self._analysts.request(uuid))

    def leave_unpublished(self) -> None:
        """Change an event once more without publishing it, and export it."""
        self._analysts.change(self.events[0], self._random, UNPUBLISHED)
        answer = self._service.ask(self._analysts.export(self.events[0]))
        assert "data" in answer, answer


@pytest.mark.property
@pytest.mark.parametrize("number", range(3 if LONG else 1))
@pytest.mark.parametrize("kind", KINDS)
def test_killed_again_and_again(kind: str, number: int, nursery: Nursery, tmp_path: Path) -> None:
    """In the end Microsoft holds what the model says, and every request has its reason."""
    seed = int(os.environ.get("TEST_CRASH_SEED", SystemRandom().randrange(10**6) if LONG else 20261124))
    print(f"TEST_CRASH_SEED={seed}")
    random = Random(seed)
    # The pulse has a table of its own.
    with database(kind, tmp_path) as address, theatre(tmp_path, address) as stage:
        recorder = Recorder(stage.emulator)
        analysts = Analysts(stage.misp.world, stage.misp.lock)
        environment = stage.environment(LEASE_MS)
        with (
            Replaceable(nursery, environment, tmp_path, "service") as service,
            Replaceable(nursery, environment, tmp_path, "worker") as worker,
            Pulse(address) as pulse,
        ):
            people = [Person(analysts, service, Random(random.random()), SECONDS) for _ in range(PEOPLE)]
            with Trouble([(service, 8.0), (worker, 4.0)], stage.emulator, stage.misp, Random(random.random())):
                for person in people:
                    person.start()
                time.sleep(SECONDS)
            for person in people:
                person.join()
            killed = [*service.killed, *worker.killed]
            for person in people:
                person.finish()
            settle(address)
            told = stage.differences(analysts.model())
            for person in people:
                person.leave_unpublished()
            settle(address)
        answers = [answer for person in people for answer in person.answers]
        print(f"{len(answers)} requests, {len(killed)} killed, {len(recorder.carried)} values sent")
        problems = {
            "what is there": told,
            "what is there, with events left unpublished": stage.differences(analysts.model()),
            "overlapping": checks.overlaps(recorder.carried, killed, LEASE_MS / 1000 * REQUEST_PART),
            "needless": checks.needless(recorder.carried, killed, given_up(tmp_path), pulse.slowest),
            "too often": checks.too_often(recorder.carried, analysts.changes),
            "stamps": checks.disorder(recorder.carried),
            "the emulator's remarks": checks.remarks(stage.emulator.requests()),
            "answers": [str(answer) for answer in answers if not _is_understood(answer)],
            "logs": complaints(tmp_path),
        }
        assert {name: found for name, found in problems.items() if found} == {}
        assert recorder.calls == len(stage.emulator.requests())


def _is_understood(answer: Any) -> bool:
    """Success, or that Microsoft refused an indicator."""
    return answer == {"data": True} or "refused this indicator" in answer["error"]
