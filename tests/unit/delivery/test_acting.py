"""What a command of a person's waits for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from misp_modules_ext.delivery.acting import carry_out
from misp_modules_ext.ledger import lease, schema
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.model.outcome import Outcome
from tests.unit.delivery.shelf import Shelf, domain, shelf_in


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    """An empty ledger with one destination."""
    made = shelf_in(tmp_path)
    yield made
    made.ledger.close()


def test_what_a_person_lets_over_the_cap_waits_for_another_sender(shelf: Shelf) -> None:
    """The mark of that is the ledger's own, and no reason why it was tried and stays."""
    shelf.take(*shelf.attributes(0))
    shelf.drain()
    number = observable_id(domain(0))
    row = schema.holding
    lifted = {"state": schema.DUE, "due_hash": None, "due_ms": 0, "reason": "cap-lifted"}
    shelf.ledger.write(lambda c: c.execute(row.update().where(row.c.observable_id == number).values(lifted)))
    other = shelf.ledger.write(lambda c: lease.acquire(c, shelf.store(c).destination_id, "another process"))
    assert other is not None
    ends = threading.Timer(1.0, lambda: shelf.ledger.write(lambda c: lease.release(c, other)))
    ends.start()
    acted = carry_out(shelf.place(), [number], [number])
    ends.join()
    assert [result.outcome for result in acted.results.values()] == [Outcome.WITHDRAWN]
    assert shelf.destination.held == {}
