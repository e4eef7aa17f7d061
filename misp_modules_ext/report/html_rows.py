"""The rows of the HTML report's large table.

Written by hand, not by the template, because an event may bring 50,000 attributes and a door answers within seconds:
this takes a sixth of the template's time. Nothing reaches the page but through `html.escape` or out of this file.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from html import escape

from markupsafe import Markup

from misp_modules_ext.model.account import Account, Item, ObservableAccount
from misp_modules_ext.model.outcome import Outcome, Reason
from misp_modules_ext.report.as_json import explanation
from misp_modules_ext.report.diff import differing
from misp_modules_ext.report.text import escape_character, moment, number, one_line, prose, shorten
from misp_modules_ext.report.view import Row

#: Characters of a value that are shown before it is folded.
LONG_VALUE = 300
#: Characters of a message that are shown before it is folded.
LONG_MESSAGE = 1_000
#: Destinations that a cell names before it folds their names.
NAMED_PLACES = 5

_TICKED = re.compile(r"`([^`\n]+)`")


def hidden_marked(value: str) -> str:
    """A value as HTML; characters that cannot be seen are marked escapes, whose titles name them."""
    if value.isprintable():
        return escape(value)
    return "".join(escape(c) if c.isprintable() else _marked(c) for c in value)


def _marked(character: str) -> str:
    name = unicodedata.name(character, "control character")
    title = f"U+{ord(character):04X} {name}"
    return f'<span class="hidden-character" title="{escape(title)}">{escape_character(character)}</span>'


def sentence(text: str) -> str:
    """A message as HTML; names between backticks, as in our own messages, are set as code."""
    whole = _TICKED.sub(r"<code>\1</code>", escape(prose(text)))
    return whole if len(text) <= LONG_MESSAGE else _folded(escape(prose(text[:120])), len(text), whole)


def value(text: str) -> str:
    """A value as HTML; a long one is folded, never cut."""
    if not text:
        return "<em>(empty)</em>"
    whole = f"<code>{hidden_marked(text)}</code>"
    if len(text) <= LONG_VALUE:
        return whole
    return _folded(f"<code>{hidden_marked(text[:120])}</code>", len(text), whole)


def _folded(start: str, length: int, whole: str) -> str:
    head = f"{start}… <small>{number(length)} characters</small>"
    return f'<details class="long"><summary>{head}</summary>{whole}</details>'


@lru_cache(maxsize=16)
def badge(outcome: Outcome) -> str:
    """An outcome's name on its colour."""
    return f'<span class="badge {outcome.value}">{outcome.value}</span>'


