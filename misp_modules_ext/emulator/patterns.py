"""Which STIX patterns end as an ObservableKey and ObservableValue: one comparison with a string, nothing more.

Sentinel stores a pattern that it cannot parse with empty key and value ("Work with STIX objects and indicators"); such
an indicator matches in no analytics rule. Which types of objects it knows is taken from that page, from the types that
its portal offers, and from those of "Add indicators in bulk from files".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

# STIX 2.1, section 9.4: [object-type:property.path = 'text'], where \' and \\ are the only escapes and a step with a
# hyphen stands in quotes.
_STEP = r"(?:[A-Za-z_][A-Za-z0-9_]*|'(?:[^'\\]|\\['\\])+')(?:\[(?:\d+|\*)\])?"
_SINGLE = re.compile(
    rf"\s*\[\s*(?P<type>[a-z0-9][a-z0-9-]*)\s*:\s*(?P<path>{_STEP}(?:\.{_STEP})*)"
    r"\s*=\s*'(?P<value>(?:[^'\\]|\\['\\])*)'\s*\]\s*"
)
# STIX 2.1, section 10.6: other spellings ('SHA256') are other keys, which nothing looks for.
_HASHES = frozenset({"MD5", "SHA-1", "SHA-256", "SHA-512", "SHA3-256", "SHA3-512", "SSDEEP", "TLSH"})
_CERTIFICATE_HASHES = frozenset({"MD5", "SHA-1", "SHA-256", "SHA-512"})
#: Type of object -> its properties that have a key, up to the first dot or bracket.
_KNOWN: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("ipv4-addr", "ipv6-addr", "domain-name", "url", "email-addr"), frozenset({"value"})),
    "file": frozenset({"hashes", "name"}),
    "x509-certificate": frozenset({"hashes", "issuer", "serial_number"}),
    "network-traffic": frozenset({"src_ref", "dst_ref", "extensions"}),
    "windows-registry-key": frozenset({"key"}),
    "user-account": frozenset({"user_id", "account_login", "display_name"}),
}
_ESCAPE = re.compile(r"\\(['\\])")


class Observable(NamedTuple):
    """Key and value as the log table shows them; both empty when the pattern could not be parsed."""

    key: str
    value: str


UNPARSED = Observable("", "")


def observable(pattern: str, language: str = "stix") -> Observable:
    """Take a pattern apart; see `unmatched` for what leaves it unparsed."""
    found = _SINGLE.fullmatch(pattern)
    if found is None or unmatched(pattern, language) is not None:
        return UNPARSED
    return Observable(f"{found['type']}:{found['path']}", _ESCAPE.sub(r"\1", found["value"]))


def unmatched(pattern: str, language: str = "stix") -> str | None:
    """Why a pattern has no key and value; None when it has.

    Other languages than STIX, several comparisons, other operators, qualifiers, objects and properties that Sentinel
    does not name, hash names that STIX does not have and empty values all end there.
    """
    if language != "stix":
        return f"pattern_type {language} is not stix"
    found = _SINGLE.fullmatch(pattern)
    if found is None:
        return "the pattern is not one comparison of a property with a string"
    step, _, name = found["path"].partition(".")
    if step not in _KNOWN.get(found["type"], ()):
        return f"no key is documented for {found['type']}:{step}"
    hashes = _CERTIFICATE_HASHES if found["type"] == "x509-certificate" else _HASHES
    if step == "hashes" and name.strip("'") not in hashes:
        return f"STIX has no hash {name}"
    return None if found["value"] else "the value is empty"
