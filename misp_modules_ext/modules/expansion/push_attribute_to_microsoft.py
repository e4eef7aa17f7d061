"""MISP expansion module: push one attribute or object to Microsoft. Never a hover: those come by themselves."""

from __future__ import annotations

from typing import Any

from misp_modules_ext import __version__
from misp_modules_ext.doors import push_attribute
from misp_modules_ext.doors.common import ensure_drain

misperrors = {"error": "Error"}
moduleconfig = push_attribute.CONFIG
mispattributes = {"input": push_attribute.input_types(), "format": "misp_standard"}

moduleinfo = {
    "version": __version__,
    "author": "the misp-modules-ext maintainers",
    "name": "Push Attribute To Microsoft",
    "description": "Send one attribute or object, as MISP shows it to our own key, to Sentinel and Defender.",
    "module-type": ["expansion"],
}


def dict_handler(request: dict[str, Any]) -> dict[str, Any]:
    """Answer one call, whose body misp-modules has decoded."""
    return push_attribute.handle(request)


def handler(q: bytes | str = b"") -> dict[str, Any]:
    """The same for a misp-modules that hands over the body `q`."""
    return push_attribute.handle(q)


def introspection() -> dict[str, Any]:
    """What MISP needs to offer the module; what waits in the ledger begins to go."""
    ensure_drain()
    return mispattributes


def version() -> dict[str, Any]:
    """What the module says of itself."""
    return {**moduleinfo, "config": moduleconfig}
