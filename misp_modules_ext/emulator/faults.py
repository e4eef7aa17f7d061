"""Faults on order: which requests fail, how, and how often."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from .calls import Call

APIS = ("login", "identity", "sentinel", "management", "defender", "statistics", "graph", "hunting", "logs")
Drop = Literal["before", "after"]
_DROPS: dict[Any, Drop | None] = {None: None, False: None, True: "before", "before": "before", "after": "after"}
_ALIASES = {"retry_after": "retryAfter", "item_errors": "itemErrors"}
_FIELDS = frozenset(
    [
        "api",
        "status",
        "code",
        "message",
        "retryAfter",
        "times",
        "delay",
        "drop",
        "itemErrors",
        "match",
        "path",
        "method",
    ],
)


class FaultError(ValueError):
    """A fault that cannot be ordered as written."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One order.

    Attributes:
        api: The API whose requests fail.
        status: HTTP status to answer, without effect on the store.
        code: Error code in the answer; for `login` an AADSTS number, for `identity` the word.
        message: Sentence in the answer.
        retry_after: Seconds; sent as ``Retry-After`` header.
        times: How many requests it still hits; None for every one until cleared.
        delay: Seconds to wait before the answer. The request has taken effect before the wait.
        drop: Close the connection without an answer, ``before`` or ``after`` the request took effect.
        item_errors: Indexes of a batch whose items fail.
        match: Only requests with an object that contains this text; such a batch is refused (400 unless `status`).
        path: Only requests whose path contains this text.
        method: Only requests with this method.
    """

    api: str
    status: int | None = None
    code: str | None = None
    message: str | None = None
    retry_after: float | None = None
    times: int | None = None
    delay: float = 0.0
    drop: Drop | None = None
    item_errors: frozenset[int] = frozenset()
    match: str | None = None
    path: str | None = None
    method: str | None = None

    @property
    def refuses(self) -> bool:
        """Whether the request ends here, so that a later fault waits for its own request."""
        return self.status is not None or self.code is not None or self.drop is not None

    def hits(self, api: str, call: Call) -> bool:
        """Whether this order is for that call."""
        return (
            self.api == api
            and (self.path is None or self.path in call.path)
            and (self.method is None or self.method == call.method)
            and (self.match is None or any(_contains(item, self.match) for item in call.objects()))
            and not (api == "login" and self._spares_discovery() and not call.path.endswith("/token"))
        )

    def _spares_discovery(self) -> bool:
        # Discovery knows no secrets or scopes: only a tenant that does not exist is refused there with a 4xx.
        if self.drop is not None or not self.refuses or (self.code or "").endswith(("90002", "90038")):
            return False
        return self.status is None or (400 <= self.status < 500 and self.status != 429)


@dataclass(frozen=True, slots=True)
class Effect:
    """All that the faults do to one request."""

    delay: float = 0.0
    refusal: Fault | None = None
    drop: Drop | None = None
    item_errors: frozenset[int] = frozenset()


class Faults:
    """The orders in force, oldest first."""

    def __init__(self) -> None:
        self._orders: list[Fault] = []

    def order(self, fields: Mapping[str, Any]) -> None:
        """Add one fault.

        Raises:
            FaultError: Unknown API or field, or a value of the wrong kind.
        """
        self._orders.append(read_fault(fields))

    def replace(self, orders: Iterable[Mapping[str, Any]]) -> None:
        """Put these in place of all faults; an empty list clears.

        Raises:
            FaultError: One of them cannot be ordered; the faults in force stay.
        """
        self._orders = [read_fault(fields) for fields in orders]

    def listed(self) -> list[Fault]:
        """The faults still in force."""
        return list(self._orders)

    def take(self, api: str, call: Call) -> Effect:
        """What happens to this call; counts it against `times` of each fault that acts."""
        delay, errors, refusal = 0.0, frozenset[int](), None
        for index, fault in enumerate(self._orders):
            if not fault.hits(api, call) or (fault.refuses and refusal is not None):
                continue
            delay, errors = delay + fault.delay, errors | fault.item_errors
            refusal = fault if fault.refuses else refusal
            if fault.times is not None:
                self._orders[index] = replace(fault, times=fault.times - 1)
        self._orders = [fault for fault in self._orders if fault.times is None or fault.times > 0]
        if refusal is not None and refusal.drop is not None:
            return Effect(delay, None, refusal.drop, errors)
        return Effect(delay, refusal, None, errors)


def read_fault(fields: Mapping[str, Any]) -> Fault:
    """Read one order as it is posted.

    Raises:
        FaultError: Unknown API or field, or a value of the wrong kind.
    """
    given = {_ALIASES.get(name, name): value for name, value in fields.items()}
    unknown = sorted(set(given) - _FIELDS)
    if unknown:
        raise FaultError(f"unknown field {', '.join(unknown)}; known are {', '.join(sorted(_FIELDS))}")
    if given.get("api") not in APIS:
        raise FaultError(f"api must be one of {', '.join(APIS)}")
    try:
        return _typed(given)
    except (TypeError, ValueError, KeyError) as error:
        raise FaultError(f"a field of the fault has a value of the wrong kind: {error}") from error


def _typed(given: Mapping[str, Any]) -> Fault:
    match, status = given.get("match"), given.get("status")
    drop = _DROPS[given.get("drop")]
    errors = frozenset(int(index) for index in given.get("itemErrors") or ())
    if match is not None and status is None and drop is None and not errors:
        status = 400
    return Fault(
        api=given["api"],
        status=None if status is None else int(status),
        code=_text(given.get("code")),
        message=_text(given.get("message")),
        retry_after=None if given.get("retryAfter") is None else float(given["retryAfter"]),
        times=None if given.get("times") is None else int(given["times"]),
        delay=float(given.get("delay") or 0.0),
        drop=drop,
        item_errors=errors,
        match=_text(match),
        path=_text(given.get("path")),
        method=None if given.get("method") is None else str.upper(given["method"]),
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _contains(item: object, text: str) -> bool:
    if isinstance(item, dict):
        return any(isinstance(value, str) and text in value for value in item.values())
    return isinstance(item, str) and text in item
