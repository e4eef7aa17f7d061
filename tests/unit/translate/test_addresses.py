"""IP addresses and ranges, in every spelling that MISP may hold."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.translate.addresses import address
from misp_modules_ext.translate.text import NotValid


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("192.0.2.1", Kind.IPV4_ADDR),
        ("0.0.0.0", Kind.IPV4_ADDR),  # noqa: S104 - a value, not an address to listen at
        ("255.255.255.255", Kind.IPV4_ADDR),
        ("2001:db8::1", Kind.IPV6_ADDR),
        ("::", Kind.IPV6_ADDR),
        ("::1", Kind.IPV6_ADDR),
        ("203.0.113.0/24", Kind.IPV4_CIDR),
        ("0.0.0.0/0", Kind.IPV4_CIDR),
        ("2001:db8::/32", Kind.IPV6_CIDR),
    ],
)
def test_a_canonical_address_or_range_is_kept(text: str, kind: Kind) -> None:
    """Nothing to normalise, nothing to note."""
    assert address(text) == (Observable(kind, text), ())


@pytest.mark.parametrize(
    ("text", "kind", "value", "note"),
    [
        ("2001:DB8:0:0:0:0:0:1", Kind.IPV6_ADDR, "2001:db8::1", "written as RFC 5952 says"),
        ("2001:db8::0:0:1", Kind.IPV6_ADDR, "2001:db8::1", "written as RFC 5952 says"),
        ("[2001:db8::1]", Kind.IPV6_ADDR, "2001:db8::1", "brackets removed"),
        ("::ffff:192.0.2.1", Kind.IPV4_ADDR, "192.0.2.1", "IPv4-mapped address written as the IPv4 address"),
        ("::ffff:c000:201", Kind.IPV4_ADDR, "192.0.2.1", "IPv4-mapped address written as the IPv4 address"),
        ("::ffff:192.0.2.0/120", Kind.IPV4_CIDR, "192.0.2.0/24", "IPv4-mapped address written as the IPv4 address"),
        ("192.0.2.1/32", Kind.IPV4_ADDR, "192.0.2.1", "a range of one address is that address"),
        ("2001:db8::1/128", Kind.IPV6_ADDR, "2001:db8::1", "a range of one address is that address"),
        ("192.0.2.77/24", Kind.IPV4_CIDR, "192.0.2.0/24", "address bits behind the prefix cleared in `192.0.2.77/24`"),
        (
            "2001:db8::7/64",
            Kind.IPV6_CIDR,
            "2001:db8::/64",
            "address bits behind the prefix cleared in `2001:db8::7/64`",
        ),
        ("192.0.2.0/024", Kind.IPV4_CIDR, "192.0.2.0/24", "prefix length written without leading zeros"),
        ("192[.]0[.]2[.]1", Kind.IPV4_ADDR, "192.0.2.1", "refanged from `192[.]0[.]2[.]1`"),
        ("192.0.2(.)1", Kind.IPV4_ADDR, "192.0.2.1", "refanged from `192.0.2(.)1`"),
        ("2001[:]db8[:]:1", Kind.IPV6_ADDR, "2001:db8::1", "refanged from `2001[:]db8[:]:1`"),
    ],
)
def test_other_spellings_become_the_canonical_one(text: str, kind: Kind, value: str, note: str) -> None:
    """One address is one indicator, however it was typed."""
    assert address(text) == (Observable(kind, value), (note,))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("192.0.2.1:80", "`ip-src|port` or `ip-dst|port`"),
        ("192.0.2.1|80", "`ip-src|port` or `ip-dst|port`"),
        ("[::1]:80", "`ip-src|port` or `ip-dst|port`"),
        ("[2001:db8::1]:443", "`ip-src|port` or `ip-dst|port`"),
        ("fe80::1%eth0", "zone"),
        ("192.0.2.01", "leading zeros"),
        ("010.0.0.1", "leading zeros"),
        ("192.0.2.1-192.0.2.9", "address/length"),
        ("192.0.2.*", "address/length"),
        ("https://192.0.2.1/", "`url`"),
        ("evil.example", "`domain` or `hostname`"),
        ("999.1.1.1", "not an IP address"),
        ("192.0.2", "not an IP address"),
        ("192.0.2.1.5", "not an IP address"),
        ("2001:db8:::1", "not an IP address"),
        ("2001:db8::12345", "not an IP address"),
        ("1::2::3", "not an IP address"),
        ("١٩٢.0.2.1", "not an IP address"),
        ("192.0.2.0/33", "/33 is not a length"),
        ("2001:db8::/129", "/129 is not a length"),
        ("::ffff:0:0/95", "/95 is not a length"),
        ("192.0.2.0/255.255.255.0", "number of fixed bits"),
        ("192.0.2.0/", "number of fixed bits"),
        ("192.0.2.0/24/24", "number of fixed bits"),
        ("192.0.2.0/-1", "number of fixed bits"),
    ],
)
def test_what_is_no_address_is_refused_with_a_remedy(text: str, sentence: str) -> None:
    """The sentence names the type that would be right, or the fault."""
    with pytest.raises(NotValid) as error:
        address(text)
    assert sentence in str(error.value)


@given(st.ip_addresses(v=4))
def test_every_ipv4_address_is_its_own_text(value: ipaddress.IPv4Address) -> None:
    """The fast path agrees with the standard library."""
    assert address(str(value)) == (Observable(Kind.IPV4_ADDR, str(value)), ())


@given(st.ip_addresses(v=6))
def test_every_spelling_of_an_ipv6_address_is_one_observable(value: ipaddress.IPv6Address) -> None:
    """Long, upper-case and short spellings agree, and the result is a fixed point."""
    short, _ = address(str(value))
    assert address(value.exploded.upper())[0] == short
    assert address(short.value) == (short, ())
