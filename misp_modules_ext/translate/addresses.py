"""IP addresses and ranges.

IPv4 is taken as four decimal numbers without leading zeros, which some programs read as octal. IPv6 is written as
RFC 5952 says. An IPv4-mapped address (`::ffff:203.0.113.9`) becomes the IPv4 address: that is what sensors report.
A range of one address is the address; bits behind the prefix are cleared.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Address, IPv6Network

from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.translate.text import DEFANGED_COLON, Notes, NotValid, refang, refang_note, shown

_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")
_IPV6 = re.compile(r"[0-9a-fA-F:.]{2,45}")
_PREFIX = re.compile("[0-9]{1,3}")
_BRACKETED = re.compile(r"\[([0-9a-fA-F:.]+)\]")
_LEADING_ZERO = re.compile(r"(?=[0-9.]{3,64}\Z)(?:.*\.)?0[0-9].*")
_WITH_PORT = re.compile(r"[0-9]+(?:\.[0-9]+){3}:[0-9]+|\[[0-9a-fA-F:.%]+\]:[0-9]+|[0-9]+(?:\.[0-9]+){3}\|[0-9]+")
_LOOKS_LIKE_NAME = re.compile(r"(?:[\w-]+\.)+[a-z]{2,}", re.IGNORECASE)


def address(text: str) -> tuple[Observable, Notes]:
    """Read an IPv4 or IPv6 address or range.

    Raises:
        NotValid: it is neither.
    """
    if IPV4.fullmatch(text):
        return Observable(Kind.IPV4_ADDR, text), ()
    plain = DEFANGED_COLON.sub(":", refang(text))
    observable, notes = _range(plain) if "/" in plain and "://" not in plain else _single(plain)
    return observable, refang_note(text, plain) + notes


def ipv6_text(value: IPv6Address) -> str:
    """The address as RFC 5952 writes it; mapped ones with dots, which Python does only since 3.13."""
    mapped = value.ipv4_mapped
    return f"::ffff:{mapped}" if mapped else str(value)


def parse_ipv6(text: str) -> IPv6Address | None:
    """The IPv6 address, or `None` when the text is none; zones (`%eth0`) are none."""
    if ":" not in text or _IPV6.fullmatch(text) is None:
        return None
    try:
        return IPv6Address(text)
    except ValueError:
        return None


def _single(text: str) -> tuple[Observable, Notes]:
    if IPV4.fullmatch(text):
        return Observable(Kind.IPV4_ADDR, text), ()
    bare = _BRACKETED.sub(r"\1", text) if _BRACKETED.fullmatch(text) else text
    value = parse_ipv6(bare)
    if value is None:
        raise NotValid(_why_not(text))
    notes: Notes = () if bare == text else ("brackets removed",)
    mapped = value.ipv4_mapped
    if mapped:
        return Observable(Kind.IPV4_ADDR, str(mapped)), (*notes, "IPv4-mapped address written as the IPv4 address")
    canonical = str(value)
    if canonical != bare:
        notes = (*notes, "written as RFC 5952 says")
    return Observable(Kind.IPV6_ADDR, canonical), notes


def _range(text: str) -> tuple[Observable, Notes]:
    start, _, length = text.partition("/")
    first, notes = _single(start)
    longest = 32 if first.kind is Kind.IPV4_ADDR else 128
    if _PREFIX.fullmatch(length) is None:
        raise NotValid(
            f"{shown(text)} is not a range: behind the slash stands the number of fixed bits, 0 to {longest}."
        )
    bits = int(length)
    if first.kind is Kind.IPV4_ADDR and ":" in start:  # mapped: the prefix counts 96 bits more
        bits -= 96
    if not 0 <= bits <= longest:
        raise NotValid(f"{shown(text)} is not a range: /{length} is not a length that this kind of address can have.")
    if bits == longest:
        return first, (*notes, "a range of one address is that address")
    return _network(text, first, bits, notes)


def _network(text: str, first: Observable, bits: int, notes: Notes) -> tuple[Observable, Notes]:
    written = f"{first.value}/{bits}"
    if first.kind is Kind.IPV4_ADDR:
        kind, canonical = Kind.IPV4_CIDR, str(IPv4Network(written, strict=False))
    else:
        kind, canonical = Kind.IPV6_CIDR, str(IPv6Network(written, strict=False))
    if canonical != written:
        notes = (*notes, f"address bits behind the prefix cleared in {shown(text)}")
    elif written != text and not notes:
        notes = ("prefix length written without leading zeros",)
    return Observable(kind, canonical), notes


def _why_not(text: str) -> str:
    quoted = shown(text)
    for applies, sentence in _FAULTS:
        if applies(text):
            return f"{quoted} {sentence}"
    return f"{quoted} is not an IP address: correct the value or the type in MISP."


#: (test, how the sentence about the value goes on), first match counts.
_FAULTS: tuple[tuple[Callable[[str], object], str], ...] = (
    (_WITH_PORT.fullmatch, "is an address with a port: give the attribute the type `ip-src|port` or `ip-dst|port`."),
    (lambda text: "://" in text, "is a URL, not an IP address: give the attribute the type `url`."),
    (lambda text: "%" in text, "has a zone (`%`), which means something on one machine only: remove it."),
    (_LEADING_ZERO.fullmatch, "has leading zeros, which some programs read as octal: write it without them."),
    (lambda text: "-" in text and text[:1].isdigit(), "is not one address: write a range as address/length."),
    (lambda text: "*" in text, "is a pattern: write a range as address/length."),
    (_LOOKS_LIKE_NAME.fullmatch, "is a host name: give the attribute the type `domain` or `hostname`."),
)
