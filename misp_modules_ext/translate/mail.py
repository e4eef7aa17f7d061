"""What a mail says of itself.

Of an address the domain is normalised like any other; the local part is kept byte for byte (RFC 5321 2.4). A message id
is what stands between the angle brackets (RFC 5322 3.6.4). Subjects, names and mailers are kept byte for byte.
"""

from __future__ import annotations

import re

from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.translate.hosts import host_name, is_normal_name
from misp_modules_ext.translate.text import DEFANGED_AT, DEFANGED_DOT, Notes, NotValid, refang, refang_note, shown

_SPACE = re.compile(r"\s")
# RFC 5322 3.2.3 and RFC 6531: everything but white space and the specials, or a quoted string.
_LOCAL = re.compile(r"""[^\s@()<>\[\]:;,\\"]+|"[^\s@"]+\"""")
# `{.}` is missing: braces are allowed in a local part.
_DOT_IN_LOCAL = re.compile(r" ?(?:\[(?:\.|dot)\]|\((?:\.|dot)\)) ?", re.IGNORECASE)
_MESSAGE_ID = re.compile(r"[^\s<>]+")
_MAX_LENGTH = 320  # 64 octets of local part, the @, 255 of domain (RFC 5321 4.5.3.1)


def mail_address(text: str) -> tuple[Observable, Notes]:
    """Read an e-mail address.

    Raises:
        NotValid: it is not exactly `local@domain` with a valid domain.
    """
    local, _, name = text.partition("@")
    if len(text) <= _MAX_LENGTH and is_normal_name(name) and _LOCAL.fullmatch(local):
        return Observable(Kind.EMAIL_ADDR, text), ()
    plain = _refanged(text)
    local, at, name = plain.partition("@")
    _check(text, plain, local, at)
    try:
        normal, notes = host_name(name)
    except NotValid as error:
        raise NotValid(f"{shown(text)} has no valid domain. {error}") from error
    return Observable(Kind.EMAIL_ADDR, f"{local}@{normal}"), refang_note(text, plain) + notes


def subject(text: str) -> tuple[Observable, Notes]:
    """Read the subject of a mail."""
    return Observable(Kind.EMAIL_SUBJECT, text), ()


def sender_name(text: str) -> tuple[Observable, Notes]:
    """Read the name that a sender gives himself."""
    return Observable(Kind.EMAIL_SENDER_NAME, text), ()


def mailer(text: str) -> tuple[Observable, Notes]:
    """Read what a mail says it was written with (`X-Mailer`)."""
    return Observable(Kind.EMAIL_X_MAILER, text), ()


def message_id(text: str) -> tuple[Observable, Notes]:
    """Read a message id.

    Raises:
        NotValid: white space, or angle brackets elsewhere than around it.
    """
    inner = text[1:-1] if text.startswith("<") and text.endswith(">") else text
    if _MESSAGE_ID.fullmatch(inner) is None:
        raise NotValid(f"{shown(text)} is not a message id: it is one word, with or without angle brackets around it.")
    return Observable(Kind.EMAIL_MESSAGE_ID, inner), () if inner == text else ("angle brackets removed",)


def _refanged(text: str) -> str:
    """Undo `[at]` and defanged dots; in the local part only where braces cannot be meant as they stand."""
    plain = text if "@" in DEFANGED_AT.sub("", text) else DEFANGED_AT.sub("@", text)
    local, at, name = plain.rpartition("@")
    for spelling in set(DEFANGED_DOT.findall(name)):
        local = local.replace(spelling, ".")
    return _DOT_IN_LOCAL.sub(".", local) + at + refang(name)


def _check(text: str, plain: str, local: str, at: str) -> None:
    if not at:
        raise NotValid(f"{shown(text)} is not an e-mail address: there is no `@`.")
    if not local:
        raise NotValid(f"{shown(text)} is not an e-mail address: nothing stands before the `@`.")
    if plain.count("@") > 1:
        raise NotValid(f"{shown(text)} has more than one `@`: one attribute holds one address, without a name.")
    if _LOCAL.fullmatch(local) is None or _SPACE.search(plain):
        raise NotValid(f"{shown(text)} is not just an address: keep only `local@domain`, without name and brackets.")
    if len(plain) > _MAX_LENGTH:
        raise NotValid(f"{shown(text)} has more than {_MAX_LENGTH} characters, which no e-mail address has.")
