"""Acting on the differences that a comparison found (DESIGN.md 4, rules 5 and 6).

What people deleted or edited goes on hold. What should be gone is withdrawn again, and what today's rules would have
otherwise is sent or withdrawn, under the cap like any withdrawal. Entries of others are never touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection

from misp_modules_ext.config.settings import Settings
from misp_modules_ext.delivery.acting import Acted, carry_out
from misp_modules_ext.delivery.drift import Comparison, Drift, Finding
from misp_modules_ext.ledger import repairs
from misp_modules_ext.ledger.bulk import chunks
from misp_modules_ext.ledger.engine import alone
from misp_modules_ext.ledger.holds import Hold
from misp_modules_ext.ledger.marks import mark
from misp_modules_ext.ledger.refreshing import refresh
from misp_modules_ext.model.outcome import Outcome

#: Findings that are settled in one transaction.
PORTION = 2_000


class Wanted(NamedTuple):
    """What a person wants done.

    Attributes:
        apply: settle what differs.
        adopt: take over entries with our name that this ledger did not make.
        withdraw_unknown: withdraw those of them for which nothing vouches.
    """

    apply: bool = False
    adopt: bool = False
    withdraw_unknown: bool = False

    def concerns(self, finding: Finding) -> bool:
        """Whether something can and shall be done about a finding."""
        if finding.drift is Drift.UNKNOWN:
            chosen = self.withdraw_unknown if finding.leaving else self.adopt
            return chosen and finding.there is not None
        return self.apply and (finding.drift is not Drift.LEFT_OVER or finding.there is not None)


@dataclass(slots=True)
class _Changed:
    """What a repair has changed: ids of observables on hold, to be sent or withdrawn, and to be withdrawn."""

    held: set[int] = field(default_factory=set)
    going: set[int] = field(default_factory=set)
    leaving: set[int] = field(default_factory=set)


def to_settle(comparison: Comparison, wanted: Wanted) -> list[Finding]:
    """The findings that something will be done about: of those about an entry one for each observable."""
    return _choose(comparison, wanted)[0]


def _choose(comparison: Comparison, wanted: Wanted) -> tuple[list[Finding], list[Finding]]:
    """The findings that something will be done about, and those that have to wait for another one of their value."""
    chosen, later, seen = [], [], set()
    for finding in comparison.findings:
        if not wanted.concerns(finding):
            continue
        if finding.drift is Drift.RULES:
            # Ours alone; all else rests on the list.
            chosen.append(finding)
        elif comparison.held_back:
            continue
        elif finding.number in seen:
            # A row stands for one entry.
            later.append(finding)
        else:
            seen.add(finding.number)
            chosen.append(finding)
    return chosen, later


def settle(comparison: Comparison, wanted: Wanted, settings: Settings) -> Acted:
    """Act on a comparison; each finding then says what was done.

    Args:
        comparison: as it was found; rows that have changed since are left alone.
        wanted: what a person wants done, and has agreed to.
        settings: the configuration, whose place says where stores are marked.

    Returns:
        What came of what was sent; nothing when the store should have been taken over and was not.

    Raises:
        LedgerError: the ledger cannot be written.
    """
    place = comparison.place
    if wanted.adopt:
        # A store that never can be read would stay another ledger's for ever. Sentinel's ids are the same from every
        # ledger, so that what is sent there again doubles nothing.
        readable = comparison.listed and not comparison.held_back
        if not readable and not place.destination.cannot_list:
            return carry_out(place, ())
        mark(settings, place.store.settings, place.ledger, adopt=True)
    findings, later = _choose(comparison, wanted)
    done = _Changed()
    for portion in chunks(findings, PORTION):
        changed = place.ledger.write(partial(_repair, comparison=comparison, findings=portion))
        done.held |= changed.held
        done.going |= changed.going
        done.leaving |= changed.leaving
    acted = carry_out(place, done.going, done.leaving)
    _tell(findings, done, acted)
    for finding in later:
        finding.message += " It is a second entry for this value: run this again."
    return acted


def _repair(connection: Connection, comparison: Comparison, findings: Sequence[Finding]) -> _Changed:
    # Before any row is locked: evidence and rows change together elsewhere, in this order.
    alone(connection)
    place = comparison.place
    store = place.store
    changed = _Changed()
    deleted = {f.number: (f.row, _hold(f)) for f in _of(findings, Drift.DELETED) if f.row}
    changed.held |= repairs.deleted(connection, store, deleted)
    edited = {f.number: (f.row, _hold(f), f.there.remote_id) for f in _of(findings, Drift.EDITED) if f.row and f.there}
    changed.held |= repairs.edited(connection, store, edited)
    left = {f.number: (f.row, f.there) for f in _of(findings, Drift.LEFT_OVER) if f.row and f.there}
    changed.leaving |= repairs.left_over(connection, store, left)
    rules = list(_of(findings, Drift.RULES))
    repairs.to_send_again(connection, store, {f.number: f.row for f in rules if f.row and f.there})
    adopted = {f.number: f.there for f in _of(findings, Drift.UNKNOWN) if f.there and not f.leaving}
    repairs.adopt(connection, store, adopted)
    disowned = {f.number: f.there for f in _of(findings, Drift.UNKNOWN) if f.there and f.leaving}
    repairs.disown(connection, store, disowned)
    changed.leaving |= disowned.keys()
    compared = {f.number for f in rules} | adopted.keys()
    lost = {f.number for f in rules if f.leaving}
    if compared:
        settled = refresh(connection, compared, [store], place.base_url, lost)[store.destination_id]
        changed.leaving |= settled.withdrawing
    changed.going |= compared | changed.leaving
    return changed


def _of(findings: Iterable[Finding], drift: Drift) -> Iterable[Finding]:
    return (finding for finding in findings if finding.drift is drift)


def _hold(finding: Finding) -> Hold:
    found = datetime.now(timezone.utc).date().isoformat()
    return Hold(repairs.SOMEONE, f"{finding.message} Found by reconcile on {found}.")


def _tell(findings: Iterable[Finding], done: _Changed, acted: Acted) -> None:
    """Write into each finding what was done about it."""
    for finding in findings:
        if finding.number in done.held:
            finding.action = "on hold"
        result = acted.results.get(finding.observable) if finding.observable is not None else None
        if finding.number not in done.going or result is None:
            continue
        finding.action = _word(finding, result.outcome)
        if result.outcome in (Outcome.PENDING, Outcome.REJECTED, Outcome.SKIPPED) and (result.reason or result.message):
            finding.action += f": {result.message or result.reason}"


def _word(finding: Finding, outcome: Outcome) -> str:
    if outcome is not Outcome.ACCEPTED:
        return str(outcome)
    return "adopted" if finding.drift is Drift.UNKNOWN else "sent"
