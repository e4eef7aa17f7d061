"""Our commands in processes of their own, against an emulator."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from misp_modules_ext.emulator import Emulator
from tests.support import commands
from tests.support.world import World

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture(scope="session")
def _emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with Emulator(state=tmp_path_factory.mktemp("emulator"), rates=False) as emulator:
        yield emulator


@pytest.fixture
def world(_emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """An empty Microsoft with a configuration for it, and no ledger yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    _emulator.clear_faults()
    _emulator.reset()
    made = World(_emulator, tmp_path / "rh-isac.conf")
    made.configure()
    return made


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run `misp-microsoft` in an empty folder with a clean environment."""
    home = tmp_path / "home"
    home.mkdir()

    def _run(*arguments: object, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
        clean = commands.clean(HOME=str(home), COLUMNS="160")
        return commands.run(*arguments, stdin=stdin, cwd=tmp_path, env=clean | environment)

    return _run
