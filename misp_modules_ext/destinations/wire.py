"""What all payloads share: texts cut to a length, times, links back to MISP, JSON, and the size of a request. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import orjson

from misp_modules_ext.destinations.interface import Refusal
from misp_modules_ext.errors import BatchRefused
from misp_modules_ext.model.indicator import Context, Due, Indicator, Reference
from misp_modules_ext.model.outcome import Reason

#: Used where an event has no title.
UNTITLED = "Indicator from MISP"
#: Bytes of one request, about. Microsoft documents counts only; this keeps a request with huge URLs sendable.
MAX_BODY = 1_000_000
# What an indicator's payload takes besides its value and labels, at most, about: names, times, description, links.
_FRAME = 1_500
_LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z
_TIME = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[T ](?P<clock>\d\d:\d\d:\d\d)(?:\.\d+)?(?P<zone>Z|[+-]\d\d:\d\d)?",
    re.ASCII | re.IGNORECASE,
)


def encode(document: Any) -> bytes:
    """JSON in UTF-8.

    Raises:
        BatchRefused: a text is not valid Unicode, so that no request can hold it; halving finds the indicator.
    """
    try:
        return orjson.dumps(document)
    except orjson.JSONEncodeError as error:
        raise BatchRefused(f"The request cannot be written as JSON: {error}.", "NotUnicode") from error


def digest(document: Mapping[str, Any]) -> bytes:
    """32 bytes that differ exactly when the document does; of texts that `encode` refuses, too."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).digest()


def repair(text: str) -> str:
    """The text with U+FFFD for what is not valid Unicode (lone surrogates), which JSON cannot carry."""
    if text.isascii():  # nearly all, and this is asked for every value at every destination
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def not_unicode(indicator: Indicator) -> Refusal | None:
    """A refusal of a value that no request can carry byte-exact."""
    if repair(indicator.observable.value) == indicator.observable.value:
        return None
    return Refusal(Reason.INVALID_VALUE, "The value holds half a character (a lone surrogate), which is no text.")


def length(text: str) -> int:
    """Length as Microsoft's services count it: UTF-16 units, so characters beyond the first plane count twice."""
    return len(text) + sum(char > "\uffff" for char in text)


def shorten(text: str, limit: int) -> str:
    """One line of at most `limit` UTF-16 units, cut at a word if there is one; `…` says that something is missing."""
    line = " ".join(repair(text).split())
    if length(line) <= limit:
        return line
    head = _first(line, limit - 1)
    words = head.rpartition(" ")[0]
    # A single long word (a path, a URL) is cut anywhere rather than lost.
    return (words if len(words) > len(head) // 2 else head).rstrip() + "…"


def _first(text: str, units: int) -> str:
    head = text[: max(0, units)]
    while length(head) > units:
        head = head[:-1]
    return head


def title(indicator: Indicator, limit: int) -> str:
    """The event's title, never empty."""
    return shorten(indicator.title, limit) or UNTITLED


def event_link(reference: Reference) -> str:
    """Where MISP shows the event; `""` when its address is not known."""
    return reference.url


def attribute_link(reference: Reference) -> str:
    """Where MISP shows the attribute in its event (EventsController, `focus`); `""` when its address is not known."""
    return f"{reference.url}/focus:{reference.attribute}" if reference.url and reference.attribute else reference.url


def links(indicator: Indicator, link: Callable[[Reference], str] = event_link) -> list[str]:
    """Where the indicator comes from, each place once: its address in MISP, or the event's UUID when that is not known.

    Args:
        indicator: the indicator.
        link: what makes an address of a reference.
    """
    found = (link(reference) or f"MISP event {reference.event}" for reference in indicator.references)
    return list(dict.fromkeys(map(repair, found)))


def technique_ids(context: Context) -> list[str]:
    """The techniques of ATT&CK, each once; the same one may have several names."""
    return list(dict.fromkeys(technique for technique, _ in context.techniques))


def describe(parts: Sequence[str], sources: Sequence[str], limit: int) -> str:
    """Parts as one text with links after it, within `limit`: the first link stays whole, the text gives way.

    Args:
        parts: title and facts, most important first.
        sources: links, most important first.
        limit: UTF-16 units.
    """
    text = "; ".join(part for part in (" ".join(repair(part).split()) for part in parts) if part)
    kept = [link for link in sources[:1] if length(link) <= limit]
    room = limit - sum(length(link) + 1 for link in kept)
    text = shorten(text, room) if room > 0 else ""
    for link in sources[1:] if kept else ():
        if length(" ".join([text, *kept, link])) <= limit:
            kept.append(link)
    return " ".join([text, *kept]).strip()


def from_seconds(seconds: int) -> str:
    """RFC 3339 in UTC with milliseconds, from seconds since 1970."""
    return from_milliseconds(seconds * 1000)


def from_milliseconds(milliseconds: int) -> str:
    """RFC 3339 in UTC with milliseconds; what is outside the years 1970 to 9999 becomes the nearer end."""
    seconds, rest = divmod(max(0, milliseconds), 1000)
    if seconds > _LAST_SECOND:
        seconds, rest = _LAST_SECOND, 0
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest:03}Z"


def to_seconds(text: object) -> int | None:
    """Seconds since 1970 UTC of a time as Microsoft writes it, fractions cut off; `None` when it cannot be read.

    Times without a zone are UTC, as all of Microsoft's are that say nothing else.
    """
    found = _TIME.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        return None
    zone = (found["zone"] or "+00:00").upper().replace("Z", "+00:00")
    try:
        return int(datetime.fromisoformat(f"{found['date']}T{found['clock']}{zone}").timestamp())
    except (ValueError, OverflowError):
        return None


def split(dues: Sequence[Due], count: int, size: int = MAX_BODY) -> list[list[Due]]:
    """Batches of at most `count` indicators and about `size` bytes, in the order given."""
    return list(_split(dues, count, size))


def _split(dues: Sequence[Due], count: int, size: int) -> Iterator[list[Due]]:
    batch: list[Due] = []
    taken = 0
    for due in dues:
        weight = _weight(due.indicator)
        if batch and (len(batch) == count or taken + weight > size):
            yield batch
            batch, taken = [], 0
        batch.append(due)
        taken += weight
    if batch:
        yield batch


def _weight(indicator: Indicator) -> int:
    return _FRAME + 2 * len(indicator.observable.value) + sum(len(label) + 3 for label in indicator.labels)
