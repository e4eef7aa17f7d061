"""Reading the few shapes of Kusto's language that the emulator answers; everything else is an error.

Source: Kusto, "The string data type" (literals in double quotes; a backslash escapes; no line may end inside one).
Words and literals are told apart first, and only then is the shape looked at, with numbers in place of the literals:
what stands in a literal can never be taken for a part of the query.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from .clock import parse_offset

_ESCAPES = {'"': '"', "'": "'", "\\": "\\", "n": "\n", "r": "\r", "t": "\t"}
_LITERAL = re.compile(r'"((?:[^"\\\x00-\x1f\x7f\x85\u2028\u2029]|\\.)*)"')
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_WORD = re.compile(r"datetime\([^()\"]*\)|in~|>=|==|[A-Za-z_][A-Za-z0-9_]*|\d+|[()\[\]|,;:=.*]")

_NAME = r"[A-Za-z]\w*"
_COLUMN = rf"(?:{_NAME}|tostring \( parse_url \( {_NAME} \) \. Host \))"
_LEG = re.compile(
    rf"\( (?P<table>{_NAME}) \| where (?P<time>{_NAME}) >= Since "
    rf"\| where (?P<one>{_COLUMN}) in~ \( Wanted \)(?: or (?P<two>{_COLUMN}) in~ \( Wanted \))? "
    rf"\| summarize Times = count \( \) , (?:Devices = dcount \( (?P<devices>{_NAME}) \) , )?"
    r"First = min \( (?P=time) \) , Last = max \( (?P=time) \) "
    r"by Value = tolower \( (?P<by>.+?) \) \| extend Source = (?P<source>#\d+) \)"
)
_ESTATE = re.compile(
    r"let Since = (?P<since>datetime\([^()]*\)) ; let Wanted = datatable \( Value : string \) "
    r"\[ (?P<wanted>#\d+(?: , #\d+)*) \] ; union isfuzzy = true (?P<legs>.+?) \| take \d+"
)
_PRESENCE = re.compile(
    r"let Wanted = datatable \( Value : string \) \[ (?P<wanted>#\d+(?: , #\d+)*) \] ; "
    r"ThreatIntelIndicators \| where ObservableValue in~ \( Wanted \) "
    r"\| summarize arg_max \( TimeGenerated , \* \) by Id \| where IsDeleted == false "
    r"\| project Id , SourceSystem , ObservableKey , ObservableValue , Confidence , ValidUntil , "
    r"Revoked = tostring \( Data \. revoked \) \| take \d+"
)


class QueryError(ValueError):
    """A query that is none of those known here."""


class Column(NamedTuple):
    """A column that is compared.

    Attributes:
        host: only the host of the URL in it counts.
    """

    name: str
    host: bool = False


class Leg(NamedTuple):
    """One table of a union, with its column of times, and of devices if they are counted."""

    table: str
    time: str
    columns: tuple[Column, ...]
    devices: str | None


class Estate(NamedTuple):
    """Where and since when values were seen; `since` in seconds since 1970, values in lower case."""

    since: float
    wanted: frozenset[str]
    legs: tuple[Leg, ...]


class Presence(NamedTuple):
    """Which indicators are about values, in lower case."""

    wanted: frozenset[str]


def read_literal(text: str) -> str:
    """The value of a literal in double quotes, which must be all of the text.

    Raises:
        QueryError: it is none.
    """
    found = _LITERAL.fullmatch(text)
    if found is None:
        raise QueryError("a string literal was expected")
    return _ESCAPE.sub(_unescaped, found[1])


def parse_query(text: str) -> Estate | Presence:
    """Read a query.

    Raises:
        QueryError: it is none of those known here.
    """
    shape, literals = _shape(text)
    if found := _PRESENCE.fullmatch(shape):
        return Presence(_values(found["wanted"], literals))
    found = _ESTATE.fullmatch(shape)
    if found is None:
        raise QueryError("the query is none of those that the emulator knows")
    since = parse_offset(found["since"][len("datetime(") : -1])
    if since is None:
        raise QueryError("datetime() needs a moment in ISO 8601")
    return Estate(since, _values(found["wanted"], literals), tuple(_legs(found["legs"], literals)))


def _shape(text: str) -> tuple[str, list[str]]:
    """The words with a space between each two, equal literals as equal `#0`, `#1`, …; and their values."""
    words: list[str] = []
    literals: dict[str, int] = {}
    position = 0
    while position < len(text):
        if text[position] in " \n":
            position += 1
            continue
        if literal := _LITERAL.match(text, position):
            words.append(f"#{literals.setdefault(read_literal(literal[0]), len(literals))}")
            position = literal.end()
            continue
        word = _WORD.match(text, position)
        if word is None:
            raise QueryError(f"syntax error at position {position}")
        words.append(word[0])
        position = word.end()
    return " ".join(words), list(literals)


def _unescaped(found: re.Match[str]) -> str:
    code = found[1]
    if len(code) > 1:
        return chr(int(code[1:], 16))
    if code not in _ESCAPES:
        raise QueryError(f"unknown escape \\{code}")
    return _ESCAPES[code]


def _values(text: str, literals: Sequence[str]) -> frozenset[str]:
    return frozenset(_literal(part, literals).lower() for part in text.split(" , "))


def _literal(word: str, literals: Sequence[str]) -> str:
    return literals[int(word[1:])]


def _legs(text: str, literals: Sequence[str]) -> list[Leg]:
    legs: list[Leg] = []
    position = 0
    while position < len(text):
        found = _LEG.match(text, position)
        if found is None:
            raise QueryError("a table of the union has a shape that the emulator does not know")
        legs.append(_leg(found, literals))
        position = found.end()
        if text.startswith(" , ", position):
            position += 3
        elif position < len(text):
            raise QueryError("a comma was expected between two tables of the union")
    return legs


def _leg(found: re.Match[str], literals: Sequence[str]) -> Leg:
    one, two = found["one"], found["two"]
    if found["by"] != (one if two is None else f"iff ( {one} in~ ( Wanted ) , {one} , {two} )"):
        raise QueryError("rows must be counted by the value that was looked for")
    if _literal(found["source"], literals) != found["table"]:
        raise QueryError("Source must be the table's name")
    columns = tuple(_column(text) for text in (one, two) if text is not None)
    return Leg(found["table"], found["time"], columns, found["devices"])


def _column(text: str) -> Column:
    words = text.split(" ")
    return Column(words[4], host=True) if words[0] == "tostring" else Column(text)
