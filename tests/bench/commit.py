"""From a parsed event to its commit, with everything due at three destinations, on each database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from misp_modules_ext.delivery.collector import paused
from misp_modules_ext.ledger import Ledger
from misp_modules_ext.model.misp import Event
from tests.bench.event import parsed
from tests.bench.line import Line, Size, Timed, at_most, fresh, on_each, tidied
from tests.bench.machine import paced
from tests.bench.places import commit, destinations

#: Seconds.
WANTED: Mapping[str, float] = {"sqlite": 3.0, "postgresql": 4.0, "mariadb": 4.0}


def lines(size: Size, kinds: Sequence[str], folder: Path) -> Iterator[Line]:
    """A line for each database: the median of fresh ledgers."""
    return on_each("commit", kinds, folder, partial(_measure, parsed(size.attributes), size))


def _measure(event: Event, size: Size, kind: str, folder: Path) -> Iterator[Line]:
    took, pace = paced(size, lambda: _once(event, kind, folder))
    yield at_most(f"commit, {kind}", took, WANTED[kind], pace)


def _once(event: Event, kind: str, folder: Path) -> Timed:
    due: list[int] = []
    with fresh(kind, folder) as url, closing(Ledger(url)) as ledger:

        def work() -> None:
            with paused(len(event.attributes)):
                _, taken = commit(ledger, event, destinations())
                due.extend(len(settled.ready) for settled in taken.settled.values())

        took = tidied(work)
    assert len(due) == 3
    assert min(due) > 0.9 * len(event.attributes)
    return took
