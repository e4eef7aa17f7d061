"""Microsoft Defender for Endpoint's indicators (`/api/indicators`): at most 15,000 in a tenant, shared with everyone.

Source: Defender for Endpoint API, "List indicators", "Import indicators", "Batch delete indicators". An application
with `Ti.ReadWrite` sees its own entries only; `Ti.ReadWrite.All` is what lets `survey` find those of others.

Another action or other device groups may mean another entry. Then the new one is imported first and the old one deleted
by its id afterwards: between the two the value is there twice, and never not at all. Only where Defender does not take
the new one beside the old one, the old one goes first. Whatever interrupts that, the whole is repeated: the import then
changes what it made before, and what is left beside it is found by our name.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.destinations import defender_answers as answers
from misp_modules_ext.destinations import defender_entries, drift
from misp_modules_ext.destinations.alerts import Alerts
from misp_modules_ext.destinations.answers import Advice, doubtful, error_text
from misp_modules_ext.destinations.client import PROBE_TIMEOUT, Client, attempt
from misp_modules_ext.destinations.defender_entries import Taken
from misp_modules_ext.destinations.defender_list import List
from misp_modules_ext.destinations.defender_looking import DefenderLooking
from misp_modules_ext.destinations.defender_payload import entity, refusal, shown, unfit
from misp_modules_ext.destinations.interface import Cleared, Entry, ItemResult, Limit, Refusal
from misp_modules_ext.destinations.looking import FalseAlert, Presence, Probe, Sighting
from misp_modules_ext.destinations.transport import Transport
from misp_modules_ext.destinations.wire import encode, not_unicode, split
from misp_modules_ext.errors import TO_DO, DestinationError, Unavailable
from misp_modules_ext.model.finding import Code, Finding
from misp_modules_ext.model.indicator import Due, Indicator, Observable
from misp_modules_ext.model.outcome import Outcome

PATH = "/api/indicators"
MAX_BATCH = 500
#: Documented for imports, and for batch deletes.
RATE = Limit(30, 60.0)
#: Sees, and so spares, the entries of others; `Ti.ReadWrite` does not.
_PERMISSION = "Ti.ReadWrite.All"
_REFUSED = frozenset({Outcome.REJECTED, Outcome.SKIPPED})


def _advice(settings: DestinationSettings) -> Advice:
    section = f"[{settings.name}]"
    return Advice(
        "Microsoft Defender",
        unauthorized=f"correct `cloud` of {section}: the token must be for Defender's API in the tenant's cloud.",
        forbidden=f"give the application of {section} (`appId`) the application permission {_PERMISSION} of "
        "WindowsDefenderATP, and have an administrator consent to it.",
        not_found=f"correct `endpoint.api` or `cloud` of {section}.",
    )


def _refused(one: Taken) -> Refusal:
    """Why it is not sent; what was there of ours is deleted by now."""
    return Cleared(*one.refusal) if one.ours or one.lost else one.refusal


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
        self._looking = DefenderLooking(settings, transport)
        self._alerts = Alerts(settings, transport)

    @staticmethod
    def refuses(indicator: Indicator) -> Refusal | None:
        """All but single addresses, domain names, URLs, three hashes, and certificates that are allowed or blocked."""
        return refusal(indicator.observable, indicator.action) or unfit(indicator) or not_unicode(indicator)

    def digest(self, indicator: Indicator) -> bytes:
        """Of what an import says: no labels, one link, and the beginning of the description."""
        return shown(indicator, self.settings)

    def survey(self, dues: Sequence[Due], timeout: float) -> list[Due | Refusal]:
        """Find what is there for these values, unless every id is known; someone else's entry is never touched.

        Ours with another action does not stay beside someone else's that stands where ours should go.
        """
        if all(due.remote_id and not due.rewritten for due in dues):
            return list(dues)
        deadline = time.monotonic() + timeout
        found = self._judge(dues, deadline)
        self._delete_there([number for one in found if isinstance(one, Taken) for number in one.ours], deadline)
        return [_refused(one) if isinstance(one, Taken) else one for one in found]

    def batches(self, dues: Sequence[Due]) -> list[list[Due]]:
        """At most 500 each."""
        return split(dues, MAX_BATCH)

    def send(self, batch: Sequence[Due], timeout: float) -> list[ItemResult]:
        """Import, and delete what that has left beside the new entries; see `interface.Destination.send`."""
        if not batch:
            return []
        deadline = time.monotonic() + timeout
        results = dict(zip(batch, self._import(batch, deadline), strict=True))
        try:
            self._replace(results, deadline)
        except DestinationError as error:
            # What the import made is there: a refusal of what follows must not read as if nothing had arrived.
            raise doubtful(error) from error
        return [results[due] for due in batch]

    def _replace(self, results: dict[Due, ItemResult], deadline: float) -> None:
        """Delete what an import has left beside the new entries; where an old one was in the way, import once more.

        What is refused stays as it was, unless it does there what is not asked for any more.
        """
        stuck = [due for due, result in results.items() if due.others and answers.is_in_the_way(result)]
        gone = {number for due in stuck for number in due.others}
        if stuck:
            self._delete_there(sorted(gone), deadline)
            again = self._import(stuck, deadline)
            refused = {due for due, result in zip(stuck, again, strict=True) if result.outcome in _REFUSED}
            results |= {due: result._replace(gone=due in refused) for due, result in zip(stuck, again, strict=True)}
        there = [(due, result.remote_id) for due, result in results.items() if result.outcome is Outcome.ACCEPTED]
        left = [other for due, now in there for other in due.others if other != now and other not in gone]
        over = [due for due, one in results.items() if one.outcome in _REFUSED and due.lowers and not one.gone]
        self._delete_there([*left, *(n for due in over for n in (*due.others, due.remote_id) if n)], deadline)
        results |= {due: results[due]._replace(gone=True) for due in over}

    def _import(self, batch: Sequence[Due], deadline: float) -> list[ItemResult]:
        body = encode({"Indicators": [entity(due, self.settings) for due in batch]})
        answer = self._client.call("POST", f"{PATH}/import", timeout=deadline - time.monotonic(), body=body)
        return answers.results(batch, answers.items(self._client.expect(answer, 200)))

    def withdraw(self, batch: Sequence[Due], timeout: float) -> list[ItemResult]:
        """Delete by id. What an earlier request without an answer may have made is looked up first.

        Defender deletes none when one id is missing (404): then those that the list still shows are deleted.
        """
        deadline = time.monotonic() + timeout
        numbers = [due.remote_id for due in batch if due.remote_id]
        unsure = [due for due in batch if due.unanswered and (due.rewritten or not due.remote_id)]
        if unsure:
            judged = self._judge(unsure, deadline)
            numbers += [due.remote_id for due in judged if isinstance(due, Due) and due.remote_id]
            numbers += [number for one in judged for number in (one.others if isinstance(one, Due) else one.ours)]
        self._delete_there(numbers, deadline)
        return [ItemResult(Outcome.ACCEPTED, remote_id=due.remote_id) for due in batch]

    def entries(self, timeout: float) -> list[Entry]:
        """All of the tenant's that this application may see; see `interface.Destination.entries`."""
        source = self.settings.source_system
        return [defender_entries.entry_of(item, source) for item in self._list.whole(time.monotonic() + timeout)]

    def differs(self, entry: Entry, due: Due) -> str:
        """See `interface.Destination.differs`."""
        return drift.differences(entry.says, defender_entries.says(entity(due, self.settings)))

    def presence(self, observables: Sequence[Observable]) -> list[Probe[Presence]]:
        """See `looking.LooksUp.presence`."""
        return self._looking.presence(observables)

    def estate(self, observables: Sequence[Observable], since: int) -> list[Probe[Sighting]]:
        """See `looking.LooksUp.estate`."""
        return self._looking.estate(observables, since)

    def false_alerts(self, since: int, timeout: float) -> list[FalseAlert]:
        """See `looking.ClassifiesAlerts.false_alerts`."""
        return self._alerts.false(since, timeout)

    def check(self) -> list[Finding]:
        """Token, a list of one entry, and an import of nothing: 400 with the permission to write, 403 without."""
        token = self._client.check_token()
        if not token.ok:
            return [token]
        return [
            token,
            attempt(Code.READ, "read indicators", self._probe_list),
            attempt(Code.WRITE, "write indicators", self._probe_import),
        ]

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
            f"overwritten.{TO_DO}give it the application permission {_PERMISSION} of WindowsDefenderATP."
        )

    def _probe_import(self) -> str:
        answer = self._client.call("POST", f"{PATH}/import", timeout=PROBE_TIMEOUT, body=encode({"Indicators": []}))
        self._client.expect(answer, 200, 400)
        words = error_text(answer).message or "no words"
        # 400 with the permission and 403 without it was seen by users; Microsoft's words are not documented.
        return f"the application may write indicators; nothing was changed ({words})."

    def _judge(self, dues: Sequence[Due], deadline: float) -> list[Due | Taken]:
        keys = [answers.key_of(due.indicator.observable) for due in dues]
        wanted, there = set(keys), defaultdict[answers.EntryKey, list[dict[str, Any]]](list)
        ids: set[str] = set()
        for item in self._list.read(deadline):
            ids.add(answers.identifier(item))
            key = answers.key_in(item)
            if key in wanted:
                there[key].append(item)
        source, groups = self.settings.source_system, self.settings.rbac_group_names
        return [
            defender_entries.judge(due, there.get(key, ()), ids, source, groups)
            for due, key in zip(dues, keys, strict=True)
        ]

    def _delete_there(self, numbers: Sequence[str], deadline: float) -> None:
        """Delete those of these ids that are there."""
        if not self._delete(numbers, deadline):
            there = {answers.identifier(item) for item in self._list.read(deadline)}
            if not self._delete([number for number in numbers if number in there], deadline):
                raise Unavailable("Defender says that an indicator is missing which its list shows: repeat later.")

    def _delete(self, numbers: Sequence[str], deadline: float) -> bool:
        """Delete these ids; `False` when one was missing, so that none beside it was deleted."""
        wanted = list(dict.fromkeys(numbers))
        for start in range(0, len(wanted), MAX_BATCH):
            body = encode({"IndicatorIds": wanted[start : start + MAX_BATCH]})
            answer = self._client.call("POST", f"{PATH}/BatchDelete", timeout=deadline - time.monotonic(), body=body)
            if self._client.expect(answer, 200, 204, 404).status == 404:
                return False
        return True
