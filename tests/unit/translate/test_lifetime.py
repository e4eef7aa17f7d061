"""From when and until when evidence counts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misp_modules_ext.config.settings import DAY, IndicatorRules
from misp_modules_ext.model.indicator import Kind
from misp_modules_ext.model.misp import NO_DECAY, NO_SIGHTINGS, Attribute, Decay, Sightings, Tlp
from misp_modules_ext.translate import evidence, observe
from misp_modules_ext.translate.lifetime import (
    LAST_SECOND,
    base_of,
    ends,
    tenth_of_window,
    valid_from,
    why_it_ended,
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


EDITED = NOW - 30 * DAY


def _told(**fields: Any) -> Attribute:
    return attribute(**{"timestamp": EDITED, **fields})


def _until(told: Attribute) -> int:
    (made,) = evidence(event(publish_timestamp=NOW), told, observe(told), IndicatorRules(), "", NOW)
    return made.valid_until


def test_an_expiration_sighting_ends_it_on_its_date() -> None:
    """Before decay and window, in the past as in the future; a later publication does not lengthen it."""
    for date in (NOW - DAY, NOW + 5 * DAY, NOW + 500 * DAY):
        assert _until(_told(sightings=Sightings(expires=date), decay=Decay(10 * DAY, "NIDS"))) == date


def test_an_edit_after_its_expiration_makes_it_count_again() -> None:
    """What somebody changed in MISP after that date is meant to be there; the window counts again."""
    expired = Sightings(expires=EDITED - 1)
    assert _until(_told(sightings=expired)) == NOW + 120 * DAY
    assert _until(_told(sightings=expired, decay=Decay(40 * DAY, "NIDS"))) == EDITED + 40 * DAY
    assert _until(_told(sightings=Sightings(expires=EDITED))) == EDITED


def test_a_decay_model_gives_the_fixed_date() -> None:
    """Counted from the last change, or the last sighting after it: neither window, publication nor taking matter."""
    decay = Decay(47 * DAY, "NIDS")
    assert _until(_told(decay=decay)) == EDITED + 47 * DAY
    assert _until(_told(decay=decay, last_seen=EDITED - DAY)) == EDITED + 46 * DAY
    assert _until(_told(decay=decay, sightings=Sightings(seen=1, last=NOW - DAY))) == NOW + 46 * DAY
    assert _until(_told(decay=Decay(500 * DAY, "NIDS"))) == EDITED + 500 * DAY


@pytest.mark.parametrize(
    "silent",
    [
        {},
        {"sightings": NO_SIGHTINGS, "decay": NO_DECAY},
        {"sightings": Sightings(seen=9, false_positives=4, last=NOW)},
        {"decay": Decay(5, "NIDS"), "timestamp": 0},
    ],
)
def test_where_misp_says_no_end_the_window_counts(silent: dict[str, Any]) -> None:
    """Nobody was asked, nothing ends it, or it is not known from when a model counts."""
    assert ends(_told(**silent)) is None
    assert _until(_told(**silent)) == NOW + 120 * DAY
    assert why_it_ended(_told(**silent)) == ""


def test_the_report_says_what_ended_it_and_when() -> None:
    """Not who reported the sighting; the model by its name."""
    expired = _told(sightings=Sightings(expires=NOW - DAY))
    assert why_it_ended(expired) == "An Expiration sighting in MISP ended this attribute on 2026-11-23."
    decayed = _told(decay=Decay(DAY, "NIDS\nSimple"))
    assert why_it_ended(decayed) == (
        'On 2026-10-26 the score of this attribute fell below the threshold of MISP\'s decay model "NIDS Simple".'
    )


@given(ANY_TIME, ANY_TIME, ANY_TIME, ANY_TIME, st.integers(0, 10**11), st.integers(1, 10**15), st.booleans())
def test_odd_ends_never_leave_the_calendar(
    a: int, b: int, c: int, date: int, lasts: int, taken: int, sighted: bool
) -> None:
    """Whatever MISP says of the end, it begins before it ends, and nothing raises."""
    sightings = Sightings(expires=date) if sighted else Sightings(seen=1, last=date)
    odd = attribute(timestamp=a, first_seen=b, last_seen=c, sightings=sightings, decay=Decay(lasts, "odd"))
    (made,) = evidence(event(), odd, observe(odd), IndicatorRules(), "", taken)
    assert 0 < made.valid_from < made.valid_until <= LAST_SECOND
    why_it_ended(odd)
