"""The tables of `docs/logs.md`."""

from __future__ import annotations

from misp_modules_ext.logs.fields import FIELDS, What


def fields_markdown() -> str:
    """Every field, with what it holds."""
    rows = [f"| `{name}` | {meaning} |" for name, meaning in FIELDS.items()]
    return "\n".join(["| field | holds |", "|---|---|", *rows])


def what_markdown() -> str:
    """Everything that a line may be about."""
    rows = [f"| `{what.value}` | {what.explanation} |" for what in What]
    return "\n".join(["| `what` | the line says |", "|---|---|", *rows])
