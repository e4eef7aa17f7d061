"""Random lives of events end as the rules say, on each database."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.machine.machine import Machine
from tests.machine.stage import Stage

#: Examples and steps on SQLite, and on a server, where each step costs more. A minute each at most in CI.
LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
SIZES = {"sqlite": (400, 40) if LONG else (10, 15)}
ON_SERVERS = (100, 30) if LONG else (3, 12)


@pytest.mark.property
def test_what_microsoft_holds_is_what_the_rules_say(stage: Stage) -> None:
    """Whatever happens in between."""

    class Here(Machine):
        """The machine on this database."""

    Here.stage = stage
    examples, steps = SIZES.get(stage.ledger.engine.dialect.name, ON_SERVERS)
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Here, settings=chosen)
