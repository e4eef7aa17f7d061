"""Addresses of cryptocurrencies: one wrong character, and it is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.translate.coins import btc, dash, xmr
from misp_modules_ext.translate.composites import Reader
from misp_modules_ext.translate.text import NotValid

#: Of the first block, and the examples of BIP 13, BIP 173 and BIP 350; all are published.
BTC = [
    "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
    "3P14159f73E4gFr7JterCCQh9QjiTjiZrG",
    "1111111111111111111114oLvT2",
    "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
    "bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3",
    "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
]
DASH = "XdSrfZRP3gGEbtUpK8o9RV9S7LiGfDmTju"
XMR = "4" + "A" * 94


@pytest.mark.parametrize("text", BTC)
def test_addresses_of_bitcoin_are_kept(text: str) -> None:
    """Of all the forms that the main network has."""
    assert btc(text) == (Observable(Kind.BTC, text), ())


def test_an_address_in_capitals_is_written_in_small_letters() -> None:
    """BIP 173 allows either, and never both in one."""
    assert btc(BTC[3].upper()) == (Observable(Kind.BTC, BTC[3]), ("written in lower case",))
    with pytest.raises(NotValid):
        btc(BTC[3][:-1] + BTC[3][-1].upper().replace("4", "T"))


@given(st.sampled_from([*BTC, DASH]), st.data())
def test_one_wrong_character_is_found(text: str, data: st.DataObject) -> None:
    """By the checksum, whatever it becomes."""
    place = data.draw(st.integers(4, len(text) - 1))
    other = data.draw(st.sampled_from([char for char in "2345qpzry9x8gf" if char != text[place]]))
    with pytest.raises(NotValid, match="its form or its checksum is wrong"):
        (dash if text == DASH else btc)(text[:place] + other + text[place + 1 :])


def test_other_coins_have_their_own_types() -> None:
    """The checksum alone does not tell them apart; the version does."""
    assert dash(DASH) == (Observable(Kind.DASH, DASH), ())
    for text, read in [(DASH, btc), (BTC[0], dash), (BTC[3], dash)]:
        with pytest.raises(NotValid):
            read(text)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (btc, "qph3s8p27pfg2lxgpzqmdel25tsmlryatyhxwzx3x5"),
        (btc, "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx"),
        (btc, "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn"),
        (btc, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh"),
        (btc, "bc1"),
        (btc, "1" * 34),
        (btc, "z" * 36),
        (btc, "0OIl" * 8),
        (btc, f"1{BTC[0]}"),
        (xmr, "4" + "A" * 93),
        (xmr, "5" + "A" * 94),
        (xmr, "8" + "A" * 105),
        (xmr, "4" + "0" * 94),
    ],
)
def test_what_is_none_is_refused(read: Reader, text: str) -> None:
    """Other coins, test networks, version 0 with the later checksum, other alphabets, leading zeros too many."""
    with pytest.raises(NotValid):
        read(text)


@pytest.mark.parametrize("text", [XMR, "8" + "B" * 94, "4" + "C" * 105])
def test_addresses_of_monero_have_their_form(text: str) -> None:
    """Standard addresses, subaddresses and integrated ones."""
    assert xmr(text) == (Observable(Kind.XMR, text), ())
