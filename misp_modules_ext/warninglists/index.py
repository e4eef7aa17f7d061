"""The index of all warninglists, asked for many values at once. It is only read, and never changed in its place.

Values are compared as MISP compares them (`Warninglist::checkValue`, `CidrTool`):

- `string`: the entry is the value;
- `hostname`: the entry is the host of the value, or a domain above it, in any case of letters;
- `cidr`: the entry is a range that holds the address, or all of the range;
- `substring`: the entry is somewhere in the value;
- `regex`: the entry is found in the value.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import orjson

from misp_modules_ext.errors import WarninglistError
from misp_modules_ext.warninglists.package import CIDR, HOSTNAME, REGEX, STRING, SUBSTRING
from misp_modules_ext.warninglists.patterns import Expressions, Parts
from misp_modules_ext.warninglists.ranges import Range, read_range

#: The layout of the file; another one is built anew.
FORMAT = "1"
#: Composite types whose parts are not told by their names.
_PARTS = {"malware-sample": ("filename", "md5"), "domain|ip": ("domain", "ip-dst", "ip-src")}

_NO_LISTS: frozenset[int] = frozenset()


class Facts(NamedTuple):
    """What an index holds.

    Attributes:
        version: of the package it was built from.
        digest: of that package's lists.
        lists: entries by name of the list.
    """

    version: str
    digest: str
    lists: Mapping[str, int]

    @property
    def entries(self) -> int:
        """Entries of all lists."""
        return sum(self.lists.values())


class Question(NamedTuple):
    """What is asked for one attribute.

    Attributes:
        type: MISP attribute type: lists name those for which they are asked.
        values: what of its value is looked for.
    """

    type: str
    values: tuple[str, ...]


class _Scope(NamedTuple):
    """The lists that are asked for a type, by the way in which they compare."""

    lists: frozenset[int]
    strings: bool
    hosts: bool
    ranges: bool
    patterns: tuple[tuple[int, Parts | Expressions], ...]


class Index:
    """An open index; threads may share it.

    Args:
        path: the file.

    Raises:
        WarninglistError: there is none, or it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._scopes: dict[str, _Scope] = {}
        self._ids: dict[str, frozenset[int]] = {"": _NO_LISTS}
        self._told: dict[frozenset[int], tuple[str, ...]] = {}
        try:
            # The file is replaced as a whole, so nobody changes it under us: no lock on it is needed.
            address = f"file:{quote(str(path))}?mode=ro&immutable=1"
            self._connection = sqlite3.connect(address, uri=True, check_same_thread=False, isolation_level=None)
        except sqlite3.Error as error:
            raise self._unreadable(error) from error
        try:
            self._read()
        except (sqlite3.Error, ValueError) as error:
            self._connection.close()
            raise self._unreadable(error) from error
        except WarninglistError:
            self._connection.close()
            raise

    def __del__(self) -> None:
        if hasattr(self, "_connection"):
            self._connection.close()

    def _unreadable(self, error: Exception) -> WarninglistError:
        return WarninglistError(f"The index of warninglists {self._path} cannot be read: {error}.")

    def _read(self) -> None:
        meta = dict(self._connection.execute("SELECT name, value FROM meta"))
        if meta.get("format") != FORMAT:
            raise WarninglistError(f"The index of warninglists {self._path} was built by another version.")
        rows = self._connection.execute("SELECT id, name, match, types, entries FROM list ORDER BY id").fetchall()
        self._names = {number: name for number, name, *_ in rows}
        self._matches = {number: match for number, _, match, *_ in rows}
        self._types = {number: frozenset(orjson.loads(types)) for number, _, _, types, _ in rows}
        self._patterns = dict(self._read_patterns())
        self.facts = Facts(meta["version"], meta["digest"], {name: entries for _, name, _, _, entries in rows})

    def _read_patterns(self) -> Iterator[tuple[int, Parts | Expressions]]:
        entries: dict[int, list[str]] = {}
        for number, value in self._connection.execute("SELECT list, value FROM pattern"):
            entries.setdefault(number, []).append(value)
        for number, values in entries.items():
            yield number, Parts(values) if self._matches[number] == SUBSTRING else Expressions(values)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def hits(self, questions: Sequence[Question]) -> list[tuple[str, ...]]:
        """The lists that hold what is asked for, sorted names for each question.

        Raises:
            WarninglistError: the index cannot be read.
        """
        try:
            with self._lock:
                return self._hits(questions)
        except (sqlite3.Error, ValueError) as error:
            raise self._unreadable(error) from error

    def _hits(self, questions: Sequence[Question]) -> list[tuple[str, ...]]:
        scopes = [self._scopes.get(question.type) or self._scope(question.type) for question in questions]
        asked = list(zip(scopes, questions, strict=True))
        strings = self._found("string", {v for scope, q in asked if scope.strings for v in q.values})
        hosts = self._hosts({v for scope, q in asked if scope.hosts for v in q.values})
        ranges = self._ranges({v for scope, q in asked if scope.ranges for v in q.values})
        nothing = _NO_LISTS
        found = []
        for scope, question in asked:
            lists = nothing
            for value in question.values:
                lists = (
                    lists
                    | strings.get(value, nothing)
                    | hosts.get(value, nothing)
                    | ranges.get(value, nothing)
                )
                if scope.patterns:
                    lists |= {number for number, pattern in scope.patterns if pattern.match(value)}
            found.append(self._tell(lists & scope.lists) if lists else ())
        return found

    def _scope(self, type_: str) -> _Scope:
        """The lists for a type: those that name it or one of its parts, and those that name none.

        MISP asks a list that names `ip-dst` but not `ip-dst|port` for the one only; the value is the same.
        """
        parts = {type_, *_PARTS.get(type_, type_.split("|"))}
        lists = {number for number, types in self._types.items() if not types or types & parts}
        ways = {self._matches[number] for number in lists}
        patterns = tuple((number, self._patterns[number]) for number in sorted(lists & self._patterns.keys()))
        made = _Scope(frozenset(lists), STRING in ways, HOSTNAME in ways, CIDR in ways, patterns)
        self._scopes[type_] = made
        return made

    def _found(self, table: str, values: Collection[str]) -> dict[str, frozenset[int]]:
        """The lists of those values that the table has. Sorted, neighbours are read together."""
        one = f"SELECT lists FROM {table} WHERE value = ?"  # noqa: S608 - our own names
        look = self._connection.execute
        found = {}
        for value in sorted(values):
            row = look(one, (value,)).fetchone()
            if row is not None:
                found[value] = self._numbers(row[0])
        return found

    def _hosts(self, values: Collection[str]) -> dict[str, frozenset[int]]:
        """The lists that hold the host of a value or a domain above it."""
        above = {value: _above(host_of(value)) for value in values}
        known = self._found("host", {name for names in above.values() for name in names})
        found = {}
        for value, names in above.items():
            held = [known[name] for name in names if name in known]
            if held:
                found[value] = _NO_LISTS.union(*held)
        return found

    def _ranges(self, values: Iterable[str]) -> dict[str, frozenset[int]]:
        """The lists that hold an address, or every address of a range."""
        read = ((value, read_range(value)) for value in values)
        wanted = sorted((found, value) for value, found in read if found is not None)
        return {value: lists for found, value in wanted if (lists := self._held(found))}

    def _held(self, asked: Range) -> frozenset[int]:
        at = "SELECT lists FROM step WHERE first <= ? ORDER BY first DESC LIMIT 1"
        lists = self._numbers(self._connection.execute(at, (asked.first,)).fetchone()[0])
        if lists and asked.first != asked.last:
            within = "SELECT DISTINCT lists FROM step WHERE first > ? AND first <= ?"
            for (more,) in self._connection.execute(within, asked):
                lists &= self._numbers(more)
        return lists

    def _numbers(self, text: str) -> frozenset[int]:
        """The numbers of lists as a row has them; there are few different sets."""
        found = self._ids.get(text)
        if found is None:
            found = self._ids[text] = frozenset(map(int, text.split(",")))
        return found

    def _tell(self, lists: frozenset[int]) -> tuple[str, ...]:
        told = self._told.get(lists)
        if told is None:
            told = self._told[lists] = tuple(sorted(self._names[number] for number in lists))
        return told


def host_of(value: str) -> str:
    """The host of a URL, or of a value that is one; without user and port, which MISP leaves on."""
    _, slashes, rest = value.partition("//")
    host = (rest if slashes else value).partition("/")[0]
    host = host.rpartition("@")[2]
    if slashes:
        host = host.partition("?")[0].partition("#")[0]
        host = host.partition(":")[0]
    return host.rstrip(".").lower()


def host_of_entry(entry: str) -> str:
    """An entry of a `hostname` list as it is compared: a dot before it, as in `.example.com`, says nothing more."""
    return entry.strip(".").lower()


def _above(host: str) -> list[str]:
    """A name and all domains above it."""
    found = [host]
    place = host.find(".")
    while place >= 0:
        found.append(host[place + 1 :])
        place = host.find(".", place + 1)
    return found
