"""The emulator without sockets: one call in, one answer out, and everything a test may look at or arrange.

A request passes, in this order: the faults on order, the token, the permission, the limits, the API itself.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any

from .alerts import PATH as ALERTS_PATH
from .alerts import Alerts
from .assertions import App
from .behaviour import Behaviour
from .calls import Answer, Call, Grant, JsonObject, Refusal, Result, Service, json_answer
from .clock import Clock, to_text
from .defender import Defender
from .entra import Entra, code_number, is_login
from .estate import Sighting, read_sighting, sighting_of
from .faults import Drop, Effect, Fault, Faults
from .graph import Graph
from .hunting import Hunting
from .identity import Identity, is_identity
from .intel import Intel
from .logs import Logs
from .management import Management, is_management
from .rates import Rates
from .sentinel import Sentinel
from .statistics import Statistics, is_statistics

REQUEST_LIMIT = 100_000


@dataclass(frozen=True, slots=True)
class Reply:
    """What the HTTP layer does: wait `delay` seconds, then send the answer, or close the connection (`answer` None)."""

    answer: Answer | None
    delay: float = 0.0


class Core:
    """All APIs over one state. Every method may be called from any thread.

    Args:
        rates: Whether the documented limits are enforced.
        apps: (tenant, application id, credential) of the only applications that exist; empty for "any".
        behaviour: Choices where the documentation is silent.
        clock: The time to go by.
    """

    def __init__(
        self,
        *,
        rates: bool = True,
        apps: Sequence[App] = (),
        behaviour: Behaviour | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.clock = clock or Clock()
        self.behaviour = behaviour or Behaviour()
        self.own_origins: frozenset[str] = frozenset()
        self._lock = threading.RLock()
        self._limited = rates
        self._rates = Rates()
        self._faults = Faults()
        self._log: deque[JsonObject] = deque(maxlen=REQUEST_LIMIT)
        self._sightings: list[JsonObject] = []
        self.version = 0
        self.intel = Intel(self.clock, self.behaviour.read_back_delay)
        self.defender = Defender(self.clock, self.behaviour)
        self.graph = Graph(self.clock, self.behaviour)
        services: tuple[Service, ...] = (
            Sentinel(self.intel, self.behaviour),
            Management(self.intel, self.clock, self.behaviour),
            self.defender,
            self.graph,
            Alerts(self.clock, self.behaviour, lambda: self._sightings),
            Statistics(self.clock, self._seen),
            Hunting(self.clock, self.behaviour, self._seen),
            Logs(self.intel, self.clock, self._seen),
        )
        self._services = {service.name: service for service in services}
        resources = frozenset[str]().union(*(service.audiences for service in services))
        self._entra = Entra(self.clock, self.behaviour, apps, resources)
        self._identity = Identity(self._entra, self.clock, apps)

    # -- requests -----------------------------------------------------------------------------------------------

    def handle(self, call: Call) -> Reply:
        """Answer one request to one of Microsoft's APIs and log it."""
        with self._lock:
            api = _served_api(call)
            effect = self._faults.take(api, call)
            result = Result(Answer(0)) if effect.drop == "before" else self._answer(api, call, effect)
            answer = None if effect.drop else result.answer
            self._note(api, call, answer, result, effect.drop)
            return Reply(answer, effect.delay)

    def _answer(self, api: str, call: Call, effect: Effect) -> Result:
        if api == "login":
            fault = effect.refusal
            return Result(self._entra_fault(fault, call) if fault else self._entra.handle(call, self.own_origins))
        if api == "identity":
            fault = effect.refusal
            own = self.own_origins
            return Result(self._identity.fault(fault, call) if fault else self._identity.handle(call, own))
        service = self._services.get("alerts" if call.path == ALERTS_PATH else api)
        if service is None:
            body = {"error": {"code": "NotFound", "message": "No API of the emulator has this address."}}
            return Result(json_answer(404, body))
        if effect.refusal is not None:
            return Result(_fault_answer(service, effect.refusal))
        caller = self._caller(service, call)
        if isinstance(caller, Answer):
            return Result(caller)
        return self._served(service, call, caller, effect.item_errors)

    def _served(self, service: Service, call: Call, caller: Grant, forced: frozenset[int]) -> Result:
        if service.name in self.behaviour.without_permission:
            return Result(service.refuse(403, None, None))
        limits = service.limits(call) if self._limited else ()
        wait = self._rates.wait(limits, caller, self.clock.now())
        if wait is not None:
            return Result(service.throttled(wait))
        try:
            result = service.handle(call, caller, forced)
        except Refusal as refusal:
            return Result(service.refuse(refusal.status, refusal.code, refusal.message))
        self.version += call.method != "GET"
        return result

    def _caller(self, service: Service, call: Call) -> Grant | Answer:
        scheme, _, bearer = call.headers.get("authorization", "").partition(" ")
        grant = self._entra.caller(bearer.strip()) if scheme.lower() == "bearer" else None
        if grant is None:
            return service.unauthorized("The bearer token is missing or was not issued here.")
        if grant.expires <= self.clock.now():
            return service.unauthorized("The bearer token has expired.")
        if grant.audience not in self._audiences(service):
            return service.unauthorized(f"The bearer token is for {grant.audience}, not for this API.")
        return grant

    def _audiences(self, service: Service) -> frozenset[str]:
        return service.audiences | self.own_origins if self.behaviour.own_audience else service.audiences

    def _entra_fault(self, fault: Fault, call: Call) -> Answer:
        return self._entra.refuse(code_number(fault.code), fault.status, fault.message, fault.retry_after, call)

    def _note(self, api: str, call: Call, answer: Answer | None, result: Result, drop: Drop | None) -> None:
        self._log.append(
            {
                "at": to_text(self.clock.now()),
                "api": api,
                "method": call.method,
                "path": call.path,
                "status": answer.status if answer else None,
                "objects": len(call.objects()),
                "notes": [*result.notes, *([f"dropped {drop}"] if drop else [])],
            }
        )

    # -- looking and arranging ----------------------------------------------------------------------------------

    def state(self) -> JsonObject:
        """What is stored: objects of Sentinel by workspace and STIX id, entities of Defender and Graph by tenant.

        When two source systems hold the same STIX id in a workspace, the one accepted last stands here; `sources`
        counts the objects of each source system.
        """
        with self._lock:
            stored = self.intel.workspaces()
            return {
                "sentinel": {name: _by_id(records.values()) for name, records in stored.items() if records},
                "defender": self.defender.entities(),
                "graph": self.graph.entities(),
                "sources": {name: _by_source(records.values()) for name, records in stored.items() if records},
                "sightings": list(self._sightings),
            }

    def locked(self) -> AbstractContextManager[object]:
        """Hold the state still while reading more than one part of it."""
        return self._lock

    def requests(self) -> list[JsonObject]:
        """The newest 100,000 requests, oldest first; `status` is null where the connection was dropped."""
        with self._lock:
            return list(self._log)

    def history(self, last: int = 1000) -> JsonObject:
        """Sentinel's append-only log: number of rows ever written, and the newest ones, oldest first."""
        with self._lock:
            return {"count": self.intel.row_count, "rows": self.intel.rows(last)}

    def fault(self, fields: Mapping[str, Any]) -> None:
        """Order one fault.

        Raises:
            FaultError: It cannot be ordered as written.
        """
        with self._lock:
            self._faults.order(fields)

    def replace_faults(self, orders: Iterable[Mapping[str, Any]]) -> None:
        """Put these in place of all faults; none clears.

        Raises:
            FaultError: One cannot be ordered as written; those in force stay.
        """
        with self._lock:
            self._faults.replace(orders)

    def faults(self) -> list[JsonObject]:
        """The faults still in force."""
        with self._lock:
            return [{**asdict(fault), "item_errors": sorted(fault.item_errors)} for fault in self._faults.listed()]

    def add_sightings(self, sightings: Any) -> int:
        """Put into the estates what was seen there; returns how many sightings are kept.

        Raises:
            ValueError: One cannot be understood; none is kept then.
        """
        with self._lock:
            given = sightings if isinstance(sightings, list) else [sightings]
            self._sightings += [read_sighting(one, self.clock.now()) for one in given]
            self.version += 1
            return len(self._sightings)

    def _seen(self) -> list[Sighting]:
        return [sighting_of(one) for one in self._sightings]

    def reset(self) -> None:
        """Forget everything but the tokens: state, history, log, faults, counts."""
        with self._lock:
            for service in self._services.values():
                service.reset()
            self._rates.reset()
            self._faults.replace([])
            self._log.clear()
            self._sightings.clear()
            self.version += 1

    def advance(self, seconds: float) -> None:
        """Move the emulator's clock."""
        with self._lock:
            self.clock.advance(seconds)

    # -- persistence --------------------------------------------------------------------------------------------

    def dump(self) -> JsonObject:
        """Everything that survives a restart, as JSON-ready containers that are not changed afterwards."""
        with self._lock:
            return {
                "version": 1,
                "tokens": self._entra.dump(),
                "sentinel": self.intel.dump(),
                "defender": self.defender.dump(),
                "graph": self.graph.dump(),
                "sightings": list(self._sightings),
            }

    def load(self, saved: Mapping[str, Any]) -> None:
        """Take back what `dump` gave."""
        with self._lock:
            self._entra.load(saved["tokens"])
            self.intel.load(saved["sentinel"])
            self.defender.load(saved["defender"])
            self.graph.load(saved["graph"])
            self._sightings = list(saved["sightings"])


