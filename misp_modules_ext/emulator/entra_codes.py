"""Entra's refusals.

Source: Microsoft identity platform, "Authentication and authorization error codes" (AADSTS). Of 1000502 and the 7002xx
family, only reports of users are known.
"""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    """What Entra answers with a code: OAuth's error, HTTP status, sentence."""

    error: str
    status: int
    text: str


#: Of the documented codes, those that this tool may meet; the last digits of a family say more than its first.
CODES: dict[int, Code] = {
    28002: Code("invalid_scope", 400, "The scope value is not valid."),
    50001: Code("invalid_resource", 400, "The resource is disabled or does not exist."),
    50013: Code("invalid_grant", 400, "The assertion is not valid: its signature, time or form."),
    50027: Code("invalid_client", 401, "The JWT is not valid: a claim is missing or wrong."),
    70021: Code("invalid_client", 401, "No federated identity record matches the assertion."),
    90006: Code("temporarily_unavailable", 503, "A transient error has occurred. Try again."),
    90012: Code("temporarily_unavailable", 503, "The request timed out. Try again."),
    90024: Code("temporarily_unavailable", 503, "The request budget is exceeded for now. Try again."),
    90124: Code("invalid_request", 400, "The resource is not supported over /common; use a tenant."),
    90130: Code("invalid_request", 400, "The application is not supported over /common; use a tenant."),
    100007: Code("invalid_request", 400, "Regional endpoints serve managed identities and first-party clients only."),
    700023: Code("invalid_request", 400, "The scope names no resource."),
    700211: Code("invalid_client", 401, "No federated identity record matches the assertion's issuer."),
    700212: Code("invalid_client", 401, "No federated identity record matches the assertion's audience."),
    700213: Code("invalid_client", 401, "No federated identity record matches the assertion's subject."),
    1000502: Code("invalid_client", 401, "The provided certificate is not within its specified validity period."),
    1002012: Code("invalid_scope", 400, "The scope for client credentials must end in /.default."),
    7000214: Code("invalid_client", 401, "The certificate has been revoked."),
    70003: Code("unsupported_grant_type", 400, "The grant type is not supported."),
    70011: Code("invalid_scope", 400, "The scope is not valid: client credentials need <resource>/.default."),
    700016: Code("unauthorized_client", 400, "The application was not found in the tenant."),
    700022: Code("invalid_request", 400, "The scope names more than one resource."),
    700024: Code("invalid_client", 401, "The client assertion is not within its valid time range."),
    700027: Code("invalid_client", 401, "The client assertion failed signature validation."),
    7000112: Code("unauthorized_client", 400, "The application is disabled."),
    7000215: Code("invalid_client", 401, "Invalid client secret provided."),
    7000218: Code("invalid_client", 401, "The body must contain 'client_assertion' or 'client_secret'."),
    7000222: Code("invalid_client", 401, "The provided client secret keys are expired."),
    50012: Code("invalid_client", 401, "Authentication failed."),
    500011: Code("invalid_resource", 400, "The resource principal was not found in the tenant."),
    53003: Code("access_denied", 400, "Access was blocked by conditional access policies."),
    530032: Code("access_denied", 400, "Access was blocked by a security policy."),
    90002: Code("invalid_request", 400, "The tenant was not found."),
    90033: Code("temporarily_unavailable", 503, "A transient error has occurred. Try again."),
    90038: Code("invalid_request", 400, "The tenant belongs to another national cloud."),
    90055: Code("temporarily_unavailable", 429, "The tenant is throttled because of too many requests."),
    900144: Code("invalid_request", 400, "The body lacks a required parameter."),
    900382: Code("invalid_request", 400, "A confidential client is not supported in a cross-cloud request."),
    900432: Code("invalid_request", 400, "A confidential client is not supported in a cross-cloud request."),
    900561: Code("invalid_request", 400, "The endpoint only accepts POST requests."),
    9001023: Code("invalid_request", 400, "The grant type is not supported over /common; use a tenant."),
}
# What a fault with a status and no code means.
BY_STATUS = {400: 70011, 401: 7000215, 403: 53003, 429: 90055}


class Refused(Exception):
    """A request that Entra refuses.

    Attributes:
        code: AADSTS number.
        detail: sentence in place of the code's own, `""` for that.
    """

    def __init__(self, code: int, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
