"""Certificates of applications, and issuers of federated tokens, made for tests."""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from tests.support.secrecy import register

PASSPHRASE = register("a passphrase; with # signs", "the passphrase of a certificate")
_PEM = serialization.Encoding.PEM
_FORM = serialization.PrivateFormat.PKCS8


@cache
def rsa_key(name: str = "", bits: int = 2048) -> rsa.RSAPrivateKey:
    """The key of that name, made once for each process: that takes a while."""
    assert name is not None
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    for line in key.private_bytes(_PEM, _FORM, serialization.NoEncryption()).decode().splitlines()[3:7]:
        register(line, "a private key")
    return key


class Made:
    """A self-signed certificate with its key.

    Args:
        name: of the key and subject.
        begins: days from now.
        ends: days from now.
        bits: of the key.
    """

    def __init__(self, name: str = "application", begins: float = -1, ends: float = 200, bits: int = 2048) -> None:
        self.key = rsa_key(name, bits)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(timezone.utc)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=begins))
            .not_valid_after(now + timedelta(days=ends))
            .sign(self.key, hashes.SHA256())
        )

    @property
    def certificate_pem(self) -> bytes:
        """The certificate alone."""
        return self.certificate.public_bytes(_PEM)

    def key_pem(self, passphrase: str = "", form: serialization.PrivateFormat = _FORM) -> bytes:
        """The key alone, locked if there is a passphrase."""
        locked = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else None
        encryption = locked or serialization.NoEncryption()
        return self.key.private_bytes(_PEM, form, encryption)

    def pem(self, passphrase: str = "") -> bytes:
        """Both."""
        return self.certificate_pem + self.key_pem(passphrase)

    def pfx(self, passphrase: str = "") -> bytes:
        """Both as PKCS #12."""
        locked = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else None
        encryption = locked or serialization.NoEncryption()
        return pkcs12.serialize_key_and_certificates(b"app", self.key, self.certificate, None, encryption)

    def write(self, path: Path, data: bytes | None = None) -> Path:
        """The file with both in PEM, or with `data`, readable by its owner only."""
        # A new file in its place, as people and programs rotate them.
        fresh = path.with_name(path.name + ".new")
        fresh.write_bytes(self.pem() if data is None else data)
        fresh.chmod(0o600)
        return fresh.replace(path)

    def secrets(self) -> list[str]:
        """Pieces of the private key that must show nowhere."""
        lines = self.key_pem().decode().splitlines()[1:-1]
        return lines[2:6]


def public_pem(key: rsa.RSAPrivateKey) -> bytes:
    """The public half."""
    return key.public_key().public_bytes(_PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def claims(app: str, audience: str, now: float | None = None) -> dict[str, Any]:
    """What an application says of itself."""
    moment = time.time() if now is None else now
    return {"iss": app, "sub": app, "aud": audience, "jti": str(uuid.uuid4()), "iat": moment, "exp": moment + 600}


def federated(issuer: str = "https://issuer.example", **changes: Any) -> dict[str, Any]:
    """What a token of a Kubernetes service account says; `None` leaves a claim out."""
    said = {
        "iss": issuer,
        "sub": "system:serviceaccount:misp:misp-modules",
        "aud": ["api://AzureADTokenExchange"],
        "iat": time.time(),
        "exp": time.time() + 3600,
        **changes,
    }
    return {name: value for name, value in said.items() if value is not None}


def jwt(key: rsa.RSAPrivateKey, said: Mapping[str, Any], header: Mapping[str, Any] | None = None) -> str:
    """A signed JWT; RS256 unless the header says PS256."""
    head = {"typ": "JWT", "alg": "RS256", **(header or {})}
    signed = ".".join(_encoded(json.dumps(part).encode()) for part in (head, dict(said)))
    digest = hashes.SHA256()
    pss = padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)
    way: padding.AsymmetricPadding = pss if head["alg"] == "PS256" else padding.PKCS1v15()
    return f"{signed}.{_encoded(key.sign(signed.encode(), way, digest))}"


def header_of(certificate: x509.Certificate, *, chain: bool = True, sha1: bool = False) -> dict[str, Any]:
    """What a header says of the signer's certificate."""
    name, algorithm = ("x5t", hashes.SHA1()) if sha1 else ("x5t#S256", hashes.SHA256())  # noqa: S303
    head: dict[str, Any] = {name: _encoded(certificate.fingerprint(algorithm))}  # type: ignore[arg-type]
    if chain:
        head["x5c"] = [base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()]
    return head


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
