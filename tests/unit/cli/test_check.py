"""What `check` prints and finds."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from misp_modules_ext.cli import check
from misp_modules_ext.config.settings import Settings
from misp_modules_ext.destinations.interface import Finding
from tests.support.build import destination


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_finding_is_one_line_in_a_pipe(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    """As long as it is, and without what the encoding lacks."""
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", out)
    settings = Settings(path=Path("/etc/☃/rh-isac.conf"), warnings=("note " * 40,))
    finding = Finding("token", False, "answer ☃ " * 30, "remedy " * 30)
    check._print_list(settings, (destination(),), {"microsoft": [finding]}, [], ["host.example"] * 20)
    out.flush()
    assert isinstance(out.buffer, io.BytesIO)
    lines = out.buffer.getvalue().decode(encoding).splitlines()
    assert [line.split()[0] for line in lines] == [
        "Configuration:",
        "note:",
        "[microsoft]",
        "1.",
        "What",
        "This",
        "Hosts",
    ]
