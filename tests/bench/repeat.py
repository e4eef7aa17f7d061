"""The same event again after all of it was accepted: how long its account takes, and that Microsoft is not asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from misp_modules_ext.config import load
from misp_modules_ext.config.settings import Settings
from misp_modules_ext.delivery.submit import Order, submit
from misp_modules_ext.emulator import Emulator
from misp_modules_ext.ledger import open_ledger
from misp_modules_ext.model.misp import Event
from tests.bench.event import parsed
from tests.bench.line import Line, Size, Timed, at_most, fresh, on_each, tidied
from tests.bench.machine import paced
from tests.bench.places import accept, commit, configuration

#: Seconds.
WANTED = 1.5


def lines(size: Size, kinds: Sequence[str], folder: Path) -> Iterator[Line]:
    """A line for each database."""
    with Emulator(rates=False) as emulator:
        yield from on_each(
            "unchanged repeat", kinds, folder, partial(_measure, parsed(size.attributes), size, emulator)
        )


def _measure(event: Event, size: Size, emulator: Emulator, kind: str, folder: Path) -> Iterator[Line]:
    with fresh(kind, folder) as url:
        settings = load(configuration(emulator, url, folder))
        # The process's own one, which `submit` uses as well.
        with closing(open_ledger(settings.ledger.url.get_secret_value())) as ledger:
            commit(ledger, event, list(settings.destinations))
            accept(ledger)
            took, pace = paced(size, lambda: _once(event, settings))
    requests = len(emulator.requests())
    line = at_most(f"unchanged repeat, {kind}", took, WANTED, pace)
    yield Line(
        line.what,
        f"{line.reached}, {requests} requests",
        f"{line.wanted}, 0 requests",
        met=line.met and requests == 0,
    )


def _once(event: Event, settings: Settings) -> Timed:
    counts: list[dict[str, int]] = []

    def work() -> None:
        account = submit([event], settings, Order("export"))
        counts.extend(dict(destination.counts) for destination in account.destinations)

    took = tidied(work)
    assert len(counts) == 3
    assert all(c["unchanged"] > 0.9 * len(event.attributes) and c["accepted"] == c["pending"] == 0 for c in counts)
    return took
