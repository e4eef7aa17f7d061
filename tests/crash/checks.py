"""What must hold of all requests that were made, and of what is at Microsoft in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from tests.crash.analyst import Model
from tests.crash.recorder import Carried

#: Seconds after an answer in which a process may die before it has written down what the answer said: so many where the
#: ledger answers at once, and so many times as long as a small transaction takes it.
WRITING, WRITINGS = 1.5, 3
#: Kills within so many seconds are named with a repetition that nothing explains.
NEAR = 15.0


def by_value(carried: Iterable[Carried]) -> dict[tuple[str, str], list[Carried]]:
    """The requests of each value at each API, oldest first."""
    found: dict[tuple[str, str], list[Carried]] = {}
    for item in carried:
        found.setdefault((item.api, item.value), []).append(item)
    return found


class Deaths:
    """Which requester was killed when: after that kill its token was never seen again.

    Args:
        carried: all requests.
        killed: the moments.
    """

    def __init__(self, carried: Sequence[Carried], killed: Sequence[float]) -> None:
        self._killed = sorted(killed)
        self._last: dict[str, float] = {}
        for item in carried:
            self._last[item.who] = item.began

    def between(self, who: str, start: float, end: float) -> bool:
        """Whether that requester may have been killed then."""
        return any(start <= moment <= end and self._last[who] <= moment for moment in self._killed)


def overlaps(carried: Sequence[Carried], killed: Sequence[float], patience: float) -> list[str]:
    """Pairs of requests for one value that were under way at the same time, although nobody had died.

    Args:
        carried: all requests.
        killed: when processes were.
        patience: seconds after which the program gives a request up.
    """
    deaths = Deaths(carried, killed)
    return [
        f"{key}: {one} and {two}"
        for key, items in by_value(carried).items()
        for one, two in pairwise(items)
        if two.began < min(one.ended, one.began + patience) and not deaths.between(one.who, one.began, two.began)
    ]


class GivenUp(NamedTuple):
    """That a process said it could not write answers down: another had its lease, or the ledger did not take them.

    Attributes:
        api: to which the requests were.
        moment: `time.monotonic()`, to the second.
    """

    api: str
    moment: float


def needless(
    carried: Sequence[Carried],
    killed: Sequence[float],
    given_up: Sequence[GivenUp] = (),
    slowest: Callable[[float, float], float] = lambda start, end: 0.0,
) -> list[str]:
    """Repetitions of what was accepted by Microsoft, and whose acceptance was known to a process that lived.

    Args:
        carried: all requests.
        killed: when processes were.
        given_up: what processes said of answers that they could not write down.
        slowest: how long the ledger took for a small transaction between two moments.
    """
    deaths = Deaths(carried, killed)
    found = []
    for (api, value), items in by_value(carried).items():
        for one, two in pairwise(items):
            if one.content != two.content or not one.accepted:
                continue
            slow = slowest(one.ended, one.ended + WRITING)
            written = min(two.began, one.ended + WRITING + WRITINGS * slow)
            said = [g for g in given_up if g.api == api and one.ended - 1 <= g.moment <= two.began + WRITING]
            if not deaths.between(one.who, one.began, written) and not said:
                near = [round(moment - one.ended, 2) for moment in killed if abs(moment - one.ended) < NEAR]
                found.append(f"{api} {value}: {one} and {two}; killed at {near}, a transaction took {slow:.2f} s")
    return found


def too_often(carried: Sequence[Carried], changes: Mapping[tuple[str, str], int]) -> list[str]:
    """Values whose content changed more often than anybody touched them."""
    found = []
    for key, items in by_value(carried).items():
        turns = 1 + sum(one.content != two.content for one, two in pairwise(items))
        if turns > changes[key]:
            found.append(f"{key}: {turns} contents for {changes[key]} changes: {[i.content for i in items]}")
    return found


def disorder(carried: Sequence[Carried]) -> list[str]:
    """Ids whose `created` moved, whose `modified` went back, or moved without content or stood still with it."""
    found = []
    by_id: dict[str, list[Carried]] = {}
    for item in carried:
        if item.api == "sentinel":
            by_id.setdefault(item.stix_id, []).append(item)
    for stix_id, items in by_id.items():
        for one, two in pairwise(items):
            if one.created != two.created:
                found.append(f"{stix_id}: created moves from {one.created} to {two.created}")
            if two.modified < one.modified:
                found.append(f"{stix_id}: modified goes back from {one.modified} to {two.modified}")
            if two.modified == one.modified and two.content != one.content:
                found.append(f"{stix_id}: modified stands still at {one.modified} with other content")
            if one.content == "" and one.accepted and two.content != "":
                found.append(f"{stix_id}: sent after it was revoked")
    return found


def remarks(requests: Iterable[Mapping[str, Any]]) -> list[str]:
    """What the emulator accepted without acting on it: older versions, revoked ids."""
    return [note for request in requests for note in request["notes"] if "dropped" not in note]


def differences(
    sentinel: Iterable[Mapping[str, Any]], defender: Iterable[Mapping[str, Any]], model: Model
) -> list[str]:
    """Where Microsoft's side is not what the model says."""
    live = [item for item in sentinel if not item.get("revoked")]
    entries = list(defender)
    found = _compared("Sentinel", [(o["pattern"], o["description"]) for o in live], model.sentinel)
    # Defender's descriptions are cut after 99 characters, so only one fact is looked for where there is only one.
    facts = {value: told if len(told) == 1 else set() for value, told in model.defender.items()}
    return found + _compared("Defender", [(e["indicatorValue"], e["description"]) for e in entries], facts)


def _compared(where: str, held: Sequence[tuple[str, str]], wanted: Mapping[str, set[str]]) -> list[str]:
    values = [value for value, _ in held]
    found = [f"{where} holds {value} {values.count(value)} times" for value in set(values) if values.count(value) > 1]
    found += [f"{where} lacks {value}" for value in sorted(wanted.keys() - set(values))]
    found += [f"{where} still holds {value}" for value in sorted(set(values) - wanted.keys())]
    for value, description in held:
        missing = [fact for fact in wanted.get(value, ()) if fact not in description]
        if missing:
            found.append(f"{where} does not say {missing} of {value}, but {description!r}")
    return found
