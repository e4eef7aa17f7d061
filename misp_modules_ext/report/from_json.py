"""The account of a report that was kept: what `to_json` has written, read again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

import orjson

from misp_modules_ext.errors import LedgerError
from misp_modules_ext.model.account import (
    SCHEMA,
    Account,
    DestinationAccount,
    Difference,
    EventAccount,
    Item,
    ObservableAccount,
    Removed,
)
from misp_modules_ext.model.outcome import Outcome, Reason, State

Json = Mapping[str, Any]


def from_json(document: bytes) -> Account:
    """Read a report of schema 1.

    Raises:
        LedgerError: it is damaged, or a newer version wrote it.
    """
    try:
        return _account(_decoded(document))
    except (KeyError, TypeError, ValueError) as error:
        raise LedgerError(
            "The report that was kept cannot be read: it is damaged, or a newer version of misp-modules-ext wrote it."
        ) from error


def _decoded(document: bytes) -> Json:
    try:
        found: Json = orjson.loads(document)
    except orjson.JSONDecodeError:
        # Escaped halves of surrogate pairs: see `to_json`.
        found = json.loads(document)
    if found["schema"] != SCHEMA:
        raise ValueError(f"schema {found['schema']}")
    return found


def _account(found: Json) -> Account:
    problem = found["problem"] or {"code": "", "message": ""}
    return Account(
        submission=found["submission"],
        door=found["door"],
        started=_seconds(found["started"]),
        finished=_seconds(found["finished"]),
        ledger=found["ledger"],
        preview=found["preview"],
        events=tuple(map(_event, found["events"])),
        destinations=tuple(map(_destination, found["destinations"])),
        problem=problem["message"],
        problem_code=problem["code"],
        warnings=tuple(found["warnings"]),
        as_of=_seconds(found["asOf"]) if "asOf" in found else None,
    )


@lru_cache(maxsize=4096)
def _seconds(text: str) -> int:
    return int(datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp())


def _event(found: Json) -> EventAccount:
    return EventAccount(found["uuid"], found["info"], found["url"], found["complete"], tuple(found["notes"]))


def _destination(found: Json) -> DestinationAccount:
    return DestinationAccount(
        found["name"],
        found["product"],
        found["api"],
        State(found["state"]),
        found["message"] or "",
        tuple(map(_item, found["items"])),
        tuple(map(_removed, found["removed"])),
    )


def _item(found: Json) -> Item:
    return Item(
        found["event"],
        found["attribute"],
        found["type"],
        found["value"],
        Outcome(found["outcome"]),
        *_why(found),
        tuple(found["notes"]),
        tuple(map(_observable, found["observables"])),
    )


def _observable(found: Json) -> ObservableAccount:
    return ObservableAccount(
        found["kind"],
        found["value"],
        Outcome(found["outcome"]),
        found["indicator"],
        None if found["expires"] is None else _seconds(found["expires"]),
        *_why(found),
        found.get("change", ""),
        tuple(Difference(d["field"], d["before"] or "", d["after"] or "") for d in found.get("differences", ())),
        found.get("action", ""),
        found.get("actionNote", ""),
    )


def _removed(found: Json) -> Removed:
    return Removed(found["kind"], found["value"], found["indicator"], Outcome(found["outcome"]))


def _why(found: Json) -> tuple[Reason | None, str]:
    """The reason, and the message where it is more than the reason's own sentence."""
    reason, message = Reason.of(found["reason"]), found["message"] or ""
    return reason, "" if reason is not None and message == reason.sentence else message
