"""Random lives of events end as the rules say, on each database."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.machine.machine import Machine
from tests.machine.stage import Stage


@pytest.mark.property
def test_what_microsoft_holds_is_what_the_rules_say(stage: Stage) -> None:
    """Whatever happens in between."""

    class Here(Machine):
        pass

    Here.stage = stage
    run_state_machine_as_test(Here, settings=settings(max_examples=100, stateful_step_count=30))
