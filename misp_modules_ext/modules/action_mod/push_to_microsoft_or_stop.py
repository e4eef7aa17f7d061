"""MISP action module: push an event to Microsoft from a workflow; a failure stops the workflow."""

from __future__ import annotations

from typing import Any

from misp_modules_ext import __version__
from misp_modules_ext.doors import action
from misp_modules_ext.doors.common import ensure_drain

misperrors = {"error": "Error"}
moduleconfig = action.parameters(blocking=True)

moduleinfo = {
    "version": __version__,
    "author": "the misp-modules-ext maintainers",
    "name": "Push To Microsoft Or Stop",
    "description": "Send the event's indicators to Microsoft Sentinel and Defender. A failure stops the workflow.",
    "module-type": ["action"],
}


def dict_handler(request: dict[str, Any]) -> dict[str, Any]:
    """Answer one call, whose body misp-modules has decoded: decoding it again would double a large event."""
    return action.handle_or_stop(request)


def handler(q: bytes | str = b"") -> dict[str, Any]:
    """The same for a misp-modules that hands over the body `q`."""
    return action.handle_or_stop(q)


def introspection() -> dict[str, Any]:
    """What MISP needs to offer the module; what waits in the ledger begins to go."""
    ensure_drain()
    return {"config": moduleconfig}


def version() -> dict[str, Any]:
    """What the module says of itself."""
    return {**moduleinfo, "config": moduleconfig}
