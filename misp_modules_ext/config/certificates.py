"""Reading the certificate of an application with its private key, from PEM or PFX (PKCS #12).

Entra takes RSA keys only (Microsoft identity platform, "Application authentication certificate credentials").
`cryptography` takes a while to import, so this module is imported when the first certificate is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import pkcs12
from pydantic import SecretStr

from misp_modules_ext.config import files
from misp_modules_ext.config.findings import Invalid

_KEY = re.compile(rb"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----.*?-----END \1-----", re.DOTALL)
_FEWEST_BITS = 2_048
_BOTH = "Put certificate and private key into one file, for example: cat application.crt application.key"
_REMAKE = "Make the file again, as docs/install.md shows."


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A certificate that can be used.

    Attributes:
        key: the private key, PEM without passphrase.
        certificate: PEM of the certificate alone, without those that issued it.
        thumbprint: SHA-1 in upper case, as Entra's page of the application shows it.
        not_before: from when it is good, UTC.
        not_after: until when it is good, UTC.
    """

    key: SecretStr
    certificate: str
    thumbprint: str
    not_before: datetime
    not_after: datetime


class Found(NamedTuple):
    """A certificate, and whether every user of the machine can read its file."""

    certificate: ClientCertificate
    world_readable: bool


def read(path: Path, password: SecretStr | None = None) -> Found:
    """Read a certificate with its key; whether it is good today is not looked at.

    Args:
        path: a PEM file with both, in any order and with further certificates, or a PFX.
        password: of the key, or of the PFX.

    Raises:
        Invalid: it cannot be used; the message begins in the middle of a sentence about the file.
    """
    content = files.read(path)
    phrase = password.get_secret_value().encode() if password is not None else None
    pem = b"-----BEGIN " in content.data
    key, certificates = _from_pem(content.data, phrase, path) if pem else _from_pfx(content.data, phrase, path)
    return Found(_checked(key, certificates, path), content.world_readable)


def _from_pem(data: bytes, phrase: bytes | None, path: Path) -> tuple[object, list[x509.Certificate]]:

    block = _KEY.search(data)
    try:
        certificates = x509.load_pem_x509_certificates(data)
    except ValueError:
        certificates = []
    if not certificates:
        raise Invalid(f"holds no certificate: {path}.", _BOTH)
    if block is None:
        raise Invalid(f"holds a certificate, but no private key: {path}.", _BOTH)
    return _pem_key(block[0], phrase, path), certificates


def _pem_key(block: bytes, phrase: bytes | None, path: Path) -> object:

    locked = b"ENCRYPTED" in block
    if locked and phrase is None:
        raise Invalid(f"holds a key that is locked with a passphrase: {path}.", "Set certificatePassword.")
    try:
        # A passphrase for a key that has none is an error to cryptography, and no harm.
        return serialization.load_pem_private_key(block, phrase if locked else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        if locked:
            raise _wrong_passphrase(path) from None
    raise Invalid(f"holds a private key that cannot be read: {path}.", _REMAKE)


def _from_pfx(data: bytes, phrase: bytes | None, path: Path) -> tuple[object, list[x509.Certificate]]:

    try:
        key, certificate, further = pkcs12.load_key_and_certificates(data, phrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        try:
            x509.load_der_x509_certificate(data)
        except ValueError:
            raise _not_opened(path, phrase) from None
        raise Invalid(f"holds a certificate, but no private key: {path}.", _BOTH) from None
    certificates = [found for found in (certificate, *further) if found is not None]
    if key is None:
        raise Invalid(f"holds no private key: {path}.", "Export the PFX with its private key.")
    if not certificates:
        raise Invalid(f"holds no certificate: {path}.", "Export the PFX with its certificate.")
    return key, certificates


def _not_opened(path: Path, phrase: bytes | None) -> Invalid:
    if phrase is not None:
        return Invalid(
            f"cannot be opened: certificatePassword is wrong, or it is neither PEM nor PFX: {path}.",
            "Correct certificatePassword, or name the right file.",
        )
    return Invalid(
        f"cannot be opened without a passphrase, or is neither PEM nor PFX: {path}.",
        "Set certificatePassword, or name the right file.",
    )


def _wrong_passphrase(path: Path) -> Invalid:
    return Invalid(f"cannot be unlocked with certificatePassword: {path}.", "Correct certificatePassword.")


def _checked(key: object, certificates: Iterable[x509.Certificate], path: Path) -> ClientCertificate:

    if not isinstance(key, RSAPrivateKey):
        raise Invalid(f"holds a key that is not RSA, which Entra does not take: {path}.", _REMAKE)
    if key.key_size < _FEWEST_BITS:
        raise Invalid(f"holds a key of {key.key_size} bits, which is too weak: {path}.", _REMAKE)
    certificate = next((found for found in certificates if _belongs(found, key)), None)
    if certificate is None:
        raise Invalid(f"holds a private key that belongs to none of its certificates: {path}.", _BOTH)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return ClientCertificate(
        key=SecretStr(private.decode()),
        certificate=certificate.public_bytes(pem).decode(),
        # A name that people compare with what Entra shows, not a protection.
        thumbprint=certificate.fingerprint(hashes.SHA1()).hex().upper(),  # noqa: S303
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


def _belongs(certificate: x509.Certificate, key: RSAPrivateKey) -> bool:
    """Whether a certificate is about the public half of a key, which is compared in its encoded form."""
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return certificate.public_key().public_bytes(*form) == key.public_key().public_bytes(*form)
