"""The new file as it grows, and the account of every key of the old one."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from misp_modules_ext.config.ini import is_reference
from misp_modules_ext.config.values import is_placeholder
from misp_modules_ext.report.text import one_line

#: Longest value that is written.
LONGEST = 10_000


class How(str, Enum):
    """What became of a key of the old file."""

    KEPT = "kept"
    TRANSLATED = "translated"
    DIFFERS = "differs"
    BUILT_IN = "built in"
    NOTHING = "no equivalent"
    REFUSED = "refused"
    FILL_IN = "to fill in"
    NOT_UNDERSTOOD = "not understood"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Row:
    """One key of the old file.

    Attributes:
        old: its name; never its value.
        line: where it stands, 0 when it does not.
        new: our section and key, `""` for none.
        message: a sentence, for what is not plain.
    """

    old: str
    line: int
    new: str
    how: How
    message: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A key of the new file.

    Attributes:
        entries: its value; several are a list.
        comment: what stands above it.
        secret: its value must not be shown.
        idle: it is written as a comment, as something to consider.
    """

    key: str
    entries: tuple[str, ...] = field(repr=False)
    comment: str
    secret: bool = False
    idle: bool = False

    @property
    def is_reference(self) -> bool:
        """The value stands elsewhere."""
        return len(self.entries) == 1 and is_reference(self.entries[0])


@dataclass(slots=True)
class Draft:
    """What is to be written, section by section, and what is told.

    Attributes:
        sections: lines of each section, by its name as documented.
        rows: the account, in the order of the old file as far as it has one.
        steps: what to do next, as sentences.
    """

    sections: dict[str, list[Line]] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    def put(self, section: str, key: str, entries: Sequence[str], origin: Row, *, secret: bool = False) -> None:
        """Write a key, and account for where it came from.

        Args:
            section: ours.
            key: ours.
            entries: the value, as `fit` lets through, or a reference.
            origin: the row of the old key.
            secret: the value must not be shown.
        """
        self.rows.append(origin)
        self.write(section, Line(key, tuple(entries), comment(origin), secret))

    def write(self, section: str, line: Line) -> None:
        """Write a line; a list that is there already grows.

        That is right for what is refused and for placeholders. Where any entry of a list is enough, a second condition
        would widen it: ask `has` first.
        """
        lines = self.sections.setdefault(section, [])
        for number, before in enumerate(lines):
            if before.key == line.key and not before.idle and not line.idle:
                entries = tuple(dict.fromkeys(before.entries + line.entries))
                lines[number] = Line(line.key, entries, f"{before.comment} And {line.comment}", line.secret)
                return
        lines.append(line)

    def fill_in(self, section: str, key: str, placeholder: str, origin: Row) -> None:
        """Leave a key for a person: its placeholder keeps the file from being used until then."""
        self.rows.append(origin)
        self.write(section, Line(key, (f"<{placeholder}>",), comment(origin)))

    def tell(self, row: Row) -> None:
        """Account for a key that becomes no line."""
        self.rows.append(row)

    def has(self, section: str, key: str) -> bool:
        """Whether the key is written."""
        return any(line.key == key and not line.idle for line in self.sections.get(section, ()))

    def secrets(self) -> Iterator[tuple[str, Line]]:
        """The secrets that stand in the file itself, with their sections."""
        for section, lines in self.sections.items():
            for line in lines:
                if line.secret and not line.is_reference and not any(map(is_placeholder, line.entries)):
                    yield section, line

    def text(self, head: Sequence[str]) -> str:
        """The file.

        Args:
            head: comments at its beginning.
        """
        parts = [*(_comment(line) for line in head), ""]
        for section, lines in self.sections.items():
            parts.append(f"[{section}]")
            for line in lines:
                parts += [_comment(line.comment), *_key(line)]
            parts.append("")
        left = [row for row in self.rows if not row.new and row.how is not How.BUILT_IN and row.line]
        if left:
            parts.append("# What became no line of this file:")
            parts += [_comment(f"- {row.old} (line {row.line}), {row.how}. {row.message}") for row in left]
        return "\n".join(parts).rstrip("\n") + "\n"


def comment(row: Row) -> str:
    """Where a line came from."""
    where = f"{row.old}, line {row.line}" if row.line else row.old
    return f"From {where}: {row.how}. {row.message}".strip() if row.line else f"{where}: {row.message}".strip()


def _comment(text: str) -> str:
    told = one_line(text)
    return f"# {told}" if told else "#"


def _key(line: Line) -> list[str]:
    mark = "#" if line.idle else ""
    single = len(line.entries) == 1
    if single:
        return [f"{mark}{line.key} = {line.entries[0]}"]
    return [f"{mark}{line.key} =", *(f"{mark}    {entry}" for entry in line.entries)]


def unfit(text: str) -> str:
    """Why a text cannot stand in the file as one value, as half a sentence; `""` when it can.

    What would be read otherwise than it was meant is not written: white space around it is lost in INI, a line break
    would begin another key, and `env:` in front names a variable.
    """
    if len(text) > LONGEST:
        return "is longer than any value of a configuration"
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text):
        return "holds control characters or line breaks"
    if text != text.strip():
        return "begins or ends with a space"
    if is_reference(text):
        return "begins with env: or file:, which would name a variable or file here"
    return ""


def unfit_entry(text: str) -> str:
    """As `unfit`, for an entry of a list."""
    if text[:1] in ("#", ";"):
        return "begins with a sign that makes it a comment"
    if text.lower() in ("", "none"):
        return "would make the list empty"
    return unfit(text)
