"""The real misp-modules service and the emulator, once for all tests of a process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from misp_modules_ext.demo.service import Service
from misp_modules_ext.emulator import Emulator
from tests.support.world import World


@pytest.fixture(scope="session")
def _emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with Emulator(state=tmp_path_factory.mktemp("emulator"), rates=False) as emulator:
        yield emulator


@pytest.fixture
def world(_emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """An empty Microsoft, and a configuration for all three of its APIs."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    _emulator.clear_faults()
    _emulator.reset()
    made = World(_emulator, tmp_path / "rh-isac.conf")
    made.configure()
    return made


@pytest.fixture(scope="session")
def _service(_emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, World]]:
    folder = tmp_path_factory.mktemp("service")
    world = World(_emulator, folder / "rh-isac.conf")
    state = {"XDG_STATE_HOME": str(folder / "state")}
    with Service(world.configure(), folder / "misp-modules.log", state) as service:
        yield service, world


@pytest.fixture
def served(_service: tuple[Service, World]) -> tuple[Service, World]:
    """The running service with an empty Microsoft behind it, in its ordinary configuration."""
    service, world = _service
    world.emulator.clear_faults()
    world.emulator.reset()
    world.configure()
    return service, world
