"""Access tokens from Entra through MSAL: one application object for each (login, tenant, application) of the process.

What MSAL does by itself and how it is met here (measured with 1.39): its constructor asks the network, so it runs at
the first token; it replays a 400 for 60 seconds, so a refused application object is thrown away; it raises for 5xx
instead of falling back to a token that is still good, and writes answers that are no JSON to the log, so its HTTP
client answers neither; MSAL_FORCE_REGION would send it to 169.254.169.254, so regions are switched off.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import msal
import requests
from pydantic import SecretStr

from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.destinations.aadsts import code_in, first_line, hint, passes
from misp_modules_ext.destinations.answers import TO_DO, Advice, Answer, clean, error_for
from misp_modules_ext.destinations.transport import Transport
from misp_modules_ext.errors import CredentialsRefused, DestinationError, Unavailable

_ENTRA = Advice("Entra", *["correct `endpoint.login` and `tenantId`, and see whether a proxy gave this answer."] * 3)
_PASSING = frozenset({"temporarily_unavailable", "server_error"})
#: So many credentials of one application are kept: two sections may use different ones, and old ones are rotated out.
MOST_CREDENTIALS = 4
#: Makes fingerprints of secrets useless outside this process.
_SALT = os.urandom(32)
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


class Token(NamedTuple):
    """An access token; `cached` when Entra was not asked for it just now."""

    value: SecretStr
    cached: bool


class Tokens:
    """Tokens for one destination.

    Args:
        settings: the destination.
        transport: how Entra is reached.
    """

    def __init__(self, settings: DestinationSettings, transport: Transport) -> None:
        self._settings = settings
        self._transport = transport

    def get(self, timeout: float) -> Token:
        """A token for the destination's scope, from memory when it is good for five minutes more.

        Raises:
            CredentialsRefused: Entra gave none, with its reason and the remedy.
            Throttled: Entra asks to slow down.
            Unavailable: Entra did not answer in time, or not properly.
        """
        application = _application_for(self._settings, self._transport)
        outcome = application.ask(self._settings.scope, time.monotonic() + timeout)
        result = outcome if isinstance(outcome, DestinationError) else self._read(outcome)
        if isinstance(result, Token):
            return result
        if isinstance(result, CredentialsRefused):
            _forget(application)
        # Errors come as values and are raised here: raised inside MSAL they would carry frames that hold the secret.
        raise result

    def renew(self, rejected: Token, timeout: float) -> Token:
        """A new token in place of one that an API rejected; when several threads ask at once, Entra is asked once.

        Raises:
            DestinationError: as `get`.
        """
        _application_for(self._settings, self._transport).discard(self._settings.scope, rejected.value)
        return self.get(timeout)

    def _read(self, document: Mapping[str, Any]) -> Token | DestinationError:
        token = document.get("access_token")
        if isinstance(token, str) and token:
            return Token(SecretStr(token), document.get("token_source") == "cache")
        error, description = document.get("error"), str(document.get("error_description") or "")
        if not isinstance(error, str) or not error:
            return Unavailable(f"Entra's answer for [{self._settings.name}] holds neither a token nor an error.")
        code = code_in(description)
        meaning, remedy = hint(code)
        words = clean(first_line(description)) or clean(error, 100)
        sentence = f"Entra gave no token for [{self._settings.name}]: {meaning} ({words.rstrip('.')}).{TO_DO}{remedy}"
        passing = passes(code) or error in _PASSING
        return Unavailable(sentence) if passing else CredentialsRefused(sentence)


class _Key(NamedTuple):
    login: str
    tenant: str
    app: str
    credential: bytes
    transport: int


class _Application:
    """One of MSAL's application objects, built at the first token. Its representation shows no secret."""

    def __init__(self, key: _Key, secret: SecretStr, transport: Transport) -> None:
        self.key = key
        self._secret = secret
        self._transport = transport
        self._lock = threading.Lock()
        self._http = _Http(transport, secret, key.login)
        self._msal: Any = None
        self._last: dict[str, SecretStr] = {}

    def ask(self, scope: str, deadline: float) -> Mapping[str, Any] | DestinationError:
        """MSAL's result, or why there is none."""
        if not self._lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            return Unavailable(f"Entra at {self.key.login} did not answer in time.{TO_DO}repeat later.")
        try:
            result = self._ask(scope, deadline)
            if isinstance(result, Mapping) and isinstance(result.get("access_token"), str):
                self._last[scope] = SecretStr(result["access_token"])
            return result
        finally:
            self._lock.release()

    def discard(self, scope: str, rejected: SecretStr) -> None:
        """Forget the tokens in memory, unless the rejected one was replaced meanwhile."""
        with self._lock:
            if self._msal is not None and self._last.get(scope) == rejected:
                self._msal.remove_tokens_for_client()

    def _ask(self, scope: str, deadline: float) -> Mapping[str, Any] | DestinationError:
        self._http.expect(deadline)
        try:
            if self._msal is None:
                self._msal = self._build()
            result = self._msal.acquire_token_for_client([scope])
        except _NoAnswerError as failure:
            if isinstance(failure, _ForeignHostError):
                self._msal = None
            return failure.error
        except Exception as error:  # noqa: BLE001 - MSAL says nowhere what it raises for documents it does not expect
            self._msal = None  # built from a document that it cannot use, perhaps: asked anew next time
            return self._misunderstood(type(error).__name__)
        return result if isinstance(result, Mapping) else self._misunderstood("no result")

    def _build(self) -> Any:
        return msal.ConfidentialClientApplication(
            self.key.app,
            client_credential=self._secret.get_secret_value(),
            authority=f"{self.key.login}/{self.key.tenant}",
            http_client=self._http,
            # On any refusal MSAL would otherwise ask login.microsoftonline.com about the host, and show that answer.
            instance_discovery=False,
            azure_region=msal.ConfidentialClientApplication.DISABLE_MSAL_FORCE_REGION,
        )

    def _misunderstood(self, why: str) -> Mapping[str, Any] | DestinationError:
        """MSAL gave up: a 4xx to discovery is Entra's refusal of the tenant, all else no usable answer."""
        answer = self._http.last
        document = answer.json() if answer is not None else None
        if answer is not None and 400 <= answer.status < 500 and isinstance(document, dict):
            return {"error": "invalid_tenant", **document}
        if answer is None:
            return CredentialsRefused(
                f"No token can be asked at {self.key.login}/{self.key.tenant}."
                f"{TO_DO}correct `tenantId` and `endpoint.login` (an https address)."
            )
        return Unavailable(f"MSAL cannot use the answer of Entra at {self.key.login} ({why}).{TO_DO}{_ENTRA.not_found}")


