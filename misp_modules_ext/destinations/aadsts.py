"""What Entra's AADSTS codes mean and what to do about each.

Facts from Microsoft identity platform, "Authentication and authorization error codes". Microsoft asks programs to
decide by `error` and never by these codes: they only choose the hint.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

_CODE = re.compile(r"AADSTS(\d{4,8})")


class Hint(NamedTuple):
    """Meaning and remedy of a code; both complete a sentence."""

    meaning: str
    remedy: str


_SECRET = Hint(
    "the client secret is wrong",
    "put the secret's value (not its id) of this very application into `appSecret`, without a line end after it.",
)
_NO_SECRET = Hint("no client secret arrived", "set `appSecret`; an `env:` or `file:` value may be empty.")
_TENANT = Hint(
    "there is no such tenant in this cloud", "correct `tenantId`, or `cloud` if the tenant lives in another."
)
_CLOUD = Hint("the tenant belongs to another cloud", "set `cloud` to that of the tenant, for example `gcc-high`.")
_RESOURCE = Hint(
    "the tenant has no such API",
    "check that the product is licensed and set up in this tenant (for Defender: WindowsDefenderATP), and `cloud`.",
)
_SCOPE = Hint("the scope is not accepted", "correct `cloud` and `endpoint.api`: the scope is made from them.")
_CERTIFICATE = Hint(
    "the certificate is not the application's", "upload it to the application's registration, or correct `certificate`."
)
_FEDERATION = Hint(
    "no federated credential fits the assertion",
    "make issuer, subject and audience of the application's federated credential equal to the assertion's.",
)
_BLOCKED = Hint(
    "a conditional access policy blocks the application",
    "ask the tenant's administrators to allow it from this network address.",
)
_COMMON = Hint("a tenant is needed", "set `tenantId` to the tenant's GUID, not to `common` or `organizations`.")
_REGION = Hint("a regional endpoint was asked", "unset MSAL_FORCE_REGION in the environment.")
_LATER = Hint("Entra has a passing problem", "repeat later.")

HINTS: Mapping[str, Hint] = {
    "7000215": _SECRET,
    "7000222": Hint("the client secret has expired", "make a new secret in Entra and put its value into `appSecret`."),
    "7000218": _NO_SECRET,
    "900144": _NO_SECRET,
    "700016": Hint(
        "the application does not exist in the tenant", "correct `appId`, `tenantId` or `cloud`; all three must fit."
    ),
    "7000112": Hint("the application is disabled", "enable it in Entra under Enterprise applications."),
    "90002": _TENANT,
    "900023": _TENANT,
    "90038": _CLOUD,
    "900382": _CLOUD,
    "900432": _CLOUD,
    "500011": _RESOURCE,
    "50001": _RESOURCE,
    "70011": _SCOPE,
    "28002": _SCOPE,
    "700022": _SCOPE,
    "700023": _SCOPE,
    "1002012": _SCOPE,
    "700027": _CERTIFICATE,
    "50012": _CERTIFICATE,
    "70021": _FEDERATION,
    "700213": _FEDERATION,
    "700211": _FEDERATION,
    "700024": Hint("the assertion is too old or too new", "correct this machine's clock, or renew the token file."),
    "530032": _BLOCKED,
    "53003": _BLOCKED,
    "9001023": _COMMON,
    "90124": _COMMON,
    "90130": _COMMON,
    "100007": _REGION,
    "90055": _LATER,
    "90033": _LATER,
    "90006": _LATER,
    "90012": _LATER,
    "90024": _LATER,
}

UNKNOWN = Hint("Entra refused the application", "check `tenantId`, `appId`, `appSecret` and `cloud`.")


def code_in(description: str) -> str:
    """The digits of the first AADSTS code in a description, or `""`."""
    found = _CODE.search(description)
    return found[1] if found else ""


def hint(code: str) -> Hint:
    """What a code means; a general hint for one that is not known."""
    return HINTS.get(code, UNKNOWN)


def passes(code: str) -> bool:
    """Whether the problem passes by itself."""
    return HINTS.get(code) is _LATER


def first_line(description: str) -> str:
    """Entra's sentence without the ids that follow it."""
    return re.split(r"\s*(?:Trace ID|Correlation ID|Timestamp):", description, maxsplit=1)[0].strip()
