"""`misp-microsoft worker`: drains the ledger until it is stopped."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from misp_modules_ext.cli import looking
from misp_modules_ext.cli.common import ConfigOption
from misp_modules_ext.cli.status import codes, look
from misp_modules_ext.config import Settings, cached
from misp_modules_ext.delivery import queue
from misp_modules_ext.delivery.places import holder
from misp_modules_ext.delivery.rounds import AT_ONCE, Rounds
from misp_modules_ext.errors import ConfigurationError, LedgerError
from misp_modules_ext.ledger import open_ledger
from misp_modules_ext.logs import Standing, What, fields, logger
from misp_modules_ext.report import first_code

log = logger()

#: Seconds between two looks at what is due, when nobody wakes the worker.
PERIOD = 5.0
#: Seconds to wait for requests under way when it is stopped: a request takes 40 at most.
PATIENCE = 45.0


def worker(
    config: ConfigOption = None,
    once: Annotated[bool, typer.Option("--once", help="Send what is due and end, instead of going on.")] = False,
    threads: Annotated[
        int, typer.Option("--threads", min=1, max=256, help="Destinations that are sent to at once.")
    ] = AT_ONCE,
) -> None:
    """Read events that wait from MISP and send what is due, until SIGTERM or Ctrl-C: then finish what is under way.

    Several workers share one ledger. With `url` in the section queue they are woken at once, else they look every few
    seconds.
    With --once the exit code is that of `status`: 0 when nothing is left.
    """
    settings = cached(config)
    ledger = open_ledger(settings.ledger.url.get_secret_value())
    worker = _Worker(config, threads)
    worker.obey_signals()
    log.info("Draining %s.", ledger.where, extra=fields(What.STARTED, where=ledger.where))
    if not settings.reads_misp:
        log.info("%s", looking.reading_words(settings.other_readable, served=False), extra=fields(What.STARTED))
    if once:
        raise typer.Exit(worker.once(settings))
    worker.run(settings)


class _Worker:
    """One process that drains.

    Args:
        config: where the configuration is; read again when it changes.
        threads: destinations that are sent to at once.
    """

    def __init__(self, config: Path | None, threads: int) -> None:
        self._config = config
        self._awake = threading.Event()
        self._ended = threading.Event()
        self._told = Standing()
        self._rounds = Rounds(holder("worker"), "worker", changed=self._awake.set, at_once=threads)

    def obey_signals(self) -> None:
        """End on SIGTERM and SIGINT; on a second one at once."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)

    def _signalled(self, number: int, _: FrameType | None) -> None:
        if self._ended.is_set():
            os._exit(128 + number)
        # In a thread: the main one may hold the events' locks at this very moment.
        threading.Thread(target=self._end, daemon=True).start()

    def _end(self) -> None:
        self._ended.set()
        self._awake.set()

    def run(self, settings: Settings) -> None:
        """Drain until it is to end."""
        with queue.listening(settings, self._awake.set):
            while not self._ended.is_set():
                settings = self._round(settings)
                self._awake.wait(PERIOD)
                self._awake.clear()
            self._finish(settings)

    def _round(self, settings: Settings) -> Settings:
        """One round by the configuration as it is now, or was when it could be read last."""
        try:
            settings = cached(self._config)
            self._rounds.go(settings)
            if self._told.ends(None):
                log.info("It is sent again.", extra=fields(What.USABLE))
        except (ConfigurationError, LedgerError) as error:
            if self._told.begins(None, str(error)):
                log.warning("Nothing is sent: %s", error, extra=fields(What.UNUSABLE))
        return settings

    def once(self, settings: Settings) -> int:
        """Drain until nothing is left that may go now; the exit code."""
        failed: list[LedgerError] = []

        def drain() -> None:
            try:
                self._rounds.go(settings, wait=True)
            except LedgerError as error:
                failed.append(error)

        # In a thread, so that a signal is obeyed at once.
        work = threading.Thread(target=drain, daemon=True)
        work.start()
        while work.is_alive() and not self._ended.is_set():
            work.join(0.2)
        if failed:
            raise failed[0]
        self._finish(settings)
        ledger = open_ledger(settings.ledger.url.get_secret_value())
        return first_code(codes(look(ledger, settings, looking.places(ledger, settings, ()))))

    def _finish(self, settings: Settings) -> None:
        began = time.monotonic()
        done = self._rounds.end(settings, PATIENCE)
        words = "all requests are finished" if done else "some requests are not finished: they are repeated later"
        took = time.monotonic() - began
        log.info("Stopped after %.0f s: %s.", took, words, extra=fields(What.STOPPED, seconds=round(took, 1)))
