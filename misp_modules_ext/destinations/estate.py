"""Queries about many values at once, and what their rows say. Pure."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from misp_modules_ext.destinations.askable import askable, spellings
from misp_modules_ext.destinations.defender_payload import folded
from misp_modules_ext.destinations.looking import Sighting
from misp_modules_ext.destinations.queries import Moment, kql
from misp_modules_ext.destinations.wire import to_seconds
from misp_modules_ext.errors import TO_DO, Unavailable
from misp_modules_ext.model.indicator import Observable

#: Values of one query, and their characters: Microsoft documents no limit that these come near.
MOST_VALUES = 200
MOST_TEXT = 60_000
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Question:
    """One query.

    Attributes:
        file: of `queries`.
        observables: what it is about.
    """

    file: str
    observables: tuple[Observable, ...]

    def text(self, since: int) -> str:
        """The query; `since` in seconds since 1970 UTC."""
        values = [spelling for one in self.observables for spelling in spellings(one)]
        return kql(self.file, values=values, since=Moment(since))

    def sightings(self, rows: Iterable[Mapping[str, Any]], api: str) -> list[Sighting]:
        """What its rows say.

        Args:
            rows: by names of columns, in any case.
            api: who answered, as it begins a sentence.

        Raises:
            Unavailable: a row lacks what says which value was seen, and how often.
        """
        asked: dict[str, list[Observable]] = defaultdict(list)
        for one in self.observables:
            asked[_key(one.value)].append(one)
        found: list[Sighting] = []
        for row in rows:
            found += _sightings({str(name).lower(): value for name, value in row.items()}, asked, api)
        return found


def questions(observables: Sequence[Observable], where: Literal["hunting", "logs"]) -> list[Question]:
    """As few queries as hold all values that can be asked there."""
    files: dict[str, list[Observable]] = defaultdict(list)
    for one in dict.fromkeys(observables):
        if file := getattr(askable(one), where):
            files[file].append(one)
    return [Question(file, part) for file, all_ in files.items() for part in parts(all_)]


def timespan(since: int) -> str:
    """ISO 8601 duration in whole days that reaches back to a moment; the query itself holds the moment."""
    return f"P{max(1, math.ceil((time.time() - since) / _DAY))}D"


def parts(observables: Iterable[Observable]) -> Iterable[tuple[Observable, ...]]:
    """As many values together as one query takes."""
    part: list[Observable] = []
    size = 0
    for one in observables:
        if part and (len(part) == MOST_VALUES or size + len(one.value) > MOST_TEXT):
            yield tuple(part)
            part, size = [], 0
        part.append(one)
        size += len(one.value)
    if part:
        yield tuple(part)


def _sightings(row: Mapping[str, Any], asked: Mapping[str, Sequence[Observable]], api: str) -> list[Sighting]:
    value, source, times = row.get("value"), row.get("source"), _count(row.get("times"))
    if not isinstance(value, str) or not isinstance(source, str) or times is None:
        raise Unavailable(
            f"{api} answered with a row that does not say what was seen where and how often.{TO_DO}report it to this "
            "project."
        )
    first, last, devices = to_seconds(row.get("first")), to_seconds(row.get("last")), _count(row.get("devices"))
    return [Sighting(one, source, times, devices, first, last) for one in asked.get(_key(value), ()) if times]


def _count(given: object) -> int | None:
    """A whole number, as such or as text."""
    try:
        return int(given) if isinstance(given, (int, str)) and not isinstance(given, bool) else None
    except ValueError:
        return None


def _key(value: str) -> str:
    """Spellings of one value: the queries compare without case, and IPv6 has two notations."""
    return folded(value).casefold()
