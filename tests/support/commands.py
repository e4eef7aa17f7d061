"""Runs `misp-microsoft` in processes of their own that are forked with all imports done, which saves a second of work.

What a forked process does is what `python -m misp_modules_ext` does, with its own arguments, environment, folder,
standard streams, signals and exit code. It comes from a process that has only imported, in the clean environment of a
command: one for each process that runs tests, started anew rather than forked from it, for that one has threads. An
order is JSON on a socket, with the standard streams and a socket for the answers: the process id, and when it has ended
the exit code, or the negative number of a signal.

That the program starts at all, and that its other start says the same, is proven in tests/acceptance/test_start.py.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

ROOT = Path(__file__).resolve().parents[2]
#: How numbers are sent: the length of an order, a process id, an exit code.
_NUMBER = struct.Struct("!i")
_one_at_a_time = threading.Lock()
#: Variables of the machine that a command has.
CLEAN = ("PATH", "LANG", "LC_ALL")
#: What is looked at while everything is imported: who has others is forked from a process that has them, too.
_EARLY = (*CLEAN, "SQLITE_TMPDIR", "TMPDIR")
#: What commands import when they need it.
_LATER = (
    "alembic.command",
    "logging.config",
    "misp_modules_ext.config.certificates",
    "misp_modules_ext.emulator",
    "psycopg",
    "pymisp",
    "pymysql",
    "rich.markdown",
    "sqlalchemy.dialects.mysql.pymysql",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
)


def clean(**more: str) -> dict[str, str]:
    """The environment of a command: that of the machine without what would change it, and more."""
    return {name: value for name, value in os.environ.items() if name in CLEAN} | more


class Command:
    """A `misp-microsoft` that runs; to be used as a `subprocess.Popen` is.

    Args:
        arguments: what is typed after the name.
        stdin: what it reads from: a descriptor, a file, `PIPE`, or nothing.
        stdout: likewise, what it writes to.
        stderr: likewise.
        cwd: its folder.
        env: its environment.
        first: Python that is executed before, to change sizes in the program.
    """

    def __init__(
        self,
        *arguments: object,
        stdin: Any = subprocess.DEVNULL,
        stdout: Any = subprocess.PIPE,
        stderr: Any = subprocess.PIPE,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        first: str = "",
    ) -> None:
        self.args = [sys.executable, "-m", "misp_modules_ext", *map(str, arguments)]
        self.returncode: int | None = None
        environment = dict(os.environ if env is None else env)
        # What listens for processes that are started hears of this one too.
        sys.audit("subprocess.Popen", self.args[0], self.args, cwd, environment)
        with contextlib.ExitStack() as theirs:
            ends = [
                self._end(stream, reads, theirs) for stream, reads in ((stdin, True), (stdout, False), (stderr, False))
            ]
            self.stdin, self.stdout, self.stderr = (ours for ours, _ in ends)
            self._answers, answering = socket.socketpair()
            theirs.enter_context(answering)
            folder = str(cwd or Path.cwd())
            order = {"arguments": self.args[3:], "cwd": folder, "environment": environment, "first": first}
            early = tuple((name, environment[name]) for name in _EARLY if name in environment)
            _send(_orders(early), order, [*(descriptor for _, descriptor in ends), answering.fileno()])
        self.pid = self._answer()

    @staticmethod
    def _end(stream: Any, reads: bool, theirs: contextlib.ExitStack) -> tuple[BinaryIO | None, int]:
        """Our end of one of its streams, when there is one, and the descriptor that it gets."""
        if stream == subprocess.PIPE:
            reading, writing = os.pipe()
            given, kept = (reading, writing) if reads else (writing, reading)
            theirs.callback(os.close, given)
            return os.fdopen(kept, "wb" if reads else "rb"), given
        if stream == subprocess.DEVNULL:
            return None, theirs.enter_context(Path(os.devnull).open("r+b")).fileno()
        return None, stream if isinstance(stream, int) else stream.fileno()

    def __enter__(self) -> Command:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._close()
        self.wait()

    def poll(self) -> int | None:
        """The exit code, when it has ended."""
        with contextlib.suppress(TimeoutError):
            self._wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; the exit code.

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        try:
            return self._wait(timeout)
        except TimeoutError as error:
            raise subprocess.TimeoutExpired(self.args, timeout or 0) from error

    def _wait(self, timeout: float | None) -> int:
        if self.returncode is None:
            self._answers.settimeout(timeout)
            try:
                self.returncode = self._answer()
            except BlockingIOError as error:
                raise TimeoutError from error
            self._answers.close()
        return self.returncode

    def _answer(self) -> int:
        answer = self._answers.recv(_NUMBER.size)
        assert answer, "what it is forked from has ended"
        return int(_NUMBER.unpack(answer)[0])

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, given: bytes = b"", timeout: float | None = None) -> tuple[bytes, bytes]:
        """What it writes until it ends, to standard output and to standard error.

        Raises:
            subprocess.TimeoutExpired: it still ran, and was killed.
        """
        with ThreadPoolExecutor(3) as pool:
            pool.submit(self._feed, given)
            said = [pool.submit(self._read, stream) for stream in (self.stdout, self.stderr)]
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        self._close()
        out, errors = (one.result() for one in said)
        return out, errors

    def _feed(self, given: bytes) -> None:
        if self.stdin is not None and not self.stdin.closed:
            # It need not read what it is given.
            with contextlib.suppress(BrokenPipeError), self.stdin:
                self.stdin.write(given)

    @staticmethod
    def _read(stream: BinaryIO | None) -> bytes:
        return stream.read() if stream is not None and not stream.closed else b""

    def _close(self) -> None:
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


def run(
    *arguments: object,
    stdin: bytes = b"",
    timeout: float = 120,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    first: str = "",
) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end.

    Args:
        arguments: what is typed after the name.
        stdin: what it can read from a pipe.
        timeout: seconds that it has.
        cwd: its folder.
        env: its environment.
        first: Python that is executed before.
    """
    command = Command(*arguments, stdin=subprocess.PIPE, cwd=cwd, env=env, first=first)
    out, errors = command.communicate(stdin, timeout)
    assert command.returncode is not None
    return subprocess.CompletedProcess(command.args, command.returncode, out, errors)


