"""The export door: "Download as… > Export To Microsoft" in the event view.

MISP shows an export's `error` as an empty download and nothing else (misp-seen.md 3), so the answer is always a report
in `data`: also for a bad configuration, refused credentials, an empty or a strange event.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable

from misp_modules_ext.doors.common import answer, log
from misp_modules_ext.logs import What, fields
from misp_modules_ext.misp.requests import Body, read_export
from misp_modules_ext.model.account import Account
from misp_modules_ext.report import html_pieces

#: The settings of `Plugin.Export_export_to_microsoft_…`: a flat list, the only form that MISP can run (misp.md 1.5).
CONFIG = ["destinations", "preview"]

#: What MISP should put into the event: all tags, since a TLP tag that may not be exported still closes a gate; local
#: ones too, which pick, and which MISP leaves out for a role with perm_sync unless told; and hits of warninglists.
#: Neither proposals nor reports, which never go.
FETCH_OPTIONS = {
    "includeAllTags": True,
    "excludeLocalTags": False,
    "includeWarninglistHits": True,
    "noShadowAttributes": True,
    "noEventReports": True,
}

_LAST_RESORT = (
    "<!doctype html><meta charset=utf-8><title>Export To Microsoft</title><h1>The report could not be written</h1>"
    "<p>What was sent is at Microsoft, what was not is not: press the button again. Details are in the log of the "
    "misp-modules service.</p>"
)


def handle(body: Body) -> dict[str, str]:
    """Answer a call of the export module.

    Returns:
        `{"data": <the HTML report in base64>}`, whatever happens.
    """
    return {"data": answer("export", body, read_export, _page)}


def _page(account: Account) -> str:
    try:
        return _encoded(html_pieces(account))
    except Exception:  # noqa: BLE001 - an empty download would tell the analyst nothing
        log.exception("the report could not be rendered", extra=fields(What.UNEXPECTED, submission=account.submission))
        return _encoded([_LAST_RESORT])


def _encoded(pieces: Iterable[str]) -> str:
    """The base64 of a text, made piece by piece: the report of a large event is not there three times."""
    made, rest = io.BytesIO(), b""
    for piece in pieces:
        rest += piece.encode("utf-8", "replace")
        whole = len(rest) // 3 * 3
        made.write(base64.b64encode(rest[:whole]))
        rest = rest[whole:]
    made.write(base64.b64encode(rest))
    return str(made.getbuffer(), "ascii")
