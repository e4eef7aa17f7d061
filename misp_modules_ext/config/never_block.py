"""Entries of `neverBlock`: host names, IP addresses and ranges, and hashes."""

from __future__ import annotations

import re
from ipaddress import ip_network

import idna

from misp_modules_ext.config import values
from misp_modules_ext.config.findings import Invalid

#: Lengths of MD5, SHA-1, and the SHA-2 and SHA-3 of 224, 256, 384 and 512 bits.
_HASH = re.compile(r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{56}|[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128}")
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
#: What people mean to be an address, and what `ip_network` takes for one: a number alone.
_LIKE_ADDRESS = re.compile(r"[0-9./]+|[0-9a-f:./]*:[0-9a-f:./]*")
_REMEDY = (
    "Write one host name (it covers its subdomains), IP address, range like 198.51.100.0/24, or hash (MD5, SHA-1, "
    "SHA-256) a line."
)


def entry(text: str) -> str:
    """One entry in the form in which it is compared: lower case, ASCII, addresses as ranges.

    Host names lose the `*.` or dot in front and the dot behind; they cover their subdomains anyway.
    """
    written = values.line(text).lower()
    if _HASH.fullmatch(written):
        return written
    if _LIKE_ADDRESS.fullmatch(written):
        return _range(written)
    return _name(written)


def _range(written: str) -> str:
    try:
        return str(ip_network(written))
    except ValueError:
        pass
    try:
        whole = ip_network(written, strict=False)
    except ValueError:
        raise Invalid(f"{values.shown(written)} is no IP address or range.", _REMEDY) from None
    raise Invalid(f"{values.shown(written)} is no range: its address lies within one.", f"Write {whole}.")


def _name(written: str) -> str:
    bare = written.removeprefix("*").strip(".")
    try:
        name = bare if bare.isascii() else idna.encode(bare, uts46=True).decode("ascii")
    except idna.IDNAError:
        name = ""
    if not _NAME.fullmatch(name):
        raise Invalid(f"{values.shown(written)} is no host name, IP address, range or hash.", _REMEDY)
    return name
