"""Starts misp-modules services and workers by forking, with all imports done: a start then takes no seconds of work.

What it starts is what `misp-microsoft serve` and a worker run, in processes of their own. Commands come as lines of
JSON on standard input, answers go to standard output the same way: `["service", environment, log, port]` and
`["worker", environment, log]` are answered with a process id, `["end", id, signal]` when that process is gone.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from importlib import resources
from pathlib import Path

import misp_modules
import misp_modules.__main__ as server

from misp_modules_ext.cli.modules import root
from tests.crash import worker


def import_all() -> None:
    """Everything that a service imports."""
    misp_modules.promote_lib_to_root()
    folder = resources.files("misp_modules").joinpath(misp_modules.MODULES_DIR)
    for kind, module in misp_modules.iterate_modules(folder):
        with suppress(ImportError):
            importlib.import_module(f"misp_modules.{misp_modules.MODULES_DIR}.{kind.name}.{Path(module.name).stem}")
    for name in ("misp_modules_ext.doors.action", "misp_modules_ext.doors.export"):
        importlib.import_module(name)


def serve(port: int) -> None:
    """Run misp-modules with its own modules and ours."""
    sys.argv = ["misp-modules", "-l", "127.0.0.1", "-p", str(port), "-c", str(root())]
    server.main()


def start(work: Callable[[], None], environment: Mapping[str, str], log: str) -> int:
    """Fork; the process's id."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        output = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        for stream in (1, 2):
            os.dup2(output, stream)
        os.close(0)
        os.environ.update(environment)
        work()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - a process of its own: nobody else can tell of it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def end(pid: int, number: int) -> bool:
    """Send a signal and wait until the process is gone."""
    os.kill(pid, number)
    os.waitpid(pid, 0)
    return True


def main() -> None:
    """Serve commands until the input ends."""
    # Answers have a stream of their own: what modules and children print is not for it.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    import_all()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print(json.dumps("ready"), file=answers)
    for line in sys.stdin:
        match json.loads(line):
            case ["service", environment, log, port]:
                answer: object = start(partial(serve, port), environment, log)
            case ["worker", environment, log]:
                answer = start(worker.main, environment, log)
            case ["end", pid, number]:
                answer = end(pid, number)
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main()
