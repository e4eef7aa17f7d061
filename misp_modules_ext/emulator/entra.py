"""Entra ID: discovery and the client credentials grant.

Source: Microsoft identity platform, "OAuth 2.0 client credentials flow".
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import uuid
from collections.abc import Iterable, Sequence
from urllib.parse import parse_qs

from .assertions import App, Expected, check_assertion
from .behaviour import Behaviour
from .calls import Answer, Call, Grant, json_answer
from .clock import Clock, to_text
from .entra_codes import BY_STATUS, CODES, Code, Refused

_DISCOVERY = re.compile(r"/([^/]+)/(?:v2\.0/)?\.well-known/openid-configuration")
_TOKEN = re.compile(r"/([^/]+)/oauth2/v2\.0/token")
_NO_TENANT = frozenset({"common", "organizations", "consumers"})
_KEEP_GRANTS = 10_000


class Entra:
    """The token endpoint: any tenant, application and credential, unless applications are named.

    "Any" is any secret that is not empty, and any certificate that comes with the assertion which it signed. A token of
    another issuer cannot be verified then, and is refused.

    Args:
        apps: (tenant, application id, credential) of the only applications that exist; empty for "any".
        resources: Audiences that exist besides the emulator's own address.
    """

    def __init__(
        self,
        clock: Clock,
        behaviour: Behaviour,
        apps: Sequence[App] = (),
        resources: Iterable[str] = (),
    ) -> None:
        self._clock = clock
        self._behaviour = behaviour
        self._apps = [(tenant.lower(), app.lower(), credential) for tenant, app, credential in apps]
        self._resources = frozenset(resources)
        self._grants: dict[str, Grant] = {}

    def handle(self, call: Call, own: frozenset[str] = frozenset()) -> Answer:
        """Answer a discovery or token request; `own` holds the emulator's own origins."""
        try:
            return self._route(call, own)
        except Refused as refused:
            return self.refuse(refused.code, call=call, message=refused.detail or None)

    def _route(self, call: Call, own: frozenset[str]) -> Answer:
        if call.path == "/common/discovery/instance":
            return json_answer(200, _instances(call.origin))
        if found := _DISCOVERY.fullmatch(call.path):
            self._known(found[1])
            return json_answer(200, _configuration(call.origin, found[1]))
        token = _TOKEN.fullmatch(call.path)
        if token is None:
            return json_answer(404, {"error": "not_found", "error_description": "No such address."})
        if call.method != "POST":
            raise Refused(900561)
        return self._token(token[1], call, own)

    def _known(self, tenant: str) -> None:
        if self._apps and tenant.lower() not in _NO_TENANT | {known for known, _, _ in self._apps}:
            raise Refused(90002, f"Tenant '{tenant}' not found. Check the tenant id and the cloud.")

    def _token(self, tenant: str, call: Call, own: frozenset[str]) -> Answer:
        form = {key: values[-1] for key, values in parse_qs(call.body.decode("utf-8", "replace")).items()}
        self._known(tenant)
        if _required(form, "grant_type") != "client_credentials":
            raise Refused(70003)
        if tenant.lower() in _NO_TENANT:
            raise Refused(9001023)
        app = _required(form, "client_id")
        self._authenticate(tenant, app, form, call.origin)
        bearer, lifetime = self.issue(tenant, app, self._audience(_required(form, "scope"), own))
        return json_answer(
            200,
            {"token_type": "Bearer", "expires_in": lifetime, "ext_expires_in": lifetime, "access_token": bearer},
            {"Cache-Control": "no-store"},
        )

    def issue(self, tenant: str, app: str, audience: str) -> tuple[str, int]:
        """A token, and the seconds for which it is good."""
        lifetime = self._behaviour.token_lifetime
        return self._remember(Grant(tenant, app, audience, self._clock.now() + lifetime)), lifetime

    def _authenticate(self, tenant: str, app: str, form: dict[str, str], origin: str) -> None:
        known = [credential for t, a, credential in self._apps if (t, a) == (tenant.lower(), app.lower())]
        if self._apps and not known:
            raise Refused(700016, f"Application '{app}' was not found in the tenant '{tenant}'.")
        if form.get("client_assertion"):
            base = f"{origin}/{tenant}"
            audiences = frozenset({f"{base}/oauth2/v2.0/token", f"{base}/v2.0"})
            check_assertion(form, Expected(app, audiences, self._clock.now()), known if self._apps else None)
        elif not form.get("client_secret"):
            raise Refused(7000218)
        elif self._apps and form["client_secret"] not in known:
            raise Refused(7000215, f"Invalid client secret provided for application '{app}'.")

    def _audience(self, scope: str, own: frozenset[str]) -> str:
        scopes = scope.split()
        if not scopes or not all(part.endswith("/.default") for part in scopes):
            raise Refused(70011, f"The scope '{scope}' is not valid: it must be <resource>/.default.")
        resources = {part.removesuffix("/.default").rstrip("/") for part in scopes}
        if len(resources) > 1:
            raise Refused(700022)
        return self.resource(resources.pop(), own)

    def resource(self, name: str, own: frozenset[str]) -> str:
        """A resource that exists.

        Raises:
            Refused: It does not.
        """
        if name not in self._resources | own:
            raise Refused(500011, f"The resource principal named {name} was not found in the tenant.")
        return name

    def _remember(self, grant: Grant) -> str:
        if len(self._grants) >= _KEEP_GRANTS:
            now = self._clock.now()
            self._grants = {token: kept for token, kept in self._grants.items() if kept.expires > now}
        bearer = _unsigned_jwt(grant)
        self._grants[bearer] = grant
        return bearer

    def caller(self, bearer: str) -> Grant | None:
        """Whom a token belongs to, also when it has expired; None for one that was not issued here."""
        return self._grants.get(bearer)

    def refuse(
        self,
        code: int | None = None,
        status: int | None = None,
        message: str | None = None,
        retry_after: float | None = None,
        call: Call | None = None,
    ) -> Answer:
        """An error in Entra's shape.

        Args:
            code: AADSTS number; without it the one that fits `status`.
            status: HTTP status; without it the one that belongs to `code`.
            message: Sentence after the code; without it the code's own.
            retry_after: Seconds for a ``Retry-After`` header.
            call: The refused request, whose ``client-request-id`` is echoed.
        """
        number = code if code is not None else BY_STATUS.get(status or 0, 90033)
        known = CODES.get(number, Code("invalid_request", 400, "The request was refused."))
        now = to_text(self._clock.now())[:19].replace("T", " ") + "Z"
        trace, correlation = str(uuid.uuid4()), (call.headers.get("client-request-id") if call else None)
        correlation = correlation or str(uuid.uuid4())
        body = {
            "error": known.error,
            "error_description": f"AADSTS{number}: {message or known.text} "
            f"Trace ID: {trace} Correlation ID: {correlation} Timestamp: {now}",
            "error_codes": [number],
            "timestamp": now,
            "trace_id": trace,
            "correlation_id": correlation,
        }
        headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
        return json_answer(status or known.status, body, headers)

    def dump(self) -> list[list[object]]:
        """Tokens still valid, so that a client's cached token outlives a restart as it does with Entra."""
        now = self._clock.now()
        return [[token, g.tenant, g.app, g.audience, g.expires] for token, g in self._grants.items() if g.expires > now]

    def load(self, rows: Iterable[tuple[str, str, str, str, float]]) -> None:
        """Take back what `dump` gave."""
        self._grants = {token: Grant(tenant, app, audience, end) for token, tenant, app, audience, end in rows}

    def reset(self) -> None:
        """Forget all tokens."""
        self._grants.clear()


