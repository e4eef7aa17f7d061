"""What Sentinel and its workspace are asked about values: is it there, was it seen. Changes nothing."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.destinations.askable import askable, spellings
from misp_modules_ext.destinations.defender_payload import folded
from misp_modules_ext.destinations.estate import Question, parts, questions, timespan
from misp_modules_ext.destinations.log_analytics import NAME, LogAnalytics
from misp_modules_ext.destinations.looking import (
    ASKED_LOGS,
    ASKED_MANAGEMENT,
    EntryState,
    Presence,
    Probe,
    Sighting,
)
from misp_modules_ext.destinations.queries import kql
from misp_modules_ext.destinations.sentinel_management import Management
from misp_modules_ext.destinations.sentinel_payload import observable as observable_of
from misp_modules_ext.destinations.transport import Transport
from misp_modules_ext.destinations.wire import to_seconds
from misp_modules_ext.errors import TO_DO, Unavailable
from misp_modules_ext.model.indicator import Observable

#: Microsoft writes every row again within 10 days; this holds each at least once.
LOOK_BACK = "P14D"
#: Rows that `logs_presence` takes.
MOST_ROWS = 1000
#: So many revocations of one value are looked behind: each gives it another STIX id.
GENERATIONS = 10


class SentinelLooking:
    """Questions about one workspace.

    Args:
        settings: the workspace, and our source system.
        management: its resource manager.
        transport: how Log Analytics is reached; the process's shared one when absent.
    """

    def __init__(
        self, settings: DestinationSettings, management: Management, transport: Transport | None = None
    ) -> None:
        self._settings = settings
        self._management = management
        self._logs = LogAnalytics(settings, transport)

    def presence(self, observables: Sequence[Observable]) -> list[Probe[Presence]]:
        """See `looking.LooksUp.presence`: Azure's resource manager if it is configured, and the table of indicators.

        The resource manager looks for one keyword at a time, the table for many values.
        """
        held = [one for one in dict.fromkeys(observables) if askable(one).families]
        alone = [] if self._management.missing else held
        return [
            *(Probe(ASKED_MANAGEMENT, (one,), self._in_management) for one in alone),
            *(Probe(ASKED_LOGS, part, self._in_logs) for part in parts(held)),
        ]

    def estate(self, observables: Sequence[Observable], since: int) -> list[Probe[Sighting]]:
        """See `looking.LooksUp.estate`: the workspace's tables."""
        return [
            Probe(ASKED_LOGS, each.observables, partial(self._in_tables, each.file, since))
            for each in questions(observables, "logs")
        ]

    def _in_tables(self, file: str, since: int, observables: Sequence[Observable], timeout: float) -> list[Sighting]:
        question = Question(file, tuple(observables))
        rows = self._logs.rows(question.text(since), timespan(since), time.monotonic() + timeout)
        return question.sightings(rows, NAME)

    def _in_management(self, observables: Sequence[Observable], timeout: float) -> list[Presence]:
        deadline = time.monotonic() + timeout
        return [found for one in observables for found in self._managed(one, deadline)]

    def _managed(self, observable: Observable, deadline: float) -> list[Presence]:
        """Ours by their ids, which is sure; all others by keyword."""
        ids = [observable.stix_id(generation) for generation in range(GENERATIONS)]
        held = list(self._management.held(ids, deadline))
        names = {item.get("name") for item in held}
        mentioned = [
            item for item in self._management.mentioning(observable.value, deadline) if item.get("name") not in names
        ]
        others = [item["properties"] for item in mentioned if _is_about(observable, item["properties"])]
        return [
            *(self._of_object(observable, item) for item in held),
            *(self._of_indicator(observable, properties) for properties in others),
        ]

    def _of_object(self, observable: Observable, item: Mapping[str, Any]) -> Presence:
        """An object as `query` shows it."""
        properties = item["properties"]
        data = properties["data"]
        until = to_seconds(data.get("valid_until"))
        return Presence(
            observable,
            ours=properties["source"] == self._settings.source_system,
            state=_state(data.get("revoked") is True, until),
            confidence=_number(data.get("confidence")),
            valid_until=until,
            since=to_seconds(properties.get("firstIngestedTimeUtc")),
        )

    def _of_indicator(self, observable: Observable, properties: Mapping[str, Any]) -> Presence:
        """An indicator as `queryIndicators` shows it."""
        until = to_seconds(properties.get("validUntil"))
        return Presence(
            observable,
            ours=properties["source"] == self._settings.source_system,
            state=_state(properties.get("revoked") is True, until),
            confidence=_number(properties.get("confidence")),
            valid_until=until,
        )

    def _in_logs(self, observables: Sequence[Observable], timeout: float) -> list[Presence]:
        return list(self._rows_about(observables, time.monotonic() + timeout))

    def _rows_about(self, observables: Sequence[Observable], deadline: float) -> Iterator[Presence]:
        query = kql("logs_presence", values=[text for one in observables for text in spellings(one)])
        rows = self._logs.rows(query, LOOK_BACK, deadline)
        if len(rows) >= MOST_ROWS and len(observables) > 1:
            # Some values may have lost their rows to others.
            half = len(observables) // 2
            yield from self._rows_about(observables[:half], deadline)
            yield from self._rows_about(observables[half:], deadline)
            return
        asked: dict[str, list[Observable]] = defaultdict(list)
        for one in observables:
            asked[folded(one.value)].append(one)
        for row in rows:
            same = asked.get(folded(_value_in(row)), ())
            yield from (self._of_row(one, row) for one in same if _is_key(one, row["ObservableKey"]))

    def _of_row(self, observable: Observable, row: Mapping[str, Any]) -> Presence:
        until = to_seconds(row.get("ValidUntil"))
        return Presence(
            observable,
            ours=row["SourceSystem"] == self._settings.source_system,
            state=_state(str(row.get("Revoked")).lower() == "true", until),
            confidence=_number(row.get("Confidence")),
            valid_until=until,
        )


