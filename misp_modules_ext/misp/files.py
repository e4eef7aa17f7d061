"""MISP JSON as people keep it: an export, a feed file, an answer of the API, one event or many."""

from __future__ import annotations

from typing import Any

import orjson

from misp_modules_ext.errors import UsageError
from misp_modules_ext.misp.parse import parse_event
from misp_modules_ext.model.misp import Event

_SHAPES = '`{"Event": …}`, `{"response": [{"Event": …}]}`, a bare event, or a list of these'


def read_events(content: bytes, name: str) -> list[Event]:
    """Read all events of a file.

    Args:
        content: the file's bytes; UTF-8, with or without a byte order mark.
        name: what to call the file in a message.

    Raises:
        UsageError: not JSON, or no MISP event in it; says which shapes are known.
    """
    if not content.strip():
        raise UsageError(f"{name} is empty. Give a file of MISP JSON: {_SHAPES}.")
    try:
        document = orjson.loads(content.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise UsageError(f"{name} is no JSON: {error}. Give a file of MISP JSON: {_SHAPES}.") from error
    candidates = _candidates(document)
    if not candidates:
        raise UsageError(f"{name} holds no MISP event. Known shapes: {_SHAPES}.")
    return [_event(candidate, number, name) for number, candidate in enumerate(candidates, 1)]


def _event(candidate: object, number: int, name: str) -> Event:
    try:
        return parse_event(candidate)
    except UsageError as error:
        raise UsageError(f"{name}, entry {number}: {error} Known shapes: {_SHAPES}.") from error


def _candidates(document: Any) -> list[Any]:
    if isinstance(document, list):
        return [inner for entry in document for inner in _candidates(entry)]
    if isinstance(document, dict):
        response = document.get("response")
        if isinstance(response, (list, dict)):
            return _candidates(response)
        return [document]
    return [document]
