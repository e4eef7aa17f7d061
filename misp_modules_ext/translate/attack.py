"""The tactics of techniques of MITRE ATT&CK: a technique's tag does not say them.

`attack.json` is a table of facts from ATT&CK, made from MISP's galaxies; it carries MITRE's copyright designation and
licence. A technique that it does not know has no tactics here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

#: Which ATT&CK the table holds, for the documents.
VERSION = "17"
#: A technique, or one of its sub-techniques.
TECHNIQUE = re.compile(r"T\d{4}(?:\.\d{3})?", re.ASCII | re.IGNORECASE)

_TABLE = Path(__file__).with_name("attack.json")


class _Attack(NamedTuple):
    """The table.

    Attributes:
        phases: technique -> its STIX kill chain phases, `(kill_chain_name, phase_name)`.
        ics: names in lower case, as MISP's galaxy for industrial control systems has them -> technique.
    """

    phases: Mapping[str, tuple[tuple[str, str], ...]]
    ics: Mapping[str, str]


def phases_of(technique: str) -> tuple[tuple[str, str], ...]:
    """The kill chain phases of a technique such as `T1566.001`: those of `T1566`; sorted."""
    return _attack().phases.get(technique.partition(".")[0], ())


def ics_technique(name: str) -> str:
    """The id of a technique of ATT&CK for ICS by its name; `""` when the table has none."""
    return _attack().ics.get(name.lower(), "")


@cache
def _attack() -> _Attack:
    table = json.loads(_TABLE.read_text("utf-8"))
    phases: dict[str, list[tuple[str, str]]] = {}
    for chain, tactics in table["tactics"].items():
        for tactic, techniques in tactics.items():
            for technique in techniques.split():
                phases.setdefault(technique, []).append((chain, tactic))
    sorted_phases = {technique: tuple(sorted(found)) for technique, found in phases.items()}
    return _Attack(sorted_phases, {name.lower(): technique for name, technique in table["ics"].items()})
