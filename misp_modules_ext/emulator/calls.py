"""What passes between the HTTP layer, the core and the APIs: calls, answers, and whom a token belongs to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol

JsonObject = dict[str, Any]

# Where each API keeps the objects of a batch.
_BATCH_KEYS = ("stixobjects", "Indicators", "IndicatorIds", "value")
# What marks a body that is itself one object: Defender's and Graph's single POST.
_SINGLE_KEYS = ("indicatorValue", "targetProduct")


class Refusal(Exception):
    """A request that an API refuses as a whole; the API puts it into its own shape.

    Attributes:
        status: HTTP status.
        code: The API's error code.
        message: One sentence for the caller.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request.

    Attributes:
        method: Upper case.
        path: Percent-decoded path.
        query: Query parameters, last value of each.
        headers: Header fields, names in lower case.
        body: The raw body.
        origin: Scheme and authority under which the caller reached the emulator.
        payload: The body as JSON; None when there is none or `malformed`.
        malformed: The body was announced as JSON and is not.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    origin: str
    payload: Any = None
    malformed: bool = False

    @classmethod
    def read(
        cls,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        origin: str = "https://127.0.0.1",
    ) -> Call:
        """Build a call, reading the body as JSON when its content type says so."""
        fields = {name.lower(): value for name, value in (headers or {}).items()}
        announced = _is_json(fields.get("content-type", ""))
        payload, malformed = _read_json(body) if body and announced else (None, False)
        return cls(method.upper(), path, query or {}, fields, body, origin, payload, malformed)

    @property
    def announced(self) -> bool:
        """Whether the content type says that the body is JSON."""
        return _is_json(self.headers.get("content-type", ""))

    def objects(self) -> list[Any]:
        """The objects of a batch, or the single object that the body is, or nothing."""
        if not isinstance(self.payload, dict):
            return []
        for key in _BATCH_KEYS:
            if isinstance(self.payload.get(key), list):
                return list(self.payload[key])
        return [self.payload] if any(key in self.payload for key in _SINGLE_KEYS) else []


def _is_json(content_type: str) -> bool:
    return content_type.split(";", maxsplit=1)[0].strip().lower() == "application/json"


def _read_json(body: bytes) -> tuple[Any, bool]:
    try:
        return json.loads(body, parse_constant=_no_constant), False
    except (ValueError, RecursionError):
        return None, True


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def json_answer(status: int, payload: object, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer with a JSON body."""
    fields = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
    return Answer(status, json.dumps(payload).encode(), fields)


@dataclass(frozen=True, slots=True)
class Result:
    """An API's answer and remarks for the request log (what it accepted but did not act on)."""

    answer: Answer
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Grant:
    """What a bearer token stands for. `expires` in seconds since 1970."""

    tenant: str
    app: str
    audience: str
    expires: float


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` requests within any `seconds` for one application in one tenant."""

    name: str
    count: int
    seconds: float = 60.0


class Service(Protocol):
    """One protected API: what the core needs to know to guard, call, save and restore it."""

    name: str
    audiences: frozenset[str]

    def limits(self, call: Call) -> Sequence[Limit]:
        """The documented limits that this call counts against."""

    def refuse(self, status: int, code: str | None, message: str | None, retry_after: float | None = None) -> Answer:
        """An error in this API's documented shape; code and message default to what fits the status."""

    def unauthorized(self, reason: str) -> Answer:
        """The 401 for a token that is missing, unknown, expired or meant for another API."""

    def throttled(self, retry_after: float) -> Answer:
        """The 429 of a documented limit; `retry_after` in seconds."""

    def handle(self, call: Call, caller: Grant, forced: frozenset[int]) -> Result:
        """Answer the call; items at the `forced` indexes of a batch fail.

        Raises:
            Refusal: The request as a whole is refused.
        """

    def reset(self) -> None:
        """Forget everything."""
