"""The shared reading of Microsoft's answers: what went wrong, in whose words, and which error that is.

Sources of the shapes: Defender for Endpoint API "Common REST API error codes" and Microsoft Graph "error responses"
(`{"error": {"code", "message"}}`), Sentinel's swagger of 2024-02-01-preview (the same, and header `x-ms-error-code`),
Azure API Management (`{"statusCode", "message"}`), OAuth 2.0 (`{"error", "error_description"}`), and HTML or nothing
from whatever stands in between.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, NamedTuple

import orjson

from misp_modules_ext.errors import (
    TO_DO,
    BatchRefused,
    DestinationError,
    NotFound,
    PermissionRefused,
    Retired,
    Throttled,
    Unavailable,
)

#: Longest piece of Microsoft's own words, in characters.
LONGEST_MESSAGE = 300
# What is looked at of a longer text: reading HTML by patterns takes quadratic time on pages made for that.
_LONGEST_READ = 10_000

_BEARER = re.compile(r"eyJ[\w-]{5,}(?:\.[\w-]*){1,2}|\bBearer\s+\S+", re.IGNORECASE)
_TAG = re.compile(r"<(?:script|style)\b.*?</(?:script|style)>|<[^>]*(?:>|$)", re.IGNORECASE | re.DOTALL)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_TRY_AGAIN = re.compile(r"try again (?:in|after) (\d+(?:\.\d+)?) ?(?:s|sec|second)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, read to its end. Its representation shows no body: that may hold a token.

    Attributes:
        headers: names in lower case.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    def json(self) -> Any:
        """The body as JSON; `None` when it is no JSON (or `null`)."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None

    @property
    def is_empty(self) -> bool:
        """Whether the body holds nothing but space."""
        return not self.body.strip()


class ErrorText(NamedTuple):
    """What an error answer says; both may be `""`."""

    code: str
    message: str


class Advice(NamedTuple):
    """What an API's refusals mean for the person who configured it.

    Attributes:
        api: the API's name as it begins a sentence.
        unauthorized: the remedy for 401.
        forbidden: the remedy for 403.
        not_found: the remedy for 404.
    """

    api: str
    unauthorized: str
    forbidden: str
    not_found: str


def clean(text: str, limit: int = LONGEST_MESSAGE) -> str:
    """Someone else's text made fit for a message: one line, printable, short, without bearer tokens."""
    printable = "".join(char if char.isprintable() else " " for char in text[:_LONGEST_READ])
    line = _BEARER.sub("(token removed)", " ".join(printable.split()))
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def error_text(answer: Answer) -> ErrorText:
    """Error code and message out of any of the shapes, cleaned."""
    code, message = _from_json(answer.json()) or ("", _from_text(answer))
    code = code or answer.headers.get("x-ms-error-code", "")
    message = message or answer.headers.get("warning", "")
    return ErrorText(clean(code, 100), clean(message))


def _from_json(document: Any) -> tuple[str, str] | None:
    if not isinstance(document, dict):
        return ("", document) if isinstance(document, str) else None
    error = _get(document, "error")
    if isinstance(error, dict):
        return _text(error, "code"), _text(error, "message")
    code = error if isinstance(error, str) else _text(document, "code")
    return code, _text(document, "error_description") or _text(document, "message")


def _get(document: Mapping[Any, Any], name: str) -> Any:
    """A member by its name in any case: `Error` and `Message` occur as well."""
    if name in document:
        return document[name]
    return next((value for key, value in document.items() if isinstance(key, str) and key.lower() == name), None)


def _text(document: Mapping[Any, Any], name: str) -> str:
    value = _get(document, name)
    return value if isinstance(value, str) else ""


def _from_text(answer: Answer) -> str:
    text = answer.body[:_LONGEST_READ].decode("utf-8", "replace")
    if "<" not in text:
        return text if answer.json() is None else ""
    title = _TITLE.search(text)
    return _TAG.sub(" ", title[1] if title else text)


def doubtful(error: DestinationError) -> Unavailable:
    """An error of a later one of several requests: what the earlier ones did stands, so nothing may be taken back."""
    return Unavailable(str(error), error.retry_after if isinstance(error, Throttled | Unavailable) else None)


def retry_after(answer: Answer, now: float | None = None) -> float | None:
    """Seconds to wait, by header (seconds or HTTP date, RFC 9110 10.2.3) or by "Try again in N seconds".

    Args:
        answer: the answer.
        now: seconds since 1970 UTC; the clock's when absent.

    Returns:
        Never negative; `None` when the answer does not say.
    """
    said = answer.headers.get("retry-after", "").strip()
    seconds = _seconds(said)
    if seconds is None:
        seconds = _until(said, time.time() if now is None else now)
    if seconds is None and (words := _TRY_AGAIN.search(error_text(answer).message)):
        seconds = float(words[1])
    return None if seconds is None else max(0.0, seconds)


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None


def _until(text: str, now: float) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return None


def said(answer: Answer, api: str) -> str:
    """What an API answered, as a sentence."""
    text = error_text(answer)
    words = ": ".join(part for part in (text.code, text.message) if part)
    return f"{api} answered {_status(answer.status)}{': ' + words if words else ''}".rstrip(".") + "."


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def batch_refused(answer: Answer) -> BatchRefused:
    """A 400 in Microsoft's own words."""
    code, message = error_text(answer)
    words = ": ".join(part for part in (code, message) if part)
    return BatchRefused(words or f"The request was answered {_status(answer.status)} without a reason.", code)


def error_for(answer: Answer, advice: Advice, now: float | None = None) -> DestinationError:
    """The error that an answer means which is not the one hoped for.

    413 and 422 count as 400: halving the request finds the item that is too large or wrong.
    """
    happened = said(answer, advice.api)
    if answer.status in (400, 413, 422):
        return batch_refused(answer)
    if answer.status == 429:
        return Throttled(f"{happened}{TO_DO}wait, then repeat.", retry_after(answer, now))
    if answer.status in _MEANINGS:
        kind, remedy = _MEANINGS[answer.status]
        return kind(f"{happened}{TO_DO}{getattr(advice, remedy)}")
    if answer.status == 410:
        return Retired(f"{happened}{TO_DO}use another `api` for this destination.")
    return Unavailable(f"{happened}{TO_DO}{_other(answer.status)}", retry_after(answer, now))


_MEANINGS: Mapping[int, tuple[type[DestinationError], str]] = {
    401: (PermissionRefused, "unauthorized"),
    403: (PermissionRefused, "forbidden"),
    404: (NotFound, "not_found"),
    405: (NotFound, "not_found"),
}


def _other(status: int) -> str:
    if status == 407:
        return "put name and password for the proxy into HTTPS_PROXY."
    if 300 <= status < 400:
        return "correct `endpoint.api`: it leads elsewhere, and redirects are not followed."
    if status >= 500 or status == 408:
        return "repeat later; the service or something before it has a problem."
    return "see whether a proxy or gateway before Microsoft gave this answer, and report it to this project if not."


def unreadable(answer: Answer, api: str, why: str) -> Unavailable:
    """An answer with a good status whose body this program cannot rely on: nothing of it counts as accepted."""
    shown = clean(answer.body[:2_000].decode("utf-8", "replace"), 120)
    return Unavailable(
        f"{api} answered {_status(answer.status)}, but {why}: {shown or '(nothing)'}"
        f"{TO_DO}see whether a proxy answers in Microsoft's place, and report it to this project if not."
    )
