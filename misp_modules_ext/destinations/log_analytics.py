"""Log Analytics' query API for one workspace.

Source: Azure Monitor, "Log Analytics query API" (`POST /v1/workspaces/{id}/query`, tables with columns and rows).
"""

from __future__ import annotations

from typing import Any, TypeGuard
from urllib.parse import quote

from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.destinations.answers import Advice, Answer, unreadable
from misp_modules_ext.destinations.asking import Asking
from misp_modules_ext.destinations.interface import Limit
from misp_modules_ext.destinations.transport import Transport
from misp_modules_ext.destinations.wire import encode

#: Documented for a calling user.
RATE = Limit(200, 30.0)
NAME = "Log Analytics"


def _advice(settings: DestinationSettings) -> Advice:
    section = f"[{settings.name}]"
    role = "the role Log Analytics Reader or Microsoft Sentinel Reader on the workspace"
    return Advice(
        NAME,
        unauthorized=f"correct `cloud` of {section}, or `endpoint.logs` and `endpoint.logsScope` if they are set.",
        forbidden=f"give the application of {section} (`appId`) {role} (a new role can take an hour to count).",
        not_found=f"correct `workspaceId` of {section}, or `endpoint.logs` if it is set; the application also needs "
        f"{role}.",
    )


class LogAnalytics:
    """The tables of a workspace.

    Args:
        settings: the workspace.
        transport: how it is reached; the process's shared one when absent.
    """

    def __init__(self, settings: DestinationSettings, transport: Transport | None = None) -> None:
        there = settings.model_copy(update={"scope": settings.logs_scope})
        self._asking = Asking(there, _advice(settings), {"logs": RATE}, transport, settings.endpoint_logs)
        workspace = quote(settings.workspace_id.strip("{} "), safe="")
        self._path = f"/v1/workspaces/{workspace}/query"

    def rows(self, query: str, timespan: str, deadline: float) -> list[dict[str, Any]]:
        """What a query answers, by names of columns.

        Args:
            query: one of `queries`.
            timespan: ISO 8601 duration before now, `P14D`.
            deadline: by `time.monotonic`.

        Raises:
            DestinationError: no answer, or not all of it.
        """
        body = encode({"query": query, "timespan": timespan})
        return _rows(self._asking.ask("POST", self._path, deadline, body=body))


def _rows(answer: Answer) -> list[dict[str, Any]]:
    document = answer.json()
    tables = document.get("tables") if isinstance(document, dict) else None
    if not isinstance(tables, list) or not tables or not isinstance(tables[0], dict):
        raise unreadable(answer, NAME, "not with the documented tables")
    if document.get("error"):
        # A query that was cut short answers 200 with rows and an error beside them.
        raise unreadable(answer, NAME, "with a part of the rows only")
    names, rows = _names(tables[0].get("columns")), tables[0].get("rows")
    if not names or not isinstance(rows, list) or not all(isinstance(r, list) and len(r) == len(names) for r in rows):
        raise unreadable(answer, NAME, "with a table whose rows do not fit its columns")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _names(columns: object) -> list[str]:
    return [str(column.get("name")) for column in columns] if _is_described(columns) else []


def _is_described(columns: object) -> TypeGuard[list[dict[str, Any]]]:
    return isinstance(columns, list) and all(isinstance(column, dict) for column in columns)
