"""The collector is paused for many records, and always goes on."""

from __future__ import annotations

import gc
import weakref

import pytest

from misp_modules_ext.delivery import collector
from misp_modules_ext.delivery.collector import MANY, VERY_MANY, paused


class _Kept:
    """Something that the collector looks after."""


def test_it_is_off_inside_and_on_afterwards() -> None:
    """Also when pauses overlap and when one ends with an error."""
    assert gc.isenabled()
    with pytest.raises(ValueError, match="x"):
        _fail_inside()
    assert gc.isenabled()


def _fail_inside() -> None:
    with paused(MANY):
        with paused(MANY):
            assert not gc.isenabled()
        assert not gc.isenabled()
        raise ValueError("x")


def test_few_records_leave_it_alone() -> None:
    """An ordinary event changes nothing in the process."""
    with paused(MANY - 1):
        assert gc.isenabled()


def test_whoever_has_switched_it_off_keeps_it_off() -> None:
    """It is put back as it was."""
    gc.disable()
    try:
        with paused(MANY):
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_was_made_meanwhile_is_not_looked_at_when_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is old at once, so that only a look at everything looks at it."""
    monkeypatch.setattr(collector, "_passed", 0)
    gc.collect()
    with paused(VERY_MANY):
        kept = [_Kept() for _ in range(10)]
    young = [found for found in gc.get_objects(generation=0) if isinstance(found, _Kept)]
    assert young == []
    assert len(kept) == 10


@pytest.mark.parametrize("records", [MANY, VERY_MANY])
def test_garbage_goes_by_itself(records: int) -> None:
    """However often it is paused: of a service that lives for months nothing piles up."""
    gc.collect()
    gone = []
    for _ in range(200):
        with paused(records):
            circle = _Kept()
            circle.__dict__["itself"] = circle
            gone.append(weakref.ref(circle))
            del circle
            rest = [[] for _ in range(2_000)]
        rest.clear()
    assert len([ref for ref in gone if ref() is not None]) < 50


def test_how_many_there_are_may_be_said_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request tells only when it is read."""
    monkeypatch.setattr(collector, "_passed", 0)
    gc.collect()
    with paused(MANY) as note:
        kept = [_Kept() for _ in range(10)]
        note(VERY_MANY)
    assert [found for found in gc.get_objects(generation=0) if isinstance(found, _Kept)] == []
    assert len(kept) == 10


def test_what_is_collected_may_pause_it_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on afterwards, and nobody waits for anybody."""

    class Pausing:
        def __del__(self) -> None:
            with paused(MANY):
                done.append(True)

    done: list[bool] = []
    monkeypatch.setattr(collector, "_passed", collector._PASSES)
    with paused(VERY_MANY):
        circle = Pausing()
        circle.__dict__["itself"] = circle
        del circle
    assert done == [True]
    assert gc.isenabled()


def test_what_somebody_has_frozen_stays_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service may freeze what it has loaded before it forks."""
    monkeypatch.setattr(collector, "_passed", 0)
    kept = [_Kept() for _ in range(2 * collector._FROZEN)]
    gc.collect()
    gc.freeze()
    try:
        with paused(VERY_MANY):
            pass
        # What is frozen is not among the objects that the collector looks after.
        assert not [found for found in gc.get_objects() if isinstance(found, _Kept)]
    finally:
        gc.unfreeze()
    assert len([found for found in gc.get_objects() if isinstance(found, _Kept)]) == len(kept)
