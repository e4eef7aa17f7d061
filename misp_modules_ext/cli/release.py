"""`misp-microsoft release`: the end of a hold."""

from __future__ import annotations

from functools import partial
from typing import Annotated, NamedTuple

import typer
from sqlalchemy import Connection

from misp_modules_ext.cli.acted import ValuesArgument, exit_code, find, name, show
from misp_modules_ext.cli.common import ConfigOption, DestinationOption, JsonOption
from misp_modules_ext.config import load
from misp_modules_ext.delivery.acting import Acted, carry_out, places
from misp_modules_ext.errors import UsageError
from misp_modules_ext.ledger import Store, again, holdings, holds
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
    stores = [place.store for place in where]
    base_url = where[0].base_url
    ended, moved = where[0].ledger.write(lambda c: _end(c, stores, numbers, base_url, everywhere=not destination))
    acted = [carry_out(place, moves.told, moves.leaving) for place, moves in zip(where, moved, strict=True)]
    show("release", where[0].ledger.where, acted, _notes(named, ended, acted), as_json=as_json)
    raise typer.Exit(exit_code(acted))


#: Holds by observable id and destination id.
_Holds = dict[int, dict[int, Hold]]


class _Moves(NamedTuple):
    """What the end of holds means at a destination, as ids of observables.

    Attributes:
        told: whose row there something becomes of.
        leaving: those of them that go, because nothing vouches for them.
    """

    told: set[int]
    leaving: set[int]


def _end(
    connection: Connection, stores: list[Store], numbers: set[int], base_url: str, *, everywhere: bool
) -> tuple[_Holds, list[_Moves]]:
    """End the holds, in one transaction; they, and what they mean, by destination."""
    rows = [holdings.read(connection, store, numbers) for store in stores]
    ended = holds.end(connection, stores, numbers, base_url, everywhere=everywhere)
    moved = []
    for store, before in zip(stores, rows, strict=True):
        absent = again.leaving(connection, store, ended)
        # What was gone before is not withdrawn now.
        gone = {number for number in absent if number not in before or not before[number].maybe_there}
        moved.append(_Moves(set(ended) - gone, absent - gone))
    return ended, moved


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
