"""Which MISP attribute types yield observables, and how each is read: the table, and the readers of composites.

A type that is not in `PARSERS` yields none. Later types are lines here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.translate.addresses import IPV4, address
from misp_modules_ext.translate.files import file_name, md5, sha1, sha256
from misp_modules_ext.translate.hosts import domain, is_normal_name
from misp_modules_ext.translate.mail import mail_address
from misp_modules_ext.translate.special_use import special
from misp_modules_ext.translate.text import MAX_LENGTH, Notes, NotValid, clean, clean_file_name, readable, shown
from misp_modules_ext.translate.urls import is_normal_url, url


class Found(NamedTuple):
    """What a value holds: at least one observable, and the facts and notes of `Observation`."""

    observables: tuple[Observable, ...]
    facts: tuple[str, ...] = ()
    notes: Notes = ()


#: Reads one clean value; raises `NotValid`.
Reader = Callable[[str], tuple[Observable, Notes]]
#: Reads the value of an attribute as MISP holds it; raises `NotValid`.
Parser = Callable[[str], Found]

_PORT = re.compile("[0-9]{1,8}")
# What people write for `ip|port`: `203.0.113.9:443`, `[2001:db8::1]:443`.
_COLON_PORT = re.compile(r"(.+?):([0-9]{1,8})")


def _one(read: Reader, value: str) -> Found:
    text, notes = clean(value)
    observable, more = read(text)
    return Found((observable,), (), notes + more)


def _file_name(value: str) -> Found:
    text, notes = clean_file_name(value)
    observable, more = file_name(text)
    return Found((observable,), (), notes + more)


def _file_name_and_hash(read: Reader, value: str) -> Found:
    """`name|hash`: the hash is the observable, the name a fact. Names may hold bars, hashes do not."""
    name, bar, digest = value.rpartition("|")
    text, notes = clean(digest)
    observable, more = read(text)
    notes += more
    if not bar:
        return Found((observable,), (), (*notes, "there is no file name beside the hash"))
    try:
        plain, _ = clean_file_name(name)
    except NotValid as error:
        return Found((observable,), (), (*notes, f"the file name was left out: {error}"))
    return Found((observable,), (f"file name: {readable(plain)}",), notes)


def _host_and_port(read: Reader, value: str) -> Found:
    """`host|port`: the port is a fact. A colon between the two is tolerated."""
    host, bar, port = value.rpartition("|")
    notes: Notes = ()
    if not bar and (found := _COLON_PORT.fullmatch(value.strip())) and _is_whole(found.group(1)):
        host, port, notes = found.group(1), found.group(2), ("a colon read as the bar before the port",)
    elif not bar:
        host, port = value, ""
    text, more = clean(host)
    observable, read_notes = read(text)
    notes += more + read_notes
    number = port.strip()
    if _PORT.fullmatch(number) and 0 < int(number) <= 65535:
        return Found((observable,), (f"port: {int(number)}",), notes)
    fault = f"{shown(port)} is not a port number" if number else "there is none"
    return Found((observable,), (), (*notes, f"the port was left out: {fault}"))


def _is_whole(host: str) -> bool:
    """Whether what stands before `:port` cannot be the first part of an IPv6 address."""
    return ":" not in host or (host.startswith("[") and host.endswith("]"))


def _domain_and_address(value: str) -> Found:
    """`domain|ip`: two observables; when one half is wrong, the other goes alone."""
    name, _, ip = value.partition("|")
    halves = (_half("domain", domain, name), _half("address", address, ip))
    observables = tuple(observable for observable, _ in halves if observable)
    notes = tuple(note for _, half_notes in halves for note in half_notes)
    if not observables:
        raise NotValid("; ".join(("Neither half can be used", *notes)))
    # An address that goes nowhere, such as one of the victim's network, does not go in a description either.
    if len(observables) == 1 or any(special(half, allow_documentation=True) for half in observables):
        return Found(observables, (), notes)
    return Found(observables, (f"domain and address: {observables[0].value}, {observables[1].value}",), notes)


def _half(what: str, read: Reader, value: str) -> tuple[Observable | None, Notes]:
    try:
        text, notes = clean(value)
        observable, more = read(text)
    except NotValid as error:
        fault = str(error) if value.strip() else "there is none"
        return None, (f"the {what} was left out: {fault}",)
    return observable, notes + more


#: MISP attribute type -> how its value is read.
PARSERS: Mapping[str, Parser] = MappingProxyType(
    {
        "ip-src": partial(_one, address),
        "ip-dst": partial(_one, address),
        "ip-src|port": partial(_host_and_port, address),
        "ip-dst|port": partial(_host_and_port, address),
        "domain": partial(_one, domain),
        "hostname": partial(_one, domain),
        "onion-address": partial(_one, domain),
        "hostname|port": partial(_host_and_port, domain),
        "domain|ip": _domain_and_address,
        "url": partial(_one, url),
        "email": partial(_one, mail_address),
        "email-src": partial(_one, mail_address),
        "email-dst": partial(_one, mail_address),
        "email-reply-to": partial(_one, mail_address),
        "md5": partial(_one, md5),
        "sha1": partial(_one, sha1),
        "sha256": partial(_one, sha256),
        "filename": _file_name,
        "email-attachment": _file_name,
        "filename|md5": partial(_file_name_and_hash, md5),
        "filename|sha1": partial(_file_name_and_hash, sha1),
        "filename|sha256": partial(_file_name_and_hash, sha256),
        "malware-sample": partial(_file_name_and_hash, md5),
    }
)


class Plain(NamedTuple):
    """A short way for values that need no work, as nearly all do.

    Attributes:
        kind: what such a value is.
        holds: whether the value is one: then its parser finds it, as it stands, without facts and notes.
    """

    kind: Kind
    holds: Callable[[str], object]


def _short_url(value: str) -> bool:
    return len(value) <= MAX_LENGTH and is_normal_url(value)


#: MISP attribute type -> its short way, which takes a third of the time of the long one.
PLAIN: Mapping[str, Plain] = MappingProxyType(
    {
        "ip-src": Plain(Kind.IPV4_ADDR, IPV4.fullmatch),
        "ip-dst": Plain(Kind.IPV4_ADDR, IPV4.fullmatch),
        "domain": Plain(Kind.DOMAIN_NAME, is_normal_name),
        "hostname": Plain(Kind.DOMAIN_NAME, is_normal_name),
        "onion-address": Plain(Kind.DOMAIN_NAME, is_normal_name),
        "url": Plain(Kind.URL, _short_url),
        "md5": Plain(Kind.FILE_MD5, re.compile("[0-9a-f]{32}").fullmatch),
        "sha1": Plain(Kind.FILE_SHA1, re.compile("[0-9a-f]{40}").fullmatch),
        "sha256": Plain(Kind.FILE_SHA256, re.compile("[0-9a-f]{64}").fullmatch),
    }
)
