"""Looking up the attributes of events in the index, before anything judges them.

What is asked for is the value as MISP holds it, a composite by its parts, and as it would reach Microsoft: a list is
not avoided by writing `dns[.]google`.

Lists name the attribute types for which they are asked, as in MISP. What a destination may block is asked for more
strictly: in all lists whatever the type, but those for telephone numbers alone; also the host of a URL or mail address,
and of a range whatever it meets. Such a hit is told with how it came about, so that it is none of the list's name, by
which `warninglists` chooses.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from misp_modules_ext.config.settings import ActionRules
from misp_modules_ext.errors import WarninglistError
from misp_modules_ext.model.indicator import BLOCKING, Kind
from misp_modules_ext.model.misp import Attribute, Event, Tag
from misp_modules_ext.translate import PLAIN, observe
from misp_modules_ext.warninglists.index import BLOCKABLE, Index, Question, host_of

#: Behind the name of a list that is not asked for the type, or of which only the host, or a part, is meant.
STRICTLY = " (asked because it might be blocked)"
#: What to say when there is no index.
REMEDY = "Build it with `misp-microsoft warninglists`."

#: Names, hashes, addresses and plain URLs that no translation would write in another way.
_AS_IT_IS = re.compile(r"(?:https?://)?[0-9a-z_-]+(?:\.[0-9a-z_-]+)*(?::[0-9]+)?(?:/[!-~]*)?").fullmatch

_NAMES = [field.name for field in fields(Attribute)]
_PLACE = _NAMES.index("warninglists")
_values_of = attrgetter(*_NAMES)


class Asked(NamedTuple):
    """Events whose attributes say which warninglists hold them.

    Attributes:
        events: in their order.
        problem: why the index was not asked, `""` when it was.
    """

    events: list[Event]
    problem: str = ""


def ask(events: Sequence[Event], path: Path, acting: Iterable[ActionRules] = ()) -> Asked:
    """Add to each attribute the lists of the index that hold its value; hits that MISP told of stay.

    Without an index MISP's hits are all there is, and "none" of MISP's says nothing of the lists that are not enabled
    there: then `Attribute.warninglists` is `None`, as if nobody had been asked.

    Args:
        events: as they were read.
        path: where the index is.
        acting: rules of the destinations; what none of them may block is asked for as in MISP only.
    """
    blocking = [rules for rules in acting if rules.blocks]
    try:
        index = opened(path)
        questions = [Question(a.type, parts(a)) for event in events for a in event.attributes]
        hits = index.hits(questions)
        if blocking:
            hits = _strictly(index, events, hits, blocking)
        found = iter(hits)
    except WarninglistError as error:
        return Asked([_unasked(event) for event in events], f"{error} {REMEDY}")
    return Asked(
        [replace(event, attributes=tuple([_told(a, next(found)) for a in event.attributes])) for event in events]
    )


def _strictly(
    index: Index, events: Sequence[Event], hits: Sequence[tuple[str, ...]], rules: Iterable[ActionRules]
) -> list[tuple[str, ...]]:
    """The hits, with those of what may be blocked."""
    found, every = list(hits), rules if any(one.action in BLOCKING for one in rules) else ()
    tags = frozenset[str]().union(*(one.block_tags | one.block_and_remediate_tags | one.warn_tags for one in rules))
    asked: list[tuple[int, Question]] = []
    attributes = ((event, attribute) for event in events for attribute in event.attributes)
    for place, (event, attribute) in enumerate(attributes):
        if not attribute.problem and (every or _carries(event.tags, tags) or _carries(attribute.tags, tags)):
            asked.append((place, Question(BLOCKABLE, targets(attribute))))
    for (place, _), more in zip(asked, index.hits([question for _, question in asked], meeting=True), strict=True):
        strict = (f"{name}{STRICTLY}" for name in more if name not in found[place])
        found[place] = tuple(sorted({*found[place], *strict}))
    return found


def _carries(tags: Iterable[Tag], names: frozenset[str]) -> bool:
    return any(tag.name.lower() in names for tag in tags)


def targets(attribute: Attribute) -> tuple[str, ...]:
    """What blocking the observables of an attribute would hit: themselves, and hosts of URLs and mail addresses."""
    found: dict[str, None] = {}
    for kind, value in observe(attribute).observables:
        found[value] = None
        host = host_of(value) if kind in (Kind.URL, Kind.EMAIL_ADDR) else ""
        if host:
            found[host.removeprefix("[").removesuffix("]")] = None
    return tuple(text if text.isascii() else _unicode(text) for text in found)


def _told(attribute: Attribute, hits: tuple[str, ...]) -> Attribute:
    before = attribute.warninglists
    if before == hits:
        return attribute
    return _with(attribute, tuple(sorted({*before, *hits})) if before else hits)


def _unasked(event: Event) -> Event:
    if all(attribute.warninglists != () for attribute in event.attributes):
        return event
    return replace(event, attributes=tuple(_with(a, None) if a.warninglists == () else a for a in event.attributes))


def _with(attribute: Attribute, lists: tuple[str, ...] | None) -> Attribute:
    """As `dataclasses.replace`, in a third of the time."""
    values = _values_of(attribute)
    changed = (*values[:_PLACE], lists, *values[_PLACE + 1 :])
    return Attribute(*changed)


def parts(attribute: Attribute) -> tuple[str, ...]:
    """What of an attribute's value is looked for in the lists."""
    value, type_ = attribute.value, attribute.type
    composite = "|" in type_ or type_ == "malware-sample"
    if type_ in PLAIN and _AS_IT_IS(value):
        return (value,)
    if attribute.problem:
        return ()
    written = value.split("|", 1) if composite else [value]
    read = [observable.value for observable in observe(attribute).observables]
    return tuple(dict.fromkeys(text if text.isascii() else _unicode(text) for text in (*written, *read)))


def _unicode(text: str) -> str:
    """SQLite takes no text that is no Unicode, and no list holds one."""
    return text.encode("utf-8", "replace").decode("utf-8")


class _File(NamedTuple):
    """Which file an index was read from; another process has its own."""

    process: int
    inode: int
    size: int
    modified_ns: int


_opening = threading.Lock()
_open: dict[Path, tuple[_File, Index]] = {}


def opened(path: Path) -> Index:
    """The index, opened once and again when another file takes its place.

    Raises:
        WarninglistError: there is none, or it cannot be read.
    """
    try:
        there = path.stat()
    except OSError as error:
        missing = "is not there" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        raise WarninglistError(f"The index of warninglists {path} {missing}.") from error
    file = _File(os.getpid(), there.st_ino, there.st_size, there.st_mtime_ns)
    with _opening:
        known = _open.get(path)
        if known is None or known[0] != file:
            # Who is still asking the old one keeps it until the answer is there.
            known = _open[path] = (file, Index(path))
        return known[1]
