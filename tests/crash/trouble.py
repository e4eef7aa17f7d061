"""Everything that goes wrong at once: killed processes, a slow and failing Microsoft, a failing MISP."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from random import Random
from types import TracebackType
from typing import Any

from misp_modules_ext.emulator import Emulator
from tests.crash.processes import Replaceable
from tests.support.misp_server import Fault, MispServer

#: Seconds that Microsoft takes for an answer at least, so that a request is under way at most instants.
SLOW = 0.15
#: So many faults wait for their request at most.
WAITING = 5


class Trouble:
    """Makes trouble while it is entered; afterwards everything is well and alive.

    Args:
        victims: what is killed and started again, with the longest life of each in seconds.
        emulator: Microsoft.
        misp: MISP.
        random: decides.
    """

    def __init__(
        self, victims: Sequence[tuple[Replaceable, float]], emulator: Emulator, misp: MispServer, random: Random
    ) -> None:
        self._emulator = emulator
        self._misp = misp
        self._over = threading.Event()
        killers = [threading.Thread(target=self._kill, args=(*victim, Random(random.random()))) for victim in victims]
        self._threads = [*killers, threading.Thread(target=self._break, args=(random,))]

    def __enter__(self) -> None:
        for api in ("sentinel", "defender"):
            self._emulator.fault(api=api, delay=SLOW)
        for thread in self._threads:
            thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._emulator.clear_faults()
        self._misp.faults.clear()

    def _kill(self, victim: Replaceable, longest: float, random: Random) -> None:
        while not self._over.wait(random.uniform(0.3, longest)):
            victim.end()
            victim.start()

    def _break(self, random: Random) -> None:
        while not self._over.wait(random.uniform(0.1, 0.6)):
            if len(self._emulator.core.faults()) < WAITING:
                self._emulator.fault(**_fault(random))
            if random.random() < 0.3 and not self._misp.faults:
                self._misp.faults.append(Fault(path="restSearch", **_misp_fault(random)))


def _fault(random: Random) -> dict[str, Any]:
    order = {"api": random.choice(("sentinel", "defender")), "times": random.randint(1, 2)}
    return order | random.choice(
        [
            {"delay": random.uniform(0.2, 1.2)},
            {"status": 429, "retryAfter": 1},
            {"status": random.choice((500, 502, 503))},
            {"drop": "before"},
            {"drop": "after"},
            {"itemErrors": [random.randrange(3)], "method": "POST"},
            {"api": "login", "status": 500},
        ]
    )


def _misp_fault(random: Random) -> dict[str, Any]:
    return random.choice([{"status": 500}, {"drop": True}, {"truncate": True}, {"delay": 0.5}])
