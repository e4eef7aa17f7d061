"""What the commands that only look at the ledger share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from misp_modules_ext.config import Settings
from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.delivery.rounds import ALIVE_MS
from misp_modules_ext.delivery.submit import choose
from misp_modules_ext.destinations import create
from misp_modules_ext.ledger import Ledger, Store, evictions, queries
from misp_modules_ext.ledger.stores import key_of
from misp_modules_ext.model.outcome import Reason
from misp_modules_ext.planning import RuleSet
from misp_modules_ext.report.text import plural

#: What to say when nothing sends in the background.
NO_DRAIN = (
    "No drain is alive: run `misp-microsoft serve` or `misp-microsoft worker`, else what waits goes with the next push "
    "or `misp-microsoft sync`."
)
NO_KEY = (
    "[misp] has no key, so events are not read from MISP: there are additions and updates only, and nothing is "
    "withdrawn. Add `key` to [misp]."
)
READS = "Events are read with the key of [misp]: what MISP no longer says is withdrawn."


def reading_words(others: Sequence[str], *, served: bool) -> str:
    """Of which MISPs events are read, and what that means for withdrawing.

    Args:
        others: the sections of MISPs that are read, beside `[misp]`.
        served: `[misp]` is read.
    """
    if served or not others:
        return READS if served else NO_KEY
    named = ", ".join(f"[{name}]" for name in others)
    return (
        f"Events of {named} are read: what is no longer said there is withdrawn. [misp] has no key, so of what is "
        "pushed from elsewhere (download menu, workflows, files) there are additions and updates only. If that is "
        "used, add `url` and `key` to [misp]."
    )


_PAUSES = {Reason.CREDENTIALS_REFUSED: 4, Reason.PERMISSION_REFUSED: 4, Reason.NOT_FOUND: 2}


#: What to do about an `Orphan`.
ADOPT = (
    "If only its address has changed, write the old one into `url` again; else `misp-microsoft withdraw --event UUID` "
    "takes back what an event said."
)


def orphan_words(orphan: queries.Orphan) -> str:
    """That events of a MISP which no section names are left to themselves."""
    return (
        f"the ledger holds {plural(orphan.events, 'event')} of {orphan.misp}, for example {orphan.example}, and no "
        "section has this MISP: they are not read, and nothing of them is changed or withdrawn."
    )


def misps(settings: Settings) -> list[str]:
    """The addresses of all MISPs of the configuration."""
    every = (settings.rh_isac, settings.misp, *settings.other_misps)
    return sorted({misp.address for misp in every if misp is not None})


class Place(NamedTuple):
    """A destination in the ledger, with its settings when the configuration still has them.

    Attributes:
        known: `None` when nothing was ever sent to it.
    """

    known: queries.Destination | None
    settings: DestinationSettings | None

    @property
    def name(self) -> str:
        """The section's name."""
        return self.settings.name if self.settings is not None else self.known.label if self.known is not None else ""

    @property
    def api(self) -> str:
        """Which of Microsoft's APIs it speaks."""
        return (
            self.settings.api.value if self.settings is not None else self.known.api if self.known is not None else ""
        )

    @property
    def title(self) -> str:
        """The name, and that the configuration no longer has it."""
        return self.name + ("" if self.settings is not None else " (no longer configured)")

    @property
    def store(self) -> Store | None:
        """The destination, when it is both in the ledger and in the configuration."""
        if self.known is None or self.settings is None:
            return None
        refuses = create(self.settings).refuses
        return Store(self.known.destination_id, self.settings, RuleSet.of(self.settings), refuses)


def places(ledger: Ledger, settings: Settings, names: Sequence[str]) -> list[Place]:
    """The destinations of the configuration that are named, and unless some are named those that it no longer has.

    Raises:
        UsageError: there is no such destination.
    """
    chosen = choose(settings, names)
    known = {found.store: found for found in ledger.read(queries.destinations)}
    found = [Place(known.get(key_of(destination)), destination) for destination in chosen]
    if not names:
        configured = {key_of(destination) for destination in settings.destinations}
        found += [Place(row, None) for row in known.values() if row.store not in configured]
    return found


def reason_of(code: str | None) -> Reason | None:
    """The reason with which a row waits; the ledger's own marks are none, or stand for one."""
    return Reason.CAPACITY if code == evictions.MARK else Reason.of(code)


def is_alive(drain: queries.Drain) -> bool:
    """Whether a drain has been heard of lately."""
    return drain.seen * 1000 < ALIVE_MS


def pause_code(pause_reason: Reason | None) -> int:
    """The exit code that a pause means."""
    return _PAUSES.get(pause_reason, 3) if pause_reason is not None else 3
