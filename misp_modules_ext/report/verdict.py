"""Did it arrive? One sentence about a whole submission, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from misp_modules_ext.model.account import Account, DestinationAccount
from misp_modules_ext.model.outcome import Outcome, State
from misp_modules_ext.report.attributes import NO_ROOM, by_attribute, is_there, is_wanted
from misp_modules_ext.report.reasons import ReasonCount, count_reasons
from misp_modules_ext.report.text import listed, number, one_line, plural

#: States in which a destination took nothing more.
DOWN = frozenset({State.PAUSED, State.REFUSED, State.UNREACHABLE, State.RETIRED, State.MISCONFIGURED})
UNSETTLED = frozenset({Outcome.PENDING, Outcome.REJECTED})

#: What happened and what to do, by `Account.problem_code`; the problem's own text stands beside it.
PROBLEMS = {
    "configuration": (
        "The configuration cannot be used.",
        "Correct the configuration, run `misp-microsoft check`, then repeat.",
    ),
    "usage": (
        "The request cannot be understood.",
        "Correct the request (in MISP: the settings of the module, or the parameters of the node), then repeat.",
    ),
    "ledger": (
        "The ledger cannot be used.",
        "See the message; until then nothing is taken and nothing is sent.",
    ),
    "unfinished": (
        "Its account was never written.",
        "Look at `misp-microsoft status`: what it had taken goes by itself.",
    ),
    "internal": (
        "The program failed.",
        "Repeat: what has arrived is not doubled. If it fails again, please report this fault to the project, with the "
        "submission id and the text of the problem.",
    ),
}
#: Problems that are found before anything is sent.
_BEFORE_SENDING = frozenset({"configuration", "usage", "ledger"})
_MOST_STEPS = 6


class Level(str, Enum):
    """How the answer begins."""

    YES = "yes"
    PARTLY = "partly"
    NO = "no"
    NOTHING = "nothing"
    PREVIEW = "preview"
    PROBLEM = "problem"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to "did it arrive?".

    Attributes:
        sentence: the answer with its numbers, which count attributes.
        steps: what to do next, the most pressing first; empty when there is nothing to do.
    """

    level: Level
    sentence: str
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Tally:
    """Attributes over all destinations.

    Attributes:
        read: attributes that were read.
        wanted: those that the rules select for at least one destination.
        arrived: those that are at each destination that should have them.
        somewhere: those that are at one destination or more.
        broad: those of `arrived` that every destination of the account should have.
        undone: withdrawals for attributes that are gone, not done yet.
    """

    read: int
    wanted: int
    arrived: int
    somewhere: int
    broad: int
    undone: int

    @property
    def share(self) -> str:
        """For example `18 of 18 selected attributes are`."""
        verb = "is" if self.wanted == 1 else "are"
        return f"{number(self.arrived)} of {plural(self.wanted, 'selected attribute')} {verb}"


def verdict(account: Account) -> Verdict:
    """The answer to "did it arrive?" for one submission."""
    if account.problem:
        happened, remedy = PROBLEMS.get(account.problem_code, PROBLEMS["internal"])
        sent = "No: nothing was sent." if account.problem_code in _BEFORE_SENDING else "It is not known what arrived."
        return Verdict(Level.PROBLEM, f"{sent} {happened}", (remedy,))
    if not account.destinations:
        return Verdict(
            Level.NOTHING,
            "Nothing was sent: no destination is configured or named.",
            ("Add a [microsoft] section to the configuration, or name one of its sections in the request.",),
        )
    tally = _count(account)
    if account.preview:
        return Verdict(Level.PREVIEW, _preview_sentence(account, tally), tuple(_steps(account)))
    return _verdict_on_wanted(account, tally) if tally.wanted else _verdict_on_nothing(account, tally)


def _count(account: Account) -> _Tally:
    read = wanted = arrived = somewhere = broad = 0
    for places in by_attribute(account):
        selected = [at.item for at in places if is_wanted(at.item)]
        there = sum(map(is_there, selected))
        read += 1
        wanted += bool(selected)
        somewhere += bool(there)
        if selected and there == len(selected):
            arrived += 1
            broad += there == len(account.destinations)
    undone = sum(removed.outcome in UNSETTLED for d in account.destinations for removed in d.removed)
    return _Tally(read, wanted, arrived, somewhere, broad, undone)


def _verdict_on_wanted(account: Account, tally: _Tally) -> Verdict:
    steps = tuple(_steps(account))
    if not tally.somewhere:
        return Verdict(Level.NO, f"No: {tally.share} at {_places(account)}.", steps)
    if tally.arrived < tally.wanted:
        return Verdict(Level.PARTLY, _partly_sentence(account, tally), steps)
    silent = [d for d in account.destinations if d.state in DOWN and not d.items]
    if silent:
        return Verdict(Level.PARTLY, f"Partly: {_arrived(account, tally)}, but {_names(silent)} took nothing.", steps)
    if tally.undone:
        late = f"{plural(tally.undone, 'withdrawal')} still to be done"
        return Verdict(Level.PARTLY, f"Partly: {_arrived(account, tally)}, with {late}.", steps)
    return Verdict(Level.YES, f"Yes: {_arrived(account, tally)}.")


