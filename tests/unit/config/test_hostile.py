"""Whatever stands in the file, reading it ends in settings or in a ConfigurationError."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from misp_modules_ext.config import DestinationSettings, load
from misp_modules_ext.config.notyet import NOT_YET
from misp_modules_ext.config.schema import KEYS
from misp_modules_ext.errors import ConfigurationError, Problem
from tests.unit.config.samples import DEFENDER, SENTINEL, section, write

_NAMES = st.sampled_from(
    [key.name for keys in KEYS.values() for key in keys] + [k for row in NOT_YET for k in row.keys]
)
_SECTIONS = st.sampled_from(
    ["microsoft", "microsoft x", "misp", "misp y", "RH-ISAC MISP", "selection", "indicator", "ledger"]
)
_SCRAPS = st.sampled_from(
    [
        "env:X",
        "env:",
        "file:/",
        "file:x",
        "<X>",
        "https://[",
        "https://a:1",
        "9" * 30,
        "{",
        "tlp:",
        "=",
        ":",
        "[",
        "]",
        "\n ",
        "\n",
    ]
)
_VALUES = st.one_of(st.text(max_size=30), _SCRAPS, st.lists(_SCRAPS, max_size=4).map("".join))
_LINES = st.one_of(
    st.text(max_size=40),
    _SECTIONS.map("[{}]".format),
    st.builds("{} = {}".format, _NAMES, _VALUES),
    st.builds("{}{}{}".format, _NAMES, st.sampled_from([":", "=", " ", ""]), _VALUES),
)


def _ends_well(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    problems: tuple[Problem, ...] = ()
    destinations: tuple[DestinationSettings, ...] = ()
    try:
        destinations = load(path, {"X": "value"}).destinations
    except ConfigurationError as error:
        problems = error.problems
    assert destinations or all(problem.message for problem in problems)
    assert bool(destinations) is not bool(problems)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file, written again for each example."""
    return tmp_path_factory.mktemp("hostile") / "rh-isac.conf"


@settings(derandomize=True, max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.binary(max_size=200))
def test_arbitrary_bytes(path: Path, data: bytes) -> None:
    """Not even text."""
    _ends_well(path, data)


@settings(derandomize=True, max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(lines=st.lists(_LINES, max_size=12))
def test_arbitrary_lines(path: Path, lines: list[str]) -> None:
    """Of our own words and of others, in any order."""
    _ends_well(path, "\n".join(lines).encode("utf-8", "replace"))


@settings(derandomize=True, max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(name=_NAMES, value=_VALUES, base=st.sampled_from([SENTINEL, DEFENDER]))
def test_arbitrary_values_in_a_good_file(path: Path, name: str, value: str, base: dict[str, str]) -> None:
    """Each parser meets text that its author did not think of."""
    _ends_well(path, section("microsoft", {**base, name: value}).encode("utf-8", "replace"))


def test_a_large_file_is_read_in_reasonable_time(tmp_path: Path) -> None:
    """Many sections of others, long lines, many unknown keys: no step is worse than linear by much."""
    parts = [section(f"other {n}", key="x" * 200) for n in range(2000)]
    parts.append(section("microsoft", {**SENTINEL, **{f"unknownKey{'x' * n}": "y" for n in range(300)}}))
    with pytest.raises(ConfigurationError) as caught:
        load(write(tmp_path, *parts), {})
    assert len(caught.value.problems) == 300
