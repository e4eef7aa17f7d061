"""Sentinel's threat intelligence through Azure's resource manager: reading back, and deleting for good.

Sources: Azure Resource Manager, Microsoft.SecurityInsights: `queryIndicators` (2025-09-01) and `query`
(2025-10-01-preview), the one that names resources. Deleting such a resource is in no document; it was seen in use.
Pages of `queryIndicators` go on by the `$skipToken` of the next link, put into the body.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.destinations.answers import Advice, Answer, unreadable
from misp_modules_ext.destinations.client import PROBE_TIMEOUT, Client
from misp_modules_ext.destinations.interface import Entry
from misp_modules_ext.destinations.listing import settled
from misp_modules_ext.destinations.sentinel_entries import entry_of
from misp_modules_ext.destinations.transport import Transport
from misp_modules_ext.destinations.wire import encode
from misp_modules_ext.errors import NotFound, Throttled, Unavailable

NAME = "Azure's resource manager"
API_VERSION = "2025-09-01"
#: `query` exists in preview only.
QUERY_VERSION = "2025-10-01-preview"
_PREVIEW = frozenset({"query", "count"})
#: The largest page is not documented; this one was seen in use.
PAGE = 1_000
MAX_PAGES = 10_000
#: Seconds for one page.
PAGE_TIMEOUT = 40.0
#: Requests for one page, the first included, when there are too many in a short time.
ATTEMPTS = 5
#: Seconds to wait when Azure does not say how long.
WAIT = 5.0


def _advice(settings: DestinationSettings) -> Advice:
    section = f"[{settings.name}]"
    return Advice(
        NAME,
        unauthorized=f"correct `cloud` of {section}: the token must be for Azure's resource manager in that cloud.",
        forbidden=f"give the application of {section} (`appId`) the role Microsoft Sentinel Contributor on the "
        "workspace (a new role can take minutes to count).",
        not_found=f"correct `subscriptionId`, `resourceGroup` and `workspaceName` of {section}, and "
        "`endpoint.management` if it is set.",
    )


class Management:
    """What the resource manager knows of a workspace's indicators.

    Args:
        settings: the workspace, and our source system.
        transport: how it is reached; the process's shared one when absent.
    """

    def __init__(self, settings: DestinationSettings, transport: Transport | None = None) -> None:
        self._settings = settings
        self._client = Client(settings, _advice(settings), transport, settings.endpoint_management)
        subscription, group, name = _place(settings)
        self._path = (
            f"/subscriptions/{quote(subscription, safe='')}/resourceGroups/{quote(group, safe='()')}/providers/"
            f"Microsoft.OperationalInsights/workspaces/{quote(name, safe='')}/providers/Microsoft.SecurityInsights/"
            "threatIntelligence"
        )

    @property
    def missing(self) -> str:
        """Why it cannot be asked, with the remedy; `""` when it can."""
        if all(_place(self._settings)):
            return ""
        return (
            "Sentinel's upload API cannot read. Set `subscriptionId`, `resourceGroup` and `workspaceName` of "
            f"[{self._settings.name}] to read back through Azure's resource manager."
        )

    def hosts(self) -> list[str]:
        """Entra and the resource manager."""
        return self._client.hosts()

    def probe(self) -> str:
        """Read a page of one indicator."""
        self._require()
        answer = self._ask("queryIndicators", self._criteria(1), time.monotonic() + PROBE_TIMEOUT)
        _items(answer)
        return "indicators can be read back."

    def count(self) -> str:
        """How many indicators of our source there are, revoked ones included; `count` is a preview API."""
        self._require()
        condition = {
            "stixObjectType": "indicator",
            "conditionConnective": "And",
            "clauses": [_clause("source", [self._settings.source_system])],
        }
        answer = self._ask("count", {"properties": {"condition": condition}}, time.monotonic() + PROBE_TIMEOUT)
        document = answer.json()
        found = document.get("count") if isinstance(document, dict) else None
        if not isinstance(found, int) or isinstance(found, bool):
            raise unreadable(answer, NAME, "not with the documented count")
        return f"{found:,} indicators of the source {self._settings.source_system}, revoked ones included."

    def entries(self, deadline: float) -> list[Entry]:
        """All indicators of our source, revoked ones included.

        Raises:
            DestinationError: a page did not come, or the list does not end or does not come to rest.
        """
        self._require()
        return settled(lambda: self._reading(deadline), "Sentinel")

    def _reading(self, deadline: float) -> tuple[dict[Hashable, Entry], bool]:
        source = self._settings.source_system
        found: dict[Hashable, Entry] = {}
        count = 0
        for answer in self._pages(deadline):
            count += 1
            for item in _items(answer):
                properties = item["properties"]
                if properties["source"] == source:
                    entry = entry_of(item, properties)
                    # What is changed meanwhile moves to the end of the list, and may come once more.
                    found[entry.remote_id, entry.stix_id] = entry
        return found, count == 1

    def resources(self, stix_ids: Sequence[str], deadline: float) -> dict[str, str]:
        """Paths of the resources that hold these objects of our source, as far as they are shown, by STIX id."""
        found: dict[str, str] = {}
        for item in self.held(stix_ids, deadline):
            stix_id, path = _stix_id(item), item.get("id")
            if self._is_resource(path, stix_id):
                found[stix_id] = str(path)
        return found

    def held(self, stix_ids: Sequence[str], deadline: float) -> Iterator[dict[str, Any]]:
        """The objects of our source with these STIX ids, as `query` shows them."""
        self._require()
        source = self._settings.source_system
        wanted = dict.fromkeys(stix_ids)
        clauses = [_clause("source", [source]), _clause("id", list(wanted))]
        condition = {"stixObjectType": "indicator", "conditionConnective": "And", "clauses": clauses}
        first = self._ask("query", {"condition": condition, "maxPageSize": PAGE}, deadline)
        for answer in self._linked(first, deadline):
            for item in _items(answer):
                if _stix_id(item) in wanted and item["properties"]["source"] == source:
                    yield item

    def mentioning(self, word: str, deadline: float) -> list[dict[str, Any]]:
        """Indicators of any source that hold a word, as `queryIndicators` shows them; one page.

        In which properties Microsoft looks for a keyword is not documented; what is not on the page has no say.
        """
        self._require()
        return _items(
            self._ask("queryIndicators", {"keywords": [word], "includeDisabled": True, "pageSize": PAGE}, deadline)
        )

    def delete(self, resource: str, timeout: float) -> None:
        """Delete one resource; that it is not there any more is success."""
        path = f"{quote(resource, safe='/:=+()')}?api-version={QUERY_VERSION}"
        self._client.expect(self._client.call("DELETE", path, timeout=timeout), 200, 202, 204, 404)

    def _require(self) -> None:
        if self.missing:
            raise NotFound(self.missing)

    def _is_resource(self, path: object, stix_id: str) -> bool:
        """Whether a path is that of this object in our workspace: it is going to be deleted."""
        prefix = f"{unquote(self._path)}/".lower()
        return isinstance(path, str) and path.lower().startswith(prefix) and path.endswith(f"---{stix_id}")

    def _criteria(self, size: int) -> dict[str, Any]:
        return {
            "sources": [self._settings.source_system],
            "includeDisabled": True,
            "pageSize": size,
            "sortBy": [{"itemKey": "lastUpdatedTimeUtc", "sortOrder": "ascending"}],
        }

    def _pages(self, deadline: float) -> Iterator[Answer]:
        """Page after page, by the token of each next link."""
        criteria = self._criteria(PAGE)
        first = self._ask("queryIndicators", criteria, deadline)
        return _follow(
            first, skip_token, lambda token: self._ask("queryIndicators", {**criteria, "skipToken": token}, deadline)
        )

    def _linked(self, first: Answer, deadline: float) -> Iterator[Answer]:
        """This page and those after it, by their next links: the body of `query` takes no token."""

        def _next(link: str) -> Answer:
            if not self._client.is_ours(link):
                raise Unavailable("Sentinel's list of indicators goes on at an address that is not Azure's: report it.")
            return self._patiently("GET", link, None, deadline)

        return _follow(first, next_link, _next)

    def _ask(self, operation: str, body: Mapping[str, Any], deadline: float) -> Answer:
        version = QUERY_VERSION if operation in _PREVIEW else API_VERSION
        return self._patiently("POST", f"{self._path}/main/{operation}?api-version={version}", encode(body), deadline)

    def _patiently(self, method: str, path: str, body: bytes | None, deadline: float) -> Answer:
        """A request that is repeated when Azure asks to slow down and the time allows: a page must not be missing."""
        for attempt in range(1, ATTEMPTS + 1):
            timeout = min(PAGE_TIMEOUT, deadline - time.monotonic())
            try:
                return self._client.expect(self._client.call(method, path, timeout=timeout, body=body), 200)
            except Throttled as error:
                wait = WAIT if error.retry_after is None else error.retry_after
                if attempt == ATTEMPTS or time.monotonic() + wait >= deadline:
                    raise
                time.sleep(wait)
        raise AssertionError("the last attempt returns or raises")


def _place(settings: DestinationSettings) -> tuple[str, str, str]:
    return settings.subscription_id, settings.resource_group, settings.workspace_name


def _follow(answer: Answer, step: Callable[[Answer], str], ask: Callable[[str], Answer]) -> Iterator[Answer]:
    """A page and all that come after it.

    Args:
        answer: the first page.
        step: what leads from a page to the next, `""` on the last.
        ask: the page that this leads to.

    Raises:
        Unavailable: a page leads back to one that was read, or to no end.
    """
    seen: set[str] = set()
    for _ in range(MAX_PAGES):
        yield answer
        following = step(answer)
        if not following:
            return
        if following in seen:
            break
        seen.add(following)
        answer = ask(following)
    raise Unavailable("Sentinel's list of indicators leads back into itself, so its end is not known: repeat later.")


def next_link(answer: Answer) -> str:
    """The address of the next page, `""` on the last one.

    Raises:
        Unavailable: there is one, but it is no address.
    """
    link = answer.json().get("nextLink")
    if link is None or link == "":
        return ""
    if not isinstance(link, str):
        raise unreadable(answer, NAME, "with a next page that is no address")
    return link


def skip_token(answer: Answer) -> str:
    """The token in the address of the next page, `""` on the last page.

    Raises:
        Unavailable: there is a next page, but no token for it.
    """
    link = next_link(answer)
    if not link:
        return ""
    try:
        pairs = [pair.partition("=") for pair in urlsplit(link).query.split("&")]
    except ValueError:
        pairs = []
    # Not parse_qs: it makes spaces of the plus signs that a token may hold.
    tokens = [unquote(value) for name, _, value in pairs if unquote(name).lower().lstrip("$") == "skiptoken" and value]
    if len(tokens) != 1:
        raise unreadable(answer, NAME, "with a next page that has no token")
    return tokens[0]


def _items(answer: Answer) -> list[dict[str, Any]]:
    """The elements of `value`, each with the properties that say whose it is.

    Raises:
        Unavailable: the answer is anything else. What cannot be told ours must not look like nothing there.
    """
    document = answer.json()
    found = document.get("value") if isinstance(document, dict) else None
    if not isinstance(found, list) or not all(map(_is_sourced, found)):
        raise unreadable(answer, NAME, "not with the documented list of objects with their source")
    return found


def _is_sourced(item: Any) -> bool:
    properties = item.get("properties") if isinstance(item, dict) else None
    return isinstance(properties, dict) and isinstance(properties.get("source"), str)


def _stix_id(item: Mapping[str, Any]) -> str:
    data = item["properties"].get("data")
    found = data.get("id") if isinstance(data, dict) else None
    return found if isinstance(found, str) else ""


def _clause(field: str, values: Collection[str]) -> dict[str, Any]:
    return {"field": field, "operator": "Equals", "clauseConnective": "Or", "values": values}
