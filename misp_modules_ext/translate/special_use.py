"""Values that are right but must not be sent anywhere (DESIGN.md 4, rule 10).

As an indicator they would match the reader's own systems, or half of the internet. Sources: IANA's special-purpose
address registries (RFC 6890 and its updates), the special-use domain names registry (RFC 6761, 6762, 8375, 9476 and
ICANN's `.internal`), its special-purpose AS numbers (RFC 7607, 6793, 5398, 6996, 7300), the public suffix list with its
ICANN and its private section.

Decisions:

- IPv6 addresses that carry an IPv4 address (6to4, Teredo: the client's, NAT64) are judged by that one.
- A range is refused when it overlaps special space, and when it is wider than an IPv4 /8 or an IPv6 /16.
- A URL whose host is a public suffix is refused only when nothing follows the host: `https://github.io/` is everyone's,
  but `https://s3.amazonaws.com/bucket/payload.exe` is one file.
- An e-mail address is one mailbox, so its domain may be a public suffix (`someone@gov.uk`).
- Of a URI without a scheme the host is judged; a bare path has none.
- A registry key that every Windows has is refused, by whichever of its paths: what is malicious there is a value in it,
  or a key below it.
- Names of networks of one's own that no registry reserves, but that everybody uses (RFC 6762 appendix G, and
  `.localdomain`), are refused like the reserved ones; names for reverse lookup stand for addresses, which are judged
  as addresses.
"""

from __future__ import annotations

import re
from functools import cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from typing import NamedTuple

from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.translate.addresses import IPV4
from misp_modules_ext.translate.suffixes import is_public_suffix
from misp_modules_ext.translate.text import shown
from misp_modules_ext.translate.uris import host_of
from misp_modules_ext.translate.urls import place

_WIDEST_IPV4 = 8
_WIDEST_IPV6 = 16
_LOW_32 = (1 << 32) - 1

_IPV4_SPACES = (
    ("0.0.0.0/8", "this network, unspecified (RFC 791)"),
    ("10.0.0.0/8", "private (RFC 1918)"),
    ("100.64.0.0/10", "shared by carriers' customers, CGNAT (RFC 6598)"),
    ("127.0.0.0/8", "loopback (RFC 1122)"),
    ("169.254.0.0/16", "link-local (RFC 3927)"),
    ("172.16.0.0/12", "private (RFC 1918)"),
    ("192.0.0.0/24", "reserved for protocols (RFC 6890)"),
    ("192.88.99.0/24", "reserved, formerly 6to4 relays (RFC 7526)"),
    ("192.168.0.0/16", "private (RFC 1918)"),
    ("198.18.0.0/15", "reserved for benchmarks (RFC 2544)"),
    ("224.0.0.0/4", "multicast (RFC 5771)"),
    ("255.255.255.255/32", "the broadcast address (RFC 919)"),
    ("240.0.0.0/4", "reserved (RFC 1112)"),
)
_IPV4_DOCUMENTATION = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")

_IPV6_SPACES = (
    ("::/128", "the unspecified address (RFC 4291)"),
    ("::1/128", "loopback (RFC 4291)"),
    ("64:ff9b:1::/48", "for local translation (RFC 8215)"),
    ("100::/64", "discarded by routers (RFC 6666)"),
    ("2001::/23", "reserved for protocols (RFC 2928)"),
    ("fc00::/7", "private, unique local (RFC 4193)"),
    ("fe80::/10", "link-local (RFC 4291)"),
    ("fec0::/10", "private, site-local (RFC 3879)"),
    ("ff00::/8", "multicast (RFC 4291)"),
    # All that is not 2000::/3, the only space given out so far.
    ("::/3", "reserved (RFC 4291)"),
    ("4000::/2", "reserved (RFC 4291)"),
    ("8000::/1", "reserved (RFC 4291)"),
)
_IPV6_DOCUMENTATION = ("2001:db8::/32", "3fff::/20")

