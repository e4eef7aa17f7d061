"""What a sighting says beyond our name."""

from __future__ import annotations

import pytest

from misp_modules_ext.delivery.sightings.words import LONGEST, detail
from misp_modules_ext.misp.adding import source


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ({}, ""),
        ({"microsoft": 1}, "microsoft, 1 hit"),
        ({"microsoft soc-emea": 3}, "microsoft soc-emea, 3 hits"),
        ({"microsoft": 0}, "microsoft"),
        ({"b": 2, "a": 1}, "b, 2 hits; a, 1 hit"),
    ],
)
def test_destinations_and_hits(times: dict[str, int], words: str) -> None:
    """In the order in which they were asked; without a number where it is not known."""
    assert detail(times) == words


def test_too_many_are_counted() -> None:
    """A source has 255 characters in MISP: as many destinations as fit, and how many more there are."""
    words = detail({f"microsoft site-{number:03}": 1 for number in range(100)})
    assert len(words) <= LONGEST
    assert len(source(words)) <= 255
    assert words.endswith("; 93 more")
    assert words.count("1 hit") == 7
    assert detail({"x" * 300: 1}) == ""


def test_our_name_comes_first() -> None:
    """By that our own sightings are known, and left out as evidence."""
    assert source("") == "misp-microsoft"
    assert source("microsoft, 1 hit") == "misp-microsoft: microsoft, 1 hit"
