"""URLs: scheme and host are normalised, everything else is kept byte for byte.

A URL is `scheme://host…` with a valid host. As in browsers, the authority ends at `/`, `?`, `#` or a backslash, and
the user part at the last `@`. Defanged dots behind the host are undone only in the spelling that the host has, since
`[.]` may really stand in a path or query.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.translate.addresses import IPV4, ipv6_text, parse_ipv6
from misp_modules_ext.translate.hosts import host_name, is_normal_name
from misp_modules_ext.translate.text import DEFANGED_COLON, DEFANGED_DOT, Notes, NotValid, refang, shown

_NORMAL = re.compile(r"(?:https?|ftp)://([a-z0-9_.-]{1,253})(?::([0-9]{1,5}))?(?:[/?#\\][!-~]*)?")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.*-]*)(://|\[:\]//|\[://\]|:\[//\])")
_AUTHORITY = re.compile(r"[^/?#\\]*")
_BRACKETED_HOST = re.compile(r"\[([^\[\]]*)\](?::([0-9]*))?")
#: What stands behind the two slashes: user, host, port, and the rest. It fits every text.
_PLACE = re.compile(r"(?:[^/?#\\]*@)?(\[[^\]]*\]|[^:/?#\\]*)(?::[0-9]*)?(.*)", re.DOTALL)
_PORT = re.compile("[0-9]{0,5}")
_SPACE = re.compile(r"\s")
#: Spellings of schemes that nobody can click, as they are seen in reports.
_DEFANGED_SCHEMES = {
    "hxxp": "http",
    "hxxps": "https",
    "hxtp": "http",
    "hxtps": "https",
    "htxp": "http",
    "htxps": "https",
    "h**p": "http",
    "h**ps": "https",
    "ttp": "http",
    "ttps": "https",
    "meow": "http",
    "meows": "https",
    "fxp": "ftp",
    "fxps": "ftps",
}


class Place(NamedTuple):
    """Where a URL leads.

    Attributes:
        host: as it stands, an IPv6 address in its brackets.
        rest: what follows host and port.
    """

    host: str
    rest: str


class _Host(NamedTuple):
    """Host and port of a URL as they will be written."""

    text: str
    notes: Notes = ()


def url(text: str) -> tuple[Observable, Notes]:
    """Read a URL.

    Raises:
        NotValid: no scheme, no host, a host that cannot be one, or white space.
    """
    if is_normal_url(text):
        return Observable(Kind.URL, text), ()
    return _normalised(text)


def has_scheme(text: str) -> bool:
    """Whether a text begins like a URL: with a scheme and `://`, in any spelling."""
    return _SCHEME.match(text) is not None


def place(text: str) -> Place:
    """Where a URL leads, whoever asks: all that judges a URL by its host has to go by the same one.

    Args:
        text: a URL, or what stands behind its two slashes.
    """
    _, slashes, behind = text.partition("//")
    found = _PLACE.fullmatch(behind if slashes else text)
    return Place(*found.groups()) if found else Place("", text)


def is_normal_url(text: str) -> bool:
    """Whether the text is a URL that needs no normalisation."""
    found = _NORMAL.fullmatch(text)
    if found is None:
        return False
    host, port = found.groups()
    return (is_normal_name(host) or IPV4.fullmatch(host) is not None) and (port is None or int(port) <= 65535)


def _normalised(text: str) -> tuple[Observable, Notes]:
    if _SPACE.search(text):
        raise NotValid(f"{shown(text)} holds white space, which no URL does: split or correct the value in MISP.")
    found = _SCHEME.match(text)
    if found is None:
        raise NotValid(_without_scheme(text))
    written, separator = found.groups()
    lowered = written.lower()
    scheme = _DEFANGED_SCHEMES.get(lowered, lowered)
    authority = _authority(text, found.end())
    user, at, hostport = authority.rpartition("@")
    plain = DEFANGED_COLON.sub(":", refang(hostport))
    host = _host(text, plain)
    rest = _refang_rest(text[found.end() + len(authority) :], hostport)
    defanged = scheme != lowered or separator != "://" or plain != hostport
    notes = ((f"refanged from {shown(text)}",) if defanged else ()) + host.notes
    if not defanged and scheme != written:
        notes = (*notes, "scheme written in lower case")
    return Observable(Kind.URL, f"{scheme}://{user}{at}{host.text}{rest}"), notes


def _authority(text: str, start: int) -> str:
    found = _AUTHORITY.match(text, start)
    return found.group() if found else ""


def _host(text: str, hostport: str) -> _Host:
    if hostport.startswith("["):
        return _ipv6_host(text, hostport)
    name, colon, port = hostport.partition(":")
    if not name:
        raise NotValid(f"{shown(text)} has no host: correct the value in MISP.")
    _check_port(text, port)
    if IPV4.fullmatch(name):
        return _Host(name + colon + port)
    try:
        normal, notes = host_name(name)
    except NotValid as error:
        raise NotValid(f"{shown(text)} has no valid host. {error}") from error
    return _Host(normal + colon + port, notes)


def _ipv6_host(text: str, hostport: str) -> _Host:
    found = _BRACKETED_HOST.fullmatch(hostport)
    value = parse_ipv6(found.group(1)) if found else None
    if found is None or value is None:
        raise NotValid(f"{shown(text)} has brackets around something that is not an IPv6 address.")
    _check_port(text, found.group(2) or "")
    inner, canonical = found.group(1), ipv6_text(value)
    notes = () if canonical == inner else ("IPv6 host written as RFC 5952 says",)
    return _Host(f"[{canonical}]" + hostport[len(inner) + 2 :], notes)


def _check_port(text: str, port: str) -> None:
    if _PORT.fullmatch(port) is None or int(port or 0) > 65535:
        raise NotValid(f"{shown(text)} has {shown(port)} where a port number from 0 to 65535 stands.")


def _refang_rest(rest: str, hostport: str) -> str:
    for spelling in set(DEFANGED_DOT.findall(hostport)):
        rest = rest.replace(spelling, ".")
    return rest


def _without_scheme(text: str) -> str:
    if is_normal_name(text.lower()) and "." in text:
        return f"{shown(text)} has no scheme. If it is a host name, give the attribute the type `domain`."
    return f"{shown(text)} has no scheme such as `https://`, so what it matches would be a guess: write the whole URL."
