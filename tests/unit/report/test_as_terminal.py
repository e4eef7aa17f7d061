"""The account on a terminal and in a pipe."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from misp_modules_ext.model.account import Account
from misp_modules_ext.model.outcome import Reason
from misp_modules_ext.report import to_terminal
from tests.unit.report import samples

#: Select Graphic Rendition, the only sequence that rich writes here (ECMA-48, 8.3.117).
SGR = re.compile(r"\x1b\[[0-9;]*m")


def printed(account: Account, *, terminal: bool, width: int = 120) -> str:
    """What a terminal (without its colours) or a pipe receives."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=width, color_system="standard" if terminal else None)
    to_terminal(account, console)
    return SGR.sub("", out.getvalue()) if terminal else out.getvalue()


def test_the_table_adds_up() -> None:
    """One row for each destination, whose numbers add up to the last column."""
    lines = [line for line in printed(samples.mixed(), terminal=True).splitlines() if line.startswith("│")]
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]
    assert [row[:2] for row in rows] == [
        ["microsoft", "ok"],
        ["microsoft defender-emea", "ok"],
        ["microsoft soc-us", "refused"],
    ]
    for row in rows:
        *outcomes, read = (int(cell) for cell in row[2:])
        assert sum(outcomes) == read == 17


def test_a_pipe_gets_plain_lines() -> None:
    """No frames, no colours, no wrapping: one line for each destination, reason, sentence and example."""
    lines = printed(samples.mixed(), terminal=False, width=40).splitlines()
    assert lines[0].startswith("Partly: 0 of 11 ")
    assert "microsoft (Microsoft Sentinel, ok): read 17 = accepted 10, merged 1, skipped 6" in lines
    assert "rejected rejected-by-microsoft (1 at microsoft defender-emea)" in lines
    assert f"    {Reason.CREDENTIALS_REFUSED.sentence}" in lines
    assert "      and 8 more" in lines
    assert not any("│" in line or "\x1b" in line or line != line.rstrip() for line in lines)


def test_a_terminal_wraps_without_losing_words() -> None:
    """A narrow window shows every word of a sentence, indented."""
    text = printed(samples.mixed(), terminal=True, width=50)
    assert Reason.SPECIAL_VALUE.meaning in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 50


@pytest.mark.parametrize("terminal", [True, False])
def test_hostile_text_reaches_no_terminal(terminal: bool) -> None:
    """No control, bidirectional or zero-width character gets out, whatever stands in the account."""
    text = printed(samples.hostile(), terminal=terminal, width=400)
    assert all(character.isprintable() or character in "\n\u200d" for character in text)
    assert "\\x1b[2J" in text
    assert "user\\u202egpj.exe" in text


def test_rich_markup_in_values_is_text() -> None:
    """Square brackets are what they are."""
    text = printed(samples.hostile(), terminal=True, width=400)
    assert "[bold red]markup[/] [link=https://evil.example]x[/link]" in text
    out = io.StringIO()
    to_terminal(samples.hostile(), Console(file=out, force_terminal=True, width=400))
    assert "\x1b]8;" not in out.getvalue()


def test_an_output_that_cannot_show_it_gets_escapes() -> None:
    """An ASCII terminal or log file raises no error and loses no row."""
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding="ascii", write_through=True) as out:
        to_terminal(samples.hostile(), Console(file=out, force_terminal=False, width=200))
        text = raw.getvalue().decode("ascii")
    assert "\\u0645\\u062b" in text


def test_problem_and_preview() -> None:
    """A problem shows its own text and the next step; a preview says first that nothing was sent."""
    lines = printed(samples.problem(), terminal=False).splitlines()
    assert lines[0] == "No: nothing was sent. The configuration cannot be used."
    assert "  2. [microsoft soc-emea] tenatId: unknown key. Did you mean `tenantId`?" in lines
    assert lines[-1] == "Correct the configuration, run `misp-microsoft check`, then repeat."
    preview = printed(replace(samples.arrived(), preview=True), terminal=False)
    assert preview.startswith("Preview: nothing was sent. 10 of 16 ")


def test_withdrawals_warnings_and_messages_are_told() -> None:
    """What stands beside the table in the record stands beside it on the terminal."""
    assert "microsoft: 1 indicator withdrawn for attributes that are gone" in printed(
        samples.every_outcome(), terminal=False
    )
    mixed = printed(samples.mixed(), terminal=False)
    assert "Warning: [misp] has no key" in mixed
    assert "microsoft soc-us: Entra says that the secret has expired (AADSTS7000222)." in mixed


@pytest.mark.parametrize("terminal", [True, False])
def test_what_does_more_than_alert_is_told(terminal: bool) -> None:
    """Each indicator once, and why others do not."""
    text = printed(samples.acting(), terminal=terminal)
    assert "microsoft defender: more than an alert: 1 Block" in text
    assert "microsoft defender: not the action that was asked for: 1 indicator" in text
    assert "domain-name c.example - Would be Block, is Audit: `neverBlock` covers it with c.example." in text
    assert "more than an alert" not in printed(samples.mixed(), terminal=terminal)
