"""What commands that act print."""

from __future__ import annotations

import io
import json
import sys

import pytest

from misp_modules_ext.cli.acted import exit_code, show
from misp_modules_ext.delivery.accounting import Result
from misp_modules_ext.delivery.acting import Acted
from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.model.outcome import Outcome, Reason, State


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


def test_a_reason_has_its_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it means and what to do, for people and programs, where it has no message of its own."""
    for as_json in (False, True):
        out = _output(monkeypatch, "utf-8")
        show("retry", "here", [_acted(Result(Outcome.PENDING, Reason.WITHDRAWAL_CAP))], [], as_json=as_json)
        shown = _shown(out)
        if as_json:
            (item,) = json.loads(shown)["destinations"][0]["items"]
            assert (item["reason"], item["message"]) == ("withdrawal-cap", Reason.WITHDRAWAL_CAP.sentence)
        else:
            assert f" - withdrawal-cap: {Reason.WITHDRAWAL_CAP.sentence}\n" in shown


def test_what_the_destination_says_stands_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not again at each value."""
    out = _output(monkeypatch, "utf-8")
    waits = Result(Outcome.PENDING, Reason.UNREACHABLE, "No answer.")
    show("retry", "here", [_acted(waits, message="No answer.")], [], as_json=False)
    assert _shown(out).endswith("    No answer.\n    pending domain-name c2.evil.example - unreachable\n")


@pytest.mark.parametrize(
    ("result", "state", "code"),
    [
        (Result(Outcome.PENDING, Reason.PERMISSION_REFUSED), State.OK, 4),
        (Result(Outcome.PENDING, Reason.THROTTLED), State.THROTTLED, 3),
        (Result(Outcome.REJECTED, Reason.REJECTED), State.OK, 1),
        (Result(Outcome.WITHDRAWN), State.MISCONFIGURED, 2),
        (Result(Outcome.WITHDRAWN), State.OK, 0),
    ],
)
def test_exit_codes_are_those_of_a_push(result: Result, state: State, code: int) -> None:
    """The same outcome means the same."""
    assert exit_code([_acted(result)._replace(state=state)]) == code
