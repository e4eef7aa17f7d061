"""Draining a destination: what is due goes, what comes of it is in the ledger, and nothing goes twice."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from misp_modules_ext.delivery.drain import BUSY, Drained, drain
from misp_modules_ext.delivery.sender import TROUBLE
from misp_modules_ext.destinations.interface import ItemResult
from misp_modules_ext.errors import (
    CredentialsRefused,
    DestinationError,
    NotFound,
    PermissionRefused,
    Retired,
    Throttled,
    Unavailable,
)
from misp_modules_ext.ledger import lease, schema
from misp_modules_ext.ledger.holdings import CHANGED, WITHDRAWING
from misp_modules_ext.logs import fields_of
from misp_modules_ext.model.indicator import Due
from misp_modules_ext.model.misp import Tag, Tlp
from misp_modules_ext.model.outcome import Outcome, Reason, State
from tests.unit.delivery.shelf import Shelf, Shelved, domain, nothing, shelf_in


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    """An empty ledger with one destination."""
    made = shelf_in(tmp_path)
    yield made
    made.ledger.close()


def test_what_is_due_goes_and_is_settled(shelf: Shelf) -> None:
    """Everything once, in full batches."""
    shelf.take(*shelf.attributes(*range(5)))
    assert shelf.drain() == Drained(sent=5)
    assert sorted(shelf.destination.requests) == [1, 2, 2]
    assert set(shelf.destination.held) == {domain(n).value for n in range(5)}
    assert shelf.states(*range(5)) == [schema.SETTLED] * 5
    row = shelf.row(0)
    assert row.sent_hash == row.due_hash == shelf.destination.held["host0.example"].content_hash()
    assert row.flight_hash is None
    assert row.created_ms is not None
    assert row.created_ms == row.modified_ms


def test_the_second_time_nothing_goes(shelf: Shelf) -> None:
    """Rule 7."""
    shelf.take(*shelf.attributes(0, 1))
    shelf.drain()
    shelf.take(*shelf.attributes(0, 1))
    assert shelf.drain() == Drained()
    assert shelf.destination.requests == [2]


def test_only_what_is_at_hand_goes_when_that_is_asked_for(shelf: Shelf) -> None:
    """A door sends its own event, not what waits from others."""
    shelf.take(*shelf.attributes(0, 1))
    store = shelf.ledger.write(shelf.store)
    taken = shelf.take(*shelf.attributes(2))
    assert drain(shelf.place(), taken.settled[store.destination_id].ready).sent == 1
    assert set(shelf.destination.held) == {"host2.example"}
    assert shelf.states(0, 1, 2) == [schema.DUE, schema.DUE, schema.SETTLED]


def test_much_at_hand_goes_in_portions(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it goes; when the destination does not take a portion, the others are not tried."""
    monkeypatch.setattr("misp_modules_ext.delivery.drain.AT_HAND", 3)
    store = shelf.ledger.write(shelf.store)
    ready = shelf.take(*shelf.attributes(*range(7))).settled[store.destination_id].ready
    assert drain(shelf.place(), ready).sent == 7
    assert set(shelf.destination.held) == {domain(n).value for n in range(7)}
    more = shelf.take(*shelf.attributes(*range(10, 17))).settled[store.destination_id].ready
    tried: list[int] = []

    def refuse(number: int) -> None:
        tried.append(number)
        raise CredentialsRefused("the secret has expired")

    shelf.before = refuse
    assert drain(shelf.place(), more).state is State.REFUSED
    assert 1 <= len(tried) <= 2
    assert shelf.states(*range(10, 17)) == [schema.DUE] * 7


def test_who_has_no_lease_sends_nothing(shelf: Shelf) -> None:
    """One holder at a time; when the lease is over, the next one may."""
    shelf.take(*shelf.attributes(0))
    place = shelf.place()
    taken = shelf.ledger.write(lambda c: lease.acquire(c, place.store.destination_id, "other"))
    assert taken is not None
    assert drain(place) is BUSY
    assert shelf.destination.requests == []
    shelf.ledger.write(lambda c: lease.release(c, taken))
    assert drain(place).sent == 1


def test_the_lease_is_given_back(shelf: Shelf) -> None:
    """Also when Microsoft did not take it."""
    shelf.take(*shelf.attributes(0))
    shelf.fail_with(PermissionRefused("no"))
    shelf.drain()
    place = shelf.place()
    assert shelf.ledger.write(lambda c: lease.acquire(c, place.store.destination_id, "next")) is not None


