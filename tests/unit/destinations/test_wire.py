"""Texts, times and sizes that all payloads share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misp_modules_ext.destinations import wire
from misp_modules_ext.errors import BatchRefused
from misp_modules_ext.model.indicator import Kind, Observable, Reference
from misp_modules_ext.model.outcome import Reason
from tests.support.build import due, indicator

ANY_TEXT = st.text(st.characters(exclude_categories=[]))


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@given(ANY_TEXT, st.integers(1, 50))
def test_no_text_is_longer_than_asked(text: str, limit: int) -> None:
    """Counted in UTF-16 units as .NET counts, also for emoji and half characters; the result is always sendable."""
    short = wire.shorten(text, limit)
    assert _units(short) <= limit
    assert wire.encode(short)


def test_texts_are_cut_at_words() -> None:
    """A word stays whole unless it is the only one; line ends become spaces."""
    assert wire.shorten("one two\nthree", 13) == "one two three"
    assert wire.shorten("one two three", 10) == "one two…"
    assert wire.shorten("a" * 30, 10) == "a" * 9 + "…"
    assert wire.shorten("ab 😀😀😀😀", 8) == "ab 😀😀…"


def test_a_title_is_never_empty() -> None:
    """Defender refuses an indicator without title."""
    assert wire.title(indicator(title=" \n"), 100) == wire.UNTITLED


@given(
    st.lists(ANY_TEXT, max_size=4), st.lists(st.text("ab/", min_size=1, max_size=30), max_size=4), st.integers(1, 60)
)
def test_descriptions_keep_to_their_limit(parts: list[str], sources: list[str], limit: int) -> None:
    """Whatever the parts, and the first link is whole where it fits."""
    text = wire.describe(parts, sources, limit)
    assert _units(text) <= limit
    if sources and len(sources[0]) <= limit:
        assert text.endswith(sources[0]) or sources[0] in text


def test_descriptions_give_way_before_links() -> None:
    """A long fact is cut so that the way back to MISP stays."""
    text = wire.describe(["fact " * 100, "more"], ["https://misp.example/1", "https://misp.example/2"], 60)
    assert text == "fact fact fact fact fact fact fact… https://misp.example/1"
    assert wire.describe(["a", "", "b"], ["l1", "l2"], 60) == "a; b l1 l2"
    assert wire.describe([], [], 60) == ""


def test_links_name_each_event_once() -> None:
    """Several attributes of one event are one link; without MISP's address its UUID stands there."""
    references = (Reference("e1", "a1", "https://m/1"), Reference("e1", "a2", "https://m/1"), Reference("e2", "a3"))
    assert wire.links(indicator(references=references)) == ["https://m/1", "MISP event e2"]


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_795_521_600_007, "2026-11-24T12:00:00.007Z"),
        (-5, "1970-01-01T00:00:00.000Z"),
        (10**18, "9999-12-31T23:59:59.000Z"),
    ],
)
def test_times_are_rfc_3339_with_milliseconds(milliseconds: int, text: str) -> None:
    """UTC, three digits, Z; nonsense becomes the nearer end instead of an exception."""
    assert wire.from_milliseconds(milliseconds) == text


def test_half_characters_are_refused_not_altered() -> None:
    """A value is never changed on its way; a text around it may be."""
    refusal = wire.not_unicode(indicator(observable=Observable(Kind.FILE_NAME, "a\ud800.exe")))
    assert refusal is not None
    assert refusal.reason is Reason.INVALID_VALUE
    assert wire.not_unicode(indicator(Kind.FILE_NAME, "é😀\x00\u202e.exe")) is None
    assert wire.repair("a\ud800b") == "a\ufffdb"
    with pytest.raises(BatchRefused):
        wire.encode({"value": "a\ud800"})


def test_batches_hold_at_most_so_many_and_so_much() -> None:
    """Order stays, nothing is lost, a huge value travels alone rather than not at all."""
    dues = [due(Kind.URL, f"http://evil.example/{number}") for number in range(7)]
    assert [len(batch) for batch in wire.split(dues, 3)] == [3, 3, 1]
    huge = due(Kind.URL, "http://evil.example/" + "x" * wire.MAX_BODY)
    parts = wire.split([*dues[:2], huge, dues[2]], 100)
    assert parts == [dues[:2], [huge], [dues[2]]]
    assert wire.split([], 100) == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-11-24T12:00:00Z", 1_795_521_600),
        ("2026-11-24T12:00:00.000Z", 1_795_521_600),
        ("2026-11-24T12:00:00.9999999Z", 1_795_521_600),
        ("2026-11-24t13:00:00+01:00", 1_795_521_600),
        (" 2026-11-24 12:00:00 ", 1_795_521_600),
        ("2026-13-24T12:00:00Z", None),
        ("2026-11-24", None),
        ("soon", None),
        (None, None),
        (1_795_521_600, None),
    ],
)
def test_times_of_microsoft_are_read(text: object, seconds: int | None) -> None:
    """In each notation that its APIs use; nothing is guessed."""
    assert wire.to_seconds(text) == seconds


@given(st.integers(0, 253_402_300_799))
def test_times_come_back_as_they_went(seconds: int) -> None:
    """What we write is what we read."""
    assert wire.to_seconds(wire.from_seconds(seconds)) == seconds
