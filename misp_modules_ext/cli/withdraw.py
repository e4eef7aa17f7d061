"""`misp-microsoft withdraw`: a person takes something back, and it stays away."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Annotated

import typer
from sqlalchemy import Connection

from misp_modules_ext.cli import looking
from misp_modules_ext.cli.acted import ValuesArgument, YesOption, confirm, exit_code, find, show, user
from misp_modules_ext.cli.common import ConfigOption, DestinationOption, JsonOption
from misp_modules_ext.config import Settings, load
from misp_modules_ext.delivery.acting import carry_out, places
from misp_modules_ext.delivery.drain import Place
from misp_modules_ext.errors import UsageError
from misp_modules_ext.ledger import Ledger, bulk, holdings, holds, schema
from misp_modules_ext.ledger.holds import Hold
from misp_modules_ext.report.text import plural

#: Ids of observables by destination, in the order of the destinations.
Chosen = list[tuple[Place, set[int]]]


def withdraw(
    values: ValuesArgument = None,
    config: ConfigOption = None,
    destination: DestinationOption = None,
    event: Annotated[
        str | None, typer.Option("--event", metavar="UUID", help="All values for which only this event vouches.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything at the destinations named.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Kept with the hold, for those who ask later.")] = "",
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Withdraw values, an event or a destination's content, and keep it away until `release`.

    Only what this ledger has sent is touched. Without --yes the withdrawal cap holds back what is beyond it.
    Exit code 0: all is gone; 3: some waits.
    """
    if [bool(values), event is not None, everything].count(True) != 1:
        raise UsageError("Say what to withdraw: values, or --event UUID, or --all with --destination NAME.")
    if everything and not destination:
        raise UsageError("--all takes back a destination: name it with --destination NAME.")
    settings = load(config)
    where = places(settings, destination or ())
    notes: list[str] = []
    if values:
        numbers = set(find(where[0], values))
        chosen = [(place, numbers) for place in where]
    elif event is not None:
        chosen = _of_event(where, event.strip().lower(), notes)
    else:
        chosen = [(p, p.ledger.read(partial(holds.kept_at, store=p.store))) for p in where]
    if not destination:
        notes += _left_elsewhere(settings, where[0].ledger, set().union(*(numbers for _, numbers in chosen)))
    there = sum(_there(place, numbers) for place, numbers in chosen)
    known = len(set().union(*(numbers for _, numbers in chosen)))
    confirm(_question(known, there), yes=yes)
    hold = Hold(user(), reason or "withdrawn at the command line")
    everywhere = bool(values) and not destination
    leaving = where[0].ledger.write(lambda c: _take_back(c, chosen, hold, everywhere=everywhere, lifted=yes))
    acted = [carry_out(place, gone, gone) for (place, _), gone in zip(chosen, leaving, strict=True)]
    kept_away = len(set().union(*(numbers for _, numbers in chosen)))
    notes.append(f"{plural(kept_away, 'value')} on hold; `misp-microsoft release` ends that.")
    show("withdraw", where[0].ledger.where, acted, notes, as_json=as_json)
    raise typer.Exit(exit_code(acted))


def _left_elsewhere(settings: Settings, ledger: Ledger, numbers: Collection[int]) -> list[str]:
    """Which stores may still hold some of it and cannot be asked, since the configuration no longer has them."""
    notes = []
    for place in looking.places(ledger, settings, ()):
        if place.settings is None and place.known is not None:
            left = ledger.read(partial(_maybe_there, numbers=numbers, destination_id=place.known.destination_id))
            if left:
                notes.append(
                    f"{place.title}: {plural(left, 'indicator')} may still be there, and nothing was done about it. "
                    "Put the section back and repeat, or delete them at Microsoft."
                )
    return notes


def _maybe_there(connection: Connection, numbers: Collection[int], destination_id: int) -> int:
    row = schema.holding
    found = bulk.rows_by(
        connection,
        row.c.observable_id,
        sorted(numbers),
        where=row.c.destination_id == destination_id,
        also=lambda rows: rows.c.sent_hash.is_not(None) | rows.c.flight_hash.is_not(None),
    )
    return sum(1 for _ in found)


def _question(known: int, there: int) -> str:
    return f"Withdraw {plural(there, 'indicator')}, and put {plural(known, 'value')} on hold?"


def _of_event(where: list[Place], uuid: str, notes: list[str]) -> Chosen:
    chosen: Chosen = []
    for place in where:
        found = place.ledger.read(partial(holds.of_event, uuid=uuid, store=place.store, base_url=place.base_url))
        if found is None:
            raise UsageError(f"The ledger {place.ledger.where} has seen no event {uuid}. Nothing was changed.")
        chosen.append((place, set(found.alone)))
        if found.shared:
            name = place.store.settings.name
            notes.append(f"Kept at {name}: {plural(len(found.shared), 'value')} for which other events vouch as well.")
    return chosen


def _there(place: Place, numbers: set[int]) -> int:
    rows = place.ledger.read(lambda connection: holdings.read(connection, place.store, numbers))
    return sum(row.maybe_there for row in rows.values())


def _take_back(connection: Connection, chosen: Chosen, hold: Hold, *, everywhere: bool, lifted: bool) -> list[set[int]]:
    """Put on hold and make due to be absent, in one transaction; what is to go, by destination."""
    leaving = []
    for place, numbers in chosen:
        target = schema.EVERYWHERE if everywhere else place.store.destination_id
        holds.put(connection, dict.fromkeys(numbers, hold), target)
        leaving.append(holds.take_back(connection, place.store, numbers, lifted=lifted))
    return leaving
