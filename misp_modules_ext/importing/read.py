"""Reading the configuration of another tool: which one it is, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from misp_modules_ext.config import files
from misp_modules_ext.config.findings import Invalid
from misp_modules_ext.errors import UsageError
from misp_modules_ext.importing import misp2defender, misp2sentinel, rh_isac
from misp_modules_ext.importing.draft import Draft
from misp_modules_ext.importing.old_values import Module
from misp_modules_ext.importing.python_data import parse


class Kind(str, Enum):
    """Whose configuration it is."""

    RH_ISAC = "rh-isac"
    MISP2SENTINEL = "misp2sentinel"
    MISP2DEFENDER = "misp2defender"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Import:
    """An old configuration that was read."""

    kind: Kind
    path: Path
    draft: Draft

    @property
    def whose(self) -> str:
        """The tool, as people call it."""
        return "RH-ISAC's script" if self.kind is Kind.RH_ISAC else self.kind.value


_UNKNOWN = (
    "is neither an rh-isac.conf nor the config.py of misp2sentinel or misp2defender. If it is one of them all the "
    "same, say which with --from."
)


def read_old(path: Path, kind: Kind | None = None) -> Import:
    """Read an old configuration. Nothing in it is executed.

    Args:
        path: the file.
        kind: whose it is; `None` to tell by its content.

    Raises:
        UsageError: it cannot be read, or is none of these.
    """
    draft = Draft()
    try:
        data = files.read(path).data
        if kind is None and _is_ini(files.text(data)):
            kind = Kind.RH_ISAC
        if kind is Kind.RH_ISAC:
            rh_isac.read(files.text(data), draft)
            return Import(kind, path, draft)
        module = parse(data)
    except Invalid as error:
        raise UsageError(f"The old configuration {error.message} {error.remedy}".strip()) from None
    kind = kind or _recognise(module)
    if kind is None or not module.names:
        raise UsageError(f"The old configuration {path} {_UNKNOWN}")
    (misp2defender if kind is Kind.MISP2DEFENDER else misp2sentinel).read(module, draft)
    return Import(kind, path, draft)


def _is_ini(text: str) -> bool:
    """Whether the first line that says something begins a section."""
    lines = (line.strip() for line in text.split("\n"))
    return next((line for line in lines if line and line[0] not in "#;"), "").startswith("[")


def _recognise(module: Module) -> Kind | None:
    marks = {
        Kind.MISP2DEFENDER: len(module.names.keys() & misp2defender.OWN),
        Kind.MISP2SENTINEL: len(module.names.keys() & misp2sentinel.OWN),
    }
    most = max(marks, key=lambda kind: marks[kind])
    return most if marks[most] else None
