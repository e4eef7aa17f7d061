"""tiIndicators as Graph beta took them. Pure.

Source: Microsoft Graph beta, "tiIndicator resource type": required fields of each product, vocabularies, limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.destinations import defender_payload
from misp_modules_ext.destinations.interface import Refusal
from misp_modules_ext.destinations.kinds import ACCOUNTS, COINS, RARE_HASHES, TLS_FINGERPRINTS
from misp_modules_ext.destinations.wire import describe, digest, from_seconds, links, repair, title
from misp_modules_ext.model.indicator import UNSTAMPED, Action, Due, Indicator, Kind, Observable, Severity
from misp_modules_ext.model.misp import Tlp
from misp_modules_ext.model.outcome import Reason

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
#: Phases of Lockheed Martin's kill chain, as STIX names them -> Graph's words (tiIndicator, killChain values).
#: Two tactics of ATT&CK have the same names and mean the same.
KILL_CHAIN: Mapping[str, str] = {
    "reconnaissance": "Reconnaissance",
    "weaponization": "Weaponization",
    "delivery": "Delivery",
    "exploitation": "Exploitation",
    "installation": "Installation",
    "command-and-control": "C2",
    "actions-on-objectives": "Actions",
}
_KILL_CHAINS = frozenset({"lockheed-martin-cyber-kill-chain", "mitre-attack"})
#: What the Diamond Model calls a file (how an adversary acts) and an address, a name, a mail sender (from where).
_ON_A_MACHINE = ("file-", "mutex", "process-", "windows-")
CAPABILITY, INFRASTRUCTURE = "capability", "infrastructure"
_FALSE_POSITIVE = ("false-positive:", "sighted as a false positive")
#: Graph has no word for a warning and none for remediation; the plan asks for neither. The milder one, in any case.
ACTIONS: Mapping[Action, str] = {
    Action.AUDIT: "alert",
    Action.ALLOWED: "allow",
    Action.WARN: "alert",
    Action.BLOCK: "block",
    Action.BLOCK_AND_REMEDIATE: "block",
}
#: `fileHashType`: authentihashes are SHA-256 in MISP; `ctph` is ssdeep's, `lsHash` TLSH's way of hashing.
HASHES: Mapping[Kind, str] = {
    Kind.FILE_MD5: "md5",
    Kind.FILE_SHA1: "sha1",
    Kind.FILE_SHA256: "sha256",
    Kind.FILE_AUTHENTIHASH: "authenticodeHash256",
    Kind.FILE_SSDEEP: "ctph",
    Kind.FILE_TLSH: "lsHash",
}
FIELDS: Mapping[Kind, str] = {
    Kind.IPV4_ADDR: "networkIPv4",
    Kind.IPV6_ADDR: "networkIPv6",
    Kind.IPV4_CIDR: "networkCidrBlock",
    Kind.IPV6_CIDR: "networkCidrBlock",
    Kind.DOMAIN_NAME: "domainName",
    Kind.URL: "url",
    Kind.EMAIL_ADDR: "emailSenderAddress",
    Kind.FILE_NAME: "fileName",
    Kind.FILE_PATH: "filePath",
    Kind.EMAIL_SUBJECT: "emailSubject",
    Kind.EMAIL_SENDER_NAME: "emailSenderName",
    Kind.EMAIL_X_MAILER: "emailXMailer",
    Kind.MUTEX: "fileMutexName",
    Kind.USER_AGENT: "userAgent",
    Kind.AUTONOMOUS_SYSTEM: "networkDestinationAsn",
}
#: Fields that hold numbers; Graph's have 32 bits, one of them for the sign.
NUMBERS = frozenset({Kind.AUTONOMOUS_SYSTEM})
MAX_NUMBER = (1 << 31) - 1
_NO_FIELD = "Graph's tiIndicators have no field for {}."
_OTHER_HASH = _NO_FIELD.format("this hash: only for MD5, SHA-1, SHA-256, authentihash, ssdeep and TLSH")
#: Why Graph has no place for a kind, whatever the product.
REFUSALS: Mapping[Kind, str] = {
    **dict.fromkeys(
        RARE_HASHES,
        _OTHER_HASH,
    ),
    **dict.fromkeys((Kind.X509_MD5, Kind.X509_SHA1, Kind.X509_SHA256), _NO_FIELD.format("certificates")),
    **dict.fromkeys(TLS_FINGERPRINTS, _NO_FIELD.format("fingerprints of TLS")),
    Kind.URI: "Graph's tiIndicators take whole URLs: write the URI with scheme and host, type `url`.",
    Kind.EMAIL_MESSAGE_ID: _NO_FIELD.format("message ids"),
    Kind.PROCESS_NAME: _NO_FIELD.format("names of processes"),
    Kind.WINDOWS_REGISTRY_KEY: _NO_FIELD.format("registry keys"),
    **dict.fromkeys(COINS, _NO_FIELD.format("addresses of cryptocurrencies")),
    **dict.fromkeys(ACCOUNTS, _NO_FIELD.format("banks and accounts")),
    Kind.PHONE_NUMBER: _NO_FIELD.format("telephone numbers"),
}
_TOO_LARGE = "Graph's fields for autonomous systems end at 2147483647."
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
    kind = observable.kind
    if kind in REFUSALS:
        return Refusal(Reason.KIND_NOT_HELD, REFUSALS[kind])
    if product == DEFENDER:
        return defender_payload.refusal(observable)
    if kind in NUMBERS and int(observable.value) > MAX_NUMBER:
        return Refusal(Reason.KIND_NOT_HELD, _TOO_LARGE)
    return None


def entity(due: Due, settings: DestinationSettings) -> dict[str, Any]:
    """One element of `value` for `submitTiIndicators`."""
    indicator = due.indicator
    product = target_product(settings.product)
    severity = indicator.severity if settings.severity is None else settings.severity
    document: dict[str, Any] = {
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
    return document | {name: given for name, given in _context(indicator).items() if given}


def _context(indicator: Indicator) -> dict[str, Any]:
    """What is known about the threat, in the fields that Graph has for it; empty ones are not sent."""
    context = indicator.context
    phases = (KILL_CHAIN.get(phase) for chain, phase in context.phases if chain in _KILL_CHAINS)
    doubts = [text for text in (*indicator.facts, *indicator.labels) if text.startswith(_FALSE_POSITIVE)]
    return {
        "killChain": sorted({phase for phase in phases if phase}),
        "activityGroupNames": [repair(name) for name in context.actors],
        "malwareFamilyNames": [repair(name) for name in context.malware],
        "knownFalsePositives": describe(doubts, (), MAX_INFORMATION),
        "diamondModel": CAPABILITY if indicator.observable.kind.startswith(_ON_A_MACHINE) else INFRASTRUCTURE,
    }


def update(due: Due, settings: DestinationSettings) -> dict[str, Any]:
    """One element of `value` for `updateTiIndicators`; for Defender only what may change there."""
    document = entity(due, settings)
    if document["targetProduct"] == DEFENDER:
        document = {name: given for name, given in document.items() if name in _DEFENDER_UPDATES}
    return {"id": due.remote_id, **document}


def shown(indicator: Indicator, settings: DestinationSettings) -> bytes:
    """A digest of the element for an update, without the ids; the action too, which may take a new element."""
    return digest(update(Due(indicator, UNSTAMPED), settings) | {"action": ACTIONS[indicator.action]})


def threat_type(name: str) -> str:
    """The vocabulary's spelling of a threat type; `WatchList` for one that it does not have."""
    return next((known for known in THREAT_TYPES if known.lower() == name.strip().lower()), OTHER_THREAT)


def observable_fields(observable: Observable, product: str) -> dict[str, str | int]:
    """The one observable of a tiIndicator."""
    if observable.kind in HASHES:
        return {"fileHashType": HASHES[observable.kind], "fileHashValue": observable.value}
    field = DEFENDER_FIELDS.get(observable.kind) if product == DEFENDER else None
    given = int(observable.value) if observable.kind in NUMBERS else observable.value
    return {field or FIELDS[observable.kind]: given}


def _tags(indicator: Indicator) -> list[str]:
    """The labels with the TLP tag, which `tlpLevel` cannot say for amber+strict."""
    return list(dict.fromkeys(tag for tag in map(repair, [*indicator.labels, indicator.tlp.tag]) if tag))
