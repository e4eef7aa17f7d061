"""The door of `push_attribute_to_microsoft`: one attribute, or the attributes of one object, from MISP's own pages.

MISP sends the attribute without tags, and of the event no more than its number (misp-seen.md 4). So the event is read
from MISP with the key of [misp], and what that shows is pushed. Without it the marking, distribution and organisation
are unknown, and nothing is.

MISP lets "Enrich Event" abort when an answer has no `results`, so every answer has some.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from misp_modules_ext.config.settings import Settings
from misp_modules_ext.doors.common import answer, log
from misp_modules_ext.errors import MispError, UsageError
from misp_modules_ext.logs import What, fields
from misp_modules_ext.misp.coerce import flag
from misp_modules_ext.misp.recent import Recent
from misp_modules_ext.misp.requests import Body, ModuleRequest, Named, read_named
from misp_modules_ext.model.account import Account
from misp_modules_ext.model.indicator import Kind
from misp_modules_ext.model.misp import Event
from misp_modules_ext.report.one_by_one import sentences
from misp_modules_ext.translate import inputs

#: The settings of `Plugin.Enrichment_push_attribute_to_microsoft_…`.
CONFIG = ["destinations", "preview", "addResult"]
#: Lines of an answer.
MOST = 60

#: Seconds that are left for the ledger and for Microsoft when MISP was slow.
_FOR_SENDING = 2.0
#: What MISP should do with a line that a person keeps: neither look for it nor show it to others.
_LINE = {"type": "text", "category": "Other", "to_ids": False, "disable_correlation": True, "distribution": "0"}
_COMMENT = "Push Attribute To Microsoft"
_HIDDEN = {
    "configuration": "This module's configuration cannot be used. Its administrator runs `misp-microsoft check`.",
    "ledger": "The ledger cannot be used. Its administrator runs `misp-microsoft check`.",
}
_NO_KEY = (
    "[misp] has no key, so the marking, distribution, organisation and publication of this attribute are unknown. What "
    "to do: add `url` and `key` to [misp]."
)

Answer = dict[str, Any]
_recent = Recent()


def input_types() -> list[str]:
    """The attribute types that may hold an indicator, and the names of objects that may hold such attributes."""
    return inputs(Kind)


def handle(body: Body) -> Answer:
    """Answer a call of the module.

    Returns:
        `{"results": {"Attribute": […]}}` in MISP's own format, whatever happens.
    """
    call = _Call()
    return answer("expansion", body, call.read, call.told, fetch=call.fetch)


class _Call:
    """One call, from its body to its answer."""

    def __init__(self) -> None:
        self._named: Named | None = None

    def read(self, body: Body) -> ModuleRequest:
        """Learn what is named; nothing is taken over from the request but that."""
        self._named = read_named(body)
        return ModuleRequest((), self._named.options, self._named.patience)

    def fetch(self, settings: Settings, until: float) -> Sequence[Event]:
        """Read the event, and leave what is named of it.

        Raises:
            UsageError: MISP does not show it to our key, or cannot be read.
        """
        named = self._named
        if named is None or settings.misp is None or not settings.reads_misp:
            raise UsageError(_NO_KEY)
        # In no case for longer than MISP waits, and then there is nothing to tell.
        seconds = max(_FOR_SENDING / 2, until - time.monotonic() - _FOR_SENDING)
        try:
            event = _recent.event(settings.misp, named.event, seconds)
        except MispError as error:
            raise UsageError(str(error)) from error
        return [_part(event, named)]

    def told(self, account: Account) -> Answer:
        """The answer: a line for each destination and attribute.

        "Enrich Event" adds it to the event without asking, so it gets none unless `addResult` asks for that.
        """
        silent = self._named is not None and self._named.one_of_many and not self._adds()
        return {"results": {"Attribute": [] if silent else [_line(words) for words in _lines(account)]}}

    def _adds(self) -> bool:
        return self._named is not None and flag(self._named.options.get("addresult", "")) is True


def _part(event: Event, named: Named) -> Event:
    """The view that holds what is named, and nothing else to be taken."""

    def wanted(uuid: str, holder: str) -> bool:
        return named.uuid == (holder if named.is_object else uuid)

    part = tuple(a for a in event.attributes if wanted(a.uuid, a.object.uuid if a.object else ""))
    if not part:
        what = "object" if named.is_object else "attribute"
        raise UsageError(
            f"MISP shows the key of [misp] no {what} {named.uuid} in event {named.event}: it was deleted, or it is not "
            f"shared with the key's user. What to do: look for it in MISP; if it is there, share it with the "
            "organisation of the key's user."
        )
    return replace(event, attributes=part, kept_out=event.attributes, complete=False)


def _lines(account: Account) -> list[str]:
    if account.problem:
        return [f"Nothing was pushed. {_HIDDEN.get(account.problem_code, account.problem)}"]
    try:
        every = sentences(account)
        found = list(islice(every, MOST))
        left = sum(1 for _ in every)
    except Exception:  # noqa: BLE001 - an answer without `results` would abort "Enrich Event"
        log.exception("the answer could not be written", extra=fields(What.UNEXPECTED, submission=account.submission))
        return ["What was sent is at Microsoft, but the answer could not be written. See the log of misp-modules."]
    return [*found, f"And {left} more."] if left else found


def _line(words: str) -> Answer:
    return {**_LINE, "value": words, "comment": _COMMENT}