def test_an_answer_after_the_lease_is_lost_is_not_written(shelf: Shelf) -> None:
    """The other one repeats the request under its own epoch; the content goes again with the same `modified`."""
    shelf.take(*shelf.attributes(0))
    place = shelf.place(lease_ms=50)
    stolen: list[lease.Lease] = []

    def hang(_: int) -> None:
        time.sleep(0.2)
        taken = shelf.ledger.write(lambda c: lease.acquire(c, place.store.destination_id, "other"))
        assert taken is not None
        stolen.append(taken)

    shelf.before = hang
    assert drain(place).sent == 0
    row = shelf.row(0)
    assert (row.state, row.sent_hash, row.flight_hash) == (schema.DUE, None, row.due_hash)
    shelf.ledger.write(lambda c: lease.release(c, stolen[0]))
    shelf.before = nothing
    assert shelf.drain().sent == 1
    assert shelf.row(0).modified_ms == row.modified_ms


def test_an_expired_secret_uses_up_no_brake(shelf: Shelf) -> None:
    """Every look fails for days; when the secret is new, all that fits goes at once."""
    shelf = shelf.under(max_withdraw=3)
    shelf.take(*shelf.attributes(0, 1, 2))
    shelf.drain()
    shelf.take(own=True)
    for _ in range(3):
        shelf.fail_with(CredentialsRefused("the secret has expired"))
        shelf.drain(patient=False)
    shelf.before = nothing
    assert shelf.drain(patient=False).sent == 3
    assert shelf.destination.held == {}


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (CredentialsRefused("no"), State.REFUSED, Reason.CREDENTIALS_REFUSED),
        (PermissionRefused("no"), State.REFUSED, Reason.PERMISSION_REFUSED),
        (NotFound("no"), State.MISCONFIGURED, Reason.NOT_FOUND),
        (Retired("no"), State.RETIRED, Reason.RETIRED),
        (Throttled("no", 0.0), State.THROTTLED, Reason.THROTTLED),
        (Unavailable("no"), State.UNREACHABLE, Reason.UNREACHABLE),
    ],
)
def test_a_destination_that_does_not_take_it_pauses(
    shelf: Shelf, error: DestinationError, state: State, reason: Reason
) -> None:
    """Everything stays due; the drain leaves it alone until the pause is over, and says why in the same words."""
    shelf.take(*shelf.attributes(0, 1, 2))
    shelf.fail_with(error)
    failed = Drained(state, reason, "no", 0)
    assert shelf.drain() == failed
    assert shelf.states(0, 1, 2) == [schema.DUE] * 3
    pause = shelf.pause()
    assert pause is not None
    assert (pause.reason, pause.message) == (reason, "no")
    requests = len(shelf.destination.requests)
    assert shelf.drain() == failed
    assert len(shelf.destination.requests) == requests


def test_a_person_who_pushes_is_not_put_off_by_a_pause(shelf: Shelf) -> None:
    """They have just mended the cause; only what Microsoft itself asked for is respected."""
    shelf.take(*shelf.attributes(0))
    shelf.fail_with(PermissionRefused("no"))
    shelf.drain()
    shelf.before = nothing
    assert shelf.drain(patient=False).sent == 1
    assert shelf.pause() is None
    shelf.take(*shelf.attributes(0, 1))
    shelf.fail_with(Throttled("slow down", 3.0))
    shelf.drain()
    shelf.before = nothing
    waits = shelf.drain(patient=False)
    assert (waits.state, waits.message) == (State.THROTTLED, "slow down")
    assert shelf.states(1) == [schema.DUE]


@pytest.mark.parametrize("error", [Unavailable("under repair", 60.0), Throttled("slow down", 60.0)])
def test_a_person_who_pushes_waits_where_microsoft_asked_for_it(shelf: Shelf, error: DestinationError) -> None:
    """Whatever the answer was that said so; without such a word an outage is tried again at once."""
    shelf.take(*shelf.attributes(0))
    shelf.fail_with(error)
    shelf.drain()
    requests = len(shelf.destination.requests)
    waits = shelf.drain(patient=False)
    assert (waits.state, waits.message) == (TROUBLE[type(error)][0], str(error))
    assert len(shelf.destination.requests) == requests
    shelf.end_pause()
    shelf.fail_with(Unavailable("down"))
    shelf.drain()
    shelf.drain(patient=False)
    assert len(shelf.destination.requests) == requests + 2


