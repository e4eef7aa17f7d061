"""Wake-ups for the workers of several machines: Dramatiq on Redis carries them and nothing else (DESIGN.md 8).

The truth stays in the ledger, which every drain looks at every few seconds anyway: a wake-up that is lost, doubled or
late costs seconds. So it is never tried again, and no time limit ends what it began. Without `[queue] url` Dramatiq is
not even imported.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from misp_modules_ext.config.settings import Settings
from misp_modules_ext.logs import What, fields, logger

if TYPE_CHECKING:
    from dramatiq.brokers.redis import RedisBroker

log = logger()

#: Seconds that a caller may wait for a wake-up to be sent; it is sent in a thread of its own.
PATIENCE = 0.5
#: Seconds for each step of talking to Redis.
STEP = 0.25
#: Seconds in which a Redis that did not answer is not tried again.
REST = 30.0
#: With so many wake-ups that nobody has taken yet, one more would wake nobody.
ENOUGH = 16
#: Names in Redis, which other programs may use as well.
NAMESPACE = "misp-modules-ext"
QUEUE = "wake"
#: Milliseconds that wake-ups are kept of which something went wrong.
FORGET_MS = 60_000

_lock = threading.Lock()
_connecting = threading.Lock()
_brokers: dict[tuple[int, str], RedisBroker] = {}
_sending: dict[str, threading.Thread] = {}
_rests_until: dict[str, float] = {}


def wake(settings: Settings) -> threading.Thread:
    """Tell the workers that something may be due. Whatever goes wrong is logged and costs nothing else.

    Returns:
        The thread that does so, for whoever ends soon: a daemon, to be waited for at most `PATIENCE` seconds.
    """
    url = settings.queue_url.get_secret_value() if settings.queue_url is not None else ""
    with _lock:
        before = _sending.get(url)
        if before is not None and before.is_alive():
            return before
        thread = threading.Thread(target=_send, args=(url,), daemon=True, name="misp-microsoft-wake")
        _sending[url] = thread
        thread.start()
    return thread


def prepare(settings: Settings) -> None:
    """Import what a wake-up needs, in the background: that takes longer than sending one."""
    if settings.queue_url is not None:
        url = settings.queue_url.get_secret_value()
        threading.Thread(target=_broker, args=(url,), daemon=True, name="misp-microsoft-wake").start()


def _send(url: str) -> None:
    if not url or time.monotonic() < _rests_until.get(url, 0.0):
        return
    try:
        broker = _broker(url)
        if broker.do_qsize(QUEUE) < ENOUGH:
            broker.enqueue(broker.get_actor(QUEUE).message())
    except Exception as error:  # noqa: BLE001 - of Redis, of Dramatiq, of the network: none of them matters
        _rests_until[url] = time.monotonic() + REST
        words = "The workers could not be woken: %s. They look for themselves every few seconds."
        log.warning(words, _words(error), extra=fields(What.NOT_WOKEN))


def _words(error: Exception) -> str:
    """What is wrong, without the address, which may hold a password."""
    cause = error.__cause__ or error
    return f"Redis ([queue] url) gave {type(cause).__name__}"


def _broker(url: str) -> RedisBroker:
    """The process's broker: its actor is only named here, a worker gives it something to do."""
    with _connecting:
        # A connection must not cross a fork.
        key = (os.getpid(), url)
        if key not in _brokers:
            _brokers[key] = _connect(url, lambda: None, STEP)
        return _brokers[key]


def _connect(url: str, work: Callable[[], object], patience: float) -> RedisBroker:
    """A broker with one actor, and without middleware: nothing is repeated, and nothing ends by a time limit."""
    import dramatiq  # noqa: PLC0415 - see the module's first lines
    import redis  # noqa: PLC0415
    from dramatiq.brokers.redis import RedisBroker  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.retry import Retry  # noqa: PLC0415

    client = redis.Redis.from_url(
        url, socket_connect_timeout=patience, socket_timeout=patience, retry=Retry(NoBackoff(), 0)
    )
    broker: RedisBroker = RedisBroker(  # type: ignore[no-untyped-call]
        client=client, middleware=[], namespace=NAMESPACE, dead_message_ttl=FORGET_MS
    )

    @dramatiq.actor(actor_name=QUEUE, queue_name=QUEUE, broker=broker)
    def woken() -> None:
        work()

    return broker


@contextmanager
def listening(settings: Settings, work: Callable[[], object]) -> Iterator[bool]:
    """Call `work` for every wake-up while this is entered; gives whether a queue is configured at all."""
    if settings.queue_url is None:
        yield False
        return
    from dramatiq.worker import Worker  # noqa: PLC0415

    # Its own words about a Redis that is away come every few seconds, with tracebacks.
    logging.getLogger("dramatiq").setLevel(logging.CRITICAL + 1)
    broker = _connect(settings.queue_url.get_secret_value(), work, 10.0)
    worker = Worker(broker, worker_threads=1, worker_timeout=100)
    worker.start()
    try:
        yield True
    finally:
        worker.stop(timeout=2_000)
        broker.close()
