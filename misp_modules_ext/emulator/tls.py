"""The emulator's certificate authority and server certificate."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import trustme

CA_FILE = "ca.pem"
CA_KEY_FILE = "ca-key.pem"
NAMES = ("127.0.0.1", "::1", "localhost")


def authority(folder: Path) -> trustme.CA:
    """The CA kept in `folder`, made at the first call; the key file is readable by its owner only.

    Raises:
        OSError: The folder cannot be read or written.
    """
    certificate, key = folder / CA_FILE, folder / CA_KEY_FILE
    if certificate.exists() and key.exists():
        return trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes())
    made = trustme.CA(organization_name="misp-modules-ext emulator")
    write_private(key, made.private_key_pem.bytes())
    certificate.write_bytes(made.cert_pem.bytes())
    return made


def server_context(made: trustme.CA) -> ssl.SSLContext:
    """A TLS server context with a fresh certificate for the loopback names."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.issue_cert(*NAMES).configure_cert(context)
    return context


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    draft.replace(path)
