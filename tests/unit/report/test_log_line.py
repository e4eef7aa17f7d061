"""The account as a line in the log."""

from __future__ import annotations

import logging

import pytest

from misp_modules_ext.logs import fields_of
from misp_modules_ext.model.account import Account, DestinationAccount, EventAccount, Item
from misp_modules_ext.model.outcome import Outcome, State
from misp_modules_ext.report import log_account
from misp_modules_ext.report.log_line import MOST_NAMED


def _account(**fields: object) -> Account:
    items = tuple(Item("e", f"a{n}", "domain", f"host{n}.evil.example", Outcome.REJECTED) for n in range(3))
    place = DestinationAccount("microsoft", "Microsoft Sentinel", "sentinel", State.OK, items=items)
    events = tuple(EventAccount(f"event-{number}", "a title") for number in range(MOST_NAMED + 5))
    made = {"destinations": (place,), "events": events} | fields
    return Account("the-submission", "cli", 10.0, 12.5, **made)  # type: ignore[arg-type]


def test_one_line_however_much_was_rejected(caplog: pytest.LogCaptureFixture) -> None:
    """A count for each outcome, no line and no value for each indicator."""
    caplog.set_level(logging.INFO, "misp_modules_ext")
    log_account(_account())
    (record,) = caplog.records
    found = fields_of(record)
    assert (record.levelname, found["what"]) == ("INFO", "submission")
    assert (found["submission"], found["door"]) == ("the-submission", "cli")
    assert found["destinations"]["microsoft"]["counts"]["rejected"] == 3
    assert (len(found["events"]), found["seconds"]) == (MOST_NAMED, 2.5)
    assert "preview" not in found
    assert "evil.example" not in str(vars(record))


def test_what_could_not_begin_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """Also where only warnings are shown, as in a service that others set up."""
    caplog.set_level(logging.WARNING, "misp_modules_ext")
    log_account(_account())
    assert caplog.records == []
    log_account(_account(destinations=(), problem="No file.\nfoo", problem_code="usage"))
    (record,) = caplog.records
    assert (record.levelname, fields_of(record)["problem"]) == ("WARNING", "usage")


def test_a_preview_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """Its counts are of nothing that was sent."""
    caplog.set_level(logging.INFO, "misp_modules_ext")
    log_account(_account(preview=True))
    assert fields_of(caplog.records[0])["preview"] is True
