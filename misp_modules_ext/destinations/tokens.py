"""Access tokens through MSAL: one application object for each (login, tenant, application) of the process."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import SecretStr

from misp_modules_ext.config.settings import Auth, DestinationSettings
from misp_modules_ext.destinations.aadsts import code_in, first_line, hint, passes
from misp_modules_ext.destinations.answers import clean
from misp_modules_ext.destinations.applications import Application, ConfidentialClient, Identity, Key
from misp_modules_ext.destinations.credentials import credential_of
from misp_modules_ext.destinations.transport import Transport, identity_transport
from misp_modules_ext.errors import TO_DO, CredentialsRefused, DestinationError, Unavailable

_PASSING = frozenset({"temporarily_unavailable", "server_error"})
#: So many credentials of one application are kept: two sections may use different ones, and old ones are rotated out.
MOST_CREDENTIALS = 4


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

        The credential is looked up anew: one that was replaced makes another application object. One that got no
        token is thrown away, so that the next call asks Entra again.

        Raises:
            CredentialsRefused: Entra gave none, with its reason and the remedy; or the certificate is of no use.
            Throttled: Entra asks to slow down.
            Unavailable: Entra did not answer in time, or not properly.
        """
        application = _application_for(self._settings, self._transport)
        outcome = application.ask(self._settings.scope, time.monotonic() + timeout)
        result = outcome if isinstance(outcome, DestinationError) else self._read(outcome)
        if isinstance(result, Token):
            return result
        # MSAL would replay a 400 for a minute, whether it is a refusal or a trouble that passes.
        if isinstance(result, CredentialsRefused) or not isinstance(outcome, DestinationError):
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
        who = "The identity endpoint of Azure" if self._settings.auth is Auth.MANAGED_IDENTITY else "Entra"
        error, description = document.get("error"), str(document.get("error_description") or "")
        if not isinstance(error, str) or not error:
            return Unavailable(f"{who}'s answer for [{self._settings.name}] holds neither a token nor an error.")
        code = code_in(description)
        meaning, remedy = hint(code, self._settings.auth, description)
        words = clean(first_line(description)) or clean(error, 100)
        sentence = f"{who} gave no token for [{self._settings.name}]: {meaning} ({words.rstrip('.')}).{TO_DO}{remedy}"
        passing = passes(code) or error in _PASSING
        return Unavailable(sentence) if passing else CredentialsRefused(sentence)


_applications: dict[Key, Application] = {}
_lock = threading.Lock()


def _application_for(settings: DestinationSettings, transport: Transport) -> Application:
    made = _identity(settings) if settings.auth is Auth.MANAGED_IDENTITY else _client(settings, transport)
    with _lock:
        application = _applications.get(made.key)
        if application is None:
            same = [other for other in _applications if other[:3] == made.key[:3]]
            for oldest in same[: max(0, len(same) - MOST_CREDENTIALS + 1)]:
                del _applications[oldest]
            application = _applications[made.key] = made
        return application


def _client(settings: DestinationSettings, transport: Transport) -> Application:
    login, tenant, app = settings.endpoint_login.rstrip("/"), settings.tenant_id.lower(), settings.app_id.lower()
    credential = credential_of(settings)
    return ConfidentialClient(Key(login, tenant, app, credential.fingerprint, id(transport)), credential, transport)


def _identity(settings: DestinationSettings) -> Application:
    transport = identity_transport()
    key = Key("", settings.tenant_id.lower(), settings.identity_client_id.lower(), b"", id(transport))
    return Identity(key, transport)


def _forget(application: Application) -> None:
    with _lock:
        if _applications.get(application.key) is application:
            del _applications[application.key]
