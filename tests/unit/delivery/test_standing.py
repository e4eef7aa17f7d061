"""From rows of the ledger to outcomes: what stood stays as it was, what was due is what became of it."""

from __future__ import annotations

import pytest

from misp_modules_ext.config.settings import IndicatorRules, Selection
from misp_modules_ext.delivery.accounting import Result
from misp_modules_ext.delivery.drain import BUSY, Drained
from misp_modules_ext.delivery.standing import OUTDATED, Withdrawals, day, results, with_outdated
from misp_modules_ext.ledger import schema
from misp_modules_ext.ledger.holdings import Holding
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.ledger.placing import Settled, Standing
from misp_modules_ext.model.account import Removed
from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.model.misp import Attribute
from misp_modules_ext.model.outcome import Outcome, Reason, State
from misp_modules_ext.planning import PlannedAttribute, RuleSet, make_plan
from tests.support.build import EVENT, NOW, attribute, event

DOMAIN = Observable(Kind.DOMAIN_NAME, "c2.evil.example")
NUMBER = observable_id(DOMAIN)
LATE = NOW + 86_400
DOWN = Drained(State.UNREACHABLE, Reason.UNREACHABLE, "Nobody answers.")
FINE = Drained(sent=1)
RULES = RuleSet(Selection(allow_documentation_ranges=True), IndicatorRules())


def _row(state: int, **fields: object) -> Holding:
    """A row that was sent once."""
    row = Holding(NUMBER, state, b"d" * 32, b"s" * 32, None, 0, 0, 0, 1, 1, LATE, None, None, None)
    return row._replace(**fields)  # type: ignore[arg-type]


def _result(standing: Standing, row: Holding | None, drained: Drained | None) -> Result:
    rows = {} if row is None else {NUMBER: row}
    found = results(Settled({NUMBER: standing}), lambda _: rows, {NUMBER: DOMAIN}, drained)
    assert set(found) == {DOMAIN}
    return found[DOMAIN]


FRESH = Standing(schema.DUE, valid_until=NOW + 5, generation=1, fresh=True)


def test_what_was_due_and_is_settled_was_accepted() -> None:
    """With the expiry and generation that the row has now, which another process may have moved."""
    row = _row(schema.SETTLED, generation=2)
    assert _result(FRESH, row, FINE) == Result(Outcome.ACCEPTED, None, "", LATE, 2)


@pytest.mark.parametrize(("modified", "outcome"), [(1, Outcome.UNCHANGED), (2, Outcome.ACCEPTED)])
def test_what_was_due_and_settled_without_a_request_is_unchanged(modified: int, outcome: Outcome) -> None:
    """Each request for new content moves `modified`."""
    row = _row(schema.SETTLED, modified_ms=modified)
    assert _result(FRESH._replace(modified_ms=1), row, FINE).outcome is outcome


def test_an_answer_counts_although_the_destination_failed_later() -> None:
    """What arrived before the trouble stays accepted."""
    assert _result(FRESH, _row(schema.SETTLED), DOWN).outcome is Outcome.ACCEPTED


def test_in_a_preview_what_is_due_would_go() -> None:
    """Nothing was sent, so there is nothing to wait for."""
    assert _result(FRESH, None, None) == Result(Outcome.ACCEPTED, None, "", NOW + 5, 1)


@pytest.mark.parametrize(
    ("row", "drained", "expected"),
    [
        (_row(schema.SETTLED, due_hash=None, sent_hash=None), FINE, Result(Outcome.WITHDRAWN, Reason.EXPIRED)),
        (None, None, Result(Outcome.WITHDRAWN, Reason.EXPIRED)),
        (None, DOWN, Result(Outcome.PENDING, Reason.UNREACHABLE, "Nobody answers.")),
        (_row(schema.DUE, due_hash=None), DOWN, Result(Outcome.PENDING, Reason.UNREACHABLE, "Nobody answers.")),
        (
            _row(schema.DUE, due_hash=None, reason="withdrawal-cap", message="is 5."),
            FINE,
            Result(Outcome.PENDING, Reason.WITHDRAWAL_CAP, "is 5."),
        ),
    ],
)
def test_what_misp_ended_is_withdrawn_and_not_accepted(
    row: Holding | None, drained: Drained | None, expected: Result
) -> None:
    """Its attribute passes every gate, and it goes all the same."""
    rows = {} if row is None else {NUMBER: row}
    settled = Settled({NUMBER: FRESH}, withdrawing={NUMBER})
    assert results(settled, lambda _: rows, {NUMBER: DOMAIN}, drained) == {DOMAIN: expected}


