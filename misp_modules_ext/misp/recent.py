"""Events that were read a moment ago: who enriches an event asks for each of its attributes, and it is read once.

What tells whether a reading still holds is asked of MISP each time, in one small question: the event's timestamp, and
whether it is published. Local tags and the members of sharing groups change without moving it, so no reading is kept
for longer than `KEEP`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field

from misp_modules_ext.config.settings import MispSettings
from misp_modules_ext.errors import TO_DO, MispError
from misp_modules_ext.misp.client import Look, MispClient
from misp_modules_ext.model.misp import Event

#: Seconds that a reading is good for.
KEEP = 60.0
#: So many readings are kept; and so many may be under way at once: anyone who reaches the service can name events.
MOST = 4
MOST_UNDER_WAY = 4
#: Attributes of the largest event that is read, some 2 kB each.
MOST_ATTRIBUTES = 50_000
#: Seconds that MISP may take for each answer of a reading, which goes on when nobody waits any more.
ANSWER = 60.0
#: The same for the question which state the event is in, when there is as much time.
LOOK = 5.0
LEAST = 0.5


@dataclass(eq=False)
class _Reading:
    """One reading, under way or done.

    Attributes:
        ended: `time.monotonic()`, `None` while it is under way.
    """

    event: Future[Event] = field(default_factory=Future)
    ended: float | None = None


_Key = tuple[MispSettings, Look]


class Recent:
    """The readings of this process. For any number of threads.

    Args:
        clock: seconds, never backwards.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._readings: dict[_Key, _Reading] = {}
        self._idle: list[tuple[MispSettings, MispClient]] = []

    def event(self, misp: MispSettings, number: str, seconds: float) -> Event:
        """Everything of an event that the key of this MISP may see, as it is now.

        Args:
            misp: with a key.
            number: MISP's own for the event, or its UUID.
            seconds: to wait at most.

        Raises:
            UsageError: that is no event's number, or there is no key, or the event is too large.
            EventNotFound: MISP shows this key no such event.
            MispRefused: MISP does not take the key.
            MispError: MISP cannot be read, or not in that time; then the reading goes on, and is there for the next.
                Or too many others are under way.
        """
        end = self._clock() + seconds
        reading = self._reading((misp, self._look(misp, number, seconds)))
        try:
            return reading.event.result(max(0.0, end - self._clock()))
        except NotYet:
            raise MispError(
                f"The event could not be read from MISP within {seconds:.0f} seconds. What to do: repeat in a minute; "
                "the reading goes on meanwhile. If that happens again, raise Plugin.Enrichment_timeout in MISP."
            ) from None

    def _look(self, misp: MispSettings, number: str, seconds: float) -> Look:
        """Ask which state the event is in, with a client that was used before: a new one asks three questions more."""
        with self._lock:
            found = [entry for entry in self._idle if entry[0] == misp]
            for entry in found[:1]:
                self._idle.remove(entry)
        client = found[0][1] if found else MispClient(misp, timeout=max(LEAST, min(LOOK, seconds)))
        look = client.look(number)
        with self._lock:
            self._idle = [(misp, client), *self._idle][:MOST]
        return look

    def _reading(self, key: _Key) -> _Reading:
        """The reading of this state of the event; who asks first begins it."""
        with self._lock:
            self._forget()
            found = self._readings.get(key)
            if found is not None:
                return found
            if sum(reading.ended is None for reading in self._readings.values()) >= MOST_UNDER_WAY:
                raise MispError(f"Too many events are being read from MISP.{TO_DO}repeat in a minute.")
            made = self._readings[key] = _Reading()
            threading.Thread(target=self._read, args=(key, made), name="misp-reading", daemon=True).start()
            return made

    def _read(self, key: _Key, reading: _Reading) -> None:
        misp, look = key
        try:
            event = MispClient(misp, timeout=ANSWER).read_event_at_once(look.uuid, MOST_ATTRIBUTES)
        except BaseException as error:  # noqa: BLE001 - whatever it is, those who wait are to be told
            self._drop(key)
            reading.event.set_exception(error)
            return
        reading.ended = self._clock()
        reading.event.set_result(event)
        # A large event is not to stay in memory until somebody asks again.
        timer = threading.Timer(KEEP, self._drop, (key, reading))
        timer.daemon = True
        timer.start()

    def _drop(self, key: _Key, reading: _Reading | None = None) -> None:
        with self._lock:
            if reading is None or self._readings.get(key) is reading:
                self._readings.pop(key, None)

    def _forget(self) -> None:
        """Drop what is too old, and the oldest when there are too many; under the lock."""
        now = self._clock()
        ended = [key for key, reading in self._readings.items() if reading.ended is not None]
        for key in ended:
            then = self._readings[key].ended
            if then is not None and now - then >= KEEP:
                del self._readings[key]
        while len(self._readings) >= MOST and (left := [key for key in ended if key in self._readings]):
            del self._readings[left[0]]
