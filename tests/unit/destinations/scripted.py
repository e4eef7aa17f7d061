"""A transport without sockets: answers in the order a test wrote them, and keeps what was asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
from pydantic import SecretStr

from misp_modules_ext.destinations.answers import Answer
from misp_modules_ext.errors import Unavailable

LOGIN = "https://login.example"
API = "https://api.example"


class Asked(NamedTuple):
    """One request."""

    method: str
    url: str
    body: bytes | None
    bearer: str | None

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return orjson.loads(self.body or b"null")


def as_json(document: Any, status: int = 200, **headers: str) -> Answer:
    """An answer with a JSON body; underscores in header names become dashes."""
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, orjson.dumps(document))


def discovery() -> Answer:
    """What Entra says about a tenant."""
    base = f"{LOGIN}/tenant/oauth2/v2.0"
    return as_json({"issuer": LOGIN, "authorization_endpoint": f"{base}/authorize", "token_endpoint": f"{base}/token"})


def token(text: str = "token-1", **more: Any) -> Answer:
    """What Entra says when it gives a token."""
    return as_json({"token_type": "Bearer", "expires_in": 3599, "access_token": text, **more})


class Scripted:
    """Stands in for `Transport`: one list of answers for Entra, one for the API; an `Unavailable` in them is raised."""

    def __init__(self, api: list[Answer | Unavailable] | None = None, entra: list[Answer | Unavailable] | None = None):
        self._answers = {API: list(api or []), LOGIN: list(entra if entra is not None else [discovery(), token()])}
        self.asked: list[Asked] = []

    def request(
        self,
        method: str,
        url: str,
        *,
        timeout: float,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        bearer: SecretStr | None = None,
    ) -> Answer:
        """Give the next answer of the host."""
        self.asked.append(Asked(method, url, body, bearer.get_secret_value() if bearer else None))
        answer = self._answers[next(host for host in self._answers if url.startswith(host))].pop(0)
        if isinstance(answer, Unavailable):
            raise answer
        return answer

    def of(self, host: str) -> list[Asked]:
        """The requests to one host."""
        return [asked for asked in self.asked if asked.url.startswith(host)]
