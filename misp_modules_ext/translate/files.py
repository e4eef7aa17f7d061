"""Hashes of files, and their names and paths.

Hashes in hexadecimal digits are written in lower case. The two fuzzy ones have case that counts (ssdeep's base64), or a
spelling of their own: a TLSH is `T1` and 70 digits in upper case, as its library writes it since version 4; older ones
lack the `T1`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.translate.text import Notes, NotValid, shown


class Digest(NamedTuple):
    """What a hash looks like.

    Attributes:
        name: with its article, for sentences.
        length: hexadecimal digits.
    """

    name: str
    length: int


#: Hashes of files in hexadecimal digits: MISP attribute type -> kind.
HASHES: Mapping[str, Kind] = MappingProxyType(
    {
        "md5": Kind.FILE_MD5,
        "sha1": Kind.FILE_SHA1,
        "sha224": Kind.FILE_SHA224,
        "sha256": Kind.FILE_SHA256,
        "sha384": Kind.FILE_SHA384,
        "sha512": Kind.FILE_SHA512,
        "sha512/224": Kind.FILE_SHA512_224,
        "sha512/256": Kind.FILE_SHA512_256,
        "sha3-224": Kind.FILE_SHA3_224,
        "sha3-256": Kind.FILE_SHA3_256,
        "sha3-384": Kind.FILE_SHA3_384,
        "sha3-512": Kind.FILE_SHA3_512,
        "authentihash": Kind.FILE_AUTHENTIHASH,
        "imphash": Kind.FILE_IMPHASH,
    }
)
_DIGESTS: Mapping[Kind, Digest] = {
    Kind.FILE_MD5: Digest("an MD5", 32),
    Kind.FILE_SHA1: Digest("a SHA-1", 40),
    Kind.FILE_SHA224: Digest("a SHA-224", 56),
    Kind.FILE_SHA256: Digest("a SHA-256", 64),
    Kind.FILE_SHA384: Digest("a SHA-384", 96),
    Kind.FILE_SHA512: Digest("a SHA-512", 128),
    Kind.FILE_SHA512_224: Digest("a SHA-512/224", 56),
    Kind.FILE_SHA512_256: Digest("a SHA-512/256", 64),
    Kind.FILE_SHA3_224: Digest("a SHA3-224", 56),
    Kind.FILE_SHA3_256: Digest("a SHA3-256", 64),
    Kind.FILE_SHA3_384: Digest("a SHA3-384", 96),
    Kind.FILE_SHA3_512: Digest("a SHA3-512", 128),
    Kind.FILE_AUTHENTIHASH: Digest("an authentihash", 64),
    Kind.FILE_IMPHASH: Digest("an imphash", 32),
    Kind.X509_MD5: Digest("an MD5 fingerprint", 32),
    Kind.X509_SHA1: Digest("a SHA-1 fingerprint", 40),
    Kind.X509_SHA256: Digest("a SHA-256 fingerprint", 64),
    Kind.JA3: Digest("a JA3 fingerprint", 32),
    Kind.JA3S: Digest("a JA3S fingerprint", 32),
}
#: What a hash of a wrong length may be.
_TYPES = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
_LOWER_HEX = re.compile("[0-9a-f]+")
# Block size, and the hashes of blocks of that size and of twice that size: 64 characters at most each.
_SSDEEP = re.compile(r"([0-9]{1,10}):([0-9A-Za-z/+]{1,64}):([0-9A-Za-z/+]{1,64})")
_SMALLEST_BLOCK = 3
_TLSH = re.compile("(?:T1)?([0-9A-F]{70})")
_FOLDER = re.compile(r"[/\\]")
#: Windows' own prefixes before a path that is taken as it stands, `\\?\` and `\\.\`.
_VERBATIM = re.compile(r"\\\\[?.]\\")
_WILDCARD = re.compile("[*?]")


def digest(kind: Kind, text: str) -> tuple[Observable, Notes]:
    """Read a hash in hexadecimal digits.

    Raises:
        NotValid: it does not have as many of them as its kind.
    """
    if len(text) == _DIGESTS[kind].length:
        if _LOWER_HEX.fullmatch(text):
            return Observable(kind, text), ()
        # Only ASCII: lower() makes ASCII out of the Kelvin sign and its like.
        if text.isascii() and _LOWER_HEX.fullmatch(text.lower()):
            return Observable(kind, text.lower()), ("written in lower case",)
    raise NotValid(_why_not(kind, text))


#: Readers of a hash; each raises `NotValid` when it is not as many hexadecimal digits as it should be.
md5: Callable[[str], tuple[Observable, Notes]] = partial(digest, Kind.FILE_MD5)
sha1: Callable[[str], tuple[Observable, Notes]] = partial(digest, Kind.FILE_SHA1)
sha256: Callable[[str], tuple[Observable, Notes]] = partial(digest, Kind.FILE_SHA256)


def ssdeep(text: str) -> tuple[Observable, Notes]:
    """Read a fuzzy hash of ssdeep.

    Raises:
        NotValid: it is not `block size:hash:hash`, with a block size of 3, 6, 12 and so on.
    """
    found = _SSDEEP.fullmatch(text)
    if found is None:
        raise NotValid(f"{shown(text)} is not an ssdeep hash, `block size:hash:hash` without a file name.")
    blocks, rest = divmod(int(found.group(1)), _SMALLEST_BLOCK)
    if rest or blocks < 1 or blocks & (blocks - 1):
        raise NotValid(f"{shown(text)} is not an ssdeep hash: its block size is not 3, 6, 12, 24 and so on.")
    return Observable(Kind.FILE_SSDEEP, text), ()


def tlsh(text: str) -> tuple[Observable, Notes]:
    """Read a fuzzy hash of TLSH.

    Raises:
        NotValid: it is not 70 hexadecimal digits, with or without the `T1` before them.
    """
    found = _TLSH.fullmatch(text.upper()) if text.isascii() else None
    if found is None:
        raise NotValid(f"{shown(text)} is not a TLSH hash: it should be `T1` and 70 hexadecimal digits.")
    written = f"T1{found.group(1)}"
    return Observable(Kind.FILE_TLSH, written), () if written == text else ("written as TLSH 4 does",)


def file_name_or_path(text: str) -> tuple[Observable, Notes]:
    """Read a file name; one with folders is a path, which no sensor compares with a name.

    Raises:
        NotValid: it stands for many files, or for a folder.
    """
    _refuse_pattern(text)
    return Observable(Kind.FILE_PATH if _FOLDER.search(text) else Kind.FILE_NAME, text), ()


def file_path(text: str) -> tuple[Observable, Notes]:
    """Read the path of a file; it is kept byte for byte.

    Raises:
        NotValid: there is no folder in it, or it stands for many files.
    """
    _refuse_pattern(text)
    if _FOLDER.search(text) is None:
        raise NotValid(f"{shown(text)} is a file name without its folder: give it the type or relation `filename`.")
    return Observable(Kind.FILE_PATH, text), ()


def _refuse_pattern(text: str) -> None:
    """Refuse what names no single file: no sensor looks for it, or it would match what every machine has."""
    named = text[4:] if _VERBATIM.match(text) else text
    if _WILDCARD.search(named):
        raise NotValid(
            f"{shown(text)} stands for many files: `*` and `?` make it a pattern. Give it the type `filename-pattern`, "
            "or write the name of one file."
        )
    if named in (".", ".."):
        raise NotValid(f"{shown(text)} is a folder of every machine, not the name of a file.")


def _why_not(kind: Kind, text: str) -> str:
    name, wanted = _DIGESTS[kind]
    if not (text.isascii() and _LOWER_HEX.fullmatch(text.lower())):
        return f"{shown(text)} is not {name}: it holds other characters than 0-9 and a-f."
    other = _TYPES.get(len(text))
    hint = f" It looks like the type `{other}`." if other else ""
    return f"{shown(text)} is not {name}: it has {len(text)} hexadecimal digits and should have {wanted}.{hint}"
