"""Puts the commands together and turns our errors into sentences and exit codes."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer
from rich.console import Console

from misp_modules_ext import __version__
from misp_modules_ext.cli import (
    check,
    demo,
    emulator,
    import_config,
    modules,
    push,
    reconcile,
    release,
    report_command,
    retry,
    serve,
    show,
    status,
    sync,
    warninglists,
    withdraw,
    worker,
)
from misp_modules_ext.errors import (
    ConfigurationError,
    CredentialsRefused,
    DestinationError,
    LedgerError,
    MispError,
    MispMicrosoftError,
    MispRefused,
    PermissionRefused,
    UsageError,
    WarninglistError,
)

app = typer.Typer(
    name="misp-microsoft",
    help="Threat intelligence from MISP into Microsoft Sentinel and Microsoft Defender.",
    no_args_is_help=True,
    add_completion=False,
    # A traceback with local variables could show a secret.
    pretty_exceptions_enable=False,
)
app.command("push")(push.push)
app.command("sync")(sync.sync_command)
app.command("check")(check.check)
app.command("status")(status.status)
app.command("show")(show.show)
app.command("report")(report_command.report)
app.command("retry")(retry.retry)
app.command("withdraw")(withdraw.withdraw)
app.command("release")(release.release)
app.command("reconcile")(reconcile.reconcile)
app.command("import-config")(import_config.import_config)
app.command("serve")(serve.serve)
app.command("worker")(worker.worker)
app.command("emulator")(emulator.emulator)
app.command("demo")(demo.demo)
app.command("warninglists")(warninglists.warninglists)
app.command("modules-path")(modules.modules_path)
app.command("install-modules")(modules.install_modules)

_EXIT_CODES: tuple[tuple[type[MispMicrosoftError], int], ...] = (
    (ConfigurationError, 2),
    (UsageError, 2),
    (CredentialsRefused, 4),
    (PermissionRefused, 4),
    (LedgerError, 2),
    (WarninglistError, 2),
    (MispRefused, 4),
    (MispError, 5),
    (DestinationError, 3),
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"misp-microsoft {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Threat intelligence from MISP into Microsoft Sentinel and Microsoft Defender."""


def main() -> None:
    """Run the command line; the one place where our errors end."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        app()
    except MispMicrosoftError as error:
        Console(stderr=True, highlight=False, markup=False, soft_wrap=True).print(str(error))
        sys.exit(next(code for kind, code in _EXIT_CODES if isinstance(error, kind)))
