"""E-mail addresses: the domain is normalised, the local part is not."""

from __future__ import annotations

import pytest

from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.translate.composites import Reader
from misp_modules_ext.translate.mail import mail_address, mailer, message_id, sender_name, subject
from misp_modules_ext.translate.text import NotValid


@pytest.mark.parametrize(
    "text",
    [
        "someone@evil.example",
        "Some.One+Tag@evil.example",
        "a{.}b@evil.example",
        "o'neil@evil.example",
        '"odd"@evil.example',
        "josé@evil.example",
    ],
)
def test_a_normal_address_is_kept(text: str) -> None:
    """The local part's case and characters are the receiver's business (RFC 5321 2.4)."""
    assert mail_address(text) == (Observable(Kind.EMAIL_ADDR, text), ())


@pytest.mark.parametrize(
    ("text", "value", "note"),
    [
        ("Some.One@EVIL.Example", "Some.One@evil.example", "written in lower case"),
        ("a{at}b@EVIL.example", "a{at}b@evil.example", "written in lower case"),
        ("someone@evil.example.", "someone@evil.example", "trailing dot removed"),
        ("someone[@]evil.example", "someone@evil.example", "refanged from `someone[@]evil.example`"),
        ("someone[at]evil[dot]example", "someone@evil.example", "refanged from `someone[at]evil[dot]example`"),
        ("someone (at) evil (dot) example", "someone@evil.example", "refanged from `someone (at) evil (dot) example`"),
        ("some[.]one@evil.example", "some.one@evil.example", "refanged from `some[.]one@evil.example`"),
        ("some{.}one@evil{.}example", "some.one@evil.example", "refanged from `some{.}one@evil{.}example`"),
        (
            "a@münchen.example",
            "a@xn--mnchen-3ya.example",
            "international name `münchen.example` written in its ASCII form",
        ),
    ],
)
def test_the_domain_is_normalised_with_a_note(text: str, value: str, note: str) -> None:
    """Defanged spellings are undone where they cannot be meant as they stand."""
    assert mail_address(text) == (Observable(Kind.EMAIL_ADDR, value), (note,))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("evil.example", "no `@`"),
        ("@evil.example", "before the `@`"),
        ("someone@", "no valid domain"),
        ("a@b@evil.example", "more than one `@`"),
        ("Some One <someone@evil.example>", "just an address"),
        ("<someone@evil.example>", "just an address"),
        ("mailto:someone@evil.example", "just an address"),
        ("someone@evil.example, other", "just an address"),
        ("some one@evil.example", "just an address"),
        ("someone@[192.0.2.1]", "no valid domain"),
        ("someone@192.0.2.1", "is an IP address"),
        ("someone@*.evil.example", "wildcards"),
        ("a" * 310 + "@evil.example", "more than 320"),
    ],
)
def test_what_is_no_address_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    """One attribute holds one address and nothing else."""
    with pytest.raises(NotValid) as error:
        mail_address(text)
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("read", "kind"),
    [
        (subject, Kind.EMAIL_SUBJECT),
        (sender_name, Kind.EMAIL_SENDER_NAME),
        (mailer, Kind.EMAIL_X_MAILER),
    ],
)
@pytest.mark.parametrize("text", ["Re: Your 'invoice' \\ 2", "Größe 😀", "X-Mailer: The  Bat!"])
def test_what_a_mail_says_of_itself_is_kept_byte_for_byte(read: Reader, kind: Kind, text: str) -> None:
    """Odd spaces and doubled headers are how such a mail is told from others."""
    assert read(text) == (Observable(kind, text), ())


@pytest.mark.parametrize(
    ("text", "value", "notes"),
    [
        ("<1.2@evil.example>", "1.2@evil.example", ("angle brackets removed",)),
        ("1.2@evil.example", "1.2@evil.example", ()),
        ("1234", "1234", ()),
    ],
)
def test_a_message_id_is_what_stands_between_the_brackets(text: str, value: str, notes: tuple[str, ...]) -> None:
    """RFC 5322 3.6.4; servers that make none with an `@` exist."""
    assert message_id(text) == (Observable(Kind.EMAIL_MESSAGE_ID, value), notes)


@pytest.mark.parametrize("text", ["<>", "a b", "<a> <b>", "<a", "a>", "Message-ID: <a@b>"])
def test_other_texts_are_no_message_id(text: str) -> None:
    """Two of them, half of one, or the whole header."""
    with pytest.raises(NotValid, match="message id"):
        message_id(text)
