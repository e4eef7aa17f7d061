"""How `misp-microsoft status` is printed: tables for people, JSON for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from rich.console import Console

from misp_modules_ext.cli import looking
from misp_modules_ext.cli.acted import print_json
from misp_modules_ext.cli.common import console
from misp_modules_ext.cli.looking import Place
from misp_modules_ext.cli.tables import line, table, when
from misp_modules_ext.config.settings import Api
from misp_modules_ext.destinations.graph import NOTICE
from misp_modules_ext.ledger import Ledger, queries, schema
from misp_modules_ext.ledger.submissions import Submission
from misp_modules_ext.model.outcome import Outcome, Reason
from misp_modules_ext.report.text import iso, number, plural, shorten, visible

#: Names of the numbers in JSON, and the columns that show them.
_NUMBERS = {
    "there": "there",
    "create": "to create",
    "update": "to update",
    "withdraw": "to withdraw",
    "rejected": "rejected",
    "skipped": "skipped",
    "onHold": "on hold",
    "expired": "expired",
}
#: Of states in which rows wait for something: what they are called.
_WAITING = {schema.DUE: Outcome.PENDING, schema.REJECTED: Outcome.REJECTED, schema.SKIPPED: Outcome.SKIPPED}
_LONGEST_VALUE = 100


class Against(NamedTuple):
    """What a destination holds that today's rules would not let go.

    Attributes:
        total: how many.
        reasons: how many for each reason code, the most frequent first; `""` where no rule is the cause.
        examples: kind and value of the first ones.
    """

    total: int
    reasons: dict[str, int]
    examples: tuple[tuple[str, str], ...]


class At(NamedTuple):
    """A destination's part of the status; `against` only when it was asked for, `beside` when the ledger knows it."""

    place: Place
    counts: queries.Counts
    against: Against | None = None
    beside: queries.Beside | None = None


