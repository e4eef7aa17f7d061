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
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import orjson

from misp_modules_ext.errors import WarninglistError
from misp_modules_ext.translate import place
from misp_modules_ext.warninglists.package import CIDR, HOSTNAME, STRING, SUBSTRING
from misp_modules_ext.warninglists.patterns import Expressions, Parts
from misp_modules_ext.warninglists.ranges import Range, read_range

#: The layout of the file; another one is built anew.
FORMAT = "1"
#: In place of a type: all lists are asked, whatever types they name.
ANY = ""
#: In place of a type: all lists that say anything of what can be blocked, whatever types they name.
BLOCKABLE = " "
#: What a list is for that says nothing of an address, name or hash. The patterns of today's fit most hashes and many
#: addresses: one of them is `…00975707|08|09|10|11`, of which each alternative counts alone.
_TELEPHONES = frozenset({"phone-number", "whois-registrant-phone"})
#: Composite types whose parts are not told by their names.
_PARTS = {"malware-sample": ("filename", "md5"), "domain|ip": ("domain", "ip-dst", "ip-src")}

_NO_LISTS: frozenset[int] = frozenset()
#: Keys of one statement: every SQLite takes 999.
_AT_ONCE = 900


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
        type: MISP attribute type, since lists name those for which they are asked; or `ANY`, or `BLOCKABLE`.
        values: what of its value is looked for.
    """

    type: str
    values: tuple[str, ...]


class _Scope(NamedTuple):
    """The lists that are asked for a type, and the ways in which they compare."""

    lists: frozenset[int]
    matches: frozenset[str]


def _asks(types: frozenset[str], type_: str, parts: Collection[str]) -> bool:
    """Whether a list that names these types is asked for a type of these parts."""
    if type_ == BLOCKABLE:
        return not types <= _TELEPHONES
    return type_ == ANY or not types.isdisjoint(parts)


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

    def hits(self, questions: Sequence[Question], *, meeting: bool = False) -> list[tuple[str, ...]]:
        """The lists that hold what is asked for, sorted names for each question.

        Args:
            questions: what.
            meeting: of a range, not only lists that hold all of it count, but all that hold some of it.

        Raises:
            WarninglistError: the index cannot be read.
        """
        try:
            with self._lock:
                return self._hits(questions, meeting)
        except (sqlite3.Error, ValueError) as error:
            raise self._unreadable(error) from error

    def _hits(self, questions: Sequence[Question], meeting: bool) -> list[tuple[str, ...]]:
        asked: dict[str, set[str]] = {}
        for question in questions:
            asked.setdefault(question.type, set()).update(question.values)
        scopes = {type_: self._scopes.get(type_) or self._scope(type_) for type_ in asked}
        held: dict[str, frozenset[int]] = {}
        ranges = partial(self._ranges, meeting=meeting)
        for match, look in ((STRING, self._strings), (HOSTNAME, self._hosts), (CIDR, ranges)):
            wanted = [values for type_, values in asked.items() if match in scopes[type_].matches]
            _add(held, look(set().union(*wanted)))
        for number, pattern in self._patterns.items():
            wanted = [values for type_, values in asked.items() if number in scopes[type_].lists]
            _add(held, dict.fromkeys(pattern.among(set().union(*wanted)), frozenset((number,))))
        found = []
        for type_, values in questions:
            lists = [held[value] for value in values if value in held]
            found.append(self._tell(scopes[type_].lists.intersection(_NO_LISTS.union(*lists))) if lists else ())
        return found

    def _scope(self, type_: str) -> _Scope:
        """The lists for a type: those that name it or one of its parts, and those that name none.

        MISP asks a list that names `ip-dst` but not `ip-dst|port` for the one only; the value is the same.
        """
        parts = {type_, *_PARTS.get(type_, type_.split("|"))}
        lists = {number for number, types in self._types.items() if not types or _asks(types, type_, parts)}
        made = _Scope(frozenset(lists), frozenset(self._matches[number] for number in lists))
        self._scopes[type_] = made
        return made

    def _strings(self, values: Collection[str]) -> dict[str, frozenset[int]]:
        """The lists that have a value as it is."""
        return self._found("string", values)

    def _found(self, table: str, values: Collection[str]) -> dict[str, frozenset[int]]:
        """The lists of those values that the table has. Sorted, neighbours are read together."""
        look = f"SELECT value, lists FROM {table} WHERE value IN ({{}})"  # noqa: S608 - our own names
        return {value: self._numbers(lists) for value, lists in self._rows(look, "?", sorted(values))}

    def _rows(self, look: str, place: str, keys: Sequence[str] | Sequence[bytes]) -> Iterator[tuple[Any, str]]:
        """What a statement finds for many keys, whose places are `{}` in it: one by one takes four times as long."""
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            yield from self._connection.execute(look.format(",".join([place] * len(some))), some)

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

    def _ranges(self, values: Iterable[str], *, meeting: bool) -> dict[str, frozenset[int]]:
        """The lists that hold an address, or every address of a range; with `meeting` any of them."""
        read = ((value, read_range(value)) for value in values)
        wanted = {value: found for value, found in read if found is not None}
        at = (
            "WITH asked (first) AS (VALUES {}) SELECT first, "
            "(SELECT lists FROM step WHERE step.first <= asked.first ORDER BY step.first DESC LIMIT 1) FROM asked"
        )
        firsts = sorted({found.first for found in wanted.values()})
        known = {first: self._numbers(lists) for first, lists in self._rows(at, "(?)", firsts) if lists}
        of = self._met if meeting else self._whole
        return {v: lists for v, found in wanted.items() if (lists := of(found, known.get(found.first) or _NO_LISTS))}

    def _whole(self, asked: Range, lists: frozenset[int]) -> frozenset[int]:
        """Of the lists that hold the first address of a range, those that hold all of it."""
        if not lists or asked.first == asked.last:
            return lists
        return lists.intersection(*self._within(asked))

    def _met(self, asked: Range, lists: frozenset[int]) -> frozenset[int]:
        """The lists that hold the first address of a range, and those that hold any other of it."""
        return lists if asked.first == asked.last else lists.union(*self._within(asked))

    def _within(self, asked: Range) -> Iterator[frozenset[int]]:
        """The lists of each part of a range but the first."""
        within = "SELECT DISTINCT lists FROM step WHERE first > ? AND first <= ?"
        for (lists,) in self._connection.execute(within, asked):
            yield self._numbers(lists) if lists else _NO_LISTS

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


def _add(held: dict[str, frozenset[int]], more: Mapping[str, frozenset[int]]) -> None:
    for value, lists in more.items():
        held[value] = held.get(value, _NO_LISTS) | lists


def host_of(value: str) -> str:
    """The host of a URL, or of a value that is one; without user and port, which MISP leaves on."""
    return place(value).host.rstrip(".").lower()


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
