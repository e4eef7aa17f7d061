"""Values that are right but are sent nowhere, whatever the action."""

from __future__ import annotations

import pytest

from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.translate import special


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("0.0.0.0", "unspecified"),  # noqa: S104 - a value, not an address to listen at
        ("0.1.2.3", "unspecified"),
        ("10.1.2.3", "private"),
        ("100.64.0.1", "CGNAT"),
        ("100.127.255.255", "CGNAT"),
        ("127.0.0.1", "loopback"),
        ("169.254.1.1", "link-local"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.0.0.8", "protocols"),
        ("192.168.1.1", "private"),
        ("198.18.0.1", "benchmarks"),
        ("198.19.255.255", "benchmarks"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.255", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "broadcast"),
    ],
)
def test_special_ipv4_addresses_are_refused(value: str, word: str) -> None:
    """They would match the reader's own network, also where documentation ranges are allowed."""
    for allow in (False, True):
        assert word in special(Observable(Kind.IPV4_ADDR, value), allow)


@pytest.mark.parametrize("value", ["192.0.2.1", "198.51.100.255", "203.0.113.0"])
def test_ipv4_documentation_ranges_are_refused_unless_allowed(value: str) -> None:
    """They stand in reports and manuals; tests and demonstrations need them."""
    assert "documentation" in special(Observable(Kind.IPV4_ADDR, value), False)
    assert special(Observable(Kind.IPV4_ADDR, value), True) == ""


@pytest.mark.parametrize(
    "value",
    # The neighbours of every special range.
    [
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.0.3.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
    ],
)
def test_the_neighbours_of_special_ranges_may_go(value: str) -> None:
    """The ranges end where the registry says."""
    assert special(Observable(Kind.IPV4_ADDR, value), False) == ""


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::192.0.2.1", "reserved"),
        ("100::1", "discarded"),
        ("64:ff9b:1::1", "translation"),
        ("2001:2::1", "protocols"),
        ("fc00::1", "private"),
        ("fdff::1", "private"),
        ("fe80::1", "link-local"),
        ("fec0::1", "private"),
        ("ff02::1", "multicast"),
        ("4000::1", "reserved"),
        ("8000::1", "reserved"),
    ],
)
def test_special_ipv6_addresses_are_refused(value: str, word: str) -> None:
    """Only 2000::/3 is given out, and not all of it."""
    assert word in special(Observable(Kind.IPV6_ADDR, value), True)


@pytest.mark.parametrize("value", ["2001:db8::1", "3fff:fff::1"])
def test_ipv6_documentation_ranges_are_refused_unless_allowed(value: str) -> None:
    """RFC 3849 and RFC 9637."""
    assert "documentation" in special(Observable(Kind.IPV6_ADDR, value), False)
    assert special(Observable(Kind.IPV6_ADDR, value), True) == ""


@pytest.mark.parametrize("value", ["2001:200::1", "2001:db7::1", "2001:db9::1", "2003::1", "3ffe::1", "3fff:1000::1"])
def test_other_ipv6_addresses_may_go(value: str) -> None:
    """Neighbours of the special ranges within 2000::/3."""
    assert special(Observable(Kind.IPV6_ADDR, value), False) == ""


@pytest.mark.parametrize(
    "template",
    [
        pytest.param("2002:{0:02x}{1:02x}:{2:02x}{3:02x}::1", id="6to4"),
        pytest.param("64:ff9b::{0:02x}{1:02x}:{2:02x}{3:02x}", id="NAT64"),
        pytest.param("2001:0:4136:e378:8000:63bf:{4:02x}{5:02x}:{6:02x}{7:02x}", id="Teredo"),
    ],
)
def test_tunnel_addresses_are_judged_by_the_ipv4_address_in_them(template: str) -> None:
    """A private address stays private inside a tunnel; a public one may go."""

    def made(*octets: int) -> Observable:
        return Observable(Kind.IPV6_ADDR, template.format(*octets, *(255 - octet for octet in octets)))

    assert "private" in special(made(10, 0, 0, 1), True)
    assert "documentation" in special(made(192, 0, 2, 1), False)
    assert special(made(192, 0, 2, 1), True) == ""


