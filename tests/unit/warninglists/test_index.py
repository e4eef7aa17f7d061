"""How values are compared: as MISP's `Warninglist::checkValue` and `CidrTool` do it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from misp_modules_ext.errors import WarninglistError
from misp_modules_ext.warninglists.index import ANY, Index, Question, host_of
from tests.support import lists

MAIL = ("Disposable", "substring", ("email-src",), ("0-mail.com", "9q.ro"))
CONTACT = ("Contact", "regex", ("email-src",), ("/^abuse@/i",))
EVERY = ("Every type", "string", (), ("a note",))


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """One list of each way of comparing."""
    path = tmp_path_factory.mktemp("index") / "warninglists.db"
    named = (lists.RESOLVERS, lists.OFFICE, lists.TOP, lists.EMPTY, lists.CLOUD, MAIL, CONTACT, EVERY)
    made = Index(lists.index(path, *named))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("type_", "value", "hits"),
    [
        # string: the value itself, as it is written.
        ("domain", "outlook.office365.com", [lists.OFFICE]),
        ("domain", "x.outlook.office365.com", []),
        ("domain", "Outlook.office365.com", []),
        ("md5", "d41d8cd98f00b204e9800998ecf8427e", [lists.EMPTY]),
        ("comment", "a note", [EVERY]),
        # hostname: the name or a domain above it, in any case.
        ("domain", "example.org", [lists.TOP]),
        ("hostname", "a.b.EXAMPLE.org.", [lists.TOP]),
        ("hostname", "notexample.org", []),
        ("hostname", "en.wikipedia.org", [lists.TOP]),
        ("url", "https://example.org/login?next=//x", [lists.TOP]),
        ("url", "https://u:p@www.example.org:8443/", [lists.TOP]),
        ("url", "https://evil.example/example.org", []),
        ("url", "example.org/without/scheme", [lists.TOP]),
        # cidr: an address, or a range of which all is held.
        ("ip-dst", "8.8.8.8", [lists.RESOLVERS]),
        ("ip-dst", "8.8.8.9", []),
        ("ip-dst", "8.8.8.0/24", []),
        ("ip-dst", "3.1.2.0/24", [lists.CLOUD]),
        ("ip-dst", "3.0.0.0/15", [lists.CLOUD]),
        ("ip-dst", "3.0.0.0/14", []),
        ("ip-dst", "2600:1f00::1", [lists.CLOUD]),
        ("ip-dst", "2600:1e00::1", []),
        ("ip-dst", "no address", []),
        # substring and regex.
        ("email-src", "x@0-mail.com.example", [MAIL]),
        ("email-src", "Abuse@9q.ro", [CONTACT, MAIL]),
        ("email-src", "x@9q.rx", []),
        # A list is asked for the types that it names, and for composites that have them as a part.
        ("ip-dst", "example.org", []),
        ("domain", "8.8.8.8", []),
        ("hostname|port", "www.example.org", [lists.TOP]),
        ("malware-sample", "d41d8cd98f00b204e9800998ecf8427e", [lists.EMPTY]),
        ("email-dst", "x@0-mail.com", []),
        (ANY, "8.8.8.8", [lists.RESOLVERS]),
    ],
)
def test_values_are_compared_as_misp_does(index: Index, type_: str, value: str, hits: list[lists.One]) -> None:
    """Each way of comparing, with what is just outside."""
    assert index.hits([Question(type_, (value,))]) == [tuple(sorted(name for name, *_ in hits))]


def test_many_questions_are_answered_in_their_order(index: Index) -> None:
    """More than one statement takes; the same value under another type is another question."""
    asked = [
        Question("domain", (f"n{number}.example.org" if number % 3 else f"n{number}.example",))
        for number in range(4000)
    ]
    asked += [Question("ip-dst", ("n1.example.org",)), Question("domain|ip", ("a.example", "8.8.8.8"))]
    found = index.hits(asked)
    assert found[:4000] == [(lists.TOP[0],) if number % 3 else () for number in range(4000)]
    assert found[4000:] == [(), (lists.RESOLVERS[0],)]
    assert index.hits([]) == []


@pytest.mark.parametrize(
    ("value", "host"),
    [
        ("http://Example.ORG:80/x", "example.org"),
        ("http://example.org?x=//y", "example.org"),
        ("http://a@b@example.org#x", "example.org"),
        ("example.org.", "example.org"),
        ("http://[2001:db8::1]:80/", "[2001:db8::1]"),
        ("http://example.org\\@evil.example/", "example.org"),
        ("http://a:b@example.org:80\\x", "example.org"),
        ("example.org:443", "example.org"),
        ("http://", ""),
        ("", ""),
    ],
)
def test_the_host_of_a_value(value: str, host: str) -> None:
    """Port and user, which MISP leaves on, are no part of it; it is the host that a URL is judged by everywhere."""
    assert host_of(value) == host


def test_an_index_that_is_damaged_or_of_another_version_is_a_sentence(tmp_path: Path) -> None:
    """It is not taken for an empty one."""
    path = lists.index(tmp_path / "warninglists.db", lists.TOP)
    whole = path.read_bytes()
    for content in (b"", b"no database, " * 1000, whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(WarninglistError, match=r"warninglists\.db cannot be read|another version"):
            Index(path).hits([Question("domain", ("example.org",))])
    with pytest.raises(WarninglistError, match="cannot be read"):
        Index(tmp_path / "nowhere.db")
