"""The action doors: nodes of a MISP workflow.

MISP reads nothing but `error` (misp-seen.md 5): its text goes into MISP's log, and with the blocking module it stops
the workflow.
"""

from __future__ import annotations

from typing import Any

from misp_modules_ext.doors.common import ACTION_WAITS, answer
from misp_modules_ext.misp.requests import Body, read_action
from misp_modules_ext.model.account import Account
from misp_modules_ext.model.outcome import Outcome, State
from misp_modules_ext.report import summary

Answer = dict[str, Any]


def parameters(*, blocking: bool) -> dict[str, Any]:
    """The `config` of an action module as MISP understands it (misp.md 1.5).

    `value` is only a placeholder there: an untouched field arrives as `""`.
    """
    return {
        "params": {
            "destinations": {
                "type": "string",
                "description": "Names of [microsoft NAME] sections, separated by commas; empty for all",
                "value": "all",
            },
            "preview": {
                "type": "string",
                "description": "true: send nothing, only say in the service's log what would go",
                "value": "false",
            },
        },
        "blocking": blocking,
        "support_filters": False,
        "expect_misp_core_format": True,
    }


def handle(body: Body) -> Answer:
    """Answer a call of the non-blocking module: an error for everything a person should look at.

    What is pending is kept and goes later: that is success.
    """
    return answer("action", body, read_action, _loud, ACTION_WAITS)


def handle_or_stop(body: Body) -> Answer:
    """Answer a call of the blocking module.

    It stops the workflow for a bad configuration, refused credentials, a ledger that cannot commit, and an event that
    cannot be read: then nothing was committed, or nothing will go until somebody acts.
    """
    return answer("action", body, read_action, _quiet, ACTION_WAITS)


def _loud(account: Account) -> Answer:
    return _told(_failed(account) or _incomplete(account, Outcome.REJECTED))


def _quiet(account: Account) -> Answer:
    return _told(_failed(account))


def _told(error: str) -> Answer:
    return {"error": error} if error else {"data": True}


def _failed(account: Account) -> str:
    if account.problem:
        return account.problem
    refused = [d for d in account.destinations if d.state in (State.REFUSED, State.MISCONFIGURED)]
    return " ".join(f"[{d.name}] {d.message}" for d in refused)


def _incomplete(account: Account, *outcomes: Outcome) -> str:
    lines = []
    for destination in account.destinations:
        counts = destination.counts
        if any(counts[outcome.value] for outcome in outcomes):
            reasons = {item.reason for item in destination.items if item.outcome in outcomes and item.reason}
            why = " ".join(sorted(reason.sentence for reason in reasons))
            lines.append(f"[{destination.name}] {destination.message} {why}".replace("  ", " "))
    return f"{summary(account)}. {' '.join(lines)}" if lines else ""
