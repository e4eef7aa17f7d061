"""A destination in memory: the real interface, with faults that a test plans."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.destinations.interface import Finding, ItemResult, Limit, Refusal
from misp_modules_ext.errors import BatchRefused
from misp_modules_ext.model.indicator import Due, Indicator, Kind
from misp_modules_ext.model.outcome import Outcome, Reason
from tests.support.build import destination


class MemoryDestination:
    """Keeps what it accepts in `held`.

    Args:
        size: indicators a request may hold.
        guilty: values for which a request is answered 400, and the words of the answer.
        before: called before each request with its number, starting at 1; may raise.
        foreign: values that someone else has put there.
    """

    def __init__(
        self,
        *,
        size: int = 100,
        in_flight: int = 1,
        guilty: dict[str, str] | None = None,
        before: Callable[[int], None] | None = None,
        foreign: Iterable[str] = (),
        settings: DestinationSettings | None = None,
    ) -> None:
        self.settings = settings or destination()
        self.in_flight = in_flight
        self.limit: Limit | None = None
        self.held: dict[str, Indicator] = {}
        self.requests: list[int] = []
        self._size = size
        self._guilty = guilty or {}
        self._before = before or (lambda number: None)
        self._foreign = frozenset(foreign)
        self._lock = threading.Lock()

    def refuses(self, indicator: Indicator) -> Refusal | None:
        """It has no place for file names."""
        refused = indicator.observable.kind is Kind.FILE_NAME
        return Refusal(Reason.KIND_NOT_HELD, "no place for file names") if refused else None

    def survey(self, dues: Sequence[Due], timeout: float) -> list[Due | Refusal]:
        """Others' values are left alone."""
        foreign = Refusal(Reason.ALREADY_THERE, "someone else's")
        return [foreign if due.indicator.observable.value in self._foreign else due for due in dues]

    def batches(self, dues: Sequence[Due]) -> list[list[Due]]:
        """By size."""
        return [list(dues[start : start + self._size]) for start in range(0, len(dues), self._size)]

    def send(self, batch: Sequence[Due], timeout: float) -> list[ItemResult]:
        """Accept all or refuse all."""
        with self._lock:
            self.requests.append(len(batch))
            number = len(self.requests)
        self._before(number)
        values = [due.indicator.observable.value for due in batch]
        for value in values:
            if value in self._guilty:
                raise BatchRefused(self._guilty[value], "InvalidInput")
        self.held |= {due.indicator.observable.value: due.indicator for due in batch}
        return [ItemResult(Outcome.ACCEPTED)] * len(batch)

    def withdraw(self, batch: Sequence[Due], timeout: float) -> list[ItemResult]:
        """Forget."""
        for due in batch:
            self.held.pop(due.indicator.observable.value, None)
        return [ItemResult(Outcome.ACCEPTED)] * len(batch)

    def check(self) -> list[Finding]:
        """Always well."""
        return [Finding("memory", ok=True, answer="there")]

    def hosts(self) -> list[str]:
        """None."""
        return []