def _state(revoked: bool, until: int | None) -> EntryState:
    if revoked:
        return EntryState.REVOKED
    return EntryState.EXPIRED if until is not None and until <= time.time() else EntryState.ACTIVE


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _is_about(observable: Observable, properties: Mapping[str, Any]) -> bool:
    """Whether an indicator is about a value: the keyword may stand anywhere in it."""
    pattern = properties.get("pattern")
    if isinstance(pattern, str) and observable_of(pattern) == observable:
        return True
    return any(
        _is_key(observable, key) and _is_value(observable, value)
        for key, value in _parsed(properties.get("parsedPattern"))
    )


def _parsed(patterns: object) -> list[tuple[object, object]]:
    """Key and value of each comparison that Sentinel found in a pattern."""
    groups = [one.get("patternTypeValues") for one in _objects(patterns)]
    return [(value.get("valueType"), value.get("value")) for group in groups for value in _objects(group)]


def _objects(given: object) -> Sequence[Mapping[str, Any]]:
    return [item for item in given if isinstance(item, dict)] if isinstance(given, list) else []


def _value_in(row: Mapping[str, Any]) -> str:
    """What a row of the table is about, `""` if that is no text.

    Raises:
        Unavailable: it lacks a column that is needed.
    """
    missing = [name for name in ("Id", "SourceSystem", "ObservableKey", "ObservableValue") if name not in row]
    if missing:
        raise Unavailable(
            f"Log Analytics answered without the columns {', '.join(missing)}, so it is not known whose entry that "
            f"is.{TO_DO}report it to this project."
        )
    value = row["ObservableValue"]
    return value if isinstance(value, str) else ""


def _is_key(observable: Observable, key: object) -> bool:
    return isinstance(key, str) and key.startswith(askable(observable).families)


def _is_value(observable: Observable, value: object) -> bool:
    return isinstance(value, str) and folded(value) == folded(observable.value)
