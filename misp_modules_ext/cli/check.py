"""`misp-microsoft check`: everything that a push needs, tried at once; only makes the ledger on first use."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from misp_modules_ext.cli.check_output import Checked, show
from misp_modules_ext.cli.checking import destination as destinations
from misp_modules_ext.cli.checking import here
from misp_modules_ext.cli.checking import misp as misps
from misp_modules_ext.cli.checking.groups import Group, run_all
from misp_modules_ext.cli.common import ConfigOption, DestinationOption, JsonOption
from misp_modules_ext.cli.output import standard_output
from misp_modules_ext.config import Settings, load
from misp_modules_ext.config.settings import MispSettings
from misp_modules_ext.delivery.submit import choose

#: Seconds that all of it may take: they go by at the same time for every destination and MISP.
LIMIT = 60.0


def check(
    config: ConfigOption = None,
    destination: DestinationOption = None,
    timeout: Annotated[
        float, typer.Option("--timeout", min=1, max=600, help="Seconds after which what still hangs is told as such.")
    ] = LIMIT,
    as_json: JsonOption = False,
) -> None:
    """Try everything that a push needs and say what to do about each failure. Only makes the ledger on first use.

    Exit code 0: all is well; 2: the configuration is wrong, or the ledger cannot be used; 4: credentials or permission
    refused; 5: MISP does not answer; 3: Microsoft is not reachable.
    """
    found = examine(load(config), tuple(destination or ()), timeout)
    with standard_output():
        show(found, as_json=as_json)
    raise typer.Exit(found.exit_code)


def examine(settings: Settings, names: tuple[str, ...], limit: float) -> Checked:
    """Try all of it.

    Args:
        settings: the whole file.
        names: the destinations to try; all when there is none.
        limit: seconds that it may take.

    Raises:
        UsageError: there is no such destination.
    """
    chosen = choose(settings, names)
    stores = [destinations.group_of(one, settings) for one in chosen]
    servers = _misps(settings)
    ours = here.group_of(settings, chosen, here.keys_of(chosen, stores))
    began = time.time()
    run_all([ours, *stores, *servers], limit)
    return Checked(settings, chosen, stores, servers, ours, began, time.time() - began, limit)


def _misps(settings: Settings) -> list[Group]:
    """The MISP that our modules serve, also when it has no key, and all others that have one."""
    others: list[MispSettings] = [
        one for one in (settings.rh_isac, *settings.other_misps) if one is not None and one.has_key
    ]
    tags = settings.write_back.tags
    served = [] if settings.misp is None else [misps.group_of(settings.misp, serves=True, tags=tags)]
    return [*served, *(misps.group_of(one, serves=False, tags=tags) for one in others)]
