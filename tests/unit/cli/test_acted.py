"""What commands that act print."""

from __future__ import annotations

import io
import sys

import pytest

from misp_modules_ext.cli.acted import show
from misp_modules_ext.delivery.accounting import Result
from misp_modules_ext.delivery.acting import Acted
from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.model.outcome import Outcome, State


def _acted(result: Result, name: str = "microsoft", value: str = "c2.evil.example", message: str = "") -> Acted:
    found = {Observable(Kind.DOMAIN_NAME, value): result}
    return Acted(name, "Microsoft Sentinel", "sentinel", State.OK, message, found)


def _output(monkeypatch: pytest.MonkeyPatch, encoding: str) -> io.TextIOWrapper:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", out)
    return out


def _shown(out: io.TextIOWrapper) -> str:
    out.flush()
    assert isinstance(out.buffer, io.BytesIO)
    return out.buffer.getvalue().decode(out.encoding)


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_what_the_output_cannot_hold_is_escaped(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    """It was done already: a traceback would hide that."""
    out = _output(monkeypatch, encoding)
    done = _acted(Result(Outcome.WITHDRAWN), "microsoft ☃", "☃.example", "Zażółć.")
    show("withdraw", "sqlite:///☃", [done], ["☃ is on hold."], as_json=False)
    shown = _shown(out)
    assert "    withdrawn domain-name \\u2603.example\n" in shown
    assert "\\u2603 is on hold.\n" in shown
