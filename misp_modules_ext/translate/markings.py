"""What tags say: TLP, PAP, labels.

A tag is read once per name and remembered, since an event's tags are looked at again for each of its attributes.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from misp_modules_ext.model.misp import Attribute, Event, Pap, Tag, Tlp
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
        tlp: `None` when no tag says anything that we know.
        pap: likewise.
        labels: names of exportable tags that are not local and not ours, with the configured ones; sorted, each once.
        unknown: names that claim to be a marking and are none that we know, as written.
    """

    tlp: Tlp | None
    pap: Pap | None
    labels: tuple[str, ...]
    unknown: tuple[str, ...]


class _EventMarks:
    """The marks of one event's tags, alone and with those of its attributes.

    An event may have hundreds of tags and tens of thousands of attributes: its tags are read once, not for each.
    """

    def __init__(self, tags: tuple[Tag, ...]) -> None:
        self.tags = tags
        self._readings = _readings(tags)
        self._found: dict[tuple[tuple[Tag, ...], tuple[str, ...]], Marks] = {}

    def with_attribute(self, tags: tuple[Tag, ...], configured: tuple[str, ...]) -> Marks:
        """The marks of the event's tags and these. Equal tags share one answer, which saves memory too."""
        found = self._found.get((tags, configured))
        if found is None:
            found = self._found[tags, configured] = _together([*self._readings, *_readings(tags)], configured)
        return found


_latest = threading.local()


def marks_of(event: tuple[Tag, ...], attribute: tuple[Tag, ...], configured: tuple[str, ...] = ()) -> Marks:
    """Read the tags of an event and of one of its attributes."""
    marks: _EventMarks | None = getattr(_latest, "marks", None)
    if marks is None or marks.tags is not event:
        marks = _latest.marks = _EventMarks(event)
    return marks.with_attribute(attribute, configured)


def _readings(tags: tuple[Tag, ...]) -> list[tuple[Tag, Reading]]:
    return [(tag, read_tag(tag.name)) for tag in tags]


def _together(readings: list[tuple[Tag, Reading]], configured: tuple[str, ...]) -> Marks:
    tlp = max((reading.tlp for _, reading in readings if reading.tlp is not None), default=None)
    pap = max((reading.pap for _, reading in readings if reading.pap is not None), default=None)
    labels = {reading.label for tag, reading in readings if tag.exportable and not tag.local}
    labels.update(configured)
    labels.discard("")
    unknown = dict.fromkeys(tag.name for tag, reading in readings if reading.unknown)
    return Marks(tlp, pap, tuple(sorted(labels)), tuple(unknown))


def tlp_of(event: Event, attribute: Attribute, default: Tlp) -> Tlp:
    """The strictest TLP that attribute or event carry.

    Args:
        event: its tags count for every attribute.
        attribute: its own tags.
        default: what counts when no tag says anything that we know; an unknown marking (`tlp:rainbow`) says nothing,
            unless it begins like a strict one.
    """
    tlp = marks_of(event.tags, attribute.tags).tlp
    return default if tlp is None else tlp


def pap_of(event: Event, attribute: Attribute) -> Pap | None:
    """The strictest PAP that attribute or event carry; `None` when no tag says anything that we know."""
    return marks_of(event.tags, attribute.tags).pap


def unknown_markings(event: Event, attribute: Attribute) -> tuple[str, ...]:
    """TLP and PAP tags that we do not know, as written, each once: `tlp:rainbow`, `tlp:ex:chr`."""
    return marks_of(event.tags, attribute.tags).unknown
