"""Each request to Microsoft and MISP as a line at DEBUG, secrets masked."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping
from urllib.parse import parse_qsl

from misp_modules_ext.logs import masking
from misp_modules_ext.logs.fields import What, fields
from misp_modules_ext.logs.lines import logger

log = logger("requests")

_SECRET_FIELDS = frozenset({"client_secret", "client_assertion", "assertion", "refresh_token", "password"})
_SECRET_HEADERS = frozenset({"authorization", "x-identity-header", "secret", "cookie", "proxy-authorization"})
_FORM = "application/x-www-form-urlencoded"


class Traffic:
    """One request, from its beginning on.

    Costs next to nothing unless DEBUG is on.

    Args:
        method: for example `POST`.
        url: the whole address.
        headers: those of the request.
        content: the body of the request.
        secrets: values that must not be shown, beside those that its headers and form hold.
    """

    def __init__(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, secrets: Collection[str] = ()
    ) -> None:
        self._on = log.isEnabledFor(logging.DEBUG)
        if not self._on:
            return
        self._began = time.monotonic()
        self._method, self._url, self._content = method, url, content or b""
        self._headers = headers
        self._secrets = [*secrets, *_held(headers, self._content)]

    def answered(self, status: int, content: bytes) -> None:
        """The answer is there."""
        if self._on:
            self._tell(f"{status}, {len(content):,} bytes", status, content)

    def failed(self, why: str) -> None:
        """There is none."""
        if self._on:
            self._tell(f"no answer: {why}", None, b"")

    def _tell(self, came: str, status: int | None, answer: bytes) -> None:
        milliseconds = round((time.monotonic() - self._began) * 1000)
        url = masking.masked(self._url, self._secrets)
        sent, got = masking.body(self._content, self._secrets), masking.body(answer, self._secrets)
        request = {
            "method": self._method,
            "url": url,
            "status": status,
            "milliseconds": milliseconds,
            "sent": len(self._content),
            "received": len(answer),
            "headers": masking.headers(self._headers),
            "body": sent,
            "answer": got,
        }
        words = masking.masked(came, self._secrets)
        log.debug(
            "%s %s: %s in %d ms. Sent: %s Got: %s",
            *(self._method, url, words, milliseconds, sent or "nothing.", got or "nothing."),
            extra=fields(What.REQUEST, request=request),
        )


def _held(headers: Mapping[str, str], content: bytes) -> list[str]:
    """What a request was made with in confidence."""
    sent = {name.lower(): str(value) for name, value in headers.items()}
    # Of `Bearer …` only the second word is secret.
    found = [value.rpartition(" ")[2] for name, value in sent.items() if name in _SECRET_HEADERS]
    if sent.get("content-type", "").startswith(_FORM):
        found += [value for name, value in parse_qsl(content.decode("utf-8", "replace")) if name in _SECRET_FIELDS]
    return found
