"""Documented request limits, counted in sliding windows for each application in its tenant."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from .calls import Grant, Limit


class Rates:
    """Counts requests; a refused request does not count."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, str], deque[float]] = {}

    def wait(self, limits: Sequence[Limit], caller: Grant, now: float) -> float | None:
        """Count a request, or say in how many seconds it would be let through.

        Returns:
            None when the request was let through and counted; else the seconds to wait, more than 0.
        """
        windows = [(limit, self._window(limit, caller, now)) for limit in limits]
        waits = [window[0] + limit.seconds - now for limit, window in windows if len(window) >= limit.count]
        if waits:
            return max(waits)
        for _, window in windows:
            window.append(now)
        return None

    def _window(self, limit: Limit, caller: Grant, now: float) -> deque[float]:
        window = self._seen.setdefault((limit.name, caller.tenant, caller.app), deque())
        while window and window[0] + limit.seconds <= now:
            window.popleft()
        return window

    def reset(self) -> None:
        """Forget all counts."""
        self._seen.clear()