def is_login(path: str) -> bool:
    """Whether a path belongs to Entra."""
    return path == "/common/discovery/instance" or bool(_DISCOVERY.fullmatch(path) or _TOKEN.fullmatch(path))


def code_number(code: str | None) -> int | None:
    """The number in ``AADSTS7000215`` or ``7000215``."""
    digits = re.sub(r"\D", "", code or "")
    return int(digits) if digits else None


def _required(form: dict[str, str], name: str) -> str:
    if not form.get(name):
        raise Refused(900144, f"The request body must contain the parameter '{name}'.")
    return form[name]


def _unsigned_jwt(grant: Grant) -> str:
    claims = {
        "aud": grant.audience,
        "iss": f"https://sts.windows.net/{grant.tenant}/",
        "exp": int(grant.expires),
        "appid": grant.app,
        "tid": grant.tenant,
        "jti": secrets.token_hex(8),
    }
    return ".".join((_segment({"alg": "none", "typ": "JWT"}), _segment(claims), ""))


def _segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _configuration(origin: str, tenant: str) -> dict[str, object]:
    base = f"{origin}/{tenant}"
    return {
        "issuer": f"{base}/v2.0",
        "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
        "token_endpoint": f"{base}/oauth2/v2.0/token",
        "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
        "jwks_uri": f"{base}/discovery/v2.0/keys",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "response_types_supported": ["code", "id_token", "token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
    }


def _instances(origin: str) -> dict[str, object]:
    host = origin.split("://", 1)[1]
    names = [host]
    return {
        "tenant_discovery_endpoint": f"{origin}/common/v2.0/.well-known/openid-configuration",
        "api-version": "1.1",
        "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": names}],
    }
