"""Reading what Defender answers: results of an import, and how entries of its list are named. Pure."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from misp_modules_ext.destinations.answers import Answer, clean, unreadable
from misp_modules_ext.destinations.defender_payload import TYPES, folded, value
from misp_modules_ext.destinations.interface import ItemResult
from misp_modules_ext.model.indicator import Due, Observable
from misp_modules_ext.model.outcome import Outcome, Reason

NAME = "Microsoft Defender"
#: Words of a failure that is no fault of the indicator. Microsoft's own words for "15,000 reached" are not documented.
_FULL = re.compile(
    r"\bcapacity\b|\bquota\b|(?!.*\b(?:characters?|length|long\w*)\b)(?=.*\b(?:tenant|organi[sz]ation|indicators)\b)(?=.*\b(?:max\w*|limit\w*|exceed\w*|most|full)\b)",
    re.IGNORECASE | re.DOTALL,
)
#: Words of a refusal because of what is there; whether Defender ever refuses for that is not documented.
_IN_THE_WAY = re.compile(r"\b(?:already|conflict|duplicate|exist)", re.IGNORECASE)
# Not what stands between two apostrophes inside words.
_QUOTED = re.compile(r"(?<!\w)'[^']*'(?!\w)|\"[^\"]*\"")
_NO_RESULT = ItemResult(
    Outcome.PENDING, Reason.UNREACHABLE, "Defender's answer holds no result for this value: repeat to be sure."
)

_NO_ID = ItemResult(
    Outcome.PENDING, Reason.UNREACHABLE, "Defender took this value without saying its id: repeat to find it."
)


def items(answer: Answer) -> list[dict[str, Any]]:
    """The elements of `value`.

    Raises:
        Unavailable: the answer is not a JSON object with a list of objects.
    """
    document = answer.json()
    found = document.get("value") if isinstance(document, dict) else None
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise unreadable(answer, NAME, "not with the documented list of values")
    return found


def results(batch: Sequence[Due], found: Iterable[dict[str, Any]]) -> list[ItemResult]:
    """The result for each of a batch, by value: Defender promises no order, and may spell a value its own way."""
    exact: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for item in found:
        if isinstance(item.get("indicator"), str):
            exact[item["indicator"]].append(item)
    sent = [value(due.indicator.observable) for due in batch]
    respelled: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for spelling, answers in exact.items():
        if spelling not in sent:
            respelled[_loose(spelling)] += answers
    alike = Counter(map(_loose, sent))
    # A respelled answer that fits two of the values sent speaks for neither.
    return [
        _result(exact.get(v) or (respelled.get(_loose(v)) if alike[_loose(v)] == 1 else None) or [], due.remote_id)
        for v, due in zip(sent, batch, strict=True)
    ]


def _loose(text: str) -> str:
    return folded(text).casefold()


def _result(answers: Sequence[dict[str, Any]], known: str) -> ItemResult:
    """One result of possibly several answers for the same value: it failed if one of them did.

    Without an id of its own the entry could not be withdrawn again, so it has to be looked up first.
    """
    if any(not isinstance(answer.get("isFailed"), bool) for answer in answers) or not answers:
        return _NO_RESULT
    failed = next((answer for answer in answers if answer["isFailed"]), None)
    if failed is None:
        number = identifier(answers[0]) or known
        return ItemResult(Outcome.ACCEPTED, remote_id=number) if number else _NO_ID
    why = clean(str(failed.get("failureReason") or "")) or "Defender refused it without a reason."
    # A failure may quote the value, and a value may hold any word.
    value_said = re.escape(str(failed.get("indicator")))
    if _FULL.search(_QUOTED.sub("", re.sub(value_said, "", why, flags=re.IGNORECASE))):
        return ItemResult(Outcome.SKIPPED, Reason.CAPACITY, why)
    return ItemResult(Outcome.REJECTED, Reason.REJECTED, why)


def is_in_the_way(result: ItemResult) -> bool:
    """Whether an entry of the same value may be why another was refused: there is no slot for two, or it says so."""
    if result.outcome is Outcome.REJECTED:
        return _IN_THE_WAY.search(result.message) is not None
    return result.reason is Reason.CAPACITY


def identifier(item: Mapping[str, Any]) -> str:
    """Microsoft's id of an entry, `""` when it has none; some answers give it as a number."""
    found = item.get("id")
    return str(found) if isinstance(found, (str, int)) and not isinstance(found, bool) else ""


class EntryKey(NamedTuple):
    """What an entry is about, whatever the spelling."""

    type: str
    value: str


def key_of(observable: Observable) -> EntryKey:
    """The key under which an observable's entries are found."""
    return EntryKey(TYPES[observable.kind].casefold(), folded(value(observable)))


def key_in(item: dict[str, Any]) -> EntryKey:
    """The key of an entry of the list."""
    return EntryKey(str(item.get("indicatorType") or "").casefold(), folded(str(item.get("indicatorValue") or "")))
