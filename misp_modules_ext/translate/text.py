"""Text that people typed: trimming, characters nobody sees, defanged spellings.

Everything a value goes through before a reader of its kind looks at it. The whole list of what may change in a value
(DESIGN.md 4, rule 2) stands in `misp_modules_ext.translate`.
"""

from __future__ import annotations

import re
import unicodedata

#: Notes on what was normalised or left out, as phrases.
Notes = tuple[str, ...]

#: Longest value that is taken; Microsoft documents no limit, so nothing is ever cut.
MAX_LENGTH = 8192

_SHOWN = 80

# Control characters, soft hyphen, zero-width and direction marks, line separators, BOM, lone surrogates, tags.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
# The same without joiners, direction marks and tags: Persian names need joiners, flag emoji need tags, and
# a right-to-left override is how malware disguises its extension. The sensor sees them too.
_HIDDEN_IN_FILE_NAME = re.compile(
    "[\x00-\x1f\x7f-\x9f\u180e\u200b\u2028\u2029\u2060-\u2065\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_CONTROL_NAMES = {"\x00": "NUL", "\t": "tab", "\n": "line feed", "\r": "carriage return", "\ufeff": "byte order mark"}

# `[.] (.) {.} <.> [dot] (dot) {dot} <dot>`, with a space on either side at most.
DEFANGED_DOT = re.compile(
    r" ?(?:\[(?:\.|dot)\]|\((?:\.|dot)\)|\{(?:\.|dot)\}|<(?:\.|dot)>) ?",
    re.IGNORECASE,
)
# Half of it: `[.`, `.]` and `\.`. Only in a host or address alone, where it cannot be meant as it stands.
_HALF_DEFANGED_DOT = re.compile(r"\[\.|\.\]|\\\.")
DEFANGED_AT = re.compile(r" ?(?:\[(?:@|at)\]|\((?:@|at)\)|\{(?:@|at)\}) ?", re.IGNORECASE)
_MAYBE_DEFANGED = re.compile(r"[\[\](){}<\\]")
DEFANGED_COLON = re.compile(r"\[:\]")


class NotValid(ValueError):
    """The value is not what its type says; the message is the sentence for the report."""


def clean(value: str) -> tuple[str, Notes]:
    """Trim a value and refuse it when it holds something nobody can see.

    Raises:
        NotValid: empty, too long, or with a hidden character.
    """
    if 0 < len(value) <= MAX_LENGTH and value.isascii() and value.isprintable() and value[0] != " " != value[-1]:
        return value, ()  # nearly all values
    return _clean(value, _HIDDEN)


def clean_file_name(value: str) -> tuple[str, Notes]:
    """As `clean`, for file names, which may hold joiners and direction marks.

    Raises:
        NotValid: empty, too long, or with a character that no file name shows.
    """
    return _clean(value, _HIDDEN_IN_FILE_NAME)


def _clean(value: str, hidden: re.Pattern[str]) -> tuple[str, Notes]:
    text = value.strip()
    if not text:
        raise NotValid("The value is empty: correct or delete the attribute in MISP.")
    if len(text) > MAX_LENGTH:
        raise NotValid(f"The value has {len(text)} characters; more than {MAX_LENGTH} is no indicator.")
    if not text.isprintable() and (found := hidden.search(text)):
        place = f"{character(found.group())} at position {found.start() + 1}"
        raise NotValid(f"The value holds {place}, which nobody sees: remove it in MISP.")
    return text, () if len(text) == len(value) else ("surrounding white space removed",)


def character(char: str) -> str:
    """A character that cannot be printed, in words, for example `U+200B (zero width space)`."""
    if "\ud800" <= char <= "\udfff":
        name = "half of a surrogate pair"
    else:
        name = _CONTROL_NAMES.get(char) or unicodedata.name(char, "control character").lower()
    return f"U+{ord(char):04X} ({name})"


def readable(text: str) -> str:
    """Text for people and for JSON: one line, hidden characters written as `<U+202E>`, never a lone surrogate."""
    if text.isprintable():
        return text.strip()
    return _HIDDEN.sub(lambda found: f"<U+{ord(found.group()):04X}>", " ".join(text.split()))


def shown(text: str) -> str:
    """A value as messages quote it: readable and not endless."""
    line = readable(text[: 2 * _SHOWN])
    return f"`{line[:_SHOWN]}…`" if len(line) > _SHOWN or len(text) > 2 * _SHOWN else f"`{line}`"


def refang(text: str) -> str:
    """Undo defanged dots in a host name or address."""
    if _MAYBE_DEFANGED.search(text):
        return _HALF_DEFANGED_DOT.sub(".", DEFANGED_DOT.sub(".", text))
    return text


def refang_note(original: str, refanged: str) -> Notes:
    """The note for `refang`, none when nothing was defanged."""
    return () if original == refanged else (f"refanged from {shown(original)}",)
