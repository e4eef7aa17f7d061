"""The door of `lookup_in_microsoft`: hover and enrichment of one attribute or object. Writes nothing to Microsoft.

MISP shows an error of a hover as "Empty results", and lets "Enrich Event" abort when an answer has no `results`
(misp-seen.md 4), so every answer has some, also one that says what went wrong.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from misp_modules_ext.config import cached
from misp_modules_ext.delivery.lookup import Found, Question, look_up
from misp_modules_ext.destinations.askable import ASKABLE
from misp_modules_ext.doors.common import MARGIN, log, names
from misp_modules_ext.errors import ConfigurationError, UsageError
from misp_modules_ext.logs import What, fields
from misp_modules_ext.misp.requests import Body, ExpansionRequest, read_expansion
from misp_modules_ext.model.indicator import Observable
from misp_modules_ext.report.lookup import sentences, summary, title
from misp_modules_ext.translate import inputs, observe

#: The settings of `Plugin.Enrichment_lookup_in_microsoft_…`.
CONFIG = ["destinations"]
#: What `doors` of a destination calls this way; a destination that is closed to it does not answer.
DOOR = "expansion"
#: So many values of an object are looked up.
MOST = 20
#: What MISP should do with an answer that a person keeps: not look for it, and show it to nobody else. It tells of the
#: state of our defences.
_KEPT = {"type": "text", "category": "Other", "to_ids": False, "disable_correlation": True, "distribution": "0"}

_WRONG = (
    "This cannot be looked up: the request holds no attribute or object, or the module's setting `destinations` names "
    "one that is not there. The service's log says which."
)

Answer = dict[str, Any]


def input_types() -> list[str]:
    """The attribute types and object names for which MISP offers the module."""
    return inputs(kind for kind, askable in ASKABLE.items() if askable.families or askable.defender)


def handle(body: Body) -> Answer:
    """Answer a call of the module.

    Returns:
        `{"results": {"Attribute": […]}}` in MISP's own format, whatever happens.
    """
    started = time.monotonic()
    try:
        request = read_expansion(body)
        lines = list(_lines(request, started))
    except ConfigurationError:
        # Its words name files of this machine.
        log.warning("lookup: the configuration cannot be used", extra=fields(What.UNUSABLE))
        lines = [("This module's configuration cannot be used. Its administrator runs `misp-microsoft check`.", "")]
    except UsageError as error:
        # What names a destination that is not there also names those that are.
        log.warning("lookup: %s", error, extra=fields(What.UNUSABLE))
        lines = [(_WRONG, "")]
    except Exception as error:  # noqa: BLE001 - MISP would show nothing at all
        log.exception("lookup: unexpected error", extra=fields(What.UNEXPECTED))
        words = f"Unexpected {type(error).__name__}. This is a defect: please report it, with the service's log."
        lines = [(words, "")]
    return {"results": {"Attribute": [{**_KEPT, "value": words, "comment": comment} for words, comment in lines]}}


def _lines(request: ExpansionRequest, started: float) -> Iterable[tuple[str, str]]:
    settings = cached()
    observables = _observables(request)
    if not observables:
        yield "No value of this attribute can be an indicator at Microsoft.", ""
        return
    deadline = started + max(MARGIN, request.patience - MARGIN)
    named = names(request.options.get("destinations", ""))
    question = Question(observables[:MOST], deadline, named, estate=not request.hover, door=DOOR)
    for found in look_up(settings, question):
        yield _line(found, several=len(observables) > 1), f"Microsoft: {title(found.observable)}"
    if len(observables) > MOST:
        yield f"Only the first {MOST} of {len(observables)} values were looked up.", ""


def _line(found: Found, *, several: bool) -> str:
    value = f"{title(found.observable)}: " if several else ""
    said = " ".join(sentences(found, frank=False))
    return f"{value}[{found.destination.name}] {found.destination.product}: {summary(found)}. {said}"


def _observables(request: ExpansionRequest) -> tuple[Observable, ...]:
    attributes = request.event.kept_out or request.event.attributes
    return tuple(dict.fromkeys(one for a in attributes if not a.deleted for one in observe(a).observables))
