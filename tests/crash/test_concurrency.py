"""Two services and three workers on one ledger: nothing is sent twice, nothing is locked, nobody waits for ever."""

from __future__ import annotations

import itertools
import signal
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import pytest

from misp_modules_ext.ledger.lease import LEASE_MS
from tests.crash import checks
from tests.crash.analyst import TYPES, Analysts, value
from tests.crash.processes import Nursery, Replaceable, complaints
from tests.crash.recorder import Recorder
from tests.crash.trouble import SLOW
from tests.crash.worlds import settle, theatre
from tests.support.databases import KINDS, prepared

CLIENTS = 4
EVENTS = 5
#: Attributes of each event; two events next to each other share half of their values.
ATTRIBUTES = 20


class Client(threading.Thread):
    """Publishes all events in its own order, now at this service, now at that one.

    Args:
        services: which there are.
        requests: what to send.
        random: decides the order.
    """

    def __init__(self, services: Sequence[Replaceable], requests: Sequence[Any], random: Random) -> None:
        super().__init__()
        self.answers: list[Any] = []
        self._services = itertools.cycle(random.sample(services, len(services)))
        self._requests = random.sample(requests, len(requests))

    def run(self) -> None:
        """Send all requests, one after the other."""
        for request in self._requests:
            self.answers.append(next(self._services).ask(request))


def _campaigns(analysts: Analysts) -> list[str]:
    """Published events that share values."""
    events = analysts.create(EVENTS)
    types = list(TYPES)
    for index, uuid in enumerate(events):
        for number in range(index * ATTRIBUTES // 2, index * ATTRIBUTES // 2 + ATTRIBUTES):
            type_ = types[number % len(types)]
            comment = f"fact {number} of {index}."
            analysts.world.add_attribute(uuid, type_, value(type_, number), comment=comment)
        analysts.publish(uuid)
    return events


@pytest.mark.parametrize("kind", KINDS)
def test_many_at_once(kind: str, nursery: Nursery, tmp_path: Path) -> None:
    """Four clients publish the same events at the same time: each content goes once to each destination."""
    with prepared(kind, tmp_path) as address, theatre(tmp_path, address) as stage, ExitStack() as stack:
        recorder = Recorder(stage.emulator)
        analysts = Analysts(stage.misp.world, stage.misp.lock)
        requests = [analysts.request(uuid) for uuid in _campaigns(analysts)]
        for api in ("sentinel", "defender"):
            stage.emulator.fault(api=api, delay=SLOW)
        names = ("service-a", "service-b", "worker-a", "worker-b", "worker-c")
        environment = stage.environment(LEASE_MS)
        running = [stack.enter_context(Replaceable(nursery, environment, tmp_path, name)) for name in names]
        clients = [Client(running[:2], requests, Random(number)) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        settle(address)
        codes = [process.end(signal.SIGTERM) for process in running]
    assert codes == [0] * len(names)
    assert [answer for client in clients for answer in client.answers] == [{"data": True}] * CLIENTS * EVENTS
    assert complaints(tmp_path) == []
    assert stage.differences(analysts.model()) == []
    assert checks.overlaps(recorder.carried, [], patience=60) == []
    assert [item for item in recorder.carried if not item.accepted or not item.content] == []
    for sent in checks.by_value(recorder.carried).values():
        contents = [item.content for item in sent]
        assert len(contents) == len(set(contents)), sent
    assert {api for api, _ in checks.by_value(recorder.carried)} == {"sentinel", "defender"}
