"""The data of PyMISPWarningLists: MISP's warninglists, `data/misp-warninglists/lists/*/list.json` in the package.

Only the files are read. The package's own lookup takes 320 MB and tens of milliseconds for each value.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import orjson

from misp_modules_ext.errors import WarninglistError

PACKAGE = "pymispwarninglists"
#: How the lists come onto a machine.
INSTALL = "pip install 'misp-modules-ext[warninglists]'"

STRING, HOSTNAME, CIDR, SUBSTRING, REGEX = "string", "hostname", "cidr", "substring", "regex"
#: How the entries of a list are compared with a value.
MATCHES = frozenset({STRING, HOSTNAME, CIDR, SUBSTRING, REGEX})


class Warninglist(NamedTuple):
    """One list.

    Attributes:
        name: by which MISP and `warninglists` know it.
        match: one of `MATCHES`.
        types: MISP attribute types whose values are looked for in it; empty for all.
        entries: as the list has them.
    """

    name: str
    match: str
    types: frozenset[str]
    entries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Package:
    """The lists on this machine.

    Attributes:
        version: of the package.
        files: one for each list, sorted.
    """

    version: str
    files: tuple[Path, ...]

    def digest(self) -> str:
        """SHA-256 of all lists: it differs when any of them does, also where the version stayed."""
        found = hashlib.sha256()
        for file in self.files:
            content = _bytes(file)
            found.update(f"{file.parent.name}:{len(content)}:".encode())
            found.update(content)
        return found.hexdigest()


def installed() -> Package | None:
    """The package of this Python, without importing it; `None` when it is not installed or holds no lists."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return None
    files = tuple(sorted((Path(spec.origin).parent / "data/misp-warninglists/lists").glob("*/list.json")))
    return Package(installed_version() or "unknown", files) if files else None


def installed_version() -> str:
    """The version of the package, `""` when it is not installed."""
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return ""


def read(file: Path) -> Warninglist:
    """Read one list as MISP does (`Warninglist::update`): no type is `string`, no attribute types are all.

    Raises:
        WarninglistError: it is no list.
    """
    try:
        raw = orjson.loads(_bytes(file))
        match = raw.get("type") or STRING
        match = match[0] if isinstance(match, list) else match
        # A list with comments is an object: entry -> comment.
        entries = tuple(entry for entry in map(str, raw["list"]) if entry)
        found = Warninglist(str(raw["name"]), match, frozenset(map(str, raw.get("matching_attributes") or ())), entries)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise WarninglistError(f"{file} is no warninglist. Install it again: {INSTALL}.") from error
    if not isinstance(raw, Mapping) or found.match not in MATCHES:
        raise WarninglistError(
            f"{file} compares in a way that this version does not know ({str(found.match)[:40]!r}). Update this one."
        )
    return found


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise WarninglistError(f"{file} cannot be read: {error.strerror}.") from error
