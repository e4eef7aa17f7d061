"""A ledger of a million observables at two destinations: what its commands and its drain ask of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from misp_modules_ext.delivery.drain import PORTION
from misp_modules_ext.destinations import create
from misp_modules_ext.ledger import Ledger, Store, flight, holds, queries, register, submissions
from misp_modules_ext.ledger.engine import now_ms
from misp_modules_ext.ledger.story import Story, story
from tests.bench.event import parsed
from tests.bench.filling import fill
from tests.bench.line import Line, Size, at_most, fresh, median, on_each, timed
from tests.bench.machine import paced
from tests.bench.places import MISP, commit, destinations

#: Milliseconds.
WANTED_STATUS, WANTED_SHOW, WANTED_HEAD = 200.0, 10.0, 10.0
#: Of so many the median counts as one repetition.
OFTEN = 7
#: Submissions and failed readings that `status` shows.
LATEST = 10


def lines(size: Size, kinds: Sequence[str], folder: Path) -> Iterator[Line]:
    """Three lines for each database."""
    return on_each(f"ledger of {size.observables:,}", kinds, folder, partial(_measure, size))


def _measure(size: Size, kind: str, folder: Path) -> Iterator[Line]:
    with fresh(kind, folder) as url, closing(Ledger(url)) as ledger:
        chosen = destinations()[:2]
        stores = ledger.write(lambda c: register(c, [(settings, create(settings).refuses) for settings in chosen]))
        fill(ledger, size.observables, stores)
        # One event of the ordinary way is what is shown.
        event = parsed(20)
        _, taken = commit(ledger, event, chosen)
        value = next(iter(taken.named.values())).value
        yield _line(f"status, {kind}", ledger, _status, WANTED_STATUS, size)
        yield _line(f"show, {kind}", ledger, lambda c: _show(c, value, stores), WANTED_SHOW, size)
        yield _line(f"head of the due rows, {kind}", ledger, lambda c: _head(c, stores[0], size), WANTED_HEAD, size)


def _line(what: str, ledger: Ledger, work: Callable[[Connection], Any], wanted: float, size: Size) -> Line:
    took, pace = paced(size, lambda: median(timed(lambda: ledger.read(work)) for _ in range(OFTEN)))
    return at_most(what, took, wanted, pace, "ms")


def _status(connection: Connection) -> None:
    """What `misp-microsoft status` asks."""
    places = queries.destinations(connection)
    queries.revision(connection)
    queries.drains(connection)
    queries.readings(connection, [""], LATEST)
    submissions.latest(connection, LATEST)
    counts = [queries.counts(connection, place.destination_id) for place in places]
    assert all(count.there > 0 for count in counts)


def _show(connection: Connection, value: str, stores: Sequence[Store]) -> list[Story]:
    """What `misp-microsoft show VALUE` asks."""
    queries.destinations(connection)
    found = [story(connection, observable) for observable in holds.named(connection, value).values()]
    told = [one for one in found if one is not None]
    assert told
    assert all(one.content(store, MISP) is not None for one in told for store in stores)
    return told


def _head(connection: Connection, store: Store, size: Size) -> None:
    rows = flight.due_rows(connection, store, now_ms(connection), PORTION)
    assert len(rows) >= min(PORTION, size.observables // 20)