@functools.cache
def _orders(environment: tuple[tuple[str, str], ...]) -> socket.socket:
    """Where this process sends its orders for commands whose environment has these."""
    ours, theirs = socket.socketpair()
    with theirs:
        reader = subprocess.Popen(
            [sys.executable, "-m", "tests.support.commands", str(theirs.fileno())],
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            # Whoever interrupts the tests interrupts no command: they end those themselves.
            start_new_session=True,
        )

    def end() -> None:
        ours.close()
        reader.wait()

    atexit.register(end)
    return ours


def _send(to: socket.socket, order: Mapping[str, object], descriptors: list[int]) -> None:
    written = json.dumps(order).encode()
    with _one_at_a_time:
        socket.send_fds(to, [_NUMBER.pack(len(written))], descriptors)
        to.sendall(written)


# From here on: what the other process does.


def _next(orders: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """The next order and its descriptors; nothing at the end."""
    length, descriptors, _, _ = socket.recv_fds(orders, _NUMBER.size, 4)
    if not length:
        return None
    return json.loads(orders.recv(*_NUMBER.unpack(length), socket.MSG_WAITALL)), descriptors


def _forked(descriptor: int) -> dict[str, Any] | None:
    """Fork for each order. What returns with an order is a process that is to carry it out."""
    orders = socket.socket(fileno=descriptor)
    while given := _next(orders):
        order, (*streams, answering) = given
        # What waits for the command has no other task, so that the next order does not wait.
        if os.fork():
            for one in (*streams, answering):
                os.close(one)
            _forget()
            continue
        orders.close()
        if command := os.fork():
            _answer(command, streams, answering)
        os.close(answering)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        return order
    return None


def _forget() -> None:
    """Let those go that have waited for a command."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _answer(command: int, streams: list[int], answering: int) -> None:
    """Tell of the process, and of its end."""
    for stream in streams:
        os.close(stream)
    # Whoever asked may have gone.
    with contextlib.suppress(BrokenPipeError):
        os.write(answering, _NUMBER.pack(command))
        code = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
        os.write(answering, _NUMBER.pack(code))
    os._exit(0)


def _become(order: dict[str, Any]) -> None:
    """Do what the interpreter does when it starts, and run the command."""
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["environment"])
    time.tzset()
    # Tests that run in the background of a shell have it ignored, and so has what they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.path[0] = order["cwd"]
    for name, mode, number in (("stdin", "r", 0), ("stdout", "w", 1), ("stderr", "w", 2)):
        old = getattr(sys, name)
        lines = 1 if name == "stderr" or "PYTHONUNBUFFERED" in os.environ or os.isatty(number) else -1
        stream = open(number, mode, lines, old.encoding, old.errors, closefd=False)  # noqa: SIM115 - it stays open
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    sys.argv = ["misp-microsoft", *order["arguments"]]
    exec(order["first"], {})  # noqa: S102 - of a test
    runpy.run_module("misp_modules_ext", run_name="__main__", alter_sys=True)


def main() -> None:
    """Import everything, and carry out orders until there are no more."""
    for name in ("misp_modules_ext.cli", *_LATER):
        importlib.import_module(name)
    # What is here already is not looked at again by each process.
    gc.collect()
    gc.freeze()
    order = _forked(int(sys.argv[1]))
    if order is not None:
        _become(order)


if __name__ == "__main__":
    main()
