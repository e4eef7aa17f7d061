"""The differences between a destination and the ledger, as records."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum

from misp_modules_ext.delivery.drain import Place
from misp_modules_ext.ledger.holdings import Holding
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.ledger.repairs import There
from misp_modules_ext.model.indicator import Observable
from misp_modules_ext.model.outcome import State


class Drift(str, Enum):
    """How something differs."""

    DELETED = "deleted"
    EDITED = "edited"
    LEFT_OVER = "left-over"
    UNKNOWN = "unknown"
    RULES = "rules"

    def __str__(self) -> str:
        return self.value


@dataclass(slots=True)
class Finding:
    """One difference.

    Attributes:
        observable: `None` for an entry of which it cannot be told.
        name: STIX id, or Microsoft's id where there is none.
        message: what differs, as a sentence.
        row: of the ledger, as it was.
        there: the entry that a repair is about; `None` where it can do nothing.
        leaving: the repair takes something away.
        action: what was done about it, `""` for nothing.
    """

    drift: Drift
    observable: Observable | None
    name: str
    message: str
    row: Holding | None = None
    there: There | None = None
    leaving: bool = False
    action: str = ""

    @property
    def number(self) -> int:
        """The id of its observable, 0 for none."""
        return 0 if self.observable is None else observable_id(self.observable)


@dataclass(slots=True)
class Comparison:
    """How a destination compares.

    Attributes:
        state: whether the list could be read.
        message: why not, else `""`.
        listed: it was read, whole.
        held_back: why nothing is concluded from it although it was read, else `""`.
        counts: `right`, `settling` (sent a short time ago, or under way), `waiting` (to be withdrawn), `held`.
    """

    place: Place
    state: State = State.OK
    message: str = ""
    listed: bool = False
    held_back: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