@pytest.mark.parametrize(("asked", "kept"), [(7_200.0, 7_200), (864_000.0, 86_400)])
def test_the_time_that_microsoft_asks_for_is_kept_in_full(shelf: Shelf, asked: float, kept: int) -> None:
    """Our own pauses end after 15 minutes; Microsoft's count up to a day."""
    shelf.take(*shelf.attributes(0))
    shelf.fail_with(Throttled("slow", asked))
    shelf.drain()
    pause = shelf.pause()
    assert pause is not None
    assert pause.asked
    assert pause.until_ms / 1000 - time.time() == pytest.approx(kept, abs=30)


def test_pauses_grow_and_end_with_the_first_success(shelf: Shelf) -> None:
    """Each failure in a row makes the next pause longer; Microsoft's own time is the least."""
    shelf.take(*shelf.attributes(0))
    lengths = []
    for retry_after in (0.0, 0.0, 120.0):
        shelf.fail_with(Throttled("slow", retry_after))
        shelf.drain()
        pause = shelf.pause()
        assert pause is not None
        lengths.append(pause.until_ms / 1000 - time.time())
        shelf.end_pause()
    assert lengths[0] < lengths[1] < lengths[2]
    assert lengths[2] > 110
    shelf.before = nothing
    shelf.drain()
    shelf.take(*shelf.attributes(0, 1))
    shelf.fail_with(Throttled("slow", 0.0))
    shelf.drain()
    again = shelf.pause()
    assert again is not None
    assert again.until_ms / 1000 - time.time() <= lengths[0] + 1


def test_without_an_answer_it_stays_in_doubt_and_is_repeated_as_it_was(shelf: Shelf) -> None:
    """It may be there: the row says so, and the repetition has the same `modified`."""
    shelf.take(*shelf.attributes(0))
    shelf.fail_with(Unavailable("broken"))
    shelf.drain()
    row = shelf.row(0)
    assert row.flight_hash == row.due_hash
    assert row.maybe_there
    shelf.before = nothing
    assert shelf.drain(patient=False).sent == 1
    assert (shelf.row(0).modified_ms, shelf.row(0).state) == (row.modified_ms, schema.SETTLED)


def test_a_clear_no_leaves_no_doubt(shelf: Shelf) -> None:
    """It is not there."""
    shelf.take(*shelf.attributes(0))
    shelf.fail_with(PermissionRefused("no"))
    shelf.drain()
    assert not shelf.row(0).maybe_there


def test_new_content_moves_modified_and_keeps_created(shelf: Shelf) -> None:
    """Rule 3."""
    shelf.take(*shelf.attributes(0))
    shelf.drain()
    first = shelf.row(0)
    shelf.take(*shelf.attributes(0, comment="C2", timestamp=shelf.moment))
    shelf.drain()
    second = shelf.row(0)
    assert second.created_ms == first.created_ms
    assert first.modified_ms is not None
    assert second.modified_ms is not None
    assert second.modified_ms > first.modified_ms
    assert second.sent_hash != first.sent_hash


@pytest.fixture
def terse(tmp_path: Path) -> Iterator[Shelf]:
    """A destination that shows nothing of an indicator but its marking."""
    made = shelf_in(tmp_path, shows=lambda indicator: indicator.tlp.tag.encode())
    yield made
    made.ledger.close()


def _say(shelf: Shelf, comment: str, **fields: object) -> None:
    shelf.take(*shelf.attributes(0, comment=comment, timestamp=shelf.moment, **fields))


def test_what_would_look_as_before_is_not_sent(terse: Shelf) -> None:
    """Rule 7: the row follows the content, and nothing goes, neither now nor when the content is what it was."""
    _say(terse, "first")
    terse.drain()
    there = terse.row(0)
    for comment in ("second", "third", "first"):
        _say(terse, comment)
        assert terse.row(0).state == schema.DUE
        assert terse.drain() == Drained(sent=1)
        row = terse.row(0)
        assert (row.state, row.due_hash, row.attempts) == (schema.SETTLED, row.sent_hash, 0)
        assert (row.modified_ms, row.shown_hash) == (there.modified_ms, there.shown_hash)
    assert terse.drain() == Drained()
    assert terse.destination.requests == [1]


