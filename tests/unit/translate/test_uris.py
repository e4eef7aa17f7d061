"""URIs: whole URLs are URLs, and what has no scheme is kept."""

from __future__ import annotations

import pytest

from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.translate.text import NotValid
from misp_modules_ext.translate.uris import host_of, uri


def test_a_uri_with_scheme_and_host_is_a_url() -> None:
    """Then every destination can hold it."""
    assert uri("hxxps://evil[.]example/a") == (
        Observable(Kind.URL, "https://evil.example/a"),
        ("refanged from `hxxps://evil[.]example/a`",),
    )


@pytest.mark.parametrize(
    ("text", "value", "notes"),
    [
        ("/gate.php?id=1#x", "/gate.php?id=1#x", ()),
        ("/A[.]b/%2F", "/A[.]b/%2F", ()),
        ("gate.php?ID=1", "gate.php?ID=1", ()),
        ("mailto:a@evil.example", "mailto:a@evil.example", ()),
        ("magnet:?xt=urn:x", "magnet:?xt=urn:x", ()),
        ("evil.example/A?b", "evil.example/A?b", ()),
        ("EVIL.example/A", "evil.example/A", ("written in lower case",)),
        ("evil.example./A", "evil.example/A", ("trailing dot removed",)),
        ("evil[.]example:80/A[.]b", "evil.example:80/A.b", ("refanged from `evil[.]example:80/A[.]b`",)),
        ("192.0.2.1:8080/a", "192.0.2.1:8080/a", ()),
    ],
)
def test_the_host_of_a_uri_is_normalised_and_its_path_kept(text: str, value: str, notes: tuple[str, ...]) -> None:
    """As in a URL, without saying that there was a scheme."""
    assert uri(text) == (Observable(Kind.URI, value), notes)
    assert uri(value) == (Observable(Kind.URI, value), ())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("evil.example", "is a host without a path"),
        ("192.0.2.1", "is a host without a path"),
        ("/", "every site has"),
        ("?", "every site has"),
        ("a b", "white space"),
        ("999.0.2.1/a", "no valid host"),
        ("evil.example:99999/a", "port number"),
    ],
)
def test_what_would_match_everything_or_nothing_is_refused(text: str, sentence: str) -> None:
    """And no sentence shows a scheme that was not there."""
    with pytest.raises(NotValid, match=sentence) as error:
        uri(text)
    assert "http" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("evil.example/a", "evil.example"),
        ("/evil.example/a", ""),
        ("a/b.c", ""),
        ("evil.example:1/a", "evil.example:1"),
    ],
)
def test_a_path_is_no_host(text: str, host: str) -> None:
    """Only what has a dot before the first slash is one."""
    assert host_of(text) == host
