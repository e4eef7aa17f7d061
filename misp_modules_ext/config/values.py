"""From the text of a value to a typed value. Each parser takes the text and raises `Invalid` with the remedy.

Messages show the text only where it is a word out of a fixed set: identifiers are not shown, because people swap
them with the secret beside them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

from misp_modules_ext.config.findings import Invalid, closest
from misp_modules_ext.model.misp import Pap, Tlp

T = TypeVar("T")

#: Seconds in the units of a duration.
UNITS = {"minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}
#: Longest time an indicator may live: ten years, as far as Microsoft's expiry fields are any use.
LONGEST = 3_650 * UNITS["day"]

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_DOMAIN = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]", re.ASCII)
_API_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-preview)?", re.ASCII)
_PATH_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,99}", re.ASCII)
_DURATION = re.compile(r"(\d{1,9})(?:\s*([a-z]+))?", re.ASCII)
_PLACEHOLDER = re.compile(r"<[^<>]+>|…|\.\.\.")
_WHOLE = re.compile(r"\d{1,12}", re.ASCII)


def shown(text: str) -> str:
    """A value as it may stand in a message: one line, printable, short."""
    clean = "".join(c if c.isprintable() else "?" for c in text)
    return f"“{clean[:60]}…”" if len(clean) > 60 else f"“{clean}”"


def is_placeholder(text: str) -> bool:
    """Whether this is what an example file has in place of a value, for example `<MISP API KEY HERE>`."""
    return any(_PLACEHOLDER.fullmatch(line.strip()) for line in text.split("\n"))


def is_guid(text: str) -> bool:
    """Whether this is a GUID, for example `72f988bf-…`, in any case."""
    return _GUID.fullmatch(text.lower()) is not None


def line(text: str) -> str:
    """A value of one line that is not empty."""
    stripped = text.strip()
    if not stripped:
        raise Invalid("is empty.", "Give it a value, or remove the line.")
    if "\n" in stripped:
        raise Invalid(
            "holds several lines, but takes one value.",
            "Start the next key at the beginning of its line: an indented line belongs to the value above it.",
        )
    if any(unicodedata.category(c) == "Cc" for c in stripped):
        raise Invalid("holds control characters.", "Type the value again.")
    return stripped


def entries(text: str) -> tuple[str, ...]:
    """A list, one entry a line; `none` alone is the empty list. Repetitions count once.

    Nothing at all is no list: it may be an entry that was taken for a comment, and the gate would be gone unnoticed.
    """
    found = dict.fromkeys(part.strip() for part in text.split("\n") if part.strip())
    if not found:
        raise Invalid("is empty.", "Write none for an empty list; an entry cannot begin with # or ;.")
    if any(unicodedata.category(c) == "Cc" for entry in found for c in entry):
        raise Invalid("holds control characters.", "Type the values again.")
    return () if [entry.lower() for entry in found] == ["none"] else tuple(found)


def entry_set(text: str) -> frozenset[str]:
    """As `entries`, where the order says nothing."""
    return frozenset(entries(text))


def each(parse: Callable[[str], T]) -> Callable[[str], frozenset[T]]:
    """A parser of lists whose entries `parse` reads; one bad entry makes the list invalid."""

    def parse_list(text: str) -> frozenset[T]:
        return frozenset(parse(entry) for entry in entries(text))

    return parse_list


def one_of(known: Mapping[str, T], what: str) -> Callable[[str], T]:
    """A parser of fixed words, regardless of case.

    Args:
        known: value by its word as documented.
        what: what the words name, with its article, for example `a cloud`.
    """
    by_lower = {word.lower(): value for word, value in known.items()}

    def parse(text: str) -> T:
        word = line(text)
        try:
            return by_lower[word.lower()]
        except KeyError:
            near = closest(word, known)
            choice = f"Did you mean {near}?" if near else _choice(known)
            several = re.search(r"[, ]", word) and not any(" " in name for name in known)
            hint = " A list has one entry a line, without commas." if several else ""
            raise Invalid(f"{shown(word)} is not {what}.", choice + hint) from None

    return parse


def _choice(known: Mapping[str, object]) -> str:
    first = list(known)[:12]
    return f"Known: {', '.join(first)}{', …' if len(known) > len(first) else ''}."


def words(names: Iterable[str]) -> dict[str, str]:
    """For `one_of`: words that stand for themselves."""
    return {name: name for name in names}


def boolean(text: str) -> bool:
    """Yes or no, in the words that configparser knows."""
    word = line(text).lower()
    if word in {"yes", "true", "on", "1"}:
        return True
    if word in {"no", "false", "off", "0"}:
        return False
    raise Invalid(f"{shown(word)} is neither yes nor no.", "Write yes or no.")


def whole(low: int, high: int) -> Callable[[str], int]:
    """A parser of whole numbers from `low` to `high`, both included."""

    def parse(text: str) -> int:
        word = line(text)
        if not _WHOLE.fullmatch(word) or not low <= int(word) <= high:
            raise Invalid(f"{shown(word)} is not a whole number from {low} to {high}.", "Write such a number.")
        return int(word)

    return parse


def duration(text: str) -> int:
    """Seconds of `120 days`, `12 hours`, `30 minutes`, `2 weeks`, or of a plain number of days."""
    word = line(text).lower()
    match = _DURATION.fullmatch(word)
    unit = UNITS.get((match[2] or "day").removesuffix("s")) if match else None
    if match is None or unit is None:
        raise Invalid(
            f"{shown(word)} is not a length of time.", "Write for example “120 days”, “12 hours” or “2 weeks”."
        )
    seconds = int(match[1]) * unit
    if not 0 < seconds <= LONGEST:
        raise Invalid(f"{shown(word)} is out of range.", "Write at least a minute and at most 3650 days.")
    return seconds


def tlp(text: str) -> Tlp:
    """A TLP level with or without `tlp:`; `white` is TLP 1.0's word for clear."""
    levels = {level.tag.removeprefix("tlp:"): level for level in Tlp} | {"white": Tlp.CLEAR}
    return one_of(levels, "a TLP level")(re.sub(r"(?i)^\s*tlp:\s*", "", text))


