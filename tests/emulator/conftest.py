"""Fixtures of the emulator's tests."""

from __future__ import annotations

import pytest

from .world import World


@pytest.fixture
def world() -> World:
    """A fresh emulator with everything at its default."""
    return World()
