"""From the value of an attribute to what it holds: plain values, and several with a bar between them."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from misp_modules_ext.model.indicator import Observable
from misp_modules_ext.translate.addresses import address
from misp_modules_ext.translate.hosts import domain
from misp_modules_ext.translate.special_use import special
from misp_modules_ext.translate.systems import registry_key
from misp_modules_ext.translate.text import Notes, NotValid, clean, clean_file_name, readable, shown


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


def one(read: Reader) -> Parser:
    """A value that is one observable."""
    return partial(_one, read)


def one_of_people(read: Reader) -> Parser:
    """The same for texts that people write and see, which may hold joiners and direction marks as file names do."""
    return partial(_one_of_people, read)


def name_and_hash(read: Reader) -> Parser:
    """`name|hash`: the hash is the observable, the name a fact. Names may hold bars, hashes do not."""
    return partial(_name_and_hash, read)


def host_and_port(read: Reader) -> Parser:
    """`host|port`: the port is a fact. A colon between the two is tolerated."""
    return partial(_host_and_port, read)


def _one(read: Reader, value: str) -> Found:
    text, notes = clean(value)
    observable, more = read(text)
    return Found((observable,), (), notes + more)


def _one_of_people(read: Reader, value: str) -> Found:
    text, notes = clean_file_name(value)
    observable, more = read(text)
    return Found((observable,), (), notes + more)


def _name_and_hash(read: Reader, value: str) -> Found:
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


def key_and_value(value: str) -> Found:
    """`regkey|value`: the key is the observable, what stands in it a fact; the first bar divides them.

    Raises:
        NotValid: the key is none.
    """
    key, _, data = value.partition("|")
    text, notes = clean(key)
    observable, more = registry_key(text)
    notes += more
    told = readable(data)
    if not told:
        return Found((observable,), (), (*notes, "there is no value beside the key"))
    return Found((observable,), (f"registry value: {told}",), notes)


def domain_and_address(value: str) -> Found:
    """`domain|ip`: two observables; when one half is wrong, the other goes alone.

    Raises:
        NotValid: both are.
    """
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
