"""What Defender for Endpoint refuses in one indicator.

Sources: Defender for Endpoint API, "Indicator resource type", "Submit or update indicator", "Import indicators",
"Common REST API error codes"; "Create indicators for IPs and URLs/domains" (single addresses only, no internal ones,
all eight segments of IPv6, no BlockAndRemediate for network indicators), "Create indicators for certificates".
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from .behaviour import Behaviour
from .calls import JsonObject
from .clock import parse_offset

REQUIRED = ("indicatorValue", "indicatorType", "action", "title", "description")
_FILE = frozenset({"Allowed", "Audit", "Warn", "Block", "BlockAndRemediate"})
_NETWORK = _FILE - {"BlockAndRemediate"}
ACTIONS: Mapping[str, frozenset[str]] = {
    "FileSha1": _FILE,
    "FileSha256": _FILE,
    "FileMd5": _FILE,
    "CertificateThumbprint": frozenset({"Allowed", "BlockAndRemediate"}),
    "IpAddress": _NETWORK,
    "DomainName": _NETWORK,
    "Url": _NETWORK,
}
SEVERITIES = frozenset({"Informational", "Low", "Medium", "High"})
_DIGITS = {"FileSha1": 40, "FileSha256": 64, "FileMd5": 32, "CertificateThumbprint": 40}
_TEXTS = ("application", "recommendedActions", "educateUrl", "externalId", "title", "description")
# Never a documentation range: those are reserved, not internal.
_INTERNAL = tuple(
    ipaddress.ip_network(net)
    for net in [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::/128",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    ]
)
_LABEL = r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+(?:[A-Za-z]{{2,63}}|xn--[A-Za-z0-9-]{{1,59}})")


class Complaint(NamedTuple):
    """Why an indicator is refused, with Defender's code."""

    code: str
    message: str


def complaint(item: Any, now: float, behaviour: Behaviour) -> Complaint | None:
    """The first thing wrong with one indicator, or None."""
    if not isinstance(item, dict):
        return Complaint("InvalidRequestBody", "An indicator must be an object.")
    for name in REQUIRED:
        if not isinstance(item.get(name), str) or not item[name].strip():
            return Complaint("MissingRequiredParameter", f"{name} is required; names are case-sensitive.")
    return _vocabulary(item) or _plain_fields(item, now, behaviour) or _value(item, behaviour)


def _vocabulary(item: JsonObject) -> Complaint | None:
    kind, action = item["indicatorType"], item["action"]
    if kind not in ACTIONS:
        return Complaint("InvalidInput", f"indicatorType {kind} is not one of {', '.join(ACTIONS)}.")
    if action not in ACTIONS[kind]:
        return Complaint("InvalidInput", f"action {action} is not supported for {kind}.")
    severity = item.get("severity")
    if severity is not None and (not isinstance(severity, str) or severity not in SEVERITIES):
        return Complaint("InvalidInput", f"severity {severity} is not one of {', '.join(sorted(SEVERITIES))}.")
    alert = item.get("generateAlert")
    if alert is not None and not isinstance(alert, bool) and alert not in ("true", "false", "True", "False"):
        return Complaint("InvalidInput", "generateAlert must be true or false.")
    if action == "Audit" and alert not in (True, "true", "True"):
        return Complaint("InvalidInput", "generateAlert must be true for the action Audit.")
    return None


def _plain_fields(item: JsonObject, now: float, behaviour: Behaviour) -> Complaint | None:
    for name in _TEXTS:
        if item.get(name) is not None and not isinstance(item[name], str):
            return Complaint("InvalidRequestBody", f"{name} must be a string.")
    # mitreTechniques is no part of the documented resource; the service was seen to take it (microsoft-365-docs 5890).
    for name in ("rbacGroupNames", "rbacGroupIds", "mitreTechniques"):
        groups = item.get(name)
        texts = isinstance(groups, list) and all(isinstance(group, str) for group in groups)
        if groups is not None and not texts and not isinstance(groups, str):
            return Complaint("InvalidRequestBody", f"{name} must be a list of strings.")
    if item.get("expirationTime") is None:
        return None
    expires = parse_offset(item["expirationTime"]) if isinstance(item["expirationTime"], str) else None
    if expires is None:
        return Complaint("InvalidRequestBody", "expirationTime must be an ISO 8601 time with a zone.")
    if expires <= now and behaviour.defender_refuse_expired:
        return Complaint("InvalidInput", "expirationTime must lie in the future.")
    return None


def _value(item: JsonObject, behaviour: Behaviour) -> Complaint | None:
    kind, value = item["indicatorType"], item["indicatorValue"]
    limit = behaviour.defender_value_limit
    if limit is not None and len(value) > limit:
        return Complaint("InvalidInput", f"indicatorValue is longer than {limit} characters.")
    if kind in _DIGITS:
        good = re.fullmatch(rf"[0-9A-Fa-f]{{{_DIGITS[kind]}}}", value)
        return None if good else Complaint("InvalidHashValue", f"{kind} needs {_DIGITS[kind]} hexadecimal digits.")
    if kind == "IpAddress":
        return _address(value, behaviour)
    if kind == "DomainName":
        return None if _is_domain(value) else Complaint("InvalidDomainName", "The domain name is not valid.")
    return None if _is_url(value) else Complaint("InvalidUrl", "The URL is not valid.")


def _address(value: str, behaviour: Behaviour) -> Complaint | None:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return Complaint("InvalidIpAddress", "A single IPv4 or IPv6 address is needed; CIDR notation is not supported.")
    if _is_internal(address):
        return Complaint("InvalidIpAddress", "Indicators cannot be created for internal addresses.")
    if "%" in value:
        return Complaint("InvalidIpAddress", "An address has no zone.")
    full = len(value.split(":")) == 8 and "::" not in value
    if address.version == 6 and behaviour.defender_full_ipv6 and not full:
        return Complaint("InvalidIpAddress", "An IPv6 address needs all eight segments.")
    return None


def _is_internal(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    inner = mapped or address
    return any(inner in network for network in _INTERNAL if network.version == inner.version)


def _is_domain(value: str) -> bool:
    return len(value) <= 253 and _DOMAIN.fullmatch(value) is not None


def _is_url(value: str) -> bool:
    if re.search(r"[\s\x00-\x1f]", value):
        return False
    try:
        parts = urlsplit(value if "://" in value else "http://" + value)
        host = parts.hostname or ""
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and (_is_domain(host.rstrip(".")) or _is_public_address(host))


def _is_public_address(host: str) -> bool:
    try:
        return not _is_internal(ipaddress.ip_address(host))
    except ValueError:
        return False
