"""Starts misp-modules services and workers by forking, with all imports done: a start then takes no seconds of work.

What it starts is what `misp-microsoft serve` and `misp-microsoft worker` run, in processes of their own. Commands come
as lines of JSON on standard input, answers go to standard output the same way: `["service", environment, log, port]`
and `["worker", environment, log]` are answered with a process id, `["end", id, signal]` with an exit code (or the
negative number of a signal) when that process is gone.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib import resources
from pathlib import Path

import misp_modules
import misp_modules.__main__ as server

from misp_modules_ext.cli import main as misp_microsoft
from misp_modules_ext.cli.modules import root

#: Seconds that a service has for noticing that it is to end.
NOTICED = 12.0


def import_all() -> None:
    """Everything that a service imports; what is not installed is not looked for again."""
    misp_modules.promote_lib_to_root()
    folder = resources.files("misp_modules").joinpath(misp_modules.MODULES_DIR)
    for kind, module in misp_modules.iterate_modules(folder):
        name = f"misp_modules.{misp_modules.MODULES_DIR}.{kind.name}.{Path(module.name).stem}"
        try:
            importlib.import_module(name)
        except ImportError:
            sys.modules[name] = None  # type: ignore[assignment] # Python's own way to say so
    for name in ("misp_modules_ext.doors.action", "misp_modules_ext.doors.export"):
        importlib.import_module(name)


def serve(port: int) -> None:
    """Run misp-modules with its own modules and ours."""
    sys.argv = ["misp-modules", "-l", "127.0.0.1", "-p", str(port), "-c", str(root())]
    server.main()


def work() -> None:
    """Drain the ledger."""
    sys.argv = ["misp-microsoft", "worker"]
    misp_microsoft()


def start(task: Callable[[], None], environment: Mapping[str, str], log: str) -> int:
    """Fork; the process's id. The child does its task, and then ends as any program does."""
    pid = os.fork()
    if pid:
        return pid
    output = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(environment)
    task()
    sys.exit(0)


def end(pid: int, number: int, port: int | None) -> int:
    """Send a signal and wait until the process is gone; its exit code.

    A service of misp-modules' whose signal arrives just before it begins to wait notices it with the next connection
    only: it has none that would come by itself, so after a while one is made.
    """
    os.kill(pid, number)
    waiting, looked = os.WNOHANG if port else 0, time.monotonic()
    while not (found := os.waitpid(pid, waiting))[0]:
        time.sleep(0.01)
        if port and time.monotonic() > looked + NOTICED:
            looked = time.monotonic()
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
    return os.waitstatus_to_exitcode(found[1])


def main() -> None:
    """Serve commands until the input ends."""
    # Answers have a stream of their own: what modules and children print is not for it.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    import_all()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print(json.dumps("ready"), file=answers)
    ports: dict[int, int] = {}
    answer: object
    for line in sys.stdin:
        match json.loads(line):
            case ["service", environment, log, port]:
                pid = start(partial(serve, port), environment, log)
                ports[pid], answer = port, pid
            case ["worker", environment, log]:
                answer = start(work, environment, log)
            case ["end", pid, number]:
                answer = end(pid, number, ports.pop(pid, None))
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main()
