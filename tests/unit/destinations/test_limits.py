"""The limiter, by a clock that a test moves."""

from __future__ import annotations

import threading
import time

import pytest

from misp_modules_ext.config.settings import Api
from misp_modules_ext.destinations.interface import Limit
from misp_modules_ext.destinations.limits import SLACK, Limiter, limiter_for
from tests.support.build import destination


class Clock:
    """Time that passes only while someone sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        """The time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept.append(seconds)
        self.now += seconds


def _limiter(requests: int, seconds: float, clock: Clock) -> Limiter:
    return Limiter(Limit(requests, seconds), clock, clock.sleep)


def test_the_first_requests_need_not_wait() -> None:
    """As many as the limit go at once."""
    clock = Clock()
    limiter = _limiter(3, 60.0, clock)
    assert [limiter.acquire(None) for _ in range(3)] == [True] * 3
    assert clock.slept == []


def test_no_window_ever_holds_more_than_the_limit() -> None:
    """Whatever the pauses, of any stretch of the window's length no more begin than allowed."""
    clock = Clock()
    limiter = _limiter(5, 60.0, clock)
    begun = []
    for number in range(40):
        assert limiter.acquire(None)
        begun.append(clock.now)
        clock.now += (number % 7) * 1.7
    assert all(later - earlier >= 60.0 for earlier, later in zip(begun, begun[5:], strict=False))


def test_a_deadline_before_the_next_slot_answers_at_once_and_takes_nothing() -> None:
    """No waiting for what cannot come in time; a later caller still gets that slot."""
    clock = Clock()
    limiter = _limiter(1, 60.0, clock)
    assert limiter.acquire(clock.now)
    assert not limiter.acquire(clock.now + 60.0 * SLACK - 0.01)
    assert clock.slept == []
    assert limiter.acquire(clock.now + 60.0 * SLACK)
    assert clock.slept == [pytest.approx(60.0 * SLACK)]


def test_peers_03_every_request_counts_not_only_repeated_ones() -> None:
    """Successful requests fill the window: the one after the limit waits."""
    clock = Clock()
    limiter = _limiter(100, 60.0, clock)
    for _ in range(100):
        limiter.acquire(None)
    limiter.acquire(None)
    assert sum(clock.slept) >= 60.0


def test_threads_never_share_a_slot() -> None:
    """Many threads at once get exactly as many slots as there are before the deadline."""
    limiter = Limiter(Limit(10, 3600.0))
    granted: list[bool] = []
    threads = [threading.Thread(target=lambda: granted.append(_soon(limiter))) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(granted) == [False] * 40 + [True] * 10


def _soon(limiter: Limiter) -> bool:
    return limiter.acquire(time.monotonic() + 60.0)


def test_one_limiter_for_each_calling_application_and_api() -> None:
    """Case of the ids does not matter; another tenant, application, login or API has its own."""
    limit = Limit(100, 60.0)
    base = {"tenant_id": "AAAA", "app_id": "bbbb", "endpoint_login": "https://limits.example"}
    first = limiter_for(destination(**base), limit)
    same = destination(**(base | {"tenant_id": "aaaa", "app_id": "BBBB", "name": "microsoft other"}))
    assert limiter_for(same, limit) is first
    others = [{"tenant_id": "x"}, {"app_id": "x"}, {"endpoint_login": "https://x.example"}, {"api": Api.DEFENDER}]
    found = [limiter_for(destination(**(base | other)), limit) for other in others]
    found += [limiter_for(destination(**base), limit, "defender list"), first]
    assert len(set(map(id, found))) == len(found)
