"""Certificates with their keys, in every form that people have them, and what is wrong with the others."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from pydantic import SecretStr

from misp_modules_ext.config import certificates
from misp_modules_ext.config.findings import Invalid
from tests.support.certificates import PASSPHRASE, Made

WRONG = SecretStr("another passphrase")


@pytest.fixture(scope="module")
def made() -> Made:
    """A certificate."""
    return Made()


def _traditional(made: Made, passphrase: str = "") -> bytes:
    return made.key_pem(passphrase, serialization.PrivateFormat.TraditionalOpenSSL)


def test_every_form_gives_the_same(made: Made, tmp_path: Path) -> None:
    """PEM in both orders, with a locked key of either kind, with the issuer's certificate before it; PFX."""
    issuer = Made("issuer")
    forms = {
        "certificate first": (made.pem(), ""),
        "key first": (made.key_pem() + made.certificate_pem, ""),
        "needless passphrase": (made.pem(), PASSPHRASE),
        "chain": (issuer.certificate_pem + made.pem(), ""),
        "locked": (made.pem(PASSPHRASE), PASSPHRASE),
        "old form": (_traditional(made) + made.certificate_pem, ""),
        "old form, locked": (_traditional(made, PASSPHRASE) + made.certificate_pem, PASSPHRASE),
        "text around it": (b"Bag Attributes\n" + made.pem().replace(b"\n", b"\r\n"), ""),
        "PFX": (made.pfx(), ""),
        "PFX, locked": (made.pfx(PASSPHRASE), PASSPHRASE),
    }
    for name, (data, passphrase) in forms.items():
        path = made.write(tmp_path / "application", data)
        found = certificates.read(path, SecretStr(passphrase) if passphrase else None).certificate
        assert found.certificate == made.certificate_pem.decode(), name
        assert found.key.get_secret_value() == made.key_pem().decode(), name
        assert found.not_after == made.certificate.not_valid_after_utc


def _problem(folder: Path, data: bytes, password: SecretStr | None = None) -> Invalid:
    path = folder / "application.pem"
    path.write_bytes(data)
    with pytest.raises(Invalid) as caught:
        certificates.read(path, password)
    assert str(path) in caught.value.message
    assert caught.value.remedy.endswith(("key", ".", "application.key"))
    assert caught.value.__cause__ is None
    return caught.value


def test_what_is_wrong_is_told_apart(made: Made, tmp_path: Path) -> None:
    """Each in its own words."""
    elliptic = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    der = made.certificate.public_bytes(serialization.Encoding.DER)
    only_certificate = pkcs12.serialize_key_and_certificates(
        b"app", None, None, [made.certificate], serialization.NoEncryption()
    )
    only_key = pkcs12.serialize_key_and_certificates(b"app", made.key, None, None, serialization.NoEncryption())
    wrong: list[tuple[bytes, SecretStr | None, str]] = [
        (made.key_pem(), None, "holds no certificate"),
        (made.certificate_pem, None, "a certificate, but no private key"),
        (der, None, "a certificate, but no private key"),
        (made.pem(PASSPHRASE), None, "locked with a passphrase"),
        (made.pem(PASSPHRASE), WRONG, "cannot be unlocked with certificatePassword"),
        (_traditional(made, PASSPHRASE) + made.certificate_pem, WRONG, "cannot be unlocked with certificatePassword"),
        (Made("other").key_pem() + made.certificate_pem, None, "belongs to none of its certificates"),
        (elliptic + made.certificate_pem, None, "not RSA"),
        (Made("weak", bits=1024).pem(), None, "1024 bits"),
        (made.pem().replace(b"PRIVATE KEY-----\nMII", b"PRIVATE KEY-----\nAAA"), None, "cannot be read"),
        (made.pfx(PASSPHRASE), None, "cannot be opened without a passphrase"),
        (made.pfx(PASSPHRASE), WRONG, "certificatePassword is wrong, or"),
        (only_certificate, None, "holds no private key"),
        (only_key, None, "holds no certificate"),
        (b"", None, "neither PEM nor PFX"),
        (b"secret", SecretStr("x"), "neither PEM nor PFX"),
    ]
    for data, password, words in wrong:
        assert words in _problem(tmp_path, data, password).message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """As for any other file."""
    with pytest.raises(Invalid, match="does not exist"):
        certificates.read(tmp_path / "absent.pem")


def test_neither_key_nor_passphrase_shows(made: Made, tmp_path: Path) -> None:
    """In the record's representation, and in the problem with the values of its frames in our code."""
    path = made.write(tmp_path / "application.pem")
    secrets = made.secrets()
    assert secrets
    assert not any(secret in repr(certificates.read(path)) for secret in secrets)
    made.write(path, made.pem(PASSPHRASE))
    with pytest.raises(Invalid) as caught:
        certificates.read(path, WRONG)
    shown = "".join(traceback.format_exception(caught.value))
    assert WRONG.get_secret_value() not in shown
