"""What should go, before any destination is asked: selection, translation and merging under one rule set.

The doors plan what a request brings, the ledger what it has stored; for the same facts both get the same content, byte
for byte. Content has no clock: whether an indicator is over is for the caller to see.
"""

from __future__ import annotations

__all__ = [
    "Judge",
    "Part",
    "Plan",
    "PlannedAttribute",
    "RuleSet",
    "judge",
    "judged",
    "make_plan",
    "parts_evidence",
]

from misp_modules_ext.planning.plan import (
    Judge,
    Part,
    Plan,
    PlannedAttribute,
    judge,
    judged,
    make_plan,
    parts_evidence,
)
from misp_modules_ext.planning.rules import RuleSet
