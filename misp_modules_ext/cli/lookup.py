"""`misp-microsoft lookup VALUE…`: what the hover shows, and more, for those who run this installation."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer

from misp_modules_ext.cli.acted import print_json
from misp_modules_ext.cli.common import ConfigOption, DestinationOption, JsonOption, console, error_console
from misp_modules_ext.cli.output import standard_output
from misp_modules_ext.cli.tables import line
from misp_modules_ext.config import load
from misp_modules_ext.config.findings import closest
from misp_modules_ext.config.settings import Settings
from misp_modules_ext.delivery.lookup import Answered, Found, Question, look_up
from misp_modules_ext.destinations.estate import MOST_VALUES
from misp_modules_ext.errors import UsageError
from misp_modules_ext.ledger.views import storable
from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.model.outcome import Reason
from misp_modules_ext.report import first_code
from misp_modules_ext.report.lookup import sentences, summary, title
from misp_modules_ext.report.text import iso, shorten, visible
from misp_modules_ext.translate import meant, read_as

#: Seconds that Microsoft has for an answer.
PATIENCE = 30.0
#: Values that are looked up together: as many as one query takes.
PORTION = MOST_VALUES
#: Characters of standard input.
MOST_TEXT = 10_000_000

_CODES = {
    Reason.CREDENTIALS_REFUSED: 4,
    Reason.PERMISSION_REFUSED: 4,
    Reason.NOT_FOUND: 2,
}


def lookup(
    values: Annotated[
        list[str],
        typer.Argument(metavar="VALUE...", help="In any spelling, also defanged; KIND:VALUE; or - for standard input."),
    ],
    config: ConfigOption = None,
    destination: DestinationOption = None,
    kind: Annotated[
        str, typer.Option("--kind", metavar="KIND", help="What the values are, where it is in doubt.")
    ] = "",
    estate: Annotated[
        bool,
        typer.Option(
            "--estate", help="Also whether they were seen in your estate, if `estate` of the section lookup is on."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask the ledger and Microsoft whether values are there, whose they are and until when. Changes nothing.

    Exit code 0: all that was asked has answered, whether the values are there or not; 2: a wrong address; 3: something
    did not answer; 4: credentials or permission refused.
    """
    settings = load(config)
    if estate and not settings.lookup.estate:
        raise UsageError("The estate is not asked: [lookup] estate is not on. What to do: set `estate = yes` there.")
    asked = _observables(values, _kind(kind))
    found: list[Found] = []
    codes: set[int] = set()
    with standard_output():
        for start in range(0, len(asked), PORTION):
            part = tuple(asked[start : start + PORTION])
            question = Question(part, time.monotonic() + PATIENCE, tuple(destination or ()), estate)
            answered = look_up(settings, question)
            codes |= _codes(answered)
            if as_json:
                found += answered
            else:
                _print(part, answered)
        if as_json:
            print_json(_document(settings, found))
    raise typer.Exit(first_code(codes))


def _kind(name: str) -> Kind | None:
    if not name:
        return None
    if name in list(Kind):
        return Kind(name)
    near = closest(name, [known.value for known in Kind])
    hint = f"Did you mean {near}?" if near else f"Known: {', '.join(known.value for known in Kind)}."
    raise UsageError(f"{visible(name)[:60]!r} is no kind. {hint}")


def _observables(values: Sequence[str], kind: Kind | None) -> list[Observable]:
    found: dict[Observable, None] = {}
    for value in _texts(values):
        these = meant(value) if kind is None else read_as(kind, value)
        if not these:
            error_console().print(f"{shorten(visible(value), 60)!r} can be no indicator: it is left out.")
        found |= dict.fromkeys(these)
    if not found:
        raise UsageError("There is no value to look up. What to do: name one, or give them on standard input with -.")
    return list(found)


def _texts(values: Iterable[str]) -> Iterable[str]:
    for value in values:
        if value != "-":
            lines = [value]
        else:
            text = sys.stdin.read(MOST_TEXT + 1)
            if len(text) > MOST_TEXT:
                raise UsageError(f"Standard input holds more than {MOST_TEXT:,} characters. What to do: split it.")
            lines = text.splitlines()
        yield from (stripped for one in lines if (stripped := storable(one).strip()) and not stripped.startswith("#"))


def _print(observables: Sequence[Observable], answered: Sequence[Found]) -> None:
    out = console()
    for observable in observables:
        line(out, title(observable), "bold")
        for found in answered:
            if found.observable == observable:
                line(out, f"[{found.destination.name}] {found.destination.product}: {summary(found)}", indent=2)
                for words in sentences(found, frank=True):
                    line(out, words, indent=4)


def _document(settings: Settings, found: Sequence[Found]) -> dict[str, Any]:
    return {"schema": 1, "command": "lookup", "found": [_found(one) for one in found]}


def _found(found: Found) -> dict[str, Any]:
    held = found.ledger
    return {
        "kind": found.observable.kind.value,
        "value": found.observable.value,
        "destination": found.destination.name,
        "product": found.destination.product,
        "summary": summary(found),
        "ledger": None
        if held is None
        else {
            **held._asdict(),
            "reason": held.reason.code if held.reason else None,
            "since": _iso(held.since),
            "valid_until": _iso(held.valid_until),
        },
        "ledger_problem": found.ledger_problem or None,
        "presence": [_answer(answer) for answer in found.presence],
        "estate": [_answer(answer) for answer in found.estate],
    }


def _answer(answer: Answered) -> dict[str, Any]:
    problem = answer.problem
    return {
        "asked": answer.asked,
        "problem": None if problem is None else {"reason": problem.reason.code, "message": problem.words},
        "found": [_plain(one._asdict()) for one in answer.found],
    }


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    """Without the value, which is said already; moments as text."""
    moments = {"valid_until", "since", "first", "last"}
    return {
        name: _iso(value) if name in moments else str(value) if name == "state" else value
        for name, value in fields.items()
        if name != "observable"
    }


def _iso(seconds: int | None) -> str | None:
    return None if seconds is None else iso(seconds)


def _codes(found: Sequence[Found]) -> set[int]:
    problems = [answer.problem for one in found for answer in (*one.presence, *one.estate) if answer.problem]
    codes = {_CODES.get(problem.reason, 3) for problem in problems}
    return codes | {2 for one in found if one.ledger_problem}
