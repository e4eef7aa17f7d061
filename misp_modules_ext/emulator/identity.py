"""The identity endpoints of an Azure machine: of virtual machines (IMDS) and of App Service.

Sources: Azure, "How to use managed identities for Azure resources on an Azure VM to acquire an access token" and
"How to use managed identities for App Service and Azure Functions". Both speak plain HTTP on the machine's own link.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .assertions import App, ManagedIdentity
from .calls import Answer, Call, json_answer
from .clock import Clock
from .entra import Entra
from .entra_codes import Refused
from .faults import Fault

IMDS = "/metadata/identity/oauth2/token"
APP_SERVICE = "/msi/token"
#: What App Service puts into IDENTITY_HEADER, so that nobody else's request is answered.
HEADER = "emulated-identity-header"
#: Where the identities live when none is named.
TENANT = "managed-identity"
SYSTEM = "system-assigned"


class _Error(NamedTuple):
    status: int
    error: str
    message: str


class Identity:
    """Gives tokens to whoever can reach it.

    Args:
        apps: Those with a `ManagedIdentity` are the only ones; without any application there is every identity.
    """

    def __init__(self, entra: Entra, clock: Clock, apps: Sequence[App] = ()) -> None:
        self._entra = entra
        self._clock = clock
        self._any = not apps
        self._known = [(t, a, identity) for t, a, identity in apps if isinstance(identity, ManagedIdentity)]

    def handle(self, call: Call, own: frozenset[str] = frozenset()) -> Answer:
        """Answer a request for a token; `own` holds the emulator's own origins."""
        found = self._refusal(call) or self._who(call)
        if isinstance(found, _Error):
            return _refuse(call, found)
        resource = call.query.get("resource", "").rstrip("/")
        try:
            bearer, lifetime = self._entra.issue(*found, self._entra.resource(resource, own))
        except Refused as refused:
            return _refuse(call, _Error(400, "invalid_resource", f"AADSTS{refused.code}: {refused.detail}"))
        document = {
            "access_token": bearer,
            "expires_on": str(int(self._clock.now() + lifetime)),
            "resource": resource,
            "token_type": "Bearer",
        }
        # Both spell numbers as text; only IMDS gives the seconds too.
        more = {"expires_in": str(lifetime), "client_id": found[1]} if call.path == IMDS else {"client_id": found[1]}
        return json_answer(200, document | more)

    def fault(self, fault: Fault, call: Call) -> Answer:
        """A failure on order."""
        error = _Error(fault.status or 500, fault.code or "unknown_error", fault.message or "Failed as ordered.")
        headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
        answer = _refuse(call, error)
        return Answer(answer.status, answer.body, {**answer.headers, **headers})

    def _refusal(self, call: Call) -> _Error | None:
        if call.path == IMDS and call.headers.get("metadata", "").lower() != "true":
            return _Error(400, "invalid_request", "Required metadata header not specified")
        if call.path == APP_SERVICE and call.headers.get("x-identity-header") != HEADER:
            return _Error(401, "unauthorized", "The X-IDENTITY-HEADER is missing or wrong.")
        if call.method != "GET":
            return _Error(405, "invalid_request", "Use GET.")
        if not call.query.get("api-version") or not call.query.get("resource"):
            return _Error(400, "invalid_request", "Required query variable 'api-version' or 'resource' is missing")
        return None

    def _who(self, call: Call) -> tuple[str, str] | _Error:
        """Tenant and client id of the identity that is asked for."""
        wanted = call.query.get("client_id", "")
        if self._any:
            return TENANT, wanted or SYSTEM
        for tenant, app, identity in self._known:
            if app.lower() == wanted.lower() if wanted else identity.system:
                return tenant, app
        words = "Identity not found" if call.path == IMDS else "No Managed Identity found for specified ClientId"
        return _Error(400, "invalid_request", words)


def is_identity(path: str) -> bool:
    """Whether a path is that of an identity endpoint."""
    return path in (IMDS, APP_SERVICE)


def _refuse(call: Call, error: _Error) -> Answer:
    if call.path == APP_SERVICE:
        return json_answer(error.status, {"statusCode": error.status, "message": error.message})
    return json_answer(error.status, {"error": error.error, "error_description": error.message})
