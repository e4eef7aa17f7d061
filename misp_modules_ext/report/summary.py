"""The account in one line, and as an exit code."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from misp_modules_ext.model.account import REPORT_ORDER, Account, DestinationAccount
from misp_modules_ext.model.outcome import Outcome, Reason, State
from misp_modules_ext.report.text import number, one_line, plural

#: DESIGN.md 6: of several exit codes the first of these counts.
_PRECEDENCE = (2, 4, 5, 3, 1)

#: What a failure of the whole submission exits with. A fault of our own is 2 as well: like a wrong configuration it
#: needs a person and repeating alone does not help, while 1 would say "settled" and 3 "repeat" to a script.
_PROBLEM_CODES = {"configuration": 2, "usage": 2, "ledger": 2, "internal": 2, "unfinished": 3}

_STATE_CODES = {State.MISCONFIGURED: 2, State.REFUSED: 4}
_REFUSED = frozenset({Reason.CREDENTIALS_REFUSED, Reason.PERMISSION_REFUSED})


def summary(account: Account) -> str:
    """One line for logs and mail: `accepted 18, skipped 6 of 24 at microsoft (ok); …`."""
    head = "preview, nothing was sent: " if account.preview else ""
    if account.problem:
        return f"{head}{account.problem_code or 'internal'} problem: {one_line(account.problem)}"
    return head + ("; ".join(map(_clause, account.destinations)) or "no destinations")


def sum_in_words(counts: dict[str, int]) -> str:
    """The outcomes that occurred: `accepted 18, skipped 6`; `""` when nothing was read."""
    return ", ".join(f"{o.value} {number(counts[o.value])}" for o in REPORT_ORDER if counts[o.value])


def _clause(destination: DestinationAccount) -> str:
    counts = destination.counts
    parts = sum_in_words(counts) or "nothing"
    removed = (
        f", {plural(len(destination.removed), 'indicator')} withdrawn for gone attributes"
        if destination.removed
        else ""
    )
    return f"{parts} of {number(counts['read'])} at {one_line(destination.name)} ({destination.state}){removed}"


def exit_code(account: Account) -> int:
    """The exit code of a command that did this (DESIGN.md 6).

    Returns:
        0 all settled, 1 some rejected, 2 usage or configuration (or a fault of ours), 3 something pending,
        4 credentials or permission refused, 5 MISP unreachable; if several hold, the first of 2, 4, 5, 3, 1.
    """
    return first_code(set(_codes(account)))


def first_code(codes: Collection[int]) -> int:
    """The exit code of several."""
    return next((code for code in _PRECEDENCE if code in codes), 0)


def state_code(state: State) -> int:
    """The exit code that a destination's state means by itself; 0 where the outcomes tell."""
    return _STATE_CODES.get(state, 0)


def outcome_code(outcome: Outcome, reason: Reason | None) -> int:
    """The exit code that an outcome means; 0 when it is settled."""
    if outcome is Outcome.PENDING:
        return 4 if reason in _REFUSED else 3
    return 1 if outcome is Outcome.REJECTED else 0


def _codes(account: Account) -> Iterator[int]:
    if account.problem:
        yield _PROBLEM_CODES.get(account.problem_code, _PROBLEM_CODES["internal"])
    for destination in account.destinations:
        yield state_code(destination.state)
        yield from (outcome_code(outcome, reason) for outcome, reason in _results(destination))


def _results(destination: DestinationAccount) -> Iterator[tuple[Outcome, Reason | None]]:
    """Every outcome at a destination: an item counts by its worst part, but its other parts may be pending too."""
    for item in destination.items:
        yield item.outcome, item.reason
        for part in item.observables:
            yield part.outcome, part.reason
    for removed in destination.removed:
        yield removed.outcome, None
