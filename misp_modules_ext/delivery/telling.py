"""Telling the log, once, that a destination does not take what is due, and that it does again."""

from __future__ import annotations

import time

from misp_modules_ext.ledger import Ledger, lease
from misp_modules_ext.ledger.stores import Store
from misp_modules_ext.logs import Standing, What, fields, logger
from misp_modules_ext.model.outcome import Reason, State

log = logger()

_told = Standing()


def tell(ledger: Ledger, store: Store, state: State, reason: Reason, message: str) -> None:
    """Tell how a destination does, if that is new to this process.

    Args:
        ledger: the ledger.
        store: the destination.
        state: how it does.
        reason: why what is due waits.
        message: the same as a sentence, `""` when all is well.
    """
    about, name = (ledger.where, store.destination_id), store.settings.name
    if state is not State.OK:
        if _told.begins(about, (state, reason)):
            pause = ledger.read(lambda connection: lease.paused(connection, store.destination_id))
            until = time.gmtime(pause.until_ms / 1000) if pause else None
            moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", until) if until else ""
            what = fields(What.PAUSED, destination=name, state=state.value, reason=reason.code, next=moment)
            again = f" It is tried again at {moment}." if moment else ""
            log.warning("[%s] %s: %s%s", name, state.value, message, again, extra=what)
    elif not message and _told.ends(about):
        log.info("[%s] goes again.", name, extra=fields(What.RESUMED, destination=name))
