"""`misp-microsoft serve`: the misp-modules service with our modules in it."""

from __future__ import annotations

import logging
import os
import socket
import sys
from typing import Annotated

import typer

from misp_modules_ext.cli.common import ConfigOption, error_console
from misp_modules_ext.cli.modules import root
from misp_modules_ext.config import load
from misp_modules_ext.errors import UsageError
from misp_modules_ext.logs import Wish


def serve(
    context: typer.Context,
    config: ConfigOption = None,
    listen: Annotated[str, typer.Option("--listen", "-l", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", "-p", help="Port to listen on.")] = 6666,
) -> None:
    """Run misp-modules with its own modules and ours.

    The service has no authentication: anyone who reaches the port can push. Keep it on loopback or a private network.
    """
    settings = load(config)
    if listen not in ("127.0.0.1", "::1", "localhost"):
        error_console().print(f"Anyone who reaches {listen}:{port} can push: misp-modules has no authentication.")
    _check_free(listen, port)
    # The service reads the configuration itself, again whenever the file changes.
    os.environ["RH_ISAC_CONF"] = str(settings.path.resolve())
    wish: Wish = context.obj
    level = logging.getLevelName(wish.lowest(logging.INFO)).lower()
    log = ["--log-level", level, *(["--log-json"] if wish.as_json else [])]
    theirs = ["-l", listen, "-p", str(port), "-c", str(root())]
    arguments = [sys.executable, "-m", "misp_modules_ext.doors.service", *log, *theirs]
    os.execv(sys.executable, arguments)  # noqa: S606 - our own interpreter, with arguments of ours


def _check_free(listen: str, port: int) -> None:
    """Say in words what the service would answer with a traceback."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(listen, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise UsageError(
            f"The service cannot listen on {listen}:{port}: {error.strerror}. Name another address or port with "
            "--listen and --port, or end what uses it."
        ) from error
