"""Accounts, banks and telephone numbers.

Checksums are verified where there are any: IBAN (ISO 13616, ISO 7064 mod 97-10) and American routing numbers (ABA).
People write these values in groups; the separators go, letters are written in upper case.
"""

from __future__ import annotations

import re

from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.translate.text import Notes, NotValid, shown

_SEPARATORS = re.compile(r"[ .-]")
_IBAN = re.compile("[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
# ISO 9362: party, country, place, and a branch, of which XXX is the head office, as if there were none.
_BIC = re.compile("([A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2})([A-Z0-9]{3})?")
_HEAD_OFFICE = "XXX"
_ACCOUNT = re.compile("[A-Z0-9/]{4,34}")
_ABA = re.compile("[0-9]{9}")
_ABA_WEIGHTS = (3, 7, 1, 3, 7, 1, 3, 7, 1)
# ISO/IEC 7812: six digits, and eight since 2017.
_BIN = re.compile("[0-9]{6}(?:[0-9]{2})?")
_PHONE_SEPARATORS = re.compile(r"[ ()./\u2010-\u2015\u00a0-]")
# ITU-T E.164: fifteen digits at most; short numbers of services have four and more.
_PHONE = re.compile(r"\+?[0-9]{4,15}")


def iban(text: str) -> tuple[Observable, Notes]:
    """Read an IBAN.

    Raises:
        NotValid: it does not have the form of one, or its check digits are wrong.
    """
    plain, notes = _joined(text)
    if _IBAN.fullmatch(plain) is None:
        raise NotValid(f"{shown(text)} is not an IBAN: a country, two check digits and 11 to 30 characters.")
    if int("".join(str(int(char, 36)) for char in plain[4:] + plain[:4])) % 97 != 1:
        raise NotValid(f"{shown(text)} is not an IBAN: its check digits are wrong, so a character is.")
    return Observable(Kind.IBAN, plain), notes


def bic(text: str) -> tuple[Observable, Notes]:
    """Read the identifier of a bank (BIC, SWIFT).

    Raises:
        NotValid: it does not have the form of one.
    """
    plain, notes = _joined(text)
    found = _BIC.fullmatch(plain)
    if found is None:
        raise NotValid(f"{shown(text)} is not a BIC: it should have 8 or 11 characters, the fifth and sixth a country.")
    if found.group(2) == _HEAD_OFFICE:
        return Observable(Kind.BIC, found.group(1)), (*notes, "the branch XXX, which is the head office, left out")
    return Observable(Kind.BIC, plain), notes


def bank_account(text: str) -> tuple[Observable, Notes]:
    """Read the number of a bank account that is no IBAN.

    Raises:
        NotValid: it is not 4 to 34 letters, digits and slashes, or holds no digit.
    """
    plain, notes = _joined(text)
    if _ACCOUNT.fullmatch(plain) is None or not any(char in "0123456789" for char in plain):
        raise NotValid(f"{shown(text)} is not the number of a bank account: it should have 4 to 34 letters and digits.")
    return Observable(Kind.BANK_ACCOUNT_NR, plain), notes


def aba_rtn(text: str) -> tuple[Observable, Notes]:
    """Read the routing number of an American bank.

    Raises:
        NotValid: it is not nine digits, or its check digit is wrong.
    """
    plain, notes = _joined(text)
    if _ABA.fullmatch(plain) is None:
        raise NotValid(f"{shown(text)} is not a routing number: it should have nine digits.")
    if sum(weight * int(char) for weight, char in zip(_ABA_WEIGHTS, plain, strict=True)) % 10:
        raise NotValid(f"{shown(text)} is not a routing number: its check digit is wrong, so a digit is.")
    return Observable(Kind.ABA_RTN, plain), notes


def bank_identification(text: str) -> tuple[Observable, Notes]:
    """Read the first digits of payment cards, which name the bank that issues them (BIN, IIN).

    Raises:
        NotValid: it is not six or eight digits.
    """
    plain, notes = _joined(text)
    if _BIN.fullmatch(plain) is None:
        raise NotValid(f"{shown(text)} is not a BIN: it should have six or eight digits.")
    return Observable(Kind.BIN, plain), notes


def phone_number(text: str) -> tuple[Observable, Notes]:
    """Read a telephone number: digits, with a `+` before a country's code when it was written.

    Raises:
        NotValid: other characters than those and separators, or not 4 to 15 digits.
    """
    plain = _PHONE_SEPARATORS.sub("", text.replace("(0)", "") if text.startswith("+") else text)
    if plain.startswith("00"):
        plain = f"+{plain[2:]}"
    if _PHONE.fullmatch(plain) is None:
        raise NotValid(f"{shown(text)} is not a telephone number: it should have 4 to 15 digits.")
    return Observable(Kind.PHONE_NUMBER, plain), () if plain == text else ("written as digits",)


def _joined(text: str) -> tuple[str, Notes]:
    plain = _SEPARATORS.sub("", text)
    if not plain.isascii():
        raise NotValid(f"{shown(text)} holds other characters than letters and digits.")
    notes: Notes = () if plain == text else ("separators removed",)
    return plain.upper(), notes if plain == plain.upper() else (*notes, "written in upper case")
