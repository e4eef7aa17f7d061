"""`misp-microsoft demo`: the whole way in a minute, without any account."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from misp_modules_ext.cli.common import console
from misp_modules_ext.errors import UsageError


def demo(
    report: Annotated[Path, typer.Option("--report", metavar="FILE.html", help="Where the report goes.")] = Path(
        "export-to-microsoft-demo.html"
    ),
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running until Ctrl-C.")] = False,
) -> None:
    """Show the main job on this machine: a MISP event through misp-modules into an emulated Microsoft.

    Uses its own configuration and loopback only, and leaves nothing behind but the report.
    """
    from misp_modules_ext.demo.run import demonstrate  # noqa: PLC0415 - brings a web server, which no other command needs

    if not os.access(report.resolve().parent, os.W_OK):
        raise UsageError(f"The report cannot be written to {report}: name a folder of yours with --report FILE.html.")
    # A proxy for the outside has no business with loopback.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    # An ended demonstration must end its service as well, however it is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="misp-microsoft-demo-") as folder:
        try:
            code = demonstrate(Path(folder), report, console(), keep=keep)
        except OSError as error:
            raise UsageError(f"The demonstration cannot run: {error}.") from error
    raise typer.Exit(code)