@pytest.mark.parametrize(
    ("kind", "value", "word"),
    [
        (Kind.IPV4_CIDR, "10.0.0.0/8", "lies in 10.0.0.0/8"),
        (Kind.IPV4_CIDR, "10.20.0.0/16", "lies in 10.0.0.0/8"),
        (Kind.IPV4_CIDR, "0.0.0.0/0", "wider"),
        (Kind.IPV4_CIDR, "64.0.0.0/3", "wider"),
        (Kind.IPV4_CIDR, "172.0.0.0/8", "overlaps 172.16.0.0/12"),
        (Kind.IPV4_CIDR, "192.168.0.0/15", "overlaps 192.168.0.0/16"),
        (Kind.IPV6_CIDR, "::/0", "wider"),
        (Kind.IPV6_CIDR, "2000::/3", "wider"),
        (Kind.IPV6_CIDR, "fe80::/64", "link-local"),
        (Kind.IPV6_CIDR, "2002:a00::/24", "private"),
        (Kind.IPV6_CIDR, "2002::/16", "unspecified"),
        (Kind.IPV6_CIDR, "2001::/32", "tunnel"),
        (Kind.IPV6_CIDR, "2001::/16", "overlaps"),
        (Kind.IPV6_CIDR, "64:ff9b::a00:0/104", "private"),
        (Kind.IPV6_CIDR, "2001:0:4136:e378:8000:63bf:5300:0/104", "overlaps 172.16.0.0/12"),
    ],
)
def test_ranges_that_touch_special_space_are_refused(kind: Kind, value: str, word: str) -> None:
    """A range goes only when none of it is special, and when it is not half of the internet."""
    assert word in special(Observable(kind, value), True)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Kind.IPV4_CIDR, "203.0.113.0/24"),
        (Kind.IPV6_CIDR, "2001:db8::/48"),
        (Kind.IPV6_CIDR, "2002:c000:200::/40"),
        (Kind.IPV6_CIDR, "64:ff9b::c000:200/120"),
        (Kind.IPV6_CIDR, "2001:0:4136:e378:8000:63bf:3fff:fd00/120"),
    ],
)
def test_ranges_follow_the_switch_for_documentation(kind: Kind, value: str) -> None:
    """Documentation ranges, and tunnels to them, are refused unless allowed."""
    assert "documentation" in special(Observable(kind, value), False)
    assert special(Observable(kind, value), True) == ""


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("localhost", "localhost"),
        ("a.localhost", "localhost"),
        ("dc01.corp.local", "`.local`"),
        ("x.test", "`.test`"),
        ("x.invalid", "`.invalid`"),
        ("vault.internal", "`.internal`"),
        ("printer.home.arpa", "home.arpa"),
        ("home.arpa", "home.arpa"),
        ("dc01.corp", "`.corp`"),
        ("nas.home", "`.home`"),
        ("printer.lan", "`.lan`"),
        ("wiki.intranet", "`.intranet`"),
        ("db.private", "`.private`"),
        ("host.localdomain", "`.localdomain`"),
        ("4.4.8.8.in-addr.arpa", "reverse lookup"),
        ("evil.in-addr.arpa", "reverse lookup"),
        ("in-addr.arpa", "reverse lookup"),
        ("1.0.0.2.ip6.arpa", "reverse lookup"),
        ("fileserver", "single name"),
        ("com", "single name"),
        ("co.uk", "public suffix"),
        ("github.io", "public suffix"),
        ("s3.amazonaws.com", "public suffix"),
        ("duckdns.org", "public suffix"),
        ("kobe.jp", "public suffix"),
        ("xn--55qx5d.cn", "public suffix"),
    ],
)
def test_special_names_and_public_suffixes_are_refused(value: str, word: str) -> None:
    """They mean something in one network only, or belong to everyone."""
    assert word in special(Observable(Kind.DOMAIN_NAME, value), True)


