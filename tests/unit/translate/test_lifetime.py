"""From when and until when evidence counts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misp_modules_ext.config.settings import DAY, IndicatorRules
from misp_modules_ext.model.indicator import Kind
from misp_modules_ext.model.misp import Tlp
from misp_modules_ext.translate.lifetime import (
    LAST_SECOND,
    base_of,
    last_change,
    midnight,
    valid_from,
    valid_until,
)
from tests.support.build import NOW, attribute, event

ANY_TIME = st.integers(-(10**15), 10**15)


@pytest.mark.parametrize(
    ("fields", "published", "taken", "base"),
    [
        ({"timestamp": NOW}, 0, 0, NOW),
        ({"timestamp": NOW, "last_seen": NOW + 5}, 0, 0, NOW + 5),
        ({"timestamp": NOW, "last_seen": NOW - 5}, 0, 0, NOW),
        ({"timestamp": NOW}, NOW + 7, 0, NOW + 7),
        ({"timestamp": NOW}, NOW - 7, NOW + 9, NOW + 9),
    ],
)
def test_the_base_is_the_latest_date(fields: dict[str, Any], published: int, taken: int, base: int) -> None:
    """Attribute, last sighting, publication, and the moment a ledger took it."""
    assert base_of(event(publish_timestamp=published), attribute(**fields), taken, 0) == (base, True)


def test_no_date_lies_in_the_future() -> None:
    """A wrong clock or a typing error must not keep an indicator for centuries."""
    ahead = attribute(timestamp=NOW + 10**9, last_seen=NOW + 10**10)
    assert base_of(event(publish_timestamp=NOW + 99), ahead, 0, NOW) == (NOW, True)
    assert last_change(event(timestamp=NOW + 99), ahead, NOW, NOW) == NOW


def test_without_dates_the_event_stands_in() -> None:
    """First the event's date, then its timestamp, then the present with a word that nothing was said."""
    undated = attribute(timestamp=0)
    assert base_of(event(date="2026-11-20", timestamp=NOW), undated, 0, NOW) == (midnight("2026-11-20"), True)
    assert base_of(event(date="", timestamp=NOW), undated, 0, NOW) == (NOW, True)
    assert base_of(event(date="soon", timestamp=0), undated, 0, 7) == (7, False)


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
    assert valid_until(NOW, rules, Kind.URL, Tlp.AMBER) == NOW + window * DAY


@pytest.mark.parametrize(
    ("first_seen", "start"),
    [(NOW - 900, NOW - 900), (None, NOW - 60), (0, NOW - 60), (-5, NOW - 60), (NOW + 1, NOW - 60), (NOW, NOW)],
)
def test_it_counts_from_first_seen_when_that_can_be_true(first_seen: int | None, start: int) -> None:
    """A first sighting in the future or before 1970 is a slip; then the attribute's timestamp counts."""
    given_ = attribute(first_seen=first_seen, timestamp=NOW - 60)
    assert valid_from(given_, NOW, NOW + DAY) == start


def test_a_change_of_the_event_is_a_change_of_its_evidence() -> None:
    """Title and tags are the event's, and publication moves the expiry."""
    assert last_change(event(timestamp=NOW + 5), attribute(timestamp=NOW), NOW) == NOW + 5
    assert last_change(event(publish_timestamp=NOW + 6), attribute(timestamp=NOW), NOW) == NOW + 6
    assert last_change(event(), attribute(timestamp=NOW + 7), NOW) == NOW + 7
    assert last_change(event(), attribute(timestamp=0), 42) == 42


@pytest.mark.parametrize(
    ("day", "seconds"),
    [
        ("2026-11-20", 1_795_132_800),
        ("1970-01-02", 86_400),
        ("1969-12-31", None),
        ("", None),
        ("20th", None),
        ("2026-13-01", None),
    ],
)
def test_a_day_begins_at_midnight_utc(day: str, seconds: int | None) -> None:
    """What is no day is no time."""
    assert midnight(day) == seconds


@given(ANY_TIME, ANY_TIME, ANY_TIME, ANY_TIME, ANY_TIME, st.integers(1, 10**9))
def test_odd_times_never_leave_the_calendar(a: int, b: int, c: int, d: int, e: int, window: int) -> None:
    """Whatever numbers MISP holds, the lifetime can be written, begins before it ends, and nothing raises."""
    odd = attribute(timestamp=a, first_seen=b, last_seen=c)
    base, _ = base_of(event(timestamp=d, publish_timestamp=e), odd, 0, 0)
    until = valid_until(base, IndicatorRules(window=window), Kind.URL, Tlp.RED)
    start = valid_from(odd, base, until)
    assert 0 <= start < until <= LAST_SECOND
