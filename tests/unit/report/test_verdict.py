"""The answer to "did it arrive?"."""

from __future__ import annotations

from dataclasses import replace

import pytest

from misp_modules_ext.model.account import Account, DestinationAccount, Item, Removed
from misp_modules_ext.model.indicator import Kind
from misp_modules_ext.model.outcome import Outcome, Reason, State
from misp_modules_ext.report import Level, verdict
from misp_modules_ext.report.attributes import NO_ROOM
from tests.unit.report import samples

GONE = Removed("domain-name", "gone.example", "", Outcome.WITHDRAWN)


def _there(name: str = "a.example", outcome: Outcome = Outcome.ACCEPTED) -> Item:
    return samples.item("domain", name, samples.part(Kind.DOMAIN_NAME, name, outcome))


def _not(reason: Reason, name: str = "a.example") -> Item:
    return samples.skipped("domain", name, reason)


def _at(*items: Item, name: str = "microsoft", state: State = State.OK, message: str = "") -> DestinationAccount:
    return samples.destination(name, items, state, message)


@pytest.mark.parametrize(
    ("account", "level", "sentence"),
    [
        (samples.account(_at(_there())), "yes", "Yes: 1 of 1 selected attribute is at microsoft."),
        (
            samples.account(_at(_there()), _at(_there(outcome=Outcome.UNCHANGED), name="b")),
            "yes",
            "Yes: 1 of 1 selected attribute is at both destinations.",
        ),
        (samples.arrived(), "yes", "Yes: 10 of 10 selected attributes are at all 3 destinations."),
        (
            samples.account(
                _at(_there(), _there("b.example")), _at(_there(), _not(Reason.KIND_NOT_HELD, "b.example"), name="b")
            ),
            "yes",
            "Yes: 2 of 2 selected attributes are there: 1 at both destinations, 1 where allowed and possible.",
        ),
        (
            samples.account(_at(_there()), _at(_not(Reason.DOOR_CLOSED), name="b")),
            "yes",
            "Yes: 1 of 1 selected attribute is at every destination that takes it.",
        ),
        (
            samples.account(replace(_at(_there(outcome=Outcome.WITHDRAWN)), removed=(GONE,))),
            "yes",
            "Yes: nothing is selected any more, and what was there is withdrawn.",
        ),
        (
            samples.account(_at(_there(), _not(Reason.THROTTLED, "b.example"))),
            "partly",
            "Partly: 1 of 2 selected attributes are at microsoft.",
        ),
        (
            samples.account(_at(_there(), _not(Reason.CAPACITY, "b.example"))),
            "partly",
            "Partly: 1 of 2 selected attributes are at microsoft.",
        ),
        (
            samples.account(_at(_there()), _at(_not(Reason.PAUSED), name="b")),
            "partly",
            "Partly: 0 of 1 selected attribute is everywhere it should be (microsoft: 1 of 1, b: 0 of 1).",
        ),
        (
            samples.account(_at(_there()), _at(name="b", state=State.MISCONFIGURED)),
            "partly",
            "Partly: 1 of 1 selected attribute is at every destination that takes it, but b took nothing.",
        ),
        (
            samples.account(replace(_at(_there()), removed=(replace(GONE, outcome=Outcome.PENDING),))),
            "partly",
            "Partly: 1 of 1 selected attribute is at microsoft, with 1 withdrawal still to be done.",
        ),
        (
            samples.account(replace(_at(), removed=(replace(GONE, outcome=Outcome.PENDING),))),
            "partly",
            "Partly: nothing is selected any more, with 1 withdrawal still to be done.",
        ),
        (
            samples.account(_at(_not(Reason.REJECTED), _not(Reason.NOT_IN_TIME, "b.example"))),
            "no",
            "No: 0 of 2 selected attributes are at microsoft.",
        ),
        (
            samples.account(_at(_not(Reason.TLP), state=State.UNREACHABLE)),
            "no",
            "No: nothing was sent, and microsoft took nothing.",
        ),
        (samples.account(), "nothing", "Nothing was sent: no destination is configured or named."),
        (samples.account(_at()), "nothing", "Nothing was sent: what was read holds no attributes."),
        (
            samples.account(_at(_not(Reason.TLP))),
            "nothing",
            "Nothing was sent: the only attribute stays behind, for the reasons given.",
        ),
        (
            samples.account(_at(_not(Reason.TLP), _not(Reason.PAP, "b.example"))),
            "nothing",
            "Nothing was sent: all 2 attributes stay behind, for the reasons given.",
        ),
        (
            replace(samples.arrived(), preview=True),
            "preview",
            "Preview: nothing was sent. 10 of 16 attributes would be at all 3 destinations.",
        ),
        (samples.problem(), "problem", "No: nothing was sent. The configuration cannot be used."),
        (
            samples.account(problem="x", problem_code="internal"),
            "problem",
            "It is not known what arrived. The program failed.",
        ),
    ],
)
def test_verdict(account: Account, level: str, sentence: str) -> None:
    """The level and the sentence say exactly what the account says."""
    found = verdict(account)
    assert (found.level.value, found.sentence) == (level, sentence)


def test_with_many_destinations_the_sentence_stays_short() -> None:
    """With five destinations or more they are counted, not named."""
    places = [_at(_there() if n else _not(Reason.PAUSED), name=f"d{n}") for n in range(5)]
    expected = "Partly: 0 of 1 selected attribute is everywhere it should be, 1 at one destination at least."
    assert verdict(samples.account(*places)).sentence == expected


def test_all_well_needs_no_steps() -> None:
    """When everything arrived there is nothing to do."""
    assert verdict(samples.arrived()).steps == ()


@pytest.mark.parametrize("name", ["mixed", "every_outcome", "problem"])
def test_not_all_well_says_what_to_do(name: str) -> None:
    """Every other answer comes with at least one step."""
    found = verdict(getattr(samples, name)())
    assert found.level is not Level.YES
    assert all(found.steps)
    assert found.steps


def test_what_destinations_say_comes_first_and_once() -> None:
    """Destinations with the same message share a step, reasons follow with their remedies."""
    places = [_at(_not(Reason.PAUSED), name=f"d{n}", state=State.PAUSED, message="Do this.") for n in range(5)]
    assert verdict(samples.account(*places)).steps == (
        "d0, d1 and 3 more: Do this.",
        f"5 pending (paused): {Reason.PAUSED.remedy}",
    )


def test_nothing_selected_names_the_reasons() -> None:
    """When no attribute is selected, the steps say why, with the remedy."""
    steps = verdict(samples.account(_at(_not(Reason.TO_IDS_OFF)))).steps
    assert steps == (f"1 skipped (to-ids-off): {Reason.TO_IDS_OFF.sentence}",)


def test_more_steps_than_fit_are_counted() -> None:
    """A long list ends with how many are left and where they stand."""
    steps = verdict(samples.every_outcome()).steps
    pressing = [r for r in Reason if r.outcome in (Outcome.PENDING, Outcome.REJECTED) or r in NO_ROOM]
    assert len(steps) == 7
    assert steps[-1] == f"{len(pressing) - 6} more steps: see the destinations and reasons."


def test_hostile_names_stay_on_one_visible_line() -> None:
    """Names and messages in the answer cannot hide or break anything."""
    found = verdict(samples.hostile())
    assert found.sentence.isprintable()
    assert all("\n" not in step and "\x1b" not in step and "\u202e" not in step for step in found.steps)
