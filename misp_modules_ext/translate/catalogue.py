"""What becomes of each of MISP's attribute types: the table behind `docs/types.md`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from misp_modules_ext.model.indicator import Kind
from misp_modules_ext.translate.silent import SILENT

_ADDRESSES = (Kind.IPV4_ADDR, Kind.IPV6_ADDR, Kind.IPV4_CIDR, Kind.IPV6_CIDR)
_BESIDE = "the file name is told with it"
_PORT = "the port is told with it"

#: MISP attribute type -> the kinds that its values may be, and what else is told.
YIELDS: Mapping[str, tuple[tuple[Kind, ...], str]] = MappingProxyType(
    {
        "ip-src": (_ADDRESSES, ""),
        "ip-dst": (_ADDRESSES, ""),
        "ip-src|port": (_ADDRESSES, _PORT),
        "ip-dst|port": (_ADDRESSES, _PORT),
        "domain": ((Kind.DOMAIN_NAME,), ""),
        "hostname": ((Kind.DOMAIN_NAME,), ""),
        "onion-address": ((Kind.DOMAIN_NAME,), ""),
        "hostname|port": ((Kind.DOMAIN_NAME,), _PORT),
        "domain|ip": ((Kind.DOMAIN_NAME, *_ADDRESSES), "two indicators, each told with the other"),
        "url": ((Kind.URL,), ""),
        "email": ((Kind.EMAIL_ADDR,), ""),
        "email-src": ((Kind.EMAIL_ADDR,), ""),
        "email-dst": ((Kind.EMAIL_ADDR,), ""),
        "email-reply-to": ((Kind.EMAIL_ADDR,), ""),
        "md5": ((Kind.FILE_MD5,), ""),
        "sha1": ((Kind.FILE_SHA1,), ""),
        "sha256": ((Kind.FILE_SHA256,), ""),
        "filename": ((Kind.FILE_NAME,), ""),
        "email-attachment": ((Kind.FILE_NAME,), ""),
        "filename|md5": ((Kind.FILE_MD5,), _BESIDE),
        "filename|sha1": ((Kind.FILE_SHA1,), _BESIDE),
        "filename|sha256": ((Kind.FILE_SHA256,), _BESIDE),
        "malware-sample": ((Kind.FILE_MD5,), f"{_BESIDE}, the sample itself never goes"),
    }
)


def types_markdown() -> str:
    """Two tables in Markdown: the types that yield indicators, and those that do not."""
    lines = ["| MISP attribute type | becomes | |", "|---|---|---|"]
    lines += [f"| {_code(type_)} | {_kinds(kinds)} | {told} |" for type_, (kinds, told) in sorted(YIELDS.items())]
    lines += ["", "| MISP attribute types that become nothing | why |", "|---|---|"]
    lines += [f"| {', '.join(map(_code, types))} | {reason} |" for reason, types in _silent()]
    return "\n".join(lines)


def _silent() -> Iterator[tuple[str, list[str]]]:
    for reason in dict.fromkeys(SILENT.values()):
        yield reason, sorted(type_ for type_, why in SILENT.items() if why == reason)


def _kinds(kinds: tuple[Kind, ...]) -> str:
    return ", ".join(f"`{kind.value}`" for kind in kinds)


def _code(type_: str) -> str:
    # A bar ends a cell, also within code.
    return f"`{type_}`".replace("|", "\\|")
