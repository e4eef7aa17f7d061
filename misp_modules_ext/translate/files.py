"""File hashes and file names."""

from __future__ import annotations

import re

from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.translate.text import Notes, NotValid, shown

_NAMES = {Kind.FILE_MD5: "an MD5", Kind.FILE_SHA1: "a SHA-1", Kind.FILE_SHA256: "a SHA-256"}
_LENGTHS = {Kind.FILE_MD5: 32, Kind.FILE_SHA1: 40, Kind.FILE_SHA256: 64}
_TYPES = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
_LOWER_HEX = re.compile("[0-9a-f]+")


def md5(text: str) -> tuple[Observable, Notes]:
    """Read an MD5.

    Raises:
        NotValid: it is not 32 hexadecimal digits.
    """
    return _digest(Kind.FILE_MD5, text)


def sha1(text: str) -> tuple[Observable, Notes]:
    """Read a SHA-1.

    Raises:
        NotValid: it is not 40 hexadecimal digits.
    """
    return _digest(Kind.FILE_SHA1, text)


def sha256(text: str) -> tuple[Observable, Notes]:
    """Read a SHA-256.

    Raises:
        NotValid: it is not 64 hexadecimal digits.
    """
    return _digest(Kind.FILE_SHA256, text)


def file_name(text: str) -> tuple[Observable, Notes]:
    """Read a file name; what MISP holds is kept, a path included."""
    return Observable(Kind.FILE_NAME, text), ()


def _digest(kind: Kind, text: str) -> tuple[Observable, Notes]:
    if len(text) == _LENGTHS[kind]:
        if _LOWER_HEX.fullmatch(text):
            return Observable(kind, text), ()
        # Only ASCII: lower() makes ASCII out of the Kelvin sign and its like.
        if text.isascii() and _LOWER_HEX.fullmatch(text.lower()):
            return Observable(kind, text.lower()), ("written in lower case",)
    raise NotValid(_why_not(kind, text))


def _why_not(kind: Kind, text: str) -> str:
    name, wanted = _NAMES[kind], _LENGTHS[kind]
    if not (text.isascii() and _LOWER_HEX.fullmatch(text.lower())):
        return f"{shown(text)} is not {name}: it holds other characters than 0-9 and a-f."
    other = _TYPES.get(len(text))
    hint = f" It looks like the type `{other}`." if other else ""
    return f"{shown(text)} is not {name}: it has {len(text)} hexadecimal digits and should have {wanted}.{hint}"
