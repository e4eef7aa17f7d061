"""From an attribute to its observables."""

from __future__ import annotations

from typing import NamedTuple

from misp_modules_ext.model.indicator import Observable
from misp_modules_ext.model.misp import Attribute
from misp_modules_ext.model.outcome import Reason
from misp_modules_ext.translate.silent import SILENT
from misp_modules_ext.translate.text import NotValid, shown
from misp_modules_ext.translate.types import PARSERS, PLAIN


class Observation(NamedTuple):
    """What an attribute's value says.

    Attributes:
        observables: what sensors can look for, in the order of the value; empty when there is a `reason`.
        facts: context for all of them, for example `file name: invoice.exe`, `port: 8443`.
        notes: what was normalised or left out, for the report.
        reason: why there are no observables, `None` when there are some.
        message: what exactly is wrong, `""` when there is no reason.
    """

    observables: tuple[Observable, ...]
    facts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    reason: Reason | None = None
    message: str = ""


def observe(attribute: Attribute) -> Observation:
    """Read an attribute's value as its type says. Never raises; to_ids, tags and gates are not looked at.

    Returns:
        Observables, or one of the reasons MALFORMED, UNSUPPORTED_TYPE, INVALID_VALUE with a sentence. Values that
        are right but must not be sent (private addresses, …) are `special`'s to refuse.
    """
    if attribute.problem:
        return Observation((), reason=Reason.MALFORMED, message=attribute.problem)
    plain = PLAIN.get(attribute.type)
    if plain is not None and plain.holds(attribute.value):
        return Observation((Observable(plain.kind, attribute.value),))
    parser = PARSERS.get(attribute.type)
    if parser is None:
        return Observation((), reason=Reason.UNSUPPORTED_TYPE, message=_unsupported(attribute.type))
    try:
        observables, facts, notes = parser(attribute.value)
    except NotValid as error:
        return Observation((), reason=Reason.INVALID_VALUE, message=str(error))
    return Observation(observables, facts, notes)


def _unsupported(kind: str) -> str:
    if not kind:
        return "The attribute has no type."
    why = SILENT.get(kind, "This version does not know it; a newer one may.")
    return f"The type {shown(kind)} becomes no indicator. {why}"
