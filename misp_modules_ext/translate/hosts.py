"""Host names: what DNS can hold, in lower case, in ASCII, without the trailing dot.

Rules, and where they come from: 63 octets a label and 253 in all (RFC 1035 2.3.4); letters, digits and hyphens, and the
underscore that service names have (RFC 2782). Hyphens at either end of a label are taken, since DNS resolves them and
malicious hosts use them. International names become A-labels by UTS 46, non-transitional; where IDNA 2008 refuses a
name that browsers resolve (emoji), the browsers' reading counts. `xn--` labels are taken as they are.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from hashlib import sha3_256

import idna

from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.translate.text import Notes, NotValid, refang, refang_note, shown

_MAX_NAME = 253
_LABEL = "[a-z0-9_-]{1,63}"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
# A last label that is a number makes the whole an IPv4 address for browsers (WHATWG URL, "ends in a number").
_NUMBER_AT_END = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", re.DOTALL)
_DOTTED_DIGITS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
# The last label but one: version 3 has 56 characters, version 2 had 16.
_ONION = re.compile(rf"(?:{_LABEL}\.)*([a-z2-7]{{56}}|[a-z2-7]{{16}})\.onion")
_ONION_3 = 56
_DIGITS = frozenset("0123456789")


def domain(text: str) -> tuple[Observable, Notes]:
    """Read a domain or host name.

    Raises:
        NotValid: it is not one.
    """
    plain = refang(text)
    name, notes = host_name(plain)
    return Observable(Kind.DOMAIN_NAME, name), refang_note(text, plain) + notes


def onion(text: str) -> tuple[Observable, Notes]:
    """Read the address of a Tor onion service, with or without names below it.

    Raises:
        NotValid: it is not one, or its checksum is wrong.
    """
    observable, notes = domain(text)
    if not is_onion(observable.value):
        raise NotValid(
            f"{shown(text)} is not the address of an onion service: `.onion` ends it, and before that stand 56 letters "
            "and digits with a checksum (version 3), or 16 (version 2)."
        )
    return observable, notes


def is_onion(text: str) -> bool:
    """Whether a text is an onion service's address that needs no normalisation."""
    found = _ONION.fullmatch(text)
    if found is None or len(text) > _MAX_NAME:
        return False
    label = found.group(1)
    return len(label) != _ONION_3 or _has_checksum(label)


def _has_checksum(label: str) -> bool:
    """Whether a label is a key, its checksum and the version, as Tor's rend-spec-v3 6 says."""
    key, checksum, version = (whole := base64.b32decode(label.upper()))[:32], whole[32:34], whole[34:]
    return version == b"\3" and sha3_256(b".onion checksum" + key + version).digest()[:2] == checksum


def host_name(text: str) -> tuple[str, Notes]:
    """Normalise a host name that is refanged already.

    Raises:
        NotValid: it is not one.
    """
    if is_normal_name(text):
        return text, ()
    name, notes = _without_final_dot(text)
    if name.isascii():
        ascii_name, change = name.lower(), "written in lower case"
    else:
        ascii_name, change = _a_labels(name), f"international name {shown(name)} written in its ASCII form"
    if not is_normal_name(ascii_name):
        raise NotValid(_why_not(text, ascii_name))
    return ascii_name, notes if ascii_name == name else (*notes, change)


def _without_final_dot(text: str) -> tuple[str, Notes]:
    return (text[:-1], ("trailing dot removed",)) if len(text) > 1 and text[-1] == "." else (text, ())


def is_normal_name(text: str) -> bool:
    """Whether the text is a host name that needs no normalisation."""
    if len(text) > _MAX_NAME or _NAME.fullmatch(text) is None:
        return False
    # TLDs that begin with a digit do not exist, so the second test is hardly ever run.
    return text[text.rfind(".") + 1] not in _DIGITS or _NUMBER_AT_END.fullmatch(text) is None


def _a_labels(name: str) -> str:
    if len(name) > 4 * _MAX_NAME:
        raise NotValid(f"{shown(name)} is longer than a domain name can be.")
    try:
        encoded = idna.encode(name, uts46=True, transitional=False).decode("ascii")
    except idna.IDNAError:
        encoded = _as_browsers_do(name)
    return encoded.removesuffix(".")  # other scripts have full stops that UTS 46 maps to a dot


def _as_browsers_do(name: str) -> str:
    try:
        mapped = idna.uts46_remap(name, std3_rules=False, transitional=False)
    except idna.IDNAError as error:
        raise NotValid(f"{shown(name)} is not a domain name: it holds a character that no name may have.") from error
    return ".".join(
        label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii") for label in mapped.split(".")
    )


def _why_not(text: str, name: str) -> str:
    quoted = shown(text)
    for applies, sentence in _FAULTS:
        if applies(name):
            return f"{quoted} {sentence}"
    return f"{quoted} is not a domain name: correct the value or the type in MISP."


#: (test, how the sentence about the value goes on), first match counts.
_FAULTS: tuple[tuple[Callable[[str], object], str], ...] = (
    (lambda name: "://" in name, "is a URL, not a host name: give the attribute the type `url`."),
    (lambda name: "*" in name, "is a pattern: Microsoft matches no wildcards. Name the hosts, or the domain alone."),
    (lambda name: "@" in name, "is not a host name but looks like an e-mail address: use an `email` type."),
    (lambda name: "/" in name, "has a path and so is no host name: write it as a URL with its scheme, type `url`."),
    (_DOTTED_DIGITS.fullmatch, "is an IP address: give the attribute the type `ip-src` or `ip-dst`."),
    (
        re.compile(r"[^:]+:[0-9]{1,5}").fullmatch,
        "has a port and so is no host name: use the type `hostname|port`, with a bar between the two.",
    ),
    (lambda name: name.count(":") > 1, "is not a host name; an IPv6 address has the type `ip-src` or `ip-dst`."),
    (_NUMBER_AT_END.fullmatch, "ends in a number, which no host name does: an address is written as four numbers."),
    (lambda name: len(name) > _MAX_NAME, f"has more than {_MAX_NAME} characters, which no domain name has."),
    (lambda name: ".." in f".{name}.", "has an empty part between two dots, or a dot too many."),
    (lambda name: max(map(len, name.split("."))) > 63, "has a part of more than 63 characters between two dots."),
    (lambda name: " " in name, "holds a space, which no domain name does."),
)
