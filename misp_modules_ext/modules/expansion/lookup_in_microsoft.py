"""MISP expansion and hover module: whether a value is at Microsoft, until when, and whether it was seen."""

from __future__ import annotations

from typing import Any

from misp_modules_ext import __version__
from misp_modules_ext.doors import lookup

misperrors = {"error": "Error"}
moduleconfig = lookup.CONFIG
mispattributes = {"input": lookup.input_types(), "format": "misp_standard"}

moduleinfo = {
    "version": __version__,
    "author": "the misp-modules-ext maintainers",
    "name": "Lookup In Microsoft",
    "description": "Whether Microsoft Sentinel and Defender hold a value, and whether it was seen. Changes nothing.",
    "module-type": ["expansion", "hover"],
}


def dict_handler(request: dict[str, Any]) -> dict[str, Any]:
    """Answer one call, whose body misp-modules has decoded."""
    return lookup.handle(request)


def handler(q: bytes | str = b"") -> dict[str, Any]:
    """The same for a misp-modules that hands over the body `q`."""
    return lookup.handle(q)


def introspection() -> dict[str, Any]:
    """What MISP needs to offer the module."""
    return mispattributes


def version() -> dict[str, Any]:
    """What the module says of itself."""
    return {**moduleinfo, "config": moduleconfig}
