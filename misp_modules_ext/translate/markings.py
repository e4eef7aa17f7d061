"""What tags say: TLP, PAP, labels.

A tag is read once per name and remembered, since an event's tags are looked at again for each of its attributes.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import chain
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
    """Read a tag name, in any case."""
    lowered = name.strip().lower()
    namespace, colon, predicate = lowered.partition(":")
    predicate = predicate.strip().strip('"')
    marking = colon and namespace.strip() in ("tlp", "pap")
    tlp = _TLP.get(predicate) if marking and namespace.strip() == "tlp" else None
    pap = _PAP.get(predicate) if marking and namespace.strip() == "pap" else None
    label = "" if tlp is not None or lowered.startswith(_OWN) else readable(name)
    return Reading(tlp, pap, bool(marking) and tlp is None and pap is None, label)


class Marks(NamedTuple):
    """What several tags say together; the strictest marking counts.

    Attributes:
        tlp: `None` when no tag says anything that we know.
        pap: likewise.
        labels: names of exportable tags that are not local and not ours, with the configured ones; sorted, each once.
    """

    tlp: Tlp | None
    pap: Pap | None
    labels: tuple[str, ...]


@lru_cache(maxsize=4096)
def marks_of(event: tuple[Tag, ...], attribute: tuple[Tag, ...], configured: tuple[str, ...] = ()) -> Marks:
    """Read the tags of an event and of one of its attributes. Equal tags share one answer, which saves memory too."""
    readings = [(tag, read_tag(tag.name)) for tag in chain(event, attribute)]
    tlp = max((reading.tlp for _, reading in readings if reading.tlp is not None), default=None)
    pap = max((reading.pap for _, reading in readings if reading.pap is not None), default=None)
    labels = {reading.label for tag, reading in readings if tag.exportable and not tag.local}
    labels.update(configured)
    labels.discard("")
    return Marks(tlp, pap, tuple(sorted(labels)))


def tlp_of(event: Event, attribute: Attribute, default: Tlp) -> Tlp:
    """The strictest TLP that attribute or event carry.

    Args:
        event: its tags count for every attribute.
        attribute: its own tags.
        default: what counts when no tag says anything that we know; an unknown marking (`tlp:rainbow`) says nothing.
    """
    tlp = marks_of(event.tags, attribute.tags).tlp
    return default if tlp is None else tlp


def pap_of(event: Event, attribute: Attribute) -> Pap | None:
    """The strictest PAP that attribute or event carry; `None` when no tag says anything that we know."""
    return marks_of(event.tags, attribute.tags).pap


def unknown_markings(event: Event, attribute: Attribute) -> tuple[str, ...]:
    """TLP and PAP tags that we do not know, as written, each once: `tlp:rainbow`, `tlp:ex:chr`."""
    names = dict.fromkeys(tag.name for tag in chain(event.tags, attribute.tags) if read_tag(tag.name).unknown)
    return tuple(names)
