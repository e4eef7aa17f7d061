"""What an export of the event costs the real misp-modules service, above a module that does nothing with it.

Both services hold the same modules and get the same body; each is fresh, so that its peak is this call's.
"""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import orjson
import requests

from misp_modules_ext.cli.modules import root
from misp_modules_ext.emulator import Emulator
from tests.bench.event import document
from tests.bench.line import Line, Size
from tests.bench.places import configuration

#: MiB.
WANTED = 150
OURS, NOTHING = "export_to_microsoft", "does_nothing"
#: Seconds for the service to import its modules, and for a call.
PATIENCE = 120.0

_DOES_NOTHING = '''"""Takes an export and does nothing with it."""

moduleconfig = []


def handler(q=b""):
    return {"data": ""}


def introspection():
    return {"responseType": "text/html", "outputFileExtension": "html", "userConfig": {}, "inputSource": ["event"]}


def version():
    return {"version": "1", "module-type": ["export"], "require_standard_format": True, "config": moduleconfig}
'''


class Service(NamedTuple):
    """A running misp-modules."""

    pid: int
    url: str

    def peak(self) -> float:
        """Its peak resident memory so far, MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text("ascii")
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024

    def call(self, module: str, event: bytes) -> None:
        """Have a module called as MISP does."""
        body = b'{"module": "%s", "config": {}, "data": [%s]}' % (module.encode(), event)
        answer = requests.post(f"{self.url}/query", data=body, timeout=PATIENCE).json()
        assert set(answer) == {"data"}


def lines(size: Size, _kinds: Sequence[str], folder: Path) -> Iterator[Line]:
    """The line on memory."""
    modules = _modules(folder / "modules")
    event = orjson.dumps(document(size.attributes))
    with ExitStack() as stack:
        emulator = stack.enter_context(Emulator(rates=False))
        ledger = folder / "ledger.db"
        config = configuration(emulator, f"sqlite:///{ledger}", folder)
        ours, idle = (stack.enter_context(_service(modules, config, folder / name)) for name in (OURS, NOTHING))
        for service in (ours, idle):
            _await(service)
        idle.call(NOTHING, event)
        ours.call(OURS, event)
        # The account is kept after the answer, by a thread that MISP does not wait for.
        _await_account(ledger)
        above = ours.peak() - idle.peak()
        reached = f"{above:.0f} MB ({ours.peak():.0f} less {idle.peak():.0f})"
    yield Line(f"memory, body of {len(event) / 1e6:.0f} MB", reached, f"<= {WANTED} MB", met=above <= WANTED)


def _modules(folder: Path) -> Path:
    """A `-c` root with our modules and the one that does nothing."""
    shutil.copytree(root(), folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "export_mod" / f"{NOTHING}.py").write_text(_DOES_NOTHING, encoding="utf-8")
    return folder


@contextmanager
def _service(modules: Path, config: Path, state: Path) -> Iterator[Service]:
    """misp-modules, beginning; `_await` says when it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "misp_modules", "-l", "127.0.0.1", "-p", str(port), "-c", str(modules)]
    environment = os.environ | {"RH_ISAC_CONF": str(config), "XDG_STATE_HOME": str(state)}
    with (
        state.with_suffix(".log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log, env=environment) as process,
    ):
        try:
            yield Service(process.pid, f"http://127.0.0.1:{port}")
        finally:
            process.kill()


def _await(service: Service) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            if requests.get(f"{service.url}/healthcheck", timeout=5).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.1)
    raise TimeoutError("misp-modules does not answer")


def _await_account(ledger: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with closing(sqlite3.connect(ledger, timeout=PATIENCE)) as connection:
            kept = connection.execute("SELECT count(*) FROM submission WHERE finished_ms IS NOT NULL").fetchone()[0]
        if kept:
            return
        time.sleep(0.1)
    raise TimeoutError("the account was not kept")
