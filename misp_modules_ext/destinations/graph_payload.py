"""tiIndicators as Graph beta took them. Pure.

Source: Microsoft Graph beta, "tiIndicator resource type": required fields of each product, vocabularies, limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.destinations import defender_payload
from misp_modules_ext.destinations.interface import Refusal
from misp_modules_ext.destinations.wire import describe, from_seconds, links, repair, title
from misp_modules_ext.model.indicator import Action, Due, Indicator, Kind, Observable, Severity
from misp_modules_ext.model.misp import Tlp

SENTINEL = "Azure Sentinel"
DEFENDER = "Microsoft Defender ATP"
#: Documented.
MAX_DESCRIPTION = 100
#: Not documented; a catch-all that the products do not use.
MAX_INFORMATION = 1_000
THREAT_TYPES = (
    "Botnet",
    "C2",
    "CryptoMining",
    "Darknet",
    "DDoS",
    "MaliciousUrl",
    "Malware",
    "Phishing",
    "Proxy",
    "PUA",
)
#: The vocabulary's word for a threat without a kind.
OTHER_THREAT = "WatchList"
TLP_LEVELS: Mapping[Tlp, str] = {
    Tlp.CLEAR: "white",
    Tlp.GREEN: "green",
    Tlp.AMBER: "amber",
    Tlp.AMBER_STRICT: "amber",
    Tlp.RED: "red",
}
#: Graph's scale goes from 0 (not severe) to 5.
SEVERITIES: Mapping[Severity, int] = {
    Severity.INFORMATIONAL: 0,
    Severity.LOW: 1,
    Severity.MEDIUM: 3,
    Severity.HIGH: 5,
}
#: Graph has no word for a warning and none for remediation; the plan asks for neither. The milder one, in any case.
ACTIONS: Mapping[Action, str] = {
    Action.AUDIT: "alert",
    Action.ALLOWED: "allow",
    Action.WARN: "alert",
    Action.BLOCK: "block",
    Action.BLOCK_AND_REMEDIATE: "block",
}
HASHES: Mapping[Kind, str] = {Kind.FILE_MD5: "md5", Kind.FILE_SHA1: "sha1", Kind.FILE_SHA256: "sha256"}
FIELDS: Mapping[Kind, str] = {
    Kind.IPV4_ADDR: "networkIPv4",
    Kind.IPV6_ADDR: "networkIPv6",
    Kind.IPV4_CIDR: "networkCidrBlock",
    Kind.IPV6_CIDR: "networkCidrBlock",
    Kind.DOMAIN_NAME: "domainName",
    Kind.URL: "url",
    Kind.EMAIL_ADDR: "emailSenderAddress",
    Kind.FILE_NAME: "fileName",
}
#: Defender takes destination addresses only.
DEFENDER_FIELDS: Mapping[Kind, str] = {
    Kind.IPV4_ADDR: "networkDestinationIPv4",
    Kind.IPV6_ADDR: "networkDestinationIPv6",
}
#: All that an update may change for Defender.
_DEFENDER_UPDATES = frozenset({"targetProduct", "expirationDateTime", "severity", "description"})


def target_product(product: str) -> str:
    """Graph's name of a product; its new names (`Microsoft Sentinel`) are answered 400."""
    return DEFENDER if "defender" in product.lower() else SENTINEL


def refusal(observable: Observable, product: str) -> Refusal | None:
    """Why the product has no place for a kind, or `None` if it has; `product` as `target_product` gives it."""
    return defender_payload.refusal(observable) if product == DEFENDER else None


def entity(due: Due, settings: DestinationSettings) -> dict[str, Any]:
    """One element of `value` for `submitTiIndicators`."""
    indicator = due.indicator
    product = target_product(settings.product)
    severity = indicator.severity if settings.severity is None else settings.severity
    return {
        "targetProduct": product,
        "action": ACTIONS[indicator.action],
        "threatType": threat_type(indicator.threat_type),
        "tlpLevel": TLP_LEVELS[indicator.tlp],
        "expirationDateTime": from_seconds(indicator.valid_until),
        "description": title(indicator, MAX_DESCRIPTION),
        "confidence": min(100, max(0, indicator.confidence)),
        "severity": SEVERITIES[severity],
        "tags": _tags(indicator),
        "externalId": due.stamp.stix_id,
        "additionalInformation": describe(indicator.facts, links(indicator), MAX_INFORMATION),
        **observable_fields(indicator.observable, product),
    }


def update(due: Due, settings: DestinationSettings) -> dict[str, Any]:
    """One element of `value` for `updateTiIndicators`; for Defender only what may change there."""
    document = entity(due, settings)
    if document["targetProduct"] == DEFENDER:
        document = {name: given for name, given in document.items() if name in _DEFENDER_UPDATES}
    return {"id": due.remote_id, **document}


def threat_type(name: str) -> str:
    """The vocabulary's spelling of a threat type; `WatchList` for one that it does not have."""
    return next((known for known in THREAT_TYPES if known.lower() == name.strip().lower()), OTHER_THREAT)


def observable_fields(observable: Observable, product: str) -> dict[str, str]:
    """The one observable of a tiIndicator."""
    if observable.kind in HASHES:
        return {"fileHashType": HASHES[observable.kind], "fileHashValue": observable.value}
    field = DEFENDER_FIELDS.get(observable.kind) if product == DEFENDER else None
    return {field or FIELDS[observable.kind]: observable.value}


def _tags(indicator: Indicator) -> list[str]:
    """The labels with the TLP tag, which `tlpLevel` cannot say for amber+strict."""
    return list(dict.fromkeys(tag for tag in map(repair, [*indicator.labels, indicator.tlp.tag]) if tag))