def test_what_shows_is_sent(terse: Shelf) -> None:
    """Also when it is what was shown before the last time."""
    for tags in ((), (Tag("tlp:green"),), ()):
        _say(terse, "", tags=tags)
        terse.drain()
    assert terse.destination.requests == [1, 1, 1]


def test_what_looks_like_what_is_under_way_is_not_sent_after_it(terse: Shelf) -> None:
    """It changes while the request for the older version waits for its answer."""

    def change(_: int) -> None:
        terse.before = nothing
        _say(terse, "second")

    terse.before = change
    _say(terse, "first")
    terse.drain()
    assert terse.destination.requests == [1]
    row = terse.row(0)
    assert (row.state, row.due_hash) == (schema.SETTLED, row.sent_hash)


def test_what_looks_like_a_request_without_an_answer_goes(terse: Shelf) -> None:
    """It may not have arrived; what was answered before is no longer known to be there."""
    _say(terse, "first")
    terse.drain()
    _say(terse, "", tags=(Tag("tlp:green"),))
    terse.fail_with(Unavailable("no answer"))
    terse.drain()
    terse.before = nothing
    terse.end_pause()
    terse.change(0, due_ms=0)
    _say(terse, "second")
    assert terse.drain() == Drained(sent=1)
    assert terse.destination.requests == [1, 1, 1]


@pytest.mark.parametrize("values", [{"sent_hash": CHANGED}, {"shown_hash": None}])
def test_what_is_not_known_to_look_so_goes(terse: Shelf, values: dict[str, object]) -> None:
    """People edited it there, or an older version of this program sent it."""
    _say(terse, "first")
    terse.drain()
    terse.change(0, **values)
    _say(terse, "second")
    assert terse.drain() == Drained(sent=1)
    assert terse.destination.requests == [1, 1]


def test_what_was_taken_back_comes_again_although_it_looks_as_before(terse: Shelf) -> None:
    """Nothing is there that could show it."""
    _say(terse, "first")
    terse.drain()
    terse.take(*terse.attributes(0, to_ids=False, timestamp=terse.moment), own=True)
    terse.drain()
    assert terse.destination.held == {}
    _say(terse, "second")
    terse.drain()
    assert terse.destination.requests == [1, 1]
    assert set(terse.destination.held) == {domain(0).value}


def test_what_our_own_reading_sees_gone_is_taken_back(shelf: Shelf) -> None:
    """And comes again under a new id, since a revocation is permanent."""
    shelf.take(*shelf.attributes(0, 1))
    shelf.drain()
    shelf.take(*shelf.attributes(1), own=True)
    assert shelf.drain() == Drained(sent=1)
    assert set(shelf.destination.held) == {"host1.example"}
    row = shelf.row(0)
    assert (row.state, row.due_hash, row.sent_hash, row.generation) == (schema.SETTLED, None, None, 1)
    shelf.take(*shelf.attributes(0, 1))
    shelf.drain()
    ids = {entry.observable: entry.stix_id for entry in shelf.destination.entries(1)}
    assert ids[domain(0)] == domain(0).stix_id(1)
    assert ids[domain(1)] == domain(1).stix_id()


def test_a_withdrawal_without_an_answer_stays_in_doubt(shelf: Shelf) -> None:
    """It is not gone before Microsoft said so."""
    shelf.take(*shelf.attributes(0))
    shelf.drain()
    shelf.take(own=True)
    shelf.fail_with(Unavailable("broken"))
    assert shelf.drain().state is State.UNREACHABLE
    row = shelf.row(0)
    assert (row.state, row.flight_hash, row.generation) == (schema.DUE, WITHDRAWING, 0)
    assert row.sent_hash is not None


def test_withdrawals_go_before_additions(shelf: Shelf) -> None:
    """They make room, and they are what people wait for."""
    order: list[str] = []
    shelf.take(*shelf.attributes(0))
    shelf.drain()
    shelf.before = lambda _: order.append("withdrawal" if shelf.destination.withdrawals else "addition")
    shelf.take(*shelf.attributes(1), own=True)
    shelf.drain()
    assert order == ["withdrawal", "withdrawal"]
    assert (shelf.destination.withdrawals, set(shelf.destination.held)) == ([1], {"host1.example"})