class RowWriter:
    """Writes rows of one account.

    Args:
        account: the account.
        filtered: rows carry a class for each destination (`d0`, `d1`, … or `all`), for the filter.
    """

    def __init__(self, account: Account, *, filtered: bool) -> None:
        self._names = [escape(one_line(destination.name)) for destination in account.destinations]
        self._titles = {event.uuid: escape(shorten(one_line(event.info) or event.uuid, 60)) for event in account.events}
        self._filtered = filtered
        #: What cards say of their destinations.
        self._said = {destination.message for destination in account.destinations}
        self._places: dict[tuple[int, ...], tuple[str, str]] = {}

    def __call__(self, rows: Iterable[Row], *, brief: bool = False) -> Markup:
        """The rows as HTML, one a line.

        End tags and quotes that HTML allows to leave out are left out: of a large event the page is nearly all rows.

        Args:
            rows: all with one outcome.
            brief: name the reason and the outcome only; what they mean stands once on the page.
        """
        lines = [self._row(row, brief=brief) for row in rows]
        return Markup("\n".join(lines))  # noqa: S704 - every text in it went through html.escape

    def _row(self, row: Row, *, brief: bool) -> str:
        item = row.item
        marks, where = self._where(row.places)
        outcome = item.outcome.value if brief else badge(item.outcome)
        return (
            f'<tr{marks}><td title="attribute {escape(item.attribute)}">{value(item.value)}{_parts(item)}'
            f"<td>{_type(item)}<td>{outcome}{_actions(item)}<td>{self._brief(item) if brief else _why(item)}<td>{where}"
            f"<td>{' to '.join(map(_day, row.expires))}</td>{self._event(item)}"
        )

    def _brief(self, item: Item) -> str:
        """Why, without what stands elsewhere on the page."""
        if item.message and item.message not in self._said:
            return _why(item)
        return f"{_code(item.reason) if item.reason else ''}{_notes(item)}"

    def _event(self, item: Item) -> str:
        """The event's cell; an account of one event names it once, above the table."""
        if len(self._titles) <= 1:
            return ""
        title = self._titles.get(item.event) or escape(item.event)
        return f'<td title="event {escape(item.event)}">{title}</td>'

    def _where(self, places: tuple[int, ...]) -> tuple[str, str]:
        """The row's classes for the filter, and the cell that names its destinations."""
        found = self._places.get(places)
        if found is None:
            found = self._places[places] = (self._marks(places), self._named(places))
        return found

    def _marks(self, places: tuple[int, ...]) -> str:
        if not self._filtered:
            return ""
        everywhere = len(places) == len(self._names)
        return " class=all" if everywhere else f' class="{" ".join(f"d{place}" for place in places)}"'

    def _named(self, places: tuple[int, ...]) -> str:
        count, every = len(places), len(self._names)
        if count == every and count > 1:
            return f"all {number(count)}"
        names = ", ".join(self._names[place] for place in places)
        if count <= NAMED_PLACES:
            return names
        return f"<details><summary>{number(count)} of {number(every)}</summary>{names}</details>"


def _type(item: Item) -> str:
    name = value(item.type) if len(item.type) > LONG_VALUE else hidden_marked(item.type)
    kinds = {part.kind for part in item.observables} - {item.type}
    if len(item.observables) != 1 or not kinds:
        return name
    return f"{name}<small>{escape(kinds.pop())}</small>"


def _actions(item: Item) -> str:
    """What is done on a match, where that is more than an alert."""
    found = dict.fromkeys(part.action for part in item.observables if part.action)
    return "".join(f' <span class="badge action">{escape(action)}</span>' for action in found) if found else ""


def _parts(item: Item) -> str:
    """What the attribute was taken apart into, where that is not plain from its value."""
    parts = item.observables
    if len(parts) > 1:
        return f'<ul class="parts">{"".join(_part(part, item) for part in parts)}</ul>'
    if parts and parts[0].value != item.value:
        return f'<div class="parts">as {value(parts[0].value)}</div>'
    return ""


def _part(part: ObservableAccount, item: Item) -> str:
    outcome = "" if part.outcome is item.outcome else f" {badge(part.outcome)}"
    told = (part.reason, part.message) in {(None, ""), (item.reason, item.message)}
    why = "" if told else f' <span class="why">{sentence(explanation(part.reason, part.message))}</span>'
    return f"<li>{escape(part.kind)} {value(part.value)}{outcome}{why}</li>"


def _notes(item: Item) -> str:
    return "".join(
        f'<span class="note">{sentence(note)}</span>' for note in (*_changes(item), *item.notes, *_held_back(item))
    )


def _why(item: Item) -> str:
    code = _code(item.reason) if item.reason else ""
    message = item.message or (item.reason.meaning if item.reason else "")
    return f"{code}{sentence(message)}{_notes(item)}"


def _held_back(item: Item) -> Iterator[str]:
    """Why what was to block does not."""
    return (part.action_note for part in item.observables if part.action_note)


def _changes(item: Item) -> Iterator[str]:
    """What a preview would send."""
    for part in item.observables:
        if part.change == "create":
            yield f"New: {part.kind}."
        elif part.change == "update":
            yield f"Changes {part.kind}: {differing(part)}."


def _code(reason: Reason) -> str:
    return f"<b class=code>{reason.code}</b> "


@lru_cache(maxsize=1024)
def _day(seconds: int) -> str:
    return f"{moment(seconds):%Y-%m-%d}"
