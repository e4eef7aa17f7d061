"""An event that MISP does not show any more is let go some values at a time, whatever comes in between."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Connection, select, update

from misp_modules_ext.delivery import reading
from misp_modules_ext.ledger import refreshing, schema
from tests.ledger.house import House, domain
from tests.support.build import EVENT, NOW, attribute, event

VALUES = [f"host-{number}.evil.example" for number in range(5)]
WHOLE = event(*(attribute("domain", value) for value in VALUES), timestamp=NOW)
OTHER = "0e0e0e0e-0000-4000-8000-000000000000"


class _Killed(Exception):
    pass


@pytest.fixture
def gone(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """Two values go in each transaction, of an event whose grace is over."""
    monkeypatch.setattr(reading, "AT_ONCE", 2)
    house.read(WHOLE)
    house.take(WHOLE)
    house.send()
    assert house.missing(EVENT) is False
    house.pass_time(15 * 86_400)
    return house


def _settle(house: House, between: Callable[[], object] = lambda: None, may: Callable[[object], bool] = bool) -> None:
    stores = house.ledger.write(house.stores)
    reading.settle_missing(house.ledger, EVENT, "", stores, "https://misp.example", may, between)


def _left(house: House) -> set[str]:
    house.send()
    return house.holds()


def test_no_transaction_is_about_all_of_it(gone: House) -> None:
    """Of a million values one would take gigabytes, and minutes in which nobody else can write."""
    left: list[int] = []
    _settle(gone, lambda: left.append(len(_left(gone))))
    assert left == [3, 1, 0]


def test_what_another_event_vouches_for_stays(gone: House) -> None:
    """Value by value it is as in one transaction."""
    gone.take(event(attribute("domain", VALUES[2]), uuid=OTHER))
    _settle(gone)
    assert _left(gone) == {VALUES[2]}
    assert gone.row(domain(VALUES[2])) is not None


def test_killed_in_between(gone: House) -> None:
    """The next reading that does not find it does the rest."""

    def killed() -> None:
        raise _Killed

    with pytest.raises(_Killed):
        _settle(gone, killed)
    assert len(_left(gone)) == 3
    _settle(gone)
    assert _left(gone) == set()


def test_seen_again_in_between(gone: House) -> None:
    """Nothing more goes, and what went comes back."""
    _settle(gone, lambda: gone.read(WHOLE))
    assert _left(gone) == set(VALUES)


def test_a_grace_that_ends_while_it_is_settled(gone: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nothing was let go of is read once more, else it would stay for good."""
    table, begun = schema.event, list[bool]()
    claim = reading.Claim(1, EVENT, "", 0, marker=5)
    gone.ledger.write(lambda c: c.execute(update(table).values(read_due_ms=claim.marker, missing_since_ms=0)))
    over = max(s.selection.missing_grace for s in gone.settings) * 1000

    def just_before(_: Connection) -> int:
        begun.append(True)
        return over - 1

    monkeypatch.setattr(refreshing, "now_ms", just_before)
    monkeypatch.setattr(reading, "now_ms", lambda _: over + 5 if begun else over - 2)
    stores = gone.ledger.write(gone.stores)
    reading._settle_missing(gone.ledger, reading._Kept(gone.ledger, claim), stores, "https://misp.example")
    assert len(_left(gone)) == 5
    assert gone.ledger.read(lambda c: c.execute(select(table.c.read_due_ms)).scalar_one()) == over


def test_a_request_in_between_ends_it(gone: House) -> None:
    """As it does before: what it brought, this reading has not seen."""
    goes = iter([True, True, False, False])
    _settle(gone, may=lambda _: next(goes))
    assert len(_left(gone)) == 3
