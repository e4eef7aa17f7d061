"""The tables of types and object templates in Markdown: what `docs/types.md` holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from misp_modules_ext.model.indicator import Kind
from misp_modules_ext.translate.templates import TEMPLATES, Template
from misp_modules_ext.translate.types import TYPES, Row


def types_markdown() -> str:
    """Two tables: the types that yield indicators, and those that do not."""
    lines = ["| MISP attribute type | becomes | |", "|---|---|---|"]
    lines += [f"| {_code(type_)} | {_kinds(row.kinds)} | {row.told} |" for type_, row in _sorted() if row.kinds]
    lines += ["", "| MISP attribute types that become nothing | why |", "|---|---|"]
    lines += [f"| {_codes(types)} | {reason} |" for reason, types in _silent()]
    return "\n".join(lines)


def templates_markdown() -> str:
    """Two tables: what of an object counts, what is told, and what does not go; and objects of which nothing goes."""
    lines = ["| object | becomes indicators | is told with them | does not go |", "|---|---|---|---|"]
    lines += [
        f"| {_code(name)} | {_observables(row)} | {_told(row)} | {_refused(row)} |"
        for name, row in sorted(TEMPLATES.items())
        if "*" not in row.silent
    ]
    lines += ["", "| objects of which nothing goes | why |", "|---|---|"]
    lines += [f"| {_codes(names)} | {reason} |" for reason, names in _wholly_silent()]
    return "\n".join(lines)


def _sorted() -> list[tuple[str, Row]]:
    return sorted(TYPES.items())


def _silent() -> Iterator[tuple[str, list[str]]]:
    for reason in dict.fromkeys(row.reason for row in TYPES.values() if row.reason):
        yield reason, sorted(type_ for type_, row in TYPES.items() if row.reason == reason)


def _wholly_silent() -> Iterator[tuple[str, list[str]]]:
    reasons = {name: row.silent["*"] for name, row in sorted(TEMPLATES.items()) if "*" in row.silent}
    for reason in dict.fromkeys(reasons.values()):
        yield reason, [name for name, why in reasons.items() if why == reason]


def _observables(row: Template) -> str:
    return ", ".join(_relation(relation, row.read_as.get(relation, "")) for relation in sorted(row.observables))


def _relation(relation: str, read_as: str) -> str:
    return f"{_code(relation)} as {_code(read_as)}" if read_as not in ("", relation) else _code(relation)


def _told(row: Template) -> str:
    return ", ".join(dict.fromkeys(fact.name for fact in row.facts.values()))


def _refused(row: Template) -> str:
    reasons = dict.fromkeys(row.silent.values())
    return "; ".join(f"{_of(row, reason)}: {reason}" for reason in reasons)


def _of(row: Template, reason: str) -> str:
    return _codes(sorted(relation for relation, why in row.silent.items() if why == reason))


def _kinds(kinds: Iterable[Kind]) -> str:
    return ", ".join(f"`{kind.value}`" for kind in kinds)


def _codes(names: Iterable[str]) -> str:
    return ", ".join(map(_code, names))


def _code(name: str) -> str:
    # A bar ends a cell, also within code.
    return f"`{name}`".replace("|", "\\|")
