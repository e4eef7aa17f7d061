"""How the drain of a service ends with its process."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from misp_modules_ext.config.settings import Settings
from misp_modules_ext.delivery import courier, embedded
from misp_modules_ext.delivery.rounds import Rounds
from misp_modules_ext.delivery.stopping import Stopping
from misp_modules_ext.errors import ConfigurationError


class Noted(Rounds):
    """Writes down what it is told, and how the couriers were told by then."""

    def __init__(self, couriers: Stopping) -> None:
        super().__init__("me", "service")
        self.told: list[tuple[str, bool]] = []
        self.patience = 0.0
        self._couriers = couriers

    def stop(self) -> None:
        """Begin nothing more."""
        self.told.append(("stop", self._couriers.begun))

    def end(self, settings: Settings, patience: float) -> bool:
        """Wait for what is under way."""
        self.told.append(("end", self._couriers.begun))
        self.patience = patience
        return True


@pytest.fixture
def couriers(monkeypatch: pytest.MonkeyPatch) -> Stopping:
    """That the couriers are to end; other tests need theirs."""
    made = Stopping()
    monkeypatch.setattr(courier, "_stopping", made)
    return made


def test_couriers_and_rounds_end_at_the_same_time(
    couriers: Stopping, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are told before anybody is waited for: what the rounds take is not missing to the couriers."""
    monkeypatch.setattr(embedded, "cached", lambda: Settings(path=tmp_path / "rh-isac.conf"))
    rounds = Noted(couriers)
    began = time.monotonic()
    embedded._end(rounds, os.getpid())
    assert rounds.told == [("stop", True), ("end", True)]
    assert embedded.PATIENCE - (time.monotonic() - began) - 1 < rounds.patience <= embedded.PATIENCE


def test_all_are_told_also_without_a_configuration(couriers: Stopping, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file may have been broken meanwhile; leases then end by themselves."""

    def broken() -> Settings:
        raise ConfigurationError([])

    monkeypatch.setattr(embedded, "cached", broken)
    rounds = Noted(couriers)
    embedded._end(rounds, os.getpid())
    assert rounds.told == [("stop", True)]


def test_a_forked_child_tells_nobody(couriers: Stopping) -> None:
    """What is under way is its parent's."""
    rounds = Noted(couriers)
    embedded._end(rounds, os.getpid() + 1)
    assert (rounds.told, couriers.begun) == ([], False)
