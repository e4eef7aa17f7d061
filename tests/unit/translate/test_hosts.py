"""Host names: what is normalised, what is refused, and what the refusal tells the analyst to do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.translate.hosts import domain, host_name, is_onion, onion
from misp_modules_ext.translate.text import NotValid

LABEL_63 = "a" * 63
NAME_253 = ".".join([LABEL_63] * 3 + ["b" * 53, "example"])


@pytest.mark.parametrize(
    "name",
    [
        "evil.example",
        "c2.evil.example",
        "_dmarc.evil.example",
        "with_underscore.evil.example",
        "xn--mnchen-3ya.example",
        "xn--zz.example",
        "123.evil.example",
        "trailing-.evil.example",
        "evil.zip",
        "expyuzz4wqqyqhjn.onion",
        "localhost",
        f"{LABEL_63}.example",
        NAME_253,
    ],
)
def test_a_normal_name_is_kept(name: str) -> None:
    """What DNS holds as it stands is not touched; whether it may be sent is decided elsewhere."""
    assert len(name) <= 253
    assert domain(name) == (Observable(Kind.DOMAIN_NAME, name), ())


@pytest.mark.parametrize(
    ("text", "name", "note"),
    [
        ("EVIL.Example", "evil.example", "written in lower case"),
        ("evil.example.", "evil.example", "trailing dot removed"),
        ("evil[.]example", "evil.example", "refanged from `evil[.]example`"),
        ("evil(dot)example", "evil.example", "refanged from `evil(dot)example`"),
        ("münchen.example", "xn--mnchen-3ya.example", "international name `münchen.example` written in its ASCII form"),
        ("MÜNCHEN.example", "xn--mnchen-3ya.example", "international name `MÜNCHEN.example` written in its ASCII form"),
        ("straße.example", "xn--strae-oqa.example", "international name `straße.example` written in its ASCII form"),
        ("i❤.example", "xn--i-7iq.example", "international name `i❤.example` written in its ASCII form"),
        (
            "\uff45vil\uff0eexample",
            "evil.example",
            "international name `\uff45vil\uff0eexample` written in its ASCII form",
        ),
        ("evil。example。", "evil.example", "international name `evil。example。` written in its ASCII form"),
        ("XN--MNCHEN-3YA.example", "xn--mnchen-3ya.example", "written in lower case"),
    ],
)
def test_a_name_is_normalised_with_a_note(text: str, name: str, note: str) -> None:
    """One spelling for each name, and the analyst can see what was changed."""
    assert domain(text) == (Observable(Kind.DOMAIN_NAME, name), (note,))


def test_several_changes_are_several_notes() -> None:
    """Nothing is changed silently beside something else."""
    assert domain("EVIL[.]example.")[1] == (
        "refanged from `EVIL[.]example.`",
        "trailing dot removed",
        "written in lower case",
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("*.evil.example", "matches no wildcards"),
        ("evil.*", "matches no wildcards"),
        ("https://evil.example/a", "the type `url`"),
        ("evil.example/a", "type `url`"),
        ("evil.example:8080", "`hostname|port`"),
        ("someone@evil.example", "`email`"),
        ("192.0.2.1", "`ip-src` or `ip-dst`"),
        ("2001:db8::1", "`ip-src` or `ip-dst`"),
        ("999.1.1.1", "is an IP address"),
        ("evil.0x7f", "ends in a number"),
        ("evil.1234", "ends in a number"),
        ("1234567890", "ends in a number"),
        ("evil..example", "empty part"),
        (".evil.example", "empty part"),
        (".", "empty part"),
        ("evil.example..", "empty part"),
        ("evil example", "a space"),
        ("a" * 64 + ".example", "more than 63"),
        ("b." + NAME_253, "more than 253"),
        ("ü" * 2000 + ".example", "longer than"),
        ("evil'.example", "not a domain name"),
        ("evil%2e.example", "not a domain name"),
        ("℀.example", "path"),
        ("evil\u2e80\ufffd.example", "no name may have"),
    ],
)
def test_what_is_no_host_name_is_refused_with_a_remedy(text: str, sentence: str) -> None:
    """The sentence says what the value is instead, or what is wrong with it."""
    with pytest.raises(NotValid) as error:
        domain(text)
    assert sentence in str(error.value)
    assert str(error.value).endswith(".")


@given(st.from_regex(r"[a-zA-Z0-9_ß-ʯ一-丏❤-]{1,12}(\.[a-zA-Z0-9ü一-丏-]{1,12}){0,3}\.?", fullmatch=True))
def test_a_host_name_is_a_fixed_point(text: str) -> None:
    """Normalising twice changes nothing, so one host is one indicator."""
    try:
        name, _ = host_name(text)
    except NotValid:
        return
    assert host_name(name) == (name, ())


#: The key is 0, 1, 2 and so on; the checksum is right.
ONION = "aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dyp3kead.onion"


@pytest.mark.parametrize("text", [ONION, f"www.{ONION}", "expyuzz4wqqyqhjn.onion"])
def test_the_address_of_an_onion_service_is_kept(text: str) -> None:
    """Of version 3 with its checksum, of version 2, and with names below it, which Tor leaves aside."""
    assert onion(text) == (Observable(Kind.DOMAIN_NAME, text), ())
    assert is_onion(text)


def test_the_address_of_an_onion_service_is_a_host_name() -> None:
    """It is normalised like any other."""
    assert onion(ONION.upper() + ".") == (
        Observable(Kind.DOMAIN_NAME, ONION),
        ("trailing dot removed", "written in lower case"),
    )


@pytest.mark.parametrize(
    "text",
    [
        "evil.example",
        "onion",
        "evil.onion",
        f"b{ONION[1:]}",
        f"{ONION.removesuffix('.onion')}.example",
        f"{ONION[:54]}ae.onion",
        "expyuzz4wqqyqhj1.onion",
    ],
)
def test_other_names_are_no_address_of_an_onion_service(text: str) -> None:
    """One wrong character is found, as is another version."""
    with pytest.raises(NotValid, match="onion service"):
        onion(text)
    assert not is_onion(text)
