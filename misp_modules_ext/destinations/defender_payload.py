"""Indicators as Defender for Endpoint's import takes them. Pure.

Sources: Defender for Endpoint API, "Indicator resource type" and "Import indicators"; "Create indicators for IPs and
URLs/domains" (single addresses only, IPv6 with all eight segments); "Create indicators for certificates" (SHA-1
thumbprints, which may be allowed or blocked and remediated, not audited).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.destinations.interface import Refusal
from misp_modules_ext.destinations.kinds import ACCOUNTS, COINS, GRAPH_HASHES, MAIL_TEXTS, RARE_HASHES, TLS_FINGERPRINTS
from misp_modules_ext.destinations.wire import (
    describe,
    digest,
    from_seconds,
    links,
    repair,
    shorten,
    technique_ids,
    title,
)
from misp_modules_ext.model.indicator import UNSTAMPED, Action, Context, Due, Indicator, Kind, Observable
from misp_modules_ext.model.outcome import Reason

#: Not documented. Longer titles were seen in use (4,000 by OpenCTI); this is what fits an alert's line.
MAX_TITLE = 256
#: Not documented. The one client whose limit is known keeps below 100, as in Graph's documented limit for the same
#: store; a longer one might have every import refused.
MAX_DESCRIPTION = 99
#: So many threat actors, and so many malware families, are named in a description.
MOST_NAMES = 3

TYPES: Mapping[Kind, str] = {
    Kind.IPV4_ADDR: "IpAddress",
    Kind.IPV6_ADDR: "IpAddress",
    Kind.DOMAIN_NAME: "DomainName",
    Kind.URL: "Url",
    Kind.FILE_MD5: "FileMd5",
    Kind.FILE_SHA1: "FileSha1",
    Kind.FILE_SHA256: "FileSha256",
    Kind.X509_SHA1: "CertificateThumbprint",
}
#: All that Defender documents for certificates; the default, Audit, is not among it.
CERTIFICATE_ACTIONS = frozenset({"Allowed", "BlockAndRemediate"})

_UP_TO_PATH = re.compile(r"(?:[^/?#]*://)?[^/?#]*")

_OF_FILES = frozenset(Action)
_OF_NETWORKS = _OF_FILES - {Action.BLOCK_AND_REMEDIATE}
#: "Create indicators for IPs and URLs/domains"; of certificates `refusal` knows.
_ACTIONS: Mapping[str, frozenset[Action]] = {
    "IpAddress": _OF_NETWORKS,
    "DomainName": _OF_NETWORKS,
    "Url": _OF_NETWORKS,
}

_OTHER_HASH = "Defender matches files by MD5, SHA-1 and SHA-256 only."
_NOT_IN_MAILS = "Defender for Endpoint does not look into mails."
_NOT_IN_TRAFFIC = "Defender matches addresses, domain names and URLs in traffic, nothing else."
_NOT_ON_MACHINES = "Defender matches files by their hash only, nothing else on a machine."
_NO_MONEY = "No product of Microsoft's looks for accounts or telephone numbers."
#: Why a kind without a type is refused.
REFUSALS: Mapping[Kind, str] = {
    Kind.IPV4_CIDR: "Defender takes single addresses only, no networks.",
    Kind.IPV6_CIDR: "Defender takes single addresses only, no networks.",
    Kind.EMAIL_ADDR: "Defender for Endpoint has no indicators for e-mail addresses.",
    Kind.FILE_NAME: "Defender matches files by their hash only, not by their name.",
    Kind.FILE_PATH: "Defender matches files by their hash only, not by their path.",
    **dict.fromkeys(
        (*RARE_HASHES, *GRAPH_HASHES),
        _OTHER_HASH,
    ),
    Kind.X509_MD5: "Defender matches certificates by their SHA-1 only.",
    Kind.X509_SHA256: "Defender matches certificates by their SHA-1 only.",
    **dict.fromkeys((*TLS_FINGERPRINTS, Kind.USER_AGENT, Kind.AUTONOMOUS_SYSTEM), _NOT_IN_TRAFFIC),
    Kind.URI: "Defender matches whole URLs: write the URI with scheme and host, type `url`.",
    **dict.fromkeys(MAIL_TEXTS, _NOT_IN_MAILS),
    **dict.fromkeys((Kind.MUTEX, Kind.PROCESS_NAME, Kind.WINDOWS_REGISTRY_KEY), _NOT_ON_MACHINES),
    **dict.fromkeys(COINS, _NO_MONEY),
    **dict.fromkeys((*ACCOUNTS, Kind.PHONE_NUMBER), _NO_MONEY),
}
_CERTIFICATE = (
    "Defender does not audit certificates: one can be allowed, or blocked and remediated, and this would only alert."
)


def refusal(observable: Observable, action: Action = Action.AUDIT) -> Refusal | None:
    """Why Defender has no place for an observable with an action, or `None` if it has."""
    kind = observable.kind
    if kind is Kind.URL and not observable.value.startswith(("http://", "https://")):
        return Refusal(Reason.KIND_NOT_HELD, "Defender matches URLs of http and https only.")
    if kind is Kind.X509_SHA1 and action.value not in CERTIFICATE_ACTIONS:
        return Refusal(Reason.KIND_NOT_HELD, _CERTIFICATE)
    if kind in TYPES:
        return None
    return Refusal(Reason.KIND_NOT_HELD, REFUSALS[kind])


def unfit(indicator: Indicator) -> Refusal | None:
    """Why Defender would not take the action for such a value, or `None` if it does."""
    type_, action = TYPES[indicator.observable.kind], indicator.action
    if action in _ACTIONS.get(type_, _OF_FILES):
        return None
    return Refusal(Reason.KIND_NOT_HELD, f"Defender does not take the action {action} for {type_}.")


def value(observable: Observable) -> str:
    """The value as Defender spells it: IPv6 with all eight segments, all else as it is."""
    return full_ipv6(observable.value) if observable.kind is Kind.IPV6_ADDR else observable.value


def full_ipv6(text: str) -> str:
    """For example `2001:db8:0:0:0:0:0:1` for `2001:db8::1`; what is no IPv6 address comes back as it is."""
    try:
        segments = ipaddress.IPv6Address(text).exploded.split(":")
    except ValueError:
        return text
    return ":".join(f"{int(segment, 16):x}" for segment in segments)


def folded(text: str) -> str:
    """A form in which two spellings of one value are equal: case of hosts and hashes, IPv6 notation, space around it.

    The case of a URL's path counts: two such URLs are two values.
    """
    plain = text.strip()
    try:
        return ipaddress.ip_address(plain).compressed
    except ValueError:
        host = _UP_TO_PATH.match(plain)
        end = host.end() if host else 0
        return plain[:end].casefold() + plain[end:]


def entity(due: Due, settings: DestinationSettings) -> dict[str, Any]:
    """One element of `Indicators`."""
    indicator = due.indicator
    severity = indicator.severity if settings.severity is None else settings.severity
    name = title(indicator, MAX_TITLE)
    document: dict[str, Any] = {
        "indicatorValue": value(indicator.observable),
        "indicatorType": TYPES[indicator.observable.kind],
        "action": indicator.action.value,
        # Documented: must be true for Audit.
        "generateAlert": settings.generate_alert or indicator.action is Action.AUDIT,
        "title": name,
        "description": describe([*_threat(indicator.context), *indicator.facts], links(indicator), MAX_DESCRIPTION)
        or shorten(name, MAX_DESCRIPTION),
        "severity": severity.label,
        "application": settings.source_system,
        "expirationTime": from_seconds(indicator.valid_until),
        "externalId": due.stamp.stix_id,
    }
    if indicator.context.techniques:
        # Observed in use (microsoft-365-docs issues 5887 and 5890) and a documented column of the portal's CSV import;
        # the API's reference page does not name it.
        document["mitreTechniques"] = [repair(technique) for technique in technique_ids(indicator.context)]
    if settings.rbac_group_names:
        # The reference page calls it a comma separated string; all its examples, and clients in use, send a list.
        document["rbacGroupNames"] = list(settings.rbac_group_names)
    return document


def _threat(context: Context) -> list[str]:
    """Who and what is behind it, in few words: Defender has no labels."""
    named = (("threat actor", context.actors), ("malware", context.malware))
    return [f"{what}: {', '.join(names[:MOST_NAMES])}" for what, names in named if names]


def shown(indicator: Indicator, settings: DestinationSettings) -> bytes:
    """A digest of the element, without the id."""
    return digest(entity(Due(indicator, UNSTAMPED), settings))
