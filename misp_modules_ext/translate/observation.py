"""From an attribute to its observables."""

from __future__ import annotations

from typing import NamedTuple

from misp_modules_ext.model.indicator import Observable
from misp_modules_ext.model.misp import Attribute
from misp_modules_ext.model.outcome import Reason
from misp_modules_ext.translate.templates import TEMPLATES
from misp_modules_ext.translate.text import NotValid, shown
from misp_modules_ext.translate.types import PARSERS, PARSERS_IN_OBJECTS, PLAIN, TYPES


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
    type_, parsers = attribute.type, PARSERS
    # Few attributes belong to objects, and few templates have something to say.
    template = TEMPLATES.get(attribute.object.name) if attribute.object is not None else None
    if template is not None:
        why = template.why_silent(attribute.relation)
        if why:
            return Observation((), reason=Reason.UNSUPPORTED_TYPE, message=_silent_there(attribute, why))
        type_, parsers = template.read_as.get(attribute.relation, type_), PARSERS_IN_OBJECTS
    plain = PLAIN.get(type_)
    if plain is not None and plain.holds(attribute.value):
        return Observation((Observable(plain.kind, attribute.value),))
    parser = parsers.get(type_)
    if parser is None:
        return Observation((), reason=Reason.UNSUPPORTED_TYPE, message=_unsupported(attribute.type))
    try:
        observables, facts, notes = parser(attribute.value)
    except NotValid as error:
        return Observation((), reason=Reason.INVALID_VALUE, message=str(error))
    return Observation(observables, facts, notes)


def _unsupported(type_: str) -> str:
    if not type_:
        return "The attribute has no type."
    row = TYPES.get(type_)
    why = row.reason if row else "This version does not know it; a newer one may."
    return f"The type {shown(type_)} becomes no indicator. {why}"


def _silent_there(attribute: Attribute, why: str) -> str:
    name = attribute.object.name if attribute.object else ""
    return f"{shown(attribute.relation)} of an object {shown(name)} becomes no indicator. {why}"
