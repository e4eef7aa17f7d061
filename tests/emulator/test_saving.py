"""A state folder that cannot be written is said, and tried again."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from misp_modules_ext.emulator import Emulator


def _until(true: Callable[[], bool]) -> bool:
    end = time.monotonic() + 20
    while not true() and time.monotonic() < end:
        time.sleep(0.05)
    return true()


def test_what_cannot_be_kept_is_said_and_kept_later(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As with a full disk: a warning while it lasts, and the state on disk when it is over."""
    caplog.set_level(logging.WARNING, logger="misp_modules_ext.emulator")
    with Emulator(state=tmp_path, rates=False) as emulator:
        in_the_way = tmp_path / "state.json.new"
        in_the_way.mkdir()
        emulator.advance(1)
        emulator.reset()
        assert _until(lambda: "cannot be kept" in caplog.text)
        in_the_way.rmdir()
        assert _until((tmp_path / "state.json").exists)
    json.loads((tmp_path / "state.json").read_bytes())
