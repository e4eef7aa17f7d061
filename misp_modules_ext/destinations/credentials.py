"""What an application shows to Entra: a secret, a certificate's signature, or a token from a file.

Each is looked up again where it came from for every sign-in, so that one that was replaced works without a restart.
"""

from __future__ import annotations

import base64
import hashlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import orjson
from pydantic import SecretStr

from misp_modules_ext.config import files, ini, values
from misp_modules_ext.config.findings import Invalid
from misp_modules_ext.config.settings import Auth, DestinationSettings
from misp_modules_ext.destinations.msal_http import NoAnswerError
from misp_modules_ext.errors import TO_DO, CredentialsRefused

if TYPE_CHECKING:
    from misp_modules_ext.config.certificates import ClientCertificate

#: Days before its end from which `check` asks for a new certificate.
SOON = 30
#: Makes fingerprints of secrets useless outside this process.
_SALT = os.urandom(32)
_RENEW = "make a new certificate, upload it to the application's registration, and replace the file `certificate`."


@dataclass(frozen=True, slots=True)
class Credential:
    """What an application shows.

    Attributes:
        fingerprint: differs when the credential does.
        shown: gives what MSAL calls `client_credential`.
    """

    fingerprint: bytes
    shown: Callable[[], object] = field(repr=False)


class Outlook(NamedTuple):
    """How long a credential is good, as sentences; `remedy` is `""` while there is time."""

    answer: str
    remedy: str = ""


def credential_of(settings: DestinationSettings) -> Credential:
    """What the destination's application shows now.

    Raises:
        CredentialsRefused: its certificate is not good today, so that Entra need not be asked.
    """
    if settings.auth is Auth.CERTIFICATE:
        return _by_certificate(settings)
    if settings.auth is Auth.WORKLOAD_IDENTITY:
        path = settings.federated_token_file or Path()
        read = partial(_assertion, path, settings.name)
        return Credential(fingerprint(str(path)), lambda: {"client_assertion": read})
    secret = _current(settings, "app_secret", settings.app_secret) or settings.app_secret
    return Credential(fingerprint(secret.get_secret_value()), secret.get_secret_value)


def fingerprint(*parts: str) -> bytes:
    """Tells credentials apart within this process; nothing can be learned from it outside."""
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, key=_SALT, digest_size=16).digest()


def outlook(settings: DestinationSettings) -> Outlook:
    """Until when the credential is good, as far as that can be seen from here.

    Raises:
        CredentialsRefused: the certificate is not good today.
    """
    if settings.auth is Auth.CERTIFICATE:
        found = _good(settings)
        days = (found.not_after - _now()).days
        answer = f"The certificate {found.thumbprint} is good until {found.not_after:%Y-%m-%d} ({days} days)."
        return Outlook(answer, _RENEW if days < SOON else "")
    if settings.auth is Auth.WORKLOAD_IDENTITY:
        return _outlook_of_token(settings.federated_token_file or Path())
    if settings.auth is Auth.MANAGED_IDENTITY:
        return Outlook("Azure renews what a managed identity signs in with.")
    return Outlook(
        "An application cannot see when its secret expires: that stands in Entra ID > App registrations > the "
        "application > Certificates & secrets."
    )


def _current(settings: DestinationSettings, field_name: str, known: SecretStr | None) -> SecretStr | None:
    """A secret as it is now where it comes from; while it cannot be read there, the one that is known."""
    source = dict(settings.references).get(field_name)
    if source is None:
        return known
    try:
        return values.secret(ini.References(os.environ).resolve(source).text)
    except Invalid:
        return known


def _by_certificate(settings: DestinationSettings) -> Credential:
    found = _good(settings)
    # Without a thumbprint of SHA-1, MSAL signs with PS256 and sends that of SHA-256. It sends the certificate, too,
    # which an application that trusts subject name and issuer (SNI) needs; the thumbprint counts for any other.
    return Credential(
        fingerprint(found.key.get_secret_value(), found.certificate),
        lambda: {"private_key": found.key.get_secret_value(), "public_certificate": found.certificate},
    )


def _good(settings: DestinationSettings) -> ClientCertificate:
    """The certificate, if it is good today."""
    found = _certificate(settings)
    now = _now()
    if now >= found.not_after:
        happened = f"The certificate {found.thumbprint} of [{settings.name}] expired on {found.not_after:%Y-%m-%d}."
        raise CredentialsRefused(f"{happened}{TO_DO}{_RENEW}")
    if now < found.not_before:
        raise CredentialsRefused(
            f"The certificate {found.thumbprint} of [{settings.name}] is good from {found.not_before:%Y-%m-%d %H:%M} "
            f"UTC on only.{TO_DO}wait until then, or correct this machine's clock."
        )
    return found


class _Read(NamedTuple):
    signature: files.Signature | None
    certificate: ClientCertificate


_read: dict[tuple[Path, bytes], _Read] = {}
_lock = threading.Lock()


def _certificate(settings: DestinationSettings) -> ClientCertificate:
    """The certificate as it is in its file now; while the file cannot be used, the one that was read last."""
    from misp_modules_ext.config import certificates  # noqa: PLC0415 - slow to import, and most have no certificate

    path = settings.certificate or Path()
    password = _current(settings, "certificate_password", settings.certificate_password)
    key = (path, fingerprint(settings.name, password.get_secret_value() if password else ""))
    signature = files.signature(path)
    with _lock:
        known = _read.get(key)
        if known is not None and known.signature == signature:
            return known.certificate
        try:
            found = certificates.read(path, password).certificate
        except Invalid as error:
            if known is not None:
                return known.certificate
            failure = CredentialsRefused(
                f"The file `certificate` of [{settings.name}] {error.message}{TO_DO}{error.remedy}"
            )
        else:
            _read[key] = _Read(signature, found)
            return found
    raise failure


def _assertion(path: Path, section: str) -> str:
    """The token of a workload identity as it is in its file now. Called by MSAL when it makes a request."""
    try:
        token = files.text(files.read(path).data).strip()
    except Invalid as error:
        happened, remedy = error.message, error.remedy
    else:
        if token:
            return token
        happened, remedy = f"is empty: {path}.", "See why nobody writes the token."
    raise NoAnswerError(CredentialsRefused(f"The file `federatedTokenFile` of [{section}] {happened}{TO_DO}{remedy}"))


def _outlook_of_token(path: Path) -> Outlook:
    end = _end_of(path)
    if end is None:
        return Outlook(f"Until when the token in {path} is good cannot be seen.")
    when = datetime.fromtimestamp(end, timezone.utc)
    if end > time.time():
        return Outlook(
            f"The token in {path} is good until {when:%Y-%m-%d %H:%M} UTC, and is renewed by whoever writes it."
        )
    return Outlook(f"The token in {path} has expired on {when:%Y-%m-%d %H:%M} UTC.", "See why it is not renewed.")


def _end_of(path: Path) -> float | None:
    """When a JWT in a file ends, seconds since 1970 UTC; `None` when that cannot be read."""
    try:
        part = files.text(files.read(path).data).split(".")[1]
        claims = orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (Invalid, ValueError, IndexError):
        return None
    end = claims.get("exp") if isinstance(claims, dict) else None
    return float(end) if isinstance(end, (int, float)) and 0 < end < 1e11 else None


def _now() -> datetime:
    return datetime.now(timezone.utc)
