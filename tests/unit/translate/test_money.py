"""Accounts, banks and telephone numbers: a wrong digit is seen where there is a check digit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.translate.composites import Reader
from misp_modules_ext.translate.money import aba_rtn, bank_account, bank_identification, bic, iban, phone_number
from misp_modules_ext.translate.text import NotValid

JOINED, UPPER, DIGITS = "separators removed", "written in upper case", "written as digits"
#: Examples of the registry of IBANs.
IBANS = ["GB82WEST12345698765432", "DE89370400440532013000", "NO9386011117947", "MT84MALT011000012345MTLCAST001S"]


@pytest.mark.parametrize("text", IBANS)
def test_an_iban_with_right_check_digits_is_kept(text: str) -> None:
    """Of short and long countries."""
    assert iban(text) == (Observable(Kind.IBAN, text), ())


@given(st.sampled_from(IBANS), st.data())
def test_an_iban_with_one_wrong_character_is_refused(text: str, data: st.DataObject) -> None:
    """Mod 97 finds every single wrong digit."""
    place = data.draw(st.sampled_from([place for place, char in enumerate(text) if char.isdigit()]))
    other = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != text[place]]))
    with pytest.raises(NotValid, match="check digits"):
        iban(text[:place] + other + text[place + 1 :])


@pytest.mark.parametrize(
    ("read", "text", "value", "notes"),
    [
        (iban, "gb82 west 1234 5698 7654 32", IBANS[0], (JOINED, UPPER)),
        (iban, "GB82-WEST-1234-5698-7654-32", IBANS[0], (JOINED,)),
        (bic, "deutdeff", "DEUTDEFF", (UPPER,)),
        (bic, "DEUTDEFFXXX", "DEUTDEFF", ("the branch XXX, which is the head office, left out",)),
        (bic, "DEUTDEFF500", "DEUTDEFF500", ()),
        (bank_account, "1234-567.8", "12345678", (JOINED,)),
        (bank_account, "12/345678", "12/345678", ()),
        (aba_rtn, "021000021", "021000021", ()),
        (aba_rtn, "0210 0002 1", "021000021", (JOINED,)),
        (bank_identification, "411111", "411111", ()),
        (bank_identification, "4111 1111", "41111111", (JOINED,)),
        (phone_number, "+1 (555) 010-9999", "+15550109999", (DIGITS,)),
        (phone_number, "+44 (0)20 7946 0000", "+442079460000", (DIGITS,)),
        (phone_number, "0044 20 7946 0000", "+442079460000", (DIGITS,)),
        (phone_number, "(+352) 247 88444", "+35224788444", (DIGITS,)),
        (phone_number, "(0)20 7946 0000", "02079460000", (DIGITS,)),
        (phone_number, "09001", "09001", ()),
    ],
)
def test_values_have_one_spelling(read: Reader, text: str, value: str, notes: tuple[str, ...]) -> None:
    """Without the groups that people write them in."""
    observable, found = read(text)
    assert (observable.value, found) == (value, notes)
    assert read(value) == (observable, ())


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (iban, "GB82"),
        (iban, "GB82WEST1234569876543\uff12"),
        (iban, "8282WEST12345698765432"),
        (bic, "DEUTDE"),
        (bic, "DEUT1EFF"),
        (bic, "DEUTDEFF50"),
        (bank_account, "abc"),
        (bank_account, "abcd"),
        (bank_account, "1" * 35),
        (bank_account, "12345;DROP"),
        (aba_rtn, "021000022"),
        (aba_rtn, "12345678"),
        (aba_rtn, "02100002a"),
        (bank_identification, "4111111"),
        (bank_identification, "4111111111111111"),
        (phone_number, "123"),
        (phone_number, "1" * 16),
        (phone_number, "call me"),
        (phone_number, "++15550109999"),
        (phone_number, "٠١٢٣٤٥"),
    ],
)
def test_what_is_none_is_refused(read: Reader, text: str) -> None:
    """Too short, too long, of other characters, with a wrong check digit, and whole card numbers."""
    with pytest.raises(NotValid):
        read(text)
