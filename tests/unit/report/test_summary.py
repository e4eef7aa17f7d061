"""The account in one line and as an exit code."""

from __future__ import annotations

from dataclasses import replace

import pytest

from misp_modules_ext.model.account import Account, Removed
from misp_modules_ext.model.indicator import Kind
from misp_modules_ext.model.outcome import Outcome, Reason, State
from misp_modules_ext.report import exit_code, summary
from tests.unit.report import samples


def test_summary_gives_every_destination_one_clause() -> None:
    """The outcomes that occurred, what was read, the destination and its state."""
    assert summary(samples.mixed()) == (
        "accepted 10, merged 1, skipped 6 of 17 at microsoft (ok); "
        "accepted 8, merged 1, skipped 7, rejected 1 of 17 at microsoft defender-emea (ok); "
        "pending 11, skipped 6 of 17 at microsoft soc-us (refused)"
    )


def test_summary_of_odd_accounts() -> None:
    """A problem, a preview, no destination, no attribute and a late withdrawal are said too."""
    assert summary(samples.account(problem="It\nis locked", problem_code="ledger")) == "ledger problem: It is locked"
    assert summary(replace(samples.arrived(), preview=True)).startswith("preview, nothing was sent: accepted 9")
    assert summary(samples.account()) == "no destinations"
    assert summary(samples.account(samples.destination("microsoft", []))) == "nothing of 0 at microsoft (ok)"
    assert summary(samples.every_outcome()).endswith("(ok), 1 indicator withdrawn for gone attributes")


def test_summary_is_one_printable_line_whatever_comes() -> None:
    """Names and messages cannot break a log line or reach a terminal as commands."""
    assert summary(samples.hostile()).isprintable()


def _with(reason: Reason | None, state: State = State.OK) -> Account:
    items = [samples.skipped("domain", "a.example", reason)] if reason else []
    return samples.account(samples.destination("microsoft", items, state))


@pytest.mark.parametrize(
    ("account", "code"),
    [
        (samples.arrived(), 0),
        (samples.account(), 0),
        (_with(Reason.CAPACITY), 0),
        (_with(Reason.REJECTED), 1),
        (_with(Reason.NOT_IN_TIME), 3),
        (_with(Reason.NOT_FOUND), 3),
        (_with(Reason.CREDENTIALS_REFUSED), 4),
        (_with(Reason.PERMISSION_REFUSED), 4),
        (_with(None, State.REFUSED), 4),
        (_with(None, State.MISCONFIGURED), 2),
        (samples.account(problem="x", problem_code="configuration"), 2),
        (samples.account(problem="x", problem_code="usage"), 2),
        (samples.account(problem="x", problem_code="internal"), 2),
        (samples.account(problem="x", problem_code="new"), 2),
    ],
)
def test_exit_code_for_one_cause(account: Account, code: int) -> None:
    """Each cause has the exit code that DESIGN.md 6 gives it."""
    assert exit_code(account) == code


@pytest.mark.parametrize(
    ("reasons", "state", "code"),
    [
        ((Reason.REJECTED, Reason.NOT_IN_TIME), State.OK, 3),
        ((Reason.REJECTED, Reason.NOT_IN_TIME, Reason.CREDENTIALS_REFUSED), State.OK, 4),
        ((Reason.REJECTED, Reason.CREDENTIALS_REFUSED), State.MISCONFIGURED, 2),
    ],
)
def test_of_several_causes_the_first_in_order_counts(reasons: tuple[Reason, ...], state: State, code: int) -> None:
    """The order is 2, 4, 5, 3, 1."""
    items = [samples.skipped("domain", f"{reason}.example", reason) for reason in reasons]
    assert exit_code(samples.account(samples.destination("microsoft", items, state))) == code


def test_a_pending_part_counts_beside_a_rejected_one() -> None:
    """An attribute that counts as rejected may still wait with its other part."""
    parts = (
        samples.part(Kind.DOMAIN_NAME, "a.example", Outcome.REJECTED, Reason.REJECTED),
        samples.part(Kind.IPV4_ADDR, "192.0.2.1", Outcome.PENDING, Reason.THROTTLED),
    )
    item = samples.item("domain|ip", "a.example|192.0.2.1", *parts, reason=Reason.REJECTED)
    assert exit_code(samples.account(samples.destination("microsoft", [item]))) == 3


def test_a_pending_withdrawal_counts() -> None:
    """A withdrawal for an attribute that is gone is work not done."""
    late = Removed("domain-name", "gone.example", "", Outcome.PENDING)
    place = replace(samples.destination("microsoft", []), removed=(late,))
    assert exit_code(samples.account(place)) == 3