def test_the_brake_on_withdrawals_holds_the_rest_back(shelf: Shelf) -> None:
    """`maxWithdraw`: what is beyond it waits with its reason, and the drain ends instead of turning in circles."""
    shelf = shelf.under(max_withdraw=1)
    shelf.take(*shelf.attributes(0, 1, 2))
    shelf.drain()
    shelf.take(own=True)
    assert shelf.drain().state is State.OK
    assert len(shelf.destination.held) == 2
    waiting = [shelf.row(n) for n in range(3) if shelf.row(n).state == schema.DUE]
    assert [Reason.of(row.reason) for row in waiting] == [Reason.WITHDRAWAL_CAP] * 2


def test_the_brake_on_new_ones_holds_the_rest_back(shelf: Shelf) -> None:
    """`maxPerDay` counts new indicators, not changes."""
    shelf = shelf.under(max_per_day=2)
    shelf.take(*shelf.attributes(0, 1, 2))
    shelf.drain()
    assert len(shelf.destination.held) == 2
    (waiting,) = [n for n in range(3) if shelf.row(n).state == schema.DUE]
    assert Reason.of(shelf.row(waiting).reason) is Reason.MAX_PER_DAY
    there = [n for n in range(3) if n != waiting]
    shelf.take(*shelf.attributes(*there, comment="C2", timestamp=shelf.moment), *shelf.attributes(waiting))
    assert shelf.drain().sent == 2
    assert all("C2" in str(one.facts) for one in shelf.destination.held.values())


def test_a_guilty_one_is_rejected_until_its_content_changes(tmp_path: Path) -> None:
    """Rule 8: the same again is not sent, other content is."""
    shelf = shelf_in(tmp_path, guilty={"host1.example": "the pattern is wrong"})
    shelf.take(*shelf.attributes(0, 1))
    shelf.drain()
    row = shelf.row(1)
    assert (row.state, Reason.of(row.reason), row.maybe_there) == (schema.REJECTED, Reason.REJECTED, False)
    assert "the pattern is wrong" in (row.message or "")
    requests = len(shelf.destination.requests)
    shelf.take(*shelf.attributes(0, 1))
    shelf.drain()
    assert len(shelf.destination.requests) == requests
    shelf.take(*shelf.attributes(0), *shelf.attributes(1, comment="C2", timestamp=shelf.moment))
    shelf.drain()
    assert len(shelf.destination.requests) == requests + 1


def test_a_guilty_one_is_tried_again_under_another_configuration(tmp_path: Path) -> None:
    """Whoever changed it wants to know whether it helped."""
    shelf = shelf_in(tmp_path, guilty={"host1.example": "the workspace is not ready"})
    shelf.take(*shelf.attributes(0, 1))
    shelf.drain()
    assert shelf.states(0, 1) == [schema.SETTLED, schema.REJECTED]
    # A brake, or how this machine gets there, is not what it was refused for.
    for same in (shelf.under(max_per_day=7), shelf.under(ca=None)):
        assert same.drain() == Drained()
    other = replace(shelf.under(generate_alert=False), traits={})
    assert other.drain().sent == 1
    assert other.states(0, 1) == [schema.SETTLED, schema.SETTLED]


def test_a_refusal_of_everything_leaves_nothing_rejected(tmp_path: Path) -> None:
    """Also not the one that went first in a batch of its own: what was blamed wrongly is due again."""
    guilty = {domain(n).value: "not today" for n in range(9)}
    shelf = shelf_in(tmp_path, guilty=guilty, size=8)
    shelf.take(*shelf.attributes(*range(9)))
    drained = shelf.drain()
    assert (drained.state, drained.reason) == (State.PAUSED, Reason.PAUSED)
    assert shelf.states(*range(9)) == [schema.DUE] * 9
    assert not any(shelf.row(n).maybe_there for n in range(9))
    pause = shelf.pause()
    assert pause is not None
    assert pause.reason is Reason.PAUSED


def test_what_somebody_else_put_there_is_skipped_and_not_tried_every_time(tmp_path: Path) -> None:
    """`already there`, with the destination's words."""
    shelf = shelf_in(tmp_path, foreign={"host1.example"})
    shelf.take(*shelf.attributes(0, 1))
    shelf.drain()
    row = shelf.row(1)
    assert (row.state, Reason.of(row.reason), row.message) == (schema.SKIPPED, Reason.ALREADY_THERE, "someone else's")
    assert not row.maybe_there
    assert shelf.drain() == Drained()


