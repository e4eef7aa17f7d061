"""`misp-microsoft push`: events from files or standard input."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from misp_modules_ext.cli.common import ConfigOption, DestinationOption, JsonOption, error_console
from misp_modules_ext.cli.output import progress, show, write_report
from misp_modules_ext.config import Settings, load
from misp_modules_ext.delivery.submit import Order, choose, keep, submit
from misp_modules_ext.errors import UsageError
from misp_modules_ext.misp.files import FileContent, read_events
from misp_modules_ext.model.account import Account
from misp_modules_ext.model.misp import Event
from misp_modules_ext.report import exit_code, to_json

#: What shells give for a process that SIGINT ended.
INTERRUPTED = 130
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
    order = Order("cli", tuple(destination or ()), preview=dry_run)
    choose(settings, order.destinations)
    events, unread = _read_all(sources)
    if not events:
        raise UsageError("\n".join(unread))
    account = _submit(events, settings, order)
    whole = replace(account, warnings=(*account.warnings, *unread))
    if not dry_run:
        keep(settings, account.submission, to_json(whole))
    for problem in unread:
        error_console().print(problem)
    try:
        if report is not None:
            write_report(report, whole)
    finally:
        show(whole if as_json else account, as_json=as_json)
    raise typer.Exit(2 if unread else exit_code(account))


def _submit(events: Sequence[Event], settings: Settings, order: Order) -> Account:
    try:
        with progress() as watch:
            return submit(events, settings, order, watch=watch)
    except KeyboardInterrupt:
        error_console().print(
            "Interrupted. What was taken is in the ledger: it goes with the next push, or with `misp-microsoft worker`."
        )
        raise typer.Exit(INTERRUPTED) from None


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
