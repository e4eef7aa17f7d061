"""Requests as the ledger keeps book of them: marks before they begin, outcomes, brakes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from sqlalchemy import Connection

from misp_modules_ext.ledger import Store, flight, holdings, lease, schema
from misp_modules_ext.ledger.engine import now_ms
from misp_modules_ext.ledger.flight import Answer, Begun, DueRow
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.model.misp import Event
from misp_modules_ext.model.outcome import Reason
from tests.ledger.house import WIDE, House, domain
from tests.support.build import NOW, attribute, event

BEFORE = NOW - 30 * 86_400


def _event(count: int = 1, comment: str = "") -> Event:
    made = [attribute("domain", f"host{n}.evil.example", timestamp=BEFORE, comment=comment) for n in range(count)]
    return event(*made, timestamp=NOW)


def _number(index: int = 0) -> int:
    return observable_id(domain(f"host{index}.evil.example"))


class Desk:
    """One holder of the first destination's lease."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._lease = house.ledger.write(self._acquire)

    def _acquire(self, connection: Connection) -> lease.Lease:
        held = lease.acquire(connection, self._store(connection).destination_id, "desk", 1)
        assert held is not None
        return held

    def _store(self, connection: Connection) -> Store:
        return self._house.stores(connection)[0]

    def due(self) -> list[DueRow]:
        """What is due."""
        return self._house.ledger.write(lambda c: flight.due_rows(c, self._store(c), now_ms(c), 1000))

    def begin(self, live: int = 0) -> list[Begun]:
        """Begin requests for all that is due."""
        wanted = {row.observable_id: row.due_hash or holdings.WITHDRAWING for row in self.due()}
        return self._house.ledger.write(lambda c: flight.begin(c, self._store(c), self._lease, wanted, live))

    def record(self, answers: Sequence[Answer], *, withdrawn: bool = False) -> None:
        """Write what came of them."""
        self._house.ledger.write(lambda c: flight.record(c, self._store(c), self._lease, answers, withdrawn=withdrawn))

    def do(self, work: Callable[[Connection, Store, lease.Lease], object]) -> None:
        """Anything else."""
        self._house.ledger.write(lambda c: work(c, self._store(c), self._lease))


def _row(house: House, index: int = 0) -> holdings.Holding:
    row = house.row(domain(f"host{index}.evil.example"))
    assert row is not None
    return row


def test_a_request_without_an_answer_is_repeated_as_it_was(house: House) -> None:
    """After a crash: the same `modified`, and it counts as there until it is settled."""
    house.take(_event())
    first = Desk(house).begin()[0]
    assert not first.unanswered
    assert _row(house).maybe_there
    again = Desk(house).begin()[0]
    assert again.unanswered
    assert (again.created_ms, again.modified_ms) == (first.created_ms, first.modified_ms)


def test_content_that_changed_meanwhile_goes_later(house: House) -> None:
    """The answer is to what was sent; the new content is still due, with a later `modified`."""
    house.take(_event())
    desk = Desk(house)
    first = desk.begin()[0]
    house.take(replace(_event(comment="new"), timestamp=NOW + 1))
    desk.record([Answer(_number(), accepted=True)])
    row = _row(house)
    assert (row.state, row.flight_hash) == (schema.DUE, None)
    assert row.sent_hash not in (None, row.due_hash)
    assert desk.begin()[0].modified_ms > first.modified_ms


def test_what_may_have_arrived_is_withdrawn_when_it_is_gone(house: House) -> None:
    """No answer came, and then MISP took it back: it must not stay at Microsoft."""
    house.take(_event())
    desk = Desk(house)
    desk.begin()
    house.read(replace(_event(0), timestamp=NOW + 1))
    assert [row.due_hash for row in desk.due()] == [None]
    desk.begin()
    desk.record([Answer(_number(), accepted=True)], withdrawn=True)
    row = _row(house)
    assert (row.state, row.sent_hash, row.flight_hash, row.generation) == (schema.SETTLED, None, None, 1)
    assert desk.due() == []


def test_what_was_refused_as_a_whole_has_not_arrived(house: House) -> None:
    """A 429 says so: gone again before it went, it is nobody's business any more."""
    house.take(_event())
    desk = Desk(house)
    desk.begin()
    desk.do(lambda c, store, held: flight.unbegin(c, store, held, [_number()]))
    house.read(replace(_event(0), timestamp=NOW + 1))
    assert desk.due() == []


def test_a_lost_lease_writes_nothing(house: House) -> None:
    """Whoever comes late with an answer has to leave it: the other repeats the request."""
    house.take(_event())
    late = Desk(house)
    late.begin()
    _sleep_a_little(house)
    now = Desk(house)
    with pytest.raises(lease.LeaseLostError):
        late.record([Answer(_number(), accepted=True)])
    assert _row(house).sent_hash is None
    assert now.begin()[0].unanswered
    now.record([Answer(_number(), accepted=True)])
    assert _row(house).state == schema.SETTLED


