"""What Microsoft is asked: a value stays a value, whatever it holds, and no query is put together elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misp_modules_ext.destinations import queries
from misp_modules_ext.destinations.askable import ASKABLE, askable, spellings
from misp_modules_ext.destinations.defender_payload import TYPES
from misp_modules_ext.destinations.queries import Moment, kql, odata
from misp_modules_ext.destinations.sentinel_payload import PATHS
from misp_modules_ext.emulator.kql import parse_query
from misp_modules_ext.model.indicator import Kind, Observable
from tests.support.build import NOW
from tests.support.kusto import taken_apart
from tests.unit.destinations.values import VALUES

HERE = Path(str(queries.__file__)).parent
ESTATE = sorted(path.stem for path in HERE.glob("*.kql") if path.stem != "logs_presence")
#: Values that have broken out of queries somewhere.
NASTY = [
    '"',
    "'",
    "\\",
    '\\"',
    "\\\\",
    'a"]; DeviceInfo | take 1 //',
    "a' or 1 eq 1 or 'a' eq 'a",
    "x') or indicatorValue ne ('",
    "line\nbreak",
    "line\r\nbreak",
    "nul\x00 bell\x07 tab\t del\x7f",
    "pipe | project *",
    "// comment",
    "/* comment */",
    "separators \u2028 \u2029 \x85",
    "bidi \u202e and joiner \u200d and bom \ufeff",
    "{{value}} {{values}} {{since}}",
    "$top=1&$skip=0#fragment?%27%2527",
    "```",
    '@"verbatim',
    "https://evil.example/a?b=c&d='e'#f",
    "\N{SNOWMAN}\N{GRINNING FACE}",
    "x" * 8192,
    '"\\' * 4096,
]
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=200)


@pytest.mark.parametrize("value", NASTY)
def test_what_would_break_out_stays_a_value(value: str) -> None:
    """In every query file, and in the filter; read by two readers that know nothing of how it was written."""
    _stays(value)


@given(texts)
def test_any_text_stays_a_value(value: str) -> None:
    """Of all of Unicode."""
    _stays(value)


@given(st.lists(texts, min_size=1, max_size=5))
def test_several_values_stay_apart(values: list[str]) -> None:
    """In their order."""
    assert taken_apart(kql("logs_presence", values=values))[1] == values


def _stays(value: str) -> None:
    for file in ESTATE:
        harmless, others = taken_apart(kql(file, values=["x"], since=Moment(NOW)))
        rest, found = taken_apart(kql(file, values=[value], since=Moment(NOW)))
        assert rest == harmless
        assert found == [value, *others[1:]]
        assert parse_query(kql(file, values=[value], since=Moment(NOW))).wanted == {value.lower()}
    rest, found = taken_apart(kql("logs_presence", values=[value]))
    assert rest == taken_apart(kql("logs_presence", values=["x"]))[0]
    assert found == [value]
    assert parse_query(kql("logs_presence", values=[value])).wanted == {value.lower()}
    encoded = odata("defender_presence", value=value)
    assert re.fullmatch(r"[A-Za-z0-9._~%-]*", encoded)
    read = re.fullmatch(r"indicatorValue eq '((?:[^']|'')*)'", unquote(encoded), re.DOTALL)
    assert read is not None
    assert read[1].replace("''", "'") == value


def test_half_a_character_is_refused() -> None:
    """No request can hold it; nothing about it is asked."""
    for fill in (lambda: kql("logs_presence", values=["\ud800"]), lambda: odata("defender_presence", value="\udfff")):
        with pytest.raises(ValueError, match="half a character"):
            fill()
    assert askable(Observable(Kind.URL, "http://evil.example/\ud800")) == ((), False, "", "", "")


def test_a_moment_is_a_time() -> None:
    """Not a text."""
    assert "let Since = datetime(2026-11-24T12:00:00Z);" in kql("hunting_url", values=["x"], since=Moment(NOW))


def test_a_filter_holds_a_moment_as_a_time() -> None:
    """Without quotes, which would make it a text."""
    asked = unquote(odata("alerts_false_positive", since=Moment(NOW)))
    assert asked == "classification eq 'falsePositive' and lastUpdateDateTime ge 2026-11-24T12:00:00Z"


def test_every_place_is_filled_and_no_other_is_there() -> None:
    """A misspelt name is an error here, not at Microsoft."""
    with pytest.raises(ValueError, match="has other places than value"):
        kql("logs_presence", value="x")
    with pytest.raises(ValueError, match="has other places than"):
        odata("defender_presence", value="x", top="1")


def test_comments_are_not_sent() -> None:
    """They are for those who read the files."""
    for file in ESTATE:
        assert (HERE / f"{file}.kql").read_text("utf-8").startswith("//")
        assert not kql(file, values=["x"], since=Moment(NOW)).startswith("//")


def test_no_query_is_put_together_elsewhere() -> None:
    """Neither language stands in any other file of the package but the emulator's reader."""
    words = re.compile(
        r"\| ?(?:where|summarize|project|extend|take) |union isfuzzy|\bdatatable\(|indicatorValue eq|\beq '"
    )
    package = HERE.parents[1]
    found = [
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if "emulator" not in path.parts and words.search(path.read_text("utf-8"))
    ]
    assert found == []


def test_kinds_that_are_asked_about_are_those_that_are_held() -> None:
    """At Sentinel by its paths, at Defender by its types; every query file is somebody's, and there."""
    assert {kind for kind, one in ASKABLE.items() if one.families} == set(PATHS)
    assert {kind for kind, one in ASKABLE.items() if one.defender} == set(TYPES)
    for kind, path in PATHS.items():
        assert path.startswith(ASKABLE[kind].families)
    assert sorted({file for one in ASKABLE.values() for file in (one.hunting, one.logs) if file}) == ESTATE


def test_spellings_begin_with_ours() -> None:
    """And name each once."""
    for kind, value in VALUES.items():
        found = spellings(Observable(kind, value))
        assert found[0] == value
        assert len(set(found)) == len(found)
    assert spellings(Observable(Kind.FILE_MD5, "ab" * 16)) == ("ab" * 16, "AB" * 16)
    assert spellings(Observable(Kind.IPV6_ADDR, "2001:db8::1")) == ("2001:db8::1", "2001:db8:0:0:0:0:0:1")
