"""A request answered 400 is halved until the guilty items stand alone (DESIGN.md 4, rule 8).

When everything fails alike the items are not to blame. Level by level the parts are tried; as soon as at least eight
parts, or all single items, have failed and none has passed, two single items from different parts are compared: if they
fail alike, the cause is the destination's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from misp_modules_ext.destinations.interface import ItemResult
from misp_modules_ext.errors import BatchRefused
from misp_modules_ext.model.indicator import Due
from misp_modules_ext.model.outcome import Outcome, Reason

#: So many parts of one batch must have failed, and none passed, before two single items are compared.
MANY = 8

Attempt = Callable[[Sequence[Due]], Sequence[ItemResult]]
Record = Callable[[Sequence[Due], Sequence[ItemResult]], None]


class RefusedAlike(Exception):
    """Different single items were refused in the same words and nothing passed; its text is Microsoft's answer."""


def isolate(batch: Sequence[Due], attempt: Attempt, record: Record) -> None:
    """Send a batch; when it is refused, find the guilty items and send the others.

    Args:
        batch: what one request should hold.
        attempt: sends some of it, and raises `BatchRefused` for a 400.
        record: takes results as soon as they are known, so that none is lost when a later request fails.

    Raises:
        RefusedAlike: the cause is not the items'; nothing was recorded as rejected.
        Exception: whatever else `attempt` raises.
    """
    search = _Search(attempt, record)
    level: list[Sequence[Due]] = [batch]
    while level:
        refused = [part for part in level if not search.passes(part)]
        if not search.anything_passed and _suspicious(refused, batch):
            search.compare(refused)
        level = [half for part in refused if len(part) > 1 for half in _halves(part)]
    search.settle()


def _suspicious(refused: Sequence[Sequence[Due]], batch: Sequence[Due]) -> bool:
    return len(refused) >= min(MANY, len(batch)) and len(refused) > 1


def _halves(part: Sequence[Due]) -> tuple[Sequence[Due], Sequence[Due]]:
    middle = len(part) // 2
    return part[:middle], part[middle:]


class _Search:
    """What is known so far about one refused batch."""

    def __init__(self, attempt: Attempt, record: Record) -> None:
        self._attempt = attempt
        self._record = record
        self._guilty: dict[str, tuple[Due, BatchRefused]] = {}
        self._passed: set[str] = set()

    @property
    def anything_passed(self) -> bool:
        """Whether Microsoft took any of it."""
        return bool(self._passed)

    def passes(self, part: Sequence[Due]) -> bool:
        """Try what is not settled of a part; `False` when that was refused."""
        open_ = [due for due in part if due.stamp.stix_id not in self._passed and due.stamp.stix_id not in self._guilty]
        if not open_:
            return True
        try:
            results = self._attempt(open_)
        except BatchRefused as refusal:
            if len(open_) == 1:
                self._guilty[open_[0].stamp.stix_id] = (open_[0], refusal)
            return False
        self._passed.update(due.stamp.stix_id for due in open_)
        self._record(open_, results)
        return True

    def compare(self, refused: Sequence[Sequence[Due]]) -> None:
        """Compare a single item of the first part with one of the last.

        Raises:
            RefusedAlike: both were refused in the same words.
        """
        first, last = refused[0][0], refused[-1][-1]
        self.passes([first])
        self.passes([last])
        if self._passed:
            return
        one, other = (self._guilty[item.stamp.stix_id][1] for item in (first, last))
        if _words(one) == _words(other):
            raise RefusedAlike(str(one))

    def settle(self) -> None:
        """Record what was refused on its own."""
        for due, refusal in self._guilty.values():
            self._record([due], [ItemResult(Outcome.REJECTED, Reason.REJECTED, str(refusal))])


def _words(refusal: BatchRefused) -> str:
    """A refusal without what names the item: numbers, identifiers and quoted values."""
    return refusal.code + " " + re.sub(r"'[^']*'|\"[^\"]*\"|[0-9a-f-]{8,}|\d+", "…", str(refusal))
