"""`misp-microsoft report SUBMISSION`: an earlier report, with what has become of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from misp_modules_ext.cli import output
from misp_modules_ext.cli.common import ConfigOption, DestinationOption, JsonOption, error_console
from misp_modules_ext.config import load
from misp_modules_ext.config.settings import Settings
from misp_modules_ext.delivery.revisit import changed, up_to_date
from misp_modules_ext.delivery.submit import choose
from misp_modules_ext.errors import UsageError
from misp_modules_ext.ledger import Ledger, open_ledger, submissions
from misp_modules_ext.ledger.submissions import Submission
from misp_modules_ext.model.account import Account
from misp_modules_ext.report import exit_code, from_json
from misp_modules_ext.report.text import one_line, plural, shorten, visible

UNFINISHED = (
    "This submission has not finished: it still runs, or was interrupted before its account was written. What it had "
    "taken is in the ledger and goes by itself; `misp-microsoft status` shows what waits."
)


def report(
    submission: Annotated[
        str, typer.Argument(metavar="SUBMISSION", help="Its id, or the beginning of it; `status` lists the last ones.")
    ],
    config: ConfigOption = None,
    destination: DestinationOption = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Also write it as a page.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what became of an earlier submission, as things stand today. Changes nothing.

    Exit codes as of `push`.
    """
    settings = load(config)
    chosen = [one.name for one in choose(settings, destination)] if destination else []
    ledger = open_ledger(settings.ledger.url.get_secret_value())
    kept = _find(ledger, submission.strip())
    account = _account(ledger, kept, settings)
    if chosen:
        account = _at(account, chosen)
    try:
        if html is not None:
            output.write_report(html, account)
    finally:
        output.show(account, as_json=as_json)
    raise typer.Exit(exit_code(account))


def _find(ledger: Ledger, beginning: str) -> Submission:
    found = ledger.read(lambda connection: submissions.find(connection, beginning)) if beginning else []
    shown = shorten(visible(beginning), 40)
    if not found:
        raise UsageError(
            f"The ledger {ledger.where} knows no submission {shown}. `misp-microsoft status` lists the last ones."
        )
    if len(found) > 1:
        raise UsageError(f"More than one submission begins with {shown}: give more of its id.")
    return found[0]


def _at(account: Account, names: Sequence[str]) -> Account:
    """The account of some destinations only.

    Raises:
        UsageError: it says nothing of any of them.
    """
    if not account.destinations:
        return account
    at = tuple(one for one in account.destinations if one.name in names)
    if not at:
        told = ", ".join(one_line(one.name) for one in account.destinations)
        raise UsageError(f"Submission {account.submission} did not go to {', '.join(names)}, but to: {told}.")
    return replace(account, destinations=at)


def _account(ledger: Ledger, kept: Submission, settings: Settings) -> Account:
    if not kept.document:
        started = kept.started_ms / 1000
        return Account(
            kept.submission_id,
            kept.door,
            started,
            started,
            ledger.where,
            problem=UNFINISHED,
            problem_code="unfinished",
        )
    before = from_json(kept.document)
    account = up_to_date(ledger, before, settings.destinations)
    count = changed(before.destinations, account.destinations)
    if count:
        error_console().print(f"{plural(count, 'outcome')} changed since the submission ended.")
    return account
