"""What Entra's AADSTS codes mean and what to do about each.

Facts from Microsoft identity platform, "Authentication and authorization error codes". Microsoft asks programs to
decide by `error` and never by these codes: they only choose the hint. Codes of federation and certificates that it
lacks were seen in reports of users (azure-workload-identity, microsoft-identity-web).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from misp_modules_ext.config.settings import Auth

_CODE = re.compile(r"AADSTS(\d{4,8})")


class Hint(NamedTuple):
    """Meaning and remedy of a code; both complete a sentence."""

    meaning: str
    remedy: str


_SECRET = Hint(
    "the client secret is wrong",
    "put the secret's value (not its id) of this very application into `appSecret`, without a line end after it.",
)
_NO_CREDENTIAL: Mapping[Auth, str] = {
    Auth.CERTIFICATE: "see that `certificate` holds the certificate with its key.",
    Auth.WORKLOAD_IDENTITY: "see that `federatedTokenFile` holds a token.",
}
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
    "make issuer, subject and audience of the application's federated credential equal to the assertion's, in upper "
    "and lower case, too; the usual audience is api://AzureADTokenExchange.",
)
_ASSERTION = Hint(
    "the assertion is not accepted",
    "correct this machine's clock and `tenantId`; with `workload-identity` see whose token is in `federatedTokenFile`.",
)
_CERTIFICATE_ENDED = Hint(
    "the certificate is not good any more, or not yet",
    "make a new certificate, upload it to the application's registration, and replace the file `certificate`.",
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
    "1000502": _CERTIFICATE_ENDED,
    "7000214": _CERTIFICATE_ENDED,
    "50013": _ASSERTION,
    "50027": _ASSERTION,
    "70021": _FEDERATION,
    "700212": _FEDERATION,
    "7002137": _FEDERATION,
    "7002138": _FEDERATION,
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
_UNKNOWN: Mapping[Auth, Hint] = {
    Auth.CERTIFICATE: Hint(UNKNOWN.meaning, "check `tenantId`, `appId`, `certificate` and `cloud`."),
    Auth.WORKLOAD_IDENTITY: Hint(UNKNOWN.meaning, "check `tenantId`, `appId`, `federatedTokenFile` and `cloud`."),
    Auth.MANAGED_IDENTITY: Hint(
        "the machine's identity cannot be used", "check the machine's identity in the Azure portal, and `cloud`."
    ),
}
_NO_IDENTITY = Hint(
    "this machine has no such identity",
    "assign it (Azure portal > the machine > Identity), or correct `identityClientId`.",
)


def code_in(description: str) -> str:
    """The digits of the first AADSTS code in a description, or `""`."""
    found = _CODE.search(description)
    return found[1] if found else ""


def hint(code: str, auth: Auth = Auth.SECRET, description: str = "") -> Hint:
    """What a refusal means; a general hint for a code that is not known.

    Args:
        code: digits, `""` when there is none.
        auth: how the application signed in.
        description: in Microsoft's words; identity endpoints give no codes of their own.
    """
    if code not in HINTS:
        if auth is Auth.MANAGED_IDENTITY and _no_identity(description):
            return _NO_IDENTITY
        return _UNKNOWN.get(auth, UNKNOWN)
    if HINTS[code] is _NO_SECRET and auth in _NO_CREDENTIAL:
        return Hint("no credential arrived", _NO_CREDENTIAL[auth])
    return HINTS[code]


def _no_identity(description: str) -> bool:
    """The words of IMDS and of App Service for an identity that the machine does not have."""
    return any(words in description.lower() for words in ("identity not found", "no managed identity found"))


def passes(code: str) -> bool:
    """Whether the problem passes by itself."""
    return HINTS.get(code) is _LATER


def first_line(description: str) -> str:
    """Entra's sentence without the ids that follow it."""
    return re.split(r"\s*(?:Trace ID|Correlation ID|Timestamp):", description, maxsplit=1)[0].strip()
