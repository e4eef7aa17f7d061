"""Addresses of cryptocurrencies, each with its checksum; of Monero's only the form, since its checksum is Keccak's.

Sources: Bitcoin's base58check; BIP 173 and BIP 350 (bech32, bech32m); Dash Core's version bytes; Monero's standard
addresses (95 characters) and integrated ones (106).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256

from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.translate.text import Notes, NotValid, shown

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_DIGIT58 = {char: number for number, char in enumerate(_BASE58)}
_BASE32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_DIGIT32 = {char: number for number, char in enumerate(_BASE32)}
_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
#: What the checksum of version 0 comes to (bech32), and that of all later ones (bech32m).
_BECH32, _BECH32M = 1, 0x2BC830A3
_PREFIX = "bc"
# Addresses have 20 bytes of hash between a byte of version and four of checksum.
_BASE58_FORM = re.compile(rf"[{_BASE58}]{{25,36}}")
# Version 0 (q) with a hash of 20 or 32 bytes, version 1 (p, Taproot) with 32; each with six characters of checksum.
_SEGWIT_FORM = re.compile(rf"{_PREFIX}1(?:q[{_BASE32}]{{38}}|[qp][{_BASE32}]{{58}})")
_PAYLOAD = 25
_VERSIONS_BTC = frozenset({0, 5})
_VERSIONS_DASH = frozenset({76, 16})
_XMR = re.compile(rf"[48][{_BASE58}]{{94}}|4[{_BASE58}]{{105}}")


def btc(text: str) -> tuple[Observable, Notes]:
    """Read an address of Bitcoin.

    Raises:
        NotValid: it is none of the main network, or its checksum is wrong.
    """
    lowered = text.lower()
    if lowered.startswith(f"{_PREFIX}1") and text in (lowered, text.upper()):
        if _is_segwit(lowered):
            return Observable(Kind.BTC, lowered), () if lowered == text else ("written in lower case",)
    elif _version(text) in _VERSIONS_BTC:
        return Observable(Kind.BTC, text), ()
    raise NotValid(f"{shown(text)} is not an address of Bitcoin: its form or its checksum is wrong.")


def dash(text: str) -> tuple[Observable, Notes]:
    """Read an address of Dash.

    Raises:
        NotValid: it is none of the main network, or its checksum is wrong.
    """
    if _version(text) in _VERSIONS_DASH:
        return Observable(Kind.DASH, text), ()
    raise NotValid(f"{shown(text)} is not an address of Dash: its form or its checksum is wrong.")


def xmr(text: str) -> tuple[Observable, Notes]:
    """Read an address of Monero.

    Raises:
        NotValid: it does not have the form of one.
    """
    if _XMR.fullmatch(text):
        return Observable(Kind.XMR, text), ()
    raise NotValid(f"{shown(text)} is not an address of Monero: it should have 95 or 106 characters of base 58.")


def _version(text: str) -> int | None:
    """The version byte of a base58check address; `None` when it is none."""
    if _BASE58_FORM.fullmatch(text) is None:
        return None
    number = 0
    for char in text:
        number = number * 58 + _DIGIT58[char]
    if number >= 1 << 8 * _PAYLOAD:
        return None
    payload = number.to_bytes(_PAYLOAD, "big")
    # A leading zero byte is a leading 1, one for one.
    if len(payload) - len(payload.lstrip(b"\0")) != len(text) - len(text.lstrip("1")):
        return None
    body, checksum = payload[:-4], payload[-4:]
    return body[0] if sha256(sha256(body).digest()).digest()[:4] == checksum else None


def _is_segwit(text: str) -> bool:
    if _SEGWIT_FORM.fullmatch(text) is None:
        return False
    digits = [_DIGIT32[char] for char in text[len(_PREFIX) + 1 :]]
    expanded = [*(ord(char) >> 5 for char in _PREFIX), 0, *(ord(char) & 31 for char in _PREFIX)]
    return _polymod([*expanded, *digits]) == (_BECH32 if digits[0] == 0 else _BECH32M)


def _polymod(values: Iterable[int]) -> int:
    """The remainder of BIP 173's code."""
    state = 1
    for value in values:
        top = state >> 25
        state = (state & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_GENERATORS):
            if top >> bit & 1:
                state ^= generator
    return state
