"""MSAL's application objects, each built at its first token and used by one thread at a time.

What MSAL does by itself and how it is met here (measured with 1.39): its constructor asks the network, so it runs at
the first token; it replays a 400 for 60 seconds, so a refused application object is thrown away; MSAL_FORCE_REGION
would send it to 169.254.169.254, so regions are switched off.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import msal
from pydantic import SecretStr

from misp_modules_ext.destinations.credentials import Credential
from misp_modules_ext.destinations.msal_http import (
    ENTRA,
    ON_AZURE,
    EntraHttp,
    ForeignHostError,
    Http,
    IdentityHttp,
    NoAnswerError,
)
from misp_modules_ext.destinations.transport import Transport
from misp_modules_ext.errors import TO_DO, CredentialsRefused, DestinationError, Unavailable

Result = Mapping[str, Any] | DestinationError


class Key(NamedTuple):
    """What makes an application object another one; `login` is blank for a managed identity."""

    login: str
    tenant: str
    app: str
    credential: bytes
    transport: int


class Application(ABC):
    """One of MSAL's application objects. Its representation shows no secret."""

    def __init__(self, key: Key, http: Http, asked: str) -> None:
        self.key = key
        self._http = http
        self._asked = asked
        self._lock = threading.Lock()
        self._msal: Any = None
        self._last: dict[str, SecretStr] = {}

    def ask(self, scope: str, deadline: float) -> Result:
        """MSAL's result, or why there is none."""
        if not self._lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            return Unavailable(f"{self._asked} did not answer in time.{TO_DO}repeat later.")
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
                self._forget_tokens()

    def _ask(self, scope: str, deadline: float) -> Result:
        self._http.expect(deadline)
        try:
            if self._msal is None:
                self._msal = self._build()
            result = self._acquire(scope)
        except NoAnswerError as failure:
            if isinstance(failure, ForeignHostError):
                self._msal = None
            return failure.error
        except Exception as error:  # noqa: BLE001 - MSAL says nowhere what it raises for documents it does not expect
            self._msal = None  # built from a document that it cannot use, perhaps: asked anew next time
            return self._misunderstood(type(error).__name__)
        return result if isinstance(result, Mapping) else self._misunderstood("no result")

    @abstractmethod
    def _build(self) -> Any:
        """MSAL's object; may ask the network."""

    @abstractmethod
    def _acquire(self, scope: str) -> Any:
        """A token, from its memory if it can."""

    @abstractmethod
    def _forget_tokens(self) -> None:
        """Have it ask anew."""

    @abstractmethod
    def _misunderstood(self, why: str) -> Result:
        """MSAL gave up without a result."""


class ConfidentialClient(Application):
    """A registered application that shows a credential to Entra."""

    def __init__(self, key: Key, credential: Credential, transport: Transport) -> None:
        super().__init__(key, EntraHttp(transport, key.login), f"Entra at {key.login}")
        self._credential = credential
        # Kept, so that its id in the key stays its own.
        self._transport = transport

    def _build(self) -> Any:
        return msal.ConfidentialClientApplication(
            self.key.app,
            client_credential=self._credential.shown(),
            authority=f"{self.key.login}/{self.key.tenant}",
            http_client=self._http,
            # On any refusal MSAL would otherwise ask login.microsoftonline.com about the host, and show that answer.
            instance_discovery=False,
            azure_region=msal.ConfidentialClientApplication.DISABLE_MSAL_FORCE_REGION,
        )

    def _acquire(self, scope: str) -> Any:
        return self._msal.acquire_token_for_client([scope])

    def _forget_tokens(self) -> None:
        self._msal.remove_tokens_for_client()

    def _misunderstood(self, why: str) -> Result:
        """A 4xx to discovery is Entra's refusal of the tenant, all else no usable answer."""
        answer = self._http.last
        document = answer.json() if answer is not None else None
        if answer is not None and 400 <= answer.status < 500 and isinstance(document, dict):
            return {"error": "invalid_tenant", **document}
        if answer is None:
            return CredentialsRefused(
                f"No token can be asked at {self.key.login}/{self.key.tenant}."
                f"{TO_DO}correct `tenantId` and `endpoint.login` (an https address)."
            )
        return Unavailable(f"MSAL cannot use the answer of Entra at {self.key.login} ({why}).{TO_DO}{ENTRA.not_found}")


class Identity(Application):
    """The managed identity of the Azure machine that this runs on."""

    def __init__(self, key: Key, transport: Transport) -> None:
        super().__init__(key, IdentityHttp(transport), "The identity endpoint of Azure")

    def _build(self) -> Any:
        app = self.key.app
        one = msal.UserAssignedManagedIdentity(client_id=app) if app else msal.SystemAssignedManagedIdentity()
        return msal.ManagedIdentityClient(one, http_client=self._http)

    def _acquire(self, scope: str) -> Any:
        # This endpoint takes the resource itself; MSAL passes on what it gets.
        return self._msal.acquire_token_for_client(resource=scope.removesuffix("/.default"))

    def _forget_tokens(self) -> None:
        self._msal = None

    def _misunderstood(self, why: str) -> Result:
        return Unavailable(f"MSAL cannot use the answer of the identity endpoint ({why}).{TO_DO}{ON_AZURE}")
