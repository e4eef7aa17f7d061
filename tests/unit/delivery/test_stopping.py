"""Ending a worker."""

from __future__ import annotations

from misp_modules_ext.delivery.stopping import Stopping


def test_everyone_who_has_something_under_way_is_told() -> None:
    """Once, as long as it lasts."""
    stopping, told = Stopping(), []
    with stopping.telling(lambda: told.append("over")):
        pass
    with stopping.telling(lambda: told.append("first")), stopping.telling(lambda: told.append("second")):
        assert not stopping.begun
        stopping.begin()
        assert stopping.begun
    assert told == ["first", "second"]


def test_who_comes_later_is_told_at_once() -> None:
    """A request that was about to begin does not."""
    stopping, told = Stopping(), []
    stopping.begin()
    with stopping.telling(lambda: told.append("late")):
        assert told == ["late"]
