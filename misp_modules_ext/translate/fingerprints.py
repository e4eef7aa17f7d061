"""Fingerprints of certificates and of TLS handshakes.

Certificates' are often copied as a browser shows them, in pairs of digits with colons or spaces between them: those go.
"""

from __future__ import annotations

import re

from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.translate.files import digest
from misp_modules_ext.translate.text import Notes

_PAIRS = re.compile("[0-9A-Fa-f]{2}(?:[: ][0-9A-Fa-f]{2})+")


def certificate(kind: Kind, text: str) -> tuple[Observable, Notes]:
    """Read the fingerprint of an X.509 certificate.

    Raises:
        NotValid: it does not have as many hexadecimal digits as its kind.
    """
    if _PAIRS.fullmatch(text) is None:
        return digest(kind, text)
    observable, notes = digest(kind, text.replace(":", "").replace(" ", ""))
    return observable, ("separators between the digits removed", *notes)


def ja3(text: str) -> tuple[Observable, Notes]:
    """Read the JA3 fingerprint of a TLS client.

    Raises:
        NotValid: it is not 32 hexadecimal digits.
    """
    return digest(Kind.JA3, text)


def ja3s(text: str) -> tuple[Observable, Notes]:
    """Read the JA3S fingerprint of a TLS server.

    Raises:
        NotValid: it is not 32 hexadecimal digits.
    """
    return digest(Kind.JA3S, text)
