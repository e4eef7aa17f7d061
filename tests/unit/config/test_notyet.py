"""What the plan names and this version does not do is told, never ignored."""

from __future__ import annotations

from pathlib import Path

import pytest

from misp_modules_ext.config.notyet import NOT_YET
from misp_modules_ext.config.schema import KEYS, Part
from tests.unit.config.samples import DEFENDER, SENTINEL, only_problem, read, section

#: A section of each part with all that it needs.
_BASES = {
    Part.MISP: ("misp", {"url": "https://misp.example.org"}),
    Part.DESTINATION: ("microsoft", dict(DEFENDER)),
    Part.SELECTION: ("selection", {}),
    Part.INDICATOR: ("indicator", {}),
    Part.WRITE_BACK: ("write-back", {}),
}


@pytest.mark.parametrize(
    ("part", "key", "feature"),
    [(row.section, key, row.feature) for row in NOT_YET for key in row.keys],
    ids=lambda value: str(value).replace(" ", "-"),
)
def test_each_key_that_waits(tmp_path: Path, part: Part | str, key: str, feature: str) -> None:
    """Told with what is missing; its value is never shown."""
    name, base = _BASES[part] if isinstance(part, Part) else (part, {})
    parts = [section(name, base, **{key: "value-not-to-show"})]
    if name != "microsoft":
        parts.append(section("microsoft", SENTINEL))
    found = only_problem(tmp_path, *parts)
    assert found == f"[{name}] {key}: not yet: this version has no {feature}. Remove the line."


@pytest.mark.parametrize(("key", "value"), [("auth", "secret"), ("action", "Audit")])
def test_the_values_that_are_there(tmp_path: Path, key: str, value: str) -> None:
    """The default may be written down."""
    assert read(tmp_path, section("microsoft", DEFENDER, **{key: value})).warnings == ()


def test_an_unknown_key_of_a_section_that_waits(tmp_path: Path) -> None:
    """Not the same as one that waits."""
    found = only_problem(tmp_path, section("microsoft", DEFENDER), section("console", listn="x"))
    assert found == "[console] listn: is not a key of this section. Did you mean listen?"


def test_no_key_is_both_there_and_waiting() -> None:
    """A feature that arrives removes its rows."""
    for part, keys in KEYS.items():
        there = {key.name.lower() for key in keys}
        assert not there & {key.lower() for row in NOT_YET if row.section is part for key in row.keys}
