"""Microsoft's threat type, from what tags and categories say.

In this order: a `sentinel-threattype` tag, a tag that is itself one of Microsoft's words, what galaxies and other
taxonomies imply, the attribute's category, and what is configured. In each of the first three an attribute's own tags
count before its event's, and of several the one that stands first in `THREATS`.

A galaxy of malware says `Malware` of files only, for the addresses in such an event are no files. A technique or a
phase of a kill chain says something of the attribute that carries it, and nothing of all the others in a report that
lists many.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import NamedTuple

from misp_modules_ext.model.indicator import Context, Kind
from misp_modules_ext.translate.galaxies import LOCKHEED_MARTIN, technique_ids
from misp_modules_ext.translate.machine_tags import MachineTag

#: Microsoft's words (MISP's taxonomy sentinel-threattype; Graph, tiIndicator, threatType), the most telling first.
THREATS = (
    "C2",
    "Botnet",
    "Phishing",
    "CryptoMining",
    "DDoS",
    "MaliciousUrl",
    "Malware",
    "PUA",
    "Proxy",
    "Darknet",
    "WatchList",
)
_WORDS = {threat.lower(): threat for threat in THREATS}
_PLACES = {threat: place for place, threat in enumerate(THREATS)}


class Threat(NamedTuple):
    """What something says of network observables, and what of files and their traces; `""` for nothing."""

    network: str = ""
    file: str = ""


NO_THREAT = Threat()
_FILES = Threat(file="Malware")

#: Types of galaxies -> what their clusters imply.
BY_GALAXY: Mapping[str, Threat] = MappingProxyType(
    {
        "botnet": Threat("Botnet", "Malware"),
        "cryptominers": Threat("CryptoMining", "Malware"),
        **dict.fromkeys(
            (
                "mitre-malware",
                "mitre-enterprise-attack-malware",
                "mitre-mobile-attack-malware",
                "malpedia",
                "ransomware",
                "rat",
                "stealer",
                "banker",
                "backdoor",
                "android",
            ),
            _FILES,
        ),
    }
)
#: Other taxonomies -> the same; `"namespace"` for all its tags, `"namespace:predicate=word"` for one.
BY_TAXONOMY: Mapping[str, Threat] = MappingProxyType(
    {
        "phishing": Threat("Phishing", "Phishing"),
        "circl:incident-classification=phishing": Threat("Phishing", "Phishing"),
        "circl:incident-classification=malware": _FILES,
        "malware_classification": _FILES,
        "ms-caro-malware:malware-type=pua": Threat("PUA", "PUA"),
        "ms-caro-malware": _FILES,
        "ms-caro-malware-full": _FILES,
    }
)
#: Techniques of ATT&CK, each with its sub-techniques -> what they imply of the attribute that carries them.
BY_TECHNIQUE: Mapping[str, Threat] = MappingProxyType(
    {
        **dict.fromkeys(("T1566", "T1598"), Threat("Phishing", "Phishing")),
        **dict.fromkeys(("T1008", "T1071", "T1095", "T1132", "T1568", "T1571", "T1573"), Threat("C2")),
        **dict.fromkeys(("T1583.005", "T1584.005"), Threat("Botnet")),
        "T1496": Threat("CryptoMining"),
        **dict.fromkeys(("T1498", "T1499"), Threat("DDoS")),
    }
)
#: A phase of Lockheed Martin's kill chain -> the same.
BY_PHASE: Mapping[str, Threat] = MappingProxyType({"command-and-control": Threat("C2")})
#: Categories of MISP that say what a value is; `Network activity` and others do not.
BY_CATEGORY: Mapping[str, Threat] = MappingProxyType(
    dict.fromkeys(("Payload delivery", "Payload installation", "Artifacts dropped", "Antivirus detection"), _FILES)
)
#: What a URL is that delivers a payload.
DELIVERING_URL = ("Payload delivery", "MaliciousUrl")


#: How the kinds begin that are on a machine: files, and what a file leaves there.
ON_A_MACHINE = ("file-", "mutex", "process-", "windows-")


class Weight(IntEnum):
    """How clearly a tag says it, the clearest first."""

    STATED = 0
    WORD = 1
    IMPLIED = 2


class Hint(NamedTuple):
    """What one tag says about the type of threat.

    Attributes:
        own: only of the attribute that carries the tag itself.
    """

    weight: Weight
    threat: Threat
    own: bool = False


def hints(tag: MachineTag, context: Context) -> tuple[Hint, ...]:
    """What one tag says about the type of threat.

    Args:
        tag: the tag.
        context: what it says about the threat otherwise (`galaxies.context_of`).
    """
    if tag.namespace == "sentinel-threattype" and tag.word in _WORDS:
        return (Hint(Weight.STATED, Threat(_WORDS[tag.word], _WORDS[tag.word])),)
    if not tag.namespace and tag.word in _WORDS:
        return (Hint(Weight.WORD, Threat(_WORDS[tag.word], _WORDS[tag.word])),)
    return tuple(_implied(tag, context))


def _implied(tag: MachineTag, context: Context) -> Iterator[Hint]:
    if tag.namespace == "misp-galaxy":
        general = BY_GALAXY.get(tag.predicate)
    else:
        one = f"{tag.namespace}:{tag.predicate}={tag.value.lower()}"
        general = BY_TAXONOMY.get(one) or BY_TAXONOMY.get(tag.namespace)
    if general is not None:
        yield Hint(Weight.IMPLIED, general)
    for technique in technique_ids(context):
        found = BY_TECHNIQUE.get(technique) or BY_TECHNIQUE.get(technique.partition(".")[0])
        if found is not None:
            yield Hint(Weight.IMPLIED, found, own=True)
    for chain, phase in context.phases:
        if chain == LOCKHEED_MARTIN and phase in BY_PHASE:
            yield Hint(Weight.IMPLIED, BY_PHASE[phase], own=True)


def decided(own: Iterable[Hint], events: Iterable[Hint]) -> Threat:
    """What the tags of an attribute and those of its event say together; their order does not matter."""
    levels = [list(own), [hint for hint in events if not hint.own]]
    said = [(hint.weight, level, hint.threat) for level, hints_ in enumerate(levels) for hint in hints_]
    if not said:
        return NO_THREAT
    return Threat(
        _first((weight, level, threat.network) for weight, level, threat in said),
        _first((weight, level, threat.file) for weight, level, threat in said),
    )


def _first(said: Iterable[tuple[Weight, int, str]]) -> str:
    ranked = ((weight, level, _PLACES[word]) for weight, level, word in said if word)
    best = min(ranked, default=None)
    return "" if best is None else THREATS[best[2]]


def threat_type(threat: Threat, category: str, kind: Kind, configured: str) -> str:
    """The threat type of one observable.

    Args:
        threat: what the tags say.
        category: of the attribute.
        kind: of the observable.
        configured: what counts where nothing else says anything.
    """
    if kind.startswith(ON_A_MACHINE):
        return threat.file or BY_CATEGORY.get(category, NO_THREAT).file or configured
    if threat.network:
        return threat.network
    return DELIVERING_URL[1] if kind is Kind.URL and category == DELIVERING_URL[0] else configured
