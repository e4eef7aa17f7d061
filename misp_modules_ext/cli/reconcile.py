"""`misp-microsoft reconcile`: what Microsoft holds against what the ledger says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from misp_modules_ext.cli import tables
from misp_modules_ext.cli.acted import confirm, name, print_json
from misp_modules_ext.cli.common import ConfigOption, DestinationOption, JsonOption, console
from misp_modules_ext.cli.output import standard_output
from misp_modules_ext.config import load
from misp_modules_ext.delivery.acting import places
from misp_modules_ext.delivery.comparing import compare
from misp_modules_ext.delivery.drift import Comparison, Drift, Finding
from misp_modules_ext.delivery.reconcile import Wanted, settle, to_settle
from misp_modules_ext.errors import UsageError
from misp_modules_ext.model.outcome import Outcome, State
from misp_modules_ext.report.text import one_line, plural

#: Differences of a kind that are named without --json.
EXAMPLES = 20
_MEANING = {
    Drift.DELETED: "should be there, and somebody has deleted or revoked it",
    Drift.EDITED: "says something else than was sent",
    Drift.LEFT_OVER: "is still there although it was withdrawn",
    Drift.UNKNOWN: "carries our name, and this ledger did not make it",
    Drift.RULES: "today's configuration would have it otherwise",
}
_REMEDY = {
    Drift.DELETED: "--apply puts it on hold, as a decision of people.",
    Drift.EDITED: "--apply puts it on hold, as a decision of people.",
    Drift.LEFT_OVER: "--apply withdraws it again.",
    Drift.UNKNOWN: "--adopt takes over what MISP vouches for; --withdraw-unknown withdraws the rest.",
    Drift.RULES: "--apply sends or withdraws it.",
}


def reconcile(
    config: ConfigOption = None,
    destination: DestinationOption = None,
    apply: Annotated[bool, typer.Option("--apply", help="Settle the differences; people's changes win.")] = False,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Take over entries with our name, and the store from another ledger.")
    ] = False,
    withdraw_unknown: Annotated[
        bool, typer.Option("--withdraw-unknown", help="With --adopt: withdraw those for which nothing vouches.")
    ] = False,
    settle_minutes: Annotated[
        int, typer.Option("--settle-minutes", min=0, help="Leave aside what was sent within so many minutes.")
    ] = 15,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before something is withdrawn.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare Microsoft's lists with the ledger, and settle what differs with --apply and --adopt.

    Exit code 0: no difference is left; 1: Microsoft rejected a repair; 3: some difference is left, or Microsoft did not
    answer; 2: the configuration names nothing that can be read; 4: Microsoft refused to be read.
    """
    if withdraw_unknown and not adopt:
        raise UsageError("--withdraw-unknown goes with --adopt: first what MISP vouches for has to be known as ours.")
    settings = load(config)
    where = places(settings, destination or (), marked=not adopt)
    wanted = Wanted(apply, adopt, withdraw_unknown)
    found = [compare(place, settle_minutes * 60_000) for place in where]
    leaving = sum(finding.leaving for one in found for finding in to_settle(one, wanted))
    if leaving:
        confirm(f"This withdraws {plural(leaving, 'indicator')}. Go on?", yes=yes)
    if apply or adopt:
        for comparison in found:
            acted = settle(comparison, wanted, settings)
            if acted.state is not State.OK and comparison.state is State.OK:
                comparison.state, comparison.message = acted.state, acted.message
    with standard_output("What was done is done all the same."):
        if as_json:
            document = {"schema": 1, "command": "reconcile", "ledger": where[0].ledger.where}
            print_json(document | {"destinations": [_document(one) for one in found]})
        else:
            _print(found)
    raise typer.Exit(_exit_code(found))


def _exit_code(found: Sequence[Comparison]) -> int:
    states = {one.state for one in found}
    if State.MISCONFIGURED in states:
        return 2
    if State.REFUSED in states:
        return 4
    left = [finding for one in found for finding in one.findings if not _is_settled(finding)]
    refused = [finding for finding in left if finding.action.startswith(Outcome.REJECTED.value)]
    if states != {State.OK} or any(one.held_back for one in found) or len(refused) < len(left):
        return 3
    return 1 if refused else 0


def _is_settled(finding: Finding) -> bool:
    return finding.action in ("on hold", "withdrawn", "sent", "adopted")


def _document(comparison: Comparison) -> dict[str, Any]:
    settings = comparison.place.store.settings
    return {
        "name": settings.name,
        "product": settings.product,
        "api": settings.api.value,
        "state": comparison.state.value,
        "message": comparison.message or None,
        "listed": comparison.listed,
        "heldBack": comparison.held_back or None,
        "counts": {word: comparison.counts[word] for word in ("right", "settling", "waiting", "held")},
        "findings": [_finding(finding) for finding in comparison.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "drift": finding.drift.value,
        "kind": finding.observable.kind.value if finding.observable else None,
        "value": finding.observable.value if finding.observable else None,
        "indicator": finding.name,
        "message": finding.message,
        "action": finding.action or None,
    }


def _print(found: Sequence[Comparison]) -> None:
    out = console()
    for comparison in found:
        for line in _lines(comparison):
            tables.line(out, line)


def _lines(comparison: Comparison) -> Iterator[str]:
    settings, counts = comparison.place.store.settings, comparison.counts
    words = {
        "right": "as they should be",
        "settling": "sent too lately to be judged",
        "waiting": "waiting to be withdrawn",
        "held": "on hold",
    }
    told = ", ".join(f"{counts[word]:,} {text}" for word, text in words.items() if counts[word])
    head = f"{one_line(settings.name)} ({settings.product}, {comparison.state})"
    nothing = "nothing else" if comparison.findings else "nothing to compare"
    yield f"{head}: {told or nothing}" if comparison.listed else f"{head}: not compared"
    for message in (comparison.message, comparison.held_back):
        if message:
            yield f"    {one_line(message)}"
    for drift in Drift:
        yield from _group(drift, [f for f in comparison.findings if f.drift is drift])


def _group(drift: Drift, findings: Sequence[Finding]) -> Iterator[str]:
    if not findings:
        return
    yield f"    {drift} ({len(findings):,}): {_MEANING[drift]}"
    for finding in findings[:EXAMPLES]:
        done = f" [{one_line(finding.action)}]" if finding.action else ""
        yield f"        {name(finding.observable)} {finding.name} - {one_line(finding.message)}{done}"
    if len(findings) > EXAMPLES:
        yield f"        and {len(findings) - EXAMPLES:,} more"
    if not all(finding.action for finding in findings):
        yield f"        {_REMEDY[drift]}"
