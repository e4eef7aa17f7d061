"""A campaign that was pushed, and `misp-microsoft` in this process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.sighted import Run, Scene, campaign, runner
from tests.support.world import World


@pytest.fixture
def run(world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a command; gives its exit code and what it says."""
    return runner(world, monkeypatch, capfd)


@pytest.fixture
def scene(world: World, run: Run) -> Iterator[Scene]:
    """Pushed, accepted, and nothing seen yet."""
    with campaign(world, run) as made:
        yield made
