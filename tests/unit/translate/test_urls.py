"""URLs: scheme and host are normalised, every other byte stays, and what is no URL is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.translate.text import NotValid
from misp_modules_ext.translate.urls import url


@pytest.mark.parametrize(
    "text",
    [
        "https://evil.example",
        "https://evil.example/",
        "http://evil.example:8080/a/b.php?id=1&u=%27#Frag",
        "http://evil.example:/",
        "http://192.0.2.1/x",
        "https://[2001:db8::1]/",
        "https://[2001:db8::1]:8443/x",
        "https://user:P%40ss@evil.example/a",
        "https://bank.example%E2%88%95login@evil.example/x",
        "http://evil.example/a//b/../c;d=1?q='\"<>|`{}#x#y",
        "http://evil.example/%2F%2f/a+b",
        "http://evil.example/a[.]b?ids[]=1&x=(dot)",
        "http://evil.example\\@good.example/",
        "http://evil.example?x",
        "http://evil.example#x",
        "http://evil.example/Réf/日本",
        "ftp://evil.example/a",
        "tcp://evil.example:4444",
        "rtmp+x://evil.example/a",
        "https://abcdefghijklmnop.onion/",
        "http://with_underscore.evil.example/",
        "http://localhost/",
    ],
)
def test_a_normal_url_is_kept_byte_for_byte(text: str) -> None:
    """User part, port, path, query, fragment and percent-encoding are the indicator."""
    assert url(text) == (Observable(Kind.URL, text), ())


@pytest.mark.parametrize(
    ("text", "value", "notes"),
    [
        ("HTTPS://evil.example/A", "https://evil.example/A", ("scheme written in lower case",)),
        ("http://EVIL.Example/A?B#C", "http://evil.example/A?B#C", ("written in lower case",)),
        ("http://evil.example./a", "http://evil.example/a", ("trailing dot removed",)),
        ("https://[2001:DB8::0:1]:443/A", "https://[2001:db8::1]:443/A", ("IPv6 host written as RFC 5952 says",)),
        ("http://[::FFFF:c000:201]/", "http://[::ffff:192.0.2.1]/", ("IPv6 host written as RFC 5952 says",)),
        (
            "http://münchen.example/ä",
            "http://xn--mnchen-3ya.example/ä",
            ("international name `münchen.example` written in its ASCII form",),
        ),
        ("http://U:P@EVIL.example:80/", "http://U:P@evil.example:80/", ("written in lower case",)),
    ],
)
def test_scheme_and_host_are_normalised_with_a_note(text: str, value: str, notes: tuple[str, ...]) -> None:
    """Only what is the same for every program is written in one way."""
    assert url(text) == (Observable(Kind.URL, value), notes)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("hxxp://evil.example/a", "http://evil.example/a"),
        ("hXXps://evil.example/a", "https://evil.example/a"),
        ("htxp://evil.example/a", "http://evil.example/a"),
        ("h**p://evil.example/a", "http://evil.example/a"),
        ("meow://evil.example/a", "http://evil.example/a"),
        ("fxp://evil.example/a", "ftp://evil.example/a"),
        ("https[:]//evil.example/a", "https://evil.example/a"),
        ("hxxps[://]evil.example/a", "https://evil.example/a"),
        ("https://evil[.]example/a", "https://evil.example/a"),
        ("hxxps://evil[.]example[:]8443/a", "https://evil.example:8443/a"),
        ("hxxp://192[.]0[.]2[.]1/a", "http://192.0.2.1/a"),
        ("hxxp://evil[.]example/a[.]php?x=b[.]c", "http://evil.example/a.php?x=b.c"),
        ("hxxp://evil(.)example/a[.]php", "http://evil.example/a[.]php"),
        ("hxxp://evil.example/a[.]php", "http://evil.example/a[.]php"),
        ("hxxp://u[.]v@evil.example/", "http://u[.]v@evil.example/"),
    ],
)
def test_defanged_urls_are_refanged_with_one_note(text: str, value: str) -> None:
    """Behind the host only the spelling that the host has is undone: brackets may really stand there."""
    assert url(text) == (Observable(Kind.URL, value), (f"refanged from `{text}`",))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("evil.example", "`domain`"),
        ("www.evil.example/a.php", "has no scheme"),
        ("/a/b.php", "has no scheme"),
        ("192.0.2.1/a", "has no scheme"),
        ("javascript:alert(1)", "has no scheme"),
        ("http:/evil.example", "has no scheme"),
        ("//evil.example/a", "has no scheme"),
        ("http:///a", "no host"),
        ("http://", "no host"),
        ("http://user@/a", "no host"),
        ("http://:80/", "no host"),
        ("http://evil.example/a b", "white space"),
        ("http://evil.example/a\u00a0b", "white space"),
        ("http://evil.example:99999/", "port number"),
        ("http://evil.example:8o/", "port number"),
        ("http://2001:db8::1/", "port number"),
        ("http://[2001:db8::1/", "brackets"),
        ("http://[evil.example]/", "brackets"),
        ("http://[fe80::1%25eth0]/", "brackets"),
        ("http://[::1]x/", "brackets"),
        ("http://999.1.1.1/", "is an IP address"),
        ("http://192.0.2/", "ends in a number"),
        ("http://3221225985/", "ends in a number"),
        ("http://0xc0000201/", "ends in a number"),
        ("http://evil..example/", "empty part"),
        ("http://*.evil.example/", "wildcards"),
        ("http://evil%2eexample/", "not a domain name"),
    ],
)
def test_what_is_no_url_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    """A URL without scheme or with a host that cannot be would match nothing, or anything."""
    with pytest.raises(NotValid) as error:
        url(text)
    assert sentence in str(error.value)


@given(
    st.sampled_from(["http", "HTTPS", "hxxp", "ftp"]),
    st.sampled_from(["evil.example", "EVIL[.]example", "192.0.2.1", "[2001:DB8::1]", "münchen.example"]),
    st.text(st.characters(codec="ascii", exclude_characters=" ", exclude_categories=["Cc"]), max_size=30),
)
def test_what_stands_behind_the_host_survives(scheme: str, host: str, rest: str) -> None:
    """Whatever the path holds, it comes out as it went in, unless a defanged host explains it."""
    observable, _ = url(f"{scheme}://{host}/{rest}")
    kept = rest.replace("[.]", ".") if "[.]" in host else rest
    assert observable.value.endswith("/" + kept)
    assert url(observable.value) == (observable, ())
