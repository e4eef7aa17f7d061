"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="The rh-isac.conf to use. Without it: $RH_ISAC_CONF, then the usual places."),
]
DestinationOption = Annotated[
    list[str] | None,
    typer.Option(
        "--destination", "-d", help="Name of a destination, which is a section `microsoft NAME`; may be repeated."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Rich would end the process with exit code 1, which means something else here."""
        raise BrokenPipeError


def console() -> Console:
    """Where tables go; values in them are never taken as markup."""
    return _Console(highlight=False, markup=False)


def error_console() -> Console:
    """Where messages to a person go when standard output carries data."""
    return Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