def _verdict_on_nothing(account: Account, tally: _Tally) -> Verdict:
    down = [d for d in account.destinations if d.state in DOWN]
    if down:
        return Verdict(Level.NO, f"No: nothing was sent, and {_names(down)} took nothing.", tuple(_steps(account)))
    if tally.undone:
        late = f"{plural(tally.undone, 'withdrawal')} still to be done"
        return Verdict(Level.PARTLY, f"Partly: nothing is selected any more, with {late}.", tuple(_steps(account)))
    if any(d.removed or d.counts[Outcome.WITHDRAWN.value] for d in account.destinations):
        return Verdict(Level.YES, "Yes: nothing is selected any more, and what was there is withdrawn.")
    if not tally.read:
        return Verdict(Level.NOTHING, "Nothing was sent: what was read holds no attributes.")
    none = "the only attribute stays" if tally.read == 1 else f"all {plural(tally.read, 'attribute')} stay"
    sentence = f"Nothing was sent: {none} behind, for the reasons given."
    return Verdict(Level.NOTHING, sentence, tuple(_steps(account, also_skipped=True)))


def _arrived(account: Account, tally: _Tally) -> str:
    if tally.broad == tally.arrived:
        return f"{tally.share} at {_places(account)}"
    if not tally.broad:
        return f"{tally.share} at every destination that takes {'it' if tally.wanted == 1 else 'them'}"
    fewer = tally.arrived - tally.broad
    return (
        f"{tally.share} there: {number(tally.broad)} at {_places(account)}, {number(fewer)} where allowed and possible"
    )


def _partly_sentence(account: Account, tally: _Tally) -> str:
    if len(account.destinations) == 1:
        return f"Partly: {tally.share} at {_places(account)}."
    head = f"Partly: {tally.share} everywhere {'it' if tally.wanted == 1 else 'they'} should be"
    if len(account.destinations) > 4:
        return f"{head}, {number(tally.somewhere)} at one destination at least."
    return f"{head} ({', '.join(_share_at(d) for d in account.destinations)})."


def _share_at(destination: DestinationAccount) -> str:
    wanted = [item for item in destination.items if is_wanted(item)]
    there = sum(map(is_there, wanted))
    return f"{one_line(destination.name)}: {number(there)} of {number(len(wanted))}"


def _preview_sentence(account: Account, tally: _Tally) -> str:
    """What would be there, and whether it is there already: "would go" would be wrong of that."""
    head = f"Preview: nothing was sent. {number(tally.arrived)} of {plural(tally.read, 'attribute')} would be"
    broad = tally.broad == tally.arrived
    at = f"at {_places(account)}" if broad else f"there, {number(tally.broad)} of them at {_places(account)}"
    moving = (Outcome.ACCEPTED, Outcome.WITHDRAWN, Outcome.PENDING)
    to_do = any(d.removed or any(d.counts[outcome.value] for outcome in moving) for d in account.destinations)
    so_already = tally.arrived and not to_do
    return f"{head} {at}{', as now: nothing would be sent' if so_already else ''}."


def _places(account: Account) -> str:
    """The destinations in words: `microsoft`, `both destinations`, `all 3 destinations`."""
    names = account.destinations
    if len(names) == 1:
        return one_line(names[0].name)
    return "both destinations" if len(names) == 2 else f"all {number(len(names))} destinations"


def _names(destinations: list[DestinationAccount]) -> str:
    names = [one_line(d.name) for d in destinations]
    return listed(names) if len(names) <= 3 else listed([*names[:2], f"{number(len(names) - 2)} more"])


def _steps(account: Account, *, also_skipped: bool = False) -> Iterator[str]:
    """What to do next: what destinations say, then the remedies of what is not where it should be."""
    every = [*_destination_steps(account), *_reason_steps(account, also_skipped=also_skipped)]
    yield from every[:_MOST_STEPS]
    if len(every) > _MOST_STEPS:
        yield f"{plural(len(every) - _MOST_STEPS, 'more step')}: see the destinations and reasons."


def _destination_steps(account: Account) -> Iterator[str]:
    speakers: dict[str, list[DestinationAccount]] = {}
    for destination in account.destinations:
        if destination.message:
            speakers.setdefault(destination.message, []).append(destination)
    for message, destinations in speakers.items():
        yield f"{_names(destinations)}: {one_line(message)}"


def _reason_steps(account: Account, *, also_skipped: bool) -> Iterator[str]:
    for count in count_reasons(account):
        if count.outcome in UNSETTLED or count.reason in NO_ROOM or also_skipped:
            yield f"{number(count.count)} {count.outcome} ({count.reason.code}): {_advice(count)}"


def _advice(count: ReasonCount) -> str:
    return count.reason.sentence if count.outcome is Outcome.SKIPPED else count.reason.remedy
