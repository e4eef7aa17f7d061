"""Where a push gets its events from: files and standard input, or MISP."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from misp_modules_ext.cli.common import error_console
from misp_modules_ext.cli.misps import event_misp
from misp_modules_ext.cli.references import STANDARD_INPUT, Named
from misp_modules_ext.config import Settings
from misp_modules_ext.config.settings import MispSettings
from misp_modules_ext.delivery.narrowing import narrowed
from misp_modules_ext.errors import EventNotFound, MispError, MispRefused, UsageError
from misp_modules_ext.misp.answers import not_found
from misp_modules_ext.misp.client import MispClient
from misp_modules_ext.misp.files import FileContent, read_events
from misp_modules_ext.misp.filters import Query
from misp_modules_ext.misp.search import NUMBERS, References, find, uuids_of
from misp_modules_ext.model.misp import Event
from misp_modules_ext.report.text import number, plural

#: After so many failures in a row it is MISP that does not answer, and the rest is not tried.
MOST_FAILURES = 3
#: Seconds between two lines of progress.
LINE_EVERY = 15.0
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
        misp: what the events bear as `Event.misp`.
    """

    events: list[Event] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    codes: set[int] = field(default_factory=set)
    missing: list[str] = field(default_factory=list)
    misp: str = ""

    def note(self, source: str, error: UsageError | MispError) -> None:
        """Note that a source cannot be read."""
        words = str(error)
        named = words if source in words else f"{source}: {words}"
        self.unread.append(f"Not read: {named}")
        self.codes.add(next(code for kind, code in _CODES if isinstance(error, kind)))


def read_misp(settings: Settings, misp: MispSettings | None, named: Sequence[str]) -> Found:
    """Read events with the key of a section.

    Args:
        settings: the configuration.
        misp: the section; `None` for a configuration without [misp].
        named: UUIDs in lower case, and numbers.

    Raises:
        UsageError: there is no key.
    """
    if misp is None or not misp.has_key:
        section = "misp" if misp is None else misp.name
        others = " or ".join(f"--misp {name!r}" for name in settings.other_readable)
        raise UsageError(
            f"{named[0]} is no file, and events are not read from MISP: there is no key for it. Add url and key to "
            f"[{section}], {f'choose another MISP with {others}, ' if others else ''}or save the event as JSON in MISP "
            "(Download as… > MISP JSON) and give the file."
        )
    found = Found(misp=event_misp(settings, misp))
    client = MispClient(misp)
    _read_each(client, _as_uuids(client, named, found), found)
    return found


def search_misp(settings: Settings, misp: MispSettings | None, query: Query) -> Found:
    """Read the events that a search finds, or of them the attributes that it finds.

    Raises:
        UsageError: there is no key.
        MispError: the search failed, so nothing is known of what it would have found.
    """
    if misp is None:
        raise UsageError("There is no MISP to search. Add url and key to [misp].")
    client = MispClient(misp)
    references = find(client, query)
    error_console().print(f"Found in [{misp.name}]: {_words(references, query)}.")
    found = Found(misp=event_misp(settings, misp))
    _read_each(client, list(references), found, references if query.level == "attribute" else None)
    return found


def _words(references: References, query: Query) -> str:
    if not references:
        return "nothing"
    events = plural(len(references), "event")
    if query.level == "event":
        return events
    return f"{plural(sum(map(len, references.values())), 'attribute')} of {events}"


def _as_uuids(client: MispClient, named: Sequence[str], found: Found) -> list[str]:
    """The UUIDs, each once, in order; what MISP does not show is noted."""
    numbers = [name for name in named if name.isdecimal()]
    known: dict[str, str] = {}
    for part in (numbers[start : start + NUMBERS] for start in range(0, len(numbers), NUMBERS)):
        try:
            known |= uuids_of(client, part)
        except MispError as error:
            found.note(f"event {', '.join(part)}", error)
        else:
            for absent in (name for name in part if name not in known):
                found.note(f"event {absent}", not_found(absent, client.settings.url))
    return list(dict.fromkeys(known.get(name, name) for name in named if name in known or not name.isdecimal()))


def _read_each(client: MispClient, uuids: Sequence[str], found: Found, only: References | None = None) -> None:
    """Read event by event; what cannot be read costs itself alone, until MISP seems not to answer at all.

    Args:
        client: of the MISP.
        uuids: of the events.
        found: where they go.
        only: the attributes to take of each; `None` for whole events.
    """
    failed = 0
    told = _progress(len(uuids))
    for done, uuid in enumerate(uuids):
        try:
            event = replace(client.read_event_at_once(uuid), misp=found.misp)
            found.events.append(event if only is None else _part(event, only[uuid]))
            failed = 0
        except EventNotFound as error:
            found.missing.append(uuid)
            found.note(uuid, error)
            failed = 0
        except (UsageError, MispError) as error:
            found.note(uuid, error)
            failed += 1
        left = uuids[done + 1 :]
        if failed == MOST_FAILURES and left:
            found.unread.append(f"Not read: {plural(len(left), 'further event')}, since MISP does not answer.")
            return
        told(done + 1)


def _part(event: Event, attributes: set[str]) -> Event:
    return narrowed(event, lambda attribute: attribute.uuid in attributes)


def _progress(events: int) -> Callable[[int], None]:
    """Tells now and then how many were read."""
    due = time.monotonic() + LINE_EVERY

    def tell(done: int) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + LINE_EVERY
            error_console().print(f"{number(done)} of {plural(events, 'event')} read")

    return tell


def read_files(named: Named) -> Found:
    """All events that can be read from files and standard input."""
    found = Found()
    for source in named.files:
        try:
            content = read_events(named.content, "standard input") if source == STANDARD_INPUT else _read(source)
        except UsageError as error:
            found.note(source, error)
        else:
            found.events += content.events
            found.unread += (f"Not read: {refused}" for refused in content.refused)
            found.codes |= {2} if content.refused else set()
    return found


def _read(source: str) -> FileContent:
    try:
        content = Path(source).read_bytes()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{source[:200]} cannot be read: {why}.") from error
    return read_events(content, source)
