"""Microsoft Defender for Endpoint's indicators (`/api/indicators`): at most 15,000 in a tenant, shared with everyone.

Source: Defender for Endpoint API, "List indicators", "Import indicators", "Batch delete indicators". An application
with `Ti.ReadWrite` sees its own entries only; `Ti.ReadWrite.All` is what lets `survey` find those of others.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.destinations import defender_answers as answers
from misp_modules_ext.destinations.answers import Advice, error_text
from misp_modules_ext.destinations.client import PROBE_TIMEOUT, Client, attempt
from misp_modules_ext.destinations.defender_answers import EntryKey
from misp_modules_ext.destinations.defender_payload import entity, refusal
from misp_modules_ext.destinations.interface import Finding, ItemResult, Limit, Refusal
from misp_modules_ext.destinations.limits import limiter_for
from misp_modules_ext.destinations.transport import Transport
from misp_modules_ext.destinations.wire import encode, not_unicode, split
from misp_modules_ext.errors import Throttled, Unavailable
from misp_modules_ext.model.indicator import Due, Indicator
from misp_modules_ext.model.outcome import Outcome, Reason

PATH = "/api/indicators"
MAX_BATCH = 500
#: Documented for imports, and for batch deletes.
RATE = Limit(30, 60.0)
#: Documented for lists.
LIST_RATE = Limit(100, 60.0)
#: The largest `$top` that is documented.
PAGE = 10_000
#: More pages than 15,000 entries fill even if the server prefers small ones: a list that goes on is no list.
MAX_PAGES = 200
#: Sees, and so spares, the entries of others; `Ti.ReadWrite` does not.
_PERMISSION = "Ti.ReadWrite.All"


def _advice(settings: DestinationSettings) -> Advice:
    section = f"[{settings.name}]"
    return Advice(
        "Microsoft Defender",
        unauthorized=f"correct `cloud` of {section}: the token must be for Defender's API in the tenant's cloud.",
        forbidden=f"give the application of {section} (`appId`) the application permission {_PERMISSION} of "
        "WindowsDefenderATP, and have an administrator consent to it.",
        not_found=f"correct `endpoint.api` or `cloud` of {section}.",
    )


class Defender:
    """The indicators of one tenant.

    Args:
        settings: whose, and how.
        transport: how they are reached; the process's shared one when absent.
    """

    in_flight = 2
    limit: Limit | None = RATE

    def __init__(self, settings: DestinationSettings, transport: Transport | None = None) -> None:
        self.settings = settings
        self._client = Client(settings, _advice(settings), transport)

    def refuses(self, indicator: Indicator) -> Refusal | None:
        """Networks, e-mail addresses and file names have no place in Defender."""
        return refusal(indicator.observable) or not_unicode(indicator)

    def survey(self, dues: Sequence[Due], timeout: float) -> list[Due | Refusal]:
        """Find what is there for these values; someone else's entry is never touched."""
        if not dues:
            return []
        deadline = time.monotonic() + timeout
        keys = [answers.key_of(due.indicator.observable) for due in dues]
        wanted, there = set(keys), defaultdict(list)
        for entry in self._all(deadline):
            key = answers.key_in(entry)
            if key in wanted:
                there[key].append(entry)
        source = self.settings.source_system
        return [answers.judge(due, there.get(key, ()), source) for due, key in zip(dues, keys, strict=True)]

    def batches(self, dues: Sequence[Due]) -> list[list[Due]]:
        """At most 500 each."""
        return split(dues, MAX_BATCH)

    def send(self, batch: Sequence[Due], timeout: float) -> list[ItemResult]:
        """Import; see `interface.Destination.send`."""
        if not batch:
            return []
        body = encode({"Indicators": [entity(due, self.settings) for due in batch]})
        answer = self._client.call("POST", f"{PATH}/import", timeout=timeout, body=body)
        return answers.results(batch, answers.items(self._client.expect(answer, 200)))

    def withdraw(self, batch: Sequence[Due], timeout: float) -> list[ItemResult]:
        """Delete by id. Ids that are not known are looked up, someone else's entries are left alone.

        Defender deletes none when one id is missing (404): then what is still there is looked up and deleted.
        """
        deadline = time.monotonic() + timeout
        known = list(batch) if all(due.remote_id for due in batch) else self.survey(batch, timeout)
        if not self._delete(known, deadline):
            known = self.survey(batch, deadline - time.monotonic())
            if not self._delete(known, deadline):
                raise Unavailable("Defender says that an indicator is missing which its list shows: repeat later.")
        return [_withdrawn(answer) for answer in known]

    def check(self) -> list[Finding]:
        """Token, a list of one entry, and an import of nothing: 400 with the permission to write, 403 without."""
        token = self._client.check_token()
        if not token.ok:
            return [token]
        return [token, attempt("read indicators", self._probe_list), attempt("write indicators", self._probe_import)]

    def hosts(self) -> list[str]:
        """Entra and Defender."""
        return self._client.hosts()

    def _probe_list(self) -> str:
        answer = self._client.call("GET", f"{PATH}?$top=1", timeout=PROBE_TIMEOUT)
        answers.items(self._client.expect(answer, 200))
        roles = self._client.roles()
        if roles is None or _PERMISSION in roles:
            return "the application may read indicators."
        return (
            "the application may read its own indicators only, so entries of others with the same value would be "
            f"overwritten: give it the application permission {_PERMISSION}."
        )

    def _probe_import(self) -> str:
        answer = self._client.call("POST", f"{PATH}/import", timeout=PROBE_TIMEOUT, body=encode({"Indicators": []}))
        self._client.expect(answer, 200, 400)
        words = error_text(answer).message or "no words"
        # 400 with the permission and 403 without it was seen by users; Microsoft's words are not documented.
        return f"the application may write indicators; nothing was changed ({words})."

    def _delete(self, known: Sequence[Due | Refusal], deadline: float) -> bool:
        """Delete what is ours and there; `False` when an id was missing, so that nothing was deleted."""
        numbers = list(dict.fromkeys(due.remote_id for due in known if isinstance(due, Due) and due.remote_id))
        if not numbers:
            return True
        body = encode({"IndicatorIds": numbers})
        answer = self._client.call("POST", f"{PATH}/BatchDelete", timeout=deadline - time.monotonic(), body=body)
        return self._client.expect(answer, 200, 204, 404).status != 404

    def _all(self, deadline: float) -> Iterator[dict[str, Any]]:
        """Everything: until a page is empty or brings nothing new, whatever page size the server prefers.

        `$filter` would find only one spelling of a value, and people write hashes and hosts in any case.
        """
        seen: set[tuple[str, EntryKey]] = set()
        skip = 0
        for _ in range(MAX_PAGES):
            page = self._page(f"?$top={PAGE}&$skip={skip}", deadline)
            fresh = {(answers.identifier(entry), answers.key_in(entry)): entry for entry in page}
            if seen.issuperset(fresh):
                return
            yield from (entry for name, entry in fresh.items() if name not in seen)
            seen |= set(fresh)
            skip += len(page)
        raise Unavailable("Defender's list of indicators does not end: repeat later.")

    def _page(self, query: str, deadline: float) -> list[dict[str, Any]]:
        if not limiter_for(self.settings, LIST_RATE, "defender list").acquire(deadline):
            raise Throttled(
                "Defender's list of indicators may be asked 100 times a minute, which are used up: repeat later."
            )
        answer = self._client.call("GET", PATH + query, timeout=deadline - time.monotonic())
        return answers.items(self._client.expect(answer, 200))


def _withdrawn(answer: Due | Refusal) -> ItemResult:
    if isinstance(answer, Refusal):
        return ItemResult(Outcome.SKIPPED, Reason.ALREADY_THERE, answer.message)
    return ItemResult(Outcome.ACCEPTED, remote_id=answer.remote_id)
