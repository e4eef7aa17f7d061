"""Requests as the ledger keeps book of them: marks before they begin, outcomes, brakes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from sqlalchemy import Connection, update

from misp_modules_ext.ledger import Store, again, brakes, evictions, flight, holdings, holds, lease, schema
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


def _used(house: House) -> tuple[int, int]:
    """What counts as created and withdrawn within a day."""
    return house.ledger.write(lambda c: brakes.used_within_a_day(c, house.stores(c)[0], now_ms(c)))


def _pass(house: House, hours: int) -> None:
    """Let everything have happened so many hours earlier, and be due now."""
    rows, usage = schema.holding, schema.usage
    earlier = {"modified_ms": rows.c.modified_ms - hours * brakes.HOUR_MS, "due_ms": 0}
    house.ledger.write(lambda c: c.execute(update(rows).values(**earlier)))
    # By way of numbers below nought: on its way one hour must not meet another that has yet to move.
    for moved in (hours - usage.c.hour, -usage.c.hour):
        house.ledger.write(lambda c, moved=moved: c.execute(update(usage).values(hour=moved)))


def _due_now(house: House) -> None:
    house.ledger.write(lambda c: c.execute(update(schema.holding).values(due_ms=0)))


def _give_up(desk: Desk, begun: Sequence[Begun]) -> None:
    """The requests are refused as a whole, as by a 401."""
    numbers = [row.observable_id for row in begun]
    desk.do(lambda c, store, held: flight.unbegin(c, store, held, numbers))


def _accept(desk: Desk, begun: Sequence[Begun], *, withdrawn: bool) -> None:
    answers = [Answer(row.observable_id, accepted=True, in_doubt=row.unanswered) for row in begun]
    desk.record(answers, withdrawn=withdrawn)


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
    assert len(begun) == brakes.LEAST_CAP
    desk.record([Answer(row.observable_id, accepted=True) for row in begun], withdrawn=True)
    assert desk.due() == []
    waiting = [_row(house, n) for n in range(150) if _row(house, n).reason == Reason.WITHDRAWAL_CAP.code]
    assert len(waiting) == 50
    assert "100" in (waiting[0].message or "")


@pytest.mark.parametrize(("configured", "live", "cap"), [(None, 0, 100), (None, 5000, 500), (7, 5000, 7), (0, 9, 0)])
def test_the_cap(configured: int | None, live: int, cap: int) -> None:
    """At most a hundred or a tenth of what is live, or what the configuration says."""
    assert brakes.withdrawal_cap(configured, live) == cap


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


def test_withdrawals_that_were_refused_do_not_use_up_the_cap(house: House) -> None:
    """An expired secret for a day: nothing was withdrawn, so all of it may go when the secret is new."""
    house.take(_event(40))
    house.send()
    house.read(replace(_event(0), timestamp=NOW + 1))
    desk = Desk(house)
    for _ in range(4):
        begun = desk.begin(live=40)
        assert len(begun) == 40
        assert _used(house) == (40, 40)
        _give_up(desk, begun)
        assert _used(house) == (40, 0)
    _accept(desk, desk.begin(live=40), withdrawn=True)
    assert _used(house) == (40, 40)
    assert house.holds() == set()


def test_new_ones_that_were_refused_do_not_use_up_max_per_day(house: House) -> None:
    """Neither by a 401 nor each by itself."""
    house.settings = [WIDE.model_copy(update={"max_per_day": 3})]
    house.take(_event(3))
    desk = Desk(house)
    for _ in range(2):
        begun = desk.begin()
        assert len(begun) == 3
        _give_up(desk, begun)
    desk.record([Answer(row.observable_id, accepted=row.observable_id == _number()) for row in desk.begin()])
    assert _used(house) == (1, 0)


def test_a_refused_withdrawal_does_not_count(house: House) -> None:
    """It is tried again later, and counts when it is accepted."""
    house.take(_event(2))
    house.send()
    house.read(replace(_event(0), timestamp=NOW + 1))
    desk = Desk(house)
    begun = desk.begin(live=2)
    desk.record([Answer(row.observable_id, accepted=False, reason=Reason.REJECTED) for row in begun], withdrawn=True)
    assert _used(house) == (2, 0)


def test_what_is_refused_is_given_back_to_the_hour_in_which_it_began(house: House) -> None:
    """An answer may come in another hour; what others did in that one still counts."""
    house.take(_event(2))
    desk = Desk(house)
    begun = desk.begin()
    _pass(house, 1)
    house.take(_event(3))
    _accept(desk, [row for row in desk.begin() if not row.unanswered], withdrawn=False)
    _give_up(desk, begun)
    assert _used(house) == (1, 0)


def test_what_has_no_answer_counts_after_a_crash(house: House) -> None:
    """Killed between the request and its answer: it may have arrived, so there is no room for others."""
    house.settings = [WIDE.model_copy(update={"max_withdraw": 2})]
    house.take(_event(4))
    house.send()
    house.read(replace(_event(4), timestamp=NOW + 1, attributes=_event(4).attributes[2:]))
    assert len(Desk(house).begin()) == 2
    house.read(replace(_event(0), timestamp=NOW + 2))
    _sleep_a_little(house)
    desk = Desk(house)
    begun = desk.begin()
    assert [row.unanswered for row in begun] == [True, True]
    _accept(desk, begun, withdrawn=True)
    assert _used(house) == (4, 2)
    assert len(house.holds()) == 2


def test_what_is_accepted_a_day_after_it_began_counts_today(house: House) -> None:
    """It was in flight for longer than a day counts."""
    house.take(_event(2))
    desk = Desk(house)
    desk.begin()
    _pass(house, 26)
    assert _used(house) == (0, 0)
    _accept(desk, desk.begin(), withdrawn=False)
    assert _used(house) == (2, 0)
    _pass(house, 1)
    house.read(replace(_event(0), timestamp=NOW + 1))
    desk.begin(live=2)
    _pass(house, 26)
    _accept(desk, desk.begin(live=2), withdrawn=True)
    assert _used(house)[1] == 2


def test_changes_in_doubt_are_withdrawn_under_the_cap(house: House) -> None:
    """That a change has no answer lets no withdrawal pass by the cap."""
    house.settings = [WIDE.model_copy(update={"max_withdraw": 1})]
    house.take(_event(3))
    house.send()
    house.take(replace(_event(3, comment="new"), timestamp=NOW + 1))
    desk = Desk(house)
    desk.begin()
    house.read(replace(_event(0), timestamp=NOW + 2))
    assert len(desk.begin(live=3)) == 1
    assert _used(house) == (3, 1)


def test_the_oldest_hour_of_a_day_counts_whole(house: House) -> None:
    """24 hours are never less."""
    house.take(_event())
    house.send()
    _pass(house, 24)
    assert _used(house) == (1, 0)
    _pass(house, 1)
    assert _used(house) == (0, 0)


def test_the_cap_does_not_open_by_itself(house: House) -> None:
    """What it held back waits for a person, however many days go by; what is withdrawn later goes within the cap."""
    house.settings = [WIDE.model_copy(update={"max_withdraw": 2})]
    house.take(_event(6))
    house.send()
    house.read(replace(_event(6), timestamp=NOW + 1, attributes=_event(6).attributes[4:]))
    desk = Desk(house)
    _accept(desk, desk.begin(), withdrawn=True)
    capped = {n for n in range(4) if _row(house, n).reason == Reason.WITHDRAWAL_CAP.code}
    assert len(capped) == 2
    for _ in range(2):
        _pass(house, 48)
        assert desk.begin() == []
        assert desk.due() == []
    message = _row(house, min(capped)).message or ""
    assert "2 may be" in message
    assert "retry --withdrawals --yes" in message
    house.read(replace(_event(0), timestamp=NOW + 2))
    begun = desk.begin()
    assert {row.observable_id for row in begun} == {_number(4), _number(5)}
    _accept(desk, begun, withdrawn=True)
    assert house.holds() == {f"host{n}.evil.example" for n in capped}
    desk.do(lambda c, store, _: again.lift_cap(c, store, again.capped(c, store, None)))
    _accept(desk, desk.begin(), withdrawn=True)
    assert house.holds() == set()


@pytest.mark.parametrize("arrived", [True, False])
def test_no_room_for_a_change_takes_nothing_away(house: House, arrived: bool) -> None:
    """Microsoft is full and refuses a change, or a repetition of what may be there: that is no eviction."""
    house.take(_event())
    if arrived:
        house.send()
        house.take(replace(_event(comment="new"), timestamp=NOW + 1))
    else:
        Desk(house).begin()
        _sleep_a_little(house)
    desk = Desk(house)
    begun = desk.begin()
    refused = Answer(_number(), accepted=False, reason=Reason.CAPACITY, in_doubt=begun[0].unanswered)
    desk.record([refused])
    row = _row(house)
    assert (row.state, row.reason, row.maybe_there) == (schema.SKIPPED, "capacity", True)
    assert not evictions.is_evicted(row)
    assert house.ledger.write(lambda c: evictions.under_way(c, house.stores(c)[0])) == []
    _due_now(house)
    assert [due.due_hash for due in desk.due()] == [row.due_hash]


@pytest.mark.parametrize("refusal", ["whole", "item"])
def test_what_was_refused_and_is_not_wanted_any_more_is_settled(house: House, refusal: str) -> None:
    """It is not there and should not be: it must not stand at the head of what is due for ever."""
    house.take(_event())
    desk = Desk(house)
    begun = desk.begin()
    house.read(replace(_event(0), timestamp=NOW + 1))
    if refusal == "whole":
        _give_up(desk, begun)
    else:
        desk.record([Answer(_number(), accepted=False, reason=Reason.REJECTED, message="no")])
    row = _row(house)
    assert (row.state, row.reason, row.message, row.maybe_there) == (schema.SETTLED, None, None, False)
    assert desk.due() == []


@pytest.mark.parametrize("refusal", ["whole", "item"])
def test_what_was_refused_and_taken_back_is_on_hold(house: House, refusal: str) -> None:
    """A person took it back while its request was under way."""
    house.take(_event())
    desk = Desk(house)
    begun = desk.begin()

    def take_back(connection: Connection, store: Store, _: lease.Lease) -> None:
        holds.put(connection, {_number(): holds.Hold("alice", "a false alarm")}, store.destination_id)
        holds.take_back(connection, store, [_number()], lifted=True)

    desk.do(take_back)
    if refusal == "whole":
        _give_up(desk, begun)
    else:
        desk.record([Answer(_number(), accepted=False, reason=Reason.REJECTED, message="no")])
    assert _row(house).state == schema.ON_HOLD
    assert desk.due() == []


def test_a_rejection_that_is_no_more_is_not_taken_back(house: House) -> None:
    """MISP took it back before it was found that everything was refused alike."""
    house.take(_event())
    desk = Desk(house)
    desk.begin()
    desk.record([Answer(_number(), accepted=False, reason=Reason.REJECTED, message="no")])
    house.read(replace(_event(0), timestamp=NOW + 1))
    desk.do(lambda c, store, held: flight.take_back_rejections(c, store, held, [_number()]))
    assert _row(house).state == schema.SETTLED
    assert desk.due() == []


def _expire(house: House) -> None:
    """Every window is over."""
    later = house.ledger.read(now_ms) + 200 * brakes.DAY_MS
    house.ledger.write(lambda c: holdings.expire(c, house.stores(c)[0], later))


@pytest.mark.parametrize("reason", [Reason.REJECTED, Reason.CAPACITY])
def test_what_was_refused_a_change_expires_too(house: House, reason: Reason) -> None:
    """Its older content is over as well, and holds no slot any more."""
    house.take(_event())
    house.send()
    house.take(replace(_event(comment="odd"), timestamp=NOW + 1))
    desk = Desk(house)
    desk.begin()
    desk.record([Answer(_number(), accepted=False, reason=reason, message="no")])
    assert house.ledger.write(lambda c: brakes.live_count(c, house.stores(c)[0])) == 1
    _expire(house)
    row = _row(house)
    assert (row.state, row.maybe_there, row.generation) == (schema.EXPIRED, False, 0)
    assert (row.reason, row.message) == (None, None)
    assert house.ledger.write(lambda c: brakes.live_count(c, house.stores(c)[0])) == 0


def test_an_eviction_without_an_answer_that_is_over_is_done(house: House) -> None:
    """The id may be gone for good, so what comes back has another one."""
    house.take(_event())
    house.send()
    desk = Desk(house)
    desk.do(lambda c, store, held: evictions.place(c, store, held, [_number()], [], ""))
    desk.do(lambda c, store, held: evictions.begin(c, store, held, [_number()]))
    _expire(house)
    row = _row(house)
    assert (row.state, row.maybe_there, row.generation) == (schema.EXPIRED, False, 1)


def test_a_refused_eviction_does_not_count_and_is_finished_later(house: House) -> None:
    """One that waits for its request takes from what may be evicted all the same."""
    house.settings = [WIDE.model_copy(update={"max_withdraw": 4})]
    house.take(_event(2))
    house.send()
    desk = Desk(house)
    desk.do(lambda c, store, held: evictions.place(c, store, held, [_number()], [], ""))
    budget = [house.ledger.write(lambda c: evictions.budget(c, house.stores(c)[0]))]
    desk.do(lambda c, store, held: evictions.begin(c, store, held, [_number()]))
    budget.append(house.ledger.write(lambda c: evictions.budget(c, house.stores(c)[0])))
    assert budget == [1, 1]
    assert _used(house) == (2, 1)
    desk.do(lambda c, store, held: flight.unbegin(c, store, held, [_number()]))
    assert _used(house) == (2, 0)
    assert evictions.is_evicted(_row(house))


def test_a_lease_is_renewed_twice_within_a_millisecond(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing about the row changes the second time; it counts as found on every database."""
    desk = Desk(house)
    clock = house.ledger.read(now_ms)
    monkeypatch.setattr(lease, "now_ms", lambda _: clock)
    for _ in range(2):
        desk.do(lambda c, _, held: lease.renew(c, held))
