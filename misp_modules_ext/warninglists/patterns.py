"""Lists whose entries are looked for within a value: parts of it, and regular expressions. There are few of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

#: Entries are found by so many of their first characters.
_START = 4
#: With more texts than these, each value is looked through once for all of them.
_MANY = 64
#: The modifiers of PHP that change what matches. `g` is none of PHP's, and lists have it.
_NONE = re.RegexFlag(0)
_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE, "u": _NONE, "g": _NONE}
_CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">"}


class Parts:
    """Which values hold one of many texts.

    Args:
        texts: not empty ones, compared as they are written.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = sorted(set(texts))
        self._length = min(_START, *map(len, self._texts)) if self._texts else _START
        self._by_start: dict[str, list[str]] = {}
        for text in self._texts:
            self._by_start.setdefault(text[: self._length], []).append(text)

    def among(self, values: Collection[str]) -> list[str]:
        """Those of the values that hold any of the texts."""
        if len(self._texts) > _MANY:
            return [value for value in values if self._is_in(value)]
        # Nearly always none is in any of them, and one look tells.
        every = "\n".join(values)
        there = [text for text in self._texts if text in every]
        return [value for value in values if any(text in value for text in there)]

    def _is_in(self, value: str) -> bool:
        """Whether the value holds any of them: one look for each place in the value instead of one for each text."""
        length, by_start = self._length, self._by_start
        for place in range(len(value) - length + 1):
            texts = by_start.get(value[place : place + length])
            if texts is not None and any(value.startswith(text, place) for text in texts):
                return True
        return False


class Expressions:
    """Which values one of some regular expressions is found in.

    Args:
        written: as PHP has them, see `expression`.
    """

    def __init__(self, written: Iterable[str]) -> None:
        self._expressions = tuple(map(expression, written))

    def among(self, values: Collection[str]) -> list[str]:
        """Those of the values in which any of them is found."""
        return [value for value in values if any(found.search(value) for found in self._expressions)]


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
