"""Fingerprints of certificates and TLS, in the spellings that tools copy."""

from __future__ import annotations

import pytest

from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.translate.fingerprints import certificate, ja3, ja3s
from misp_modules_ext.translate.text import NotValid

LOWER, SEPARATORS = "written in lower case", "separators between the digits removed"
CERTIFICATES = [(Kind.X509_MD5, 16), (Kind.X509_SHA1, 20), (Kind.X509_SHA256, 32)]


@pytest.mark.parametrize(("kind", "size"), CERTIFICATES)
def test_a_fingerprint_has_one_spelling(kind: Kind, size: int) -> None:
    """As OpenSSL prints it, as a browser shows it, and plain."""
    observable = Observable(kind, "0a" * size)
    assert certificate(kind, "0a" * size) == (observable, ())
    assert certificate(kind, "0A" * size) == (observable, (LOWER,))
    assert certificate(kind, ":".join(["0A"] * size)) == (observable, (SEPARATORS, LOWER))
    assert certificate(kind, " ".join(["0a"] * size)) == (observable, (SEPARATORS,))


@pytest.mark.parametrize(("kind", "size"), CERTIFICATES)
def test_a_fingerprint_of_another_length_is_refused(kind: Kind, size: int) -> None:
    """Also when it is only the separators that are in the wrong places."""
    for text in ("0a" * (size - 1), ":".join(["0a"] * (size + 1)), ":" + ":".join(["0a"] * size), "0g" * size):
        with pytest.raises(NotValid, match="fingerprint"):
            certificate(kind, text)


def test_fingerprints_of_clients_and_servers_are_two_kinds() -> None:
    """The same digits mean something else."""
    assert ja3("0A" * 16) == (Observable(Kind.JA3, "0a" * 16), (LOWER,))
    assert ja3s("0a" * 16) == (Observable(Kind.JA3S, "0a" * 16), ())
    with pytest.raises(NotValid, match="JA3 fingerprint"):
        ja3("769,47-53-5-10-49161,0-10-11,23-24-25,0")
