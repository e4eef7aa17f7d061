"""From rows of the ledger to what a report says of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timezone

from misp_modules_ext.delivery.accounting import Result
from misp_modules_ext.delivery.drain import Drained
from misp_modules_ext.ledger import schema
from misp_modules_ext.ledger.bulk import chunks
from misp_modules_ext.ledger.holdings import Holding
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.ledger.placing import Settled, Standing
from misp_modules_ext.model.account import Removed
from misp_modules_ext.model.indicator import Observable
from misp_modules_ext.model.outcome import Outcome, Reason
from misp_modules_ext.planning import Plan, PlannedAttribute
from misp_modules_ext.translate import observe

#: A request adds and updates; only our own reading takes away (DESIGN.md 2).
KEPT = (
    "What it said before was taken earlier and stays until this tool has read the event from MISP itself, with the "
    "`key` of [misp]."
)


OUTDATED = Result(Outcome.SKIPPED, Reason.OUTDATED)


#: Rows by observable id, as they are now.
Rows = Callable[[Collection[int]], Mapping[int, Holding]]
#: So many rows are looked at at once.
_PORTION = 5_000


def results(
    settled: Settled, rows: Rows | None, named: Mapping[int, Observable], drained: Drained | None
) -> dict[Observable, Result]:
    """What became of each observable of a submission.

    Args:
        settled: how they stood when the submission was committed.
        rows: reads the rows of some of those that were due then; `None` when nothing was sent.
        named: the observables by id.
        drained: how the sending went; `None` when nothing was sent, and what is due counts as sent (a preview).
    """
    found = {}
    # Most are the same, and are one record; those that are as they should be share their standing, too.
    known: dict[Result, Result] = {}
    last: Standing | None = None
    same = Result(Outcome.UNCHANGED)
    for portion in chunks(settled.standings.items(), _PORTION):
        due = [number for number, standing in portion if standing.fresh]
        there = rows(due) if rows is not None and due else {}
        for number, standing in portion:
            observable = named.get(number)
            if observable is None:
                continue
            if standing.fresh:
                tell = _leaving if number in settled.withdrawing else _result
                result = tell(standing, there.get(number), drained)
                found[observable] = known.setdefault(result, result)
                continue
            if standing is not last:
                last, same = standing, _stood(standing)
            found[observable] = same
    return found


class Results:
    """Results of one destination after the other; where nothing was sent and all stand alike, they are the same."""

    def __init__(self, named: Mapping[int, Observable]) -> None:
        self._named = named
        self._done: list[tuple[Mapping[int, Standing], Mapping[Observable, Result]]] = []

    def of(self, settled: Settled, rows: Rows | None, drained: Drained | None) -> Mapping[Observable, Result]:
        """As `results`."""
        if rows is not None or drained is not None:
            return results(settled, rows, self._named, drained)
        for standings, found in self._done:
            if standings == settled.standings:
                return found
        made = results(settled, None, self._named, None)
        self._done.append((settled.standings, made))
        return made


def _result(standing: Standing, row: Holding | None, drained: Drained | None) -> Result:
    """Of one that was due."""
    if drained is None:
        return Result(Outcome.ACCEPTED, None, "", standing.valid_until, standing.generation)
    if row is None:
        return Result(Outcome.PENDING, drained.reason, drained.message)
    if row.state == schema.SETTLED:
        # Newer content of which the destination shows nothing: it was settled without a request.
        unsent = standing.modified_ms is not None and standing.modified_ms == row.modified_ms
        outcome = Outcome.UNCHANGED if unsent else Outcome.ACCEPTED
        return Result(outcome, None, "", row.valid_until, row.generation)
    if row.state == schema.DUE:
        return _waits(row, drained)
    return _stood(Standing(row.state, Reason.of(row.reason), row.message or "", row.valid_until, row.generation))


def _leaving(standing: Standing, row: Holding | None, drained: Drained | None) -> Result:
    """Of one that was due to go although its attributes pass the gates: MISP says that it is over."""
    if drained is None or (row is not None and not row.maybe_there):
        return Result(Outcome.WITHDRAWN, Reason.EXPIRED)
    return Result(Outcome.PENDING, drained.reason, drained.message) if row is None else _waits(row, drained)


def _waits(row: Holding, drained: Drained) -> Result:
    """Why it is still due: its own reason, else the destination's."""
    reason = Reason.of(row.reason)
    own = reason in (Reason.MAX_PER_DAY, Reason.WITHDRAWAL_CAP) or not drained.message
    if reason is not None and own:
        return Result(Outcome.PENDING, reason, row.message or "")
    return Result(Outcome.PENDING, drained.reason, drained.message)


