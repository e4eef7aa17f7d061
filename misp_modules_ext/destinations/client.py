"""One request to one of Microsoft's APIs with this destination's token."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import orjson
from urllib3.util import parse_url

from misp_modules_ext.config.settings import Auth, DestinationSettings
from misp_modules_ext.destinations.answers import Advice, Answer, error_for
from misp_modules_ext.destinations.tokens import Token, Tokens
from misp_modules_ext.destinations.transport import Transport, transport_for
from misp_modules_ext.errors import (
    TO_DO,
    CredentialsRefused,
    DestinationError,
    NotFound,
    PermissionRefused,
    Retired,
    Throttled,
)
from misp_modules_ext.model.finding import Code, Finding
from misp_modules_ext.model.outcome import State

#: Seconds for each request of `check`.
PROBE_TIMEOUT = 20.0


class Client:
    """What the three destinations share: address, token, transport, errors.

    Args:
        settings: the destination.
        advice: what the API's refusals mean.
        transport: how it is reached; the process's shared one when absent.
        base: origin of the API; `endpoint.api` when absent.
    """

    def __init__(
        self, settings: DestinationSettings, advice: Advice, transport: Transport | None = None, base: str = ""
    ) -> None:
        self.advice = advice
        self._settings = settings
        self._base = (base or settings.endpoint_api).rstrip("/")
        self._transport = transport or transport_for(settings.ca)
        self._tokens = Tokens(settings, self._transport)

    def call(self, method: str, path: str, *, timeout: float, body: bytes | None = None) -> Answer:
        """Make a request; whatever the API answers is returned.

        A token from memory may have been revoked meanwhile: after a 401 a new one is tried, once.

        Args:
            method: `GET`, `POST` or `DELETE`.
            path: path and query below the API's origin, or a whole address of that origin.
            timeout: seconds for all of it, the token included.
            body: JSON.

        Raises:
            DestinationError: no token, or no answer.
        """
        deadline = time.monotonic() + timeout
        token = self._tokens.get(timeout)
        answer = self._send(method, path, body, token, deadline)
        if answer.status == 401 and token.cached:
            token = self._tokens.renew(token, deadline - time.monotonic())
            answer = self._send(method, path, body, token, deadline)
        return answer

    def expect(self, answer: Answer, *statuses: int) -> Answer:
        """The answer, if it has one of these statuses.

        Raises:
            DestinationError: it has another.
        """
        if answer.status not in statuses:
            raise error_for(answer, self.advice)
        return answer

    def is_ours(self, address: str) -> bool:
        """Whether an address that an answer names has the origin that the token is for.

        Read as what connects reads it: for `urlsplit`, a host may stand behind one that ends with a backslash.
        """
        try:
            found = parse_url(address)
        except ValueError:
            return False
        host = (found.host or "").strip("[]")
        named = f"{found.scheme}://{f'[{host}]' if ':' in host else host}:{found.port or 443}"
        return address.startswith("https://") and found.auth is None and named == _origin(self._base)

    def hosts(self) -> list[str]:
        """Login and API, each with its port. A managed identity signs in at its own machine."""
        near = self._settings.auth is Auth.MANAGED_IDENTITY
        addresses = (self._base,) if near else (self._settings.endpoint_login, self._base)
        return list(dict.fromkeys(_origin(address) for address in addresses))

    def check_token(self) -> Finding:
        """Try to get a token."""
        return attempt(Code.TOKEN, f"token for {self._settings.scope}", self._try_token)

    def roles(self) -> frozenset[str] | None:
        """The application permissions that the token names; `None` when it does not say, or is no JWT.

        Only a hint for people: Microsoft asks clients not to rely on what is in an access token.
        """
        return _roles(self._tokens.get(PROBE_TIMEOUT).value.get_secret_value())

    def _try_token(self) -> str:
        self._tokens.get(PROBE_TIMEOUT)
        return "Entra gave a token."

    def _send(self, method: str, path: str, body: bytes | None, token: Token, deadline: float) -> Answer:
        answer = self._transport.request(
            method,
            path if path.startswith("https://") else self._base + path,
            timeout=deadline - time.monotonic(),
            headers={"Accept": "application/json"} | ({"Content-Type": "application/json"} if body is not None else {}),
            body=body,
            bearer=token.value,
        )
        return _without(token, answer)


def _without(token: Token, answer: Answer) -> Answer:
    """The answer without the token, should a gateway have sent it back: error texts are shown to people."""
    secret = token.value.get_secret_value().encode()
    if secret not in answer.body:
        return answer
    return Answer(answer.status, answer.headers, answer.body.replace(secret, b"(token)"))


def _roles(token: str) -> frozenset[str] | None:
    _, _, rest = token.partition(".")
    payload = rest.partition(".")[0]
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:
        return None
    roles = claims.get("roles") if isinstance(claims, dict) else None
    return frozenset(role for role in roles if isinstance(role, str)) if isinstance(roles, list) else None


def _origin(address: str) -> str:
    parts = urlsplit(address)
    try:
        port = parts.port or 443
    except ValueError:
        return address
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{port}"


_STATES: tuple[tuple[type[DestinationError] | tuple[type[DestinationError], ...], State], ...] = (
    ((CredentialsRefused, PermissionRefused), State.REFUSED),
    (NotFound, State.MISCONFIGURED),
    (Retired, State.RETIRED),
    (Throttled, State.THROTTLED),
    (DestinationError, State.UNREACHABLE),
)


def attempt(code: Code, what: str, action: Callable[[], str]) -> Finding:
    """A line of `check`: what the action answers, or why it failed and what to do."""
    try:
        # What follows the mark is advice on what works.
        answer, _, advice = action().partition(TO_DO)
        return Finding(code, what, answer, advice)
    except DestinationError as error:
        happened, _, remedy = str(error).partition(TO_DO)
        state = next(state for kinds, state in _STATES if isinstance(error, kinds))
        return Finding(code, what, happened, remedy or "see the answer.", state)
