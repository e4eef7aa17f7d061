"""The texts of what Microsoft is asked, one file for each purpose, and the only two functions that fill them.

A place for a value is its name in two braces. What is filled in is always a whole literal, never a piece of text, so a
value can neither end its literal nor become a word of the query.

Sources: Kusto, "The string data type" (literals in double quotes, backslash escapes); OData 4.01, URL conventions,
section 5.1.1.14.1 (quotes doubled; times stand without any).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from functools import lru_cache
from importlib import resources
from typing import TypeVar
from urllib.parse import quote

_PLACE = re.compile(r"\{\{(\w+)\}\}")
#: Comments of the files, each on a line of its own, are for those who read them and are not sent.
_COMMENT = re.compile(r"^\s*//.*\n?", re.MULTILINE)
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
#: Categories of characters that could be taken for the end of a line, or that nobody sees.
_UNSEEN = frozenset({"Cc", "Cf", "Zl", "Zp"})

_Value = TypeVar("_Value")


class Moment(int):
    """Seconds since 1970 UTC, which become a literal of a time."""


def kql(name: str, **values: str | Sequence[str] | Moment) -> str:
    """A query in Kusto's language.

    Args:
        name: of a file beside this one, without its ending.
        values: for each place: a text, the values of a table, or a moment.

    Raises:
        ValueError: a value holds half a character (a lone surrogate), or the places are not those of the file.
    """
    return _fill(f"{name}.kql", values, _kql_literal)


def odata(name: str, **values: str | Moment) -> str:
    """A filter of OData, percent-encoded for the query of an address.

    Args:
        name: of a file beside this one, without its ending.
        values: for each place: a text, or a moment.

    Raises:
        ValueError: a value holds half a character (a lone surrogate), or the places are not those of the file.
    """
    return quote(_fill(f"{name}.odata", values, _odata_literal), safe="")


def _fill(file: str, values: Mapping[str, _Value], literal: Callable[[_Value], str]) -> str:
    text = _text(file)
    if set(_PLACE.findall(text)) != set(values):
        raise ValueError(f"{file} has other places than {', '.join(sorted(values))}")
    # In one pass: what looks like a place inside a value is a value.
    return _PLACE.sub(lambda found: literal(values[found[1]]), text)


@lru_cache(maxsize=64)
def _text(file: str) -> str:
    return _COMMENT.sub("", resources.files(__package__).joinpath(file).read_text("utf-8")).strip()


def _kql_literal(value: str | Sequence[str] | Moment) -> str:
    if isinstance(value, Moment):
        return f"datetime({_time(value)})"
    if isinstance(value, str):
        return f'"{"".join(map(_kql_character, _whole(value)))}"'
    return f"[{', '.join(map(_kql_literal, value))}]"


def _kql_character(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if unicodedata.category(char) in _UNSEEN and char <= "\uffff":
        return f"\\u{ord(char):04x}"
    return char


def _odata_literal(value: str | Moment) -> str:
    if isinstance(value, Moment):
        return _time(value)
    return "'" + _whole(value).replace("'", "''") + "'"


def _time(moment: Moment) -> str:
    return f"{datetime.fromtimestamp(moment, timezone.utc):%Y-%m-%dT%H:%M:%SZ}"


def _whole(value: str) -> str:
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise ValueError("The value holds half a character (a lone surrogate), which is no text.")
    return value
