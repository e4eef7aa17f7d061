"""What became of single attributes, in sentences: for answers that have room for nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from misp_modules_ext.model.account import Account, DestinationAccount, Item
from misp_modules_ext.model.outcome import Outcome
from misp_modules_ext.report.text import moment, one_line, shorten

#: Characters of a value that are shown.
MOST_VALUE = 120
_SAID = {
    Outcome.ACCEPTED: "It is there now",
    Outcome.UNCHANGED: "It was there already, as it should be",
    Outcome.MERGED: "It is there, together with another attribute of the same value",
    Outcome.WITHDRAWN: "It was there and is withdrawn",
}


def sentences(account: Account) -> Iterator[str]:
    """A sentence for each destination and attribute, or why there is nothing to tell."""
    for destination in account.destinations:
        for item in destination.items:
            yield f"[{one_line(destination.name)}] {shorten(one_line(item.value), MOST_VALUE)}: {_said(item, account)}"
        if not destination.items:
            yield _nothing(destination)


def _said(item: Item, account: Account) -> str:
    words = [f"{item.outcome}."]
    head = _SAID.get(item.outcome)
    if account.preview and head is not None:
        words.append("That is what would happen; nothing was sent.")
    elif head is not None:
        words.append(f"{head}{_until(item)}.")
    if item.reason is not None:
        words.append(item.reason.sentence)
    acting = [part for part in item.observables if part.action]
    words += [f"Defender's action on a match: {part.action}." for part in acting[:1]]
    words += [one_line(part.action_note) for part in item.observables if part.action_note][:1]
    words += [one_line(text) for text in (item.message, *item.notes) if text]
    return " ".join(words)


def _until(item: Item) -> str:
    ends = [part.expires for part in item.observables if part.expires is not None]
    return f", until {moment(min(ends)).date()}" if ends and item.outcome is not Outcome.WITHDRAWN else ""


def _nothing(destination: DestinationAccount) -> str:
    return f"[{one_line(destination.name)}] Nothing was sent. {one_line(destination.message)}".rstrip()
