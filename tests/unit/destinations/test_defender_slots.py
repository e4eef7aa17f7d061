"""Who gets a slot: examples, and what holds for every crowd."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misp_modules_ext.destinations.defender_slots import Places, Rank, Ranked, place, rank, room
from misp_modules_ext.destinations.interface import Entry
from misp_modules_ext.model.indicator import Severity
from tests.support.build import indicator

RANKS = st.builds(Rank, st.booleans(), st.sampled_from(Severity), st.integers(0, 5))


@st.composite
def crowds(draw: st.DrawFn) -> tuple[list[Ranked], list[Ranked], int]:
    """Live ones, newcomers and slots."""
    names = draw(st.lists(st.text("abc", max_size=4), unique=True, max_size=30))
    ranked = [Ranked(name, draw(RANKS)) for name in names]
    cut = draw(st.integers(0, len(ranked)))
    return ranked[:cut], ranked[cut:], draw(st.integers(0, 35))


def _entries(ours: int, others: int) -> list[Entry]:
    made = [Entry(str(n), "", None, n < ours, None, False, {}) for n in range(ours + others)]
    return made[::-1]


@pytest.mark.parametrize(
    ("ours", "others", "limit", "slots"),
    [(0, 0, 14_000, 14_000), (5, 900, 14_000, 14_000), (5, 2_000, 14_000, 13_000), (0, 15_000, 14_000, 0)],
)
def test_room_is_what_others_and_the_limit_leave(ours: int, others: int, limit: int, slots: int) -> None:
    """Ours do not count against us; a tenant holds 15,000."""
    assert room(_entries(ours, others), limit) == slots


def test_more_than_a_tenant_holds_is_no_room() -> None:
    """Microsoft's list may be ahead of its own limit."""
    assert room(_entries(0, 15_001), 14_000) == 0


def test_classes_are_compared_in_their_order() -> None:
    """Action, then threat level, then confidence in steps of twenty."""
    assert rank(indicator(severity=Severity.HIGH, confidence=99)) == Rank(False, Severity.HIGH, 4)
    assert rank(indicator(confidence=100)).confidence == 5
    assert rank(indicator(confidence=59)) == rank(indicator(confidence=40))
    ordered = [
        Rank(False, Severity.LOW, 5),
        Rank(False, Severity.MEDIUM, 0),
        Rank(False, Severity.MEDIUM, 1),
        Rank(True, Severity.INFORMATIONAL, 0),
    ]
    assert sorted(ordered, reverse=True) == ordered[::-1]


def _ranked(name: str, severity: Severity = Severity.MEDIUM, *, blocking: bool = False) -> Ranked:
    return Ranked(name, Rank(blocking, severity, 2))


def test_the_best_newcomers_take_what_is_free() -> None:
    """By class, then by name."""
    newcomers = [_ranked("b"), _ranked("c", Severity.HIGH), _ranked("a"), _ranked("d", Severity.LOW)]
    assert place([_ranked("live")], newcomers, 4) == Places(("c", "a", "b"), (), ("d",))


def test_a_better_newcomer_takes_the_place_of_the_lowest() -> None:
    """One for one; equals stay."""
    live = [_ranked("x", Severity.LOW), _ranked("y", Severity.INFORMATIONAL), _ranked("z")]
    newcomers = [_ranked("a"), _ranked("b"), _ranked("c")]
    assert place(live, newcomers, 3) == Places(("a", "b"), ("y", "x"), ("c",))


def test_what_blocks_is_evicted_by_nobody() -> None:
    """Not even by another that blocks and is more severe."""
    live = [_ranked("x", Severity.INFORMATIONAL, blocking=True)]
    newcomer = _ranked("a", Severity.HIGH, blocking=True)
    assert place(live, [newcomer], 1) == Places((), (), ("a",))


def test_a_lowered_limit_withdraws_nothing() -> None:
    """More are there than may be: they stay, and what comes replaces one each."""
    live = [_ranked(str(n), Severity.LOW) for n in range(5)]
    assert place(live, [_ranked("a")], 2) == Places(("a",), ("0",), ())
    assert place(live, [_ranked("a", Severity.LOW)], 2) == Places((), (), ("a",))


@given(crowds())
def test_everyone_is_told_once(crowd: tuple[list[Ranked], list[Ranked], int]) -> None:
    """Each newcomer fits or not; only live ones are evicted, each once."""
    live, newcomers, slots = crowd
    places = place(live, newcomers, slots)
    assert sorted(places.fit + places.left_out) == sorted(one.name for one in newcomers)
    assert set(places.evicted) <= {one.name for one in live}
    assert len(set(places.evicted)) == len(places.evicted)


@given(crowds())
def test_it_never_gets_fuller_than_it_may(crowd: tuple[list[Ranked], list[Ranked], int]) -> None:
    """Nor than it was; and no slot stays free while somebody is left out."""
    live, newcomers, slots = crowd
    places = place(live, newcomers, slots)
    after = len(live) + len(places.fit) - len(places.evicted)
    assert after <= max(slots, len(live))
    assert not places.left_out or after >= slots


@given(crowds())
def test_only_the_strictly_lower_go_and_none_that_blocks(crowd: tuple[list[Ranked], list[Ranked], int]) -> None:
    """Each is lower than the newcomer that takes its place, and none stays that is lower than one left out."""
    live, newcomers, slots = crowd
    places = place(live, newcomers, slots)
    by_name = {one.name: one.rank for one in (*live, *newcomers)}
    evicted = [by_name[name] for name in places.evicted]
    fit = [by_name[name] for name in places.fit]
    stay = [one.rank for one in live if one.name not in places.evicted and not one.rank.blocking]
    assert not any(rank.blocking for rank in evicted)
    takers = fit[len(fit) - len(evicted) :]
    assert all(low < high for low, high in zip(evicted, takers, strict=True))
    assert all(low <= high for low in evicted for high in stay)
    assert all(by_name[name] <= high for name in places.left_out for high in stay)


@given(crowds())
def test_the_best_fit(crowd: tuple[list[Ranked], list[Ranked], int]) -> None:
    """Nobody is left out who is of a higher class than one who fits."""
    live, newcomers, slots = crowd
    places = place(live, newcomers, slots)
    by_name = {one.name: one.rank for one in newcomers}
    assert all(by_name[out] <= by_name[name] for out in places.left_out for name in places.fit)


@given(crowds(), st.randoms())
def test_the_order_of_asking_decides_nothing(crowd: tuple[list[Ranked], list[Ranked], int], random: object) -> None:
    """Every process decides alike."""
    live, newcomers, slots = crowd
    places = place(live, newcomers, slots)
    random.shuffle(live)  # type: ignore[attr-defined]
    random.shuffle(newcomers)  # type: ignore[attr-defined]
    assert place(live, newcomers, slots) == places


@given(crowds())
def test_a_second_asking_changes_nothing(crowd: tuple[list[Ranked], list[Ranked], int]) -> None:
    """Who was left out, and who was evicted, stays so when nothing else has changed: no seesaw."""
    live, newcomers, slots = crowd
    places = place(live, newcomers, slots)
    everyone = {one.name: one for one in (*live, *newcomers)}
    now = [one for one in live if one.name not in places.evicted] + [everyone[name] for name in places.fit]
    outside = [everyone[name] for name in (*places.left_out, *places.evicted)]
    again = place(now, outside, max(slots, len(now)))
    assert (again.fit, again.evicted) == ((), ())