def _stood(standing: Standing) -> Result:
    reason = standing.reason
    if standing.state == schema.SETTLED:
        return Result(Outcome.UNCHANGED, None, "", standing.valid_until, standing.generation)
    if standing.state == schema.EXPIRED:
        message = f"It expired on {day(standing.valid_until)}." if standing.valid_until else ""
        return Result(Outcome.SKIPPED, Reason.EXPIRED, message)
    if standing.state == schema.ON_HOLD:
        return Result(Outcome.SKIPPED, Reason.ON_HOLD, standing.message)
    if standing.state == schema.REJECTED:
        return Result(Outcome.REJECTED, reason or Reason.REJECTED, standing.message)
    return Result(Outcome.SKIPPED, reason or Reason.CAPACITY, standing.message)


def day(seconds: int) -> str:
    """The UTC date of a moment."""
    return datetime.fromtimestamp(seconds, timezone.utc).date().isoformat()


def with_outdated(
    found: Mapping[Observable, Result], plan: Plan, stale: Collection[str]
) -> Mapping[Observable, Result]:
    """The results, and one for what the ledger has nothing of since it comes from a view that changed nothing.

    Args:
        found: see `results`.
        plan: what was read.
        stale: UUIDs of the events of which the ledger had seen a later state.
    """
    if not stale:
        return found
    parts = (part for planned in plan.attributes if planned.event.uuid in stale for part in planned.parts)
    return dict.fromkeys((part.observable for part in parts), OUTDATED) | dict(found)


class Withdrawals:
    """What became of attributes that counted at a destination and no longer do.

    Args:
        lost_by: their UUIDs.
        settled: see `results`.
        rows: see `results`.
        drained: see `results`.
        kept: attributes (UUIDs) that no longer count, whose earlier version stays until our own reading of MISP.
    """

    def __init__(
        self,
        lost_by: Collection[str],
        settled: Settled,
        rows: Mapping[int, Holding],
        drained: Drained | None,
        kept: Collection[str] = (),
    ) -> None:
        self._lost_by = lost_by
        self._kept = kept
        self._settled = settled
        self._rows = rows
        self._drained = drained

    def of(self, planned: PlannedAttribute) -> Result | None:
        """Withdrawn, or still to be; `None` for an attribute that never counted here."""
        if planned.attribute.uuid in self._kept and planned.reason is not None:
            return Result(planned.reason.outcome, planned.reason, f"{planned.message} {KEPT}".strip())
        if planned.attribute.uuid not in self._lost_by:
            return None
        for observable in observe(planned.attribute).observables:
            number = observable_id(observable)
            if number in self._settled.withdrawing and not self._is_gone(number):
                row = self._rows.get(number)
                reason = Reason.of(row.reason) if row is not None else None
                why = self._drained or Drained()
                return Result(Outcome.PENDING, reason or why.reason, (row.message if row else "") or why.message)
        return Result(Outcome.WITHDRAWN, planned.reason, planned.message)

    def removed(self, absent: Iterable[int], named: Mapping[int, Observable]) -> tuple[Removed, ...]:
        """The indicators that are withdrawn for attributes that are gone, or have another value.

        Args:
            absent: ids of the observables that no attribute stands for any more.
            named: the observables by id.
        """
        found = []
        for number in sorted(self._settled.withdrawing.intersection(absent)):
            observable = named[number]
            outcome = Outcome.WITHDRAWN if self._is_gone(number) else Outcome.PENDING
            standing = self._settled.standings[number]
            stix_id = observable.stix_id(standing.generation)
            found.append(Removed(observable.kind.value, observable.value, stix_id, outcome))
        return tuple(found)

    def _is_gone(self, number: int) -> bool:
        row = self._rows.get(number)
        return self._drained is None or (row is not None and not row.maybe_there)
