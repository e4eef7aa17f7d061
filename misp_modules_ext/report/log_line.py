"""The account as a line in the log."""

from __future__ import annotations

import logging

from misp_modules_ext.logs import What, fields, logger
from misp_modules_ext.model.account import Account
from misp_modules_ext.report.summary import summary

log = logger()

#: Events that the line names.
MOST_NAMED = 20


def log_account(account: Account) -> None:
    """Log what became of a submission: at WARNING when it could not begin, else at INFO. Values are not in it."""
    level = logging.WARNING if account.problem else logging.INFO
    if not log.isEnabledFor(level):
        # Counting takes long in a large account.
        return
    destinations = {
        one.name: {"state": one.state.value, "counts": one.counts, "removed": len(one.removed)}
        for one in account.destinations
    }
    what = fields(
        What.SUBMISSION,
        submission=account.submission,
        door=account.door,
        events=[event.uuid for event in account.events[:MOST_NAMED]],
        destinations=destinations,
        preview=account.preview or None,
        problem=account.problem_code,
        seconds=round(account.finished - account.started, 3),
    )
    log.log(level, "%s %s: %s", account.door, account.submission, summary(account), extra=what)
