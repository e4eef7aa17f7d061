"""What all module doors share: reading the request, the configuration, the deadline, and letting no exception out."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Sequence

from misp_modules_ext.config import cached
from misp_modules_ext.delivery.submit import Order, problem_account, submit
from misp_modules_ext.errors import ConfigurationError, UsageError
from misp_modules_ext.misp.coerce import flag
from misp_modules_ext.misp.requests import ModuleRequest
from misp_modules_ext.model.account import Account
from misp_modules_ext.model.misp import Event
from misp_modules_ext.report import summary

log = logging.getLogger("misp_modules_ext")

#: Seconds kept back of MISP's patience for writing the answer: a fixed part, and one for each attribute in it.
MARGIN = 1.0
MARGIN_PER_ATTRIBUTE = 1.0 / 10_000
#: At least so many seconds go into sending, however impatient MISP is.
LEAST = 0.5


def run(door: str, body: bytes | str, read: Callable[[bytes | str], ModuleRequest]) -> Account:
    """Do what a module call asks for; every failure is an account with its `problem`.

    Args:
        door: `export` or `action`.
        body: the request as misp-modules hands it over.
        read: how this door's requests are read.
    """
    started, clock = time.time(), time.monotonic()
    try:
        request = read(body)
        order = Order(
            door=door,
            destinations=names(request.options.get("destinations", "")),
            preview=preview(request.options.get("preview", "")),
            deadline=clock + sending_time(request.patience, request.events),
        )
        account = submit(request.events, cached(), order)
    except ConfigurationError as error:
        account = problem_account(door, str(error), "configuration", started)
    except UsageError as error:
        account = problem_account(door, str(error), "usage", started)
    except Exception as error:
        log.exception("%s: unexpected error", door)
        problem = f"Unexpected {type(error).__name__}. This is a defect: please report it, with the service's log."
        account = problem_account(door, problem, "internal", started)
    log.info("%s %s: %s", account.door, account.submission, summary(account))
    return account


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


def sending_time(patience: float, events: Sequence[Event]) -> float:
    """Seconds that may go into sending before the answer must be written."""
    attributes = sum(len(event.attributes) for event in events)
    return max(LEAST, patience - MARGIN - attributes * MARGIN_PER_ATTRIBUTE)
