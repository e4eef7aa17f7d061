"""Microsoft's clouds: where to sign in, where the APIs are, and for what a token has to be good.

Sources: Sentinel STIX objects upload API page and the Azure-Sentinel connector template for governments; Defender for
Endpoint pages "Supported APIs" and "Microsoft Defender for Endpoint for US Government customers"; Graph page
"tiIndicator" (global cloud only) and "National cloud deployments"; Azure Monitor page "Azure Monitor Logs API overview"
and its client library (host and scope of Log Analytics). `ASSUMED` names what Microsoft does not document and nobody
here could try.
"""

from __future__ import annotations

from typing import NamedTuple

from misp_modules_ext.config.findings import Invalid
from misp_modules_ext.config.settings import Api

#: The only version of Sentinel's upload API that Microsoft has published.
SENTINEL_API_VERSION = "2024-02-01-preview"

CLOUDS = ("global", "gcc", "gcc-high", "dod", "china")


class Endpoint(NamedTuple):
    """Where one API of one cloud is.

    Attributes:
        login: origin of Entra's token endpoint.
        api: origin of the API.
        scope: what to ask Entra for, ending in `/.default`.
        management: origin of Azure's resource manager, which reads back from Sentinel; `""` elsewhere.
        logs: origin of Log Analytics' query API for Sentinel, `""` elsewhere; `logs_scope` is its scope.
        hunting: origin of Graph for Defender's advanced hunting and alerts, `""` elsewhere; `hunting_scope` is its
            scope.
    """

    login: str
    api: str
    scope: str
    management: str = ""
    logs: str = ""
    logs_scope: str = ""
    hunting: str = ""
    hunting_scope: str = ""


_PUBLIC = "https://login.microsoftonline.com"
_GOVERNMENT = "https://login.microsoftonline.us"


_GRAPH = "https://graph.microsoft.com"


def _own_scope(login: str, api: str) -> Endpoint:
    return Endpoint(login, api, f"{api}/.default")


def _defender(login: str, api: str, graph: str) -> Endpoint:
    return _own_scope(login, api)._replace(hunting=graph, hunting_scope=f"{graph}/.default")


_SENTINEL_PUBLIC = Endpoint(
    _PUBLIC,
    "https://api.ti.sentinel.azure.com",
    "https://management.azure.com/.default",
    management="https://management.azure.com",
    logs="https://api.loganalytics.azure.com",
    # The newer host has the older one's scope in Microsoft's client library.
    logs_scope="https://api.loganalytics.io/.default",
)
_SENTINEL_GOVERNMENT = Endpoint(
    _GOVERNMENT,
    "https://api.ti.sentinel.azure.us",
    "https://management.usgovcloudapi.net/.default",
    management="https://management.usgovcloudapi.net",
    logs="https://api.loganalytics.us",
    logs_scope="https://api.loganalytics.us/.default",
)
_DEFENDER_GOVERNMENT = "https://api-gov.securitycenter.microsoft.us"

ENDPOINTS: dict[tuple[str, Api], Endpoint] = {
    ("global", Api.SENTINEL): _SENTINEL_PUBLIC,
    ("global", Api.DEFENDER): _defender(_PUBLIC, "https://api.securitycenter.microsoft.com", _GRAPH),
    ("global", Api.GRAPH): _own_scope(_PUBLIC, _GRAPH),
    ("gcc", Api.SENTINEL): _SENTINEL_PUBLIC,
    ("gcc", Api.DEFENDER): _defender(_PUBLIC, "https://api-gcc.securitycenter.microsoft.us", _GRAPH),
    ("gcc-high", Api.SENTINEL): _SENTINEL_GOVERNMENT,
    ("gcc-high", Api.DEFENDER): _defender(_GOVERNMENT, _DEFENDER_GOVERNMENT, "https://graph.microsoft.us"),
    ("dod", Api.SENTINEL): _SENTINEL_GOVERNMENT,
    ("dod", Api.DEFENDER): _defender(_GOVERNMENT, _DEFENDER_GOVERNMENT, "https://dod-graph.microsoft.us"),
}

#: What of `ENDPOINTS` is not documented by Microsoft, for the reference page.
ASSUMED: dict[tuple[str, Api], str] = {
    ("gcc", Api.DEFENDER): "scope: **unverified**, seen in use, not documented",
    (
        "gcc-high",
        Api.SENTINEL,
    ): "host and scope: from Microsoft's connector template; `uploadPath`: **unverified**, the "
    "template spells it `threatintelligence-stix-objects:upload`; `endpoint.logs`, `endpoint.logsScope`: "
    "**unverified**, seen in use, not documented",
    ("gcc-high", Api.DEFENDER): "scope: **unverified**, seen in use, not documented",
    ("dod", Api.SENTINEL): "host, scope, `uploadPath`, `endpoint.logs` and "
    "`endpoint.logsScope`: **unverified**, taken to be as in `gcc-high`",
    ("dod", Api.DEFENDER): "scope: **unverified**, seen in use, not documented",
}


def endpoint(cloud: str, api: Api) -> Endpoint:
    """Where an API is in a cloud.

    Raises:
        Invalid: this cloud has no such API.
    """
    if cloud == "china":
        raise Invalid(
            "china has neither product: Microsoft retired Sentinel there on 2026-08-18, and Defender has no API there.",
            "Use a workspace in another cloud.",
        )
    try:
        return ENDPOINTS[cloud, api]
    except KeyError:
        raise Invalid(
            f"Graph tiIndicators exist in the global cloud only, not in {cloud}.", "Remove the line api = graph."
        ) from None
