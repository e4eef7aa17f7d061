"""Every line of the bench at a hundredth of its size: that it still measures what it says, not how fast that is."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from tests.bench import machine
from tests.bench.line import Size, Timed, at_least, at_most
from tests.bench.run import MEASURES, main
from tests.support.databases import KINDS, database

#: What of a measure's lines stands before their databases.
ON_DATABASES = {
    "commit": ["commit"],
    "repeat": ["unchanged repeat"],
    "million": ["status", "show", "head of the due rows"],
}


def _lines(*arguments: str) -> list[str]:
    out = io.StringIO()
    assert main(["--part", "100", *arguments], out) == 0
    first, *lines = out.getvalue().splitlines()
    assert re.match(r"\d+ cores, Python 3\.", first)
    assert all(line.endswith("not judged") for line in lines)
    return lines


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("measure", ON_DATABASES)
def test_a_measure_on_a_database(measure: str, kind: str, tmp_path: Path) -> None:
    """It has its lines, each with a time; the measures themselves make sure that the work was done."""
    with database(kind, tmp_path):
        lines = _lines("--lines", measure, "--databases", kind)
    assert [re.split(r" {2,}", line)[0] for line in lines] == [f"{what}, {kind}" for what in ON_DATABASES[measure]]
    assert all(re.search(r"\d m?s \(own ", line) for line in lines)
    # The number of requests is the emulator's count.
    assert measure != "repeat" or re.search(r"own [\d.]+ s\), 0 requests ", lines[0])


def test_translation() -> None:
    """Speeds with and without gates, and of twenty events in one."""
    plain, peer, strict, linear = _lines("--lines", "translation")
    assert re.search(r"^translation +[\d,]+ attributes/s", plain)
    assert re.search(r"^translation, every gate +[\d,]+ attributes/s", strict)
    assert "misp-stix" in peer
    assert linear.startswith("translation of 10,000 ")


def test_memory() -> None:
    """Both services answer, and ours needs more."""
    (line,) = _lines("--lines", "memory")
    found = re.search(r"(\d+) MB \((\d+) less (\d+)\)", line)
    assert found
    above, ours, idle = map(int, found.groups())
    assert ours > idle > 50
    assert abs(above - (ours - idle)) <= 1


def test_what_is_wanted_goes_by_the_pace_of_the_machine() -> None:
    """Half as fast a machine has twice the time, and need be half as fast."""
    took = Timed(1.9, 1.5)
    assert at_most("a", took, 1.0, 0.5) == ("a", "1.90 s (own 1.50 s)", "<= 2.00 s (1 / 0.50)", True)
    assert not at_most("a", took, 1.0, 1.0).met
    late = ("a", "1900.0 ms (own 1500.0 ms)", "<= 1500.0 ms (1500 / 1.00)", False)
    assert at_most("a", took, 1500.0, 1.0, "ms") == late
    assert at_most("a", took, 1500.0, 0.5, "ms").met
    assert at_least("a", 950, took, 1000, 0.5).met
    assert not at_least("a", 950, took, 1000, 1.0).met


def test_of_several_repetitions_the_middle_one_counts_when_the_pace_is_allowed_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that took longest while the machine was slow may be the middle one."""
    paces = iter([1.0, 1.0, 1.0, 1.0, 0.2])
    monkeypatch.setattr(machine, "_pace", lambda _: next(paces))
    times = iter([Timed(3.0, 3.0), Timed(2.0, 2.0), Timed(4.0, 4.0)])
    assert machine.paced(Size(repetitions=3), lambda: next(times)) == (Timed(4.0, 4.0), 0.6)


def test_a_measure_that_is_missed_ends_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that cannot be taken counts as missed."""
    monkeypatch.setenv("TEST_POSTGRESQL_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.delenv("CI", raising=False)
    out = io.StringIO()
    assert main(["--lines", "million", "--databases", "postgresql"], out) == 1
    assert re.search(r"not measured: postgresql does not answer.* MISSED$", out.getvalue(), re.MULTILINE)


def test_every_measure_is_tested_here() -> None:
    """A new one needs its test."""
    assert set(MEASURES) == {*ON_DATABASES, "translation", "memory"}
