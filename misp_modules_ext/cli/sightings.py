"""`misp-microsoft sightings`: hits at Microsoft become sightings in MISP, for cron."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from misp_modules_ext.cli.acted import print_json
from misp_modules_ext.cli.common import ConfigOption, DestinationOption, JsonOption, console, error_console
from misp_modules_ext.cli.output import standard_output
from misp_modules_ext.cli.tables import line, table
from misp_modules_ext.config import load, values
from misp_modules_ext.config.findings import Invalid
from misp_modules_ext.delivery.sightings import Done, Wish, run
from misp_modules_ext.errors import UsageError
from misp_modules_ext.ledger.sightings import Told
from misp_modules_ext.misp.adding import source
from misp_modules_ext.misp.sightings import FALSE_POSITIVE, SEEN
from misp_modules_ext.report import first_code
from misp_modules_ext.report.text import iso, number, one_line, plural

_KINDS = {SEEN: "seen", FALSE_POSITIVE: "false positive"}


def sightings(
    config: ConfigOption = None,
    destination: DestinationOption = None,
    last: Annotated[str, typer.Option("--last", metavar="TIME", help="Look at the last `24 hours`, `7 days`, …")] = "",
    limit: Annotated[
        int, typer.Option("--limit", min=1, help="Add so many sightings at most; the rest waits for the next run.")
    ] = 1000,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Add and keep nothing; show what would be told.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask Microsoft which of the values that the ledger holds there were seen, and add sightings to MISP.

    With `falsePositives` of the section write-back, false positives, too: alerts that somebody has classified so.

    Since the last run that ended well; the first time, in the last 24 hours. One for each attribute and day, never
    twice. One run at a time: a second one says so and ends with 0. Prints one line. Exit code 0: all told; 2:
    configuration; 3: something is left for the next run; 4: Microsoft or MISP refuses; 5: MISP cannot be reached.
    """
    settings = load(config)
    done = run(settings, Wish(_length(last), tuple(destination or ()), limit, dry_run))
    if done.busy is not None:
        error_console().print(
            f"Another run of sightings is at it now: {done.busy.holder}, for {done.busy.left} seconds at most unless "
            "it goes on. Nothing was done."
        )
        raise typer.Exit(0)
    for problem in done.problems:
        error_console().print(f"Not asked: {one_line(problem)}")
    for failure in done.failures:
        error_console().print(f"Not told: {one_line(failure)}")
    with standard_output():
        if as_json:
            print_json(_document(done, preview=dry_run, detail=settings.write_back.detail))
        else:
            _show(done, preview=dry_run, detail=settings.write_back.detail)
    raise typer.Exit(first_code(_codes(done)))


def _length(last: str) -> int | None:
    """Raises: UsageError: that is no length of time."""
    if not last:
        return None
    try:
        return int(values.duration(last))
    except Invalid as error:
        raise UsageError(f"--last {error.message} {error.remedy}") from error


def _codes(done: Done) -> set[int]:
    left = bool(done.problems or done.waiting)
    return ({4} if done.refused else set()) | ({5} if done.unreachable else set()) | ({3} if left else {0})


def _new(done: Done, *, detail: bool) -> list[Told]:
    """Those that are new, as MISP would be told."""
    return [one if detail else one._replace(detail="") for one in done.new.values()]


def _show(done: Done, *, preview: bool, detail: bool) -> None:
    out = console()
    if preview and done.new:
        rows = [
            (one.misp or "[misp]", one.event, one.attribute, _KINDS[one.kind], iso(one.seen), source(one.detail))
            for one in _new(done, detail=detail)
        ]
        table(out, ("MISP", "event", "attribute", "type", "at", "source"), rows)
    line(out, _line(done, preview=preview))


def _line(done: Done, *, preview: bool) -> str:
    """One line for the mail."""
    counts = (
        (len(done.new), "would be told") if preview else (done.told, "told"),
        (done.known, "already in MISP"),
        (done.gone, "of attributes that MISP does not show"),
        (done.waiting, "left for the next run"),
        (done.elsewhere, "of a MISP that is not told"),
        (done.undated, "without a time left out"),
        (len(done.problems), "questions without an answer"),
    )
    said = [f"{number(count)} {words}" for count, words in counts if count]
    head = f"{plural(done.asked, 'value')} asked about since {iso(done.since)}, {plural(done.hits, 'hit')}"
    false = f", {plural(done.false_alerts, 'false alert')}" if done.false_alerts else ""
    return "; ".join([head + false, ", ".join(said) or "nothing to tell"])


def _document(done: Done, *, preview: bool, detail: bool) -> dict[str, Any]:
    return {
        "schema": 1,
        "preview": preview,
        "since": iso(done.since),
        "asked": done.asked,
        "hits": done.hits,
        "falseAlerts": done.false_alerts,
        "undated": done.undated,
        "elsewhere": done.elsewhere,
        "new": [_told(one) for one in _new(done, detail=detail)],
        "told": done.told,
        "known": done.known,
        "gone": done.gone,
        "waiting": done.waiting,
        "problems": done.problems,
        "failures": done.failures,
    }


def _told(one: Told) -> dict[str, Any]:
    return {
        "misp": one.misp,
        "event": one.event,
        "attribute": one.attribute,
        "type": one.kind,
        "seen": iso(one.seen),
        "source": source(one.detail),
    }
