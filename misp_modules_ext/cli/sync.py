"""`misp-microsoft sync`: what was published in a MISP since the last run, for cron."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import orjson
import typer

from misp_modules_ext.cli import looking
from misp_modules_ext.cli.common import ConfigOption, DestinationOption, JsonOption, error_console
from misp_modules_ext.cli.misps import misp_called
from misp_modules_ext.cli.output import standard_output
from misp_modules_ext.cli.status import codes, look
from misp_modules_ext.config import Settings, load, values
from misp_modules_ext.config.findings import Invalid
from misp_modules_ext.config.sections import RH_ISAC
from misp_modules_ext.config.settings import MispSettings
from misp_modules_ext.delivery import queue
from misp_modules_ext.delivery.places import holder
from misp_modules_ext.delivery.revisit import up_to_date
from misp_modules_ext.delivery.rounds import Rounds
from misp_modules_ext.delivery.submit import keep
from misp_modules_ext.delivery.sync import Synced, Wish, sync
from misp_modules_ext.errors import UsageError
from misp_modules_ext.ledger import Ledger, flight, open_ledger, queries, submissions
from misp_modules_ext.misp.client import EVENT_FILTERS
from misp_modules_ext.misp.coerce import seconds
from misp_modules_ext.model.account import Account
from misp_modules_ext.model.outcome import Outcome
from misp_modules_ext.report import exit_code, first_code, from_json, json_pieces, log_account
from misp_modules_ext.report.text import iso, number, one_line, plural

#: Seconds to wait, at the end of a run, for a drain of another process that sends at that moment.
PATIENCE = 600.0
#: Seconds between two looks while it does, and between two lines of progress.
LOOK, LINE_EVERY = 1.0, 15.0
#: Events that the line names.
MOST_NAMED = 3


def sync_command(
    config: ConfigOption = None,
    destination: DestinationOption = None,
    misp: Annotated[str, typer.Option("--misp", metavar="SECTION", help="The section of the MISP to read.")] = RH_ISAC,
    last: Annotated[
        str, typer.Option("--last", metavar="TIME", help="Read what was published in the last `24 hours`, `7 days`, …")
    ] = "",
    since: Annotated[
        str, typer.Option("--since", metavar="DATE", help="Read what was published since, for example 2026-11-01.")
    ] = "",
    full: Annotated[
        bool, typer.Option("--full", help="Also read every event that the ledger holds of this MISP; once a week.")
    ] = False,
    tag: Annotated[
        list[str] | None,
        typer.Option("--tag", help="Only what carries this tag, of what syncTags lets through; may be repeated."),
    ] = None,
    type_: Annotated[
        list[str] | None, typer.Option("--type", help="Only attributes of this type; may be repeated.")
    ] = None,
    event_filter: Annotated[
        list[str] | None,
        typer.Option("--event-filter", metavar="KEY=VALUE", help="Only events that MISP's list finds by it."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Send and keep nothing; count what would happen.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Take what was published in a MISP since the last run that ended well; the first time, in the last 24 hours.

    Each event is read whole, so what lost its tag or flag, or was deleted, is withdrawn. One run at a time: a second
    one says so and ends with 0. Prints one line. Exit codes as of `push`; 5: not everything could be read, and the
    next run goes on.
    """
    settings = load(config)
    source = misp_called(settings, misp)
    wish = Wish(
        source,
        _moment(last, since),
        full,
        _filters(event_filter or ()),
        frozenset(tag or ()),
        frozenset(type_ or ()),
        tuple(destination or ()),
        dry_run,
    )
    queue.prepare(settings)
    run = _Told(settings, dry_run)
    done = sync(settings, wish, run)
    if done.busy is not None:
        error_console().print(
            f"Another run of sync reads [{source.name}] now: {done.busy.holder}, for {done.busy.left} seconds at most "
            "unless it goes on. Nothing was done."
        )
        raise typer.Exit(0)
    if done.in_parts:
        error_console().print(_judged_in_parts(done.in_parts))
    if not dry_run:
        _send(settings, wish)
    totals = run.totals if dry_run else _totals(settings, done.submissions, run.unmoved)
    with standard_output():
        _show(source, done, totals, dry_run=dry_run, as_json=as_json)
    raise typer.Exit(first_code(totals.codes | ({4} if done.refused else {5} if done.failures else set())))


@dataclass(slots=True)
class Totals:
    """Attributes by outcome over all events, by destination.

    Attributes:
        removed: indicators withdrawn for attributes that are gone, by destination.
        codes: the exit codes that these mean.
    """

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    removed: Counter[str] = field(default_factory=Counter)
    codes: set[int] = field(default_factory=set)

    def add(self, account: Account) -> None:
        """Count one more event."""
        for destination in account.destinations:
            self.counts.setdefault(destination.name, Counter()).update(destination.counts)
            self.removed[destination.name] += len(destination.removed)
        self.codes.add(exit_code(account))


class _Told:
    """Hears of each event: counts what does not move, keeps the accounts of what does."""

    def __init__(self, settings: Settings, preview: bool) -> None:
        self._settings = settings
        self._preview = preview
        self._next = time.monotonic() + LINE_EVERY
        self.totals = Totals()
        self.unmoved = Totals()

    def __call__(self, account: Account | None, moves: bool, done: int, of: int) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + LINE_EVERY
            error_console().print(f"{number(done)} of {plural(of, 'event')} read")
        if account is None:
            return
        self.totals.add(account)
        if not moves:
            self.unmoved.add(account)
            return
        log_account(account)
        if not self._preview:
            keep(self._settings, account.submission, json_pieces(account))


