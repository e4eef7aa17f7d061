"""What all module doors share: reading the request, the configuration, the deadline, and letting no exception out."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from misp_modules_ext.config import cached
from misp_modules_ext.config.settings import Settings
from misp_modules_ext.delivery import embedded, queue
from misp_modules_ext.delivery.collector import MANY, give_back, paused
from misp_modules_ext.delivery.submit import LEAST, Order, keep, problem_account, submit
from misp_modules_ext.errors import ConfigurationError, LedgerError, UsageError
from misp_modules_ext.ledger import Origin
from misp_modules_ext.ledger.engine import patience
from misp_modules_ext.logs import What, fields, logger
from misp_modules_ext.misp.coerce import flag
from misp_modules_ext.misp.requests import Body, ModuleRequest
from misp_modules_ext.model.account import Account
from misp_modules_ext.model.misp import Event
from misp_modules_ext.report import json_pieces, log_account

log = logger()

Answer = TypeVar("Answer")
#: Reads from MISP what is to be pushed, until `time.monotonic()` at most.
Fetch = Callable[[Settings, float], Sequence[Event]]

#: Seconds of MISP's patience that are kept back for the way here and back; the time for writing the answer is the
#: submission's to keep.
MARGIN = 1.0
#: MISP's patience begins when it starts to send, ours when misp-modules has read everything: seconds for each
#: attribute.
MARGIN_PER_ATTRIBUTE = 11e-6

#: An action waits so many seconds for Microsoft once all is committed: what is not answered by then goes later.
ACTION_WAITS = 3.0


def answer(
    door: str,
    body: Body,
    read: Callable[[Body], ModuleRequest],
    render: Callable[[Account], Answer],
    sending: float | None = None,
    fetch: Fetch | None = None,
) -> Answer:
    """Do what a module call asks for; every failure is an account with its `problem`.

    Args:
        door: `export`, `action` or `expansion`.
        body: the request; one that is decoded loses its `data` once that is read.
        read: how this door's requests are read.
        render: makes the answer of the account.
        sending: seconds to wait for Microsoft at most, `None` for as long as MISP's patience allows.
        fetch: reads from MISP what the request names; `None` where the request brings it.
    """
    account, settings, attributes = _run(door, body, read, sending, fetch)
    # The events are gone now, also where the ledger refused them, and the answer needs as much.
    give_back(attributes)
    try:
        return render(account)
    finally:
        if settings is not None:
            _keep(settings, account)


def _run(
    door: str, body: Body, read: Callable[[Body], ModuleRequest], sending: float | None, fetch: Fetch | None
) -> tuple[Account, Settings | None, int]:
    """The account, where to keep it when it belongs into the ledger, and how many attributes were read."""
    keeping: Settings | None = None
    attributes = 0
    started, clock = time.time(), time.monotonic()
    try:
        with paused(MANY) as note:
            request = read(body)
            note(request.attributes)
            _drop_events(body)
        attributes = request.attributes
        give_back(attributes)
        settings = cached()
        named = names(request.options.get("destinations", ""))
        answering = time_to_answer(request.patience, request.attributes)
        order = Order(
            door,
            named,
            preview(request.options.get("preview", "")),
            clock + answering,
            sending,
            read_later=settings.reads_misp,
        )
        events: Sequence[Event] = request.events
        if fetch is not None:
            order = replace(order, origin=Origin.OWN_READING, read_later=False, only=True)
            events = fetch(settings, order.deadline or clock)
        # Half of MISP's patience for the ledger at most: the rest is for taking, sending and the report.
        with patience(max(LEAST, (clock + answering - time.monotonic()) / 2)):
            account = submit(events, settings, order)
        account = replace(account, warnings=(*account.warnings, *request.refused))
        embedded.wake()
        queue.wake(settings)
        keeping = settings
    except ConfigurationError as error:
        account = problem_account(door, str(error), "configuration", started)
    except UsageError as error:
        account = problem_account(door, str(error), "usage", started)
    except LedgerError as error:
        account = problem_account(door, str(error), "ledger", started)
    except Exception as error:
        log.exception("%s: unexpected error", door, extra=fields(What.UNEXPECTED, door=door))
        problem = f"Unexpected {type(error).__name__}. This is a defect: please report it, with the service's log."
        account = problem_account(door, problem, "internal", started)
    log_account(account)
    return account, keeping, attributes


def _drop_events(body: Body) -> None:
    """Drop the events from a body that misp-modules has decoded: they are our records now.

    misp-modules holds that dictionary until the answer is written; of 50,000 attributes it is 80 MB beside all else. It
    looks only for `module` and `timeout` there, and what it hands to `handler` is the body as it came.
    """
    if isinstance(body, dict):
        body.pop("data", None)


def _keep(settings: Settings, account: Account) -> None:
    """Keep the account in the ledger, without MISP waiting for it: what was taken is there already."""
    if not account.preview:
        threading.Thread(target=lambda: keep(settings, account.submission, json_pieces(account)), daemon=True).start()


def ensure_drain() -> None:
    """Begin sending what waits in the ledger, once in this process; never at import."""
    embedded.ensure()


def names(option: str) -> tuple[str, ...]:
    """Destination names, separated by commas or line breaks."""
    return tuple(part.strip() for part in re.split(r"[,\n]", option) if part.strip())


def preview(option: str) -> bool:
    """Whether only a preview is asked for.

    Raises:
        UsageError: neither yes nor no: to send after a mistyped "yes" would be the wrong guess.
    """
    if not option:
        return False
    answer = flag(option)
    if answer is None:
        raise UsageError(f"The option preview is {option!r}: write true or false, or leave it empty.")
    return answer


def time_to_answer(patience: float, attributes: int) -> float:
    """Seconds from the request's arrival until the answer must be written.

    Args:
        patience: seconds that MISP waits.
        attributes: how many the request brought.
    """
    return max(LEAST, patience - MARGIN - attributes * MARGIN_PER_ATTRIBUTE)