def pap(text: str) -> Pap:
    """A PAP level with or without `PAP:`; `white` is the older word for clear."""
    levels = {level.name.lower(): level for level in Pap} | {"white": Pap.CLEAR}
    return one_of(levels, "a PAP level")(re.sub(r"(?i)^\s*pap:\s*", "", text))


def secret(text: str) -> SecretStr:
    """A secret of one line; messages never show it."""
    value = line(text)
    if value != text:
        raise Invalid("begins or ends with a space or an empty line.", "Store the secret again without it.")
    return SecretStr(value)


def guid(text: str) -> str:
    """A GUID in lower case; braces around it are taken off."""
    word = line(text).lower()
    bare = word[1:-1] if word.startswith("{") and word.endswith("}") else word
    if not is_guid(bare):
        raise Invalid("is not a GUID (8-4-4-4-12 hexadecimal digits).", "Copy it again from the Azure portal.")
    return bare


def workspace(text: str) -> str:
    """The Log Analytics workspace's GUID; people give its name instead."""
    try:
        return guid(text)
    except Invalid as error:
        raise Invalid(f"{error.message} It is not the workspace's name.", f"Copy it from {WHERE_WORKSPACE}.") from None


#: Where a person finds `workspaceId`.
WHERE_WORKSPACE = (
    "Azure portal > Log Analytics workspaces > the workspace > Overview > Workspace ID (a GUID, not its name)"
)


