"""`misp-microsoft modules-path` and `install-modules`: how our module files reach a misp-modules service."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from misp_modules_ext.cli.common import console
from misp_modules_ext.errors import UsageError


def root() -> Path:
    """The folder to give to `misp-modules -c`."""
    return Path(str(files("misp_modules_ext.modules")))


def modules_path() -> None:
    """Print the folder of our modules, for `misp-modules -c "$(misp-microsoft modules-path)"`."""
    typer.echo(root())


def install_modules(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="The -c root that holds export_mod, action_mod and so on.")
    ],
) -> None:
    """Copy our module files into a -c root that other modules share, such as misp-docker's ./custom.

    The package itself must be installed where that service runs. Files of ours that are already there are replaced.
    """
    if not directory.is_dir():
        raise UsageError(
            f"{directory} is no folder. Create it first, or give the folder that misp-modules gets with -c."
        )
    for source in sorted(root().glob("*_mod/*.py")) + sorted(root().glob("expansion/*.py")):
        if source.name.startswith("_"):
            continue
        target = directory / source.parent.name / source.name
        try:
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(source.read_bytes())
        except OSError as error:
            raise UsageError(f"{target} cannot be written: {error.strerror}.") from error
        console().print(str(target), soft_wrap=True)
    console().print(f"Start the service with: misp-modules -c {directory}", soft_wrap=True)
