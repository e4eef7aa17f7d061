"""What a piece of JSON is, where MISP and PHP write one thing in several ways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Raw = Mapping[str, Any]


def mapping(value: object) -> Raw:
    """An object, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def listed(value: object, what: str, notes: list[str]) -> list[object]:
    """A list, or the values of an object keyed by index, as PHP writes a filtered list.

    Args:
        value: what stands there; null is an empty list.
        what: its name for a note.
        notes: gets a sentence when it is neither.
    """
    if value is None:
        return []
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        return list(value.values())
    notes.append(f"{what} is no list but {shape(value)}; it was left out.")
    return []


def shape(value: object) -> str:
    """What something is, in words."""
    names = {list: "a list", dict: "an object", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
