"""`misp-microsoft retry`: now, instead of later."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer
from sqlalchemy import Connection

from misp_modules_ext.cli.acted import ValuesArgument, confirm, exit_code, find, show
from misp_modules_ext.cli.common import ConfigOption, DestinationOption, JsonOption
from misp_modules_ext.config import load
from misp_modules_ext.delivery.acting import carry_out, places
from misp_modules_ext.delivery.drain import Place
from misp_modules_ext.ledger import again, companions, lease
from misp_modules_ext.report.text import plural


def retry(
    values: ValuesArgument = None,
    config: ConfigOption = None,
    destination: DestinationOption = None,
    withdrawals: Annotated[
        bool, typer.Option("--withdrawals", help="Also let through what the withdrawal cap holds back.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask before what the withdrawal cap held back is withdrawn.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Send at once what was rejected or skipped, or waits, and end pauses; all of it, or some values.

    Exit code 0: nothing is left; 1: some is rejected again; 3: some still waits.
    """
    settings = load(config)
    chosen = places(settings, destination or ())
    only = set(find(chosen[0], values)) if values else None
    if withdrawals:
        _ask(chosen, only, yes=yes)
    acted = []
    for place in chosen:
        numbers, leaving = place.ledger.write(partial(_make_due, place=place, only=only, lift=withdrawals))
        acted.append(carry_out(place, numbers, leaving))
    show("retry", chosen[0].ledger.where, acted, (), as_json=as_json)
    raise typer.Exit(exit_code(acted))


def _ask(chosen: list[Place], only: set[int] | None, *, yes: bool) -> None:
    held = sum(len(place.ledger.read(partial(again.capped, store=place.store, only=only))) for place in chosen)
    if held:
        confirm(f"The withdrawal cap holds back {plural(held, 'indicator')}. Withdraw them now?", yes=yes)


def _make_due(connection: Connection, place: Place, only: set[int] | None, lift: bool) -> tuple[set[int], set[int]]:
    store = place.store
    lease.resume(connection, store.destination_id)
    if lift:
        again.lift_cap(connection, store, again.capped(connection, store, only))
    companions.again(connection, store, only)
    numbers = again.make_due(connection, store, only)
    return numbers, again.leaving(connection, store, numbers)
