"""Microsoft's clouds: where to sign in, where the APIs are, and for what a token has to be good.

Sources: Sentinel STIX objects upload API page and the Azure-Sentinel connector template for governments; Defender for
Endpoint pages "Supported APIs" and "Microsoft Defender for Endpoint for US Government customers"; Graph page
"tiIndicator" (global cloud only). `ASSUMED` names what Microsoft does not document and nobody here could try.
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
    """

    login: str
    api: str
    scope: str
    management: str = ""


_PUBLIC = "https://login.microsoftonline.com"
_GOVERNMENT = "https://login.microsoftonline.us"


def _sentinel(login: str, api: str, management: str) -> Endpoint:
    return Endpoint(login, api, f"{management}/.default", management)


def _own_scope(login: str, api: str) -> Endpoint:
    return Endpoint(login, api, f"{api}/.default")


_SENTINEL_PUBLIC = _sentinel(_PUBLIC, "https://api.ti.sentinel.azure.com", "https://management.azure.com")
_SENTINEL_GOVERNMENT = _sentinel(
    _GOVERNMENT, "https://api.ti.sentinel.azure.us", "https://management.usgovcloudapi.net"
)
_DEFENDER_GOVERNMENT = _own_scope(_GOVERNMENT, "https://api-gov.securitycenter.microsoft.us")

ENDPOINTS: dict[tuple[str, Api], Endpoint] = {
    ("global", Api.SENTINEL): _SENTINEL_PUBLIC,
    ("global", Api.DEFENDER): _own_scope(_PUBLIC, "https://api.securitycenter.microsoft.com"),
    ("global", Api.GRAPH): _own_scope(_PUBLIC, "https://graph.microsoft.com"),
    ("gcc", Api.SENTINEL): _SENTINEL_PUBLIC,
    ("gcc", Api.DEFENDER): _own_scope(_PUBLIC, "https://api-gcc.securitycenter.microsoft.us"),
    ("gcc-high", Api.SENTINEL): _SENTINEL_GOVERNMENT,
    ("gcc-high", Api.DEFENDER): _DEFENDER_GOVERNMENT,
    ("dod", Api.SENTINEL): _SENTINEL_GOVERNMENT,
    ("dod", Api.DEFENDER): _DEFENDER_GOVERNMENT,
}

#: What of `ENDPOINTS` is not documented by Microsoft, for the reference page.
ASSUMED: dict[tuple[str, Api], str] = {
    ("gcc", Api.DEFENDER): "scope: **unverified**, seen in use, not documented",
    (
        "gcc-high",
        Api.SENTINEL,
    ): "host and scope: from Microsoft's connector template; `uploadPath`: **unverified**, the "
    "template spells it `threatintelligence-stix-objects:upload`",
    ("gcc-high", Api.DEFENDER): "scope: **unverified**, seen in use, not documented",
    ("dod", Api.SENTINEL): "host, scope and `uploadPath`: **unverified**, taken to be as in `gcc-high`",
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
