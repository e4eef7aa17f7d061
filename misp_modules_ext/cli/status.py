"""`misp-microsoft status`: what is where, what waits and why, and who sends."""

from __future__ import annotations

import time
from collections import Counter
from typing import Annotated

import typer
from sqlalchemy import Connection

from misp_modules_ext.cli import looking
from misp_modules_ext.cli.common import ConfigOption, DestinationOption, JsonOption, error_console
from misp_modules_ext.cli.looking import Place
from misp_modules_ext.cli.output import standard_output
from misp_modules_ext.cli.status_output import Against, At, Status, show
from misp_modules_ext.config import Settings, load
from misp_modules_ext.delivery.places import base_url_of, readable
from misp_modules_ext.ledger import Ledger, Store, open_ledger, queries, schema, submissions
from misp_modules_ext.ledger.story import Closed, against_rules
from misp_modules_ext.model.indicator import Observable
from misp_modules_ext.report import first_code

#: Submissions that are shown, and events that could not be read.
LATEST = 10
#: Values that are named for each destination under --rules.
EXAMPLES = 10


def status(
    config: ConfigOption = None,
    destination: DestinationOption = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Count large destinations row by row instead of estimating.")
    ] = False,
    rules: Annotated[
        bool, typer.Option("--rules", help="Also judge everything that is there by today's rules; takes a while.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what each destination holds, what waits and why, and who sends. Only makes the ledger on first use.

    Exit code 0: nothing waits; 1: some is rejected; 2: the configuration is wrong, or the ledger cannot be used; 3:
    some waits; 4: credentials or permission refused; 5: events could not be read from MISP.
    """
    settings = load(config)
    ledger = open_ledger(settings.ledger.url.get_secret_value())
    places = looking.places(ledger, settings, tuple(destination or ()))
    found = look(ledger, settings, places, exact=exact)
    if rules:
        error_console().print("Judging everything by today's rules: a minute or two for each million.")
        judged = [at._replace(against=_against(ledger, at.place, base_url_of(settings))) for at in found.destinations]
        found = found._replace(destinations=judged)
    with standard_output():
        show(found, as_json=as_json)
    raise typer.Exit(first_code(codes(found)))


def look(ledger: Ledger, settings: Settings, places: list[Place], *, exact: bool = False) -> Status:
    """How everything stands."""

    def work(connection: Connection) -> Status:
        return Status(
            time.time(),
            ledger,
            queries.revision(connection),
            settings.reads_misp,
            queries.drains(connection),
            queries.readings(connection, list(readable(settings)), LATEST),
            [_at(connection, place, exact=exact) for place in places],
            submissions.latest(connection, LATEST),
            queries.orphans(connection, looking.misps(settings)),
            settings.other_readable,
        )

    return ledger.read(work)


def _at(connection: Connection, place: Place, *, exact: bool) -> At:
    beside = None if place.known is None else queries.beside(connection, place.known.destination_id)
    return At(place, _counts(connection, place, exact=exact), beside=beside)


def _counts(connection: Connection, place: Place, *, exact: bool) -> queries.Counts:
    if place.known is None:
        return queries.Counts((), frozenset(), whole=True)
    return queries.counts(connection, place.known.destination_id, exact=exact)


def _against(ledger: Ledger, place: Place, base_url: str) -> Against | None:
    store = place.store
    if store is None:
        return None
    reasons: Counter[str] = Counter()
    examples: list[tuple[str, str]] = []
    after: int | None = -1
    while after is not None:
        after, found = _page(ledger, store, base_url, after)
        reasons.update(why.reason.code if why.reason else "" for why in found.values())
        examples += [(o.kind.value, o.value) for o in found][: EXAMPLES - len(examples)]
    return Against(reasons.total(), dict(reasons.most_common()), tuple(examples))


def _page(ledger: Ledger, store: Store, base_url: str, after: int) -> tuple[int | None, dict[Observable, Closed]]:
    return ledger.read(lambda connection: against_rules(connection, store, base_url, after))


def codes(found: Status) -> set[int]:
    """The exit codes that it means; a pause counts for as long as something waits for its end."""
    told = {3} if found.readings.due else set()
    # Only what MISP did not answer is tried again and again; what it does not show was read.
    told |= {5} if any(reading.attempts for reading in found.readings.failed) else set()
    for at in found.destinations:
        known = at.place.known
        if known is None or at.place.settings is None:
            continue
        if at.counts.of(schema.DUE):
            told |= {3} if known.pause is None else {3, looking.pause_code(known.pause.reason)}
        if at.counts.of(schema.REJECTED):
            told.add(1)
    return told
