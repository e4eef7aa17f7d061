"""The names that programs rely on: what a line is about, and what it says of it. Never renamed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from enum import Enum
from typing import Any

#: Where a record carries its fields.
_PLACE = "misp_microsoft"


class What(str, Enum):
    """What a line is about, with its explanation for the documents."""

    explanation: str

    def __new__(cls, code: str, explanation: str) -> What:  # noqa: D102 - as Enum has it
        member = str.__new__(cls, code)
        member._value_ = code
        member.explanation = explanation
        return member

    SUBMISSION = "submission", "what became of a submission, with counts for each destination"
    SENT = "sent", "a drain had so many indicators answered by a destination"
    PAUSED = "destination-paused", "a destination does not take what is due: why, and when it is tried next"
    RESUMED = "destination-resumed", "it does again"
    RETRYING = "retrying", "a request is repeated soon; told for the first of several in a row"
    UNWRITTEN = "answers-unwritten", "a sending ended at the ledger: what is not written down is sent once more"
    OBJECTS_SENT = "objects-sent", "objects of context were sent"
    OBJECT_REFUSED = "object-refused", "a destination does not take an object of context"
    OBJECTS_PAUSED = "objects-paused", "objects of context wait, indicators do not"
    OBJECTS_RESUMED = "objects-resumed", "they go again"
    EVENT_READ = "event-read", "our own reading of an event was settled"
    MISP_UNREADABLE = "misp-unreadable", "MISP, or an event in it, cannot be read: why"
    MISP_READABLE = "misp-readable", "it can be read again"
    TAGGED = "tagged", "an event in MISP got tags that say where something of it is, or lost them"
    NOT_TAGGED = "not-tagged", "events in MISP cannot be tagged: why, and when it is tried next"
    TAGGED_AGAIN = "tagged-again", "they can again"
    UNUSABLE = "unusable", "the configuration or the ledger cannot be used, so nothing is sent"
    USABLE = "usable", "it can be used again"
    FOREIGN = "foreign-destination", "a destination belongs to another ledger, so nothing is sent to it"
    NOT_KEPT = "account-not-kept", "the account of a submission could not be kept; what was sent is sent"
    LEASE_LEFT = "lease-left", "a lease could not be given back: it ends by itself within a minute"
    NOT_WOKEN = "workers-not-woken", "Redis is away, so workers find what is due by looking"
    WARNINGLISTS = "warninglists-unusable", "they cannot be asked, so nothing new is blocked"
    REQUEST = "request", "one request to Microsoft or MISP and its answer, secrets masked (`--debug`)"
    UNEXPECTED = "unexpected", "a defect of this program, with its traceback"
    FAILED = "failed", "a command ends with an error: `level` is `ERROR`, `code` its exit code"
    STARTED = "started", "a worker begins"
    STOPPED = "stopped", "a worker has ended"


#: What each field holds. All but the first five are there only where a line has something to say in them.
FIELDS: Mapping[str, str] = {
    "time": "UTC, RFC 3339 with milliseconds",
    "level": "`DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`",
    "logger": "`misp_modules_ext` or one below it; another name is a library's",
    "what": "what the line is about, see below; `null` for a library's",
    "message": "the same as a sentence",
    "submission": "UUID of the submission, as in reports",
    "door": "`export`, `action`, `expansion`, `cli` or `sync`",
    "events": "UUIDs of the submission's events, the first twenty",
    "event": "UUID of an event in MISP",
    "misp": "the section of a MISP",
    "destination": "name of a destination, for example `microsoft soc-emea`",
    "destinations": "for each destination its `state` and `counts` (as in reports), and `removed`",
    "state": "`ok`, `throttled`, `paused`, `refused`, `unreachable`, `retired` or `misconfigured`",
    "reason": "a code, see [reasons.md](reasons.md)",
    "next": "when it is tried again, UTC",
    "attempts": "how often it has failed in a row",
    "count": "of what the line is about",
    "seconds": "how long it took, or takes",
    "preview": "`true` when nothing was sent: the counts say what would happen",
    "problem": "why a submission could not begin: `configuration`, `usage`, `ledger` or `internal`",
    "code": "exit code of a command",
    "object": "STIX id of an object of context",
    "where": "the ledger, without a password",
    "request": "`method`, `url`, `status`, `milliseconds`, `sent` and `received` (bytes), `headers`, `body`, `answer`",
    "exception": "a traceback",
}


def fields(what: What, **found: object) -> dict[str, Any]:
    """What a record carries, to be given to a logger as `extra`.

    Args:
        what: what the line is about.
        found: fields by name; what is `None` or `""` is left out.

    Raises:
        KeyError: that is no field.
    """
    for name in found:
        FIELDS[name]
    return {_PLACE: {"what": what.value} | {name: value for name, value in found.items() if value not in (None, "")}}


def fields_of(record: logging.LogRecord) -> Mapping[str, Any]:
    """The fields of a record, empty for a library's."""
    found: Mapping[str, Any] = getattr(record, _PLACE, {})
    return found
