"""Microsoft Graph beta `security/tiIndicators`, for members whose old `rh-isac.conf` still asks for it.

Microsoft announced the removal for April 2026; what a tenant is answered since then is not documented, so 403, 404,
410 and an empty 200 all count as retired. Source: Microsoft Graph beta, "tiIndicator" and "Microsoft Graph Security API
error responses" (206 with an `Error` in each failed item).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.destinations.answers import TO_DO, Advice, Answer, clean, error_text, said, unreadable
from misp_modules_ext.destinations.client import PROBE_TIMEOUT, Client, attempt
from misp_modules_ext.destinations.graph_payload import entity, refusal, target_product, update
from misp_modules_ext.destinations.interface import Finding, ItemResult, Limit, Refusal
from misp_modules_ext.destinations.transport import Transport
from misp_modules_ext.destinations.wire import encode, not_unicode, split
from misp_modules_ext.errors import Retired, Unavailable
from misp_modules_ext.model.indicator import Due, Indicator
from misp_modules_ext.model.outcome import Outcome, Reason

API_VERSION = "beta"
MAX_BATCH = 100
RATE = Limit(1000, 60.0)
MAX_PAGES = 10_000
#: What stands in place of an id in an item that failed.
FAILED_ID = "failed to create"
NAME = "Microsoft Graph (tiIndicators)"
_REMEDY = "use `api = sentinel` or `api = defender` for this destination."
_NO_RESULT = ItemResult(
    Outcome.PENDING, Reason.UNREACHABLE, "Graph's answer holds no result for this value: repeat to be sure."
)


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

    def __init__(self, settings: DestinationSettings, transport: Transport | None = None) -> None:
        self.settings = settings
        self._client = Client(settings, _advice(settings), transport)
        self._path = f"/{settings.api_version or API_VERSION}/security/tiIndicators"
        self._unanswered: set[str] = set()
        self._lock = threading.Lock()

    def refuses(self, indicator: Indicator) -> Refusal | None:
        """As the product behind it: Sentinel holds all kinds, Defender not."""
        product = target_product(self.settings.product)
        return refusal(indicator.observable, product) or not_unicode(indicator)

    def survey(self, dues: Sequence[Due], timeout: float) -> list[Due | Refusal]:
        """Find which of them are there already: submitting those again would double them."""
        if not dues:
            return []
        there = self._there({due.stamp.stix_id for due in dues}, time.monotonic() + timeout)
        return [due._replace(remote_id=there.get(due.stamp.stix_id, "")) for due in dues]

    def batches(self, dues: Sequence[Due]) -> list[list[Due]]:
        """At most 100 each; new ones and those that exist already go to different operations."""
        new = [due for due in dues if not due.remote_id]
        existing = [due for due in dues if due.remote_id]
        return split(new, MAX_BATCH) + split(existing, MAX_BATCH)

    def send(self, batch: Sequence[Due], timeout: float) -> list[ItemResult]:
        """Submit new ones, update those with a `remote_id`; see `interface.Destination.send`."""
        deadline = time.monotonic() + timeout
        found: dict[str, ItemResult] = {}
        for part in self.batches(self._found_again(batch, deadline)):
            updating = bool(part[0].remote_id)
            names = {due.stamp.stix_id for due in part}
            make = update if updating else entity
            operation = "updateTiIndicators" if updating else "submitTiIndicators"
            self._note(names, unanswered=not updating)
            answer = self._post(operation, [make(due, self.settings) for due in part], deadline)
            answers = dict(zip((due.stamp.stix_id for due in part), results(part, _named(answer)), strict=True))
            found |= answers
            # One without a result of its own may be there as well.
            self._note({n for n, one in answers.items() if one.outcome is not Outcome.PENDING}, unanswered=False)
        return [found[due.stamp.stix_id] for due in batch]

    def _found_again(self, batch: Sequence[Due], deadline: float) -> list[Due]:
        """The batch, in which what an unanswered submission may have created has its id: submitting doubles."""
        with self._lock:
            doubtful = {due.stamp.stix_id for due in batch if not due.remote_id} & self._unanswered
        there = self._there(doubtful, deadline) if doubtful else {}
        return [due._replace(remote_id=due.remote_id or there.get(due.stamp.stix_id, "")) for due in batch]

    def _note(self, names: set[str], *, unanswered: bool) -> None:
        with self._lock:
            self._unanswered = self._unanswered | names if unanswered else self._unanswered - names

    def withdraw(self, batch: Sequence[Due], timeout: float) -> list[ItemResult]:
        """Delete by id; ids that are not known are looked up."""
        deadline = time.monotonic() + timeout
        missing = [due for due in batch if not due.remote_id]
        there = self._there({due.stamp.stix_id for due in missing}, deadline) if missing else {}
        numbers = [due.remote_id or there.get(due.stamp.stix_id, "") for due in batch]
        wanted = list(dict.fromkeys(number for number in numbers if number))
        if not wanted:
            return [ItemResult(Outcome.ACCEPTED) for _ in batch]
        answer = self._post("deleteTiIndicators", wanted, deadline, may_be_empty=True)
        deleted = dict(zip(wanted, _deletions(answer, len(wanted)), strict=True))
        return [deleted.get(number, ItemResult(Outcome.ACCEPTED)) for number in numbers]

    def check(self) -> list[Finding]:
        """Token, then a list of one."""
        token = self._client.check_token()
        return [token, attempt("read tiIndicators", self._probe)] if token.ok else [token]

    def hosts(self) -> list[str]:
        """Entra and Graph."""
        return self._client.hosts()

    def _probe(self) -> str:
        self._get(f"{self._path}?$top=1", PROBE_TIMEOUT)
        return "Graph still answers for tiIndicators; whether the product behind it takes any is not known."

    def _there(self, wanted: set[str], deadline: float) -> dict[str, str]:
        """Ids of those of our indicators that are there, by external id."""
        found: dict[str, str] = {}
        address = self._path
        for _ in range(MAX_PAGES):
            document = self._get(address, deadline - time.monotonic())
            for item in document["value"]:
                external, number = item.get("externalId"), item.get("id")
                if external in wanted and number:
                    found[external] = number
            following = self._next(document, address)
            if following is None:
                return found
            address = following
        raise Unavailable("Graph's list of tiIndicators does not end: repeat later.")

    def _next(self, document: Mapping[str, Any], current: str) -> str | None:
        """The next page's address; the token goes to no other origin."""
        address = document.get("@odata.nextLink")
        if not address:
            return None
        if not isinstance(address, str) or address == current or not self._client.is_ours(address):
            raise Unavailable("Graph's list of tiIndicators goes on at an address that is not Graph's: report it.")
        return address

    def _get(self, address: str, timeout: float) -> dict[str, Any]:
        answer = self._accepted(self._client.call("GET", address, timeout=timeout), 200)
        _named(answer)
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


