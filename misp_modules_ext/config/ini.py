"""From the text of an INI file to sections of raw values, and from a raw value to its text (`env:`, `file:`).

Nothing here ever shows a value, and what configparser says is not passed on: it quotes the lines it dislikes.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from misp_modules_ext.config import files
from misp_modules_ext.config.findings import Findings, Invalid

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
#: Repairs of one file that are tried in order to report further problems of it.
MOST_DUPLICATES = 50
_DUPLICATE = "duplicate-of-line-"


@dataclass(frozen=True, slots=True)
class RawValue:
    """A value as it stands in the file, with its key as written there."""

    key: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RawSection:
    """A section as it stands in the file; keys in lower case, in the order of the file."""

    name: str
    # A key may be the half of a secret.
    values: Mapping[str, RawValue] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Resolved:
    """A value after `env:` and `file:`.

    Attributes:
        plain: it stands in the configuration file itself.
    """

    text: str = field(repr=False)
    plain: bool
    world_readable: Path | None = None


class _Parser(configparser.ConfigParser):
    """INI as RH-ISAC's scripts read it: strict, without interpolation, and without a section of defaults."""

    def __init__(self, *, strict: bool) -> None:
        super().__init__(
            interpolation=None,
            strict=strict,
            default_section="\0",
            comment_prefixes=("#", ";"),
            inline_comment_prefixes=None,
        )
        self.written: dict[str, str] = {}

    def optionxform(self, optionstr: str) -> str:
        lower = optionstr.lower()
        self.written.setdefault(lower, optionstr)
        return lower


def parse(text: str, findings: Findings) -> list[RawSection]:
    """Read the sections; what is not INI is noted with its line number.

    Args:
        text: the file, with newlines as line ends.
        findings: gets a problem for each line that is not INI and each repetition.

    Returns:
        The sections in their order, as far as they could be read; none when nothing can be said about the rest.
    """
    parser = _read(text.split("\n"), findings)
    return [RawSection(name, _values(parser, name)) for name in parser.sections()]


def _values(parser: _Parser, section: str) -> dict[str, RawValue]:
    return {
        key: RawValue(parser.written[key], value)
        for key, value in parser.items(section)
        if not key.startswith(_DUPLICATE)
    }


def _read(lines: list[str], findings: Findings) -> _Parser:
    strict = True
    for _ in range(MOST_DUPLICATES):
        parser = _Parser(strict=strict)
        try:
            parser.read_string("\n".join(lines))
        except configparser.DuplicateOptionError as error:
            number = error.lineno or 0
            _note_line(findings, number, f"repeats a key of [{_short(error.section)}].", "Keep one of the two.")
            # Give the repeated key a name of its own, so that the rest of the file is checked too.
            lines[number - 1] = re.sub(r"^[^=:]*", f"{_DUPLICATE}{number} ", lines[number - 1])
            continue
        except configparser.DuplicateSectionError as error:
            what = f"begins a second section [{_short(error.section)}]."
            _note_line(findings, error.lineno or 0, what, "Put the keys into one section, or give one another name.")
            strict = False
            continue
        except configparser.MissingSectionHeaderError as error:
            remedy = "Begin with a section, for example [microsoft]."
            _note_line(findings, error.lineno, "stands before the first section.", remedy)
            return _Parser(strict=False)
        except configparser.ParsingError as error:
            # The parser holds the rest of the file.
            for number, _line in error.errors:
                _note_line(findings, number, "is neither a section, a key with its value, nor a comment.", _SYNTAX)
        return parser
    return _Parser(strict=False)


_SYNTAX = "Write key = value; further lines of a list are indented; comments have lines of their own."


def _note_line(findings: Findings, number: int, message: str, remedy: str) -> None:
    findings.problem("", "", f"line {number} {message}", remedy)


def _short(section: str) -> str:
    return section if len(section) <= 40 else section[:40] + "…"


def is_reference(text: str) -> bool:
    """Whether a value stands elsewhere. An entry on a line of its own is an entry, whatever it begins with."""
    return "\n" not in text and text.lower().startswith(("env:", "file:"))


class References:
    """Follows `env:NAME` and `file:/path`, and remembers what it depended on.

    Args:
        environ: the variables of the process.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.variables: dict[str, str | None] = {}
        self.files: dict[Path, files.Signature | None] = {}

    def resolve(self, text: str) -> Resolved:
        """The value that a raw value stands for.

        Raises:
            Invalid: the variable or file that it names is not there.
        """
        if not is_reference(text):
            return Resolved(text, plain=True)
        if text[:4].lower() == "env:":
            return Resolved(self._variable(text[4:].strip()), plain=False)
        return self._file(text[5:].strip())

    def look(self, name: str) -> str:
        """The value of a variable that may be there or not, `""` when it is not."""
        value = self._environ.get(name)
        self.variables[name] = value
        return value or ""

    def watch(self, path: Path) -> None:
        """Remember a file that a value names."""
        self.files[path] = files.signature(path)

    def _variable(self, name: str) -> str:
        if not _VARIABLE.fullmatch(name):
            raise Invalid("names no environment variable after env:.", "Write for example env:MICROSOFT_APP_SECRET.")
        value = self._environ.get(name)
        self.variables[name] = value
        if not value:
            state = "not set" if value is None else "empty"
            raise Invalid(
                f"takes its value from the environment variable {name}, which is {state}.",
                f"Set {name} where this program is started (for a service: in its unit or container).",
            )
        return value

    def _file(self, name: str) -> Resolved:
        path = Path(name)
        if not path.is_absolute():
            raise Invalid("names no absolute path after file:.", "Write for example file:/run/secrets/app-secret.")
        self.watch(path)
        try:
            content = files.read(path)
            value = files.text(content.data).rstrip("\n")
        except Invalid as error:
            raise Invalid(f"takes its value from a file that {error.message}", error.remedy) from None
        return Resolved(value, plain=False, world_readable=path if content.world_readable else None)
