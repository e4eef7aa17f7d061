"""Finding the guilty item of a refused request, and knowing when none is guilty."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misp_modules_ext.delivery.halving import RefusedAlike, isolate
from misp_modules_ext.destinations.interface import ItemResult
from misp_modules_ext.errors import Unavailable
from misp_modules_ext.model.indicator import Due, Kind
from misp_modules_ext.model.outcome import Outcome
from tests.support.build import due
from tests.support.memory import MemoryDestination


class _Run:
    """One isolation, with what it recorded."""

    def __init__(self, size: int, guilty: dict[int, str]) -> None:
        self.dues = [due(Kind.DOMAIN_NAME, f"host{n}.example") for n in range(size)]
        self.destination = MemoryDestination(guilty={f"host{n}.example": words for n, words in guilty.items()})
        self.outcomes: dict[str, Outcome] = {}

    def record(self, batch: Sequence[Due], results: Sequence[ItemResult]) -> None:
        for item, result in zip(batch, results, strict=True):
            assert item.indicator.observable.value not in self.outcomes, "recorded twice"
            self.outcomes[item.indicator.observable.value] = result.outcome

    def isolate(self) -> None:
        isolate(self.dues, lambda batch: self.destination.send(batch, 1), self.record)

    @property
    def rejected(self) -> set[int]:
        return {int(v[4:-8]) for v, outcome in self.outcomes.items() if outcome is Outcome.REJECTED}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 100])
@pytest.mark.parametrize("where", ["first", "middle", "last"])
def test_one_guilty_item_is_found_and_all_others_go(size: int, where: str) -> None:
    """Whatever the size, exactly the guilty one is rejected and the rest is held."""
    number = {"first": 0, "middle": size // 2, "last": size - 1}[where]
    run = _Run(size, {number: "pattern is wrong"})
    run.isolate()
    assert run.rejected == {number}
    assert len(run.destination.held) == size - 1
    assert len(run.outcomes) == size


def test_finding_one_in_a_hundred_is_cheap() -> None:
    """Halving needs some fifteen requests, not a hundred."""
    run = _Run(100, {37: "x"})
    run.isolate()
    assert len(run.destination.requests) <= 15


def test_everything_refused_alike_is_nobodys_fault() -> None:
    """A cause outside the items ends the search early and rejects nothing."""
    run = _Run(100, {n: f"Workspace setting refuses item {n}" for n in range(100)})
    with pytest.raises(RefusedAlike, match="Workspace setting"):
        run.isolate()
    assert run.outcomes == {}
    assert len(run.destination.requests) <= 20


def test_two_items_refused_alike_are_nobodys_fault() -> None:
    """The smallest batch that can tell."""
    run = _Run(2, {0: "no", 1: "no"})
    with pytest.raises(RefusedAlike):
        run.isolate()


def test_items_refused_for_different_reasons_are_each_guilty() -> None:
    """Different words: each item has its own fault."""
    run = _Run(2, {0: "the hash is wrong", 1: "the address is wrong"})
    run.isolate()
    assert run.rejected == {0, 1}


def test_guilty_items_at_both_ends_do_not_look_systemic() -> None:
    """Two poisonous items refused in the same words must not hold back the ninety-eight between them."""
    run = _Run(100, {0: "no", 99: "no"})
    run.isolate()
    assert run.rejected == {0, 99}
    assert len(run.destination.held) == 98


def test_what_passed_before_a_network_error_is_kept() -> None:
    """An error in the middle of halving loses no answer already given."""

    def cut(number: int) -> None:
        if number == 3:
            raise Unavailable("connection lost")

    run = _Run(8, {7: "no"})
    run.destination = MemoryDestination(guilty={"host7.example": "no"}, before=cut)
    with pytest.raises(Unavailable):
        run.isolate()
    assert set(run.outcomes) == {f"host{n}.example" for n in range(4)}


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1)))))
def test_any_guilty_set_is_found_or_called_systemic(case: tuple[int, set[int]]) -> None:
    """Exactly the guilty are rejected; only when so many fail alike that nothing passed is nothing rejected."""
    size, guilty = case
    run = _Run(size, dict.fromkeys(guilty, "refused"))
    try:
        run.isolate()
    except RefusedAlike:
        assert len(guilty) >= min(8, size)
        assert run.outcomes == {}
    else:
        assert run.rejected == guilty
        assert len(run.outcomes) == size
