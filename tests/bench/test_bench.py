"""Every line of the bench at a hundredth of its size: that it still measures what it says, not how fast that is."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

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
    assert measure != "repeat" or ", 0 requests " in lines[0]


def test_translation() -> None:
    """Speeds with and without gates, and of twenty events in one."""
    plain, strict, peer, linear = _lines("--lines", "translation")
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