# First and last number, what they are, whether they are for documentation.
_AS_SPACES = (
    (0, 0, "reserved (RFC 7607)", False),
    (23456, 23456, "a stand-in for numbers of 32 bits (RFC 6793)", False),
    (64496, 64511, "for documentation (RFC 5398)", True),
    (64512, 65534, "private (RFC 6996)", False),
    (65535, 65535, "reserved (RFC 7300)", False),
    (65536, 65551, "for documentation (RFC 5398)", True),
    (65552, 131071, "reserved by IANA", False),
    (4200000000, 4294967294, "private (RFC 6996)", False),
    (4294967295, 4294967295, "reserved (RFC 7300)", False),
)

# In lower case, without the hive, as `_usual_key` writes them; `HKEY_LOCAL_MACHINE` and `HKEY_CURRENT_USER` have them
# alike, where both do.
_WINDOWS = r"software\microsoft\windows\currentversion"
_WINDOWS_NT = r"software\microsoft\windows nt\currentversion"
_KEYS_EVERYWHERE = frozenset(
    {
        "",
        "software",
        r"software\classes",
        r"software\microsoft",
        r"software\microsoft\windows",
        r"software\policies",
        _WINDOWS,
        *(
            rf"{_WINDOWS}\{name}"
            for name in ("run", "runonce", "runonceex", "runservices", "policies", r"policies\explorer", "explorer")
        ),
        rf"{_WINDOWS}\explorer\shell folders",
        rf"{_WINDOWS}\explorer\user shell folders",
        rf"{_WINDOWS}\internet settings",
        _WINDOWS_NT,
        rf"{_WINDOWS_NT}\winlogon",
        rf"{_WINDOWS_NT}\windows",
        rf"{_WINDOWS_NT}\image file execution options",
        "system",
        r"system\currentcontrolset",
        r"system\currentcontrolset\services",
        r"system\currentcontrolset\control",
        r"system\currentcontrolset\control\lsa",
        r"system\currentcontrolset\control\session manager",
        r"system\currentcontrolset\control\terminal server",
        r"software\policies\microsoft\windows defender",
        "environment",
    }
)

_CLASSES = r"software\classes"
_CONTROL_SET = re.compile(r"\Asystem\\controlset[0-9]{3}(?=\\|\Z)")
_WOW6432 = re.compile(r"\A(software(?:\\classes)?)\\wow6432node(?=\\|\Z)")

_SPECIAL_TLDS = frozenset({"test", "invalid", "localhost", "local", "internal", "alt"})
# RFC 6762, appendix G, without `internal`; and what Unix calls a host without a domain.
_INTERNAL_TLDS = frozenset({"corp", "home", "intranet", "lan", "localdomain", "private"})
_DOCUMENTATION_UNDER = frozenset({"com", "net", "org"})  # example.com, example.net, example.org


class _Space(NamedTuple):
    """A range of addresses as numbers, both ends included."""

    first: int
    last: int
    text: str
    what: str
    documentation: bool


def special(observable: Observable, allow_documentation: bool) -> str:
    """Why a value is refused everywhere, whatever the action.

    Args:
        observable: as `observe` makes it.
        allow_documentation: let documentation ranges and `example` names pass (for tests and demonstrations).

    Returns:
        A sentence, or `""` when the value may go.
    """
    judge = _JUDGES.get(observable.kind)
    return judge(observable.value, allow_documentation) if judge else ""


def _ipv4(value: str, allow_documentation: bool) -> str:
    candidates = _ipv4_by_first_octet()[int(value[: value.index(".")])]
    if not candidates:
        return ""
    first, second, third, fourth = value.split(".")
    number = int(first) << 24 | int(second) << 16 | int(third) << 8 | int(fourth)
    return _overlap(candidates, number, number, value, allow_documentation)


def _ipv6(value: str, allow_documentation: bool) -> str:
    number = int(IPv6Address(value))
    return _ipv6_span(number, number, value, allow_documentation)


def _ipv4_range(value: str, allow_documentation: bool) -> str:
    network = IPv4Network(value)
    if network.prefixlen < _WIDEST_IPV4:
        return f"{value} is wider than a /{_WIDEST_IPV4}: it would match a large part of the internet."
    return _overlap(_ipv4_spaces(), *_ends(network), value, allow_documentation)