class _NoAnswerError(requests.RequestException):
    """Carries the error out through MSAL, which takes a RequestException as a reason to use a token it still has."""

    def __init__(self, error: DestinationError) -> None:
        super().__init__(str(error))
        self.error = error


class _ForeignHostError(_NoAnswerError):
    """Discovery would have the secret sent elsewhere; what MSAL learned from it must not stay."""


class _Response:
    """What MSAL wants of a response."""

    def __init__(self, answer: Answer) -> None:
        self.status_code = answer.status
        self.text = answer.body.decode("utf-8", "replace")
        self.headers = dict(answer.headers)

    def raise_for_status(self) -> None:
        """Nothing: statuses that MSAL would raise for never reach it."""


def _place(address: str) -> tuple[str, int]:
    """Host and port of an https address; `("", 0)` for one that cannot be read."""
    try:
        parts = urlsplit(address)
        return parts.hostname or "", parts.port or 443
    except ValueError:
        return "", 0


class _Http:
    """MSAL's HTTP client, over our transport. Used under the application's lock."""

    def __init__(self, transport: Transport, secret: SecretStr, login: str) -> None:
        self._transport = transport
        self._secret = secret
        self._login = _place(login)
        self._deadline = 0.0
        self.last: Answer | None = None

    def expect(self, deadline: float) -> None:
        """Begin a token: requests from now on end by the deadline."""
        self._deadline = deadline
        self.last = None

    def get(self, url: str, params: Any = None, headers: Any = None, **_ignored: Any) -> _Response:
        """Ask discovery."""
        return self._request("GET", url, params, headers, None)

    def post(self, url: str, params: Any = None, data: Any = None, headers: Any = None, **_ignored: Any) -> _Response:
        """Ask for a token; `data` is a form."""
        host, port = place = _place(url)
        if place != self._login and (host not in _LOGIN_HOSTS or port != 443):
            named = clean(f"{host}:{port}", 80)
            raise _ForeignHostError(
                Unavailable(
                    f"Entra's discovery names another host for tokens ({named}), to which the secret was not sent."
                    f"{TO_DO}{_ENTRA.not_found}"
                )
            )
        form = urlencode(data or {}) if not isinstance(data, str) else data
        all_headers = {**(headers or {}), "Content-Type": "application/x-www-form-urlencoded"}
        return self._request("POST", url, params, all_headers, form.encode())

    def close(self) -> None:
        """Nothing: the transport is shared."""

    def _request(self, method: str, url: str, params: Any, headers: Any, body: bytes | None) -> _Response:
        address = f"{url}?{urlencode(params)}" if params else url
        timeout = self._deadline - time.monotonic()
        self.last = answer = self._without_secret(self._answer(method, address, timeout, headers, body))
        if answer.status != 200 and (answer.status < 400 or answer.status >= 500 or answer.status == 429):
            raise _NoAnswerError(error_for(answer, _ENTRA))
        if not isinstance(answer.json(), dict):
            what = f"Entra answered {answer.status}, but not with a JSON object."
            raise _NoAnswerError(Unavailable(f"{what}{TO_DO}{_ENTRA.not_found}"))
        return _Response(answer)

    def _answer(self, method: str, address: str, timeout: float, headers: Any, body: bytes | None) -> Answer:
        try:
            return self._transport.request(method, address, timeout=timeout, headers=headers, body=body)
        except Unavailable as error:
            failure = error
        raise _NoAnswerError(failure)

    def _without_secret(self, answer: Answer) -> Answer:
        secret = self._secret.get_secret_value().encode("utf-8", "surrogatepass")
        if answer.status == 200 or not secret or secret not in answer.body:
            return answer
        return Answer(answer.status, answer.headers, answer.body.replace(secret, b"(secret)"))


_applications: dict[_Key, _Application] = {}
_lock = threading.Lock()


def _application_for(settings: DestinationSettings, transport: Transport) -> _Application:
    login, tenant, app = settings.endpoint_login.rstrip("/"), settings.tenant_id.lower(), settings.app_id.lower()
    key = _Key(login, tenant, app, _fingerprint(settings.app_secret), id(transport))
    with _lock:
        application = _applications.get(key)
        if application is None:
            same = [other for other in _applications if other[:3] == key[:3]]
            for oldest in same[: max(0, len(same) - MOST_CREDENTIALS + 1)]:
                del _applications[oldest]
            # The application keeps the transport, so that its id stays its own.
            application = _applications[key] = _Application(key, settings.app_secret, transport)
        return application


def _fingerprint(secret: SecretStr) -> bytes:
    return hashlib.blake2b(
        secret.get_secret_value().encode("utf-8", "surrogatepass"), key=_SALT, digest_size=16
    ).digest()


def _forget(application: _Application) -> None:
    with _lock:
        if _applications.get(application.key) is application:
            del _applications[application.key]
