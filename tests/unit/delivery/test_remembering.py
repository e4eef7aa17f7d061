"""Questions to Microsoft: each once, answers for a short time, and nobody waits longer than they want."""

from __future__ import annotations

import threading
import time

import pytest

from misp_modules_ext.delivery.lookup import remembering
from misp_modules_ext.delivery.lookup.remembering import Answered, Memory, awaited
from misp_modules_ext.errors import CredentialsRefused
from misp_modules_ext.model.outcome import Reason

SOON = 5.0


class _Api:
    """Counts how often it is asked."""

    def __init__(self, *answers: object) -> None:
        self.asked = 0
        self.go = threading.Event()
        self.go.set()
        self._answers = answers

    def __call__(self, timeout: float) -> list[object]:
        self.asked += 1
        assert timeout == remembering.LONGEST
        assert self.go.wait(timeout)
        if self._answers and isinstance(self._answers[0], Exception):
            raise self._answers[0]
        return list(self._answers)


def _ask(memory: Memory, api: _Api, key: object = "key", lasting: float = 300) -> Answered:
    return awaited(memory.ask(key, "API", api, lasting), "API", time.monotonic() + SOON)


def test_an_answer_is_used_again() -> None:
    """For its question alone."""
    memory, api = Memory(), _Api(1, 2)
    assert _ask(memory, api) == _ask(memory, api) == Answered("API", (1, 2))
    assert api.asked == 1
    _ask(memory, api, "another")
    assert api.asked == 2


def test_an_answer_is_over_some_time_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is asked again; a failure is over sooner."""
    memory, api, broken = Memory(), _Api(1), _Api(CredentialsRefused("no"))
    now = time.monotonic()
    _ask(memory, api)
    _ask(memory, broken, "broken")
    monkeypatch.setattr(remembering.time, "monotonic", lambda: now + remembering.FAILED + 1)
    memory.ask("key", "API", api, 300).result(SOON)
    memory.ask("broken", "API", broken, 300).result(SOON)
    assert (api.asked, broken.asked) == (1, 2)
    monkeypatch.setattr(remembering.time, "monotonic", lambda: now + 302)
    memory.ask("key", "API", api, 300).result(SOON)
    assert api.asked == 2


def test_who_comes_meanwhile_waits_for_the_same_answer() -> None:
    """And who does not want to wait goes; the next one finds the answer."""
    memory, api = Memory(), _Api(1)
    api.go.clear()
    first = awaited(memory.ask("key", "API", api, 300), "API", time.monotonic())
    assert first.problem is not None
    assert first.problem.reason is Reason.NOT_IN_TIME
    second = memory.ask("key", "API", api, 300)
    api.go.set()
    assert second.result(SOON) == Answered("API", (1,))
    assert api.asked == 1


def test_a_refusal_is_an_answer() -> None:
    """With its reason and Microsoft's words; a defect is told as one."""
    memory = Memory()
    refused = _ask(memory, _Api(CredentialsRefused("The secret has expired.")))
    assert refused.problem == (Reason.CREDENTIALS_REFUSED, "The secret has expired.")
    broken = _ask(memory, _Api(KeyError("x")), "another")
    assert broken.problem is not None
    assert "defect" in broken.problem.words


def test_only_so_much_is_asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is beyond that is told so at once; it is asked when there is room."""
    monkeypatch.setattr(remembering, "MOST_ASKED", 1)
    monkeypatch.setattr(remembering, "MOST_WAITING", 1)
    memory, slow, other = Memory(), _Api(1), _Api(2)
    slow.go.clear()
    answering = memory.ask("slow", "API", slow, 300)
    while not slow.asked:
        time.sleep(0.01)
    waiting = memory.ask("other", "API", other, 300)
    busy = _ask(memory, other, "one more")
    assert busy.problem is not None
    assert (busy.problem.reason, other.asked) == (Reason.NOT_IN_TIME, 0)
    slow.go.set()
    assert answering.result(SOON).found == (1,)
    assert waiting.result(SOON).found == (2,)


def test_only_so_much_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest goes first."""
    monkeypatch.setattr(remembering, "MOST_KEPT", 2)
    memory, api = Memory(), _Api(1)
    for key in ("one", "two", "one", "three"):
        _ask(memory, api, key)
    asked = api.asked
    _ask(memory, api, "one")
    assert api.asked == asked
    _ask(memory, api, "two")
    assert api.asked == asked + 1
