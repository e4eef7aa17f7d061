"""The drain inside the misp-modules process: one daemon thread, begun by the first call of a module.

Never at import: a service that only lists its modules should not begin to send. After a fork the child begins its own.
When the process ends in order, what is under way is finished and the leases go back: nobody then waits for them.
"""

from __future__ import annotations

import atexit
import os
import threading
import time

from misp_modules_ext.config import cached
from misp_modules_ext.delivery import courier
from misp_modules_ext.delivery.places import holder
from misp_modules_ext.delivery.rounds import Rounds
from misp_modules_ext.errors import ConfigurationError, LedgerError
from misp_modules_ext.logs import Standing, What, fields, logger

log = logger()

#: Seconds between two looks at what is due, when nobody wakes the thread.
PERIOD = 5.0
#: Seconds to wait for requests under way when the process ends: Docker kills after ten.
PATIENCE = 8.0

_lock = threading.Lock()
_running_in: int | None = None
_awake = threading.Event()


def ensure() -> None:
    """Begin the drain of this process, if it has none."""
    global _running_in  # noqa: PLW0603 - one for each process
    with _lock:
        if _running_in == os.getpid():
            return
        _running_in = os.getpid()
    threading.Thread(target=_run, daemon=True, name="misp-microsoft-drain").start()


def wake() -> None:
    """Something may be due: look now."""
    ensure()
    _awake.set()


def _run() -> None:
    rounds = Rounds(holder("service"), "service", changed=_awake.set)
    atexit.register(_end, rounds, os.getpid())
    told = Standing()
    while True:
        try:
            rounds.go(cached())
            if told.ends(None):
                log.info("It is sent again in the background.", extra=fields(What.USABLE))
        except (ConfigurationError, LedgerError) as error:
            if told.begins(None, str(error)):
                log.warning("Nothing is sent in the background: %s", error, extra=fields(What.UNUSABLE))
        except Exception:
            # The thread must live as long as the process: what failed now may work in the next round.
            log.exception("The drain stumbled; it goes on.", extra=fields(What.UNEXPECTED))
        _awake.wait(PERIOD)
        _awake.clear()


def _end(rounds: Rounds, pid: int) -> None:
    if os.getpid() != pid:
        # A child that was forked with this hook: what is under way is its parent's.
        return
    until = time.monotonic() + PATIENCE
    # Both finish at the same time: what the one takes is not the other's loss.
    courier.stop_all()
    rounds.stop()
    try:
        rounds.end(cached(), until - time.monotonic())
    except (ConfigurationError, LedgerError) as error:
        log.warning("Leases end by themselves: %s", error, extra=fields(What.LEASE_LEFT))
    courier.end_all(until)
