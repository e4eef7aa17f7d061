"""The account of one submission: the record that reports render (DESIGN.md 7)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from misp_modules_ext.model.outcome import WORST_FIRST, Outcome, Reason, State

#: Version of the JSON report; grows only when a reader of the old one would be misled.
SCHEMA = 1

DOORS = ("export", "action", "expansion", "cli", "sync")


class Difference(NamedTuple):
    """One field of an indicator that would change.

    Attributes:
        field: for example `labels`; never renamed.
        before: what is there, in words; of a list only what would go.
        after: what would be there instead; of a list only what would come.
    """

    field: str
    before: str
    after: str


# Tuples, and not frozen dataclasses, which take four times as long to make: there is one for each attribute.
class ObservableAccount(NamedTuple):
    """What became of one observable of an attribute at one destination.

    Attributes:
        kind: the observable's kind, for example `file-sha256`.
        indicator: its STIX id; also where the destination does not speak STIX, so that reports can be compared.
        expires: valid-until, seconds since 1970 UTC; `None` when it was not sent.
        change: in a preview `create`, `update` or `withdraw` for what would be sent, else `""`.
        differences: of an update; empty also when it is not known what exactly is there.
        action: what Defender does on a match, for example `Block`; `""` for Audit, which only alerts.
        action_note: why it is not the action that the configuration asks for, as a sentence; `""` when it is.
    """

    kind: str
    value: str
    outcome: Outcome
    indicator: str
    expires: int | None = None
    reason: Reason | None = None
    message: str = ""
    change: str = ""
    differences: tuple[Difference, ...] = ()
    action: str = ""
    action_note: str = ""


class Item(NamedTuple):
    """What became of one attribute at one destination.

    Attributes:
        event: event UUID.
        attribute: attribute UUID.
        message: what exactly, beyond the reason's own sentence; `""` when there is nothing to add.
        notes: what a reader should know although it went well (normalised, a part that could not be held, …).
    """

    event: str
    attribute: str
    type: str
    value: str
    outcome: Outcome
    reason: Reason | None = None
    message: str = ""
    notes: tuple[str, ...] = ()
    observables: tuple[ObservableAccount, ...] = ()


@dataclass(frozen=True, slots=True)
class Removed:
    """An indicator that was withdrawn for an attribute that is gone; outside the accounting identity."""

    kind: str
    value: str
    indicator: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class DestinationAccount:
    """What became of every attribute at one destination.

    Attributes:
        name: the section's label, for example `microsoft soc-emea`.
        message: a sentence about the destination as a whole with what to do; `""` when all is well.
        preview: nothing was sent; outcomes say what would have happened.
    """

    name: str
    product: str
    api: str
    state: State
    message: str = ""
    items: tuple[Item, ...] = field(default=(), repr=False)
    removed: tuple[Removed, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """`read` and one number for each outcome; the outcomes add up to `read`."""
        by_outcome = Counter(item.outcome for item in self.items)
        return {"read": len(self.items)} | {outcome.value: by_outcome[outcome] for outcome in REPORT_ORDER}


#: The order in which reports list the outcomes.
REPORT_ORDER = (
    Outcome.ACCEPTED,
    Outcome.UNCHANGED,
    Outcome.MERGED,
    Outcome.WITHDRAWN,
    Outcome.PENDING,
    Outcome.SKIPPED,
    Outcome.REJECTED,
)


@dataclass(frozen=True, slots=True)
class EventAccount:
    """An event that the submission read.

    Attributes:
        url: link to it in MISP, `""` when the MISP address is not configured.
        complete: the view showed all attributes that MISP counts.
        notes: what was odd about it.
    """

    uuid: str
    info: str
    url: str = ""
    complete: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """The whole account of one submission.

    Attributes:
        submission: UUID of the submission.
        door: one of `DOORS`.
        ledger: where the ledger is, without a password; `""` when it was not reached.
        started: seconds since 1970 UTC.
        finished: seconds since 1970 UTC.
        preview: nothing was sent: outcomes say what would happen.
        problem: why nothing at all could be done (bad configuration, unreadable request); `""` normally.
        problem_code: `""` normally; `configuration`, `usage`, `ledger`, `internal` or `unfinished` for `problem`.
        as_of: when outcomes were brought up to date, seconds since 1970 UTC; `None` for those of the submission itself.
    """

    submission: str
    door: str
    started: float
    finished: float
    ledger: str = ""
    preview: bool = False
    events: tuple[EventAccount, ...] = ()
    destinations: tuple[DestinationAccount, ...] = ()
    problem: str = ""
    problem_code: str = ""
    warnings: tuple[str, ...] = ()
    as_of: float | None = None


#: Parts with these reasons are no loss: no destination of this kind could hold them.
_NO_PLACE = frozenset({Reason.KIND_NOT_HELD, Reason.SPECIAL_VALUE})


def that_count(observables: Sequence[ObservableAccount]) -> list[ObservableAccount]:
    """The observables by which an attribute counts: what has no place is a note beside a part that has one."""
    return [part for part in observables if part.reason not in _NO_PLACE] or list(observables)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcome an attribute counts by, given those of its observables.

    Raises:
        ValueError: there are no outcomes.
    """
    found = set(outcomes)
    for outcome in WORST_FIRST:
        if outcome in found:
            return outcome
    raise ValueError("an attribute without observables has an outcome of its own")
