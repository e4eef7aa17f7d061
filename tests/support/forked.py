"""Runs `misp-microsoft sync`, or a round of the drain, in forked processes that are killed between parts of an event.

All imports are done once. Orders come as lines of JSON on standard input, `{"task": "sync" or "drain", "config": path,
"most": attributes in a part, "page": rows in a page of MISP's, "kill": number, "log": path}`; the answer to each is the
exit code, or the negative number of the signal. A process kills itself (SIGKILL) at the `kill`-th of the moments just
before and just after a part is committed to the ledger, which is never for 0.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

# Imported here, once, so that no fork has to: the client imports it when it is needed.
import pymisp  # noqa: F401
from sqlalchemy import Connection, Engine, event

from misp_modules_ext.cli import main as misp_microsoft
from misp_modules_ext.config import load
from misp_modules_ext.delivery.rounds import Rounds
from misp_modules_ext.misp import client

ROOT = Path(__file__).resolve().parents[2]


class Forked:
    """Gives orders to this module in a process of its own.

    Args:
        folder: for what the processes print.
    """

    def __init__(self, folder: Path) -> None:
        self.log = folder / "forked.log"

    def __enter__(self) -> Forked:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.forked"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._process.communicate()

    def run(self, task: str, config: Path, most: int, page: int, kill: int = 0) -> int:
        """Run one process to its end; its exit code."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order: dict[str, Any] = {"task": task, "config": str(config), "most": most, "page": page, "kill": kill}
        self._process.stdin.write(json.dumps({**order, "log": str(self.log)}) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def _fork(order: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    output = os.open(order["log"], os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    _work(order)
    sys.exit(0)


class _Killer:
    """Ends the process at the n-th of the moments just before and just after a part of an event is committed.

    Such a transaction is known by what it notes of the event.
    """

    def __init__(self, number: int) -> None:
        self._left = number
        self._notes = self._committed = False
        event.listen(Engine, "begin", self._begin, insert=True)
        event.listen(Engine, "before_cursor_execute", self._execute)
        event.listen(Engine, "commit", self._commit)

    def _begin(self, _: Connection) -> None:
        self._notes = False
        if self._committed:
            self._moment()
        self._committed = False

    def _execute(self, _: Connection, __: object, statement: str, *___: object) -> None:
        self._notes = self._notes or statement.startswith("UPDATE event SET")

    def _commit(self, _: Connection) -> None:
        if self._notes:
            self._moment()
        self._committed = self._notes

    def _moment(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def _work(order: dict[str, Any]) -> None:
    client.MOST_AT_ONCE, client.PAGE = order["most"], order["page"]
    _Killer(order["kill"])
    if order["task"] == "sync":
        sys.argv = ["misp-microsoft", "sync", "--json", "--config", order["config"]]
        misp_microsoft()
    else:
        Rounds("forked", "worker").go(load(Path(order["config"])), wait=True)


def main() -> None:
    """Carry out orders until the input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for line in sys.stdin:
        print(_fork(json.loads(line)), file=answers)


if __name__ == "__main__":
    main()