class Status(NamedTuple):
    """All of it.

    Attributes:
        at: seconds since 1970 UTC.
        revision: the version of the tables.
        reads: whether events can be read from the MISP of `[misp]`.
        orphans: MISPs that the configuration no longer has.
        others: the sections of other MISPs from which events can be read.
    """

    at: float
    ledger: Ledger
    revision: str
    reads: bool
    drains: list[queries.Drain]
    readings: queries.Readings
    destinations: list[At]
    latest: list[Submission]
    orphans: tuple[queries.Orphan, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def alive(self) -> list[queries.Drain]:
        """Those who drain at this moment."""
        return [drain for drain in self.drains if looking.is_alive(drain)]


def show(found: Status, *, as_json: bool) -> None:
    """Print it."""
    if as_json:
        print_json(document(found))
        return
    out = console()
    _head(out, found)
    table(
        out,
        ["destination", *_NUMBERS.values(), "next attempt"],
        [[at.place.title, *_cells(at), when(_next(at))] for at in found.destinations],
        right=_NUMBERS.values(),
    )
    for at in found.destinations:
        for words in _remarks(at, found.at * 1000):
            line(out, words, indent=2)
    _tail(out, found)


def _head(out: Console, found: Status) -> None:
    line(out, f"Ledger: {found.ledger.where} (identity {found.ledger.identity}, tables {found.revision})")
    line(out, f"MISP: {looking.reading_words(found.others, served=found.reads)}")
    for orphan in found.orphans:
        line(out, f"MISP: {looking.orphan_words(orphan)} {looking.ADOPT}")
    for drain in found.alive:
        line(out, f"Drain: {drain.kind} on {drain.host}, process {drain.pid}, heard of {drain.seen:.0f} s ago")
    if not found.alive:
        line(out, looking.NO_DRAIN)


def _tail(out: Console, found: Status) -> None:
    readings = found.readings
    if readings.due or readings.later:
        line(out, f"Events to be read from MISP: {number(readings.due)} now, {number(readings.later)} later")
    for reading in readings.failed:
        tried = f"tried {plural(reading.attempts, 'time')}, " if reading.attempts else ""
        line(out, f"{reading.uuid}: {tried}next {when(reading.due_ms)}: {reading.message}", indent=2)
    if found.latest:
        line(out, "Last submissions (`misp-microsoft report SUBMISSION` shows one):")
    for one in found.latest:
        line(out, f"{one.submission_id} {when(one.started_ms)} {one.door}{_ended(one.finished_ms)}", indent=2)


def _ended(finished_ms: int | None) -> str:
    return "" if finished_ms is not None else ", not finished: it still runs or was interrupted"


def _numbers(at: At) -> dict[str, int]:
    counts, estimated = at.counts, _estimated(at)
    found = {
        "there": counts.there,
        "create": counts.due(wanted=True, there=False),
        "update": counts.due(wanted=True),
        "withdraw": counts.due(wanted=False),
        "rejected": counts.of(schema.REJECTED),
        "skipped": counts.of(schema.SKIPPED),
        "onHold": at.place.known.holds if at.place.known is not None else 0,
        "expired": counts.of(schema.EXPIRED),
    }
    return {name: queries.rounded(count) if name in estimated else count for name, count in found.items()}


def _estimated(at: At) -> list[str]:
    """The names of those numbers that were not counted."""
    if at.counts.whole:
        return []
    states = {"rejected": schema.REJECTED, "skipped": schema.SKIPPED, "expired": schema.EXPIRED}
    unsure = {name for name, state in states.items() if state not in at.counts.counted}
    return [name for name in _NUMBERS if name in unsure | {"there", "create", "update", "withdraw"}]


def _cells(at: At) -> list[str]:
    estimated = _estimated(at)
    return [
        f"~{number(count)}" if name in estimated and count else number(count) for name, count in _numbers(at).items()
    ]


def _next(at: At) -> int | None:
    """When something is tried next: not before a pause ends."""
    known = at.place.known
    if known is None or known.next_ms is None:
        return None
    return max(known.next_ms, known.pause.until_ms) if known.pause is not None else known.next_ms


def _remarks(at: At, at_ms: float) -> Iterator[str]:
    name, known = at.place.name, at.place.known
    if at.place.api == Api.GRAPH:
        yield f"{name}: {NOTICE}"
    if known is None:
        yield f"{name}: nothing was ever sent there."
        return
    if known.pause is not None:
        code = f" ({known.pause.reason.code})" if known.pause.reason else ""
        how = "paused until" if known.pause.until_ms > at_ms else "failed last, was paused until"
        yield f"{name}: {how} {when(known.pause.until_ms)}{code}: {known.pause.message}"
    if known.holder:
        yield f"{name}: {known.holder} sends at this moment."
    for (outcome, reason), count in _waits(at).items():
        about = "about " if not at.counts.whole else ""
        yield f"{name}: {outcome} {about}{number(count)}{_why(reason)}"
    if at.beside is not None:
        yield from _beside_remarks(name, at.beside)
    if at.against is not None:
        yield from _rule_remarks(name, at.against)


def _beside_remarks(name: str, beside: queries.Beside) -> Iterator[str]:
    if beside.waiting:
        least = "at least " if beside.waiting == queries.MOST_WAITING else ""
        yield f"{name}: the objects of context of {least}{plural(beside.waiting, 'indicator')} are to be looked at."
    if beside.refused:
        yield f"{name}: {plural(beside.refused, 'object')} of context refused; the first: {beside.message}"


def _waits(at: At) -> Counter[tuple[Outcome, str]]:
    """How many wait for which reason; what was not tried yet has none."""
    found: Counter[tuple[Outcome, str]] = Counter()
    for row in at.counts.alike:
        if row.state in _WAITING:
            reason = looking.reason_of(row.reason)
            found[_WAITING[row.state], reason.code if reason else ""] += row.rows
    exact = at.counts.whole
    return Counter({key: count if exact else queries.rounded(count) for key, count in found.most_common()})


def _why(code: str) -> str:
    reason = Reason.of(code)
    if reason is not None:
        return f" ({code}): {reason.sentence}"
    return f" ({code})" if code else " (not tried yet)"


def _rule_remarks(name: str, against: Against) -> Iterator[str]:
    if not against.total:
        yield f"{name}: today's rules would let everything go that is there."
        return
    yield (
        f"{name}: {plural(against.total, 'indicator')} there that today's rules would not let go. "
        "`misp-microsoft reconcile --apply` withdraws what is against the rules."
    )
    for code, count in against.reasons.items():
        yield f"  {number(count)} {_why(code).strip() if code else '(nobody asks for it any more)'}"
    for kind, value in against.examples:
        yield f"  {kind} {shorten(visible(value), _LONGEST_VALUE)}"


def document(found: Status) -> dict[str, Any]:
    """The status as JSON, schema 1: readers must ignore what they do not know."""
    return {
        "schema": 1,
        "command": "status",
        "at": iso(found.at),
        "ledger": found.ledger.where,
        "identity": found.ledger.identity,
        "tables": found.revision,
        "misp": {
            "reads": found.reads,
            "message": looking.reading_words(found.others, served=found.reads),
            "notConfigured": [orphan._asdict() for orphan in found.orphans],
        },
        "drains": [drain._asdict() | {"alive": looking.is_alive(drain)} for drain in found.drains],
        "readings": {
            "due": found.readings.due,
            "later": found.readings.later,
            "failed": [_reading(reading) for reading in found.readings.failed],
        },
        "destinations": [_destination(at) for at in found.destinations],
        "submissions": [
            {
                "submission": one.submission_id,
                "door": one.door,
                "started": when(one.started_ms),
                "finished": when(one.finished_ms) or None,
            }
            for one in found.latest
        ],
    }


def _reading(reading: queries.Reading) -> dict[str, Any]:
    return {
        "event": reading.uuid,
        "next": when(reading.due_ms),
        "attempts": reading.attempts,
        "missing": reading.missing,
        "message": reading.message,
    }


def _destination(at: At) -> dict[str, Any]:
    known, settings = at.place.known, at.place.settings
    pause = known.pause if known is not None else None
    return {
        "name": at.place.name,
        "configured": settings is not None,
        "product": settings.product if settings is not None else None,
        "api": settings.api.value if settings is not None else known.api if known is not None else None,
        "counts": _numbers(at),
        "estimated": _estimated(at),
        "waits": [
            {"outcome": outcome.value, "reason": code or None, "count": count, "message": _sentence(code)}
            for (outcome, code), count in _waits(at).items()
        ],
        "next": when(_next(at)) or None,
        "pause": None
        if pause is None
        else {
            "until": when(pause.until_ms),
            "reason": pause.reason.code if pause.reason else None,
            "message": pause.message,
        },
        "holder": (known.holder if known is not None else "") or None,
        "objectsOfContext": None if at.beside is None else at.beside._asdict(),
        "againstRules": None
        if at.against is None
        else {
            "count": at.against.total,
            "reasons": at.against.reasons,
            "examples": [{"kind": kind, "value": value} for kind, value in at.against.examples],
        },
    }


def _sentence(code: str) -> str | None:
    reason = Reason.of(code)
    return reason.sentence if reason is not None else None
