"""Telling our sections from those that other integrations keep in the same file."""

from __future__ import annotations

import re
from dataclasses import dataclass

from misp_modules_ext.config.findings import closest
from misp_modules_ext.config.ini import RawSection
from misp_modules_ext.config.notyet import SECTIONS
from misp_modules_ext.config.schema import Part

RH_ISAC = "RH-ISAC MISP"
#: The MISP that the modules serve.
SERVED = "misp"

_FIXED: dict[str, Part] = {
    "microsoft": Part.DESTINATION,
    SERVED: Part.MISP,
    RH_ISAC.lower(): Part.MISP,
    "selection": Part.SELECTION,
    "indicator": Part.INDICATOR,
    "ledger": Part.LEDGER,
    "queue": Part.QUEUE,
    "lookup": Part.LOOKUP,
    "write-back": Part.WRITE_BACK,
}
_KNOWN = (
    "microsoft",
    SERVED,
    RH_ISAC,
    "selection",
    "indicator",
    "ledger",
    "queue",
    "lookup",
    "write-back",
    *(str(name) for name in SECTIONS),
)
#: `[microsoft: soc]`, `[misp-two]`: ours, but for the space.
_GLUED = re.compile(r"(microsoft|misp)\s*[^a-z0-9\s]\s*(\S.*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class OurSection:
    """A section of ours.

    Attributes:
        part: which keys it may hold; a name for a section that has none yet.
        name: its label: as written, with single spaces and our own words as documented.
    """

    part: Part | str
    name: str
    raw: RawSection


def recognise(raw: RawSection) -> OurSection | None:
    """The section as one of ours, `None` when it is somebody else's."""
    words = raw.name.split()
    name = " ".join(words)
    lower = name.lower()
    if lower == RH_ISAC.lower():
        return OurSection(Part.MISP, RH_ISAC, raw)
    if lower in _FIXED:
        return OurSection(_FIXED[lower], lower, raw)
    if lower in SECTIONS:
        return OurSection(lower, lower, raw)
    if words and words[0].lower() in {"microsoft", "misp"}:
        return OurSection(_FIXED[words[0].lower()], " ".join([words[0].lower(), *words[1:]]), raw)
    return None


def meant(name: str) -> str:
    """The section of ours that an unknown one was probably meant to be, `""` when it looks like nobody's mistake."""
    if glued := _GLUED.fullmatch(name.strip()):
        return f"{glued[1].lower()} {glued[2]}"
    first, _, rest = " ".join(name.split()).partition(" ")
    if rest and (near := closest(first, ("microsoft", "misp"), cutoff=0.75)):
        return f"{near} {rest}"
    return closest(" ".join(name.split()), _KNOWN, cutoff=0.8)
