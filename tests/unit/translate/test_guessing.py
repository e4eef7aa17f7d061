"""What a person means by a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.translate import inputs, meant
from tests.unit.destinations.values import VALUES


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("203.0.113.7", {Kind.IPV4_ADDR}),
        ("203[.]0.113.7", {Kind.IPV4_ADDR}),
        ("2001:db8::1", {Kind.IPV6_ADDR}),
        ("evil.com", {Kind.DOMAIN_NAME}),
        ("hxxps://evil[.]example/x", {Kind.URL}),
        ("bad@evil.example", {Kind.EMAIL_ADDR}),
        ("ab" * 20, {Kind.FILE_SHA1}),
        ("CD" * 32, {Kind.FILE_SHA256}),
        ("invoice.exe", {Kind.FILE_NAME}),
    ],
)
def test_a_bare_text(text: str, kinds: set[Kind]) -> None:
    """Is read as MISP's types read it; a file name only when it is nothing else."""
    assert kinds <= {one.kind for one in meant(text)}
    if Kind.FILE_NAME not in kinds:
        assert Kind.FILE_NAME not in {one.kind for one in meant(text)}


def test_a_kind_may_be_named() -> None:
    """Then it is that, in its spelling, or nothing."""
    assert meant("file-name:evil.example") == (Observable(Kind.FILE_NAME, "evil.example"),)
    assert meant("domain-name:EVIL[.]example") == (Observable(Kind.DOMAIN_NAME, "evil.example"),)
    assert meant("domain-name:..") == ()
    assert meant("url:hxxp://evil[.]example/A") == (Observable(Kind.URL, "http://evil.example/A"),)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("sha256:" + "CD" * 32, [Observable(Kind.FILE_SHA256, "cd" * 32)]),
        ("SHA256:" + "CD" * 32, [Observable(Kind.FILE_SHA256, "cd" * 32)]),
        ("ip-dst: 203[.]0.113.7", [Observable(Kind.IPV4_ADDR, "203.0.113.7")]),
        ("domain:EVIL[.]example", [Observable(Kind.DOMAIN_NAME, "evil.example")]),
        (
            "domain|ip:evil.example|203.0.113.7",
            [Observable(Kind.DOMAIN_NAME, "evil.example"), Observable(Kind.IPV4_ADDR, "203.0.113.7")],
        ),
        ("sha256:no hash", [Observable(Kind.FILE_NAME, "sha256:no hash")]),
        ("sha256:", [Observable(Kind.FILE_NAME, "sha256:")]),
    ],
)
def test_a_type_of_misps_may_be_named(text: str, found: list[Observable]) -> None:
    """As people copy it from an event; where the type does not fit, the text is read as it stands."""
    assert list(meant(text)) == found


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_can_be_named(kind: Kind) -> None:
    """With a value of it."""
    value = VALUES[kind] if kind is not Kind.FILE_NAME else "it's 'a file' 😀.exe"
    assert meant(f"{kind.value}:{value}") == (Observable(kind, value),)


@given(st.text(max_size=200))
def test_no_text_breaks_it(text: str) -> None:
    """Whatever it is."""
    assert len(meant(text)) == len(set(meant(text)))


def test_types_and_objects_of_kinds() -> None:
    """Types by what they may hold, objects by what of them counts."""
    found = inputs([Kind.DOMAIN_NAME])
    assert {"domain", "hostname", "domain|ip", "onion-address", "domain-ip"} <= set(found)
    assert not {"bic", "md5", "comment"} & set(found)
    assert found == sorted(set(found))
    assert inputs([]) == []