def uuid(text: str) -> str:
    """A MISP UUID in lower case."""
    word = line(text).lower()
    if not is_guid(word):
        raise Invalid(
            f"{shown(word)} is not a UUID.",
            "Copy the UUID from MISP's page of that organisation or sharing group, one a line.",
        )
    return word


def tenant(text: str) -> str:
    """An Entra tenant: its GUID or one of its verified domain names, in lower case."""
    word = line(text).lower()
    bare = word[1:-1] if word.startswith("{") and word.endswith("}") else word
    if not is_guid(bare) and not _DOMAIN.fullmatch(bare):
        raise Invalid(
            "is neither a GUID nor a domain name of the tenant.",
            "Copy it from Azure portal > Microsoft Entra ID > Overview > Tenant ID.",
        )
    return bare


def api_version(text: str) -> str:
    """A version of Microsoft's API, for example `2024-02-01-preview`."""
    word = line(text).lower()
    if not _API_VERSION.fullmatch(word):
        raise Invalid(f"{shown(word)} is not an API version.", "Write for example 2024-02-01-preview.")
    return word


def upload_path(text: str) -> str:
    """The last part of a path, for example `threat-intelligence-stix-objects:upload`."""
    word = line(text)
    if not _PATH_PART.fullmatch(word):
        raise Invalid(
            f"{shown(word)} is no last part of a path.", "Write for example threat-intelligence-stix-objects:upload."
        )
    return word


def scope(text: str) -> str:
    """What a token is asked for with client credentials: `<https address>/.default` (Microsoft identity platform)."""
    word = line(text)
    resource = word.removesuffix("/.default")
    if resource == word:
        raise Invalid("does not end in /.default.", "Write for example https://management.azure.com/.default.")
    return f"{origin(resource)}/.default"


def source_system(text: str) -> str:
    """Sentinel's `sourcesystem`: at most 256 characters, and none of Microsoft's own (STIX objects upload API)."""
    word = line(text)
    if len(word) > 256:
        raise Invalid("is longer than 256 characters.", "Choose a shorter name.")
    if word.lower() in {"microsoft sentinel", "azure sentinel", "securitygraph"}:
        raise Invalid(f"{shown(word)} is a name that Microsoft keeps for itself.", "Choose another name.")
    return word


def optional_word(text: str) -> str:
    """One line of text; `none` is the empty text."""
    word = line(text)
    return "" if word.lower() == "none" else word


def short(text: str) -> str:
    """One line of at most 100 characters."""
    word = line(text)
    if len(word) > 100:
        raise Invalid("is longer than 100 characters.", "Choose a shorter text.")
    return word


def absolute_path(text: str) -> Path:
    """The absolute path of a file; whether it can be used is seen when it is read."""
    path = Path(line(text))
    if not path.is_absolute():
        raise Invalid("is not an absolute path.", "Write the whole path, beginning with /.")
    return path


def address(text: str) -> str:
    """An http or https address with an optional path, without a trailing slash: a MISP instance."""
    parts = _split(line(text))
    if parts.scheme not in {"http", "https"}:
        raise Invalid("is not a web address.", "Write for example https://misp.example.org.")
    return _plain(parts)


def origin(text: str) -> str:
    """An https address with an optional path, without a trailing slash: an endpoint of Microsoft or the emulator."""
    parts = _split(line(text))
    if parts.scheme != "https":
        raise Invalid("is not an https address.", "Write for example https://localhost:8443; http is never used.")
    return _plain(parts)


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = SplitResult("", "", "", "", ""), None
    if not parts.hostname or port == 0 or re.search(r"[\s<>\"\\^`{|}]", text):
        raise Invalid("is not a web address.", "Write for example https://host.example:8443.")
    if parts.username is not None or parts.password is not None:
        raise Invalid("holds a user name or a password.", "Write the address alone.")
    return parts


def _plain(parts: SplitResult) -> str:
    if parts.query or parts.fragment:
        raise Invalid("holds more than host and path.", "Leave out everything from ? or # on.")
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"
