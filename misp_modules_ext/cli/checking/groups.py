"""Groups of findings that come to be at the same time, none of which waits for another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from misp_modules_ext.logs import logger
from misp_modules_ext.model.finding import Code, Finding
from misp_modules_ext.model.outcome import State

log = logger()

_ORDER = {code: place for place, code in enumerate(Code)}
#: So many groups are worked on at once.
AT_ONCE = 64
_LOOK = "see what its host says to the first finding."


class Way(NamedTuple):
    """A host that has to be reached.

    Attributes:
        purpose: what for.
        proxy: `host:port` of the proxy that the environment names for it, `""` for none.
        source: who has to reach it, `""` for this machine.
    """

    host: str
    port: int
    purpose: str
    proxy: str = ""
    source: str = ""


class Group:
    """What is tried of one destination, of one MISP, or of the installation.

    Args:
        name: the section's name.
        work: tries everything, and adds to the group what it finds.
        ways: hosts that are known beforehand.
        unfinished: the exit code of `check` when it does not come to an end: that of what it asks not answering.
        look: what to do when it does not even on repeating.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Group], None],
        ways: Iterable[Way] = (),
        *,
        unfinished: int = 3,
        look: str = _LOOK,
    ) -> None:
        self.name = name
        self._unfinished = unfinished
        self._look = look
        self._work = work
        self._lock = threading.Lock()
        self._findings: list[Finding] = []
        self._ways = list(ways)
        self._limits = ""
        self._closed = False
        self.done = threading.Event()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found so far, in the order of the codes."""
        with self._lock:
            return tuple(sorted(self._findings, key=lambda finding: _ORDER[finding.code]))

    @property
    def ways(self) -> tuple[Way, ...]:
        """The hosts to reach."""
        with self._lock:
            return tuple(self._ways)

    @property
    def limits(self) -> str:
        """How much there is room for, in few words; `""` when it is not known."""
        return self._limits

    @limits.setter
    def limits(self, words: str) -> None:
        self._limits = words

    @property
    def state(self) -> State:
        """OK, or that of the first failure."""
        return next((finding.state for finding in self.findings if not finding.ok), State.OK)

    def add(self, *findings: Finding) -> None:
        """Note what was found; after `close` nothing any more, so that what is shown does not change under way."""
        with self._lock:
            if not self._closed:
                self._findings += findings

    def lead(self, *ways: Way) -> None:
        """Note further hosts."""
        with self._lock:
            if not self._closed:
                self._ways += ways

    def close(self, limit: float) -> None:
        """End it; what is still under way is told as unfinished."""
        if not self.done.is_set():
            self.add(_late(limit, self._unfinished, self._look))
        with self._lock:
            self._closed = True

    def run(self) -> None:
        """Do all of it. An error that nobody expected is a finding as well, and not the end of `check`."""
        try:
            self._work(self)
        except Exception as error:  # noqa: BLE001 - whatever it is becomes a finding
            # Only the kind: nobody knows what a message that was not expected holds, or a traceback.
            kind = type(error).__name__
            log.debug("check of %s: unexpected %s", self.name, kind)
            self.add(_unexpected(kind, self._unfinished))
        finally:
            self.done.set()


def run_all(groups: list[Group], limit: float) -> None:
    """Do all groups at the same time, and return after `limit` seconds at the latest."""
    deadline = time.monotonic() + limit
    waiting = list(reversed(groups))
    lock = threading.Lock()

    def _next() -> Group | None:
        with lock:
            return waiting.pop() if waiting and time.monotonic() < deadline else None

    def _worker() -> None:
        while (group := _next()) is not None:
            group.run()

    for number in range(min(len(groups), AT_ONCE)):
        # Daemons: one that hangs must not keep the process.
        threading.Thread(target=_worker, daemon=True, name=f"misp-microsoft-check-{number}").start()
    for group in groups:
        group.done.wait(max(0.0, deadline - time.monotonic()))
        group.close(limit)


def _late(limit: float, exit_code: int, look: str) -> Finding:
    return Finding(
        Code.UNFINISHED,
        "the end",
        f"What is missing here did not come to an end within {limit:g} seconds.",
        f"repeat later, or give it longer with --timeout; if it stays, {look}",
        State.UNREACHABLE,
        exit_code,
    )


def _unexpected(kind: str, exit_code: int) -> Finding:
    return Finding(
        Code.UNFINISHED,
        "the end",
        f"What is missing here was ended by an error that nobody expected ({kind}).",
        "report it to this project.",
        State.UNREACHABLE,
        exit_code,
    )
