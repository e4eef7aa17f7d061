"""The parts that last longer than one example."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from misp_modules_ext.destinations.defender import Defender
from misp_modules_ext.destinations.sentinel import Sentinel
from misp_modules_ext.emulator import Emulator
from misp_modules_ext.emulator.clock import Clock as EmulatorClock
from misp_modules_ext.emulator.core import Core
from tests.crash.recorder import Recorder
from tests.machine.clock import Clock
from tests.machine.stage import Stage
from tests.support.databases import KINDS, prepared
from tests.support.misp_server import MispServer
from tests.support.misp_world import World


@pytest.fixture(scope="session")
def clock() -> Clock:
    """Everybody's clock."""
    return Clock()


@pytest.fixture(scope="session")
def emulator(clock: Clock) -> Iterator[Emulator]:
    """A Microsoft that goes by the clock."""
    made = Emulator(rates=False)
    made.core = Core(rates=False, clock=EmulatorClock(clock))
    with made:
        yield made


@pytest.fixture(scope="session")
def recorder(emulator: Emulator) -> Recorder:
    """What that Microsoft is asked."""
    return Recorder(emulator)


@pytest.fixture(scope="session")
def misp(clock: Clock) -> Iterator[MispServer]:
    """A MISP over HTTP."""
    with MispServer(World(clock)) as made:
        yield made


@pytest.fixture(params=KINDS)
def stage(
    request: pytest.FixtureRequest,
    emulator: Emulator,
    recorder: Recorder,
    misp: MispServer,
    clock: Clock,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Stage]:
    """A stage with a ledger on one of the databases."""
    # The emulator's rates are off, so ours are too.
    monkeypatch.setattr(Sentinel, "limit", None)
    monkeypatch.setattr(Defender, "limit", None)
    folder = tmp_path_factory.mktemp("machine")
    with prepared(request.param, folder) as url:
        made = Stage(emulator, recorder, misp, url, folder, clock)
        yield made
        made.ledger.close()