@pytest.mark.parametrize("value", ["evil.example", "example.com", "c2.example.net", "example.org"])
def test_documentation_names_are_refused_unless_allowed(value: str) -> None:
    """RFC 2606."""
    assert "documentation" in special(Observable(Kind.DOMAIN_NAME, value), False)
    assert special(Observable(Kind.DOMAIN_NAME, value), True) == ""


@pytest.mark.parametrize(
    "value",
    [
        "a.github.io",
        "a.co.uk",
        "notexample.com",
        "example.com.evil.io",
        "a.duckdns.org",
        "city.kobe.jp",
        "corp.evil.io",
        "home.evil.io",
        "in-addr.evil.io",
        "evil.intranets",
        "local.evil.io",
        "abcdefghijklmnop.onion",
        "a.unknown-tld",
    ],
)
def test_names_under_a_suffix_may_go(value: str) -> None:
    """A name that one person holds is an indicator."""
    assert special(Observable(Kind.DOMAIN_NAME, value), False) == ""


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("http://10.0.0.1/a", "private"),
        ("http://user@127.0.0.1:8080/a", "loopback"),
        ("http://evil.io@localhost/a", "localhost"),
        ("https://[::1]/", "loopback"),
        ("https://[fe80::1]:8443/a?b", "link-local"),
        ("https://[::ffff:10.0.0.1]/", "private"),
        ("http://intranet/a", "single name"),
        ("http://router.local/", "`.local`"),
        ("https://github.io/", "public suffix"),
        ("https://github.io", "public suffix"),
        ("https://user@github.io:8443/", "public suffix"),
        ("http://10.0.0.1\\@evil.io/", "private"),
    ],
)
def test_the_host_of_a_url_is_judged(value: str, word: str) -> None:
    """A URL is no better than its host."""
    assert word in special(Observable(Kind.URL, value), True)


@pytest.mark.parametrize(
    "value",
    [
        "https://x.github.io/",
        "https://s3.amazonaws.com/bucket/payload.exe",
        "https://github.io/?x",
        "http://192.0.2.1/a",
        "https://[2001:db8::1]/",
        "https://[::ffff:192.0.2.1]/",
        "http://evil.example/http://127.0.0.1/",
    ],
)
def test_other_urls_may_go(value: str) -> None:
    """What follows a shared host makes it one thing; only the host counts, not what the path quotes."""
    assert special(Observable(Kind.URL, value), True) == ""


def test_documentation_hosts_of_urls_and_mail_follow_the_switch() -> None:
    """The same switch for all kinds."""
    for observable in (
        Observable(Kind.URL, "https://evil.example/"),
        Observable(Kind.URL, "https://192.0.2.1/"),
        Observable(Kind.URL, "https://[2001:db8::1]/"),
        Observable(Kind.EMAIL_ADDR, "a@evil.example"),
    ):
        assert "documentation" in special(observable, False)
        assert special(observable, True) == ""


def test_the_domain_of_an_address_is_judged() -> None:
    """A mailbox in the own network is no indicator; one mailbox under a public suffix is one mailbox."""
    assert "localhost" in special(Observable(Kind.EMAIL_ADDR, "root@localhost"), True)
    assert "`.internal`" in special(Observable(Kind.EMAIL_ADDR, "a@mail.internal"), True)
    assert special(Observable(Kind.EMAIL_ADDR, "someone@gov.uk"), True) == ""


@pytest.mark.parametrize("kind", [Kind.FILE_MD5, Kind.FILE_SHA1, Kind.FILE_SHA256, Kind.FILE_NAME])
def test_files_are_never_special(kind: Kind) -> None:
    """Hashes of empty files are a matter of warninglists."""
    assert special(Observable(kind, "d41d8cd98f00b204e9800998ecf8427e"), False) == ""


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (0, "reserved"),
        (23456, "stand-in"),
        (64512, "private"),
        (65534, "private"),
        (65535, "reserved"),
        (65552, "reserved"),
        (131071, "reserved"),
        (4200000000, "private"),
        (4294967294, "private"),
        (4294967295, "reserved"),
    ],
)
def test_autonomous_systems_that_are_no_ones_are_refused(number: int, word: str) -> None:
    """Whether documentation is allowed or not."""
    for allow in (False, True):
        assert word in special(Observable(Kind.AUTONOMOUS_SYSTEM, str(number)), allow)


