"""`misp-microsoft push`: events from MISP, from files or from standard input."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from misp_modules_ext.cli.common import ConfigOption, DestinationOption, JsonOption, error_console
from misp_modules_ext.cli.misps import misp_called
from misp_modules_ext.cli.output import progress, show, write_report
from misp_modules_ext.cli.references import Named, sort_out
from misp_modules_ext.cli.sources import Found, read_files, read_misp, search_misp
from misp_modules_ext.config import Settings, load
from misp_modules_ext.config.settings import MispSettings
from misp_modules_ext.delivery import queue
from misp_modules_ext.delivery.reading import read_soon
from misp_modules_ext.delivery.submit import Order, choose, keep, submit
from misp_modules_ext.errors import UsageError
from misp_modules_ext.ledger import Origin, open_ledger
from misp_modules_ext.misp.filters import Query, query
from misp_modules_ext.model.account import Account
from misp_modules_ext.model.misp import Event
from misp_modules_ext.report import exit_code, first_code, json_pieces, log_account
from misp_modules_ext.report.text import one_line

#: What shells give for a process that SIGINT ended.
INTERRUPTED = 130


class Level(str, Enum):
    """What a search is to take."""

    EVENT = "event"
    ATTRIBUTE = "attribute"


def push(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="EVENT",
            show_default=False,
            help="UUIDs or numbers of events in MISP, or files of MISP JSON, or - for standard input.",
        ),
    ] = None,
    config: ConfigOption = None,
    destination: DestinationOption = None,
    lists: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="A list of UUIDs and numbers of events, one a line, or - for standard input; may be repeated.",
        ),
    ] = None,
    search: Annotated[
        list[str] | None,
        typer.Option(
            "--search",
            metavar="KEY=VALUE",
            help="What MISP's search finds: tag=…, last=7d, type=ip-dst, … One key again: or; another key: and.",
        ),
    ] = None,
    search_level: Annotated[
        Level | None,
        typer.Option(
            "--search-level", help="Take whole events, or only attributes that were found. Without it the keys decide."
        ),
    ] = None,
    misp: Annotated[
        str | None, typer.Option("--misp", metavar="SECTION", help="The section of the MISP to read; else `misp`.")
    ] = None,
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
    began = time.time()
    settings = load(config)
    order = Order("cli", tuple(destination or ()), preview=dry_run)
    choose(settings, order.destinations)
    asked = _query(search or (), search_level, [*(sources or ()), *(lists or ())])
    named = Named() if asked else _named(sources or (), lists or ())
    ours = asked is not None or bool(named.references)
    found = _read(settings, named, asked, _section(settings, misp, ours=ours or not named.files))
    if ours:
        only = asked is not None and asked.level == "attribute"
        order = replace(order, origin=Origin.OWN_READING, only=only)
        if not dry_run:
            _note_missing(settings, found)
    for problem in found.unread:
        error_console().print(one_line(problem))
    if not found.events:
        raise typer.Exit(_nothing(order, found, began, as_json=as_json))
    account = _submit(found.events, settings, order)
    raise typer.Exit(_tell(account, found, settings, report, as_json=as_json))


def _query(search: Sequence[str], level: Level | None, others: Sequence[str]) -> Query | None:
    """Raises: UsageError: the search cannot be asked, or stands beside named events."""
    if not search:
        if level is not None:
            raise UsageError("--search-level says what --search takes: give --search KEY=VALUE as well.")
        return None
    if others:
        raise UsageError(
            "Give --search alone: it finds the events itself. To search some events only, add --search eventid=…"
        )
    return query(search, None if level is None else level.value, int(time.time()))


def _named(sources: Sequence[str], lists: Sequence[str]) -> Named:
    if not sources and not lists:
        raise UsageError(
            "Say what to push: UUIDs or numbers of events, files of MISP JSON, --from FILE with a list, or --search "
            "KEY=VALUE. `misp-microsoft push --help` tells more."
        )
    try:
        named = sort_out(sources, lists)
    except KeyboardInterrupt:
        raise _interrupted() from None
    for note in named.notes:
        error_console().print(one_line(note))
    return named


def _section(settings: Settings, name: str | None, *, ours: bool) -> MispSettings | None:
    """The MISP to read.

    Raises:
        UsageError: there is no such section, or one was named for files.
    """
    if name is None:
        return settings.misp
    if not ours:
        raise UsageError("--misp names the MISP that events are read from; files are not read from one. Leave it out.")
    return misp_called(settings, name)


def _nothing(order: Order, found: Found, began: float, *, as_json: bool) -> int:
    """Say that there is nothing to push; the exit code."""
    if not found.codes:
        error_console().print("There is no event to push, so nothing was done.")
    if as_json:
        warnings = tuple(found.unread)
        nothing = Account(str(uuid.uuid4()), order.door, began, time.time(), preview=order.preview, warnings=warnings)
        show(nothing, as_json=True)
    return first_code(found.codes)


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


def _note_missing(settings: Settings, found: Found) -> None:
    """What MISP no longer shows is settled by the drain, once its grace is over."""
    if not found.missing:
        return
    ledger = open_ledger(settings.ledger.url.get_secret_value())
    for missing in found.missing:
        ledger.write(partial(read_soon, uuid=missing, misp=found.misp))


def _read(settings: Settings, named: Named, asked: Query | None, misp: MispSettings | None) -> Found:
    try:
        if asked is not None:
            return search_misp(settings, misp, asked)
        return read_misp(settings, misp, named.references) if named.references else read_files(named)
    except KeyboardInterrupt:
        raise _interrupted() from None


def _interrupted() -> typer.Exit:
    error_console().print("Interrupted. Nothing was taken.")
    return typer.Exit(INTERRUPTED)


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
