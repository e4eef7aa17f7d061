"""Services and workers as processes that can be killed and started again."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import requests

ROOT = Path(__file__).parents[2]
#: Seconds for a service to answer after its start.
START_LIMIT = 60.0


class Nursery:
    """Starts and ends processes; see `tests.crash.nursery`.

    Args:
        folder: for logs.
        environment: what to add to the environment of all.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = dict(environment)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def __enter__(self) -> Nursery:
        with (self._folder / "nursery.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.crash.nursery"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **self._environment},
                text=True,
            )
        assert self._answer() == "ready"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def service(self) -> tuple[int, str]:
        """Start a service; its process and address. It need not answer yet."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        return self._command("service", port, self._log("service")), f"http://127.0.0.1:{port}"

    def worker(self) -> int:
        """Start a worker; its process."""
        return self._command("worker", self._log("worker"))

    def end(self, pid: int, number: int = signal.SIGKILL) -> None:
        """Send a signal; returns when the process is gone."""
        self._command("kill", pid, number)

    def logs(self) -> dict[str, str]:
        """What all of them printed, by name."""
        return {path.name: path.read_text(errors="replace") for path in sorted(self._folder.glob("*.log"))}

    def _log(self, name: str) -> str:
        return str(self._folder / f"{next(self._numbers):03}-{name}.log")

    def _command(self, *words: object) -> Any:
        with self._lock:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(words) + "\n")
            self._process.stdin.flush()
            return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, (self._folder / "nursery.log").read_text(errors="replace")
        return json.loads(line)


class Replaceable:
    """One process after the other in one role.

    Args:
        nursery: starts them.
        role: `service` or `worker`.

    Attributes:
        url: the service's address.
        killed: `time.monotonic()` of each kill.
    """

    def __init__(self, nursery: Nursery, role: str) -> None:
        self.killed: list[float] = []
        self.url = ""
        self._nursery = nursery
        self._role = role
        self._pid = 0

    def __enter__(self) -> Replaceable:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pid:
            self.kill()

    def start(self) -> None:
        """Start one; returns at once."""
        if self._role == "worker":
            self._pid = self._nursery.worker()
        else:
            self._pid, self.url = self._nursery.service()

    def kill(self) -> None:
        """SIGKILL."""
        pid, self._pid = self._pid, 0
        self._nursery.end(pid)
        self.killed.append(time.monotonic())

    def ask(self, body: object, patience: float = START_LIMIT) -> Any:
        """Send a request until one is answered, as people press the button again.

        Raises:
            TimeoutError: none was answered in `patience` seconds.
        """
        end = time.monotonic() + patience
        while time.monotonic() < end:
            try:
                return requests.post(f"{self.url}/query", json=body, timeout=30).json()
            except requests.RequestException:
                time.sleep(0.05)
        raise TimeoutError("the service answers nobody")
