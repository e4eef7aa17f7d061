"""`misp-microsoft release`: the end of a hold."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer
from sqlalchemy import Connection

from misp_modules_ext.cli.acted import ValuesArgument, exit_code, find, name, show
from misp_modules_ext.cli.common import ConfigOption, DestinationOption, JsonOption
from misp_modules_ext.config import load
from misp_modules_ext.delivery.acting import Acted, carry_out, places
from misp_modules_ext.delivery.drain import Place
from misp_modules_ext.errors import UsageError
from misp_modules_ext.ledger import again, holds
from misp_modules_ext.ledger.holds import Hold
from misp_modules_ext.model.indicator import Observable
from misp_modules_ext.report.text import plural


def release(
    values: ValuesArgument = None,
    config: ConfigOption = None,
    destination: DestinationOption = None,
    everything: Annotated[bool, typer.Option("--all", help="All that is on hold at the destinations named.")] = False,
    as_json: JsonOption = False,
) -> None:
    """End the hold of values: what MISP says of them today goes again, under a new id where they were withdrawn.

    Exit code 0: all is there; 1: some is rejected; 3: some waits.
    """
    if bool(values) == everything:
        raise UsageError("Say what to release: values, or --all with --destination NAME.")
    if everything and not destination:
        raise UsageError("--all releases a destination: name it with --destination NAME.")
    settings = load(config)
    where = places(settings, destination or ())
    named = find(where[0], values) if values else {}
    numbers = set(named)
    for place in where if everything else ():
        numbers |= place.ledger.read(partial(holds.all_at, store=place.store))
    ended, leaving = where[0].ledger.write(lambda c: _end(c, where, numbers, everywhere=not destination))
    acted = [carry_out(place, ended, gone) for place, gone in zip(where, leaving, strict=True)]
    show("release", where[0].ledger.where, acted, _notes(named, ended, acted), as_json=as_json)
    raise typer.Exit(exit_code(acted))


#: Holds by observable id and destination id.
_Holds = dict[int, dict[int, Hold]]


def _end(
    connection: Connection, where: list[Place], numbers: set[int], *, everywhere: bool
) -> tuple[_Holds, list[set[int]]]:
    """End the holds, in one transaction; they, and what goes because nothing vouches for it, by destination."""
    stores = [place.store for place in where]
    ended = holds.end(connection, stores, numbers, where[0].base_url, everywhere=everywhere)
    return ended, [again.leaving(connection, store, ended) for store in stores]


def _notes(named: dict[int, Observable], ended: _Holds, acted: list[Acted]) -> list[str]:
    notes = [f"{name(observable)} was not on hold." for number, observable in named.items() if number not in ended]
    for number, by_place in ended.items() if named else ():
        hold = next(iter(by_place.values()))
        notes.append(f"{name(named[number])} was on hold by {hold.who}: {hold.why}")
    if not named:
        notes.append(f"{plural(len(ended), 'value')} no longer on hold.")
    there = {observable for one in acted for observable in one.results}
    silent = [o for n, o in named.items() if n in ended and o not in there]
    return notes + [f"Nothing asks for {name(observable)} at these destinations any more." for observable in silent]
