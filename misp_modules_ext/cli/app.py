"""Puts the commands together and turns our errors into sentences and exit codes."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from misp_modules_ext import __version__
from misp_modules_ext.cli import (
    check,
    demo,
    emulator,
    import_config,
    lookup,
    modules,
    push,
    reconcile,
    release,
    report_command,
    retry,
    serve,
    show,
    sightings,
    status,
    sync,
    warninglists,
    withdraw,
    worker,
)
from misp_modules_ext.cli.common import error_console
from misp_modules_ext.cli.log_options import DebugOption, JsonLinesOption, LevelOption, logged, wish
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
from misp_modules_ext.logs import What, fields, is_json, logger
from misp_modules_ext.report.text import prose

app = typer.Typer(
    name="misp-microsoft",
    help="Threat intelligence from MISP into Microsoft Sentinel and Microsoft Defender.",
    no_args_is_help=True,
    add_completion=False,
    # A traceback with local variables could show a secret.
    pretty_exceptions_enable=False,
)
app.command("push")(logged(push.push))
app.command("sync")(logged(sync.sync_command))
app.command("check")(logged(check.check))
app.command("status")(logged(status.status))
app.command("show")(logged(show.show))
app.command("lookup")(logged(lookup.lookup))
app.command("sightings")(logged(sightings.sightings))
app.command("report")(logged(report_command.report))
app.command("retry")(logged(retry.retry))
app.command("withdraw")(logged(withdraw.withdraw))
app.command("release")(logged(release.release))
app.command("reconcile")(logged(reconcile.reconcile))
app.command("import-config")(logged(import_config.import_config))
app.command("serve")(logged(serve.serve, logging.INFO))
app.command("worker")(logged(worker.worker, logging.INFO))
app.command("emulator")(logged(emulator.emulator))
app.command("demo")(logged(demo.demo))
app.command("warninglists")(logged(warninglists.warninglists))
app.command("modules-path")(logged(modules.modules_path))
app.command("install-modules")(logged(modules.install_modules))

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
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
    log_json: JsonLinesOption = False,
    debug: DebugOption = False,
    log_level: LevelOption = None,
) -> None:
    """Threat intelligence from MISP into Microsoft Sentinel and Microsoft Defender."""
    context.obj = wish(log_json, debug, log_level)


def main() -> None:
    """Run the command line; the one place where our errors end."""
    try:
        app()
    except MispMicrosoftError as error:
        code = next(code for kind, code in _EXIT_CODES if isinstance(error, kind))
        if is_json():
            logger().error("%s", error, extra=fields(What.FAILED, code=code))
        else:
            error_console().print(prose(str(error)))
        sys.exit(code)
