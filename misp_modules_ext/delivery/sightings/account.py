"""What a run of `sightings` is to do, and what it did."""

from __future__ import annotations

from dataclasses import dataclass, field

from misp_modules_ext.ledger import syncs
from misp_modules_ext.ledger.sightings import Key, Told


@dataclass(frozen=True, slots=True)
class Wish:
    """What a run is to do.

    Attributes:
        last: seconds to look back; `None` for where the last run that ended well began.
        destinations: names; empty for all.
        most: sightings that MISP is told at most.
        preview: note and tell nothing.
    """

    last: int | None = None
    destinations: tuple[str, ...] = ()
    most: int = 1000
    preview: bool = False


@dataclass(slots=True)
class Done:
    """What a run did.

    Attributes:
        busy: another run is at it, so this one did nothing.
        since: where it began to look, seconds since 1970 UTC.
        asked: values that were asked about, at all destinations together.
        hits: answers that a value was seen.
        false_alerts: alerts that somebody has classified as false positives, whatever they are about.
        undated: hits and false alerts left out because Microsoft does not say when.
        elsewhere: sightings left out because their MISP has no key, or is not to be told.
        new: sightings that no run had noted before; in a preview those that would be told.
        told: added to MISP.
        known: sightings that MISP had already.
        gone: sightings of attributes that MISP does not show.
        waiting: sightings that MISP has still to be told.
        problems: a sentence for each API of a destination that did not answer.
        failures: a sentence for each reason why a MISP could not be told.
        refused: whether Microsoft or MISP refused us.
        unreachable: whether a MISP could not be asked.
    """

    busy: syncs.Busy | None = None
    since: int = 0
    asked: int = 0
    hits: int = 0
    false_alerts: int = 0
    undated: int = 0
    elsewhere: int = 0
    new: dict[Key, Told] = field(default_factory=dict)
    told: int = 0
    known: int = 0
    gone: int = 0
    waiting: int = 0
    problems: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    refused: bool = False
    unreachable: bool = False

    @property
    def settled(self) -> int:
        """Sightings that wait no more."""
        return self.told + self.known + self.gone