def _objects(document: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    found = document.get("value")
    good = isinstance(found, list) and all(isinstance(item, dict) for item in found)
    return found if good else None


def _items(answer: Answer) -> list[dict[str, Any]]:
    document = answer.json()
    found = _objects(document) if isinstance(document, dict) else None
    if found is None:
        raise unreadable(answer, NAME, "not with the documented list of values")
    return found


def _named(answer: Answer) -> list[dict[str, Any]]:
    """Items whose ids are texts where they are given: one that cannot be recognized might be submitted again."""
    items = _items(answer)
    if not all(isinstance(item.get(name), (str, type(None))) for item in items for name in ("id", "externalId")):
        raise unreadable(answer, NAME, "with ids that are no texts")
    return items


def results(batch: Sequence[Due], items: Sequence[Mapping[str, Any]]) -> list[ItemResult]:
    """The result for each of a batch: by external id, by id, or by place for an item that says neither."""
    by_name: dict[str, Mapping[str, Any]] = {}
    for one in items:
        for name in (one.get("externalId"), one.get("id")):
            # Of two items for one name the failure counts: nothing is accepted that may not be there.
            if isinstance(name, str) and name and (name not in by_name or _failure(one) is not None):
                by_name[name] = one
    in_place: Iterable[Mapping[str, Any] | None] = items if len(items) == len(batch) else [None] * len(batch)
    found = []
    for due, at_its_place in zip(batch, in_place, strict=True):
        item: Mapping[str, Any] | None = by_name.get(due.stamp.stix_id) or (
            by_name.get(due.remote_id) if due.remote_id else None
        )
        if item is None and at_its_place is not None and _is_nameless_failure(at_its_place):
            item = at_its_place
        found.append(_NO_RESULT if item is None else _result(item))
    return found


def _is_nameless_failure(item: Mapping[str, Any]) -> bool:
    return not item.get("externalId") and _failure(item) is not None


def _failure(item: Mapping[str, Any]) -> str | None:
    """Why an item failed, `None` for one that did not."""
    error = next((item[name] for name in ("Error", "error") if item.get(name)), None)
    number = item.get("id")
    named = isinstance(number, str) and number and not number.lower().startswith(FAILED_ID)
    if error is None and named:
        return None
    text = error if isinstance(error, str) else encode(error).decode() if error else ""
    code, message = error_text(Answer(200, body=text.encode("utf-8", "replace")))
    return ": ".join(part for part in (code, message) if part) or "Graph refused it without a reason."


def _result(item: Mapping[str, Any]) -> ItemResult:
    why = _failure(item)
    if why is not None:
        return ItemResult(Outcome.REJECTED, Reason.REJECTED, clean(why))
    return ItemResult(Outcome.ACCEPTED, remote_id=str(item["id"]))


def _deletions(answer: Answer, count: int) -> list[ItemResult]:
    """Results of a deletion: `resultInfo` objects in the order of the ids, or nothing when all went well."""
    if answer.is_empty:
        return [ItemResult(Outcome.ACCEPTED)] * count
    items = _items(answer)
    if len(items) != count:
        raise unreadable(answer, NAME, f"not with the {count} results expected")
    return [_deletion(item) for item in items]


def _deletion(item: Mapping[str, Any]) -> ItemResult:
    code = str(item.get("code", ""))
    if code in ("0", "200", "204", "404"):
        return ItemResult(Outcome.ACCEPTED)
    text = clean(f"{code} {item.get('message') or ''}".strip()) or "Graph did not delete it and gave no reason."
    return ItemResult(Outcome.REJECTED, Reason.REJECTED, text)