@pytest.mark.parametrize("drained", [FINE, DOWN, BUSY])
def test_a_row_that_is_gone_meanwhile_is_no_arrival(drained: Drained) -> None:
    """Nothing is accepted without a row that says so."""
    assert _result(FRESH, None, drained).outcome is Outcome.PENDING


@pytest.mark.parametrize(
    ("row", "drained", "reason", "message"),
    [
        (_row(schema.DUE), DOWN, Reason.UNREACHABLE, "Nobody answers."),
        (_row(schema.DUE), FINE, Reason.NOT_IN_TIME, ""),
        (_row(schema.DUE), BUSY, Reason.NOT_IN_TIME, BUSY.message),
        # An older trouble of the row's own is not what holds it up now.
        (_row(schema.DUE, reason="throttled", message="slow"), DOWN, Reason.UNREACHABLE, "Nobody answers."),
        (_row(schema.DUE, reason="throttled", message="slow"), FINE, Reason.THROTTLED, "slow"),
        # A brake holds it up whatever the destination says.
        (_row(schema.DUE, reason="max-per-day", message="is 5."), DOWN, Reason.MAX_PER_DAY, "is 5."),
        (_row(schema.DUE, reason="withdrawal-cap", message="is 5."), DOWN, Reason.WITHDRAWAL_CAP, "is 5."),
        # A reason of a newer version.
        (_row(schema.DUE, reason="not-of-this-version", message="x"), DOWN, Reason.UNREACHABLE, "Nobody answers."),
    ],
)
def test_what_is_still_due_says_why(row: Holding, drained: Drained, reason: Reason, message: str) -> None:
    """A brake's own reason, else the destination's, else what the row says."""
    assert _result(FRESH, row, drained) == Result(Outcome.PENDING, reason, message)


@pytest.mark.parametrize(
    ("state", "code", "expected"),
    [
        (schema.REJECTED, "rejected-by-microsoft", Result(Outcome.REJECTED, Reason.REJECTED, "words")),
        (schema.REJECTED, None, Result(Outcome.REJECTED, Reason.REJECTED, "words")),
        (schema.SKIPPED, "already-there", Result(Outcome.SKIPPED, Reason.ALREADY_THERE, "words")),
        (schema.SKIPPED, None, Result(Outcome.SKIPPED, Reason.CAPACITY, "words")),
        (schema.ON_HOLD, "on-hold", Result(Outcome.SKIPPED, Reason.ON_HOLD, "words")),
    ],
)
@pytest.mark.parametrize("fresh", [True, False])
def test_a_state_means_the_same_before_and_after(state: int, code: str | None, expected: Result, fresh: bool) -> None:
    """What was refused now, and what had been refused before, read alike."""
    standing = FRESH if fresh else Standing(state, Reason.of(code), "words")
    row = _row(state, reason=code, message="words") if fresh else None
    assert _result(standing, row, FINE if fresh else None) == expected


def test_what_stood_is_unchanged_with_its_expiry() -> None:
    """No row is read for it: how it stood at the commit is what is told, however the sending of others went."""
    standing = Standing(schema.SETTLED, valid_until=LATE, generation=3)
    for drained in (None, FINE, DOWN):
        assert _result(standing, None, drained) == Result(Outcome.UNCHANGED, None, "", LATE, 3)


def test_what_is_over_says_since_when() -> None:
    """The date in UTC; the remedy is the reason's."""
    over = Standing(schema.EXPIRED, Reason.EXPIRED, valid_until=86_400)
    assert _result(over, None, FINE) == Result(Outcome.SKIPPED, Reason.EXPIRED, "It expired on 1970-01-02.")
    assert day(1_795_521_600) == "2026-11-24"


def test_an_observable_without_a_name_is_left_out() -> None:
    """A row of an event that this submission did not bring."""
    assert results(Settled({NUMBER: FRESH}), lambda _: {}, {}, FINE) == {}


def _planned(lost: Attribute) -> PlannedAttribute:
    (planned,) = make_plan([event(lost)], RULES, "", {}, NOW).attributes
    assert planned.reason is not None
    return planned


