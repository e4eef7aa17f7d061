"""`misp-microsoft push`: events from files or standard input."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from misp_modules_ext.cli.common import ConfigOption, DestinationOption, JsonOption, console, error_console
from misp_modules_ext.config import load
from misp_modules_ext.delivery.submit import Order, submit
from misp_modules_ext.errors import UsageError
from misp_modules_ext.misp.files import FileContent, read_events
from misp_modules_ext.model.account import Account
from misp_modules_ext.model.misp import Event
from misp_modules_ext.report import exit_code, to_html, to_json, to_terminal

_REFERENCE = re.compile(r"\d+\Z|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")


def push(
    sources: Annotated[
        list[str], typer.Argument(metavar="EVENT...", help="Files of MISP JSON, or - for standard input.")
    ],
    config: ConfigOption = None,
    destination: DestinationOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Send nothing; show what would go.")] = False,
    as_json: JsonOption = False,
    report: Annotated[Path | None, typer.Option("--report", metavar="FILE.html", help="Also write the report.")] = None,
) -> None:
    """Send events to Microsoft and account for every attribute.

    A file that cannot be read costs that file alone: the others go, and the command ends with exit code 2.
    """
    settings = load(config)
    events, unread = _read_all(sources)
    if not events:
        raise UsageError("\n".join(unread))
    account = submit(events, settings, Order("cli", tuple(destination or ()), preview=dry_run))
    whole = replace(account, warnings=(*account.warnings, *unread))
    _show(whole if as_json else account, as_json=as_json)
    for problem in unread:
        error_console().print(problem)
    if report is not None:
        _write(report, whole)
    raise typer.Exit(2 if unread else exit_code(account))


def _read_all(sources: Sequence[str]) -> tuple[list[Event], list[str]]:
    """All events that can be read, and a sentence for each source that cannot."""
    events: list[Event] = []
    unread: list[str] = []
    for source in sources:
        try:
            content = _read(source)
        except UsageError as error:
            unread.append(f"Not read: {error}")
        else:
            events += content.events
            unread += (f"Not read: {refused}" for refused in content.refused)
    return events, unread


def _read(source: str) -> FileContent:
    if source == "-":
        return read_events(sys.stdin.buffer.read(), "standard input")
    try:
        content = Path(source).read_bytes()
    except OSError as error:
        if _REFERENCE.match(source) and isinstance(error, FileNotFoundError):
            raise UsageError(
                f"{source} is no file. Reading an event from MISP by id or UUID is not yet possible: save it as JSON "
                "in MISP (Download as… > MISP JSON) and give the file."
            ) from error
        raise UsageError(f"{source[:200]} cannot be read: {error.strerror}.") from error
    return read_events(content, source)


def _show(account: Account, *, as_json: bool) -> None:
    try:
        if as_json:
            sys.stdout.buffer.write(to_json(account))
        else:
            to_terminal(account, console())
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has gone, as with `| head`. What was sent is sent, and the exit code still says how it went.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write(path: Path, account: Account) -> None:
    try:
        path.write_text(to_html(account), encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(
            f"The report cannot be written to {path}: {error.strerror}. What is shown above was done all the same."
        ) from error
    error_console().print(f"Report: {path}")
