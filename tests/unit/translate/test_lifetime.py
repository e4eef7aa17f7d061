"""From when and until when evidence counts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misp_modules_ext.config.settings import DAY, IndicatorRules
from misp_modules_ext.model.indicator import Kind
from misp_modules_ext.model.misp import Tlp
from misp_modules_ext.translate import evidence, observe
from misp_modules_ext.translate.lifetime import (
    LAST_SECOND,
    base_of,
    tenth_of_window,
    valid_from,
    window_of,
)
from tests.support.build import NOW, attribute, event

ANY_TIME = st.integers(-(10**15), 10**15)


@pytest.mark.parametrize(
    ("fields", "published", "taken", "base"),
    [
        ({"timestamp": NOW}, 0, 1, NOW),
        ({"timestamp": NOW, "last_seen": NOW + 5}, 0, 1, NOW + 5),
        ({"timestamp": NOW, "last_seen": NOW - 5}, 0, 1, NOW),
        ({"timestamp": NOW}, NOW + 7, 1, NOW + 7),
        ({"timestamp": NOW}, NOW - 7, NOW + 9, NOW + 9),
    ],
)
def test_the_base_is_the_latest_date(fields: dict[str, Any], published: int, taken: int, base: int) -> None:
    """Attribute, last sighting, publication, and the moment a ledger took it."""
    assert base_of(event(publish_timestamp=published), attribute(**fields), taken) == (base, True)


def test_no_clock_is_read() -> None:
    """The same for the same facts, whenever: a date far ahead counts as it is written, up to the calendar's end."""
    ahead = attribute(timestamp=NOW + 10**9)
    assert base_of(event(), ahead, NOW) == (NOW + 10**9, True)
    assert base_of(event(), attribute(last_seen=10**15), NOW) == (LAST_SECOND - 1, True)


@pytest.mark.parametrize(
    ("fields", "published", "dated"),
    [
        ({"timestamp": 0}, 0, False),
        ({"timestamp": 0, "last_seen": 0}, 0, False),
        ({"timestamp": 5}, 0, True),
        ({"timestamp": 0, "last_seen": 5}, 0, True),
        ({"timestamp": 0}, 5, True),
    ],
)
def test_without_dates_it_counts_from_when_it_was_taken(fields: dict[str, Any], published: int, dated: bool) -> None:
    """With a word that the source said nothing; the event's own day is no date of this attribute."""
    told = event(date="2026-11-20", timestamp=NOW, publish_timestamp=published)
    assert base_of(told, attribute(**fields), NOW) == (NOW, dated)


@pytest.mark.parametrize(
    ("by_kind", "by_tlp", "window"),
    [
        ((), (), 120),
        (((Kind.URL, 200),), (), 200),
        (((Kind.FILE_MD5, 200),), (), 120),
        ((), ((Tlp.AMBER, 300),), 300),
        ((), ((Tlp.RED, 3),), 120),
        (((Kind.URL, 200),), ((Tlp.AMBER, 30),), 30),
        (((Kind.URL, 20),), ((Tlp.AMBER, 30),), 20),
    ],
)
def test_a_special_window_replaces_the_general_one(
    by_kind: tuple[tuple[Kind, int], ...], by_tlp: tuple[tuple[Tlp, int], ...], window: int
) -> None:
    """Longer or shorter; where kind and TLP both have one, the shorter counts."""
    rules = IndicatorRules(
        window=120 * DAY,
        window_by_kind=tuple((kind, days * DAY) for kind, days in by_kind),
        window_by_tlp=tuple((tlp, days * DAY) for tlp, days in by_tlp),
    )
    assert window_of(rules, Kind.URL, Tlp.AMBER) == window * DAY
    assert tenth_of_window(rules, Kind.URL, Tlp.AMBER) == window * DAY // 10


@pytest.mark.parametrize(
    ("first_seen", "start"),
    [(NOW - 900, NOW - 900), (None, NOW - 60), (0, NOW - 60), (-5, NOW - 60), (NOW + 1, NOW - 60), (NOW, NOW)],
)
def test_it_counts_from_first_seen_when_that_can_be_true(first_seen: int | None, start: int) -> None:
    """A first sighting in the future or before 1970 is a slip; then the attribute's timestamp counts."""
    given_ = attribute(first_seen=first_seen, timestamp=NOW - 60)
    assert valid_from(given_, NOW) == start


@given(ANY_TIME, ANY_TIME, ANY_TIME, ANY_TIME, st.integers(1, 10**15), st.integers(1, 10**9))
def test_odd_times_never_leave_the_calendar(a: int, b: int, c: int, d: int, taken: int, window: int) -> None:
    """Whatever numbers MISP holds, the lifetime can be written, begins before it ends, and nothing raises."""
    odd = attribute(timestamp=a, first_seen=b, last_seen=c)
    (made,) = evidence(event(publish_timestamp=d), odd, observe(odd), IndicatorRules(window=window), "", taken)
    assert 0 < made.valid_from < made.valid_until <= LAST_SECOND
