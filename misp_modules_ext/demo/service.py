"""A real misp-modules service with our modules, started for the demonstration and ended with it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import requests

from misp_modules_ext.errors import UsageError

#: Seconds for the service to answer; it imports some hundred modules first.
START_LIMIT = 90.0


class Service:
    """The service as a context manager.

    Args:
        config: the rh-isac.conf it should use.
        log: file for what it prints.
        environment: what to add to the process environment.
    """

    def __init__(self, config: Path, log: Path, environment: Mapping[str, str] | None = None) -> None:
        self._config = config
        self._log = log
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._http = requests.Session()
        # A proxy for the outside has no business with loopback.
        self._http.trust_env = False
        self.port = _free_port()

    @property
    def url(self) -> str:
        """Where the service listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The service's process."""
        return self._process.pid if self._process else 0

    def __enter__(self) -> Service:
        command = [sys.executable, "-m", "misp_modules_ext", "serve", "--config", str(self._config)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, with arguments of ours
                [*command, "--port", str(self.port)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self._environment},
            )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the service."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)

    def get(self, path: str) -> Any:
        """What the service answers to a GET, decoded from JSON."""
        return self._http.get(self.url + path, timeout=30).json()

    def query(self, body: object) -> Any:
        """What the service answers to MISP's kind of call; `body` is JSON, or bytes to send as they are."""
        data = body if isinstance(body, bytes) else None
        answer = self._http.post(self.url + "/query", data=data, json=None if data else body, timeout=120)
        return answer.json()

    def _wait(self) -> None:
        end = time.monotonic() + START_LIMIT
        while time.monotonic() < end:
            if self._process is not None and self._process.poll() is not None:
                break
            try:
                if self._http.get(self.url + "/healthcheck", timeout=5).ok:
                    return
            except requests.ConnectionError:
                time.sleep(0.2)
        tail = self._log.read_text(errors="replace")[-1500:]
        raise UsageError(f"The misp-modules service did not start. The end of its log ({self._log}):\n{tail}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
