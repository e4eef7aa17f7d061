"""STIX 2.1 indicators as Sentinel's upload takes them. Pure.

Sources: STIX 2.1 (objects, section 9 patterning, section 7.2.1.4 TLP markings); Microsoft Sentinel, "STIX objects API".
One comparison per pattern: Sentinel reads an observable's key and value out of those only, and what it cannot read
never matches (Azure-Sentinel issue 12075). For the same reason a kind that Sentinel documents no key for is refused,
also where STIX has a property for it: it would be stored, billed, and never found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from misp_modules_ext.destinations.interface import Refusal
from misp_modules_ext.destinations.kinds import ACCOUNTS, COINS, GRAPH_HASHES, MAIL_TEXTS, RARE_HASHES, TLS_FINGERPRINTS
from misp_modules_ext.destinations.wire import (
    attribute_link,
    describe,
    digest,
    encode,
    from_milliseconds,
    from_seconds,
    links,
    repair,
    shorten,
    title,
)
from misp_modules_ext.model.indicator import UNSTAMPED, Due, Indicator, Kind, Observable, Reference
from misp_modules_ext.model.misp import Tlp
from misp_modules_ext.model.outcome import Reason

#: Sentinel documents no limit for names; this one keeps them readable in its grid.
MAX_NAME = 256
#: Sentinel's tables cut descriptions there.
MAX_DESCRIPTION = 1_000
MAX_REFERENCES = 10

#: STIX's own paths; hash names with a dash, and what is no word, stand in quotes.
PATHS: Mapping[Kind, str] = {
    Kind.IPV4_ADDR: "ipv4-addr:value",
    Kind.IPV6_ADDR: "ipv6-addr:value",
    Kind.IPV4_CIDR: "ipv4-addr:value",
    Kind.IPV6_CIDR: "ipv6-addr:value",
    Kind.DOMAIN_NAME: "domain-name:value",
    Kind.URL: "url:value",
    Kind.EMAIL_ADDR: "email-addr:value",
    Kind.FILE_MD5: "file:hashes.MD5",
    Kind.FILE_SHA1: "file:hashes.'SHA-1'",
    Kind.FILE_SHA256: "file:hashes.'SHA-256'",
    Kind.FILE_NAME: "file:name",
    Kind.X509_MD5: "x509-certificate:hashes.MD5",
    Kind.X509_SHA1: "x509-certificate:hashes.'SHA-1'",
    Kind.X509_SHA256: "x509-certificate:hashes.'SHA-256'",
    Kind.USER_AGENT: "network-traffic:extensions.'http-request-ext'.request_header.'User-Agent'",
    Kind.WINDOWS_REGISTRY_KEY: "windows-registry-key:key",
}
#: Kinds that Sentinel names (in its portal, or for the import of files) without saying which key it reads them by.
NOT_VERIFIED: Mapping[Kind, str] = {
    Kind.IPV4_CIDR: "legal in STIX; whether rules compare ranges is not documented",
    Kind.IPV6_CIDR: "legal in STIX; whether rules compare ranges is not documented",
    Kind.FILE_NAME: "files are documented, the key for their names is not",
    Kind.USER_AGENT: "user agents are documented, their key is not; this is STIX's only one",
    Kind.WINDOWS_REGISTRY_KEY: "registry keys are documented for the import of files only",
}
_NO_KEY = "Sentinel documents no key for {}: it would be stored and never matched."
_NO_PROPERTY = "STIX has no property for {}, so Sentinel has no place for them."
_OTHER_HASH = "Sentinel matches files by MD5, SHA-1 and SHA-256 only: another hash would be stored and never matched."
#: Why a kind without a path is refused.
REFUSALS: Mapping[Kind, str] = {
    **dict.fromkeys(
        (*RARE_HASHES, *GRAPH_HASHES),
        _OTHER_HASH,
    ),
    Kind.FILE_PATH: _NO_KEY.format("the folders of a file"),
    **dict.fromkeys(
        TLS_FINGERPRINTS,
        "STIX has no property for JA3 and JA3S, and Sentinel does not document which key it reads them by.",
    ),
    Kind.URI: "Sentinel compares whole URLs: write the URI with scheme and host, type `url`.",
    Kind.AUTONOMOUS_SYSTEM: _NO_KEY.format("autonomous systems"),
    **dict.fromkeys(MAIL_TEXTS, _NO_KEY.format("what stands in the header of a mail")),
    Kind.MUTEX: _NO_KEY.format("mutexes"),
    Kind.PROCESS_NAME: _NO_KEY.format("names of processes"),
    **dict.fromkeys(COINS, _NO_PROPERTY.format("addresses of cryptocurrencies")),
    **dict.fromkeys(ACCOUNTS, _NO_PROPERTY.format("banks and accounts")),
    Kind.PHONE_NUMBER: _NO_PROPERTY.format("telephone numbers"),
}

#: STIX 2.1 knows the four levels of TLP 1.0 only.
MARKINGS: Mapping[Tlp, str] = {
    Tlp.CLEAR: "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9",
    Tlp.GREEN: "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da",
    Tlp.AMBER: "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82",
    Tlp.AMBER_STRICT: "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82",
    Tlp.RED: "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed",
}

#: STIX 2.1, indicator-type-ov: Microsoft's threat types that are something else than malicious activity there. The rest
#: is, and Microsoft's word stands among the labels.
INDICATOR_TYPES: Mapping[str, str] = {"Proxy": "anonymization", "Darknet": "anonymization", "PUA": "anomalous-activity"}
MALICIOUS = "malicious-activity"
#: Microsoft's word for a threat without a kind, which needs no label.
NO_KIND = "watchlist"

#: Of the kinds with one path the single address stands here; a slash tells the network.
_KINDS = {path: kind for kind, path in reversed(list(PATHS.items()))}
_NETWORKS = {Kind.IPV4_ADDR: Kind.IPV4_CIDR, Kind.IPV6_ADDR: Kind.IPV6_CIDR}
_COMPARISON = re.compile(r"\[\s*(?P<path>[a-z0-9-]+:[\w.'-]+)\s*=\s*'(?P<value>(?:[^'\\]|\\['\\])*)'\s*\]", re.DOTALL)
_ESCAPED = re.compile(r"\\(['\\])")


def refusal(observable: Observable) -> Refusal | None:
    """Why Sentinel has no place for an observable, or `None` if it has."""
    if observable.kind in PATHS:
        return None
    return Refusal(Reason.KIND_NOT_HELD, REFUSALS[observable.kind])


def pattern(observable: Observable) -> str:
    r"""A single comparison, with `\` and `'` escaped as STIX 2.1 section 9.4 asks."""
    value = observable.value.replace("\\", "\\\\").replace("'", "\\'")
    return f"[{PATHS[observable.kind]} = '{value}']"


