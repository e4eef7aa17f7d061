"""Words for people."""

from __future__ import annotations

import pytest

from misp_modules_ext.report.text import iso, listed, one_line, plural, prose, shorten, visible
from tests.unit.report.samples import HOSTILE


@pytest.mark.parametrize("value", HOSTILE)
def test_visible_leaves_only_characters_that_can_be_seen(value: str) -> None:
    """No control, format, bidirectional or surrogate character of a value gets through, so all can be encoded."""
    assert visible(value).isprintable()
    assert visible(value).encode("utf-8").decode("utf-8") == visible(value)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("user\u202egpj.exe", "user\\u202egpj.exe"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\u00a0b", "a\\xa0b"),
        ("\U000e0041", "\\U000e0041"),
        ("münchen.example", "münchen.example"),
    ],
)
def test_visible_writes_escapes_as_python_does(value: str, shown: str) -> None:
    """What is hidden becomes an escape, and only that."""
    assert visible(value) == shown


def test_prose_keeps_lines_spaces_and_joiners() -> None:
    """Titles in Persian, emoji and paragraphs stay as they are, other controls do not."""
    kept = "نمی\u200cشود 👩\u200d💻\u00a0!\n"
    assert prose(f"{kept}next\x1b") == f"{kept}next\\x1b"


def test_one_line_has_no_line_breaks_of_any_kind() -> None:
    """A log line stays one line."""
    assert one_line(" a\r\nb\u2028c\x85d\ve \u202e") == "a b c d e \\u202e"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_795_000_003.9, "2026-11-18T11:06:43Z"),
        (-5, "1970-01-01T00:00:00Z"),
        (float("inf"), "9999-12-31T23:59:59Z"),
        (1e30, "9999-12-31T23:59:59Z"),
    ],
)
def test_iso_always_gives_a_time(seconds: float, text: str) -> None:
    """Whole seconds in UTC; what no calendar holds becomes the nearest time that it does."""
    assert iso(seconds) == text


def test_small_words() -> None:
    """Lists, plurals and shortened texts read as a person would write them."""
    assert [listed("a"), listed("ab"), listed("abc")] == ["a", "a and b", "a, b and c"]
    assert [plural(1, "row"), plural(2000, "row"), plural(0, "row")] == ["1 row", "2,000 rows", "0 rows"]
    assert shorten("abcdef", 3) == "abc… (6 characters)"
    assert shorten("abc", 3) == "abc"
