"""What is shown, for what a person asks."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from misp_modules_ext.logs import ROOT, Wish, is_json, logger, set_up


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    ours, root = logging.getLogger(ROOT), logging.getLogger()
    before = (ours.handlers, ours.propagate, ours.level, root.handlers[:], root.level)
    root.handlers = []
    yield
    ours.handlers, ours.propagate, ours.level, root.handlers, root.level = before


@pytest.mark.parametrize(
    ("wish", "usual", "lowest"),
    [
        (Wish(), logging.WARNING, logging.WARNING),
        (Wish(), logging.INFO, logging.INFO),
        (Wish(as_json=True), logging.WARNING, logging.INFO),
        (Wish(debug=True), logging.WARNING, logging.DEBUG),
        (Wish(debug=True, as_json=True, level="error"), logging.INFO, logging.ERROR),
        (Wish(level="info").over(Wish(debug=True, level="error")), logging.WARNING, logging.INFO),
        (Wish().over(Wish(as_json=True)), logging.WARNING, logging.INFO),
    ],
)
def test_the_lowest_level(wish: Wish, usual: int, lowest: int) -> None:
    """The command's own; lower for JSON and --debug; a level that is named counts before all."""
    assert wish.lowest(usual) == lowest


def test_ours_at_the_level_asked_for_and_libraries_from_a_warning_on() -> None:
    """At lower levels they write headers and bodies as they are."""
    written = io.StringIO()
    set_up(Wish(debug=True), stream=written)
    logger("requests").debug("ours")
    logging.getLogger("pymisp").debug("with a key")
    logging.getLogger("pymisp").info("with a key")
    logging.getLogger("pymisp").warning("theirs")
    first, second = written.getvalue().splitlines()
    assert first.endswith("DEBUG ours")
    assert second.endswith("WARNING pymisp: theirs")


def test_setting_up_again_replaces(capsys: pytest.CaptureFixture[str]) -> None:
    """No line twice, and the form that was asked for last; a root logger that another has set up shows none again."""
    set_up(Wish(), stream=io.StringIO())
    assert not is_json()
    set_up(Wish(as_json=True))
    assert is_json()
    logging.basicConfig(level=logging.DEBUG, force=True)
    logger().warning("once")
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["message"] == "once"
