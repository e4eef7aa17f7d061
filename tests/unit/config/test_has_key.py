"""Whether a MISP can be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from misp_modules_ext.config.settings import MispSettings, Settings


@pytest.mark.parametrize(("key", "expected"), [(None, False), ("", False), (" ", False), ("k", True)])
def test_a_blank_key_is_none(key: str | None, expected: bool) -> None:
    """So no door has events read later that nobody can read."""
    misp = MispSettings(name="misp", url="https://misp.example", key=None if key is None else SecretStr(key))
    assert misp.has_key is expected
    assert Settings(path=Path("/x"), misp=misp).reads_misp is expected
    assert Settings(path=Path("/x")).reads_misp is False
