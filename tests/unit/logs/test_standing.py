"""A state that stays is told once, and its end."""

from __future__ import annotations

from misp_modules_ext.logs import standing
from misp_modules_ext.logs.standing import Standing


def test_it_is_told_when_it_begins_changes_and_ends() -> None:
    """Each once, however often it is looked at."""
    told = Standing()
    assert [told.begins("x", "down"), told.begins("x", "down"), told.begins("x", "refused")] == [True, False, True]
    assert told.told("x") == "refused"
    assert [told.ends("x"), told.ends("x"), told.ends("y")] == [True, False, False]
    assert told.begins("x", "down")


def test_one_does_not_stand_for_another() -> None:
    """What is wrong here says nothing of there."""
    told = Standing()
    assert told.begins("x", "down")
    assert told.begins("y", "down")
    assert told.ends("x")
    assert not told.begins("y", "down")


def test_it_does_not_grow_without_end() -> None:
    """Of too many the oldest is forgotten, and told again."""
    told = Standing()
    assert all(told.begins(number, "down") for number in range(standing.MOST + 1))
    assert told.told(0) is None
    assert told.told(standing.MOST) == "down"
