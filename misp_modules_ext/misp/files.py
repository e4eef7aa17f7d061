"""MISP JSON as people keep it: an export, a feed file, an answer of the API, one event or many."""

from __future__ import annotations

from typing import Any, NamedTuple

from misp_modules_ext.errors import UsageError
from misp_modules_ext.misp.decode import decode
from misp_modules_ext.misp.parse import parse_events
from misp_modules_ext.model.misp import Event

_SHAPES = '`{"Event": …}`, `{"response": [{"Event": …}]}`, a bare event, or a list of these'


class FileContent(NamedTuple):
    """What a file holds.

    Attributes:
        events: those that can be read.
        refused: a sentence for each entry that cannot.
    """

    events: tuple[Event, ...]
    refused: tuple[str, ...] = ()


def read_events(content: bytes, name: str) -> FileContent:
    """Read all events of a file; an entry that is none costs itself alone.

    Args:
        content: the file's bytes; UTF-8, with or without a byte order mark.
        name: what to call the file in a message.

    Raises:
        UsageError: not JSON, or no MISP event in it; says which shapes are known.
    """
    if not content.strip():
        raise UsageError(f"{name} is empty. Give a file of MISP JSON: {_SHAPES}.")
    try:
        document = decode(content)
    except ValueError as error:
        raise UsageError(f"{name} is no JSON: {error}. Give a file of MISP JSON: {_SHAPES}.") from error
    events, refused = parse_events(_candidates(document), name)
    if not events:
        why = refused[0] if refused else f"{name} holds no MISP event."
        raise UsageError(f"{why} Known shapes: {_SHAPES}.")
    return FileContent(tuple(events), tuple(refused))


def _candidates(document: Any) -> list[Any]:
    """What might be events: unwrapped lists and `response`s, in order. A stack, since a file may nest without end."""
    found: list[Any] = []
    waiting = [document]
    while waiting:
        entry = waiting.pop()
        if isinstance(entry, list):
            waiting += reversed(entry)
        elif isinstance(entry, dict) and isinstance(entry.get("response"), (list, dict)):
            waiting.append(entry["response"])
        else:
            found.append(entry)
    return found
