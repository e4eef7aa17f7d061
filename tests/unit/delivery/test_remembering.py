"""Questions to Microsoft: each once, answers for a short time, and nobody waits longer than they want."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future

import pytest

from misp_modules_ext.delivery.lookup import remembering
from misp_modules_ext.delivery.lookup.remembering import Answered, Memory, awaited
from misp_modules_ext.destinations.looking import Probe, Sighting
from misp_modules_ext.errors import CredentialsRefused
from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.model.outcome import Reason

SOON = 5.0


VALUE, *MANY = (Observable(Kind.DOMAIN_NAME, f"c{number}.evil.example") for number in range(5))


class _Api:
    """Notes what it is asked about; sees each value so many times, or fails."""

    def __init__(self, times: int = 1, fails: Exception | None = None) -> None:
        self.about: list[tuple[Observable, ...]] = []
        self.go = threading.Event()
        self.go.set()
        self._times = times
        self._fails = fails

    @property
    def asked(self) -> int:
        """How often it was asked."""
        return len(self.about)

    def __call__(self, about: Sequence[Observable], timeout: float) -> list[Sighting]:
        self.about.append(tuple(about))
        assert timeout == remembering.LONGEST
        assert self.go.wait(timeout)
        if self._fails is not None:
            raise self._fails
        return [_seen(one, number) for number in range(self._times) for one in about]


def _seen(one: Observable, number: int) -> Sighting:
    return Sighting(one, "table", number)


def _future(memory: Memory, api: _Api, key: object = "key", lasting: float = 300) -> Future[Answered]:
    return memory.ask({VALUE: key}, Probe("API", (VALUE,), api), lasting, "place")[VALUE]


def _ask(memory: Memory, api: _Api, key: object = "key", lasting: float = 300) -> Answered:
    return awaited(_future(memory, api, key, lasting), "API", time.monotonic() + SOON)


def _ask_many(memory: Memory, api: _Api, *values: Observable) -> dict[Observable, Answered]:
    futures = memory.ask({one: one for one in values}, Probe("API", values, api), 300, "place")
    return {one: future.result(SOON) for one, future in futures.items()}


def test_an_answer_is_used_again() -> None:
    """For its question alone."""
    memory, api = Memory(), _Api(2)
    assert _ask(memory, api) == _ask(memory, api) == Answered("API", (_seen(VALUE, 0), _seen(VALUE, 1)))
    assert api.asked == 1
    _ask(memory, api, "another")
    assert api.asked == 2


def test_an_answer_is_over_some_time_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is asked again; a failure is over sooner."""
    memory, api, broken = Memory(), _Api(), _Api(fails=CredentialsRefused("no"))
    now = time.monotonic()
    _ask(memory, api)
    _ask(memory, broken, "broken")
    monkeypatch.setattr(remembering.time, "monotonic", lambda: now + remembering.FAILED + 1)
    _future(memory, api).result(SOON)
    _future(memory, broken, "broken").result(SOON)
    assert (api.asked, broken.asked) == (1, 2)
    monkeypatch.setattr(remembering.time, "monotonic", lambda: now + 302)
    _future(memory, api).result(SOON)
    assert api.asked == 2


def test_who_comes_meanwhile_waits_for_the_same_answer() -> None:
    """And who does not want to wait goes; the next one finds the answer."""
    memory, api = Memory(), _Api()
    api.go.clear()
    first = awaited(_future(memory, api), "API", time.monotonic())
    assert first.problem is not None
    assert first.problem.reason is Reason.NOT_IN_TIME
    second = _future(memory, api)
    api.go.set()
    assert second.result(SOON) == Answered("API", (_seen(VALUE, 0),))
    assert api.asked == 1


def test_many_values_are_one_question() -> None:
    """Each gets its own part of the answer; one that was asked about before, or is now, is not asked about again."""
    memory, api = Memory(), _Api()
    assert _ask_many(memory, api, MANY[0]) == {MANY[0]: Answered("API", (_seen(MANY[0], 0),))}
    answers = _ask_many(memory, api, *MANY)
    assert answers == {one: Answered("API", (_seen(one, 0),)) for one in MANY}
    assert api.about == [(MANY[0],), tuple(MANY[1:])]
    api.go.clear()
    memory.ask({VALUE: VALUE}, Probe("API", (VALUE,), api), 300, "place")
    waiting = memory.ask({one: one for one in (VALUE, MANY[0])}, Probe("API", (VALUE, MANY[0]), api), 300, "place")
    api.go.set()
    assert waiting[VALUE].result(SOON).found == (_seen(VALUE, 0),)
    assert api.asked == 3


def test_a_failure_is_that_of_all_it_was_asked_about() -> None:
    """And of none that was answered before."""
    memory = Memory()
    _ask_many(memory, _Api(), MANY[0])
    answers = _ask_many(memory, _Api(fails=CredentialsRefused("no")), *MANY)
    assert [answers[one].problem is None for one in MANY] == [True, False, False, False]


def test_a_refusal_is_an_answer() -> None:
    """With its reason and Microsoft's words; a defect is told as one."""
    memory = Memory()
    refused = _ask(memory, _Api(fails=CredentialsRefused("The secret has expired.")))
    assert refused.problem == (Reason.CREDENTIALS_REFUSED, "The secret has expired.")
    broken = _ask(memory, _Api(fails=KeyError("x")), "another")
    assert broken.problem is not None
    assert "defect" in broken.problem.words


def test_only_so_much_is_asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is beyond that is told so at once; it is asked when there is room."""
    monkeypatch.setattr(remembering, "MOST_ASKED", 1)
    monkeypatch.setattr(remembering, "MOST_WAITING", 1)
    memory, slow, other = Memory(), _Api(), _Api(2)
    slow.go.clear()
    answering = _future(memory, slow, "slow")
    while not slow.asked:
        time.sleep(0.01)
    waiting = _future(memory, other, "other")
    busy = _ask(memory, other, "one more")
    assert busy.problem is not None
    assert (busy.problem.reason, other.asked) == (Reason.NOT_IN_TIME, 0)
    slow.go.set()
    assert len(answering.result(SOON).found) == 1
    assert len(waiting.result(SOON).found) == 2


def test_what_hangs_in_one_place_keeps_nothing_waiting_in_another() -> None:
    """However many questions hang there: neither another API nor the ledger."""
    memory, slow, other = Memory(), _Api(), _Api()
    slow.go.clear()
    for number in range(3 * remembering.MOST_ASKED):
        memory.ask({VALUE: number}, Probe("API", (VALUE,), slow), 300, "slow")
    answers = memory.ask({VALUE: "other"}, Probe("API", (VALUE,), other), 300, "other")
    assert answers[VALUE].result(SOON).found == (_seen(VALUE, 0),)
    done = threading.Event()
    assert memory.in_background(done.set, "ledger")
    assert done.wait(SOON)
    assert len(slow.about) <= remembering.MOST_ASKED
    slow.go.set()


def test_only_so_much_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest goes first."""
    monkeypatch.setattr(remembering, "MOST_KEPT", 2)
    memory, api = Memory(), _Api()
    for key in ("one", "two", "one", "three"):
        _ask(memory, api, key)
    asked = api.asked
    _ask(memory, api, "one")
    assert api.asked == asked
    _ask(memory, api, "two")
    assert api.asked == asked + 1
