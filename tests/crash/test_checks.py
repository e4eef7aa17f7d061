"""What the crash test takes for an explanation of a repetition, and what not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.crash.checks import WRITING, GivenUp, needless
from tests.crash.processes import given_up
from tests.crash.recorder import Carried

ONE = Carried("sentinel", "[domain-name:value = 'a.example']", "said", "indicator--1", "", "", 10.0, 11.0, "one", True)
TWO = replace(ONE, began=20.0, ended=21.0, who="two")
#: Longer after the answer than anybody needs to write it down.
LATE = ONE.ended + WRITING + 1


def test_a_repetition_needs_a_reason() -> None:
    """Nobody died."""
    assert needless([ONE, TWO], [])
    assert not needless([ONE, replace(TWO, content="other")], [])
    assert not needless([replace(ONE, accepted=False), TWO], [])


def test_who_died_before_it_could_write_explains_one() -> None:
    """But not one that died later, or another."""
    assert not needless([ONE, TWO], [ONE.ended + 0.5])
    assert needless([ONE, TWO], [LATE])
    assert needless([ONE, replace(ONE, began=12.0, value="other"), TWO], [ONE.ended + 0.5]), "it lived at 12"


@pytest.mark.parametrize(("seconds", "explained"), [(0.1, False), (1.0, True)])
def test_a_slow_ledger_gives_more_time(seconds: float, explained: bool) -> None:
    """As far as it is slow."""
    assert (not needless([ONE, TWO], [LATE], slowest=lambda start, end: seconds)) is explained


@pytest.mark.parametrize(
    ("said", "explained"),
    [
        (GivenUp("sentinel", 11.0), True),
        (GivenUp("sentinel", 20.5), True),
        (GivenUp("defender", 11.0), False),
        (GivenUp("sentinel", 9.0), False),
        (GivenUp("sentinel", 30.0), False),
    ],
)
def test_who_says_that_it_could_not_write_explains_one(said: GivenUp, explained: bool) -> None:
    """At that API, between the two."""
    assert (not needless([ONE, TWO], [], [said])) is explained


def test_both_kinds_of_log_are_read(tmp_path: Path) -> None:
    """A worker's lines and a service's."""
    lost = "Another process drains this destination now. What is not written down is sent once more."
    lines = [
        f"2026-11-29T13:19:58Z [microsoft] {lost}",
        f"2026-11-29 13:19:58,405 - misp_modules_ext - WARNING - [microsoft defender] {lost}",
        "2026-11-29T13:19:58Z The event was read from MISP.",
    ]
    (tmp_path / "worker-001.log").write_text("\n".join(lines))
    assert [said.api for said in given_up(tmp_path)] == ["sentinel", "defender"]
