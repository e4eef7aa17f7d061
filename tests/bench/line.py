"""What a measure prints, and how time is taken."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest

from tests.support.databases import database

#: Of a second, and the digits after the point that are shown.
_UNITS = {"s": 1, "ms": 1000}
_DIGITS = {"s": 2, "ms": 1}


class Line(NamedTuple):
    """A measure: what was reached, and what is wanted (DESIGN.md 10)."""

    what: str
    reached: str
    wanted: str
    met: bool

    def text(self, *, judged: bool) -> str:
        """The line; a part of the size is not judged."""
        verdict = ("ok" if self.met else "MISSED") if judged else "not judged"
        return f"{self.what:<34} {self.reached:<46} {self.wanted:<40} {verdict}"


def at_most(what: str, took: Timed, wanted: float, pace: float, unit: str = "s") -> Line:
    """A line on what may take so long.

    Args:
        what: the name of the measure.
        took: how long it took.
        wanted: in `unit`, on the machine of DESIGN.md 10.
        pace: this machine's, see `machine.paced`.
        unit: `s` or `ms`.
    """
    bound = wanted / pace
    told = f"<= {bound:.{_DIGITS[unit]}f} {unit} ({wanted:g} / {pace:.2f})"
    return Line(what, took.text(unit), told, met=took.wall * _UNITS[unit] <= bound)


def at_least(what: str, attributes: int, took: Timed, wanted: int, pace: float) -> Line:
    """A line on how many of some attributes must be done in a second; see `at_most`."""
    speed, bound = attributes / took.wall, wanted * pace
    return Line(what, f"{rate(speed)} in {took}", f">= {rate(bound)} ({wanted:,} * {pace:.2f})", met=speed >= bound)


def rate(speed: float) -> str:
    """Attributes a second, for people."""
    return f"{speed:,.0f} attributes/s"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    Attributes:
        attributes: of the event.
        observables: of the large ledger.
        repetitions: of which the median counts.
    """

    attributes: int = 50_000
    observables: int = 1_000_000
    repetitions: int = 7

    def part(self, number: int) -> Size:
        """So many times less."""
        if number == 1:
            return self
        return Size(self.attributes // number, self.observables // number, 1)


class Timed(NamedTuple):
    """Seconds on the clock, and seconds of this process."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return self.text("s")

    def text(self, unit: str) -> str:
        """In seconds (`s`) or milliseconds (`ms`)."""
        many, digits = _UNITS[unit], _DIGITS[unit]
        return f"{self.wall * many:.{digits}f} {unit} (own {self.cpu * many:.{digits}f} {unit})"


def timed(work: Callable[[], Any]) -> Timed:
    """Do it once."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Timed(time.perf_counter() - wall, time.process_time() - cpu)


def tidied(work: Callable[[], Any]) -> Timed:
    """Do it once, after what earlier work left behind was tidied up."""
    gc.collect()
    return timed(work)


def median(times: Iterable[Timed]) -> Timed:
    """The one in the middle by the clock."""
    ordered = sorted(times)
    return ordered[len(ordered) // 2]


def on_each(
    what: str, kinds: Sequence[str], folder: Path, measure: Callable[[str, Path], Iterable[Line]]
) -> Iterator[Line]:
    """Measure on databases of several kinds; one that does not answer is a measure missed.

    Args:
        what: the name of the measure.
        kinds: of `tests.support.databases.KINDS`.
        folder: for files.
        measure: gets the kind and a folder.
    """
    for kind in kinds:
        try:
            yield from measure(kind, folder)
        except pytest.skip.Exception as absent:
            said = " ".join(str(absent).split())
            yield Line(f"{what}, {kind}", f"not measured: {said[:120]}", "", met=False)


@contextmanager
def fresh(kind: str, folder: Path) -> Iterator[str]:
    """The address of an empty database, which is gone afterwards."""
    with TemporaryDirectory(dir=folder) as own, database(kind, Path(own)) as url:
        yield url
