"""The account as JSON: DESIGN.md 7, schema 1, described in `report.schema.json`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import singledispatch
from typing import Any

import orjson

from misp_modules_ext.model.account import (
    SCHEMA,
    Account,
    DestinationAccount,
    EventAccount,
    Item,
    ObservableAccount,
    Removed,
)
from misp_modules_ext.model.outcome import Reason
from misp_modules_ext.report.text import iso


def to_json(account: Account) -> bytes:
    """The account as UTF-8 JSON with a line end.

    An item's dictionary is made when it is written and dropped again, so that 50,000 attributes need little memory.
    A lone surrogate, which UTF-8 cannot hold, is kept as an escape; the whole report is then ASCII, and made at once.
    """
    options = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    try:
        return orjson.dumps(account, default=_plain, option=options)
    except orjson.JSONEncodeError:
        return json.dumps(_spelled_out(account), indent=2).encode("ascii") + b"\n"


def json_pieces(account: Account) -> Iterator[bytes]:
    """The same as one line, piece by piece: of 50,000 attributes at three destinations it is a hundred megabytes."""
    yield from _with_list(_plain(account), "destinations", map(_destination_pieces, account.destinations))
    yield b"\n"


def _destination_pieces(destination: DestinationAccount) -> Iterator[bytes]:
    return _with_list(_plain(destination), "items", ((_dumped(item),) for item in destination.items))


def _with_list(fields: dict[str, Any], name: str, entries: Iterable[Iterable[bytes]]) -> Iterator[bytes]:
    """An object whose one field is a list that comes in pieces."""
    del fields[name]
    yield _dumped(fields).removesuffix(b"}") + b',"%s":[' % name.encode()
    for number, entry in enumerate(entries):
        if number:
            yield b","
        yield from entry
    yield b"]}"


def _dumped(value: object) -> bytes:
    try:
        return orjson.dumps(value, default=_plain, option=orjson.OPT_PASSTHROUGH_DATACLASS)
    except orjson.JSONEncodeError:
        return json.dumps(_spelled_out(value), separators=(",", ":")).encode("ascii")


def _spelled_out(value: Any) -> Any:
    """The same without records: the standard library takes those that are tuples for lists."""
    if type(value) in _plain.registry:
        value = _plain(value)
    if isinstance(value, Mapping):
        return {key: _spelled_out(entry) for key, entry in value.items()}
    return [_spelled_out(entry) for entry in value] if isinstance(value, list | tuple) else value


def to_dict(account: Account) -> dict[str, Any]:
    """What `to_json` writes, as dictionaries and lists."""
    document: dict[str, Any] = json.loads(to_json(account))
    return document


@singledispatch
def _plain(record: object) -> dict[str, Any]:
    """One record as a dictionary; its own records stay records, the encoder asks for them in turn."""
    raise TypeError(f"a report holds no {type(record).__name__}")


@_plain.register
def _(account: Account) -> dict[str, Any]:
    problem = {"code": account.problem_code or "internal", "message": account.problem} if account.problem else None
    return {
        "schema": SCHEMA,
        "submission": account.submission,
        "door": account.door,
        "ledger": account.ledger,
        "started": iso(account.started),
        "finished": iso(account.finished),
        "preview": account.preview,
        **({} if account.as_of is None else {"asOf": iso(account.as_of)}),
        "problem": problem,
        "warnings": account.warnings,
        "events": account.events,
        "destinations": account.destinations,
    }


@_plain.register
def _(event: EventAccount) -> dict[str, Any]:
    return {
        "uuid": event.uuid,
        "info": event.info,
        "url": event.url,
        "complete": event.complete,
        "notes": event.notes,
    }


@_plain.register
def _(destination: DestinationAccount) -> dict[str, Any]:
    return {
        "name": destination.name,
        "product": destination.product,
        "api": destination.api,
        "state": destination.state.value,
        "message": destination.message or None,
        "counts": destination.counts,
        "items": destination.items,
        "removed": destination.removed,
    }


@_plain.register
def _(item: Item) -> dict[str, Any]:
    return {
        "event": item.event,
        "attribute": item.attribute,
        "type": item.type,
        "value": item.value,
        "outcome": item.outcome.value,
        **_why(item.reason, item.message),
        "notes": item.notes,
        "observables": item.observables,
    }


@_plain.register
def _(part: ObservableAccount) -> dict[str, Any]:
    return {
        "kind": part.kind,
        "value": part.value,
        "outcome": part.outcome.value,
        "indicator": part.indicator,
        "expires": None if part.expires is None else iso(part.expires),
        **_why(part.reason, part.message),
        **_change(part),
        **({"action": part.action} if part.action else {}),
        **({"actionNote": part.action_note} if part.action_note else {}),
    }


@_plain.register
def _(removed: Removed) -> dict[str, Any]:
    return {
        "kind": removed.kind,
        "value": removed.value,
        "indicator": removed.indicator,
        "outcome": removed.outcome.value,
    }


def _change(part: ObservableAccount) -> dict[str, Any]:
    """Only previews say it."""
    if not part.change:
        return {}
    differences = [{"field": d.field, "before": d.before or None, "after": d.after or None} for d in part.differences]
    return {"change": part.change, "differences": differences}


def _why(reason: Reason | None, message: str) -> dict[str, str | None]:
    """Whatever has a reason has a sentence too: its own message, else the reason's."""
    return {"reason": reason and reason.code, "message": explanation(reason, message) or None}


def explanation(reason: Reason | None, message: str) -> str:
    """The sentence that goes with a reason; `""` when there is neither."""
    return message or (reason.sentence if reason else "")
