"""Microsoft's request rates: a sliding window for each calling application, shared by the whole process."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.destinations.interface import Limit

#: Microsoft counts arrivals and we count departures, which differ by the way there: so the window is a little longer.
SLACK = 1.01


class LimiterKey(NamedTuple):
    """What Microsoft counts by: the calling application in its tenant, and the API."""

    login: str
    tenant: str
    app: str
    api: str


class Limiter:
    """So many requests in any stretch of so many seconds. Threads get their slots in the order they ask.

    Args:
        limit: the rate.
        clock: seconds that only grow.
        sleep: waits for so many seconds.
    """

    def __init__(
        self, limit: Limit, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self.limit = limit
        self._window = limit.seconds * SLACK
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._slots: deque[float] = deque(maxlen=limit.requests)

    def acquire(self, deadline: float | None, stopped: threading.Event | None = None) -> bool:
        """Wait until a request may begin.

        Args:
            deadline: the clock's time after which it is of no use, `None` for any.
            stopped: ends the waiting when it is set; the slot is then given back.

        Returns:
            Whether it may; `False` comes at once when no slot is free before the deadline, and takes none.
        """
        with self._lock:
            now = self._clock()
            full = len(self._slots) == self.limit.requests
            slot = max(now, self._slots[0] + self._window) if full else now
            if deadline is not None and slot > deadline:
                return False
            self._slots.append(slot)
        # The slot is ours already, so the waiting needs no lock.
        if slot > now:
            if stopped is None:
                self._sleep(slot - now)
            elif stopped.wait(slot - now):
                self._give_back(slot)
                return False
        return True

    def _give_back(self, slot: float) -> None:
        with self._lock:
            if slot in self._slots:
                self._slots.remove(slot)


def counted_by(settings: DestinationSettings, api: str) -> LimiterKey:
    """By what Microsoft counts the requests of a destination to an API.

    Args:
        settings: whose application.
        api: a name for the API, or for one of its operations with a rate of its own.
    """
    login = settings.endpoint_login.rstrip("/").lower()
    return LimiterKey(login, settings.tenant_id.lower(), settings.app_id.lower(), api)


_limiters: dict[LimiterKey, Limiter] = {}
_lock = threading.Lock()


def limiter_for(settings: DestinationSettings, limit: Limit, api: str = "") -> Limiter:
    """The limiter that all requests of this application to this API share.

    Args:
        settings: whose application.
        limit: the rate.
        api: a name for the API, or for one of its operations with a rate of its own; the destination's when absent.
    """
    key = counted_by(settings, api or settings.api.value)
    with _lock:
        limiter = _limiters.get(key)
        if limiter is None or limiter.limit != limit:
            limiter = _limiters[key] = Limiter(limit)
        return limiter
