"""Sentinel's upload of STIX objects.

Sources: Microsoft Sentinel, "STIX objects API" (documented shapes, limits) and the swagger of api-version
2024-02-01-preview.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from .behaviour import Behaviour
from .calls import Answer, Call, Grant, JsonObject, Limit, Refusal, Result, json_answer
from .clock import parse_stix
from .intel import Intel
from .patterns import unmatched
from .stix import problems

API_VERSION = "2024-02-01-preview"
BATCH = 100
SOURCE_LENGTH = 256
RESTRICTED_SOURCES = frozenset({"microsoft sentinel"})
# Of the global and the government clouds; Microsoft retired Sentinel in China.
ARM_AUDIENCES = frozenset(
    {
        "https://management.azure.com",
        "https://management.core.windows.net",
        "https://management.usgovcloudapi.net",
        "https://management.core.usgovcloudapi.net",
    }
)
_PATH = re.compile(r"/workspaces/([^/]+)/(threat-?intelligence-stix-objects:upload)")
_GUID = re.compile(r"\{?([0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})\}?")
_CODES = {
    400: ("BadRequest", "The request body is not valid."),
    401: ("Unauthorized", "Authentication failed."),
    403: ("Forbidden", "The caller has no permission to write threat intelligence to this workspace."),
    404: ("NotFound", "The workspace was not found."),
    405: ("MethodNotAllowed", "Use POST."),
    415: ("UnsupportedMediaType", "The body must be sent as application/json."),
    500: ("InternalServerError", "An internal error occurred. Try again."),
}


def workspace_key(text: str) -> str | None:
    """The workspace id in the form under which it is stored: lower case, no braces; None when it is no GUID."""
    found = _GUID.fullmatch(text)
    return found[1].lower() if found else None


class Sentinel:
    """``POST /workspaces/{id}/threat-intelligence-stix-objects:upload``; each GUID is a workspace that exists."""

    name = "sentinel"
    audiences = ARM_AUDIENCES

    def __init__(self, intel: Intel, behaviour: Behaviour) -> None:
        self._intel = intel
        self._behaviour = behaviour

    def limits(self, call: Call) -> Sequence[Limit]:
        """100 requests a minute for the calling principal."""
        return (Limit("sentinel upload", 100),)

    def refuse(self, status: int, code: str | None, message: str | None, retry_after: float | None = None) -> Answer:
        """The swagger's error body, or the gateway's body for 429."""
        headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
        if status == 429:
            text = message or f"Rate limit is exceeded. Try again in {retry_after or 1:g} seconds."
            return json_answer(429, {"statusCode": 429, "message": text}, headers)
        known = _CODES.get(status, ("Error", "The request failed."))
        body = {"error": {"code": code or known[0], "message": message or known[1]}}
        return json_answer(status, body, {"x-ms-error-code": code or known[0], **headers})

    def unauthorized(self, reason: str) -> Answer:
        """401 with the swagger's error body."""
        return self.refuse(401, None, reason)

    def throttled(self, retry_after: float) -> Answer:
        """429 whose message holds the seconds; no ``Retry-After`` header unless the behaviour says so."""
        seconds = math.ceil(retry_after)
        text = f"Rate limit is exceeded. Try again in {seconds} seconds."
        return self.refuse(429, None, text, seconds if self._behaviour.upload_retry_after else None)

    def handle(self, call: Call, caller: Grant, forced: frozenset[int]) -> Result:
        """Store the objects that are valid, answer item errors for the others.

        Raises:
            Refusal: Unknown path, workspace or api-version, or a body that breaks the documented rules.
        """
        workspace = self._workspace(call)
        source, items = _read_body(call)
        errors: list[JsonObject] = []
        notes: list[str] = []
        for index, item in enumerate(items):
            messages = ["Error on order."] if index in forced else problems(item)
            messages = messages or self._accept(workspace, source, item, notes)
            if messages:
                errors.append({"recordIndex": index, self._behaviour.upload_error_key: messages})
        if errors and len(errors) == len(items) and self._behaviour.all_invalid_status == 400:
            raise Refusal(400, "BadRequest", f"No object is valid. The first: {_first(errors[0])}")
        return Result(json_answer(200, {"errors": errors}) if errors else Answer(200), notes)

    def _workspace(self, call: Call) -> str:
        found = _PATH.fullmatch(call.path)
        if not found or (found[2].startswith("threatintelligence") and not self._behaviour.unhyphenated_path):
            raise Refusal(404, "NotFound", "The path is not known.")
        if call.method != "POST":
            raise Refusal(405, "MethodNotAllowed", "Use POST.")
        if call.query.get("api-version") != API_VERSION:
            given = call.query.get("api-version", "missing")
            raise Refusal(400, "UnsupportedApiVersion", f"api-version must be {API_VERSION}; it is {given}.")
        workspace = workspace_key(found[1])
        if workspace is None:
            raise Refusal(404, "NotFound", "The workspace was not found: its id must be the workspace GUID.")
        return workspace

    def _accept(self, workspace: str, source: str, item: JsonObject, notes: list[str]) -> list[str]:
        """Store one valid object unless revocation or an older version forbids; returns item errors."""
        stored = self._intel.get(workspace, (source, item["id"]))
        if stored is not None and stored.revoked and not item.get("revoked") and self._behaviour.revived != "apply":
            if self._behaviour.revived == "refuse":
                return ["Error for Property=revoked: The object was revoked, which is permanent. Actual value: false."]
            notes.append(f"{item['id']} ignored: it was revoked, which is permanent")
        elif stored is not None and self._behaviour.older_modified == "ignore" and _is_older(item, stored.data):
            notes.append(f"{item['id']} ignored: modified {item['modified']} is older than {stored.data['modified']}")
        else:
            self._intel.put(workspace, source, item)
            why = unmatched(item["pattern"], item["pattern_type"]) if item["type"] == "indicator" else None
            if why is not None:
                notes.append(f"{item['id']} stored with empty key and value, so it matches nothing: {why}")
        return []

    def reset(self) -> None:
        """Forget all objects and rows."""
        self._intel.reset()


def _read_body(call: Call) -> tuple[str, list[Any]]:
    body = call.payload
    if call.body and not call.announced:
        raise Refusal(415, "UnsupportedMediaType", "The body must be sent as application/json.")
    if not isinstance(body, dict):
        raise Refusal(400, "BadRequest", "The body must be a JSON object, sent as application/json.")
    source, items = body.get("sourcesystem"), body.get("stixobjects")
    if not isinstance(source, str) or not source.strip():
        raise Refusal(400, "BadRequest", "sourcesystem is required.")
    if len(source) > SOURCE_LENGTH:
        raise Refusal(400, "BadRequest", f"sourcesystem is longer than {SOURCE_LENGTH} characters.")
    if source.strip().lower() in RESTRICTED_SOURCES:
        raise Refusal(400, "BadRequest", f"sourcesystem must not be {source}.")
    if not isinstance(items, list) or not items:
        raise Refusal(400, "BadRequest", "stixobjects is required and must be a list with at least one object.")
    if len(items) > BATCH:
        raise Refusal(400, "BadRequest", f"stixobjects holds {len(items)} objects; at most {BATCH} are allowed.")
    return source, items


def _is_older(item: JsonObject, stored: JsonObject) -> bool:
    return (parse_stix(item["modified"]) or 0.0) < (parse_stix(stored["modified"]) or 0.0)


def _first(error: dict[str, Any]) -> str:
    return str(next(value for name, value in error.items() if name != "recordIndex")[0])
