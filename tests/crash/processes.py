"""Services and workers as processes that can be killed and started again."""

from __future__ import annotations

import itertools
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any

import requests

from tests.crash.checks import GivenUp

ROOT = Path(__file__).parents[2]
#: What a sender says then; a service and a worker write the time in different ways.
_GIVEN_UP = re.compile(
    r"(?P<when>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d).*\[(?P<name>[^\]]*)\] .* What is not written down is sent once more\."
)
#: Seconds until a service answers, with all that may come in between.
PATIENCE = 120.0


class Nursery:
    """Starts and ends processes; see `tests.crash.nursery`.

    Args:
        log: file for what it prints itself.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._lock = threading.Lock()

    def __enter__(self) -> Nursery:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.crash.nursery"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._answer() == "ready"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def command(self, *words: object) -> Any:
        """Give a command; its answer."""
        with self._lock:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(words) + "\n")
            self._process.stdin.flush()
            return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, self._log.read_text(errors="replace")
        return json.loads(line)


class Replaceable:
    """One process after the other in one role.

    Args:
        nursery: starts them.
        environment: what to add to theirs.
        folder: for what they print.
        role: `service` or `worker`, with a number where there are several.

    Attributes:
        url: the service's address.
        killed: `time.monotonic()` of each kill.
    """

    def __init__(self, nursery: Nursery, environment: Mapping[str, str], folder: Path, role: str) -> None:
        self.killed: list[float] = []
        self.url = ""
        self.pid = 0
        self._nursery = nursery
        self._environment = dict(environment)
        self._folder = folder
        self._role = role
        self._lives = itertools.count(1)

    def __enter__(self) -> Replaceable:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.pid:
            self.end()

    def start(self) -> None:
        """Start one; returns at once."""
        log = str(self._folder / f"{self._role}-{next(self._lives):03}.log")
        if self._role.startswith("worker"):
            self.pid = self._nursery.command("worker", self._environment, log)
        else:
            port = _free_port()
            self.url = f"http://127.0.0.1:{port}"
            self.pid = self._nursery.command("service", self._environment, log, port)

    def end(self, number: int = signal.SIGKILL) -> int:
        """Send a signal; the exit code, when the process is gone."""
        pid, self.pid = self.pid, 0
        code: int = self._nursery.command("end", pid, number)
        self.killed.append(time.monotonic())
        return code

    def ask(self, body: object, patience: float = PATIENCE) -> Any:
        """Send a request until one is answered, as people press the button again.

        Raises:
            TimeoutError: none was answered in `patience` seconds.
        """
        end = time.monotonic() + patience
        while time.monotonic() < end:
            try:
                answer = requests.post(f"{self.url}/query", json=body, timeout=30).json()
            except requests.RequestException:
                time.sleep(0.05)
            else:
                # This one is misp-modules' own, which has stopped waiting for us.
                if answer != {"error": "Timeout."}:
                    return answer
        raise TimeoutError("the service answers nobody")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def complaints(folder: Path) -> list[str]:
    """What processes printed that nobody wants to read: tracebacks, and words of databases that got stuck."""
    wrong = ("Traceback", "unexpected error", "stumbled", "locked", "eadlock")
    return [
        f"{path.name}: {line}"
        for path in sorted(folder.glob("*.log"))
        for line in path.read_text(errors="replace").splitlines()
        if any(word in line for word in wrong)
    ]


def given_up(folder: Path) -> list[GivenUp]:
    """When processes said that answers could not be written down."""
    found = []
    for path in sorted(folder.glob("*.log")):
        for line in path.read_text(errors="replace").splitlines():
            if said := _GIVEN_UP.match(line):
                when = datetime.fromisoformat(said["when"]).replace(tzinfo=timezone.utc).timestamp()
                moment = time.monotonic() - (time.time() - when)
                found.append(GivenUp("defender" if "defender" in said["name"] else "sentinel", moment))
    return found