def _ipv6_range(value: str, allow_documentation: bool) -> str:
    network = IPv6Network(value)
    if network.prefixlen < _WIDEST_IPV6:
        return f"{value} is wider than a /{_WIDEST_IPV6}: it would match a large part of the internet."
    return _ipv6_span(*_ends(network), value, allow_documentation)


def _ipv6_span(first: int, last: int, value: str, allow_documentation: bool) -> str:
    carried = carried_ipv4(first, last)
    if carried:
        sentence = _overlap(_ipv4_spaces(), *carried, "the IPv4 address in it", allow_documentation)
        return sentence and f"{value} is a tunnel address: {sentence}"
    return _overlap(_ipv6_spaces(), first, last, value, allow_documentation)


def carried_ipv4(first: int, last: int) -> tuple[int, int] | None:
    """The IPv4 addresses that a span of IPv6 addresses carries: mapped, 6to4, Teredo, NAT64; `None` for other spans."""
    if first >> 32 == last >> 32 == 0xFFFF:  # RFC 4291 2.5.5.2: the last 32 bits
        return first & _LOW_32, last & _LOW_32
    if first >> 112 == last >> 112 == 0x2002:  # 6to4, RFC 3056: in bits 16 to 47
        return first >> 80 & _LOW_32, last >> 80 & _LOW_32
    if first >> 32 == last >> 32 == 0x64FF9B << 64:  # NAT64, RFC 6052: the last 32 bits
        return first & _LOW_32, last & _LOW_32
    if first >> 96 == last >> 96 == 0x20010000:  # Teredo, RFC 4380: the last 32 bits, inverted
        return (~last & _LOW_32, ~first & _LOW_32) if last >> 32 == first >> 32 else (0, _LOW_32)
    return None


def _overlap(spaces: tuple[_Space, ...], first: int, last: int, value: str, allow_documentation: bool) -> str:
    for space in spaces:
        if first <= space.last and last >= space.first and not (space.documentation and allow_documentation):
            inside = space.first <= first and last <= space.last
            return f"{value} {'lies in' if inside else 'overlaps'} {space.text}: {space.what}."
    return ""


def _domain(value: str, allow_documentation: bool) -> str:
    return _special_name(value, allow_documentation) or _public_suffix(value)


def _mail(value: str, allow_documentation: bool) -> str:
    return _special_name(value.rpartition("@")[2], allow_documentation)


def _url(value: str, allow_documentation: bool) -> str:
    host, rest = place(value)
    sentence = _host(host, allow_documentation) or ("" if rest not in ("", "/") else _suffix_host(host))
    return sentence and f"The host of this URL: {sentence}"


def _uri(value: str, allow_documentation: bool) -> str:
    host = host_of(value).partition(":")[0]
    sentence = _host(host, allow_documentation) if host else ""
    return sentence and f"The host of this URI: {sentence}"


def _autonomous_system(value: str, allow_documentation: bool) -> str:
    number = int(value)
    for first, last, what, documentation in _AS_SPACES:
        if first <= number <= last and not (documentation and allow_documentation):
            return f"AS{number} is {what}."
    return ""


def _registry_key(value: str, _allow_documentation: bool) -> str:
    if _usual_key(value) in _KEYS_EVERYWHERE:
        return f"{shown(value)} is a key that every Windows has: what is malicious is a value in it, or a key below it."
    return ""


def _usual_key(value: str) -> str:
    r"""A registry key in lower case and without its hive, by the usual one of the paths that lead to it.

    A user's hive is `HKEY_USERS\<SID>`, and that of its classes `HKEY_USERS\<SID>_Classes`; `HKEY_CLASSES_ROOT` shows
    `Software\Classes`; `CurrentControlSet` is one of `ControlSet001` and so on; what 32-bit programs see of a key
    stands below `Wow6432Node`.
    """
    hive, _, key = value.lower().partition("\\")
    if hive == "hkey_users":
        user, _, key = key.partition("\\")
        hive = "hkey_classes_root" if user.endswith("_classes") else "hkey_current_user"
    if hive == "hkey_classes_root":
        key = f"{_CLASSES}\\{key}".rstrip("\\")
    key = _CONTROL_SET.sub(r"system\\currentcontrolset", key)
    return _WOW6432.sub(r"\1", key)