def test_a_row_that_the_evidence_has_overtaken_goes_as_it_is_now(shelf: Shelf) -> None:
    """Its digest says one thing and the evidence another: it is worked out anew before it is sent."""
    shelf.take(*shelf.attributes(0))
    shelf.change(0, due_hash=b"x" * 32)
    assert shelf.drain().sent == 1
    row = shelf.row(0)
    assert row.sent_hash == row.due_hash == shelf.destination.held["host0.example"].content_hash()


def test_what_waits_goes_as_todays_rules_want_it(shelf: Shelf) -> None:
    """A changed rule: what was not sent yet is cancelled, what is there stays."""
    shelf.take(*shelf.attributes(0))
    shelf.drain()
    shelf.take(*shelf.attributes(0, 1))
    strict = shelf.under(selection=shelf.settings.selection.model_copy(update={"max_tlp": Tlp.GREEN}))
    assert strict.drain().sent == 0
    assert set(strict.destination.held) == {"host0.example"}
    assert strict.states(0, 1) == [schema.SETTLED, schema.SETTLED]
    assert (strict.row(1).due_hash, strict.row(1).maybe_there) == (None, False)


def test_what_is_over_is_marked_and_nothing_is_sent(shelf: Shelf) -> None:
    """Expiry is the destination's own business; the ledger knows."""
    shelf.take(*shelf.attributes(0, 1))
    shelf.drain()
    shelf.change(0, valid_until=int(time.time()) - 1)
    assert shelf.drain() == Drained()
    assert shelf.states(0, 1) == [schema.EXPIRED, schema.SETTLED]
    assert shelf.destination.withdrawals == []


def test_many_rows_go_in_portions(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory stays flat however much waits; nothing is forgotten between two portions."""
    monkeypatch.setattr("misp_modules_ext.delivery.drain.PORTION", 4)
    shelf.take(*shelf.attributes(*range(10)))
    assert shelf.drain() == Drained(sent=10)
    assert len(shelf.destination.held) == 10
    assert sum(shelf.destination.requests) == 10


def test_what_failed_without_the_destinations_fault_waits_before_it_is_tried_again(shelf: Shelf) -> None:
    """No answer for one value in a good answer: the others are settled, that one waits and the drain ends."""

    class Forgetful(Shelved):
        """Says nothing of the first one."""

        def send(self, batch: Sequence[Due], timeout: float) -> list[ItemResult]:
            results = super().send(batch, timeout)
            return [ItemResult(Outcome.PENDING, Reason.UNREACHABLE, "no word of it"), *results[1:]]

    shelf.destination = Forgetful(nothing, settings=shelf.settings)
    shelf.take(*shelf.attributes(0, 1))
    shelf.drain()
    states = sorted(shelf.states(0, 1))
    assert states == sorted([schema.DUE, schema.SETTLED])
    (waiting,) = [row for row in map(shelf.row, (0, 1)) if row.state == schema.DUE]
    assert (Reason.of(waiting.reason), waiting.message) == (Reason.UNREACHABLE, "no word of it")
    assert waiting.due_ms > time.time() * 1000
    assert waiting.maybe_there
    assert len(shelf.destination.requests) == 1


def test_a_state_is_told_once_and_its_end(shelf: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    """With the next attempt; another state anew. A repeat that fails alike says nothing."""
    shelf.take(*shelf.attributes(0))
    with caplog.at_level(logging.INFO, "misp_modules_ext"):
        for error in (Unavailable("down"), Unavailable("away"), PermissionRefused("no")):
            shelf.fail_with(error)
            shelf.drain(patient=False)
        # Paused by now: what is not even tried is no news.
        shelf.drain()
        shelf.before = nothing
        shelf.drain(patient=False)
        shelf.drain()
    told = [fields_of(record) for record in caplog.records]
    assert [(line["what"], line.get("state")) for line in told] == [
        ("destination-paused", "unreachable"),
        ("destination-paused", "refused"),
        ("destination-resumed", None),
    ]
    assert {line["destination"] for line in told} == {"microsoft"}
    assert all(line["next"].endswith("Z") for line in told[:2])
