"""Threads that take on one task after the other."""

from __future__ import annotations

import logging
import threading

import pytest

from misp_modules_ext.delivery.crew import Crew
from misp_modules_ext.errors import LedgerError
from misp_modules_ext.logs import fields_of


def test_a_task_is_not_taken_on_twice_at_once() -> None:
    """The next round leaves alone what the last one has not ended."""
    crew, gate, done = Crew(2), threading.Event(), []
    assert crew.start("a", gate.wait)
    assert not crew.start("a", lambda: done.append("again"))
    gate.set()
    crew.wait()
    assert crew.start("a", lambda: done.append("later"))
    crew.wait()
    assert done == ["later"]


def test_more_tasks_than_threads() -> None:
    """All are done, and never more at once than there are threads."""
    crew, lock, now, most = Crew(3), threading.Lock(), [0], [0]

    def task() -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        threading.Event().wait(0.01)
        with lock:
            now[0] -= 1

    for number in range(20):
        assert crew.start(number, task)
    crew.wait()
    assert most[0] == 3


@pytest.mark.parametrize("error", [LedgerError("The ledger is full."), ValueError("a defect")])
def test_what_fails_costs_itself_alone(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the thread goes on."""
    crew, done = Crew(1), []

    def fail() -> None:
        raise error

    with caplog.at_level(logging.WARNING, "misp_modules_ext"):
        crew.start("bad", fail)
        crew.start("good", lambda: done.append(1))
        crew.wait()
    assert done == [1]
    assert str(error) in caplog.text


def test_a_ledger_that_stays_away_is_told_once_and_its_end(caplog: pytest.LogCaptureFixture) -> None:
    """Not in each round, which is every few seconds."""
    crew, errors = Crew(1), [LedgerError("The ledger is full.")] * 3

    def task() -> None:
        if errors:
            raise errors.pop()

    with caplog.at_level(logging.INFO, "misp_modules_ext"):
        for _ in range(5):
            crew.start("reading", task)
            crew.wait()
    assert [fields_of(record)["what"] for record in caplog.records] == ["unusable", "usable"]
