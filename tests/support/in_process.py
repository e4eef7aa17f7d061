"""Runs `misp-microsoft` in this process, so that a test can hold a clock or a size of its."""

from __future__ import annotations

import sys

import pytest

from misp_modules_ext.cli import main


def call(
    words: list[str], secret: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> tuple[int, str, str]:
    """Run it with these words; gives its exit code and what it wrote, in which `secret` never stands."""
    monkeypatch.setattr(sys, "argv", ["misp-microsoft", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capfd.readouterr()
    assert "Traceback" not in err
    assert secret not in out + err
    return int(ended.value.code or 0), out, err
