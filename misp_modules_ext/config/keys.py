"""Reading the keys of one section by the tables of `schema` and `notyet`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from misp_modules_ext.config import files, values
from misp_modules_ext.config.findings import Findings, Invalid, closest
from misp_modules_ext.config.ini import RawValue, References
from misp_modules_ext.config.notyet import sentence, waiting
from misp_modules_ext.config.schema import Key, Part, effective
from misp_modules_ext.config.sections import OurSection

#: A key that may be shown. A secret that was broken over two lines looks like a key too, but not like this.
_WORD = re.compile(r"[A-Za-z][A-Za-z._-]{0,29}", re.ASCII)


@dataclass(slots=True)
class Reader:
    """What reading the sections of one file shares.

    Attributes:
        plain_secrets: places of secrets that stand in the file itself, for example `[microsoft] appSecret`.
    """

    findings: Findings
    references: References
    plain_secrets: list[str] = field(default_factory=list)

    def read(self, section: OurSection) -> dict[str, object]:
        """The values of the keys that are known and right, by documented name; the rest is noted.

        Args:
            section: one whose part has keys.
        """
        part = section.part
        known = {key.name.lower(): key for key in effective(part)} if isinstance(part, Part) else {}
        later = waiting(part)
        later_by_lower = {name.lower(): name for name in later}
        found: dict[str, object] = {}
        for position, (lower, raw) in enumerate(section.raw.values.items(), 1):
            if lower in known:
                self._read_key(section.name, known[lower], raw, found)
            elif lower in later_by_lower:
                name = later_by_lower[lower]
                self.findings.problem(section.name, name, sentence(later[name]), "Remove the line.")
            else:
                names = [*(key.name for key in known.values()), *later]
                self._unknown(section.name, raw.key, position, names)
        return found

    def _read_key(self, section: str, key: Key, raw: RawValue, found: dict[str, object]) -> None:
        try:
            found[key.name] = self._value(section, key, raw)
        except Invalid as error:
            self.findings.invalid(section, key.name, error)

    def _value(self, section: str, key: Key, raw: RawValue) -> object:
        resolved = self.references.resolve(raw.text)
        if values.is_placeholder(resolved.text):
            needed = key.instead.startswith("required")
            remedy = "Put your own value there." if needed else "Put your own value there, or remove the line."
            raise Invalid("is still the placeholder of the example.", remedy)
        if key.secret:
            self._note_secret(section, key.name, plain=resolved.plain, open_to_all=resolved.world_readable)
        value = key.parse(resolved.text)
        if isinstance(value, Path) and not key.plain_file:
            self.references.watch(value)
            files.check_certificates(value)
        self._note_commas(section, key, value)
        return value

    def _note_secret(self, section: str, key: str, *, plain: bool, open_to_all: Path | None) -> None:
        if plain:
            self.plain_secrets.append(f"[{section}] {key}")
        if open_to_all:
            name = shlex.quote(str(open_to_all))
            self.findings.warning(
                section, key, f"comes from {open_to_all}, which every user here can read. Run: chmod o-r {name}"
            )

    def _note_commas(self, section: str, key: Key, value: object) -> None:
        if not isinstance(value, frozenset | tuple):
            return
        for entry in value:
            if isinstance(entry, str) and "," in entry:
                self.findings.warning(
                    section,
                    key.name,
                    f"{values.shown(entry)} counts as one entry. If several are meant, write one a line, indented.",
                )

    def _unknown(self, section: str, written: str, position: int, names: list[str]) -> None:
        near = closest(written, names, cutoff=0.75)
        suggestion = f"Did you mean {near}?" if near else "Remove the line, or see docs/configuration.md for the keys."
        typo = near and written.isprintable() and " " not in written and len(written) <= len(near) + 2
        if typo or _WORD.fullmatch(written):
            self.findings.problem(section, written, "is not a key of this section.", suggestion)
            return
        # What looks like no key may be the rest of a secret, so it is told by its place.
        self.findings.problem(
            section,
            "",
            f"key number {position} of this section is not a key (not shown: it may be a part of a value).",
            "A value that goes on in a further line has to be indented there.",
        )


def fields(keys: tuple[Key, ...], found: Mapping[str, object]) -> dict[str, object]:
    """The arguments for a settings class.

    Args:
        keys: the rows of one part.
        found: values by documented name; those of other parts are left alone.
    """
    arguments: dict[str, object] = {}
    groups: dict[str, list[tuple[object, object]]] = {}
    for key in keys:
        if key.name not in found or not key.field:
            continue
        if key.member is None:
            arguments[key.field] = found[key.name]
        else:
            groups.setdefault(key.field, []).append((key.member, found[key.name]))
    return arguments | {name: tuple(members) for name, members in groups.items()}
