"""`python -m tests.pictures`: draw the pictures of the documents anew. Needs Chromium."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from misp_modules_ext.demo.service import Service
from misp_modules_ext.emulator import Emulator
from tests.browser.conftest import Browser, Page, find_browser
from tests.pictures.page import WIDTH, page
from tests.pictures.png import drawn_from
from tests.pictures.scenes import Scene, scenes
from tests.support.world import World

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "pictures"


def main() -> None:
    """Ask, draw, and write pictures and texts."""
    program = find_browser()
    if program is None:
        sys.exit("There is no Chromium. What to do: install it, or name it in CHROMIUM.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["XDG_STATE_HOME"] = str(folder / "state")
        found = _asked(folder)
        (folder / "profile").mkdir()
        browser = Browser(program, folder / "profile")
        try:
            for scene in found:
                _draw(Page(browser), scene, folder)
        finally:
            browser.close()


def _asked(folder: Path) -> list[Scene]:
    with Emulator(state=folder / "emulator", rates=False) as emulator:
        world = World(emulator, folder / "rh-isac.conf")
        with Service(world.configure(), folder / "misp-modules.log") as service:
            return scenes(service, world)


def _draw(tab: Page, scene: Scene, folder: Path) -> None:
    source, picture = folder / f"{scene.name}.html", folder / f"{scene.name}.png"
    source.write_text(page(scene), encoding="utf-8")
    tab.resize(WIDTH, 100)
    tab.open(source.as_uri())
    tab.screenshot(picture)
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{scene.name}.png").write_bytes(drawn_from(picture.read_bytes(), scene.text))
    (FOLDER / f"{scene.name}.txt").write_text(scene.text, encoding="utf-8")


if __name__ == "__main__":
    main()
