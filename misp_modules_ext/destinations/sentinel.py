"""Microsoft Sentinel through the upload of STIX objects (api-version 2024-02-01-preview, the only one there is).

Source: Microsoft Sentinel, "STIX objects API", and its swagger. Identity there is (sourcesystem, STIX id): the same
again is an update, so nothing has to be looked up first.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.destinations import drift, sentinel_objects
from misp_modules_ext.destinations.answers import Advice, Answer, clean, said, unreadable
from misp_modules_ext.destinations.client import PROBE_TIMEOUT, Client, attempt
from misp_modules_ext.destinations.interface import MAX_OBJECTS, Beside, Entry, ItemResult, Limit, Refusal
from misp_modules_ext.destinations.looking import Presence, Probe, Sighting
from misp_modules_ext.destinations.sentinel_entries import meant
from misp_modules_ext.destinations.sentinel_looking import SentinelLooking
from misp_modules_ext.destinations.sentinel_management import Management
from misp_modules_ext.destinations.sentinel_payload import PATHS, refusal, shown, stix_object, upload_body
from misp_modules_ext.destinations.transport import Transport
from misp_modules_ext.destinations.wire import encode, not_unicode, split
from misp_modules_ext.errors import TO_DO, DestinationError, NotFound, Throttled
from misp_modules_ext.model.finding import Code, Finding
from misp_modules_ext.model.indicator import Due, Indicator, Observable
from misp_modules_ext.model.outcome import Outcome, Reason, State

API_VERSION = "2024-02-01-preview"
MAX_BATCH = MAX_OBJECTS
#: Documented for the calling principal.
RATE = Limit(100, 60.0)
#: An object that cannot be stored, and that would do nothing if it were.
_NOTHING: Mapping[str, Any] = {"type": "indicator", "revoked": True}
_UNTOLD = (
    "to an object without id, time and pattern it named no error, which is not documented; stored or not, such an "
    "object matches nothing."
)
_NO_REASON = "Sentinel refused it without a reason."


def _advice(settings: DestinationSettings) -> Advice:
    section = f"[{settings.name}]"
    role = "the role Microsoft Sentinel Contributor on the workspace (a new role can take minutes to count)"
    return Advice(
        "Microsoft Sentinel",
        unauthorized=f"correct `cloud` of {section}: the token must be for Azure's resource manager in that cloud.",
        forbidden=f"give the application of {section} (`appId`) {role}.",
        not_found=f"correct `workspaceId` of {section}: it is the workspace's GUID (Log Analytics workspace, Overview, "
        f"Workspace ID), not its name; the application also needs {role}.{_other_path(settings)}",
    )


def _other_path(settings: DestinationSettings) -> str:
    """For governments the path is not documented, and Microsoft's connector template has another spelling."""
    if settings.cloud not in ("gcc-high", "dod"):
        return ""
    return f" If both are right, try another `uploadPath` (cloud {settings.cloud}: see docs/configuration.md)."


