"""Other people's data, which stays outside this repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def shared(*parts: str) -> Path:
    """A path below the shared data; without it the test is skipped, and fails in CI."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        message = f"the shared data is not there: {path}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path


def event_files() -> list[Path]:
    """All MISP event files of the shared data; empty when it is absent (`shared()` then says so)."""
    root = SHARED / "events"
    found = [*root.glob("real/**/*.json"), *root.glob("upstream-synthetic/**/*.json")]
    return sorted(found)
