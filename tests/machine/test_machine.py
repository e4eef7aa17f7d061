"""Random lives of events end as the rules say, on each database."""

from __future__ import annotations

import os

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.machine.machine import Machine
from tests.machine.stage import Stage


EXAMPLES, STEPS = int(os.environ.get('MACHINE_EXAMPLES', 20)), int(os.environ.get('MACHINE_STEPS', 20))
PHASES = [Phase.explicit, Phase.generate] + ([] if os.environ.get('NOSHRINK') else [Phase.shrink])


@pytest.mark.property
def test_what_microsoft_holds_is_what_the_rules_say(stage: Stage) -> None:
    """Whatever happens in between."""

    class Here(Machine):
        pass

    Here.stage = stage
    from tests.machine.machine import STATS
    import collections, atexit
    atexit.register(lambda: print('STATS', len(STATS), collections.Counter(s[1] for s in STATS), sum(s[0] for s in STATS)/(1+len(STATS))))
    run_state_machine_as_test(Here, settings=settings(max_examples=EXAMPLES, stateful_step_count=STEPS, phases=PHASES, report_multiple_bugs=False))