class Sentinel:
    """A Sentinel workspace.

    Args:
        settings: where it is and who we are.
        transport: how it is reached; the process's shared one when absent.
    """

    #: A live upload was seen to take 7.5 s; twelve at once use the 100 requests a minute.
    in_flight = 12
    limit: Limit | None = RATE

    def __init__(self, settings: DestinationSettings, transport: Transport | None = None) -> None:
        self.settings = settings
        self._client = Client(settings, _advice(settings), transport)
        self._management = Management(settings, transport)
        self._looking = SentinelLooking(settings, self._management, transport)
        workspace = quote(settings.workspace_id.strip("{} "), safe="")
        version = quote(settings.api_version or API_VERSION, safe="")
        upload = quote(settings.upload_path, safe=":")
        self._path = f"/workspaces/{workspace}/{upload}?api-version={version}"

    @property
    def cannot_list(self) -> str:
        """The upload API cannot read: that takes the three keys of the resource manager."""
        return self._management.missing

    @staticmethod
    def refuses(indicator: Indicator) -> Refusal | None:
        """Kinds that Sentinel could store but never match have no place there."""
        kind, value = indicator.observable
        # Nearly all, and this is asked for every indicator at every destination.
        if kind in PATHS and value.isascii():
            return None
        return refusal(indicator.observable) or not_unicode(indicator)

    def digest(self, indicator: Indicator) -> bytes:
        """Of the object: no attributes' ids, and the beginning of the description."""
        return shown(indicator)

    def survey(self, dues: Sequence[Due], timeout: float) -> list[Due | Refusal]:
        """Nothing to look up: our `sourceSystem` keeps other people's objects apart from ours."""
        return list(dues)

    def batches(self, dues: Sequence[Due]) -> list[list[Due]]:
        """At most 100 objects each."""
        return split(dues, MAX_BATCH)

    def send(self, batch: Sequence[Due], timeout: float) -> list[ItemResult]:
        """Upload; see `interface.Destination.send`."""
        return self._upload(batch, timeout, revoked=False)

    def beside(self, due: Due) -> list[Beside]:
        """Threat actors, techniques and relationships where the configuration asks for them."""
        return sentinel_objects.beside(due) if self.settings.sends_objects else []

    def again(self, document: Mapping[str, Any], generation: int) -> dict[str, Any]:
        """See `interface.HoldsObjects.again`."""
        return sentinel_objects.again(document, generation)

    def taken_back(self, document: Mapping[str, Any], modified_ms: int) -> dict[str, Any]:
        """See `interface.HoldsObjects.taken_back`."""
        return sentinel_objects.taken_back(document, modified_ms)

    def put(self, documents: Sequence[Mapping[str, Any]], timeout: float) -> list[ItemResult]:
        """Upload objects of context; see `interface.HoldsObjects.put`."""
        if not documents:
            return []
        body = encode({"sourcesystem": self.settings.source_system, "stixobjects": list(documents)})
        return self._post(body, len(documents), timeout)

    def withdraw(self, batch: Sequence[Due], timeout: float) -> list[ItemResult]:
        """Upload once more, as revoked; with `hardDelete`, delete what the read-back shows.

        What it does not show may have been deleted, or come too lately to be seen: that is revoked, so that in no case
        an indicator stays live.
        """
        if not self.settings.hard_delete or not batch:
            return self._upload(batch, timeout, revoked=True)
        deadline = time.monotonic() + timeout
        shown = self._management.resources([due.stamp.stix_id for due in batch], deadline)
        hidden = [due for due in batch if due.stamp.stix_id not in shown]
        revoked = dict(
            zip(
                (due.stamp.stix_id for due in hidden),
                self._upload(hidden, deadline - time.monotonic(), revoked=True),
                strict=True,
            )
        )
        found = revoked | self._delete(shown, deadline, may_raise=not revoked)
        return [found[due.stamp.stix_id] for due in batch]

    def entries(self, timeout: float) -> list[Entry]:
        """All of our source; see `interface.Destination.entries`. Uploads show after some minutes only."""
        return self._management.entries(time.monotonic() + timeout)

    def differs(self, entry: Entry, due: Due) -> str:
        """See `interface.Destination.differs`."""
        return drift.differences(entry.says, meant(stix_object(due)))

    def presence(self, observables: Sequence[Observable]) -> list[Probe[Presence]]:
        """See `looking.LooksUp.presence`."""
        return self._looking.presence(observables)

    def estate(self, observables: Sequence[Observable], since: int) -> list[Probe[Sighting]]:
        """See `looking.LooksUp.estate`."""
        return self._looking.estate(observables, since)

    def check(self) -> list[Finding]:
        """Token, an upload of an object without any property that is required, and the read-back if it is configured.

        Such an object cannot be stored, and what could not would be revoked: documented is an item error in a 200,
        likely a 400 as it is the only one. Either comes after the checks of token (401), role (403) and workspace
        (404), which an empty list might not reach.
        """
        token = self._client.check_token()
        if not token.ok:
            return [token]
        found = [token, attempt(Code.UPLOAD, f"upload to workspace {self.settings.workspace_id}", self._probe)]
        if not self.cannot_list:
            name = self.settings.workspace_name
            found.append(attempt(Code.READ_BACK, f"read back from workspace {name}", self._management.probe))
            if found[-1].ok:
                count = attempt(Code.COUNT, f"count in workspace {name}", self._management.count)
                # Of a preview API, and nothing depends on it: that it fails is told, and is no failure of ours.
                found.append(count._replace(state=State.OK))
        return found

    def hosts(self) -> list[str]:
        """Entra and the upload API, and the resource manager if reading back is configured."""
        further = [] if self.cannot_list else self._management.hosts()
        return list(dict.fromkeys([*self._client.hosts(), *further]))

    def _probe(self) -> str:
        body = encode({"sourcesystem": self.settings.source_system, "stixobjects": [_NOTHING]})
        answer = self._client.call("POST", self._path, timeout=PROBE_TIMEOUT, body=body)
        self._client.expect(answer, 200, 400)
        if answer.status == 200:
            told = bool(read_errors(answer, 1))
            return f"the application may upload; {'nothing was changed.' if told else _UNTOLD}"
        words = said(answer, "Microsoft Sentinel")
        if "version" in words.lower():
            raise NotFound(f"{words}{TO_DO}correct `apiVersion` of [{self.settings.name}], or remove the line.")
        # What Microsoft says of an object that cannot be stored is not documented: its words are shown, not judged.
        return f"the application may upload; nothing was changed. To the incomplete object {words}"

    def _delete(self, resources: dict[str, str], deadline: float, *, may_raise: bool) -> dict[str, ItemResult]:
        """Delete one after the other. What was deleted before an error has its result; the rest is pending."""
        found: dict[str, ItemResult] = {}
        for stix_id, resource in resources.items():
            try:
                self._management.delete(resource, deadline - time.monotonic())
            except DestinationError as error:
                if may_raise and not found:
                    raise
                reason = Reason.THROTTLED if isinstance(error, Throttled) else Reason.UNREACHABLE
                later = ItemResult(Outcome.PENDING, reason, str(error))
                return dict.fromkeys(resources, later) | found
            found[stix_id] = ItemResult(Outcome.ACCEPTED)
        return found

    def _upload(self, batch: Sequence[Due], timeout: float, *, revoked: bool) -> list[ItemResult]:
        if not batch:
            return []
        return self._post(upload_body(self.settings.source_system, batch, revoked=revoked), len(batch), timeout)

    def _post(self, body: bytes, count: int, timeout: float) -> list[ItemResult]:
        answer = self._client.call("POST", self._path, timeout=timeout, body=body)
        errors = read_errors(self._client.expect(answer, 200), count)
        return [_result(errors.get(index)) for index in range(count)]


