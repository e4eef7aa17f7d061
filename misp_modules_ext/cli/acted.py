"""What the commands that act on the ledger share: asking first, and telling what came of it."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated, Any

import orjson
import typer

from misp_modules_ext.cli.common import console
from misp_modules_ext.cli.output import standard_output
from misp_modules_ext.cli.tables import line
from misp_modules_ext.delivery.accounting import Result
from misp_modules_ext.delivery.acting import Acted
from misp_modules_ext.delivery.drain import Place
from misp_modules_ext.errors import UsageError
from misp_modules_ext.ledger import holds
from misp_modules_ext.model.indicator import Observable
from misp_modules_ext.model.outcome import Outcome
from misp_modules_ext.report import first_code, outcome_code, state_code
from misp_modules_ext.report.as_json import explanation
from misp_modules_ext.report.text import one_line, shorten, visible

YesOption = Annotated[
    bool, typer.Option("--yes", "-y", help="Do not ask, and let all of it go whatever the withdrawal cap says.")
]
ValuesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="VALUE...", help="Values in any spelling, or KIND:VALUE.")
]

#: Values named under each outcome.
EXAMPLES = 10
_LONGEST_VALUE = 100


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is taken away.

    Raises:
        UsageError: the answer is no, or there is nobody to ask.
    """
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"{question} There is no terminal to ask at: add --yes if so. Nothing was changed.")
    if not typer.confirm(question, err=True):
        raise UsageError("Nothing was changed.")


def user() -> str:
    """Who runs this, as the operating system says."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"user {os.getuid()}"
    before = os.environ.get("SUDO_USER")
    return f"{before} as {name}" if before else name


def find(place: Place, values: Iterable[str]) -> dict[int, Observable]:
    """The observables that a person names.

    Raises:
        UsageError: the ledger knows nothing by one of these names.
    """
    found: dict[int, Observable] = {}
    for value in values:
        named = place.ledger.read(partial(holds.named, text=value))
        if not named:
            shown = shorten(visible(value), _LONGEST_VALUE)
            raise UsageError(f"The ledger {place.ledger.where} knows no {shown}. Nothing was changed.")
        found |= named
    return found


def exit_code(acted: Sequence[Acted]) -> int:
    """The exit code of a command that did this."""
    codes = {state_code(one.state) for one in acted}
    return first_code(codes | {outcome_code(r.outcome, r.reason) for one in acted for r in one.results.values()})


def show(command: str, where: str, acted: Sequence[Acted], notes: Sequence[str], *, as_json: bool) -> None:
    """Print what came of a command.

    Args:
        command: its name.
        where: the ledger's address.
        acted: by destination.
        notes: sentences about what was not done.
        as_json: JSON instead of lines.
    """
    with standard_output("What was done is done all the same."):
        if as_json:
            document = {"schema": 1, "command": command, "ledger": where, "notes": list(notes)}
            print_json(document | {"destinations": [_document(one) for one in acted]})
            return
        out = console()
        for one in acted:
            for indent, words in _lines(one):
                line(out, words, indent=indent)
        for note in notes:
            line(out, note)


def print_json(document: Mapping[str, Any]) -> None:
    """Write a document to standard output."""
    sys.stdout.buffer.write(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _document(acted: Acted) -> dict[str, Any]:
    return {
        "name": acted.name,
        "product": acted.product,
        "api": acted.api,
        "state": acted.state.value,
        "message": acted.message or None,
        "counts": acted.counts,
        "items": [_item(observable, result) for observable, result in acted.results.items()],
    }


def _item(observable: Observable, result: Result) -> dict[str, Any]:
    return {
        "kind": observable.kind.value,
        "value": observable.value,
        "outcome": result.outcome.value,
        "reason": result.reason.code if result.reason else None,
        "message": explanation(result.reason, result.message) or None,
        "indicator": observable.stix_id(result.generation),
    }


def _lines(acted: Acted) -> Iterator[tuple[int, str]]:
    """Lines with their indentation."""
    counts = ", ".join(f"{outcome} {count:,}" for outcome, count in acted.counts.items()) or "nothing to do"
    yield 0, f"{acted.name} ({acted.product}, {acted.state}): {counts}"
    if acted.message:
        yield 4, acted.message
    for outcome in Outcome:
        these = [(o, r) for o, r in acted.results.items() if r.outcome is outcome]
        for observable, result in these[:EXAMPLES]:
            yield 4, f"{outcome} {name(observable)}{_why(result, acted.message)}"
        if len(these) > EXAMPLES:
            yield 4, f"and {len(these) - EXAMPLES:,} more {outcome}"


def name(observable: Observable | None) -> str:
    """Kind and value for people."""
    if observable is None:
        return "of unknown kind"
    return f"{observable.kind} {shorten(visible(observable.value), _LONGEST_VALUE)}"


def _why(result: Result, said: str) -> str:
    # What a destination says of itself stands above once.
    words = "" if result.message and result.message == said else explanation(result.reason, result.message)
    reason = result.reason.code if result.reason else ""
    told = ": ".join(word for word in (reason, one_line(words)) if word)
    return f" - {told}" if told else ""
