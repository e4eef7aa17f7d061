"""What Microsoft can be asked about a value, without changing anything: is it there, and was it seen in the estate.

A destination offers probes: questions that stand alone, each answered by one of Microsoft's APIs. Whoever asks runs
them side by side, each within its time, so that a slow or refused one never hides what the others say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

from misp_modules_ext.model.indicator import Kind, Observable

Said = TypeVar("Said")

#: `Probe.asked` of each API, for a reader and for telling them apart.
ASKED_MANAGEMENT = "Sentinel's indicators"
ASKED_LOGS = "Log Analytics"
ASKED_DEFENDER = "Defender's indicators"
ASKED_STATISTICS = "Defender's statistics"
ASKED_HUNTING = "advanced hunting"
ASKED_ALERTS = "Defender's alerts"


class EntryState(str, Enum):
    """How an entry at Microsoft stands."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"

    __str__ = str.__str__


class Presence(NamedTuple):
    """An entry about one value at Microsoft.

    Attributes:
        ours: it carries our name (Sentinel's `source`, Defender's `application`).
        action: as Microsoft spells it; `""` where the API has none.
        severity: as Microsoft spells it; `""` where the API has none.
        confidence: 0 to 100; `None` where the API has none.
        valid_until: seconds since 1970 UTC; `None` when it has no end.
        since: when it came there, seconds since 1970 UTC; `None` when that is not told.
    """

    observable: Observable
    ours: bool
    state: EntryState
    action: str = ""
    severity: str = ""
    confidence: int | None = None
    valid_until: int | None = None
    since: int | None = None


class Sighting(NamedTuple):
    """That a value was seen in the estate, by one source.

    Attributes:
        source: the table, or the name of the statistics.
        times: how often; for statistics, which count devices only, that number.
        devices: on how many devices; `None` where the source does not tell.
        first: seconds since 1970 UTC, within the window that was asked for; `None` when that is not told.
        last: likewise.
    """

    observable: Observable
    source: str
    times: int
    devices: int | None = None
    first: int | None = None
    last: int | None = None


class FalseAlert(NamedTuple):
    """A value in the evidence of an alert that somebody has classified as a false positive.

    Attributes:
        alert: Microsoft's id of it.
        kinds: what the value may be.
        value: as Microsoft spells it.
        moment: when it was resolved, or else last changed, seconds since 1970 UTC; `None` when that is not told.
    """

    alert: str
    kinds: tuple[Kind, ...]
    value: str
    moment: int | None


@dataclass(frozen=True, slots=True)
class Probe(Generic[Said]):
    """One question to one of Microsoft's APIs, about one value or many.

    Attributes:
        asked: the API, one of `ASKED_…`.
        about: the values.
        put: asks about all or some of them, in so many seconds at most; raises `DestinationError`, whose text says what
            to do.
    """

    asked: str
    about: tuple[Observable, ...]
    put: Callable[[Sequence[Observable], float], Sequence[Said]]

    def ask(self, timeout: float) -> Sequence[Said]:
        """Ask about all of them.

        Args:
            timeout: in seconds.

        Raises:
            DestinationError: no answer, with what to do.
        """
        return self.put(self.about, timeout)


@runtime_checkable
class LooksUp(Protocol):
    """A destination that can be asked about values."""

    def presence(self, observables: Sequence[Observable]) -> list[Probe[Presence]]:
        """Whether values are there: probes of each API that can tell; none where nothing can be asked.

        For many values the requests are few, where the API takes several in one.
        """
        ...

    def estate(self, observables: Sequence[Observable], since: int) -> list[Probe[Sighting]]:
        """Whether values were seen in the estate since a moment (seconds since 1970 UTC), one probe for each query.

        For many values the queries are few: each holds as many values as its API takes well.
        """
        ...


@runtime_checkable
class ClassifiesAlerts(Protocol):
    """A destination that can be asked which alerts of its tenant were false."""

    def false_alerts(self, since: int, timeout: float) -> Sequence[FalseAlert]:
        """The values of alerts that changed since a moment and count as false positives.

        Args:
            since: seconds since 1970 UTC.
            timeout: in seconds.

        Raises:
            DestinationError: not all of them are known; its text says what to do.
        """
        ...