def observable(text: str) -> Observable | None:
    """What a pattern of ours is about, `None` for one that we do not send."""
    found = _COMPARISON.fullmatch(text.strip())
    kind = _KINDS.get(found["path"]) if found else None
    if found is None or kind is None:
        return None
    value = _ESCAPED.sub(r"\1", found["value"])
    return Observable(_NETWORKS.get(kind, kind) if "/" in value else kind, value)


def stix_object(due: Due, *, revoked: bool = False) -> dict[str, Any]:
    """The indicator object; `revoked` takes it back for good (STIX 2.1 section 3.2)."""
    indicator, stamp = due.indicator, due.stamp
    document: dict[str, Any] = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": stamp.stix_id,
        "created": from_milliseconds(stamp.created_ms),
        "modified": from_milliseconds(max(stamp.modified_ms, stamp.created_ms)),
        "name": title(indicator, MAX_NAME),
        "description": describe(
            [shorten(indicator.title, MAX_NAME), *indicator.facts], links(indicator, attribute_link), MAX_DESCRIPTION
        ),
        "indicator_types": [INDICATOR_TYPES.get(indicator.threat_type, MALICIOUS)],
        "pattern": pattern(indicator.observable),
        "pattern_type": "stix",
        "pattern_version": "2.1",
        "valid_from": from_seconds(indicator.valid_from),
        "valid_until": from_seconds(max(indicator.valid_until, indicator.valid_from + 1)),
        "confidence": min(100, max(0, indicator.confidence)),
        "kill_chain_phases": [
            {"kill_chain_name": repair(chain), "phase_name": repair(phase)} for chain, phase in indicator.context.phases
        ],
        "object_marking_refs": [MARKINGS[indicator.tlp]],
        "labels": _labels(indicator),
        "external_references": _references(indicator.references),
    }
    if revoked:
        document["revoked"] = True
    # STIX forbids empty strings and lists.
    return {name: value for name, value in document.items() if value not in ("", [])}


def shown(indicator: Indicator) -> bytes:
    """A digest of the object, without its id and the times of its versions.

    Nor which of an event's attributes it leads to: another one of the same value is not worth a row that is billed.
    """
    references = tuple(reference._replace(attribute="") for reference in indicator.references)
    return digest(stix_object(Due(indicator._replace(references=references), UNSTAMPED)))


def upload_body(source_system: str, dues: Iterable[Due], *, revoked: bool = False) -> bytes:
    """The body of one upload.

    Raises:
        BatchRefused: a value is not valid Unicode.
    """
    objects = [stix_object(due, revoked=revoked) for due in dues]
    return encode({"sourcesystem": source_system, "stixobjects": objects})


def _labels(indicator: Indicator) -> list[str]:
    """The labels with the TLP tag: the marking cannot say amber+strict, and the portal shows labels only.

    Also with Microsoft's threat type, which `indicator_types` cannot say: as the tag of MISP's taxonomy for it.
    """
    labels = [*indicator.labels, indicator.tlp.tag]
    threat = f"sentinel-threattype:{indicator.threat_type}"
    if indicator.threat_type.lower() != NO_KIND and threat.lower() not in map(str.lower, labels):
        labels.append(threat)
    return list(dict.fromkeys(label for label in map(repair, labels) if label))


def _references(references: Iterable[Reference]) -> list[dict[str, str]]:
    """One for each event: its UUID, the address of the attribute in it, and the attribute's UUID."""
    events: dict[str, Reference] = {}
    for reference in references:
        events.setdefault(reference.event, reference)
    return [_reference(reference) for event, reference in events.items() if event][:MAX_REFERENCES]


def _reference(reference: Reference) -> dict[str, str]:
    found = {"source_name": "MISP", "external_id": repair(reference.event)}
    if reference.attribute:
        found["description"] = f"Attribute {repair(reference.attribute)}"
    if reference.url:
        found["url"] = repair(attribute_link(reference))
    return found
