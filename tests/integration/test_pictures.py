"""The pictures of the documents: what they show is what is answered today."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from misp_modules_ext.demo.service import Service
from tests.pictures.__main__ import FOLDER
from tests.pictures.page import page
from tests.pictures.scenes import masked, scenes
from tests.support.world import World


def test_the_pictures_show_what_is_answered_today(
    served: tuple[Service, World], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for the moments. The command is run as for the picture, in a place of its own."""
    monkeypatch.setitem(os.environ, "XDG_STATE_HOME", str(tmp_path))
    found = scenes(*served)
    assert {f"{scene.name}.txt" for scene in found} == {path.name for path in FOLDER.glob("*.txt")}
    for scene in found:
        stored = (FOLDER / f"{scene.name}.txt").read_text("utf-8")
        assert masked(stored) == masked(scene.text), "draw the pictures anew: make pictures"
        assert "not a screenshot of" in page(scene) or scene.look == "terminal"
