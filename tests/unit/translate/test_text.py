"""Trimming, hidden characters, and how messages and facts show what people typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misp_modules_ext.translate.text import MAX_LENGTH, NotValid, clean, clean_file_name, readable, refang, shown


@pytest.mark.parametrize("value", [" c2.example", "c2.example\n", "\t c2.example \r\n", "\u00a0c2.example\u3000"])
def test_white_space_around_a_value_is_removed_with_a_note(value: str) -> None:
    """People paste values with blanks and line ends around them."""
    assert clean(value) == ("c2.example", ("surrounding white space removed",))


def test_a_clean_value_is_left_alone() -> None:
    """Nothing to do, nothing to say."""
    assert clean("c2.example") == ("c2.example", ())


@pytest.mark.parametrize("value", ["", " ", "\n\t", "\u2003"])
def test_an_empty_value_is_refused(value: str) -> None:
    """White space alone is no value."""
    with pytest.raises(NotValid, match="empty"):
        clean(value)


@pytest.mark.parametrize(
    ("char", "name"),
    [
        ("\x00", "U+0000 (NUL)"),
        ("\n", "U+000A (line feed)"),
        ("\r", "U+000D (carriage return)"),
        ("\t", "U+0009 (tab)"),
        ("\x1b", "U+001B (control character)"),
        ("\x7f", "U+007F"),
        ("\x85", "U+0085"),
        ("\u00ad", "U+00AD (soft hyphen)"),
        ("\u200b", "U+200B (zero width space)"),
        ("\u200d", "U+200D (zero width joiner)"),
        ("\u202e", "U+202E (right-to-left override)"),
        ("\u2028", "U+2028 (line separator)"),
        ("\u2060", "U+2060 (word joiner)"),
        ("\ufeff", "U+FEFF (byte order mark)"),
        ("\ud800", "U+D800 (half of a surrogate pair)"),
        ("\udfff", "U+DFFF (half of a surrogate pair)"),
    ],
)
def test_a_hidden_character_is_refused_and_named(char: str, name: str) -> None:
    """The sentence says which character it is and where, since nobody can see it."""
    with pytest.raises(NotValid) as error:
        clean(f"c2{char}.example")
    assert name in str(error.value)
    assert "position 3" in str(error.value)
    str(error.value).encode("utf-8")


@pytest.mark.parametrize("char", ["\u200c", "\u200d", "\u202e", "\u200f", "\U000e0067"])
def test_file_names_may_hold_joiners_and_direction_marks(char: str) -> None:
    """Persian names need joiners, and a right-to-left override is part of what the sensor sees."""
    assert clean_file_name(f"invoice{char}fdp.exe") == (f"invoice{char}fdp.exe", ())


@pytest.mark.parametrize("char", ["\x00", "\n", "\u200b", "\ufeff", "\ud800"])
def test_file_names_may_hold_no_other_hidden_character(char: str) -> None:
    """What comes from copying is refused there too."""
    with pytest.raises(NotValid, match="nobody sees"):
        clean_file_name(f"invoice{char}.exe")


def test_a_very_long_value_is_refused_and_not_cut() -> None:
    """A cut value would match something else."""
    assert clean("a" * MAX_LENGTH)[0] == "a" * MAX_LENGTH
    with pytest.raises(NotValid, match="8193 characters"):
        clean("a" * (MAX_LENGTH + 1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("C2 server", "C2 server"),
        ("  C2  server ", "C2  server"),
        ("first\r\nsecond\tthird", "first second third"),
        ("exe\u202egpj", "exe<U+202E>gpj"),
        ("half \ud83d", "half <U+D83D>"),
        ("a\u00a0b", "a b"),
        ("", ""),
    ],
)
def test_readable_text_is_one_line_without_tricks(text: str, expected: str) -> None:
    """Comments and names travel into reports and JSON, so what cannot be seen is spelled out."""
    assert readable(text) == expected


@given(st.text(st.characters(), max_size=200))
def test_readable_text_can_always_be_encoded(text: str) -> None:
    """Whatever was typed, UTF-8 holds it and it stays on one line."""
    readable(text).encode("utf-8")
    assert len(readable(text).splitlines()) <= 1
    assert readable(readable(text)) == readable(text)


def test_messages_quote_long_values_shortened() -> None:
    """A message stays readable when the value is not."""
    assert shown("c2.example") == "`c2.example`"
    assert shown("a" * 500) == "`" + "a" * 80 + "…`"


@pytest.mark.parametrize("dot", ["[.]", "(.)", "{.}", "[dot]", "(dot)", "{DOT}", " [.] ", " [dot] "])
def test_defanged_dots_are_undone(dot: str) -> None:
    """The spellings that reports use, in any case, with a blank on either side."""
    assert refang(f"c2{dot}evil{dot}example") == "c2.evil.example"
