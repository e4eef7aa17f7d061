"""What a tag says about the threat: actors, malware, techniques of ATT&CK, phases of kill chains.

MISP attaches a cluster of a galaxy as a tag, `misp-galaxy:threat-actor="Sofacy"`. A cluster that somebody made
themselves has its UUID there, which names nothing outside of that MISP and is left aside.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from misp_modules_ext.model.indicator import NO_CONTEXT, Context
from misp_modules_ext.translate.attack import TECHNIQUE, ics_technique, phases_of
from misp_modules_ext.translate.machine_tags import MachineTag
from misp_modules_ext.translate.text import readable


class Family(str, Enum):
    """What the clusters of a galaxy are."""

    ACTOR = "threat actor"
    MALWARE = "malware family or tool"
    TECHNIQUE = "technique of ATT&CK"
    TACTIC = "tactic of ATT&CK"


#: Types of galaxies (misp-galaxy, the `type` of each file) -> what their clusters are. Others are labels only.
GALAXIES: Mapping[str, Family] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                "threat-actor",
                "mitre-intrusion-set",
                "mitre-enterprise-attack-intrusion-set",
                "mitre-mobile-attack-intrusion-set",
                "mitre-pre-attack-intrusion-set",
                "mitre-ics-groups",
                "microsoft-activity-group",
                "360net-threat-actor",
                "groups",
            ),
            Family.ACTOR,
        ),
        **dict.fromkeys(
            (
                "mitre-malware",
                "mitre-tool",
                "mitre-enterprise-attack-malware",
                "mitre-enterprise-attack-tool",
                "mitre-mobile-attack-malware",
                "mitre-mobile-attack-tool",
                "mitre-ics-software",
                "software",
                "malpedia",
                "ransomware",
                "rat",
                "stealer",
                "banker",
                "backdoor",
                "botnet",
                "cryptominers",
                "exploit-kit",
                "android",
                "tds",
                "tool",
            ),
            Family.MALWARE,
        ),
        **dict.fromkeys(
            (
                "mitre-attack-pattern",
                "mitre-enterprise-attack-attack-pattern",
                "mitre-mobile-attack-attack-pattern",
                "mitre-ics-techniques",
            ),
            Family.TECHNIQUE,
        ),
        "mitre-ics-tactics": Family.TACTIC,
    }
)

#: STIX 2.1, 6.11: how a phase of Lockheed Martin's kill chain is written there.
LOCKHEED_MARTIN = "lockheed-martin-cyber-kill-chain"
#: MISP's kill-chain taxonomy -> the phase.
KILL_CHAIN: Mapping[str, str] = MappingProxyType(
    {
        "reconnaissance": "reconnaissance",
        "weaponization": "weaponization",
        "delivery": "delivery",
        "exploitation": "exploitation",
        "installation": "installation",
        "command and control": "command-and-control",
        "actions on objectives": "actions-on-objectives",
    }
)
UNIFIED = "unified-kill-chain"
#: The values of MISP's unified-kill-chain taxonomy.
UNIFIED_PHASES = frozenset(
    {
        "reconnaissance",
        "weaponization",
        "delivery",
        "social-engineering",
        "exploitation",
        "persistence",
        "defense-evasion",
        "command-control",
        "pivoting",
        "discovery",
        "privilege-escalation",
        "execution",
        "credential-access",
        "lateral-movement",
        "access",
        "collection",
        "exfiltration",
        "impact",
        "objectives",
    }
)
_ICS = "mitre-ics-attack"
#: `Spearphishing Attachment - T1566.001`, `X-Agent for Android - S0314`, `APT28 - G0007`, `DualToy - MOB-S0023`.
_NUMBERED = re.compile(r"(?P<name>.*\S)\s+-\s+(?P<number>(?:MOB-|PRE-)?[TSG]\d{4}(?:\.\d{3})?)", re.DOTALL)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def context_of(tag: MachineTag) -> Context:
    """What one tag says about the threat."""
    if tag.namespace == "misp-galaxy":
        return _of_cluster(tag.predicate, readable(tag.value))
    if tag.namespace == "kill-chain" and tag.word in KILL_CHAIN:
        return Context(phases=((LOCKHEED_MARTIN, KILL_CHAIN[tag.word]),))
    if tag.namespace == UNIFIED and tag.word in UNIFIED_PHASES:
        return Context(phases=((UNIFIED, tag.word),))
    if tag.namespace in ("", "mitre-attack") and TECHNIQUE.fullmatch(tag.value or tag.predicate):
        return _technique(tag.word.upper(), "")
    return NO_CONTEXT


def technique_ids(context: Context) -> tuple[str, ...]:
    """The ids of its techniques, each once; sorted."""
    return tuple(dict.fromkeys(technique for technique, _ in context.techniques))


def _of_cluster(galaxy: str, value: str) -> Context:
    family = GALAXIES.get(galaxy)
    if family is None or not value or _UUID.fullmatch(value):
        return NO_CONTEXT
    found = _NUMBERED.fullmatch(value)
    name, number = (found["name"], found["number"]) if found else (value, "")
    if family is Family.ACTOR:
        return Context(actors=(name,))
    if family is Family.MALWARE:
        return Context(malware=(name,))
    if family is Family.TACTIC:
        return Context(phases=((_ICS, name.lower().replace(" ", "-")),))
    return _technique(number or ics_technique(name), name)


def _technique(technique: str, name: str) -> Context:
    # Numbers of the retired galaxies (MOB-T1057, PRE-T1170) are none of ATT&CK's of today.
    if not TECHNIQUE.fullmatch(technique):
        return NO_CONTEXT
    return Context(phases_of(technique), ((technique, name),))
