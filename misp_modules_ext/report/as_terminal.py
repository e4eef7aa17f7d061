"""The account for a terminal: one glance, then reasons with what to do; plain lines in a pipe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from misp_modules_ext.model.account import REPORT_ORDER, Account, DestinationAccount
from misp_modules_ext.model.outcome import Outcome, State
from misp_modules_ext.report.diff import diff
from misp_modules_ext.report.reasons import ReasonCount, count_reasons
from misp_modules_ext.report.summary import sum_in_words
from misp_modules_ext.report.text import iso, number, one_line, plural, prose, shorten, visible
from misp_modules_ext.report.verdict import Level, verdict

#: Attributes named under each reason.
EXAMPLES = 3
_LONGEST_VALUE = 100

_OUTCOME_STYLES = {
    Outcome.ACCEPTED: "green",
    Outcome.UNCHANGED: "cyan",
    Outcome.MERGED: "blue",
    Outcome.WITHDRAWN: "magenta",
    Outcome.PENDING: "yellow",
    Outcome.SKIPPED: "",
    Outcome.REJECTED: "bold red",
}
_LEVEL_STYLES = {
    Level.YES: "bold green",
    Level.PARTLY: "bold yellow",
    Level.NO: "bold red",
    Level.NOTHING: "bold",
    Level.PREVIEW: "bold yellow",
    Level.PROBLEM: "bold red",
}


def to_terminal(account: Account, console: Console) -> None:
    """Print the account.

    Every text goes out as `rich.text.Text`, in which square brackets mean nothing, and without characters that a
    terminal obeys or cannot show.
    """
    for line in _lines(account, console):
        # A sentence in a pipe stays one line, for grep; on a terminal it wraps and keeps its indentation.
        console.print(line, soft_wrap=not console.is_terminal)


def _lines(account: Account, console: Console) -> Iterator[RenderableType]:
    answer = verdict(account)
    yield _text(answer.sentence, console, _LEVEL_STYLES[answer.level])
    if account.problem:
        yield _text(account.problem, console)
    if account.as_of is not None:
        yield _text(
            f"The submission ended at {iso(account.finished)}; this is how it stands at {iso(account.as_of)}.", console
        )
    for warning in account.warnings:
        yield _text(f"Warning: {one_line(warning)}", console, "yellow")
    for event in account.events:
        for note in event.notes:
            yield _text(f"Note: {one_line(event.info) or event.uuid}: {one_line(note)}", console, "yellow")
    yield from _overview(account, console)
    for destination in account.destinations:
        yield from _remarks(destination, console, preview=account.preview)
    if account.preview:
        yield from (_indented(by, words, console) for by, words in diff(account))
    for found in count_reasons(account, EXAMPLES):
        yield from _reason(found, account, console)
    if not account.destinations:
        yield from (_text(one_line(step), console) for step in answer.steps)


def _overview(account: Account, console: Console) -> Iterator[RenderableType]:
    """How many attributes ended how at each destination; in a pipe one line for each destination."""
    if not account.destinations:
        return
    if console.is_terminal:
        yield _table(account, console)
        return
    for destination in account.destinations:
        counts = destination.counts
        head = f"{one_line(destination.name)} ({destination.product}, {destination.state})"
        yield _text(f"{head}: read {number(counts['read'])} = {sum_in_words(counts) or '0'}", console)


def _table(account: Account, console: Console) -> Table:
    """The outcomes that occurred, as columns that add up to the last one."""
    occurred = [o for o in REPORT_ORDER if any(d.counts[o.value] for d in account.destinations)]
    table = Table(title_justify="left", header_style="bold")
    table.add_column("destination", overflow="fold")
    table.add_column("state")
    for outcome in occurred:
        table.add_column(outcome.value, justify="right", style=_OUTCOME_STYLES[outcome], no_wrap=True)
    table.add_column("= read", justify="right", style="bold", no_wrap=True)
    for destination in account.destinations:
        counts = destination.counts
        numbers = [number(counts[key]) for key in (*(o.value for o in occurred), "read")]
        name = _text(one_line(destination.name), console)
        table.add_row(name, _text(destination.state.value, console, _state_style(destination.state)), *numbers)
    return table


def _state_style(state: State) -> str:
    return "" if state is State.OK else "bold red"


def _remarks(destination: DestinationAccount, console: Console, *, preview: bool) -> Iterator[RenderableType]:
    if destination.message:
        yield _text(f"{one_line(destination.name)}: {one_line(destination.message)}", console, "yellow")
    yield from _acting(destination, console)
    if destination.removed and not preview:
        gone = f"{plural(len(destination.removed), 'indicator')} withdrawn for attributes that are gone"
        yield _text(f"{one_line(destination.name)}: {gone}", console)


def _acting(destination: DestinationAccount, console: Console) -> Iterator[RenderableType]:
    """How many indicators do more than alert, and why others that were to do not."""
    parts = {(part.kind, part.value): part for item in destination.items for part in item.observables}
    name = one_line(destination.name)
    counts = Counter(part.action for part in parts.values() if part.action)
    if counts:
        told = ", ".join(f"{number(count)} {action}" for action, count in sorted(counts.items()))
        yield _text(f"{name}: more than an alert: {told}", console, "bold")
    held_back = [part for part in parts.values() if part.action_note]
    if held_back:
        yield _text(f"{name}: not the action that was asked for: {plural(len(held_back), 'indicator')}", console)
    for part in held_back[:EXAMPLES]:
        shown = shorten(visible(part.value), _LONGEST_VALUE)
        yield _indented(6, f"{part.kind} {shown} - {one_line(part.action_note)}", console)


def _reason(found: ReasonCount, account: Account, console: Console) -> Iterator[RenderableType]:
    head = f"{found.outcome} {found.reason.code} ({', '.join(found.where(account))})"
    yield _text(head, console, _OUTCOME_STYLES[found.outcome])
    yield _indented(4, found.reason.sentence, console)
    said = {destination.message for destination in account.destinations}
    for item in found.examples:
        # What a destination says of itself stands above once, not again at each attribute.
        told = f" - {one_line(item.message)}" if item.message and item.message not in said else ""
        yield _indented(6, f"{visible(item.type)} {shorten(visible(item.value), _LONGEST_VALUE)}{told}", console)
    if (rest := max(found.places.values()) - len(found.examples)) > 0:
        yield _indented(6, f"and {number(rest)} more", console)


def _indented(by: int, text: str, console: Console) -> RenderableType:
    """Padding would cut long lines in a pipe, spaces would not hold where a terminal wraps."""
    if console.is_terminal:
        return Padding(_text(text, console), (0, 0, 0, by), expand=False)
    return _text(" " * by + text, console)


def _text(text: str, console: Console, style: str = "") -> Text:
    """Text that says what it says: no markup, no control characters, nothing the output's encoding lacks."""
    encoding = console.encoding or "utf-8"
    return Text(prose(text).encode(encoding, "backslashreplace").decode(encoding), style=style)
