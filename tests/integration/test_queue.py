"""Wake-ups through a real Redis, and without one."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import redis
from pydantic import SecretStr

from misp_modules_ext.config.settings import Settings
from misp_modules_ext.delivery import queue
from tests.support.queues import queue_url


def _settings(url: str | None) -> Settings:
    return Settings(path=Path("rh-isac.conf"), queue_url=None if url is None else SecretStr(url))


def _waiting(url: str) -> int:
    """How many wake-ups nobody has taken yet."""
    with redis.Redis.from_url(url) as client:
        return int(client.llen(f"{queue.NAMESPACE}:{queue.QUEUE}"))  # type: ignore[arg-type] # not asynchronous


def test_a_wake_up_arrives() -> None:
    """Each one that is sent while somebody listens; what was sent before as well."""
    settings = _settings(queue_url())
    queue.wake(settings).join(10)
    woken = threading.Semaphore(0)
    with queue.listening(settings, woken.release) as listens:
        assert listens
        assert woken.acquire(timeout=20)
        queue.wake(settings).join(10)
        assert woken.acquire(timeout=20)


def test_what_a_wake_up_breaks_is_not_tried_again() -> None:
    """The truth is in the ledger; the next wake-up arrives all the same."""
    url = queue_url()
    settings = _settings(url)
    calls = threading.Semaphore(0)

    def fail() -> None:
        calls.release()
        raise RuntimeError("stumbled")

    with queue.listening(settings, fail):
        queue.wake(settings).join(10)
        assert calls.acquire(timeout=20)
        assert not calls.acquire(timeout=1)
        queue.wake(settings).join(10)
        assert calls.acquire(timeout=20)


def test_wake_ups_do_not_pile_up() -> None:
    """With nobody to take them, a few are enough."""
    url = queue_url()
    settings = _settings(url)
    for _ in range(queue.ENOUGH * 2):
        queue.wake(settings).join(10)
    assert _waiting(url) == queue.ENOUGH


def test_several_listeners_share_them() -> None:
    """Each wake-up wakes one: the others look for themselves soon."""
    settings = _settings(queue_url())
    woken = threading.Semaphore(0)
    with queue.listening(settings, woken.release), queue.listening(settings, woken.release):
        queue.wake(settings).join(10)
        assert woken.acquire(timeout=20)
        assert not woken.acquire(timeout=1)


def _closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_a_redis_that_is_away_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A warning without the password; and for a while it is not even tried."""
    settings = _settings(f"redis://:hunter2@127.0.0.1:{_closed_port()}/0")
    with caplog.at_level(logging.WARNING, "misp_modules_ext"):
        queue.wake(settings).join(10)
        queue.wake(settings).join(10)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "could not be woken" in caplog.text
    assert "hunter2" not in caplog.text


def test_a_redis_that_hangs_holds_nobody_up(caplog: pytest.LogCaptureFixture) -> None:
    """It takes the connection and says nothing: the caller goes on at once, the thread gives up soon."""
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        settings = _settings(f"redis://127.0.0.1:{mute.getsockname()[1]}/0")
        queue.prepare(_settings(queue_url()))
        began = time.monotonic()
        thread = queue.wake(settings)
        assert time.monotonic() - began < 0.5
        # While it tries, nobody else begins another try.
        assert queue.wake(settings) is thread
        with caplog.at_level(logging.WARNING, "misp_modules_ext"):
            thread.join(20)
    assert not thread.is_alive()
    assert "could not be woken" in caplog.text


def test_listening_outlives_a_redis_that_is_away() -> None:
    """A worker starts without it, drains by looking, and ends."""
    settings = _settings(f"redis://127.0.0.1:{_closed_port()}/0")
    began = time.monotonic()
    with queue.listening(settings, lambda: None) as listens:
        assert listens
        time.sleep(0.5)
    assert time.monotonic() - began < 15


def test_without_a_queue_nothing_is_sent_and_nothing_imported() -> None:
    """Dramatiq takes time to import, which a service without workers need not spend."""
    code = (
        "import sys, pathlib\n"
        "import misp_modules_ext.cli.app, misp_modules_ext.doors.export\n"
        "from misp_modules_ext.config.settings import Settings\n"
        "from misp_modules_ext.delivery import queue\n"
        "settings = Settings(path=pathlib.Path('x'))\n"
        "queue.prepare(settings)\n"
        "queue.wake(settings).join()\n"
        "with queue.listening(settings, print) as listens:\n"
        "    assert not listens\n"
        "print(sorted({'dramatiq', 'redis'} & sys.modules.keys()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
