"""Conditions of the management API's `query` and `count`.

Source: Azure Resource Manager, Microsoft.SecurityInsights, ThreatIntelligenceQuery and ThreatIntelligenceCount
(2025-07-01-preview and later): operators and connectives.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .calls import Refusal
from .clock import parse_offset, to_text
from .intel import Record

Test = Callable[[Record], bool]


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, str], bool]:
    def holds(value: Any, wanted: str) -> bool:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return _is_number(wanted) and compare(value, float(wanted))
        return value is not None and compare(str(value), wanted)

    return holds


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d+)?", text) is not None


def _dated(compare: Callable[[float, float], bool]) -> Callable[[Any, str], bool]:
    def holds(value: Any, wanted: str) -> bool:
        left, right = parse_offset(str(value)), parse_offset(wanted)
        return left is not None and right is not None and compare(left, right)

    return holds


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


_OPERATORS: dict[str, Callable[[Any, str], bool]] = {
    "Equals": lambda value, wanted: _text(value) == wanted,
    "NotEquals": lambda value, wanted: _text(value) != wanted,
    "LessThan": _ordered(lambda a, b: bool(a < b)),
    "LessThanEqual": _ordered(lambda a, b: bool(a <= b)),
    "GreaterThan": _ordered(lambda a, b: bool(a > b)),
    "GreaterThanEqual": _ordered(lambda a, b: bool(a >= b)),
    "StringContains": lambda value, wanted: wanted in _text(value),
    "StringNotContains": lambda value, wanted: wanted not in _text(value),
    "StringStartsWith": lambda value, wanted: _text(value).startswith(wanted),
    "StringNotStartsWith": lambda value, wanted: not _text(value).startswith(wanted),
    "StringEndsWith": lambda value, wanted: _text(value).endswith(wanted),
    "StringNotEndsWith": lambda value, wanted: not _text(value).endswith(wanted),
    "ArrayContains": lambda value, wanted: isinstance(value, list) and wanted in value,
    "ArrayNotContains": lambda value, wanted: not isinstance(value, list) or wanted not in value,
    "OnOrAfterAbsolute": _dated(lambda a, b: a >= b),
    "AfterAbsolute": _dated(lambda a, b: a > b),
    "OnOrBeforeAbsolute": _dated(lambda a, b: a <= b),
    "BeforeAbsolute": _dated(lambda a, b: a < b),
}
_WITHOUT_VALUES: dict[str, Callable[[Any], bool]] = {
    "StringIsEmpty": lambda value: value in (None, ""),
    "IsNull": lambda value: value is None,
    "IsTrue": lambda value: value is True,
    "IsFalse": lambda value: value is False,
}
# A clause with several values holds for a negated operator only when all do.
_JOIN_ALL = frozenset(
    {"NotEquals", "StringNotContains", "StringNotStartsWith", "StringNotEndsWith", "ArrayNotContains"}
)


def field_of(record: Record, name: str) -> Any:
    """The value of a field: of the record itself, else of the STIX object."""
    if name == "source":
        return record.source
    if name in ("lastUpdatedTimeUtc", "lastUpdatedDateTimeUtc", "lastIngestedTimeUtc"):
        return to_text(record.last_ingested)
    if name == "firstIngestedTimeUtc":
        return to_text(record.first_ingested)
    return record.data.get(name)


def parse_condition(condition: Any) -> Test:
    """Turn a condition into a test for records.

    Raises:
        Refusal: The condition breaks the documented form, or uses an operator that the emulator does not have
            (the four relative ones).
    """
    if condition is None:
        return lambda record: True
    if not isinstance(condition, dict) or not isinstance(condition.get("clauses"), list):
        raise Refusal(400, "BadRequest", "condition needs a list of clauses.")
    tests = [_clause(clause) for clause in condition["clauses"]]
    kind = condition.get("stixObjectType")
    join = _connective(condition.get("conditionConnective", "And"))
    return lambda record: (
        (kind is None or record.data["type"] == kind) and (not tests or join(test(record) for test in tests))
    )


def _clause(clause: Any) -> Test:
    if not isinstance(clause, dict) or not isinstance(clause.get("field"), str):
        raise Refusal(400, "BadRequest", "A clause needs field, operator and values.")
    field, verb, values = clause["field"], clause.get("operator"), clause.get("values", [])
    if verb in _WITHOUT_VALUES:
        alone = _WITHOUT_VALUES[verb]
        return lambda record: alone(field_of(record, field))
    if verb not in _OPERATORS:
        raise Refusal(400, "BadRequest", f"The operator {verb} is not known here.")
    if not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
        raise Refusal(400, "BadRequest", "values must be a list of strings that is not empty.")
    holds = _OPERATORS[verb]
    join = _connective(clause.get("clauseConnective", "And" if verb in _JOIN_ALL else "Or"))
    return lambda record: join(holds(field_of(record, field), value) for value in values)


def _connective(name: Any) -> Callable[..., bool]:
    if name not in ("And", "Or"):
        raise Refusal(400, "BadRequest", f"The connective {name} is not known; use And or Or.")
    return all if name == "And" else any
