"""What all module doors share: reading the request, the configuration, the deadline, and letting no exception out."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import replace

from misp_modules_ext.config import cached
from misp_modules_ext.delivery.submit import Order, choose, problem_account, submit
from misp_modules_ext.errors import ConfigurationError, UsageError
from misp_modules_ext.misp.coerce import flag
from misp_modules_ext.misp.requests import ModuleRequest
from misp_modules_ext.model.account import Account
from misp_modules_ext.report import summary

log = logging.getLogger("misp_modules_ext")

#: Seconds kept back of MISP's patience for writing the answer: a fixed part, and one for each of its items, which are
#: attributes times destinations. Measured on two cores: 50,000 attributes at three destinations take some 4 s.
MARGIN = 1.0
MARGIN_PER_ITEM = 1.0 / 30_000
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
        settings = cached()
        named = names(request.options.get("destinations", ""))
        items = len(choose(settings, named)) * sum(len(event.attributes) for event in request.events)
        deadline = clock + sending_time(request.patience, items)
        order = Order(door, named, preview(request.options.get("preview", "")), deadline)
        account = submit(request.events, settings, order)
        account = replace(account, warnings=(*account.warnings, *request.refused))
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


def sending_time(patience: float, items: int) -> float:
    """Seconds from the request's arrival until the answer must be written, which has so many items."""
    return max(LEAST, patience - MARGIN - items * MARGIN_PER_ITEM)
