"""`misp-microsoft warninglists`: build the index of MISP's warninglists, or look values up in it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from misp_modules_ext.cli.acted import print_json
from misp_modules_ext.cli.common import ConfigOption, JsonOption, console, error_console
from misp_modules_ext.cli.output import standard_output
from misp_modules_ext.cli.tables import line
from misp_modules_ext.config import Settings, load
from misp_modules_ext.errors import UsageError, WarninglistError
from misp_modules_ext.report.text import plural
from misp_modules_ext.warninglists.asking import REMEDY
from misp_modules_ext.warninglists.build import build
from misp_modules_ext.warninglists.index import ANY, Facts, Index, Question
from misp_modules_ext.warninglists.package import INSTALL, installed


def warninglists(
    config: ConfigOption = None,
    force: Annotated[bool, typer.Option("--force", help="Build it also when it holds these very lists.")] = False,
    look_up: Annotated[
        list[str] | None,
        typer.Option("--check", metavar="VALUE", help="Build nothing; say which lists hold a value. May be repeated."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Build the index of MISP's warninglists from the package PyMISPWarningLists, unless it is up to date.

    Every push and every reading looks values up in it. Run it again after an upgrade of that package.
    """
    settings = load(config)
    path = settings.warninglist_index
    if look_up:
        _look_up(path, settings, look_up, as_json=as_json)
    else:
        _build(path, force=force, as_json=as_json)


def _build(path: Path, *, force: bool, as_json: bool) -> None:
    found = installed()
    if found is None:
        raise UsageError(f"The package PyMISPWarningLists, which brings the lists, is not installed. Run: {INSTALL}")
    facts, built = build(found, path, _watch, force=force)
    with standard_output("The index is there all the same."):
        if as_json:
            print_json(_document(path, facts) | {"built": built})
            return
        done = "Built" if built else "Up to date"
        out = console()
        line(out, f"{done}: {path}")
        line(
            out, f"{plural(len(facts.lists), 'list')} of PyMISPWarningLists {facts.version}, {facts.entries:,} entries."
        )


def _watch(name: str, number: int, lists: int) -> None:
    """Progress on a terminal; the longest lists take seconds."""
    errors = error_console()
    if errors.is_terminal:
        errors.print(f"{number} of {lists}: {name}")


def _look_up(path: Path, settings: Settings, values: list[str], *, as_json: bool) -> None:
    refusing = frozenset[str]().union(*(d.selection.warninglists for d in settings.destinations))
    try:
        with closing(Index(path)) as index:
            facts, found = index.facts, index.hits([Question(ANY, (value,)) for value in values])
    except WarninglistError as error:
        raise WarninglistError(f"{error} {REMEDY}") from error
    with standard_output():
        if as_json:
            held = [{"value": value, "lists": list(lists)} for value, lists in zip(values, found, strict=True)]
            print_json(_document(path, facts) | {"values": held})
            return
        out = console()
        for value, lists in zip(values, found, strict=True):
            line(out, f"{value}: on {plural(len(lists), 'list')}" if lists else f"{value}: on no list")
            for name in lists:
                line(out, f"{name}{' (refused by `warninglists`)' if name in refusing else ''}", indent=2)


def _document(path: Path, facts: Facts) -> dict[str, object]:
    return {
        "schema": 1,
        "command": "warninglists",
        "index": str(path),
        "version": facts.version,
        "lists": len(facts.lists),
        "entries": facts.entries,
    }
