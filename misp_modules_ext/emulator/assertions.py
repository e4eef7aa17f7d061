"""Client assertions: what an application with a certificate signs, and what another issuer signs for a workload.

Sources: Microsoft identity platform, "Application authentication certificate credentials" and "Workload identity
federation"; RFC 7515 (x5t, x5t#S256, x5c), RFC 7518 (RS256, PS256), RFC 7523.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from .entra_codes import Refused

#: What a token has to be for, unless the federated credential says otherwise.
EXCHANGE = "api://AzureADTokenExchange"
_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_SKEW = 300.0


@dataclass(frozen=True, slots=True)
class Federation:
    """A federated credential of an application: whose tokens it takes.

    Attributes:
        key: The issuer's public key.
        issuer: The only issuer; empty for any.
        subject: The only subject; empty for any.
        audience: What the token has to be for.
    """

    key: RSAPublicKey
    issuer: str = ""
    subject: str = ""
    audience: str = EXCHANGE


@dataclass(frozen=True, slots=True)
class ManagedIdentity:
    """An identity of the machine: the system's own, or one that users assigned, by its client id."""

    system: bool = False


Credential = str | x509.Certificate | Federation | ManagedIdentity
#: (tenant, application id, credential).
App = tuple[str, str, Credential]


class Expected(NamedTuple):
    """What an assertion has to say.

    Attributes:
        app: The application's id, which issues it and is its subject.
        audiences: Addresses of this token endpoint.
        now: Seconds since 1970.
    """

    app: str
    audiences: frozenset[str]
    now: float


class _Jws(NamedTuple):
    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def read_credential(pem: bytes) -> Credential:
    """The credential in a PEM file: an application's certificate, or the public key of an issuer.

    Raises:
        ValueError: It is neither, or its key is not RSA.
    """
    if b"BEGIN CERTIFICATE" in pem:
        return x509.load_pem_x509_certificate(pem)
    key = load_pem_public_key(pem)
    if not isinstance(key, RSAPublicKey):
        raise ValueError("the key is not RSA")  # noqa: TRY004 - it is the file that is wrong
    return Federation(key)


def check_assertion(form: dict[str, str], expected: Expected, known: Sequence[Credential] | None) -> None:
    """Verify a client assertion: signature, time, issuer, subject, audience.

    Args:
        form: The token request.
        expected: What it has to say.
        known: The application's credentials, or None where any application is taken.

    Raises:
        Refused: It is not good.
    """
    jws = _read(form["client_assertion"])
    if form.get("client_assertion_type") != _TYPE:
        raise Refused(700027, "The client_assertion_type is not supported.")
    if jws.claims.get("iss") == expected.app:
        certificates = None if known is None else [one for one in known if isinstance(one, x509.Certificate)]
        _check_certificate(jws, expected, certificates)
    else:
        _check_federation(jws, expected, [one for one in known or () if isinstance(one, Federation)])


def _check_certificate(jws: _Jws, expected: Expected, known: Sequence[x509.Certificate] | None) -> None:
    certificate = _certificate(jws, known)
    if not _verifies(certificate.public_key(), jws):
        raise Refused(700027, "Client assertion failed signature validation.")
    moment = datetime.fromtimestamp(expected.now, timezone.utc)
    if not certificate.not_valid_before_utc <= moment < certificate.not_valid_after_utc:
        raise Refused(1000502)
    _check_time(jws, expected.now, 700024)
    claims = jws.claims
    if claims.get("sub") != expected.app or not claims.get("jti"):
        raise Refused(50027, "The assertion needs jti, and the application's id as iss and sub.")
    if claims.get("aud") not in expected.audiences:
        raise Refused(50027, "The assertion's aud is not this token endpoint.")


def _certificate(jws: _Jws, known: Sequence[x509.Certificate] | None) -> x509.Certificate:
    """The certificate that the assertion names: a registered one, or where any is taken the one that it brings."""
    brought = _brought(jws)
    candidates = known if known is not None else [brought] if brought is not None else []
    found = next((one for one in candidates if _is_named(one, jws.header)), None)
    if found is None:
        raise Refused(
            700027, "The key was not found: no certificate of the application has the assertion's thumbprint."
        )
    if brought is not None and brought != found:
        raise Refused(700027, "The certificate in x5c is not the one of the thumbprint.")
    return found


def _is_named(certificate: x509.Certificate, header: dict[str, Any]) -> bool:
    """Whether every thumbprint that the header has is this certificate's, and it has one."""
    prints = {"x5t": hashes.SHA1(), "x5t#S256": hashes.SHA256()}  # noqa: S303 - RFC 7515 names SHA-1
    named = {name: algorithm for name, algorithm in prints.items() if name in header}
    return bool(named) and all(
        _bytes(header[name]) == certificate.fingerprint(algorithm) for name, algorithm in named.items()
    )


def _brought(jws: _Jws) -> x509.Certificate | None:
    """The first certificate of x5c."""
    chain = jws.header.get("x5c")
    if chain is None:
        return None
    try:
        return x509.load_der_x509_certificate(base64.b64decode(chain[0]))
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise Refused(700027, "x5c holds no certificate.") from error


def _check_federation(jws: _Jws, expected: Expected, known: Sequence[Federation]) -> None:
    claims = jws.claims
    fitting = [one for one in known if one.issuer in ("", claims.get("iss"))]
    if not fitting:
        raise Refused(700211)
    fitting = [one for one in fitting if one.subject in ("", claims.get("sub"))]
    if not fitting:
        raise Refused(700213)
    fitting = [one for one in fitting if _is_for(one.audience, claims.get("aud"))]
    if not fitting:
        raise Refused(700212)
    if not any(_verifies(one.key, jws) for one in fitting):
        raise Refused(50013, "Assertion failed signature validation.")
    _check_time(jws, expected.now, 700024)


def _is_for(audience: str, aud: object) -> bool:
    """Kubernetes writes the audience as a list (RFC 7519 allows both)."""
    return audience in aud if isinstance(aud, list) else aud == audience


def _check_time(jws: _Jws, now: float, code: int) -> None:
    end, begin = _number(jws.claims.get("exp")), _number(jws.claims.get("nbf", 0))
    if end is None or begin is None or end <= now or begin > now + _SKEW:
        raise Refused(code)


def _number(value: object) -> float | None:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good else None  # type: ignore[arg-type]


def _verifies(key: object, jws: _Jws) -> bool:
    if not isinstance(key, RSAPublicKey):
        return False
    digest = hashes.SHA256()
    ways: dict[Any, padding.AsymmetricPadding] = {
        "RS256": padding.PKCS1v15(),
        "PS256": padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size),
    }
    way = ways.get(jws.header.get("alg"))
    if way is None:
        return False
    try:
        key.verify(jws.signature, jws.signed, way, digest)
    except InvalidSignature:
        return False
    return True


def _read(assertion: str) -> _Jws:
    parts = assertion.split(".")
    try:
        header, claims = (json.loads(_bytes(part)) for part in parts[:2])
        signature = _bytes(parts[2])
    except (ValueError, TypeError, IndexError) as error:
        raise Refused(700027, "The client assertion is no signed JWT.") from error
    if len(parts) != 3 or not isinstance(header, dict) or not isinstance(claims, dict):
        raise Refused(700027, "The client assertion is no signed JWT.")
    return _Jws(header, claims, f"{parts[0]}.{parts[1]}".encode(), signature)


def _bytes(text: Any) -> bytes:
    """Decode base64url with or without its padding; what is none of it decodes to nothing that fits."""
    if not isinstance(text, str):
        return b""
    bare = text.rstrip("=")
    return base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
