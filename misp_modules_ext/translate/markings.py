"""What tags say: TLP, PAP, labels, confidence, and the context of a threat.

A tag is read once per name and remembered. What leaves MISP comes from tags that may leave it: one that is local or
not exportable binds the gates, and says nothing else.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import chain
from typing import NamedTuple, TypeVar

from misp_modules_ext.model.indicator import NO_CONTEXT, Context
from misp_modules_ext.model.misp import Pap, Tag, Tlp
from misp_modules_ext.translate.confidence import DEFAULT_CONFIDENCE, Assessed, Assessment, assessed, together
from misp_modules_ext.translate.galaxies import context_of
from misp_modules_ext.translate.machine_tags import machine_tag, plain
from misp_modules_ext.translate.text import readable
from misp_modules_ext.translate.threats import NO_THREAT, Hint, Threat, decided, hints

#: By the words of a level, whatever stands between them.
_TLP: Mapping[tuple[str, ...], Tlp] = {
    ("white",): Tlp.CLEAR,
    ("clear",): Tlp.CLEAR,
    ("green",): Tlp.GREEN,
    ("amber",): Tlp.AMBER,
    ("amber", "strict"): Tlp.AMBER_STRICT,
    ("red",): Tlp.RED,
}
_PAP: Mapping[tuple[str, ...], Pap] = {
    ("white",): Pap.CLEAR,
    ("clear",): Pap.CLEAR,
    ("green",): Pap.GREEN,
    ("amber",): Pap.AMBER,
    ("red",): Pap.RED,
}
#: What an unknown marking must be at least by how one of its words begins: `red (not for disclosure)` is red. A mild
#: TLP would open what the configured level closes; where there is no PAP, there is nothing to open.
_LEAST_TLP = {"red": Tlp.RED, "amber": Tlp.AMBER_STRICT}
_LEAST_PAP = {"red": Pap.RED, "amber": Pap.AMBER, "green": Pap.GREEN}
#: `tlp:red`, `TLP : Red`, `tlp="red"`, `TLP-RED`, `tlp_red`, `TLP RED`, `[TLP:RED]`, `sector:tlp="red"`.
_MARKING = re.compile(
    r"(?P<before>.*?)(?<![a-z0-9])(?P<family>tlp|pap)(?P<between>[\W_]*)(?P<said>.*)", re.DOTALL | re.ASCII
)
#: What makes a tag a marking whatever follows; with other separators it is one only when a level follows.
_CLAIMS = re.compile("[:=]")
_WORDS = re.compile("[a-z0-9]+")
#: Our own tags: what we write back, and what picks attributes. They never become labels (DESIGN.md 4, rule 4).
_OWN = ("misp-microsoft:", "microsoft:push")
#: How the label begins that ties the indicators of one MISP object; its UUID follows.
OBJECT_LABEL = "misp:object="
#: What the tags of MISP's tlp taxonomy mean that are no level, for the report.
_NO_LEVEL = {
    ("ex", "chr"): "is the Chatham House Rule (do not tell who said it) and no level; it opens and closes nothing.",
    ("unclear",): "is no level; what other tags say counts, or the configured level.",
}
_UNKNOWN = "is not known and was left aside."

T = TypeVar("T", str, tuple[str, str])
L = TypeVar("L", Tlp, Pap)


class Reading(NamedTuple):
    """What one tag name says.

    Attributes:
        unknown: it claims to be a TLP or PAP marking and is none that we know.
        label: the name as a label; `""` for our own tags, and for TLP tags: the strictest of them is the indicator's
            marking, and a milder one beside it would mislead.
        why: of an unknown one, what to tell of it, as the rest of a sentence; else `""`.
        context: what it says about the threat.
        assessed: what it says about confidence, `None` for nothing.
        hints: what it says about the type of threat.
    """

    tlp: Tlp | None
    pap: Pap | None
    unknown: bool
    label: str
    why: str = ""
    context: Context = NO_CONTEXT
    assessed: Assessed | None = None
    hints: tuple[Hint, ...] = ()


@lru_cache(maxsize=4096)
def read_tag(name: str) -> Reading:
    """Read a tag name, in any case; characters that nobody sees do not make a marking another one."""
    lowered = plain(name)
    own = lowered.startswith(_OWN)
    label = "" if own else readable(name)
    marking = _marking(lowered)
    if marking is not None:
        return marking._replace(label="" if marking.tlp is not None else label)
    if own:
        return Reading(None, None, False, label)
    tag = machine_tag(name)
    context = context_of(tag)
    return Reading(None, None, False, label, "", context, assessed(tag), hints(tag, context))


def _marking(lowered: str) -> Reading | None:
    """What a tag says as a marking, without a label; `None` when it is none.

    Args:
        lowered: its name in lower case.
    """
    found = _MARKING.fullmatch(unicodedata.normalize("NFKC", lowered))
    if found is None:
        return None
    said = found["said"]
    tlp = pap = None
    if found["family"] == "tlp":
        tlp, known = _level(said, _TLP, _LEAST_TLP)
    else:
        pap, known = _level(said, _PAP, _LEAST_PAP)
    claims = _CLAIMS.search(found["between"]) is not None
    if _WORDS.search(found["before"]):
        # Somebody's own marking, or what is told of one: it may close, and opens nothing.
        strict = (tlp is not None and tlp >= Tlp.AMBER) or pap is not None
        return Reading(tlp, pap, False, "") if claims and strict else None
    if tlp is None and pap is None and not claims:
        return None
    return Reading(tlp, pap, not known, "", "" if known else _NO_LEVEL.get(_words(said), _UNKNOWN))


def _level(said: str, levels: Mapping[tuple[str, ...], L], least: Mapping[str, L]) -> tuple[L | None, bool]:
    """The level that is said, or what it must be at least (`None` for nothing), and whether it is one we know."""
    whole = levels.get(_words(said))
    if whole is not None:
        return whole, True
    # `tlp:level="red"`; in `tlp:red="green"` the stricter one counts.
    head, _, value = said.rpartition("=")
    last = levels.get(_words(value)) if head else None
    doubtful = _words(said if last is None else head)
    told = [level for begin, level in least.items() if any(word.startswith(begin) for word in doubtful)]
    if last is not None:
        told.append(last)
    return max(told, default=None), last is not None


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORDS.findall(text))


class Marks(NamedTuple):
    """What several tags say together; the strictest marking counts.

    Attributes:
        tlp: the configured default when no tag says anything that we know; an unknown marking (`tlp:rainbow`) says
            nothing, unless it begins like a strict one.
        pap: `None` when no tag says anything that we know.
        labels: names of exportable tags that are not local and not ours, with the configured ones; sorted, each once.
        unknown: names that claim to be a marking and are none that we know, as written, each once.
        assessment: what they say about confidence.
        confidence: what that is, 0 to 100, for an attribute of whose sightings nothing is known.
        threat: what they say about the type of threat.
        context: what they say about the threat otherwise.
    """

    tlp: Tlp
    pap: Pap | None
    labels: tuple[str, ...]
    unknown: tuple[str, ...]
    assessment: Assessment = Assessment()
    confidence: int = DEFAULT_CONFIDENCE
    threat: Threat = NO_THREAT
    context: Context = NO_CONTEXT

    def notes(self) -> tuple[str, ...]:
        """A sentence for each marking that is none that we know."""
        return tuple(f"The marking {name} {read_tag(name).why}" for name in self.unknown)


class EventMarks:
    """The marks of an event's tags together with those of each of its attributes.

    An event may have hundreds of tags and tens of thousands of attributes: its own are read once.
    """

    def __init__(
        self,
        tags: tuple[Tag, ...],
        default: Tlp,
        configured: tuple[str, ...] = (),
        confidence: int = DEFAULT_CONFIDENCE,
    ) -> None:
        """Read the event's tags.

        Args:
            tags: the event's; they count for every attribute.
            default: what counts without a TLP.
            configured: labels for all indicators.
            confidence: what counts where no tag says anything, 0 to 100.
        """
        self._readings = _readings(tags)
        self._leaving = _leaving(self._readings)
        self._default = default
        self._configured = configured
        self._confidence = confidence

    def of(self, tags: tuple[Tag, ...]) -> Marks:
        """The marks of an attribute with these tags of its own."""
        own = _readings(tags)
        readings = [*self._readings, *own]
        tlp = max((reading.tlp for _, reading in readings if reading.tlp is not None), default=self._default)
        pap = max((reading.pap for _, reading in readings if reading.pap is not None), default=None)
        unknown = dict.fromkeys(tag.name for tag, reading in readings if reading.unknown)
        said, events = _leaving(own), self._leaving
        labels = {reading.label for reading in (*said, *events)}
        labels.update(self._configured)
        labels.discard("")
        assessment = together(_assessed(said), _assessed(events))
        return Marks(
            tlp,
            pap,
            tuple(sorted(labels)),
            tuple(unknown),
            assessment,
            assessment.confidence(self._confidence, None),
            decided(_hints(said), _hints(events)),
            joined(reading.context for reading in (*said, *events)),
        )


def joined(contexts: Iterable[Context]) -> Context:
    """All that any of them tells; in whatever order they come, the same."""
    told = set(contexts) - {NO_CONTEXT}
    if not told:
        return NO_CONTEXT
    if len(told) == 1:
        return told.pop()
    phases, techniques, actors, malware = zip(*told, strict=True)
    return Context(_union(phases), _union(techniques), _union(actors), _union(malware))


def _union(lists: Iterable[tuple[T, ...]]) -> tuple[T, ...]:
    return tuple(sorted(set(chain.from_iterable(lists))))


def _readings(tags: tuple[Tag, ...]) -> list[tuple[Tag, Reading]]:
    return [(tag, read_tag(tag.name)) for tag in tags]


def _leaving(readings: Iterable[tuple[Tag, Reading]]) -> list[Reading]:
    """The readings of the tags that may leave this MISP."""
    return [reading for tag, reading in readings if tag.exportable and not tag.local]


def _assessed(readings: Iterable[Reading]) -> list[Assessed]:
    return [reading.assessed for reading in readings if reading.assessed is not None]


def _hints(readings: Iterable[Reading]) -> list[Hint]:
    return [hint for reading in readings for hint in reading.hints]
