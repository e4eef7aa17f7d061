"""`misp-microsoft push`: events from MISP, from files or from standard input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from misp_modules_ext.cli.common import ConfigOption, DestinationOption, JsonOption, error_console
from misp_modules_ext.cli.output import progress, show, write_report
from misp_modules_ext.cli.sources import Found, from_misp, read_files, read_misp
from misp_modules_ext.config import Settings, load
from misp_modules_ext.delivery import queue
from misp_modules_ext.delivery.reading import read_soon
from misp_modules_ext.delivery.submit import Order, choose, keep, submit
from misp_modules_ext.ledger import Origin, open_ledger
from misp_modules_ext.model.account import Account
from misp_modules_ext.model.misp import Event
from misp_modules_ext.report import exit_code, first_code, json_pieces, log_account

#: What shells give for a process that SIGINT ended.
INTERRUPTED = 130


def push(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="EVENT...", help="UUIDs of events in MISP, or files of MISP JSON, or - for standard input."
        ),
    ],
    config: ConfigOption = None,
    destination: DestinationOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Send and keep nothing; show what would change at each destination.")
    ] = False,
    as_json: JsonOption = False,
    report: Annotated[Path | None, typer.Option("--report", metavar="FILE.html", help="Also write the report.")] = None,
) -> None:
    """Send events to Microsoft and account for every attribute.

    A file only adds and updates. An event that is read from MISP, with the key of the section misp, also takes away
    what MISP no longer says. What cannot be read costs itself alone: the others go, and the exit code says so.
    """
    settings = load(config)
    order = Order("cli", tuple(destination or ()), preview=dry_run)
    choose(settings, order.destinations)
    ours = from_misp(sources)
    found = _read(settings, sources, ours=ours)
    if ours:
        order = replace(order, origin=Origin.OWN_READING)
        if not dry_run:
            _note_missing(settings, found.missing)
    for problem in found.unread:
        error_console().print(problem)
    if not found.events:
        raise typer.Exit(first_code(found.codes))
    account = _submit(found.events, settings, order)
    raise typer.Exit(_tell(account, found, settings, report, as_json=as_json))


def _tell(account: Account, found: Found, settings: Settings, report: Path | None, *, as_json: bool) -> int:
    """Keep, write and print the account; the exit code."""
    log_account(account)
    whole = replace(account, warnings=(*account.warnings, *found.unread))
    if not account.preview:
        keep(settings, account.submission, json_pieces(whole))
        queue.wake(settings).join(queue.PATIENCE)
    try:
        if report is not None:
            write_report(report, whole)
    finally:
        show(whole if as_json else account, as_json=as_json)
    return first_code({*found.codes, exit_code(account)})


def _note_missing(settings: Settings, uuids: Sequence[str]) -> None:
    """What MISP no longer shows is settled by the drain, once its grace is over."""
    ledger = open_ledger(settings.ledger.url.get_secret_value())
    for uuid in uuids:
        ledger.write(partial(read_soon, uuid=uuid))


def _read(settings: Settings, sources: Sequence[str], *, ours: bool) -> Found:
    try:
        return read_misp(settings, sources) if ours else read_files(sources)
    except KeyboardInterrupt:
        error_console().print("Interrupted. Nothing was taken.")
        raise typer.Exit(INTERRUPTED) from None


def _submit(events: Sequence[Event], settings: Settings, order: Order) -> Account:
    queue.prepare(settings)
    try:
        with progress() as watch:
            return submit(events, settings, order, watch=watch)
    except KeyboardInterrupt:
        error_console().print(
            "Interrupted. What was taken is in the ledger: it goes with the next push, or with `misp-microsoft worker`."
        )
        raise typer.Exit(INTERRUPTED) from None
