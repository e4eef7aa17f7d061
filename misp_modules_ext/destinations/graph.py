"""Microsoft Graph beta `security/tiIndicators`, for members whose old `rh-isac.conf` still asks for it.

Microsoft announced the removal for April 2026; what a tenant is answered since then is not documented, so 403, 404,
410 and an empty 200 all count as retired. Source: Microsoft Graph beta, "tiIndicator" and "Microsoft Graph Security API
error responses" (206 with an `Error` in each failed item).
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.destinations import drift, graph_entries
from misp_modules_ext.destinations.answers import Advice, Answer, doubtful, said
from misp_modules_ext.destinations.client import PROBE_TIMEOUT, Client, attempt
from misp_modules_ext.destinations.graph_answers import NAME, deletions, named, results
from misp_modules_ext.destinations.graph_payload import (
    ACTIONS,
    DEFENDER,
    entity,
    refusal,
    shown,
    target_product,
    update,
)
from misp_modules_ext.destinations.interface import Entry, ItemResult, Limit, Refusal
from misp_modules_ext.destinations.listing import settled
from misp_modules_ext.destinations.transport import Transport
from misp_modules_ext.destinations.wire import encode, not_unicode, split
from misp_modules_ext.errors import TO_DO, DestinationError, Retired, Unavailable
from misp_modules_ext.model.finding import Code, Finding
from misp_modules_ext.model.indicator import Due, Indicator
from misp_modules_ext.model.outcome import Outcome

API_VERSION = "beta"
MAX_BATCH = 100
RATE = Limit(1000, 60.0)
MAX_PAGES = 10_000
#: Sources: Microsoft Graph, "tiIndicator" (by April 2026), and the annotations of Microsoft's own library (the day).
NOTICE = (
    "Microsoft has announced the removal of Graph tiIndicators for 10 April 2026, and Sentinel's connector behind it "
    "was to stop in June 2026: what still answers may take nothing."
)
_REMEDY = "use `api = sentinel` or `api = defender` for this destination."


def _advice(settings: DestinationSettings) -> Advice:
    section = f"[{settings.name}]"
    return Advice(
        NAME,
        unauthorized=f"correct `cloud` of {section}: the token must be for Graph in the tenant's cloud.",
        forbidden=_REMEDY,
        not_found=_REMEDY,
    )


class Graph:
    """One application's tiIndicators: it sees no others.

    Args:
        settings: whose, and for which product.
        transport: how they are reached; the process's shared one when absent.
    """

    in_flight = 4
    limit: Limit | None = RATE
    cannot_list = ""

    def __init__(self, settings: DestinationSettings, transport: Transport | None = None) -> None:
        self.settings = settings
        self._client = Client(settings, _advice(settings), transport)
        self._path = f"/{settings.api_version or API_VERSION}/security/tiIndicators"
        self._unanswered: set[str] = set()
        self._lock = threading.Lock()

    def refuses(self, indicator: Indicator) -> Refusal | None:
        """What Graph has a field for goes to Sentinel; Defender behind it holds what Defender holds."""
        product = target_product(self.settings.product)
        return refusal(indicator.observable, product) or not_unicode(indicator)

    def digest(self, indicator: Indicator) -> bytes:
        """Of what an update says: for Defender only what may change there."""
        return shown(indicator, self.settings)

    def survey(self, dues: Sequence[Due], timeout: float) -> list[Due | Refusal]:
        """Find which are there already, unless every id is known: submitting those again would double them."""
        if all(due.remote_id and not due.rewritten for due in dues):
            return list(dues)
        there = self._by_external_id(time.monotonic() + timeout)
        return [graph_entries.judge(due, there) for due in dues]

    def batches(self, dues: Sequence[Due]) -> list[list[Due]]:
        """At most 100 each; new ones and those that exist already go to different operations."""
        new = [due for due in dues if not due.remote_id]
        existing = [due for due in dues if due.remote_id]
        return split(new, MAX_BATCH) + split(existing, MAX_BATCH)

    def send(self, batch: Sequence[Due], timeout: float) -> list[ItemResult]:
        """Submit new ones, update those with a `remote_id`; see `interface.Destination.send`."""
        deadline = time.monotonic() + timeout
        ready = self._without_outdated(self._found_again(batch, deadline), deadline)
        cleared = {
            new.stamp.stix_id for old, new in zip(batch, ready, strict=True) if old.remote_id and not new.remote_id
        }
        try:
            found = self._send(ready, deadline)
        except DestinationError as error:
            if not cleared:
                raise
            # What was deleted is gone: a refusal of what follows must not read as if all stood as before.
            raise doubtful(error) from error
        return [_told(found[due.stamp.stix_id], gone=due.stamp.stix_id in cleared) for due in batch]

    def _send(self, ready: Sequence[Due], deadline: float) -> dict[str, ItemResult]:
        found: dict[str, ItemResult] = {}
        for part in self.batches(ready):
            updating = bool(part[0].remote_id)
            names = {due.stamp.stix_id for due in part}
            make = update if updating else entity
            operation = "updateTiIndicators" if updating else "submitTiIndicators"
            self._note(names, unanswered=not updating)
            answer = self._post(operation, [make(due, self.settings) for due in part], deadline)
            answers = dict(zip((due.stamp.stix_id for due in part), results(part, named(answer)), strict=True))
            found |= answers
            # One without a result of its own may be there as well.
            self._note({n for n, one in answers.items() if one.outcome is not Outcome.PENDING}, unanswered=False)
        return found

    def _found_again(self, batch: Sequence[Due], deadline: float) -> list[Due]:
        """The batch, in which what an unanswered submission may have created has its id: submitting doubles."""
        with self._lock:
            doubtful = {due.stamp.stix_id for due in batch if not due.remote_id} & self._unanswered
        there = self._by_external_id(deadline) if doubtful else {}
        ids = {name: there[name][0] for name in doubtful if name in there}
        return [due._replace(remote_id=due.remote_id or ids.get(due.stamp.stix_id, "")) for due in batch]

    def _without_outdated(self, batch: Sequence[Due], deadline: float) -> list[Due]:
        """The batch, in which those whose action has to change are new: an update for Defender cannot change it."""
        asked = [due for due in batch if due.rewritten and due.remote_id]
        if not asked or target_product(self.settings.product) != DEFENDER:
            return list(batch)
        actions = {item.get("id"): item.get("action") for page in self._pages(deadline) for item in page}
        outdated = {
            due.remote_id for due in asked if actions.get(due.remote_id) != ACTIONS[due.indicator.action]
        } & actions.keys()
        if outdated:
            answer = self._post("deleteTiIndicators", sorted(outdated), deadline, may_be_empty=True)
            if any(one.outcome is not Outcome.ACCEPTED for one in deletions(answer, len(outdated))):
                raise Unavailable("Graph did not delete an indicator whose action has to change: repeat later.")
        # One that is not listed was deleted before; its id is of no use.
        stale = {due.remote_id for due in asked if due.remote_id not in actions} | outdated
        return [due._replace(remote_id="") if due.remote_id in stale else due for due in batch]

    @staticmethod
    def _ids(due: Due, there: Mapping[str, list[str]]) -> list[str]:
        return [due.remote_id] if due.remote_id else there.get(due.stamp.stix_id, [])

    def _note(self, names: set[str], *, unanswered: bool) -> None:
        with self._lock:
            self._unanswered = self._unanswered | names if unanswered else self._unanswered - names

    def withdraw(self, batch: Sequence[Due], timeout: float) -> list[ItemResult]:
        """Delete by id. What an earlier submission without an answer may have created is looked up first."""
        deadline = time.monotonic() + timeout
        with self._lock:
            noted = frozenset(self._unanswered)
        unknown = [due for due in batch if not due.remote_id]
        doubtful = {due.stamp.stix_id for due in unknown if due.unanswered or due.stamp.stix_id in noted}
        there = self._by_external_id(deadline) if doubtful else {}
        numbers = [self._ids(due, there if due.stamp.stix_id in doubtful else {}) for due in batch]
        wanted = list(dict.fromkeys(number for found in numbers for number in found))
        deleted: dict[str, ItemResult] = {}
        for start in range(0, len(wanted), MAX_BATCH):
            part = wanted[start : start + MAX_BATCH]
            answer = self._post("deleteTiIndicators", part, deadline, may_be_empty=True)
            deleted |= zip(part, deletions(answer, len(part)), strict=True)
        return [_together([deleted[number] for number in found]) for found in numbers]

    def entries(self, timeout: float) -> list[Entry]:
        """All that this application created for this product; see `interface.Destination.entries`."""
        deadline = time.monotonic() + timeout
        product = target_product(self.settings.product)
        listed = settled(lambda: self._reading(deadline), NAME)
        return [graph_entries.entry_of(item) for item in listed if item.get("targetProduct") in (product, None)]

    def _reading(self, deadline: float) -> tuple[dict[Hashable, dict[str, Any]], bool]:
        pages = list(self._pages(deadline))
        return {(item.get("id"), item.get("externalId")): item for page in pages for item in page}, len(pages) == 1

    def differs(self, entry: Entry, due: Due) -> str:
        """See `interface.Destination.differs`."""
        return drift.differences(entry.says, graph_entries.says(update(due, self.settings)))

    def check(self) -> list[Finding]:
        """Token, then a list of one."""
        token = self._client.check_token()
        return [token, attempt(Code.TI_INDICATORS, "read tiIndicators", self._probe)] if token.ok else [token]

    def hosts(self) -> list[str]:
        """Entra and Graph."""
        return self._client.hosts()

    def _probe(self) -> str:
        self._get(f"{self._path}?$top=1", PROBE_TIMEOUT)
        return "Graph still answers for tiIndicators; whether the product behind it takes any is not known."

    def _by_external_id(self, deadline: float) -> dict[str, list[str]]:
        """The ids of all of our indicators, by external id; a submission that was repeated left several."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for page in self._pages(deadline):
            for item in page:
                if item.get("externalId") and item.get("id"):
                    found[item["externalId"]].append(item["id"])
        return dict(found)

    def _pages(self, deadline: float) -> Iterator[list[dict[str, Any]]]:
        """The list of this application's indicators to its end.

        Raises:
            DestinationError: a page did not come, or leads back to one that was read.
        """
        address, seen = self._path, set[str]()
        for _ in range(MAX_PAGES):
            document = self._get(address, deadline - time.monotonic())
            yield document["value"]
            seen.add(address)
            following = self._next(document)
            if following is None:
                return
            if following in seen:
                break
            address = following
        raise Unavailable("Graph's list of tiIndicators does not end: repeat later.")

    def _next(self, document: Mapping[str, Any]) -> str | None:
        """The next page's address; the token goes to no other origin."""
        address = document.get("@odata.nextLink")
        if not address:
            return None
        if not isinstance(address, str) or not self._client.is_ours(address):
            raise Unavailable("Graph's list of tiIndicators goes on at an address that is not Graph's: report it.")
        return address

    def _get(self, address: str, timeout: float) -> dict[str, Any]:
        answer = self._accepted(self._client.call("GET", address, timeout=timeout), 200)
        named(answer)
        document: dict[str, Any] = answer.json()
        return document

    def _post(self, operation: str, value: list[Any], deadline: float, *, may_be_empty: bool = False) -> Answer:
        body = encode({"value": value})
        timeout = deadline - time.monotonic()
        answer = self._client.call("POST", f"{self._path}/{operation}", timeout=timeout, body=body)
        self._accepted(answer, 200, 201, 204, 206)
        if answer.is_empty and not may_be_empty:
            raise Retired(f"{NAME} answered {answer.status} with nothing, so nothing was taken.{TO_DO}{_REMEDY}")
        return answer

    def _accepted(self, answer: Answer, *statuses: int) -> Answer:
        happened = said(answer, NAME)
        if answer.status in (404, 410):
            raise Retired(f"{happened} Microsoft has announced the removal of this API for April 2026.{TO_DO}{_REMEDY}")
        if answer.status == 403:
            raise Retired(
                f"{happened} Either Microsoft has switched this API off for the tenant, or the application of "
                f"[{self.settings.name}] lacks the permission ThreatIndicators.ReadWrite.OwnedBy.{TO_DO}{_REMEDY}"
            )
        return self._client.expect(answer, *statuses)


def _told(result: ItemResult, *, gone: bool) -> ItemResult:
    """The result for one whose earlier entry was deleted for it, or was not."""
    return result._replace(gone=gone and result.outcome in (Outcome.REJECTED, Outcome.SKIPPED))


def _together(parts: Sequence[ItemResult]) -> ItemResult:
    """The result for one indicator of what became of its entries: one that stays is what has to be told."""
    return next((one for one in parts if one.outcome is not Outcome.ACCEPTED), ItemResult(Outcome.ACCEPTED))
