"""Microsoft Graph's security APIs: what advanced hunting and the list of alerts share, host, scope and advice."""

from __future__ import annotations

from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.destinations.answers import Advice
from misp_modules_ext.destinations.asking import Asking
from misp_modules_ext.destinations.interface import Limit
from misp_modules_ext.destinations.transport import Transport


def asking(
    settings: DestinationSettings,
    name: str,
    permission: str,
    limits: dict[str, Limit],
    transport: Transport | None,
    otherwise: str = "",
) -> Asking:
    """How one of them is asked.

    Args:
        settings: of the tenant.
        name: the API, for a reader.
        permission: the application permission that it needs.
        limits: its rate, under its name.
        transport: how Graph is reached; the process's shared one when absent.
        otherwise: what else helps when the permission is not there.
    """
    section = f"[{settings.name}]"
    advice = Advice(
        name,
        unauthorized=f"correct `cloud` of {section}, or `endpoint.hunting` if it is set.",
        forbidden=f"give the application of {section} (`appId`) the application permission {permission} of Microsoft "
        f"Graph, and have an administrator consent to it{otherwise}.",
        not_found=f"correct `endpoint.hunting` or `cloud` of {section}.",
    )
    there = settings.model_copy(update={"scope": settings.hunting_scope})
    return Asking(there, advice, limits, transport, settings.endpoint_hunting)
