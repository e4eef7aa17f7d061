"""Which values the evidence of an alert names. Pure.

Sources: Microsoft Graph v1.0, "alertEvidence resource type" (types and roles) and the resource types `fileEvidence`,
`processEvidence`, `fileDetails`, `ipEvidence`, `urlEvidence`, `dnsEvidence`, `analyzedMessageEvidence`, `emailSender`.

Left out is what is the tenant's own or stands beside: devices with their addresses and names, users, mailboxes and
recipients, name servers and their clients, parent processes, and evidence whose role is `contextual`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from misp_modules_ext.model.indicator import Kind

Kinds = tuple[Kind, ...]

_ADDRESS: Kinds = (Kind.IPV4_ADDR, Kind.IPV6_ADDR)
#: As when hits are looked for, a URL is one of its host, too; and Microsoft shows bare host names as URLs.
_URL: Kinds = (Kind.URL, Kind.DOMAIN_NAME)
_HASHES: Mapping[str, Kinds] = {
    "md5": (Kind.FILE_MD5,),
    "sha1": (Kind.FILE_SHA1,),
    "sha256": (Kind.FILE_SHA256,),
}
_SENDER: Mapping[str, Kinds] = {"emailAddress": (Kind.EMAIL_ADDR,), "domainName": (Kind.DOMAIN_NAME,)}
#: By the last word of `@odata.type`: the properties that name values, one within another behind a dot.
PLACES: Mapping[str, Mapping[str, Kinds]] = {
    "fileEvidence": {f"fileDetails.{name}": kinds for name, kinds in _HASHES.items()},
    "processEvidence": {f"imageFile.{name}": kinds for name, kinds in _HASHES.items()},
    "ipEvidence": {"ipAddress": _ADDRESS},
    "urlEvidence": {"url": _URL},
    "dnsEvidence": {"domainName": (Kind.DOMAIN_NAME,), "ipAddresses.ipAddress": _ADDRESS},
    "analyzedMessageEvidence": {
        "senderIp": _ADDRESS,
        "urls": _URL,
        **{f"{sender}.{name}": kinds for sender in ("p1Sender", "p2Sender") for name, kinds in _SENDER.items()},
    },
}
#: What came along with something else, and is likely harmless whatever the alert is.
_BESIDE = "contextual"


def named(evidence: object) -> Iterator[tuple[Kinds, str]]:
    """The values that one piece of evidence names, each with what it may be."""
    if not isinstance(evidence, dict) or _BESIDE in _each(evidence.get("roles")):
        return
    type_ = str(evidence.get("@odata.type", "")).rpartition(".")[2]
    for place, kinds in PLACES.get(type_, {}).items():
        for value in _at(evidence, place.split(".")):
            yield kinds, value


def _at(found: object, names: Sequence[str]) -> Iterator[str]:
    """The texts at a place, in each element where a list stands on the way."""
    here = _each(found)
    for name in names:
        here = [value for one in here if isinstance(one, dict) for value in _each(one.get(name))]
    yield from (one.strip() for one in here if isinstance(one, str) and one.strip())


def _each(given: object) -> list[Any]:
    return given if isinstance(given, list) else [given]
