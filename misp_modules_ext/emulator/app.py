"""The HTTP layer: Tornado requests in, the core's answers out, and the addresses under ``/_emulator``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from tornado.iostream import IOStream
from tornado.web import Application, RequestHandler

from .calls import Answer, Call, json_answer
from .core import Core
from .faults import FaultError
from .page import page

_PREFIX = "/_emulator/"


class _Handler(RequestHandler):
    """Every address and every method."""

    def initialize(self, core: Core) -> None:
        self._core = core

    def set_default_headers(self) -> None:
        self.clear_header("Server")

    async def prepare(self) -> None:
        """Answer here, so that no method of HTTP falls through to Tornado's own error page."""
        call = self._call()
        if call.path == "/":
            self._send(page(self._core))
        elif call.path.startswith(_PREFIX):
            self._send(_inspect(self._core, call))
        else:
            await self._emulate(call)

    async def _emulate(self, call: Call) -> None:
        reply = self._core.handle(call)
        try:
            await asyncio.sleep(reply.delay)
        except asyncio.CancelledError:
            # The emulator stops. This is the whole of the request's task, and Tornado would log its cancellation.
            self._hang_up()
            return
        if reply.answer is None:
            self._hang_up()
        else:
            self._send(reply.answer)

    def _hang_up(self) -> None:
        """Close the connection without an answer; it may be closed already."""
        stream: IOStream | None = self.detach()
        if stream is not None:
            stream.close()

    def _call(self) -> Call:
        request = self.request
        query = {name: values[-1].decode("utf-8", "replace") for name, values in request.query_arguments.items()}
        return Call.read(
            request.method or "",
            unquote(request.path),
            query=query,
            headers=dict(request.headers.get_all()),
            body=request.body,
            origin=f"{request.protocol}://{request.host}",
        )

    def _send(self, answer: Answer) -> None:
        self.set_status(answer.status)
        self.clear_header("Content-Type")
        for name, value in answer.headers.items():
            self.set_header(name, value)
        self.finish(None if answer.status == 204 else answer.body)

    def compute_etag(self) -> str | None:
        """None: Microsoft's APIs do not answer 304."""
        return None


def application(core: Core) -> Application:
    """The web application over a core."""
    return Application([(r".*", _Handler, {"core": core})], log_function=_quiet)


def _quiet(handler: RequestHandler) -> None:
    """No access log: requests stand at ``/_emulator/requests``."""


def _inspect(core: Core, call: Call) -> Answer:
    actions: dict[tuple[str, str], Callable[[], Any]] = {
        ("GET", "state"): core.state,
        ("GET", "requests"): core.requests,
        ("GET", "history"): lambda: core.history(int(call.query.get("last", "1000"))),
        ("GET", "faults"): core.faults,
        ("POST", "faults"): lambda: _order(core, call.payload),
        ("POST", "sightings"): lambda: {"sightings": core.add_sightings(call.payload)},
        ("POST", "reset"): core.reset,
        ("POST", "clock"): lambda: core.advance(float(call.payload["advance"])),
    }
    action = actions.get((call.method, call.path.removeprefix(_PREFIX)))
    if action is None:
        known = ", ".join(f"{method} {_PREFIX}{name}" for method, name in actions)
        return json_answer(404, {"error": f"no such address; known are {known}"})
    try:
        return json_answer(200, action() or {})
    except (FaultError, ValueError, TypeError, KeyError) as error:
        return json_answer(400, {"error": str(error)})


def _order(core: Core, payload: Any) -> Any:
    if isinstance(payload, dict):
        core.fault(payload)
    elif isinstance(payload, list) and all(isinstance(item, dict) for item in payload):
        core.replace_faults(payload)
    else:
        raise FaultError("post one fault as an object, or a list that replaces all faults, as application/json")
    return {"faults": core.faults()}
