"""Naming events of MISP: by UUID, by number, in a list."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from misp_modules_ext.errors import UsageError
from misp_modules_ext.misp.coerce import uuid_or_none
from misp_modules_ext.report.text import plural, shorten, visible

#: Standard input, where a file may be named.
STANDARD_INPUT = "-"
_NUMBER = re.compile(r"0*([1-9][0-9]{0,17})\Z", re.ASCII)
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class Named(NamedTuple):
    """What a push was given.

    Attributes:
        references: events of MISP: UUIDs in lower case, and numbers.
        files: names of files; `-` for standard input.
        content: what stood on standard input, when it is one of the files.
        notes: what a person should know of how this was understood, as sentences.
    """

    references: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    content: bytes = b""
    notes: tuple[str, ...] = ()


def reference(word: str) -> str:
    """A UUID in lower case, or a number without leading zeros; `""` for anything else."""
    number = _NUMBER.match(word)
    return number[1] if number else uuid_or_none(word) or ""


def sort_out(sources: Sequence[str], lists: Sequence[str]) -> Named:
    """Tell events of MISP from files.

    A source that is there as a file is the file. Standard input is MISP JSON, unless it is a list of UUIDs and numbers.

    Args:
        sources: UUIDs, numbers, names of files, `-`.
        lists: names of files with lists, or `-`.

    Raises:
        UsageError: there is nothing to push, or both kinds; or a list cannot be read.
    """
    if [*sources, *lists].count(STANDARD_INPUT) > 1:
        raise UsageError("Standard input can be read once only: give - once.")
    references: list[str] = []
    files: list[str] = []
    notes: list[str] = []
    content = b""
    for source in sources:
        named = "" if _is_file(source) else reference(source)
        if source == STANDARD_INPUT:
            content = sys.stdin.buffer.read()
            if _is_list(content):
                references += _listed(content, "standard input")
            else:
                files.append(source)
        elif named:
            references.append(named)
        else:
            files.append(source)
            notes += [_NOT_THE_EVENT.format(source)] if reference(source) else []
    for name in lists:
        references += _read_list(name)
    if references and files:
        raise UsageError(
            "Push events of MISP and files one after the other, not in one command: a file only adds, and what is read "
            "from MISP also takes away."
        )
    return Named(tuple(dict.fromkeys(references)), tuple(files), content, tuple(notes))


_NOT_THE_EVENT = (
    "{0} is a file here, and that is what is read. For the event of MISP write `--search eventid={0}`, for the file "
    "without this note ./{0}"
)


def _is_file(source: str) -> bool:
    try:
        return Path(source).exists() and not Path(source).is_dir()
    except OSError:
        # A name that no file can have.
        return False


def _is_list(content: bytes) -> bool:
    """Whether it begins with a UUID or a number, comments aside."""
    try:
        entries = _entries(content)
    except UnicodeDecodeError:
        return False
    return bool(entries) and bool(reference(entries[0][1]))


def _read_list(name: str) -> tuple[str, ...]:
    if name == STANDARD_INPUT:
        return _listed(sys.stdin.buffer.read(), "standard input")
    told = shorten(visible(name), 200)
    try:
        content = Path(name).read_bytes()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"--from {told} cannot be read: {why}.") from error
    return _listed(content, told)


def _listed(content: bytes, name: str) -> tuple[str, ...]:
    """The entries of a list.

    Raises:
        UsageError: it is no text, or a line is neither a UUID nor a number.
    """
    try:
        entries = _entries(content)
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is no text in UTF-8. {_SHAPE}") from error
    wrong = [(number, entry) for number, entry in entries if not reference(entry)]
    if wrong:
        number, entry = wrong[0]
        more = f" ({plural(len(wrong), 'such line')} in all)" if len(wrong) > 1 else ""
        raise UsageError(
            f"{name}, line {number}: {shorten(visible(entry), 60)} is neither the UUID nor the number of an event"
            f"{more}. Nothing was pushed. {_SHAPE}"
        )
    return tuple(reference(entry) for _, entry in entries)


_SHAPE = "Write one UUID or number a line; what follows a # is a comment."


def _entries(content: bytes) -> list[tuple[int, str]]:
    """Lines that hold something besides a comment, with their numbers from 1."""
    # PowerShell writes UTF-16 into files.
    text = content.decode("utf-16" if content.startswith(_UTF_16) else "utf-8-sig")
    lines = ((number, line.partition("#")[0].strip()) for number, line in enumerate(text.splitlines(), 1))
    return [(number, line) for number, line in lines if line]
