"""`misp-microsoft show VALUE`: one value's whole story."""

from __future__ import annotations

import re
from functools import partial
from typing import Annotated

import typer
from sqlalchemy import Connection

from misp_modules_ext.cli import looking
from misp_modules_ext.cli.common import ConfigOption, DestinationOption, JsonOption
from misp_modules_ext.cli.output import standard_output
from misp_modules_ext.cli.show_output import Told, print_stories
from misp_modules_ext.config import load
from misp_modules_ext.delivery.places import base_url_of
from misp_modules_ext.ledger import holds, open_ledger, schema
from misp_modules_ext.ledger.story import Story, by_stix_id, story
from misp_modules_ext.model.indicator import Observable
from misp_modules_ext.report import first_code

_STIX_ID = re.compile(r"indicator--[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)


def show(
    value: Annotated[
        str, typer.Argument(metavar="VALUE", help="In any spelling, also defanged; KIND:VALUE; or a STIX id.")
    ],
    config: ConfigOption = None,
    destination: DestinationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show who vouches for a value, how it stands at each destination, and what today's rules say. Changes nothing.

    Exit code 0: it is where it should be, or unknown; 1: it is rejected; 3: it waits.
    """
    settings = load(config)
    ledger = open_ledger(settings.ledger.url.get_secret_value())
    places = looking.places(ledger, settings, tuple(destination or ()))
    found = ledger.read(partial(_stories, value=value.strip()))
    told = [Told(one, tuple(places), base_url_of(settings)) for one in found]
    with standard_output():
        print_stories(ledger, value, told, as_json=as_json)
    raise typer.Exit(first_code(set().union(*(_codes(one) for one in told))))


def _stories(connection: Connection, value: str) -> list[Story]:
    found = (story(connection, observable) for observable in _meant(connection, value))
    return [one for one in found if one is not None]


def _meant(connection: Connection, value: str) -> list[Observable]:
    if _STIX_ID.match(value):
        named = by_stix_id(connection, value)
        return [named] if named is not None else []
    return list(holds.named(connection, value).values())


def _codes(told: Told) -> set[int]:
    states = {row.state for place in told.places if (row := told.row(place)) is not None}
    return {code for state, code in ((schema.DUE, 3), (schema.REJECTED, 1)) if state in states}
