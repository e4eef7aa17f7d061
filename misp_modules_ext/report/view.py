"""What the HTML report shows, worked out before any HTML is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from misp_modules_ext.model.account import REPORT_ORDER, Account, DestinationAccount, Item
from misp_modules_ext.model.outcome import WORST_FIRST, Outcome
from misp_modules_ext.report.attributes import THERE, by_attribute
from misp_modules_ext.report.text import number

#: Rows that a table shows at once; what is beyond is folded, a browser lays it out only when it is opened.
OPEN_ROWS = 2_000
#: Rows of one folded table.
FOLD_ROWS = 1_000
#: Attribute types that a card shows at once.
OPEN_TYPES = 8


class Segment(NamedTuple):
    """A part of a bar, in per cent of the bar's room."""

    outcome: Outcome
    attributes: int
    start: float
    width: float

    @property
    def label(self) -> str:
        """For example `18 accepted`."""
        return f"{number(self.attributes)} {self.outcome}"


@dataclass(frozen=True, slots=True)
class TypeBar:
    """The outcomes of one attribute type at a destination.

    Attributes:
        there: attributes whose indicators are at the destination.
    """

    type: str
    read: int
    there: int
    segments: tuple[Segment, ...]


class Row(NamedTuple):
    """What became of one attribute at all destinations where the same became of it.

    Attributes:
        item: as it is in the account of the first of those destinations.
        places: the numbers of those destinations.
    """

    item: Item
    places: tuple[int, ...]

    @property
    def expires(self) -> list[int]:
        """When the attribute's indicators end, seconds since 1970; one number when they end together."""
        return sorted({part.expires for part in self.item.observables if part.expires is not None})


class Page(NamedTuple):
    """Rows that stand in one table.

    Attributes:
        first: the number of the first row within its group, from 1.
        folded: shown only when a reader opens it.
    """

    first: int
    rows: Sequence[Row]
    folded: bool


@dataclass(frozen=True, slots=True)
class Group:
    """All rows with one outcome.

    Attributes:
        size: how many rows its pages have together.
    """

    outcome: Outcome
    size: int
    pages: list[Page]


def segments(counts: dict[Outcome, int], room: float = 100.0) -> tuple[Segment, ...]:
    """The parts of a bar that fills `room` per cent; small parts are widened so that they can be seen."""
    total = sum(counts.values())
    shares = {o: max(counts[o] / total, 0.012) for o in REPORT_ORDER if counts.get(o)}
    scale = room / sum(shares.values()) if shares else 0.0
    found, start = [], 0.0
    for outcome, share in shares.items():
        found.append(Segment(outcome, counts[outcome], round(start, 2), round(share * scale, 2)))
        start += share * scale
    return tuple(found)


def outcome_bar(destination: DestinationAccount) -> tuple[Segment, ...]:
    """The bar of a whole destination."""
    return segments(Counter(item.outcome for item in destination.items))


def type_bars(destination: DestinationAccount) -> list[TypeBar]:
    """A bar for each attribute type, the most frequent first, as long as the type is frequent."""
    by_type: dict[str, Counter[Outcome]] = {}
    for item in destination.items:
        by_type.setdefault(item.type, Counter())[item.outcome] += 1
    most = max((counts.total() for counts in by_type.values()), default=1)
    bars = [_type_bar(name, counts, most) for name, counts in by_type.items()]
    return sorted(bars, key=lambda bar: (-bar.read, bar.type))


def _type_bar(name: str, counts: Counter[Outcome], most: int) -> TypeBar:
    there = sum(count for outcome, count in counts.items() if outcome in THERE)
    room = max(100.0 * counts.total() / most, 2.0)
    return TypeBar(name, counts.total(), there, segments(counts, room))


def groups(account: Account) -> list[Group]:
    """All rows by outcome, the worst first; beyond `OPEN_ROWS` rows the rest is folded, none is left out."""
    by_outcome: dict[Outcome, list[Row]] = {outcome: [] for outcome in WORST_FIRST}
    for row in rows(account):
        by_outcome[row.item.outcome].append(row)
    found, room = [], OPEN_ROWS
    for outcome, members in by_outcome.items():
        if members:
            found.append(Group(outcome, len(members), list(_pages(members, room))))
            room = max(room - len(members), 0)
    return found


def rows(account: Account) -> Iterator[Row]:
    """A row for each attribute and for each different thing that became of it."""
    # There are few combinations of destinations: one tuple for all rows with the same.
    combinations: dict[tuple[int, ...], tuple[int, ...]] = {}
    for places in by_attribute(account):
        found: list[tuple[Item, list[int]]] = []
        for place, item in places:
            same = next((there for other, there in found if other is item or other == item), None)
            if same is None:
                found.append((item, [place]))
            else:
                same.append(place)
        for item, there in found:
            combination = tuple(there)
            yield Row(item, combinations.setdefault(combination, combination))


def _pages(members: list[Row], room: int) -> Iterator[Page]:
    if room:
        yield Page(1, members[:room], folded=False)
    for start in range(room, len(members), FOLD_ROWS):
        yield Page(start + 1, members[start : start + FOLD_ROWS], folded=True)


def web_link(url: str) -> str:
    """The address when it is one that a report may link to (http or https, without credentials), else `""`."""
    try:
        parts = urlsplit(url)
        host, user = parts.hostname, parts.username
    except ValueError:
        return ""
    good = parts.scheme in {"http", "https"} and host and user is None and url.isprintable() and " " not in url
    return url if good else ""


def batched(pieces: Iterable[str], size: int) -> Iterator[str]:
    """The same text in fewer pieces, each of at least `size` characters; the last may be shorter.

    By characters, not by pieces: those of a template are words, and tables of a thousand rows.
    """
    batch: list[str] = []
    length = 0
    for piece in pieces:
        batch.append(piece)
        length += len(piece)
        if length >= size:
            yield "".join(batch)
            batch, length = [], 0
    if batch:
        yield "".join(batch)
