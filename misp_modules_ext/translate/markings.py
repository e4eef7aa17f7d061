"""What tags say: TLP, PAP, labels.

A tag is read once per name and remembered.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from misp_modules_ext.model.misp import Pap, Tag, Tlp
from misp_modules_ext.translate.text import readable

_TLP = {
    "white": Tlp.CLEAR,
    "clear": Tlp.CLEAR,
    "green": Tlp.GREEN,
    "amber": Tlp.AMBER,
    "amber+strict": Tlp.AMBER_STRICT,
    "amber-strict": Tlp.AMBER_STRICT,
    "amber strict": Tlp.AMBER_STRICT,
    "red": Tlp.RED,
}
_PAP = {"white": Pap.CLEAR, "clear": Pap.CLEAR, "green": Pap.GREEN, "amber": Pap.AMBER, "red": Pap.RED}
#: `tlp:red`, `TLP : Red`, and the triple-tag spelling `tlp="red"`.
_MARKING = re.compile(r'(?P<family>tlp|pap)\s*(?::|=(?="))(?P<word>.*)', re.DOTALL)
#: Our own tags: what we write back, and what picks attributes. They never become labels (DESIGN.md 4, rule 4).
_OWN = ("misp-microsoft:", "microsoft:push")


class Reading(NamedTuple):
    """What one tag name says.

    Attributes:
        unknown: it claims to be a TLP or PAP marking and is none that we know.
        label: the name as a label; `""` for our own tags, and for TLP tags: the strictest of them is the indicator's
            marking, and a milder one beside it would mislead.
    """

    tlp: Tlp | None
    pap: Pap | None
    unknown: bool
    label: str


@lru_cache(maxsize=4096)
def read_tag(name: str) -> Reading:
    """Read a tag name, in any case; characters that nobody sees do not make a marking another one."""
    lowered = "".join(c for c in name.lower() if unicodedata.category(c) != "Cf").strip()
    found = _MARKING.fullmatch(lowered)
    family, word = (found["family"], found["word"].strip().strip('"').strip()) if found else ("", "")
    tlp = _TLP.get(word, _stricter(word)) if family == "tlp" else None
    pap = _PAP.get(word, Pap.RED if word.startswith("red") else None) if family == "pap" else None
    unknown = bool(family) and word not in (_TLP if family == "tlp" else _PAP)
    label = "" if tlp is not None or lowered.startswith(_OWN) else readable(name)
    return Reading(tlp, pap, unknown, label)


def _stricter(word: str) -> Tlp | None:
    """What an unknown TLP must be at least, when it begins like a known one: `red (not for disclosure)` is red."""
    if word.startswith("red"):
        return Tlp.RED
    return Tlp.AMBER_STRICT if word.startswith("amber") else None


class Marks(NamedTuple):
    """What several tags say together; the strictest marking counts.

    Attributes:
        tlp: the configured default when no tag says anything that we know; an unknown marking (`tlp:rainbow`) says
            nothing, unless it begins like a strict one.
        pap: `None` when no tag says anything that we know.
        labels: names of exportable tags that are not local and not ours, with the configured ones; sorted, each once.
        unknown: names that claim to be a marking and are none that we know, as written, each once.
    """

    tlp: Tlp
    pap: Pap | None
    labels: tuple[str, ...]
    unknown: tuple[str, ...]


class EventMarks:
    """The marks of an event's tags together with those of each of its attributes.

    An event may have hundreds of tags and tens of thousands of attributes: its own are read once.
    """

    def __init__(self, tags: tuple[Tag, ...], default: Tlp, configured: tuple[str, ...] = ()) -> None:
        """Read the event's tags.

        Args:
            tags: the event's; they count for every attribute.
            default: what counts without a TLP.
            configured: labels for all indicators.
        """
        self._readings = _readings(tags)
        self._default = default
        self._configured = configured

    def of(self, tags: tuple[Tag, ...]) -> Marks:
        """The marks of an attribute with these tags of its own."""
        readings = [*self._readings, *_readings(tags)]
        tlp = max((reading.tlp for _, reading in readings if reading.tlp is not None), default=self._default)
        pap = max((reading.pap for _, reading in readings if reading.pap is not None), default=None)
        labels = {reading.label for tag, reading in readings if tag.exportable and not tag.local}
        labels.update(self._configured)
        labels.discard("")
        unknown = dict.fromkeys(tag.name for tag, reading in readings if reading.unknown)
        return Marks(tlp, pap, tuple(sorted(labels)), tuple(unknown))


def _readings(tags: tuple[Tag, ...]) -> list[tuple[Tag, Reading]]:
    return [(tag, read_tag(tag.name)) for tag in tags]
