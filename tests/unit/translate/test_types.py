"""The table of types, and the composites: no half gets lost, and a bad half costs only itself."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.translate.composites import Found
from misp_modules_ext.translate.files import HASHES as ALL_HASHES
from misp_modules_ext.translate.text import MAX_LENGTH, NotValid
from misp_modules_ext.translate.types import PARSERS, PLAIN
from tests.unit.destinations.values import VALUES

MD5, SHA1, SHA256 = "0a" * 16, "0b" * 20, "0c" * 32
DOMAIN = Observable(Kind.DOMAIN_NAME, "evil.example")
ADDRESS = Observable(Kind.IPV4_ADDR, "192.0.2.1")
#: Types whose values are what somebody or something called itself, so that a bar is one.
BYTE_FOR_BYTE = (
    "filename",
    "email-attachment",
    "email-subject",
    "email-src-display-name",
    "email-message-id",
    "email-x-mailer",
    "mutex",
    "user-agent",
    "uri",
)
FILE_HASHES = [(f"filename|{type_}", kind) for type_, kind in ALL_HASHES.items()]
HASHES = [
    ("filename|md5", Kind.FILE_MD5, MD5),
    ("filename|sha1", Kind.FILE_SHA1, SHA1),
    ("filename|sha256", Kind.FILE_SHA256, SHA256),
    ("malware-sample", Kind.FILE_MD5, MD5),
]


@pytest.mark.parametrize(
    ("type_", "value", "kind"),
    [
        ("ip-src", "192.0.2.1", Kind.IPV4_ADDR),
        ("ip-dst", "2001:db8::1", Kind.IPV6_ADDR),
        ("ip-src", "198.51.100.0/24", Kind.IPV4_CIDR),
        ("ip-dst", "2001:db8::/48", Kind.IPV6_CIDR),
        ("domain", "evil.example", Kind.DOMAIN_NAME),
        ("hostname", "c2.evil.example", Kind.DOMAIN_NAME),
        ("onion-address", "abcdefghijklmnop.onion", Kind.DOMAIN_NAME),
        ("url", "https://evil.example/a", Kind.URL),
        ("email", "a@evil.example", Kind.EMAIL_ADDR),
        ("email-src", "a@evil.example", Kind.EMAIL_ADDR),
        ("email-dst", "a@evil.example", Kind.EMAIL_ADDR),
        ("email-reply-to", "a@evil.example", Kind.EMAIL_ADDR),
        ("md5", MD5, Kind.FILE_MD5),
        ("sha1", SHA1, Kind.FILE_SHA1),
        ("sha256", SHA256, Kind.FILE_SHA256),
        ("filename", "a|b.exe", Kind.FILE_NAME),
        ("email-attachment", "a.doc", Kind.FILE_NAME),
    ],
)
def test_a_simple_type_yields_its_kind(type_: str, value: str, kind: Kind) -> None:
    """One value, one observable, nothing else."""
    assert PARSERS[type_](value) == Found((Observable(kind, value),))


@pytest.mark.parametrize("type_", sorted(PARSERS))
@pytest.mark.parametrize("value", ["", "  ", "|", "\x00", "\ud800", "a\u200bb"])
def test_every_type_refuses_what_holds_nothing(type_: str, value: str) -> None:
    """Empty values and characters nobody sees never become an indicator."""
    if type_ in BYTE_FOR_BYTE and value == "|":
        return
    with pytest.raises(NotValid):
        PARSERS[type_](value)


@pytest.mark.parametrize(("type_", "kind", "digest"), HASHES)
def test_of_a_name_and_a_hash_the_hash_is_the_observable(type_: str, kind: Kind, digest: str) -> None:
    """The name is context: alone it would match half of all machines."""
    assert PARSERS[type_](f"invoice.exe|{digest}") == Found((Observable(kind, digest),), ("file name: invoice.exe",))


@pytest.mark.parametrize(("type_", "kind"), FILE_HASHES)
def test_every_hash_has_its_composite(type_: str, kind: Kind) -> None:
    """The same for all of them: the hash, with the name as context."""
    (plain,) = PARSERS[type_.removeprefix("filename|")](VALUES[kind]).observables
    assert PARSERS[type_](f"a|b.exe|{VALUES[kind]}") == Found((plain,), ("file name: a|b.exe",))


@pytest.mark.parametrize(
    ("name", "fact"),
    [("a|b.exe", "a|b.exe"), ("|", "|"), (" a.exe ", "a.exe"), ("exe\u202egpj.scr", "exe<U+202E>gpj.scr")],
)
def test_the_last_bar_divides_name_and_hash(name: str, fact: str) -> None:
    """File names may hold bars, hashes never do."""
    assert PARSERS["filename|md5"](f"{name}|{MD5}") == Found((Observable(Kind.FILE_MD5, MD5),), (f"file name: {fact}",))


@pytest.mark.parametrize(
    ("value", "note"),
    [
        (MD5, "there is no file name beside the hash"),
        (f"|{MD5}", "the file name was left out: The value is empty"),
        (f"a\u200b.exe|{MD5}", "the file name was left out: The value holds U+200B"),
    ],
)
def test_a_hash_goes_without_a_name_that_cannot_be_used(value: str, note: str) -> None:
    """The good half goes, and a note says what was wrong with the other."""
    found = PARSERS["filename|md5"](value)
    assert found.observables == (Observable(Kind.FILE_MD5, MD5),)
    assert found.facts == ()
    assert len(found.notes) == 1
    assert found.notes[0].startswith(note)


@pytest.mark.parametrize("value", [f"a.exe|{MD5}0", "a.exe|", "a.exe", f"{MD5}|a.exe"])
def test_a_name_does_not_go_without_its_hash(value: str) -> None:
    """An attribute about one file must not become an indicator for every file of that name."""
    with pytest.raises(NotValid):
        PARSERS["filename|md5"](value)


def test_domain_and_address_are_two_observables_that_know_each_other() -> None:
    """Both go, and the pair is a fact of both."""
    assert PARSERS["domain|ip"]("evil.example|192.0.2.1") == Found(
        (DOMAIN, ADDRESS), ("domain and address: evil.example, 192.0.2.1",)
    )


@pytest.mark.parametrize(
    ("value", "observable", "note"),
    [
        ("evil.example|999.1.1.1", DOMAIN, "the address was left out: `999.1.1.1` is not an IP address"),
        ("evil.example|", DOMAIN, "the address was left out: there is none"),
        ("evil.example", DOMAIN, "the address was left out: there is none"),
        ("*.example|192.0.2.1", ADDRESS, "the domain was left out: `*.example` is a pattern"),
        ("|192.0.2.1", ADDRESS, "the domain was left out: there is none"),
    ],
)
def test_the_good_half_of_domain_and_address_goes_alone(value: str, observable: Observable, note: str) -> None:
    """A bad half costs only itself, and the note says why."""
    found = PARSERS["domain|ip"](value)
    assert found.observables == (observable,)
    assert found.facts == ()
    assert found.notes[0].startswith(note)


def test_two_bad_halves_are_both_explained() -> None:
    """The analyst sees both faults at once."""
    with pytest.raises(NotValid) as error:
        PARSERS["domain|ip"]("192.0.2.1|evil.example")
    assert "`192.0.2.1` is an IP address" in str(error.value)
    assert "`evil.example` is a host name" in str(error.value)


@pytest.mark.parametrize(
    ("type_", "value", "observable", "port", "notes"),
    [
        ("ip-dst|port", "192.0.2.1|8443", ADDRESS, 8443, ()),
        ("ip-src|port", "192.0.2.1 | 0443", ADDRESS, 443, ("surrounding white space removed",)),
        ("ip-dst|port", "2001:db8::1|443", Observable(Kind.IPV6_ADDR, "2001:db8::1"), 443, ()),
        ("ip-dst|port", "192.0.2.1:8443", ADDRESS, 8443, ("a colon read as the bar before the port",)),
        (
            "ip-dst|port",
            "[2001:db8::1]:443",
            Observable(Kind.IPV6_ADDR, "2001:db8::1"),
            443,
            ("a colon read as the bar before the port", "brackets removed"),
        ),
        ("hostname|port", "evil.example|443", DOMAIN, 443, ()),
        ("hostname|port", "evil.example:443", DOMAIN, 443, ("a colon read as the bar before the port",)),
    ],
)
def test_a_port_is_a_fact(type_: str, value: str, observable: Observable, port: int, notes: tuple[str, ...]) -> None:
    """Sensors match the host; the port tells the analyst where to look."""
    assert PARSERS[type_](value) == Found((observable,), (f"port: {port}",), notes)


@pytest.mark.parametrize(
    ("value", "note"),
    [
        ("192.0.2.1|0", "the port was left out: `0` is not a port number"),
        ("192.0.2.1|65536", "the port was left out: `65536` is not a port number"),
        ("192.0.2.1|http", "the port was left out: `http` is not a port number"),
        ("192.0.2.1|" + "9" * 5000, "the port was left out: `9999"),
        ("192.0.2.1|", "the port was left out: there is none"),
        ("192.0.2.1", "the port was left out: there is none"),
    ],
)
def test_an_address_goes_without_a_port_that_is_none(value: str, note: str) -> None:
    """The address is the indicator."""
    found = PARSERS["ip-dst|port"](value)
    assert found.observables == (ADDRESS,)
    assert found.facts == ()
    assert found.notes[0].startswith(note)


def test_an_ipv6_address_without_a_port_keeps_its_last_group() -> None:
    """What looks like `:port` may be the end of the address."""
    assert PARSERS["ip-dst|port"]("2001:db8::1:443").observables == (Observable(Kind.IPV6_ADDR, "2001:db8::1:443"),)


# Near to what the short ways look for, and just beside it.
NEARLY = st.one_of(
    st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){3}", fullmatch=True),
    st.from_regex(r"[a-f0-9]{31,33}|[a-f0-9]{39,41}|[a-f0-9]{63,65}", fullmatch=True),
    st.from_regex(r"[a-z0-9_.-]{1,20}", fullmatch=True),
    st.from_regex(r"(https?|ftp|HTTP)://[a-z0-9_.\[\]-]{1,12}(:[0-9]{1,6})?([/?#\\][!-~ é]{0,6})?", fullmatch=True),
    st.text(st.characters(), max_size=9),
)


@given(st.sampled_from(sorted(PLAIN)), NEARLY, st.sampled_from(["", " ", "\n", "\u200b", "."]))
@example("domain", "a" * 64 + ".example", "")
@example("domain", ".".join(["a" * 63] * 4), "")
@example("domain", "evil.1", "")
@example("url", "https://evil.example/" + "a" * MAX_LENGTH, "")
@example("url", "https://evil.example:65536", "/")
@example("ip-dst", "01.2.3.4", "")
def test_the_short_way_finds_what_the_parser_finds(type_: str, value: str, after: str) -> None:
    """Where it finds anything: the same observable, and nothing to note."""
    plain = PLAIN[type_]
    if plain.holds(value + after):
        assert PARSERS[type_](value + after) == Found((Observable(plain.kind, value + after),))


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("ip-src", "192.0.2.1"),
        ("ip-dst", "255.255.255.255"),
        ("domain", "evil.example"),
        ("hostname", "_dmarc.c2.evil.example"),
        ("onion-address", "abcdefghijklmnop.onion"),
        ("filename", "a|b.exe"),
        ("mutex", r"Global\x"),
        ("url", "https://evil.example:8443/a?b#c"),
        ("md5", MD5),
        ("sha1", SHA1),
        ("sha256", SHA256),
    ],
)
def test_ordinary_values_go_the_short_way(type_: str, value: str) -> None:
    """Otherwise nothing would be gained."""
    assert PLAIN[type_].holds(value)