def api_of(path: str) -> str:
    """Which API a path belongs to; all of them share one address."""
    return next((api for api, owns in _ADDRESSES if owns(path)), "unknown")


def _served_api(call: Call) -> str:
    """The API of a call: identity endpoints speak plain HTTP, and nothing else does."""
    api = api_of(call.path)
    return api if call.origin.startswith("http://") is (api == "identity") else "unknown"


_ADDRESSES: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("login", is_login),
    ("identity", is_identity),
    ("management", is_management),
    ("sentinel", lambda path: path.startswith("/workspaces/")),
    ("defender", lambda path: path.startswith("/api/indicators")),
    ("statistics", is_statistics),
    ("hunting", lambda path: path.endswith("/security/runHuntingQuery")),
    ("graph", lambda path: path.startswith(("/beta/", "/v1.0/"))),
    ("logs", lambda path: path.startswith("/v1/workspaces/")),
)


def _fault_answer(service: Service, fault: Fault) -> Answer:
    return service.refuse(fault.status or 400, fault.code, fault.message, fault.retry_after)


def _by_id(records: Iterable[Any]) -> JsonObject:
    return {record.data["id"]: record.data for record in sorted(records, key=lambda record: record.last_ingested)}


def _by_source(records: Iterable[Any]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for record in records:
        counts[record.source] = counts.get(record.source, 0) + 1
    return counts
