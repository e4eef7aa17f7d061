"""A destination in memory: the real interface, with faults that a test plans."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.destinations.interface import Entry, ItemResult, Limit, Refusal
from misp_modules_ext.errors import BatchRefused, NotFound
from misp_modules_ext.model.finding import Code, Finding
from misp_modules_ext.model.indicator import Due, Indicator, Kind, Observable
from misp_modules_ext.model.outcome import Outcome, Reason
from tests.support.build import destination


class MemoryDestination:
    """Keeps what it accepts in `held`.

    Args:
        size: indicators a request may hold.
        guilty: values for which a request is answered 400, and the words of the answer.
        before: called before each request with its number, starting at 1; may raise.
        foreign: values (host names) that someone else has put there.
        cannot_list: why it cannot be read back.
        shows: makes a digest of what it shows of an indicator.
    """

    def __init__(
        self,
        *,
        size: int = 100,
        in_flight: int = 1,
        guilty: dict[str, str] | None = None,
        before: Callable[[int], None] | None = None,
        foreign: Iterable[str] = (),
        cannot_list: str = "",
        settings: DestinationSettings | None = None,
        shows: Callable[[Indicator], bytes] = Indicator.content_hash,
    ) -> None:
        self.settings = settings or destination()
        self.in_flight = in_flight
        self.limit: Limit | None = None
        self.cannot_list = cannot_list
        self.held: dict[str, Indicator] = {}
        self.requests: list[int] = []
        self._stix_ids: dict[str, str] = {}
        self._size = size
        self._guilty = guilty or {}
        self._shows = shows
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
        self._stix_ids |= {due.indicator.observable.value: due.stamp.stix_id for due in batch}
        return [ItemResult(Outcome.ACCEPTED)] * len(batch)

    def withdraw(self, batch: Sequence[Due], timeout: float) -> list[ItemResult]:
        """Forget."""
        for due in batch:
            self.held.pop(due.indicator.observable.value, None)
        return [ItemResult(Outcome.ACCEPTED)] * len(batch)

    def entries(self, timeout: float) -> list[Entry]:
        """What is held, by STIX id, and what someone else has put there."""
        if self.cannot_list:
            raise NotFound(self.cannot_list)
        ours = [
            Entry("", self._stix_ids[value], one.observable, True, one.valid_until, False, {"content": one})
            for value, one in self.held.items()
        ]
        theirs = [
            Entry(value, "", Observable(Kind.DOMAIN_NAME, value), False, None, False, {})
            for value in sorted(self._foreign)
        ]
        return ours + theirs

    def digest(self, indicator: Indicator) -> bytes:
        """As it was told."""
        return self._shows(indicator)

    def differs(self, entry: Entry, due: Due) -> str:
        """Whether the content is another one."""
        return "" if entry.says.get("content") == due.indicator else "content is another one"

    def check(self) -> list[Finding]:
        """Always well."""
        return [Finding(Code.UPLOAD, "memory", "there")]

    def hosts(self) -> list[str]:
        """None."""
        return []
