"""What has become of an earlier submission."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, update

from misp_modules_ext.config.settings import Selection
from misp_modules_ext.delivery.revisit import changed, up_to_date
from misp_modules_ext.ledger import Ledger, Origin, register, schema, take
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.model.account import Account, DestinationAccount, Item, ObservableAccount, Removed
from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.model.outcome import Outcome, Reason, State
from misp_modules_ext.report import check_identity
from tests.support.build import EVENT, attribute, destination, event

HERE = destination(selection=Selection(allow_documentation_ranges=True))
VALUE = Observable(Kind.DOMAIN_NAME, "a.example")
FUTURE = 2_000_000_000

#: Columns of a row that is there as it should be.
THERE = {"state": schema.SETTLED, "due_hash": b"d" * 32, "sent_hash": b"d" * 32, "valid_until": FUTURE}
GONE = {"state": schema.SETTLED, "due_hash": None, "sent_hash": None}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """One that holds a value at one destination, due to be created."""
    made = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")

    def work(connection: Connection) -> None:
        known = event(attribute("domain", VALUE.value, timestamp=int(time.time())))
        take(connection, [known], Origin.REQUEST, register(connection, [(HERE, lambda _: None)]), "")

    made.write(work)
    return made


def _now(ledger: Ledger, **values: object) -> None:
    here = schema.holding.c.observable_id == observable_id(VALUE)
    ledger.write(lambda connection: connection.execute(update(schema.holding).where(here).values(**values)))


def _account(outcome: Outcome, reason: Reason | None = None, message: str = "", copies: int = 1) -> Account:
    """The account as it was written: `copies` attributes with the value."""
    part = ObservableAccount(VALUE.kind.value, VALUE.value, outcome, VALUE.stix_id(), None, reason, message)
    items = [
        Item(EVENT, f"0a0a0a0a-0000-4000-8000-{n:012}", "domain", VALUE.value, outcome, reason, message, (), (part,))
        for n in range(copies)
    ]
    return _with(*items)


def _with(*items: Item, removed: tuple[Removed, ...] = ()) -> Account:
    place = DestinationAccount("microsoft", "Microsoft Sentinel", "sentinel", State.OK, "", items, removed)
    return Account("0b8f3f0e-52a0-4c0f-8a50-0d4c6a2f9b11", "cli", 1.0, 2.0, destinations=(place,))


def _item(account: Account) -> Item:
    return account.destinations[0].items[0]


PENDING = (Outcome.PENDING, Reason.THROTTLED)


@pytest.mark.parametrize(
    ("before", "row", "after"),
    [
        (PENDING, THERE, (Outcome.ACCEPTED, None)),
        (PENDING, GONE, (Outcome.WITHDRAWN, None)),
        (PENDING, {}, PENDING),
        (PENDING, {"reason": "max-per-day"}, (Outcome.PENDING, Reason.MAX_PER_DAY)),
        (PENDING, {"state": schema.REJECTED, "reason": "rejected-by-microsoft"}, (Outcome.REJECTED, Reason.REJECTED)),
        (PENDING, {"state": schema.SKIPPED, "reason": "capacity"}, (Outcome.SKIPPED, Reason.CAPACITY)),
        (PENDING, {"state": schema.EXPIRED, "valid_until": 1}, (Outcome.SKIPPED, Reason.EXPIRED)),
        (PENDING, {**GONE, "state": schema.ON_HOLD}, (Outcome.SKIPPED, Reason.ON_HOLD)),
        ((Outcome.REJECTED, Reason.REJECTED), THERE, (Outcome.ACCEPTED, None)),
        ((Outcome.SKIPPED, Reason.CAPACITY), THERE, (Outcome.ACCEPTED, None)),
        ((Outcome.SKIPPED, Reason.TLP), THERE, (Outcome.SKIPPED, Reason.TLP)),
        ((Outcome.ACCEPTED, None), THERE, (Outcome.ACCEPTED, None)),
        ((Outcome.UNCHANGED, None), THERE, (Outcome.UNCHANGED, None)),
        ((Outcome.ACCEPTED, None), GONE, (Outcome.WITHDRAWN, None)),
        ((Outcome.ACCEPTED, None), {**THERE, "state": schema.ON_HOLD}, (Outcome.SKIPPED, Reason.ON_HOLD)),
        # Newer content waits or was refused: the indicator is there all the same.
        ((Outcome.ACCEPTED, None), {**THERE, "state": schema.DUE, "due_hash": b"n" * 32}, (Outcome.ACCEPTED, None)),
        ((Outcome.ACCEPTED, None), {**THERE, "state": schema.REJECTED}, (Outcome.ACCEPTED, None)),
        # Withdrawn, and due again.
        ((Outcome.ACCEPTED, None), {}, (Outcome.PENDING, Reason.NOT_IN_TIME)),
    ],
)
def test_each_outcome_as_it_is_now(
    ledger: Ledger,
    before: tuple[Outcome, Reason | None],
    row: dict[str, object],
    after: tuple[Outcome, Reason | None],
) -> None:
    """By the row that the value has today; the account still adds up."""
    _now(ledger, **row) if row else None
    account = up_to_date(ledger, _account(*before))
    item = _item(account)
    assert (item.outcome, item.reason) == after
    assert (item.observables[0].outcome, item.observables[0].reason) == after
    assert account.as_of is not None
    assert [fault for fault in check_identity(account) if "does not list" not in fault] == []


def test_an_arrived_one_has_its_expiry_and_todays_id(ledger: Ledger) -> None:
    """A value that was withdrawn in between came back under another id."""
    _now(ledger, **THERE, generation=1)
    part = _item(up_to_date(ledger, _account(*PENDING))).observables[0]
    assert (part.indicator, part.expires) == (VALUE.stix_id(1), FUTURE)


def test_one_attribute_leads_and_the_others_are_merged(ledger: Ledger) -> None:
    """As in a report that was written when all had arrived."""
    _now(ledger, **THERE)
    account = up_to_date(ledger, _account(*PENDING, copies=3))
    outcomes = [item.outcome for item in account.destinations[0].items]
    assert outcomes == [Outcome.ACCEPTED, Outcome.MERGED, Outcome.MERGED]


def test_its_own_words_are_todays(ledger: Ledger) -> None:
    """What Microsoft says of a value now."""
    _now(ledger, state=schema.REJECTED, reason="rejected-by-microsoft", message="No URL.")
    item = _item(up_to_date(ledger, _account(*PENDING, message="Slow down.")))
    assert item.message == "No URL."


def _withdrawal(outcome: Outcome, reason: Reason | None) -> Item:
    return Item(EVENT, "0a0a0a0a-0000-4000-8000-000000000000", "domain", VALUE.value, outcome, reason)


@pytest.mark.parametrize(
    ("row", "outcome"),
    [
        ({"due_hash": None, "sent_hash": b"d" * 32, "reason": "withdrawal-cap"}, Outcome.PENDING),
        (GONE, Outcome.WITHDRAWN),
    ],
)
def test_withdrawals_that_waited(ledger: Ledger, row: dict[str, object], outcome: Outcome) -> None:
    """Attributes that no longer count, and those that are gone from MISP."""
    _now(ledger, **row)
    removed = Removed(VALUE.kind.value, VALUE.value, VALUE.stix_id(), Outcome.PENDING)
    account = _with(_withdrawal(Outcome.PENDING, Reason.THROTTLED), removed=(removed,))
    (place,) = up_to_date(ledger, account).destinations
    assert (place.items[0].outcome, place.removed[0].outcome) == (outcome, outcome)
    if outcome is Outcome.PENDING:
        assert place.items[0].reason is Reason.WITHDRAWAL_CAP


def test_what_the_ledger_does_not_know_stays_as_it_was(ledger: Ledger) -> None:
    """A value without a row, and a destination that has another name today: with a note."""
    other = _item(_account(*PENDING)).observables[0]._replace(value="unknown.example")
    strange = _item(_account(*PENDING))._replace(observables=(other,))
    assert _item(up_to_date(ledger, _with(strange))) == strange
    renamed = replace(_account(*PENDING).destinations[0], name="microsoft old")
    account = up_to_date(ledger, replace(_account(*PENDING), destinations=(renamed,)))
    assert account.destinations == (renamed,)
    assert "[microsoft old]" in account.warnings[0]


@pytest.mark.parametrize(("row", "count"), [(THERE, 2), ({}, 0)])
def test_changes_are_counted(ledger: Ledger, row: dict[str, object], count: int) -> None:
    """By attribute."""
    _now(ledger, **row) if row else None
    before = _account(*PENDING, copies=2)
    assert changed(before.destinations, up_to_date(ledger, before).destinations) == count


def test_an_unchanged_account_is_the_same(ledger: Ledger) -> None:
    """But for the moment at which it was looked at."""
    before = _account(*PENDING)
    assert replace(up_to_date(ledger, before), as_of=None) == before


def test_a_section_with_another_workspace_is_judged_by_its_store(ledger: Ledger) -> None:
    """Two stores have its name then; what the older one holds says nothing of the one configured."""
    _now(ledger, **THERE)
    moved = HERE.model_copy(update={"workspace_id": "99999999-9999-4999-8999-999999999999"})
    ledger.write(lambda connection: register(connection, [(moved, lambda _: None)]))
    before = _account(*PENDING)
    assert _item(up_to_date(ledger, before, [moved])) == _item(before)
    assert _item(up_to_date(ledger, before, [HERE])).outcome is Outcome.ACCEPTED
    unclear = up_to_date(ledger, before)
    assert unclear.destinations == before.destinations
    assert "[microsoft]" in unclear.warnings[0]


def test_the_state_of_a_destination_is_todays(ledger: Ledger) -> None:
    """What was refused then and goes again says so no more; what is paused now does."""
    _now(ledger, **THERE)
    (then,) = _account(*PENDING).destinations
    refused = replace(then, state=State.REFUSED, message="Entra refuses.")
    (now,) = up_to_date(ledger, replace(_account(*PENDING), destinations=(refused,)), [HERE]).destinations
    assert (now.state, now.message) == (State.OK, "")
    table = schema.destination
    values = {"paused_until_ms": 9_000_000_000_000, "pause_reason": "unreachable", "pause_message": "No way."}
    ledger.write(lambda connection: connection.execute(update(table).values(**values)))
    (now,) = up_to_date(ledger, _account(*PENDING), [HERE]).destinations
    assert (now.state, now.message) == (State.UNREACHABLE, "No way.")