def _sleep_a_little(house: House) -> None:
    """Until the desk's lease of a millisecond is over by the database's clock."""
    start = house.ledger.read(now_ms)
    while house.ledger.read(now_ms) < start + 2:
        pass


def test_a_rejection_is_bound_to_its_content(house: House) -> None:
    """The same comes back unsent; other content is due; another configuration makes it due too."""
    house.take(_event())
    desk = Desk(house)
    desk.begin()
    desk.record([Answer(_number(), accepted=False, reason=Reason.REJECTED, message="Property=pattern")])
    assert _row(house).state == schema.REJECTED
    house.take(_event())
    assert desk.due() == []
    house.settings = [WIDE.model_copy(update={"source_system": WIDE.source_system, "cloud": "gcc"})]
    house.ledger.write(house.stores)
    assert len(desk.due()) == 1


def test_a_rejected_update_leaves_the_old_content_there(house: House) -> None:
    """And it is withdrawn when its evidence goes."""
    house.take(_event())
    house.send()
    house.take(replace(_event(comment="odd"), timestamp=NOW + 1))
    desk = Desk(house)
    desk.begin()
    desk.record([Answer(_number(), accepted=False, reason=Reason.REJECTED, message="no")])
    assert _row(house).sent_hash is not None
    house.read(replace(_event(0), timestamp=NOW + 2))
    assert [row.due_hash for row in desk.due()] == [None]


def test_somebody_elses_entry_is_left_alone_for_a_day(house: House) -> None:
    """Nothing of ours is there, so nothing is ever withdrawn."""
    house.take(_event())
    desk = Desk(house)
    wanted = {row.observable_id: row.due_hash or b"" for row in desk.due()}
    answer = Answer(_number(), accepted=False, reason=Reason.ALREADY_THERE, message="Another team has put it there.")
    desk.do(lambda c, store, held: flight.leave_out(c, store, held, [answer], wanted))
    assert _row(house).state == schema.SKIPPED
    assert desk.due() == []
    house.read(replace(_event(0), timestamp=NOW + 1))
    assert desk.due() == []


def test_refused_alike_is_nobodys_fault(house: House) -> None:
    """Rejections that came while all was refused alike are due again."""
    house.take(_event())
    desk = Desk(house)
    desk.begin()
    desk.record([Answer(_number(), accepted=False, reason=Reason.REJECTED, message="no")])
    desk.do(lambda c, store, held: flight.take_back_rejections(c, store, held, [_number()]))
    assert len(desk.due()) == 1


def test_an_answer_without_a_result_waits_longer_each_time(house: House) -> None:
    """It is not known whether it arrived; it is asked again, with growing pauses."""
    house.take(_event())
    desk = Desk(house)
    desk.begin()
    desk.record([Answer(_number(), accepted=None, reason=Reason.UNREACHABLE, message="no result for this value")])
    row = _row(house)
    assert row.flight_hash is not None
    assert row.due_ms > house.ledger.read(now_ms)
    assert desk.due() == []


def test_no_more_than_the_cap_is_withdrawn_in_a_day(house: House) -> None:
    """Rule 5: the rest waits with its reason until a person lets it through."""
    house.take(_event(150))
    house.send()
    house.read(replace(_event(0), timestamp=NOW + 1))
    desk = Desk(house)
    begun = desk.begin(live=150)
    assert len(begun) == flight.LEAST_CAP
    desk.record([Answer(row.observable_id, accepted=True) for row in begun], withdrawn=True)
    assert desk.due() == []
    waiting = [_row(house, n) for n in range(150) if _row(house, n).reason == Reason.WITHDRAWAL_CAP.code]
    assert len(waiting) == 50
    assert "100" in (waiting[0].message or "")


@pytest.mark.parametrize(("configured", "live", "cap"), [(None, 0, 100), (None, 5000, 500), (7, 5000, 7), (0, 9, 0)])
def test_the_cap(configured: int | None, live: int, cap: int) -> None:
    """At most a hundred or a tenth of what is live, or what the configuration says."""
    assert flight.withdrawal_cap(configured, live) == cap


def test_no_more_than_max_per_day_is_new(house: House) -> None:
    """What was begun before does not count twice."""
    house.settings = [WIDE.model_copy(update={"max_per_day": 3})]
    house.take(_event(5))
    desk = Desk(house)
    assert len(desk.begin()) == 3
    assert len(desk.begin()) == 3
    reasons = [_row(house, n).reason for n in range(5)]
    assert reasons.count(Reason.MAX_PER_DAY.code) == 2


def test_what_is_over_expires_without_a_request(house: House) -> None:
    """Nothing is sent, and nothing counts as there."""
    house.take(_event())
    house.send()
    later = house.ledger.read(now_ms) + 200 * 86_400_000
    house.ledger.write(lambda c: holdings.expire(c, house.stores(c)[0], later))
    row = _row(house)
    assert (row.state, row.sent_hash, row.due_hash) == (schema.EXPIRED, None, None)
    house.read(replace(_event(0), timestamp=NOW + 1))
    assert house.send() == []
