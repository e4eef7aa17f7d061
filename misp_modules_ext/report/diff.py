"""What a preview would change, line by line as in a diff: `+` comes, `~` changes, `-` goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from misp_modules_ext.model.account import Account, DestinationAccount, Difference, ObservableAccount
from misp_modules_ext.report.text import number, one_line, shorten, visible

#: Lines for each destination; JSON and page have all.
LINES = 30
_LONGEST = 100
_WORDS = {
    "threatType": "threat type",
    "validFrom": "valid from",
    "validUntil": "valid until",
}


def diff(account: Account) -> Iterator[tuple[int, str]]:
    """The lines, each with the number of spaces before it."""
    for destination in account.destinations:
        lines = list(_lines(destination))
        if not lines:
            continue
        yield 0, f"{one_line(destination.name)}: {_counted(lines)}"
        yield from ((2, line) for line in lines[:LINES])
        if len(lines) > LINES:
            yield 2, f"and {number(len(lines) - LINES)} more: --json and --report have all"


def _counted(lines: list[str]) -> str:
    count = Counter(line[0] for line in lines)
    words = {"+": "to create", "~": "to update", "-": "to withdraw"}
    return ", ".join(f"{number(count[sign])} {text}" for sign, text in words.items() if count[sign])


def _lines(destination: DestinationAccount) -> Iterator[str]:
    parts = {(p.kind, p.value): p for item in destination.items for p in item.observables if p.change}
    for change, sign in (("create", "+"), ("update", "~"), ("withdraw", "-")):
        for part in parts.values():
            if part.change == change:
                yield f"{sign} {part.kind} {_shown(part.value)}{_told(part)}"
    for removed in destination.removed:
        yield f"- {removed.kind} {_shown(removed.value)}: the attribute is gone"


def _told(part: ObservableAccount) -> str:
    if part.change == "update":
        return f": {differing(part)}"
    return f": {part.reason.code}" if part.reason is not None else ""


def _shown(value: str) -> str:
    return shorten(visible(value), _LONGEST)


def differing(part: ObservableAccount) -> str:
    """In which fields an indicator differs from what is there."""
    told = "; ".join(map(_difference, part.differences))
    return told or "it is not known any more what exactly is there"


def _difference(difference: Difference) -> str:
    name = _WORDS.get(difference.field, difference.field)
    before, after = (shorten(one_line(text), _LONGEST) for text in (difference.before, difference.after))
    if difference.field in ("labels", "facts", "references"):
        return " ".join([name, *(f"{sign}{text}" for sign, text in (("-", before), ("+", after)) if text)])
    return f"{name} {before or '(none)'} -> {after or '(none)'}"