@pytest.mark.parametrize("number", [64496, 64511, 65536, 65551])
def test_autonomous_systems_for_documentation_are_refused_unless_allowed(number: int) -> None:
    """Both blocks of RFC 5398."""
    assert "documentation" in special(Observable(Kind.AUTONOMOUS_SYSTEM, str(number)), False)
    assert special(Observable(Kind.AUTONOMOUS_SYSTEM, str(number)), True) == ""


@pytest.mark.parametrize("number", [1, 174, 23455, 23457, 64495, 131072, 4199999999])
def test_other_autonomous_systems_may_go(number: int) -> None:
    """Just outside of the special ones."""
    assert special(Observable(Kind.AUTONOMOUS_SYSTEM, str(number)), False) == ""


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("10.0.0.1/a", "private"),
        ("127.0.0.1:8080/a", "loopback"),
        ("host.internal/a", "`.internal`"),
        ("evil.example/a", "documentation"),
        ("/10.0.0.1/a", ""),
        ("evil.com/a", ""),
        ("gate.php?id=1", ""),
    ],
)
def test_the_host_of_a_uri_is_judged(value: str, word: str) -> None:
    """Where there is one."""
    sentence = special(Observable(Kind.URI, value), False)
    assert word in sentence
    assert bool(word) is bool(sentence)


@pytest.mark.parametrize(
    ("key", "everywhere"),
    [
        (r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows\CurrentVersion\Run", True),
        (r"HKEY_CURRENT_USER\software\microsoft\windows\currentversion\RUNONCE", True),
        (r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services", True),
        (r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon", True),
        (r"HKEY_LOCAL_MACHINE\SOFTWARE\Wow6432Node\Microsoft\Windows\CurrentVersion\Run", True),
        (r"HKEY_LOCAL_MACHINE\SOFTWARE\WOW6432Node\Microsoft\Windows NT\CurrentVersion\Winlogon", True),
        (r"HKEY_LOCAL_MACHINE\SOFTWARE\Wow6432Node", True),
        (r"HKEY_LOCAL_MACHINE\SOFTWARE\Classes\Wow6432Node", True),
        (r"HKEY_LOCAL_MACHINE\SYSTEM\ControlSet001\Services", True),
        (r"HKEY_LOCAL_MACHINE\SYSTEM\ControlSet002\Control\Lsa", True),
        (r"HKEY_USERS\S-1-5-21-1-2-3-1001\Software\Microsoft\Windows\CurrentVersion\Run", True),
        (r"HKEY_USERS\.DEFAULT\Software\Microsoft\Windows\CurrentVersion\Run", True),
        (r"HKEY_USERS\S-1-5-18", True),
        (r"HKEY_USERS\S-1-5-21-1-2-3-1001_Classes", True),
        (r"HKEY_LOCAL_MACHINE\SYSTEM\ControlSet001\Services\Evil", False),
        (r"HKEY_LOCAL_MACHINE\SYSTEM\ControlSet001x", False),
        (r"HKEY_USERS\S-1-5-21-1-2-3-1001\Software\Evil", False),
        (r"HKEY_CLASSES_ROOT\.evil", False),
        (r"HKEY_LOCAL_MACHINE\SOFTWARE\Evilsoftware\Wow6432Node", False),
        (r"HKEY_LOCAL_MACHINE\SOFTWARE\Wow6432Node\Evil", False),
        (r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows\CurrentVersion\Run\Evil", False),
        (r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\Evil", False),
        (r"HKEY_CURRENT_USER\Software\Evil", False),
    ],
)
def test_keys_that_every_windows_has_are_refused(key: str, everywhere: bool) -> None:
    """An indicator for the autostart key would alert on every machine; one for what is below it would not."""
    assert bool(special(Observable(Kind.WINDOWS_REGISTRY_KEY, key), False)) is everywhere
