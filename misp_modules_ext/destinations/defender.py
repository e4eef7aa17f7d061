"""Microsoft Defender for Endpoint's indicators (`/api/indicators`): at most 15,000 in a tenant, shared with everyone.

Source: Defender for Endpoint API, "List indicators", "Import indicators", "Batch delete indicators". An application
with `Ti.ReadWrite` sees its own entries only; `Ti.ReadWrite.All` is what lets `survey` find those of others.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.destinations import defender_answers as answers
from misp_modules_ext.destinations import defender_entries, drift
from misp_modules_ext.destinations.answers import Advice, error_text
from misp_modules_ext.destinations.client import PROBE_TIMEOUT, Client, attempt
from misp_modules_ext.destinations.defender_list import List
from misp_modules_ext.destinations.defender_payload import entity, refusal, shown
from misp_modules_ext.destinations.interface import Entry, Finding, ItemResult, Limit, Refusal
from misp_modules_ext.destinations.transport import Transport
from misp_modules_ext.destinations.wire import encode, not_unicode, split
from misp_modules_ext.errors import Unavailable
from misp_modules_ext.model.indicator import Due, Indicator
from misp_modules_ext.model.outcome import Outcome

PATH = "/api/indicators"
MAX_BATCH = 500
#: Documented for imports, and for batch deletes.
RATE = Limit(30, 60.0)
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
    cannot_list = ""

    def __init__(self, settings: DestinationSettings, transport: Transport | None = None) -> None:
        self.settings = settings
        self._client = Client(settings, _advice(settings), transport)
        self._list = List(settings, self._client, PATH)

    def refuses(self, indicator: Indicator) -> Refusal | None:
        """All but single addresses, domain names, URLs, three hashes, and certificates that are allowed or blocked."""
        return refusal(indicator.observable, indicator.action) or not_unicode(indicator)

    def digest(self, indicator: Indicator) -> bytes:
        """Of what an import says: no labels, one link, and the beginning of the description."""
        return shown(indicator, self.settings)

    def survey(self, dues: Sequence[Due], timeout: float) -> list[Due | Refusal]:
        """Find what is there for these values, unless every id is known; someone else's entry is never touched."""
        if all(due.remote_id for due in dues):
            return list(dues)
        return self._judge(dues, time.monotonic() + timeout)

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
        """Delete by id. What an earlier request without an answer may have made is looked up first.

        Defender deletes none when one id is missing (404): then those that the list still shows are deleted.
        """
        deadline = time.monotonic() + timeout
        numbers = [due.remote_id for due in batch if due.remote_id]
        doubtful = [due for due in batch if not due.remote_id and due.unanswered]
        if doubtful:
            judged = self._judge(doubtful, deadline)
            numbers += [due.remote_id for due in judged if isinstance(due, Due) and due.remote_id]
        if not self._delete(numbers, deadline):
            there = {answers.identifier(item) for item in self._list.read(deadline)}
            if not self._delete([number for number in numbers if number in there], deadline):
                raise Unavailable("Defender says that an indicator is missing which its list shows: repeat later.")
        return [ItemResult(Outcome.ACCEPTED, remote_id=due.remote_id) for due in batch]

    def entries(self, timeout: float) -> list[Entry]:
        """All of the tenant's that this application may see; see `interface.Destination.entries`."""
        source = self.settings.source_system
        return [defender_entries.entry_of(item, source) for item in self._list.whole(time.monotonic() + timeout)]

    def differs(self, entry: Entry, due: Due) -> str:
        """See `interface.Destination.differs`."""
        return drift.differences(entry.says, defender_entries.says(entity(due, self.settings)))

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

    def _judge(self, dues: Sequence[Due], deadline: float) -> list[Due | Refusal]:
        keys = [answers.key_of(due.indicator.observable) for due in dues]
        wanted, there = set(keys), defaultdict[answers.EntryKey, list[dict[str, Any]]](list)
        ids: set[str] = set()
        for item in self._list.read(deadline):
            ids.add(answers.identifier(item))
            key = answers.key_in(item)
            if key in wanted:
                there[key].append(item)
        source = self.settings.source_system
        return [
            defender_entries.judge(due, there.get(key, ()), ids, source) for due, key in zip(dues, keys, strict=True)
        ]

    def _delete(self, numbers: Sequence[str], deadline: float) -> bool:
        """Delete these ids; `False` when one was missing, so that nothing was deleted."""
        if not numbers:
            return True
        body = encode({"IndicatorIds": list(dict.fromkeys(numbers))})
        answer = self._client.call("POST", f"{PATH}/BatchDelete", timeout=deadline - time.monotonic(), body=body)
        return self._client.expect(answer, 200, 204, 404).status != 404
