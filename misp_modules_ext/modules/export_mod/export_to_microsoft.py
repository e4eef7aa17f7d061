"""MISP export module: shown as "Export To Microsoft" under "Download as…" in the event view."""

from __future__ import annotations

from typing import Any

from misp_modules_ext import __version__
from misp_modules_ext.doors import export
from misp_modules_ext.doors.common import ensure_drain

misperrors = {"error": "Error"}
userConfig: dict[str, Any] = {}
moduleconfig = export.CONFIG
inputSource = ["event"]
outputFileExtension = "html"
responseType = "text/html"

moduleinfo = {
    "version": __version__,
    "author": "the misp-modules-ext maintainers",
    "name": "Export To Microsoft",
    "description": "Send the event's indicators to Microsoft Sentinel and Defender; the download is a report.",
    "module-type": ["export"],
    "require_standard_format": True,
    "fetch_options": export.FETCH_OPTIONS,
}


def dict_handler(request: dict[str, Any]) -> dict[str, str]:
    """Answer one call, whose body misp-modules has decoded: decoding it again would double a large event."""
    return export.handle(request)


def handler(q: bytes | str = b"") -> dict[str, str]:
    """The same for a misp-modules that hands over the body `q`."""
    return export.handle(q)


def introspection() -> dict[str, Any]:
    """What MISP needs to offer the module; what waits in the ledger begins to go."""
    ensure_drain()
    return {
        "responseType": responseType,
        "outputFileExtension": outputFileExtension,
        "userConfig": userConfig,
        "inputSource": inputSource,
    }


def version() -> dict[str, Any]:
    """What the module says of itself."""
    return {**moduleinfo, "config": moduleconfig}