def _host(host: str, allow_documentation: bool) -> str:
    if host.startswith("["):
        mapped = IPv6Address(host[1:-1]).ipv4_mapped
        return _ipv4(str(mapped), allow_documentation) if mapped else _ipv6(host[1:-1], allow_documentation)
    if IPV4.fullmatch(host):
        return _ipv4(host, allow_documentation)
    return _special_name(host, allow_documentation)


def _suffix_host(host: str) -> str:
    return "" if host.startswith("[") or IPV4.fullmatch(host) else _public_suffix(host)


def _special_name(name: str, allow_documentation: bool) -> str:
    head, dot, top = name.rpartition(".")
    if top in _SPECIAL_TLDS:
        return f"{shown(name)} is under `.{top}`, which is for private use and tests, not for the internet."
    if not dot:
        return f"{shown(name)} is a single name without a domain, so it means something in one network only."
    if top in _INTERNAL_TLDS:
        return f"{shown(name)} is under `.{top}`, which networks use for names of their own, not the internet."
    if top == "arpa":
        return _infrastructure(name)
    if not allow_documentation and _is_for_documentation(head, top):
        return f"{shown(name)} is a name for documentation (RFC 2606)."
    return ""


def _infrastructure(name: str) -> str:
    under = f".{name}"
    if under.endswith(".home.arpa"):
        return f"{shown(name)} is under `home.arpa`, which is for home networks (RFC 8375)."
    if under.endswith((".in-addr.arpa", ".ip6.arpa")):
        return f"{shown(name)} is a name for the reverse lookup of addresses (RFC 1035, 3596), not of a host."
    return ""


def _is_for_documentation(head: str, top: str) -> bool:
    if top == "example":
        return True
    return top in _DOCUMENTATION_UNDER and (head == "example" or head.endswith(".example"))


def _public_suffix(name: str) -> str:
    if is_public_suffix(name):
        return f"{shown(name)} is a public suffix: under it everyone can have a name."
    return ""


def _ends(network: IPv4Network | IPv6Network) -> tuple[int, int]:
    return int(network.network_address), int(network.broadcast_address)


@cache
def _ipv4_spaces() -> tuple[_Space, ...]:
    documentation = tuple(_Space(*_ends(IPv4Network(text)), text, _FOR_EXAMPLES, True) for text in _IPV4_DOCUMENTATION)
    return tuple(_Space(*_ends(IPv4Network(text)), text, what, False) for text, what in _IPV4_SPACES) + documentation


@cache
def _ipv4_by_first_octet() -> tuple[tuple[_Space, ...], ...]:
    return tuple(
        tuple(space for space in _ipv4_spaces() if space.first >> 24 <= octet <= space.last >> 24)
        for octet in range(256)
    )


@cache
def _ipv6_spaces() -> tuple[_Space, ...]:
    documentation = tuple(_Space(*_ends(IPv6Network(text)), text, _FOR_EXAMPLES, True) for text in _IPV6_DOCUMENTATION)
    return tuple(_Space(*_ends(IPv6Network(text)), text, what, False) for text, what in _IPV6_SPACES) + documentation


_FOR_EXAMPLES = "for documentation (RFC 5737, 3849, 9637)"

_JUDGES = {
    Kind.IPV4_ADDR: _ipv4,
    Kind.IPV6_ADDR: _ipv6,
    Kind.IPV4_CIDR: _ipv4_range,
    Kind.IPV6_CIDR: _ipv6_range,
    Kind.DOMAIN_NAME: _domain,
    Kind.URL: _url,
    Kind.EMAIL_ADDR: _mail,
    Kind.URI: _uri,
    Kind.AUTONOMOUS_SYSTEM: _autonomous_system,
    Kind.WINDOWS_REGISTRY_KEY: _registry_key,
}
