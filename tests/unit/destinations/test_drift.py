"""The sentence of what differs."""

from __future__ import annotations

from misp_modules_ext.destinations import drift


def test_only_what_both_sides_say_is_compared() -> None:
    """Microsoft gives back more, and sometimes less, than it was given."""
    assert drift.differences({"a": 1, "more": 2}, {"a": 1, "less": 3}) == ""
    assert drift.differences({}, {"a": 1}) == ""


def test_long_and_hostile_values_stay_short_and_printable() -> None:
    """The sentence goes to terminals and reports."""
    sentence = drift.differences({"title": "x\n\x1b[31m" + "y" * 500}, {"title": ""})
    assert sentence.isprintable()
    assert len(sentence) < 120
    assert sentence.endswith("not empty")
    labels = drift.Labels.of([f"label-{n}" for n in range(500)])
    assert len(drift.differences({"labels": drift.Labels()}, {"labels": labels})) < 150


def test_texts_without_their_spaces() -> None:
    """Line ends and spaces at the ends do not count; what is no text is left out."""
    assert drift.texts({"a": " x\n y ", "b": None, "c": 5}, {"a": "A", "b": "B", "c": "C", "d": "D"}) == {"A": "x y"}


def test_labels_of_several_lists() -> None:
    """In any case of letters; what is no text is no label."""
    assert drift.Labels.of(["One", 2, None], None, "three", ["one", "TWO"]) == {"one", "two"}
