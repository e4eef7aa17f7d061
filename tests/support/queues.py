"""A real Redis for tests: found at loopback, or where `TEST_REDIS_URL` says. An absent one skips, and fails in CI."""

from __future__ import annotations

import os

import pytest
import redis

_DEFAULT = "redis://127.0.0.1:6379/15"


def queue_url() -> str:
    """The address of an empty database of it."""
    url = os.environ.get("TEST_REDIS_URL", _DEFAULT)
    try:
        with redis.Redis.from_url(url) as client:
            client.flushdb()
    except redis.RedisError as error:
        message = f"Redis does not answer at {url.rpartition('@')[2]}: {error}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return url
