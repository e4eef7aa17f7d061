"""Sentinel's threat intelligence store: one record for each (source system, STIX id), and the append-only log.

Source: Microsoft Sentinel, "Understand threat intelligence" (identity, `Id` of a row, log tables).
"""

from __future__ import annotations

import base64
import math
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from .calls import JsonObject
from .clock import Clock, parse_stix, to_text
from .patterns import Observable, observable
from .stix import TLP_MARKINGS

HISTORY_LIMIT = 200_000
# The log table cuts these two columns of `Data`.
_CUT = 1000
Key = tuple[str, str]


class Record(NamedTuple):
    """One object as the store holds it; times in seconds since 1970. Never changed, only replaced."""

    source: str
    data: JsonObject
    observed: Observable
    first_ingested: float
    last_ingested: float
    until: float

    @classmethod
    def make(cls, source: str, data: JsonObject, first: float, last: float) -> Record:
        """A record with what follows from its object: the observable, and `valid_until` as seconds since 1970."""
        parsed = observable(data.get("pattern", ""), data.get("pattern_type", ""))
        until = parse_stix(data.get("valid_until") or "")
        return cls(source, data, parsed, first, last, math.inf if until is None else until)

    @property
    def name(self) -> str:
        """The resource name: base64 of the source system, three dashes, the STIX id."""
        return f"{base64.b64encode(self.source.encode()).decode()}---{self.data['id']}"

    @property
    def revoked(self) -> bool:
        """Whether the object was revoked."""
        return bool(self.data.get("revoked"))

    def expired(self, now: float) -> bool:
        """Whether `valid_until` has passed."""
        return self.until <= now

    @property
    def tlp(self) -> str:
        """The TLP level of the first known marking, or an empty string."""
        marks = self.data.get("object_marking_refs") or ()
        return next((TLP_MARKINGS[mark] for mark in marks if mark in TLP_MARKINGS), "")


class Row(NamedTuple):
    """One row of the log tables, kept as references: the columns are made when someone looks."""

    time: float
    workspace: str
    record: Record
    deleted: bool


def columns(row: Row) -> JsonObject:
    """A row with the columns of `ThreatIntelIndicators`."""
    data = row.record.data
    spec_two = data.get("spec_version", "2.0") == "2.0"
    return {
        "TimeGenerated": to_text(row.time),
        "WorkspaceId": row.workspace,
        "Id": row.record.name,
        "StixType": data["type"],
        "ObservableKey": row.record.observed.key,
        "ObservableValue": row.record.observed.value,
        "Pattern": data.get("pattern", ""),
        "Confidence": None if spec_two else data.get("confidence"),
        "SourceSystem": row.record.source,
        "Created": data["created"],
        "Modified": data["modified"],
        "ValidFrom": data.get("valid_from"),
        "ValidUntil": data.get("valid_until"),
        "IsDeleted": row.deleted,
        "Tags": data.get("labels") or [],
        "LastUpdateMethod": "UploadApi",
        "Data": {name: _cut(name, value) for name, value in data.items()},
    }


def _cut(name: str, value: Any) -> Any:
    return value[:_CUT] if name in ("description", "pattern") and isinstance(value, str) else value


class _Change(NamedTuple):
    due: float
    workspace: str
    key: Key
    record: Record | None


class Intel:
    """All workspaces.

    Args:
        clock: The emulator's time.
        delay: Seconds until a change shows in `visible`.
        keep: How many of the newest rows of the log are kept.
    """

    def __init__(self, clock: Clock, delay: float = 0.0, keep: int = HISTORY_LIMIT) -> None:
        self._clock = clock
        self._delay = delay
        self._keep = keep
        self.reset()

    def reset(self) -> None:
        """Forget everything, history too."""
        self._stored: dict[str, dict[Key, Record]] = {}
        self._shown: dict[str, dict[Key, Record]] = {}
        self._changes: deque[_Change] = deque()
        self._rows: deque[Row] = deque(maxlen=self._keep)
        self.row_count = 0

    def get(self, workspace: str, key: Key) -> Record | None:
        """What is stored for (source system, STIX id)."""
        return self._stored.get(workspace, {}).get(key)

    def put(self, workspace: str, source: str, data: JsonObject) -> None:
        """Store an object in place of what its key held, newest last, and write a row."""
        now, key = self._clock.now(), (source, data["id"])
        records = self._stored.setdefault(workspace, {})
        before = records.pop(key, None)
        records[key] = Record.make(source, data, before.first_ingested if before else now, now)
        self._note(workspace, key, records[key], records[key], deleted=False)

    def delete(self, workspace: str, record: Record) -> None:
        """Remove an object; its rows stay and one more says that it is gone."""
        key = (record.source, record.data["id"])
        if self._stored.get(workspace, {}).pop(key, None) is not None:
            self._note(workspace, key, None, record, deleted=True)

    def _note(self, workspace: str, key: Key, after: Record | None, record: Record, *, deleted: bool) -> None:
        now = self._clock.now()
        self._rows.append(Row(now, workspace, record, deleted))
        self.row_count += 1
        if self._delay:
            self._changes.append(_Change(now + self._delay, workspace, key, after))

    def visible(self, workspace: str) -> dict[Key, Record]:
        """What the management API sees: everything, or what is older than the delay."""
        if not self._delay:
            return self._stored.get(workspace, {})
        while self._changes and self._changes[0].due <= self._clock.now():
            change = self._changes.popleft()
            shown = self._shown.setdefault(change.workspace, {})
            shown.pop(change.key, None)
            if change.record is not None:
                shown[change.key] = change.record
        return self._shown.get(workspace, {})

    def workspaces(self) -> dict[str, dict[Key, Record]]:
        """Everything stored, by workspace, oldest change first."""
        return self._stored

    def rows(self, last: int = HISTORY_LIMIT) -> list[JsonObject]:
        """The newest rows of the log, oldest first, at most `last`."""
        start = max(0, len(self._rows) - last)
        return [columns(row) for index, row in enumerate(self._rows) if index >= start]

    def dump(self) -> dict[str, Any]:
        """What survives a restart: records and the number of rows."""
        return {"rows": self.row_count, "records": list(self._dumped())}

    def _dumped(self) -> Iterator[list[Any]]:
        for workspace, records in self._stored.items():
            for record in records.values():
                yield [workspace, record.source, record.data, record.first_ingested, record.last_ingested]

    def load(self, saved: dict[str, Any]) -> None:
        """Take back what `dump` gave; all of it is visible at once."""
        self.reset()
        self.row_count = saved["rows"]
        self._restore(saved["records"])
        self._shown = {workspace: dict(records) for workspace, records in self._stored.items()} if self._delay else {}

    def _restore(self, rows: Iterable[list[Any]]) -> None:
        for workspace, source, data, first, last in rows:
            self._stored.setdefault(workspace, {})[(source, data["id"])] = Record.make(source, data, first, last)
