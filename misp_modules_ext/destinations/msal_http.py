"""MSAL's HTTP clients over our transport: one for Entra, one for the identity endpoint of an Azure machine.

MSAL raises for 5xx instead of falling back to a token that is still good, keeps a 429 to itself for some seconds, and
writes answers that are no JSON to the log. So what is no use to it never reaches it: it leaves as an error that MSAL
takes for a broken connection.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests

from misp_modules_ext.destinations.answers import Advice, Answer, clean, error_for, said
from misp_modules_ext.destinations.transport import Transport
from misp_modules_ext.errors import TO_DO, DestinationError, Throttled, Unavailable

ENTRA = Advice("Entra", *["correct `endpoint.login` and `tenantId`, and see whether a proxy gave this answer."] * 3)
#: Where Microsoft's clouds sign in; discovery may name no other host but the configured one.
_LOGIN_HOSTS = frozenset(
    {
        "login.microsoftonline.com",
        "login.microsoftonline.us",
        "login.partner.microsoftonline.cn",
        "login.chinacloudapi.cn",
        "login.windows.net",
    }
)
#: Fields of a form and headers of a request that must not come back in an error.
_SECRET_FIELDS = ("client_secret", "client_assertion")
_SECRET_HEADERS = frozenset({"x-identity-header", "secret", "authorization"})
#: Seconds for an answer of the identity endpoint, which is on the machine itself or beside it.
IDENTITY_TIMEOUT = 10.0
ON_AZURE = (
    "see that this runs on an Azure machine that has the identity (Azure portal > the machine > Identity), or choose "
    "another `auth`."
)


class NoAnswerError(requests.RequestException):
    """Carries the error out through MSAL, which takes a RequestException as a reason to use a token it still has."""

    def __init__(self, error: DestinationError) -> None:
        super().__init__(str(error))
        self.error = error


class ForeignHostError(NoAnswerError):
    """Discovery would have the credential sent elsewhere; what MSAL learned from it must not stay."""


class Response:
    """What MSAL wants of a response."""

    def __init__(self, answer: Answer) -> None:
        self.status_code = answer.status
        self.text = answer.body.decode("utf-8", "replace")
        self.headers = dict(answer.headers)

    def raise_for_status(self) -> None:
        """Nothing: statuses that MSAL would raise for never reach it."""


class Http:
    """What both clients share. Used under the application's lock.

    Attributes:
        last: the answer to the request made last for this token, `None` when none came.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._deadline = 0.0
        self.last: Answer | None = None

    def expect(self, deadline: float) -> None:
        """Begin a token: requests from now on end by the deadline."""
        self._deadline = deadline
        self.last = None

    def close(self) -> None:
        """Nothing: the transport is shared."""

    def _ask(
        self, method: str, url: str, params: Any, headers: Any, *, body: bytes | None = None, most: float | None = None
    ) -> Answer:
        address = f"{url}?{urlencode(params)}" if params else url
        left = self._deadline - time.monotonic()
        timeout = left if most is None else min(left, most)
        try:
            return self._transport.request(method, address, timeout=timeout, headers=headers, body=body)
        except Unavailable as error:
            failure = error
        raise NoAnswerError(failure)


class EntraHttp(Http):
    """Discovery and tokens at Entra."""

    def __init__(self, transport: Transport, login: str) -> None:
        super().__init__(transport)
        self._login = _place(login)

    def get(self, url: str, params: Any = None, headers: Any = None, **_ignored: Any) -> Response:
        """Ask discovery."""
        return self._read(self._ask("GET", url, params, headers))

    def post(self, url: str, params: Any = None, data: Any = None, headers: Any = None, **_ignored: Any) -> Response:
        """Ask for a token; `data` is a form."""
        host, port = place = _place(url)
        if place != self._login and (host not in _LOGIN_HOSTS or port != 443):
            named = clean(f"{host}:{port}", 80)
            raise ForeignHostError(
                Unavailable(
                    f"Entra's discovery names another host for tokens ({named}), to which the secret was not sent."
                    f"{TO_DO}{ENTRA.not_found}"
                )
            )
        form = urlencode(data or {}) if not isinstance(data, str) else data
        all_headers = {**(headers or {}), "Content-Type": "application/x-www-form-urlencoded"}
        answer = self._ask("POST", url, params, all_headers, body=form.encode())
        sent = data if isinstance(data, Mapping) else {}
        return self._read(_without(answer, (sent.get(name) for name in _SECRET_FIELDS)))

    def _read(self, answer: Answer) -> Response:
        self.last = answer
        if answer.status != 200 and (answer.status < 400 or answer.status >= 500 or answer.status == 429):
            raise NoAnswerError(error_for(answer, ENTRA))
        if not isinstance(answer.json(), dict):
            what = f"Entra answered {answer.status}, but not with a JSON object."
            raise NoAnswerError(Unavailable(f"{what}{TO_DO}{ENTRA.not_found}"))
        return Response(answer)


