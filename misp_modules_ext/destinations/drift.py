"""What an entry at Microsoft says otherwise than it should. Pure.

Both sides are brought into one form first: names as they stand in the sentence, values that are equal when they mean
the same. Only names that both sides have are compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from misp_modules_ext.destinations.answers import clean
from misp_modules_ext.destinations.wire import from_seconds, to_seconds

#: Characters of a value in the sentence.
_SHOWN = 60


class Labels(frozenset[str]):
    """Labels in lower case. They agree when none is missing: people add labels of their own, which is no edit."""

    @classmethod
    def of(cls, *lists: Any) -> Labels:
        """The texts in any of these lists."""
        return cls(text.casefold() for found in lists if isinstance(found, list) for text in found if _is_text(text))


def plain(text: str) -> str:
    """A text of which spaces at its ends, or several in a row, are no part."""
    return " ".join(text.split())


def texts(document: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, object]:
    """The texts of a document in the form that is compared.

    Args:
        document: from JSON.
        names: its members, and what they are called in the sentence.
    """
    return {word: plain(document[name]) for name, word in names.items() if _is_text(document.get(name))}


def end(document: Mapping[str, Any], name: str) -> dict[str, object]:
    """When a document's validity ends, to the second; left out when it cannot be read, or the member is missing."""
    if name not in document:
        return {}
    seconds = to_seconds(document[name])
    if seconds is None and document[name] is not None:
        return {}
    return {"end": "never" if seconds is None else from_seconds(seconds)}


def differences(there: Mapping[str, object], meant: Mapping[str, object]) -> str:
    """A short sentence of what differs, `""` when nothing does."""
    return "; ".join(_differences(there, meant))


def _differences(there: Mapping[str, object], meant: Mapping[str, object]) -> Iterable[str]:
    for name, value in meant.items():
        found = there.get(name, value)
        if isinstance(value, Labels) and isinstance(found, Labels):
            if missing := sorted(value - found):
                yield clean(f"{name} lack {', '.join(missing)}", 2 * _SHOWN)
        elif found != value:
            yield f"{name} is {_shown(found)}, not {_shown(value)}"


def _shown(value: object) -> str:
    return clean(str(value), _SHOWN) or "empty"


def _is_text(value: object) -> bool:
    return isinstance(value, str)
