"""Tables for people, lines for pipes."""

from __future__ import annotations

import io

from rich.console import Console

from misp_modules_ext.cli import tables
from tests.unit.report.samples import HOSTILE

HEAD = ("destination", "there", "skipped", "next")
ROWS = (("microsoft", "18", "0", ""), ("microsoft soc", "0", "0", "soon"), ("empty", "0", "0", ""))


def _printed(terminal: bool, encoding: str = "utf-8") -> tuple[Console, io.TextIOWrapper]:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    return Console(file=file, force_terminal=terminal, width=80, markup=False, highlight=False, no_color=True), file


def _text(file: io.TextIOWrapper) -> str:
    file.flush()
    buffer = file.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode(file.encoding)


def test_a_pipe_gets_a_line_for_each_row() -> None:
    """It begins with the name and leaves out what is nothing."""
    out, file = _printed(False)
    tables.table(out, HEAD, ROWS)
    assert _text(file).splitlines() == ["microsoft: there 18", "microsoft soc: next soon", "empty: nothing"]


def test_a_terminal_gets_a_table() -> None:
    """With all columns."""
    out, file = _printed(True)
    tables.table(out, HEAD, ROWS, right=("there",))
    shown = _text(file)
    assert all(word in shown for word in (*HEAD, "microsoft soc", "18"))
    assert "┃" in shown


def test_a_long_line_stays_one_line() -> None:
    """For grep."""
    out, file = _printed(False)
    tables.line(out, "word " * 100, indent=2)
    assert _text(file).count("\n") == 1
    assert _text(file).startswith("  word")


def test_hostile_words_are_shown_and_not_obeyed() -> None:
    """Neither by a terminal nor by rich, nor by an encoding that cannot hold them."""
    for terminal in (False, True):
        out, file = _printed(terminal, "ascii")
        for text in HOSTILE:
            tables.line(out, text)
        tables.table(out, ("a", "b"), [(text, text) for text in HOSTILE])
        shown = _text(file)
        assert "[bold red]markup[/]" in shown
        assert "\x1b]8" not in shown
        assert "\x07" not in shown


def test_moments() -> None:
    """In UTC, to the second."""
    assert tables.when(1_795_521_600_999) == "2026-11-24T12:00:00Z"
    assert tables.when(None) == ""
