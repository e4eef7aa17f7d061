"""What a piece of JSON is, where MISP and PHP write one thing in several ways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Raw = Mapping[str, Any]


def mapping(value: object) -> Raw:
    """An object, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def listed(value: object) -> list[object]:
    """A list, or the values of an object keyed by index, as PHP writes a filtered list.

    Null is an empty list. Anything else is a list of that one thing, so that it is met and refused by whoever reads the
    entries, and does not vanish.
    """
    if value is None:
        return []
    if isinstance(value, list):
        return value
    return list(value.values()) if isinstance(value, dict) else [value]


def shape(value: object) -> str:
    """What something is, in words."""
    names = {list: "a list", dict: "an object", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
