"""Questions to one API of Microsoft's: its rate is kept, a refusal for haste is heeded, and all ends in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence

from misp_modules_ext.config.settings import DestinationSettings
from misp_modules_ext.destinations.answers import Advice, Answer, retry_after
from misp_modules_ext.destinations.client import Client
from misp_modules_ext.destinations.interface import Limit
from misp_modules_ext.destinations.limits import LimiterKey, counted_by, limiter_for
from misp_modules_ext.destinations.transport import Transport
from misp_modules_ext.errors import TO_DO, BatchRefused, Throttled

#: Seconds to leave an API alone that does not say how long.
WAIT = 5.0
#: Seconds that a turn within a share is waited for.
SOON = 1.0
#: The longest that is taken at its word: quotas of processor time are counted over so long.
LONGEST_WAIT = 900.0

_pauses: dict[LimiterKey, float] = {}
_lock = threading.Lock()


class Asking:
    """One API.

    Args:
        settings: the destination that asks; its scope is that of the API.
        advice: what the API's refusals mean.
        limits: its rates by the names under which this process counts them for the calling application.
        transport: how it is reached; the process's shared one when absent.
        base: origin of the API.
        share: how much of these rates such questions may use, where others need the rest; by names of its own.
    """

    def __init__(
        self,
        settings: DestinationSettings,
        advice: Advice,
        limits: Mapping[str, Limit],
        transport: Transport | None = None,
        base: str = "",
        share: Mapping[str, Limit] | None = None,
    ) -> None:
        self._settings = settings
        self._api = advice.api
        self._limits = limits
        self._share = share or {}
        self._client = Client(settings, advice, transport, base)

    def ask(
        self, method: str, path: str, deadline: float, *, body: bytes | None = None, statuses: Sequence[int] = (200,)
    ) -> Answer:
        """Ask; once more after a refusal for haste, if that is over before the deadline.

        Args:
            method: `GET` or `POST`.
            path: path and query below the API's origin, or a whole address of that origin.
            deadline: by `time.monotonic`.
            body: JSON.
            statuses: of the answers that are wanted.

        Raises:
            DestinationError: another answer, or none, with the remedy.
        """
        answer = self._send(method, path, deadline, body)
        if answer.status == 429 and time.monotonic() + self._heed(answer) < deadline:
            answer = self._send(method, path, deadline, body)
            if answer.status == 429:
                self._heed(answer)
        return self._wanted(answer, statuses)

    def is_ours(self, address: str) -> bool:
        """Whether an address that an answer names has the origin that the token is for."""
        return self._client.is_ours(address)

    def _send(self, method: str, path: str, deadline: float, body: bytes | None) -> Answer:
        self._wait_for_turn(deadline)
        return self._client.call(method, path, timeout=deadline - time.monotonic(), body=body)

    def _wanted(self, answer: Answer, statuses: Sequence[int]) -> Answer:
        try:
            return self._client.expect(answer, *statuses)
        except BatchRefused as error:
            words = str(error).rstrip(".")
            raise BatchRefused(
                f"{self._api} did not take the question: {words}.{TO_DO}see whether that names something missing in "
                "your tenant or workspace, and report it to this project if not.",
                error.code,
            ) from error

    def _wait_for_turn(self, deadline: float) -> None:
        """Until Microsoft's pause is over and the rate allows another request.

        Raises:
            Throttled: that is not before the deadline; said at once.
        """
        with _lock:
            rest = _pauses.get(self._key, 0.0) - time.monotonic()
        if rest > 0:
            if time.monotonic() + rest >= deadline:
                raise Throttled(f"{self._api} asked to slow down.{TO_DO}repeat in {rest:.0f} seconds.", rest)
            time.sleep(rest)
        # A share is not waited for: whoever points at values would hold threads that others need.
        self._acquire(self._share, min(deadline, time.monotonic() + SOON), ", so that sending keeps the rest")
        self._acquire(self._limits, deadline)

    def _acquire(self, limits: Mapping[str, Limit], deadline: float, why: str = "") -> None:
        for name, limit in limits.items():
            if not limiter_for(self._settings, limit, name).acquire(deadline):
                raise Throttled(
                    f"{self._api} may be asked {limit.requests} times in {limit.seconds:g} seconds{why}, which are "
                    f"used up.{TO_DO}repeat later."
                )

    def _heed(self, answer: Answer) -> float:
        """Leave the API alone for as long as a 429 says; gives the seconds."""
        told = retry_after(answer)
        wait = WAIT if told is None else min(told, LONGEST_WAIT)
        with _lock:
            _pauses[self._key] = time.monotonic() + wait
        return wait

    @property
    def _key(self) -> LimiterKey:
        return counted_by(self._settings, self._api)
