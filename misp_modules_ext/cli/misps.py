"""Which MISP a command reads: `--misp`, a section of the configuration."""

from __future__ import annotations

from misp_modules_ext.config import Settings
from misp_modules_ext.config.settings import MispSettings
from misp_modules_ext.errors import UsageError


def misp_called(settings: Settings, name: str) -> MispSettings:
    """The section of that name: `misp`, `RH-ISAC MISP`, `misp NAME` or NAME alone, in any case of letters.

    Raises:
        UsageError: there is none.
    """
    every = [one for one in (settings.rh_isac, settings.misp, *settings.other_misps) if one is not None]
    by_name = {one.name.lower(): one for one in reversed(every)}
    wanted = " ".join(name.lower().split())
    found = by_name.get(wanted) or by_name.get(f"misp {wanted}")
    if found is None:
        known = ", ".join(f"[{one.name}]" for one in every) or "none"
        raise UsageError(f"The configuration has no section [{name[:60]}] of a MISP to read. It has: {known}.")
    return found


def event_misp(settings: Settings, misp: MispSettings) -> str:
    """What events read from it bear as `Event.misp`: nothing for the MISP that these modules serve."""
    return "" if misp is settings.misp else misp.address