class IdentityHttp(Http):
    """The identity endpoint of an Azure machine (IMDS, App Service, Azure Arc), which speaks plain HTTP."""

    def get(self, url: str, params: Any = None, headers: Any = None, **_ignored: Any) -> Response:
        """Ask for a token."""
        if not _is_near(url):
            raise NoAnswerError(
                Unavailable(
                    f"The identity endpoint that the environment names ({clean(_origin(url), 80)}) is no address of "
                    f"this machine's network, and a token would travel unprotected.{TO_DO}correct IDENTITY_ENDPOINT, "
                    "MSI_ENDPOINT or AZURE_POD_IDENTITY_AUTHORITY_HOST."
                )
            )
        try:
            answer = self._ask("GET", url, params, headers, most=IDENTITY_TIMEOUT)
        except NoAnswerError as error:
            happened = str(error.error).partition(TO_DO)[0]
        else:
            # Of `Basic …` only the second word is secret.
            sent = ((name.lower(), str(value)) for name, value in (headers or {}).items())
            secrets = (value.rpartition(" ")[2] for name, value in sent if name in _SECRET_HEADERS)
            return self._read(_without(answer, secrets))
        raise NoAnswerError(Unavailable(f"The identity endpoint of Azure gave no answer: {happened}{TO_DO}{ON_AZURE}"))

    def post(self, *_args: Any, **_kwargs: Any) -> Response:
        """Nothing that MSAL does with a managed identity."""
        raise NoAnswerError(Unavailable(f"This kind of identity endpoint is not supported.{TO_DO}{ON_AZURE}"))

    def _read(self, answer: Answer) -> Response:
        self.last = answer
        # Azure Arc answers 401 to the first request and names a file with the key for the second.
        if answer.status == 401 and "www-authenticate" in answer.headers:
            return Response(answer)
        # IMDS answers 404 and 410 while it is being updated (Azure, "How to use managed identities … error handling").
        if answer.status in (404, 410, 429) or answer.status >= 500 or not isinstance(answer.json(), dict):
            raise NoAnswerError(_not_now(answer))
        return Response(answer)


def _not_now(answer: Answer) -> DestinationError:
    words = said(answer, "The identity endpoint of Azure")
    if answer.status == 429:
        found = error_for(answer, ENTRA)
        return Throttled(f"{words}{TO_DO}wait, then repeat.", getattr(found, "retry_after", None))
    return Unavailable(f"{words}{TO_DO}repeat later; if it stays, {ON_AZURE}")


def _without(answer: Answer, secrets: Iterable[object]) -> Answer:
    """An answer that is no token, without what was sent in confidence."""
    if answer.status == 200:
        return answer
    body = answer.body
    for secret in secrets:
        text = secret.encode("utf-8", "surrogatepass") if isinstance(secret, str) else secret
        if isinstance(text, bytes) and text:
            body = body.replace(text, b"(secret)")
    return answer if body == answer.body else Answer(answer.status, answer.headers, body)


def _place(address: str) -> tuple[str, int]:
    """Host and port of an https address; `("", 0)` for one that cannot be read."""
    try:
        parts = urlsplit(address)
        return parts.hostname or "", parts.port or 443
    except ValueError:
        return "", 0


def _origin(address: str) -> str:
    try:
        parts = urlsplit(address)
        return f"{parts.scheme}://{parts.hostname}"
    except ValueError:
        return ""


def _is_near(address: str) -> bool:
    """Whether plain HTTP to an address stays on this machine or its link."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        near = host == "localhost" or ipaddress.ip_address(host).is_private
    except ValueError:
        near = False
    return near or address.lower().startswith("https://")
