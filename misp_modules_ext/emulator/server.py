"""The emulator as a server: in a background thread for tests, or in the foreground for a person."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from tornado.httpserver import HTTPServer

from .app import application
from .assertions import App
from .behaviour import Behaviour
from .calls import JsonObject
from .core import Core
from .storage import load_state, save_state
from .tls import CA_FILE, NAMES, authority, server_context

log = logging.getLogger(__name__)

_LARGEST_BODY = 256 * 1024 * 1024
_SAVE_EVERY = 1.0


class Emulator:
    """Microsoft's APIs on one loopback address over TLS, run by a thread of its own.

    Usable as a context manager, or with `start` and `stop`. The methods for looking and arranging do the same as the
    addresses under ``/_emulator`` and may be called from any thread.

    Args:
        port: TCP port; 0 lets the operating system choose.
        state: Folder for the CA and for the accepted state, which then outlive the process; None keeps nothing.
        rates: Whether the documented limits are enforced.
        apps: (tenant, application id, credential) of the only applications that exist; empty for "any".
        host: Address to listen on.
        behaviour: Choices where Microsoft's documentation is silent.
        identity_port: TCP port for the identity endpoints of an Azure machine, over plain HTTP; None for none.

    Attributes:
        url: ``https://HOST:PORT``, known once started.
        identity_url: ``http://HOST:PORT`` of the identity endpoints, known once started; empty without.
        ca: Path of the CA certificate to trust, there once started.
        core: The emulator without sockets.

    Raises:
        OSError: From `start`: the port is taken or the folder cannot be written.
        StateError: From `start`: the kept state cannot be read.
    """

    def __init__(
        self,
        port: int = 0,
        state: Path | None = None,
        rates: bool = True,
        apps: Sequence[App] = (),
        host: str = "127.0.0.1",
        *,
        behaviour: Behaviour | None = None,
        identity_port: int | None = None,
    ) -> None:
        self.core = Core(rates=rates, apps=apps, behaviour=behaviour)
        self.url = ""
        self.identity_url = ""
        self._identity_port = identity_port
        self.ca = Path()
        self._port = port
        self._host = host
        self._state = state
        self._folder: Path | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._ready = threading.Event()
        self._failure: BaseException | None = None

    def __enter__(self) -> Emulator:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen; returns when requests are answered. Does nothing when already started."""
        if self._thread is not None:
            return
        self._prepare()
        self._ready.clear()
        self._failure = None
        self._thread = threading.Thread(target=self._run, name="emulator", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            failure = self._failure
            self.stop()
            raise failure

    def stop(self) -> None:
        """Close all connections and keep the state if a folder was given. Does nothing when not started."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if self._loop is not None and self._stopping is not None:
            with contextlib.suppress(RuntimeError):  # the loop may have ended by itself
                self._loop.call_soon_threadsafe(self._stopping.set)
        thread.join()
        if self._state is None and self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _prepare(self) -> None:
        self._folder = self._state or Path(tempfile.mkdtemp(prefix="misp-microsoft-emulator-"))
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._tls = server_context(authority(self._folder))
        self.ca = self._folder / CA_FILE
        if self._state is not None:
            load_state(self.core, self._state)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - handed to the thread that called start
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        server = HTTPServer(application(self.core), ssl_options=self._tls, max_body_size=_LARGEST_BODY)
        listener, port = self._listen(self._port)
        self.url = f"https://{_authority(self._host)}:{port}"
        self.core.own_origins = frozenset(f"https://{_authority(name)}:{port}" for name in NAMES) | {self.url}
        server.add_socket(listener)
        identity = HTTPServer(application(self.core))
        if self._identity_port is not None:
            listener, port = self._listen(self._identity_port)
            self.identity_url = f"http://{_authority(self._host)}:{port}"
            identity.add_socket(listener)
        saver = asyncio.create_task(self._save_often(self.core.version))
        self._ready.set()
        await self._stopping.wait()
        saver.cancel()
        for each in (server, identity):
            each.stop()
            await each.close_all_connections()
        if self._state is not None:
            self._save(self._state)

    def _listen(self, port: int) -> tuple[socket.socket, int]:
        listener = socket.create_server((self._host, port), family=_family(self._host))
        listener.setblocking(False)
        return listener, listener.getsockname()[1]

    def _save(self, folder: Path) -> bool:
        """Save, and say so when it cannot be done: what arrived would be gone with the process."""
        try:
            save_state(self.core, folder)
        except OSError as error:
            log.warning("What has arrived cannot be kept in %s: %s. It is tried again.", folder, error.strerror)
            return False
        return True

    async def _save_often(self, saved: int) -> None:
        """Save after changes since version `saved`, at most every second and for at most a tenth of the time."""
        pause = _SAVE_EVERY
        while self._state is not None:
            await asyncio.sleep(pause)
            if self.core.version == saved:
                continue
            version, began = self.core.version, asyncio.get_running_loop().time()
            if await asyncio.to_thread(self._save, self._state):
                saved = version
            pause = max(_SAVE_EVERY, 10 * (asyncio.get_running_loop().time() - began))

    def state(self) -> JsonObject:
        """``GET /_emulator/state``: objects by workspace and STIX id, entities by tenant."""
        return self.core.state()

    def requests(self) -> list[JsonObject]:
        """``GET /_emulator/requests``: what was asked, oldest first."""
        return self.core.requests()

    def history(self, last: int = 1000) -> JsonObject:
        """``GET /_emulator/history``: the newest rows of Sentinel's append-only log."""
        return self.core.history(last)

    def fault(self, **fields: Any) -> None:
        """``POST /_emulator/faults`` with one fault.

        Raises:
            FaultError: It cannot be ordered as written.
        """
        self.core.fault(fields)

    def clear_faults(self) -> None:
        """``POST /_emulator/faults`` with ``[]``."""
        self.core.replace_faults([])

    def reset(self) -> None:
        """``POST /_emulator/reset``: forget everything but the tokens."""
        self.core.reset()

    def advance(self, seconds: float) -> None:
        """``POST /_emulator/clock``: move the emulator's clock."""
        self.core.advance(seconds)


def serve(
    port: int,
    state: Path | None,
    rates: bool,
    apps: Sequence[App],
    announce: Callable[[Emulator], None],
    identity_port: int | None = None,
) -> None:
    """Run an emulator in the foreground until SIGINT or SIGTERM; must be called from the main thread.

    Args:
        port: TCP port; 0 lets the operating system choose.
        state: Folder for the CA and the accepted state, or None.
        rates: Whether the documented limits are enforced.
        apps: (tenant, application id, credential) of the only applications that exist; empty for "any".
        announce: Called once the emulator answers.
        identity_port: TCP port for the identity endpoints, None for none.

    Raises:
        OSError: The port is taken or the folder cannot be written.
        StateError: The kept state cannot be read.
    """
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with Emulator(port, state, rates, apps, identity_port=identity_port) as emulator:
            announce(emulator)
            ended.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _authority(name: str) -> str:
    return f"[{name}]" if ":" in name else name
