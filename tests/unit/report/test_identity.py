"""The check that accounts add up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from misp_modules_ext.model.account import Account, Item
from misp_modules_ext.model.indicator import Kind
from misp_modules_ext.model.outcome import Outcome, Reason
from misp_modules_ext.report import check_identity
from tests.unit.report import samples

GOOD = samples.item("domain", "a.example", samples.part(Kind.DOMAIN_NAME, "a.example"))


def _account(*items: Item) -> Account:
    return samples.account(samples.destination("microsoft", items))


@pytest.mark.parametrize("name", ["arrived", "mixed", "every_outcome", "hostile", "problem"])
def test_good_accounts_have_no_faults(name: str) -> None:
    """What the program makes passes."""
    assert check_identity(getattr(samples, name)()) == []


@pytest.mark.parametrize("outcome", [Outcome.SKIPPED, Outcome.PENDING, Outcome.REJECTED])
def test_a_missing_reason_is_found(outcome: Outcome) -> None:
    """Skipped, pending and rejected items need a reason."""
    faults = check_identity(_account(GOOD._replace(outcome=outcome, observables=())))
    assert len(faults) == 1
    assert f"{outcome} without a reason" in faults[0]


def test_a_missing_reason_of_a_part_is_found() -> None:
    """The observables of an attribute need theirs as well."""
    part = GOOD.observables[0]._replace(outcome=Outcome.PENDING)
    item = GOOD._replace(outcome=Outcome.PENDING, reason=Reason.THROTTLED, observables=(part,))
    assert ["pending without a reason" in fault for fault in check_identity(_account(item))] == [True]


@pytest.mark.parametrize("outcome", [Outcome.ACCEPTED, Outcome.PENDING])
def test_a_reason_of_another_outcome_is_found(outcome: Outcome) -> None:
    """A reason for skipping explains nothing else."""
    faults = check_identity(_account(GOOD._replace(outcome=outcome, reason=Reason.TLP, observables=())))
    assert ["which is one for skipped" in fault for fault in faults] == [True]


def test_an_attribute_that_does_not_count_by_its_worst_part_is_found() -> None:
    """An attribute whose indicator waits is not accepted."""
    waiting = GOOD.observables[0]._replace(outcome=Outcome.PENDING, reason=Reason.THROTTLED)
    faults = check_identity(_account(GOOD._replace(observables=(*GOOD.observables, waiting))))
    assert ["by its observables it is pending" in fault for fault in faults] == [True]


def test_a_part_that_cannot_be_held_is_a_note_when_another_went() -> None:
    """`filename|sha256` is accepted where only hashes can be held, and skipped where neither can."""
    name = samples.part(Kind.FILE_NAME, "a.exe", Outcome.SKIPPED, Reason.KIND_NOT_HELD)
    went = GOOD._replace(observables=(*GOOD.observables, name))
    none = GOOD._replace(outcome=Outcome.SKIPPED, reason=Reason.KIND_NOT_HELD, observables=(name,))
    assert check_identity(_account(went, none)) == []


def test_an_attribute_that_a_destination_forgot_is_found() -> None:
    """Every destination accounts for every attribute."""
    whole, short = samples.destination("a", [GOOD]), samples.destination("b", [])
    assert ["b and a differ" in fault for fault in check_identity(samples.account(whole, short))] == [True]
    assert ["b and a differ" in fault for fault in check_identity(samples.account(short, whole))] == [False]


def test_an_attribute_that_a_destination_counts_twice_is_found() -> None:
    """The same attribute counts once at each destination."""
    once, twice = samples.destination("a", [GOOD]), samples.destination("b", [GOOD, GOOD])
    assert len(check_identity(samples.account(once, twice))) == 1


def test_an_event_that_the_account_does_not_list_is_found() -> None:
    """Items belong to events of the account."""
    faults = check_identity(replace(_account(GOOD), events=()))
    assert [samples.EVENT in fault for fault in faults] == [True]
