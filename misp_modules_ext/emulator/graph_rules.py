"""What Graph's tiIndicator accepts.

Source: Microsoft Graph beta, "tiIndicator resource type" (properties, vocabularies, required fields of each product).
Types, enumerations and unknown properties make the body unreadable (400); missing or overlong values fail the item.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from .calls import JsonObject, Refusal
from .clock import parse_offset

SENTINEL = "Azure Sentinel"
DEFENDER = "Microsoft Defender ATP"
DESCRIPTION_LENGTH = 100

_EMAIL = [
    "emailEncoding",
    "emailLanguage",
    "emailRecipient",
    "emailSenderAddress",
    "emailSenderName",
    "emailSourceDomain",
    "emailSourceIpAddress",
    "emailSubject",
    "emailXMailer",
]
_FILE_TEXT = ["fileHashValue", "fileMutexName", "fileName", "filePacker", "filePath", "fileType"]
_NETWORK_TEXT = [
    "domainName",
    "url",
    "userAgent",
    "networkCidrBlock",
    "networkDestinationCidrBlock",
    "networkDestinationIPv4",
    "networkDestinationIPv6",
    "networkIPv4",
    "networkIPv6",
    "networkSourceCidrBlock",
    "networkSourceIPv4",
    "networkSourceIPv6",
]
_NETWORK_NUMBER = [
    "networkDestinationAsn",
    "networkDestinationPort",
    "networkPort",
    "networkProtocol",
    "networkSourceAsn",
    "networkSourcePort",
]
_TEXT = [
    "additionalInformation",
    "azureTenantId",
    "description",
    "externalId",
    "id",
    "knownFalsePositives",
    "targetProduct",
    "threatType",
]
_TEXTS = ("activityGroupNames", "killChain", "malwareFamilyNames", "tags")
_TIMES = [
    "expirationDateTime",
    "fileCompileDateTime",
    "fileCreatedDateTime",
    "ingestedDateTime",
    "lastReportedDateTime",
]
_NUMBERS = [*_NETWORK_NUMBER, "confidence", "fileSize", "severity"]
ENUMS: Mapping[str, tuple[str, ...]] = {
    "action": ("unknown", "allow", "block", "alert"),
    "diamondModel": ("unknown", "adversary", "capability", "infrastructure", "victim"),
    "fileHashType": ("unknown", "sha1", "sha256", "md5", "authenticodeHash256", "lsHash", "ctph"),
    "tlpLevel": ("unknown", "white", "green", "amber", "red"),
    "targetProduct": (SENTINEL, DEFENDER),
}
THREATS = [
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
    "WatchList",
]
KILL_CHAIN = ["Actions", "C2", "Delivery", "Exploitation", "Installation", "Reconnaissance", "Weaponization"]
_RANGES = {"confidence": (0, 100), "severity": (0, 5)}
_ASN = ["networkDestinationAsn", "networkSourceAsn"]
_OBSERVED = [*_EMAIL, *_FILE_TEXT, *_NETWORK_TEXT, *_ASN]
# Edm.Int32 and, of the size of a file alone, Edm.Int64.
_WIDTHS: Mapping[str, int] = {"fileSize": 63}
_WIDTH = 31
_FOR_DEFENDER = ("domainName", "url", "networkDestinationIPv4", "networkDestinationIPv6", "fileHashValue")
REQUIRED: Mapping[str, tuple[str, ...]] = {
    SENTINEL: ("action", "description", "expirationDateTime", "threatType", "tlpLevel"),
    DEFENDER: ("action",),
}
PROPERTIES = frozenset(
    [*_OBSERVED, *_NUMBERS, *_TEXT, *_TEXTS, *_TIMES, *ENUMS, "isActive", "passiveOnly", "@odata.type"]
)


# ssdeep's hashes are ctph, TLSH's are the usual lsHash; neither has a form in the documentation, so these are loose.
_FUZZY: Mapping[str, re.Pattern[str]] = {
    "ctph": re.compile(r"[0-9]+:[0-9A-Za-z/+]+:[0-9A-Za-z/+]+"),
    "lsHash": re.compile(r"[0-9A-Za-z]+"),
}
_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "authenticodeHash256": 64}
# What belongs to one observable: the properties of one mail, of one file; any other property is one by itself.
_TOGETHER: Mapping[str, str] = {
    **dict.fromkeys(_EMAIL, "email"),
    **dict.fromkeys(("fileHashValue", "fileName", "filePacker", "filePath", "fileType"), "file"),
}


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _fits(name: str, value: Any) -> bool:
    if name in ENUMS:
        return isinstance(value, str) and value in ENUMS[name]
    if name in _NUMBERS:
        return _is_number(value) and abs(value) < 1 << _WIDTHS.get(name, _WIDTH)
    if name in _TEXTS:
        return _is_texts(value)
    if name in _TIMES:
        return isinstance(value, str) and parse_offset(value) is not None
    return isinstance(value, bool) if name in ("isActive", "passiveOnly") else isinstance(value, str)


def check_body(item: Any) -> JsonObject:
    """Check that one indicator can be read at all.

    Raises:
        Refusal: It cannot; Graph then refuses the request as a whole.
    """
    if not isinstance(item, dict):
        raise Refusal(400, "BadRequest", "Each indicator must be an object.")
    for name, value in item.items():
        if name not in PROPERTIES:
            raise Refusal(400, "BadRequest", f"The property '{name}' does not exist on type 'tiIndicator'.")
        if value is not None and not _fits(name, value):
            raise Refusal(400, "BadRequest", f"The value of '{name}' is not valid: {str(value)[:100]}.")
    return item


def problem(item: JsonObject) -> str | None:
    """Why the product behind Graph refuses this indicator, or None."""
    product = item.get("targetProduct")
    if product is None:
        return "targetProduct is required."
    missing = [name for name in REQUIRED[product] if item.get(name) in (None, "")]
    if missing:
        return f"{', '.join(missing)} is required for {product}."
    return _vocabulary(item) or _observable(item, product)


def _vocabulary(item: JsonObject) -> str | None:
    if item.get("threatType") is not None and item["threatType"] not in THREATS:
        return f"threatType {item['threatType']} is not valid."
    if any(phase not in KILL_CHAIN for phase in item.get("killChain") or ()):
        return "killChain holds a value that is not valid."
    if len(item.get("description") or "") > DESCRIPTION_LENGTH:
        return f"description is longer than {DESCRIPTION_LENGTH} characters."
    for name, (low, high) in _RANGES.items():
        if item.get(name) is not None and not low <= item[name] <= high:
            return f"{name} must be from {low} to {high}."
    return None


def _observable(item: JsonObject, product: str) -> str | None:
    names = _FOR_DEFENDER if product == DEFENDER else _OBSERVED
    if not any(item.get(name) for name in names):
        return "Received an empty indicator value." if product == DEFENDER else "An observable is required."
    if item.get("fileHashValue") and item.get("fileHashType") in (None, "unknown"):
        return "fileHashType is required with fileHashValue."
    present = [name for name in _OBSERVED if item.get(name)]
    if len({_TOGETHER.get(name, name) for name in present}) > 1:
        return f"An indicator has one observable; this one has {', '.join(present)}."
    return next((f"{name} must be {wanted}." for name in present if (wanted := _wanted(name, item))), None)


def _wanted(name: str, item: JsonObject) -> str | None:
    """What a property should hold and does not; None when it does."""
    value = str(item[name])
    if name == "fileHashValue":
        fuzzy = _FUZZY.get(str(item.get("fileHashType")))
        if fuzzy is not None:
            return None if fuzzy.fullmatch(value) else f"a hash as {item['fileHashType']} writes it"
        digits = _DIGITS.get(str(item.get("fileHashType")))
        good = digits is None or re.fullmatch(rf"[0-9A-Fa-f]{{{digits}}}", value) is not None
        return None if good else f"{digits} hexadecimal digits for {item['fileHashType']}"
    if name.endswith("CidrBlock"):
        return None if _is_block(value) else "a CIDR block"
    version = next((number for number in (4, 6) if name.endswith(f"IPv{number}")), None)
    good = version is None or _is_address(value, version)
    return None if good else f"one IPv{version} address; a range belongs into networkCidrBlock"


def _is_address(value: str, version: int) -> bool:
    try:
        return "%" not in value and ipaddress.ip_address(value).version == version
    except ValueError:
        return False


def _is_block(value: str) -> bool:
    try:
        return "/" in value and ipaddress.ip_network(value, strict=False) is not None
    except ValueError:
        return False


def expired(item: JsonObject, now: float) -> str | None:
    """Why the end that this item sets is refused, or None."""
    end = item.get("expirationDateTime")
    moment = parse_offset(end) if isinstance(end, str) else None
    return "expirationDateTime must lie in the future." if moment is not None and moment <= now else None
