"""Where a push gets its events from: files, standard input, or MISP by UUID."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from misp_modules_ext.config import Settings
from misp_modules_ext.errors import EventNotFound, MispError, MispRefused, UsageError
from misp_modules_ext.misp.client import MispClient
from misp_modules_ext.misp.files import FileContent, read_events
from misp_modules_ext.model.misp import Event

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
_CODES: tuple[tuple[type[Exception], int], ...] = (
    (UsageError, 2),
    (EventNotFound, 2),
    (MispRefused, 4),
    (MispError, 5),
)


@dataclass(slots=True)
class Found:
    """What was read.

    Attributes:
        unread: a sentence for each source that cannot be read.
        codes: the exit codes that these mean.
        missing: UUIDs of events that MISP does not show.
    """

    events: list[Event] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    codes: set[int] = field(default_factory=set)
    missing: list[str] = field(default_factory=list)

    def note(self, source: str, error: UsageError | MispError) -> None:
        """Note that a source cannot be read."""
        words = str(error)
        named = words if source in words else f"{source}: {words}"
        self.unread.append(f"Not read: {named}")
        self.codes.add(next(code for kind, code in _CODES if isinstance(error, kind)))


def from_misp(sources: Sequence[str]) -> bool:
    """Whether all of them are UUIDs of events; what is there as a file is a file.

    Raises:
        UsageError: only some of them are.
    """
    uuids = [source for source in sources if _UUID.match(source) and not Path(source).exists()]
    if uuids and len(uuids) < len(sources):
        raise UsageError(
            "Push events of MISP and files one after the other, not in one command: a file only adds, and what is read "
            "from MISP also takes away."
        )
    return bool(uuids)


def read_misp(settings: Settings, uuids: Sequence[str]) -> Found:
    """Read events with the key of [misp].

    Raises:
        UsageError: there is no such key.
    """
    if settings.misp is None or not settings.reads_misp:
        raise UsageError(
            f"{uuids[0]} is no file, and events are not read from MISP: there is no key for it. Add url and key to "
            "[misp], or save the event as JSON in MISP (Download as… > MISP JSON) and give the file."
        )
    client = MispClient(settings.misp)
    found = Found()
    for uuid in dict.fromkeys(uuid.lower() for uuid in uuids):
        try:
            found.events.append(client.read_event_at_once(uuid))
        except EventNotFound as error:
            found.missing.append(uuid)
            found.note(uuid, error)
        except (UsageError, MispError) as error:
            found.note(uuid, error)
    return found


def read_files(sources: Sequence[str]) -> Found:
    """All events that can be read from files and standard input."""
    found = Found()
    for source in sources:
        try:
            content = _read(source)
        except UsageError as error:
            found.note(source, error)
        else:
            found.events += content.events
            found.unread += (f"Not read: {refused}" for refused in content.refused)
            found.codes |= {2} if content.refused else set()
    return found


def _read(source: str) -> FileContent:
    if source == "-":
        return read_events(sys.stdin.buffer.read(), "standard input")
    try:
        content = Path(source).read_bytes()
    except OSError as error:
        if source.isdecimal() and isinstance(error, FileNotFoundError):
            raise UsageError(
                f"{source} is no file. An event of MISP is read by its UUID, which stands on its page; reading by "
                "number is not yet possible."
            ) from error
        raise UsageError(f"{source[:200]} cannot be read: {error.strerror}.") from error
    return read_events(content, source)
