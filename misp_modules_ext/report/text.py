"""Words for people: hidden characters made visible, numbers, times and plurals.

Values come from attackers, and titles and messages from strangers. A terminal obeys escape sequences, and both
terminals and browsers obey bidirectional controls, which make a value look like another one
(CVE-2021-42574 is the same trick on source code). So what cannot be seen is written as an escape.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
#: The last second that `datetime` can hold, as seconds since 1970.
_LAST = 253_402_300_799

#: Joiners that scripts such as Persian, and emoji, need between visible characters.
_JOINERS = "\u200c\u200d"


def escape_character(character: str) -> str:
    r"""A character as ASCII, for example `\x1b` or `\u202e`, as Python and JSON write it."""
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def visible(value: str) -> str:
    """A value with everything that cannot be seen written as an escape.

    Controls, format characters (bidirectional and zero-width ones), lone surrogates, private and unassigned
    characters, line separators and every space but the plain one are escaped; all else stays as it is.
    """
    if value.isprintable():
        return value
    return "".join(c if c.isprintable() else escape_character(c) for c in value)


def prose(text: str) -> str:
    """A title or message: like `visible`, but line breaks, other spaces and joiners stay."""
    if text.isprintable():
        return text
    return "".join(c if _belongs_in_prose(c) else escape_character(c) for c in text)


def _belongs_in_prose(character: str) -> bool:
    return (
        character.isprintable() or character == "\n" or character in _JOINERS or unicodedata.category(character) == "Zs"
    )


def one_line(text: str) -> str:
    """`prose` with every run of white space as one space."""
    return prose(re.sub(r"\s+", " ", text).strip())


def shorten(text: str, limit: int) -> str:
    """The first `limit` characters, and how many there are when that is not all."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text):,} characters)"


def moment(seconds: float) -> datetime:
    """Seconds since 1970 as a UTC time; what no calendar holds becomes the nearest that it does."""
    whole = int(min(max(seconds, 0), _LAST))
    return _EPOCH + timedelta(seconds=whole)


def iso(seconds: float) -> str:
    """For example `2026-11-24T09:30:00Z` (RFC 3339, whole seconds)."""
    return f"{moment(seconds):%Y-%m-%dT%H:%M:%SZ}"


def number(count: int) -> str:
    """With thousands separated: `50,000`."""
    return f"{count:,}"


def plural(count: int, noun: str) -> str:
    """For example `1 attribute`, `2,000 attributes`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listed(words: Iterable[str]) -> str:
    """For example `a`, `a and b`, `a, b and c`."""
    *head, last = words
    return f"{', '.join(head)} and {last}" if head else last