def _result(messages: list[str] | None) -> ItemResult:
    if messages is None:
        return ItemResult(Outcome.ACCEPTED)
    return ItemResult(Outcome.REJECTED, Reason.REJECTED, clean(" ".join(messages)) or _NO_REASON)


def read_errors(answer: Answer, count: int) -> dict[int, list[str]]:
    """The item errors of a 200: messages by index.

    Args:
        answer: empty when all is well, else `{"errors": [{"recordIndex", "errorMessages"}]}`; the swagger calls the
            list of messages `validationErrorMessages`.
        count: how many objects were sent.

    Raises:
        Unavailable: it is anything else. Then it is not known which objects were taken, and none counts as accepted.
    """
    if answer.is_empty and not _is_whole(answer):
        raise unreadable(answer, "Microsoft Sentinel", "closed the connection before it said whether it is complete")
    if answer.is_empty:
        return {}
    document = answer.json()
    if document == {}:
        return {}
    if not isinstance(document, dict) or not isinstance(document.get("errors"), list):
        raise unreadable(answer, "Microsoft Sentinel", "not with the documented list of errors")
    found: dict[int, list[str]] = {}
    for error in document["errors"]:
        index = error.get("recordIndex") if isinstance(error, dict) else None
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < count:
            raise unreadable(answer, "Microsoft Sentinel", "with an error that names none of the objects sent")
        found.setdefault(index, []).extend(_messages(error))
    return found


def _is_whole(answer: Answer) -> bool:
    """Whether an empty body was meant: HTTP/1.1 says so by its length, or ends a chunked body, which was read whole."""
    length = answer.headers.get("content-length", "").strip()
    return length == "0" or "chunked" in answer.headers.get("transfer-encoding", "").lower()


def _messages(error: dict[str, Any]) -> list[str]:
    given = error.get("errorMessages") or error.get("validationErrorMessages") or []
    return [text for text in (given if isinstance(given, list) else [given]) if isinstance(text, str)]
