"""RH-ISAC's MISP over HTTP, and `misp-microsoft sync` in this process."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.in_process import call
from tests.support.misp_server import MispServer
from tests.support.misp_world import World as Misp
from tests.support.synced import (
    KEY,
    Run,
    Scene,
    configure,
)
from tests.support.world import World


@pytest.fixture
def scene(world: World) -> Iterator[Scene]:
    """A MISP without events, and a configuration that reads it."""
    clock = [int(time.time())]
    misp = Misp(lambda: clock[0])
    misp.add_user(KEY, misp.add_org("Members"))
    with MispServer(misp) as server:
        made = Scene(misp, server, world, clock)
        configure(made)
        yield made


@pytest.fixture(params=[20_000, 1], ids=["whole", "parts"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events are taken whole, or one attribute after another."""
    monkeypatch.setattr("misp_modules_ext.misp.client.MOST_AT_ONCE", request.param)


@pytest.fixture
def run(scene: Scene, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs the command; gives its exit code and what it says."""

    def sync(*options: str) -> tuple[int, dict[str, Any]]:
        words = ["sync", "--json", "--config", str(scene.world.config), *options]
        code, out, err = call(words, KEY, monkeypatch, capfd)
        return code, (json.loads(out) if out else {"words": err})

    return sync
