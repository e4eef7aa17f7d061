"""The collector is paused for many records, and always goes on."""

from __future__ import annotations

import gc

import pytest

from misp_modules_ext.delivery.collector import MANY, paused


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