def _moment(last: str, since: str) -> int | None:
    """Where to begin, seconds since 1970 UTC.

    Raises:
        UsageError: that is no time.
    """
    if last and since:
        raise UsageError("Give --last or --since, not both.")
    if last:
        try:
            return int(time.time()) - int(values.duration(last))
        except Invalid as error:
            raise UsageError(f"--last {error.message} {error.remedy}") from error
    found = seconds(since) if since else None
    if since and found is None:
        raise UsageError(f"--since {since[:40]!r} is no date. Write for example 2026-11-01 or 2026-11-01T12:00:00Z.")
    return found


def _filters(written: Iterable[str]) -> Mapping[str, str]:
    """Raises: UsageError: MISP's list of events has no such condition."""
    found: dict[str, str] = {}
    for entry in written:
        key, equals, value = entry.partition("=")
        if not equals or key.strip() not in EVENT_FILTERS:
            known = ", ".join(sorted(EVENT_FILTERS))
            raise UsageError(f"--event-filter {entry[:60]!r}: write KEY=VALUE with one of these keys: {known}.")
        found[key.strip()] = value.strip()
    return found


def _send(settings: Settings, wish: Wish) -> None:
    """Send what is due at the destinations, or wait for whoever does."""
    queue.wake(settings).join(queue.PATIENCE)
    rounds = Rounds(holder("sync"), "worker")
    try:
        rounds.go(settings, wait=True)
    finally:
        rounds.end(settings, PATIENCE)
    ledger = open_ledger(settings.ledger.url.get_secret_value())
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and _others_send(ledger, settings, wish):
        time.sleep(LOOK)


def _others_send(ledger: Ledger, settings: Settings, wish: Wish) -> bool:
    """Whether something is due now that another process sends at this moment; what is due later is not waited for."""
    if not any(map(looking.is_alive, ledger.read(queries.drains))):
        return False
    places = looking.places(ledger, settings, wish.destinations)
    stores = [place.store for place in places if place.known is not None and place.known.pause is None]
    return ledger.read(lambda connection: any(flight.has_work(connection, store) for store in stores if store))


def _totals(settings: Settings, kept_accounts: Iterable[str], unmoved: Totals) -> Totals:
    """What became of everything by now."""
    ledger = open_ledger(settings.ledger.url.get_secret_value())
    for submission in kept_accounts:
        for kept in ledger.read(lambda connection, wanted=submission: submissions.find(connection, wanted)):  # type: ignore[misc] # mypy cannot infer it
            if kept.document:
                unmoved.add(up_to_date(ledger, from_json(kept.document), settings.destinations))
    found = look(ledger, settings, looking.places(ledger, settings, ()))
    unmoved.codes |= codes(found) & {4}
    return unmoved


def _show(misp: MispSettings, done: Synced, totals: Totals, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(_document(misp, done, totals), option=orjson.OPT_INDENT_2) + b"\n")
    else:
        typer.echo(("Dry run, nothing was sent: " if dry_run else "") + _line(misp, done, totals))


def _document(misp: MispSettings, done: Synced, totals: Totals) -> dict[str, Any]:
    return {
        "schema": 1,
        "misp": misp.url,
        "since": iso(done.since),
        "events": {
            "listed": done.listed,
            "read": done.read,
            "readBefore": done.before,
            "changed": done.changed,
            "missing": done.missing,
            "incomplete": done.incomplete,
            "failures": done.failures,
            "judgedInParts": done.in_parts,
        },
        "destinations": [
            {"name": name, "counts": dict(counts), "removed": totals.removed[name]}
            for name, counts in totals.counts.items()
        ],
        "submissions": done.submissions,
    }


def _line(misp: MispSettings, done: Synced, totals: Totals) -> str:
    """One line for the mail."""
    events = f"{plural(done.read, 'event')} read of [{misp.name}] since {iso(done.since)}"
    extra = [
        f"{number(count)} {word}"
        for count, word in (
            (done.changed, "changed"),
            (done.before, "read before"),
            (len(done.missing), "missing"),
            (len(done.incomplete), f"incomplete: {_named(done.incomplete)}"),
            (len(done.failures) if done.listed else 0, "not read"),
        )
        if count
    ]
    if done.failures and not done.listed:
        extra.append("MISP's list of events could not be read")
    head = f"{events} ({', '.join(extra)})" if extra else events
    return "; ".join([head, *(_clause(name, totals) for name in totals.counts)])


def _named(uuids: Sequence[str]) -> str:
    more = ", …" if len(uuids) > MOST_NAMED else ""
    return ", ".join(uuids[:MOST_NAMED]) + more


def _judged_in_parts(uuids: Sequence[str]) -> str:
    """What the figures of a dry run leave out."""
    return (
        f"Judged in parts, each by the ledger as it is now: {_named(uuids)}. Where attributes in several parts have "
        "one value, what is counted as removed may be more or less than what a run removes."
    )


def _clause(name: str, totals: Totals) -> str:
    counts = totals.counts[name]
    told = [f"{outcome.value} {number(counts[outcome.value])}" for outcome in Outcome if counts[outcome.value]]
    if totals.removed[name]:
        told.append(f"removed {number(totals.removed[name])}")
    return f"{one_line(name)}: {', '.join(told) or 'nothing'}"
