"""Which destinations a submission goes to, and what it says as a whole."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from misp_modules_ext.config.settings import Selection, Settings
from misp_modules_ext.delivery.submit import LEAST, Order, _with_time_to_write, choose, submit
from misp_modules_ext.errors import UsageError
from tests.support.build import attribute, destination, event

SETTINGS = Settings(path=Path("rh-isac.conf"), destinations=(destination(), destination(name="microsoft SOC")))


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        ((), ["microsoft", "microsoft SOC"]),
        (("all",), ["microsoft", "microsoft SOC"]),
        (("soc",), ["microsoft SOC"]),
        (("soc", "microsoft  soc", "SOC"), ["microsoft SOC"]),
        (("microsoft",), ["microsoft"]),
    ],
)
def test_names_choose_each_destination_once(names: tuple[str, ...], chosen: list[str]) -> None:
    """In any case, with or without `microsoft` in front; two senders to one store would race."""
    assert [d.name for d in choose(SETTINGS, names)] == chosen


def test_an_unknown_name_lists_the_known_ones() -> None:
    """So that the next try is right."""
    with pytest.raises(UsageError, match=r"nowhere.*Known: microsoft, microsoft SOC"):
        choose(SETTINGS, ["nowhere"])


@pytest.mark.parametrize(("door", "told"), [("action", True), ("cli", True), ("export", False)])
def test_it_is_said_when_misp_was_not_asked_for_warninglists(door: str, told: bool) -> None:
    """Workflows and files carry no hits, so the gate is open there; an export asks MISP."""
    account = submit([event(attribute())], SETTINGS, Order(door, preview=True))
    assert any("warninglist" in warning for warning in account.warnings) is told


def test_without_the_gate_there_is_nothing_to_say() -> None:
    """`warninglists = none`."""
    quiet = destination(selection=Selection(warninglists=frozenset()))
    settings = Settings(path=Path("rh-isac.conf"), destinations=(quiet,))
    assert submit([event(attribute())], settings, Order("cli", preview=True)).warnings == ()


def test_a_slow_machine_keeps_more_time_for_writing() -> None:
    """Sending ends earlier the longer planning took and the more destinations there are, but never at once."""
    order = Order("export", deadline=time.monotonic() + 10)
    ends = [_with_time_to_write(order, planning, count).deadline for planning, count in ((0.1, 1), (2.0, 1), (2.0, 3))]
    assert all(ends[n] is not None and ends[n + 1] is not None and ends[n] > ends[n + 1] for n in (0, 1))  # type: ignore[operator]
    before = time.monotonic()
    late = _with_time_to_write(order, 60.0, 3).deadline
    assert late is not None
    assert before + LEAST <= late <= time.monotonic() + LEAST
    assert _with_time_to_write(Order("cli"), 60.0, 3).deadline is None