LOST = attribute("domain", DOMAIN.value, to_ids=False)
GONE = _row(schema.SETTLED, due_hash=None, sent_hash=None, generation=1)
STAYS = _row(schema.DUE, due_hash=None)
WITHDRAWING = Settled({NUMBER: Standing(schema.DUE, generation=0, fresh=True)}, withdrawing={NUMBER})


def _withdrawals(row: Holding | None, drained: Drained | None, lost_by: str = LOST.uuid) -> Withdrawals:
    return Withdrawals({lost_by}, WITHDRAWING, {} if row is None else {NUMBER: row}, drained)


def test_a_withdrawn_attribute_says_which_gate_closed() -> None:
    """The reason of the plan, once its indicator is gone; in a preview it would go."""
    planned = _planned(LOST)
    expected = Result(Outcome.WITHDRAWN, Reason.TO_IDS_OFF, planned.message)
    assert _withdrawals(GONE, FINE).of(planned) == expected
    assert _withdrawals(None, None).of(planned) == expected


def test_an_attribute_that_never_counted_is_not_withdrawn() -> None:
    """It is skipped, as ever."""
    assert _withdrawals(GONE, FINE, lost_by="another").of(_planned(LOST)) is None


@pytest.mark.parametrize(
    ("row", "drained", "reason", "message"),
    [
        (STAYS, DOWN, Reason.UNREACHABLE, "Nobody answers."),
        (STAYS, FINE, Reason.NOT_IN_TIME, ""),
        (STAYS._replace(reason="withdrawal-cap", message="100 may be."), FINE, Reason.WITHDRAWAL_CAP, "100 may be."),
        # Neither there nor gone: a withdrawal was begun and has no answer.
        (GONE._replace(state=schema.DUE, flight_hash=bytes(32)), DOWN, Reason.UNREACHABLE, "Nobody answers."),
        (None, DOWN, Reason.UNREACHABLE, "Nobody answers."),
    ],
)
def test_a_withdrawal_that_is_not_done_is_pending(
    row: Holding | None, drained: Drained, reason: Reason, message: str
) -> None:
    """It is not reported as withdrawn before Microsoft said so."""
    assert _withdrawals(row, drained).of(_planned(LOST)) == Result(Outcome.PENDING, reason, message)


def test_an_attribute_whose_value_others_vouch_for_is_withdrawn_without_a_request() -> None:
    """The indicator stays, so nothing has to be taken back there."""
    stays = Withdrawals({LOST.uuid}, Settled({NUMBER: Standing(schema.SETTLED)}), {}, FINE)
    assert stays.of(_planned(LOST)) == Result(Outcome.WITHDRAWN, Reason.TO_IDS_OFF, _planned(LOST).message)


@pytest.mark.parametrize(
    ("row", "drained", "outcome"),
    [
        (GONE, FINE, Outcome.WITHDRAWN),
        (STAYS, DOWN, Outcome.PENDING),
        (None, DOWN, Outcome.PENDING),
        (None, None, Outcome.WITHDRAWN),
    ],
)
def test_what_went_for_attributes_that_are_gone_is_told_apart(
    row: Holding | None, drained: Drained | None, outcome: Outcome
) -> None:
    """Each with the id under which it was there; what is absent and was not withdrawn is no line."""
    other = observable_id(Observable(Kind.DOMAIN_NAME, "other.example"))
    removed = _withdrawals(row, drained).removed({NUMBER, other}, {NUMBER: DOMAIN})
    assert removed == (Removed("domain-name", DOMAIN.value, DOMAIN.stix_id(), outcome),)


def test_what_came_in_an_outdated_view_and_has_no_row_is_skipped() -> None:
    """It would wait for ever; what the ledger has a row for stands as that says."""
    plan = make_plan([event(attribute("domain", DOMAIN.value), attribute("domain", "b.example"))], RULES, "", {}, NOW)
    there = {DOMAIN: Result(Outcome.UNCHANGED)}
    assert with_outdated(there, plan, set()) == there
    assert with_outdated(there, plan, {EVENT}) == {**there, Observable(Kind.DOMAIN_NAME, "b.example"): OUTDATED}
    assert (OUTDATED.outcome, OUTDATED.reason) == (Outcome.SKIPPED, Reason.OUTDATED)
