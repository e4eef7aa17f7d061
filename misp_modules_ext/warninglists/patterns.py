"""Lists whose entries are looked for within a value: parts of it, and regular expressions. There are few of them."""

from __future__ import annotations

import re
from collections.abc import Iterable

#: Entries are found by so many of their first characters.
_START = 4
#: The modifiers of PHP that change what matches. `g` is none of PHP's, and lists have it.
_NONE = re.RegexFlag(0)
_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE, "u": _NONE, "g": _NONE}
_CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">"}


class Parts:
    """Whether a value holds one of many texts: one look for each of its places instead of one for each text.

    Args:
        texts: not empty ones, compared as they are written.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        texts = frozenset(texts)
        self._length = min(_START, *map(len, texts)) if texts else _START
        self._by_start: dict[str, tuple[str, ...]] = {}
        for text in sorted(texts):
            start = text[: self._length]
            self._by_start[start] = (*self._by_start.get(start, ()), text)

    def match(self, value: str) -> bool:
        """Whether any of the texts is in the value."""
        length, by_start = self._length, self._by_start
        for place in range(len(value) - length + 1):
            texts = by_start.get(value[place : place + length])
            if texts is not None and any(value.startswith(text, place) for text in texts):
                return True
        return False


class Expressions:
    """Whether one of some regular expressions is found in a value.

    Args:
        written: as PHP has them, see `expression`.
    """

    def __init__(self, written: Iterable[str]) -> None:
        self._expressions = tuple(map(expression, written))

    def match(self, value: str) -> bool:
        """Whether any of them is found in the value."""
        return any(found.search(value) for found in self._expressions)


def expression(written: str) -> re.Pattern[str]:
    """A regular expression as PHP has it, between delimiters and with modifiers: `/^admin@/i`.

    Raises:
        ValueError: Python does not read it so.
    """
    opening = written[:1]
    body, found, modifiers = written[1:].rpartition(_CLOSING.get(opening, opening))
    if not found or not opening or opening.isalnum() or opening == "\\":
        raise ValueError(f"{written[:80]!r} has no delimiters")
    flags = _NONE
    for letter in modifiers:
        if letter not in _FLAGS:
            raise ValueError(f"{written[:80]!r} has the modifier {letter!r}")
        flags |= _FLAGS[letter]
    try:
        return re.compile(body, flags)
    except re.error as error:
        raise ValueError(f"{written[:80]!r}: {error}") from error
