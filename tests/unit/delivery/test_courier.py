"""One submission's sending: by us, or by whoever sends at that moment; the caller stops waiting when its time is up."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from misp_modules_ext.delivery.courier import Courier
from misp_modules_ext.delivery.drain import Drained, drain
from misp_modules_ext.delivery.sender import Policy
from misp_modules_ext.errors import PermissionRefused, Unavailable
from misp_modules_ext.ledger import lease, schema
from misp_modules_ext.model.outcome import Reason, State
from tests.unit.delivery.shelf import Shelf, shelf_in


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    """An empty ledger with one destination."""
    made = shelf_in(tmp_path)
    yield made
    made.ledger.close()


def _courier(shelf: Shelf, *numbers: int, seconds: float | None = None) -> Courier:
    """Takes the event anew and sends what of it is due."""
    store = shelf.ledger.write(shelf.store)
    settled = shelf.take(*shelf.attributes(*numbers)).settled[store.destination_id]
    deadline = None if seconds is None else time.monotonic() + seconds
    return Courier(shelf.place(f"courier {time.monotonic_ns()}"), settled, deadline)


def test_it_sends_what_its_submission_made_due(shelf: Shelf) -> None:
    """And tells how it went, with the rows as they are now."""
    courier = _courier(shelf, 0, 1, 2)
    courier.wait()
    assert courier.drained().sent == 3
    assert set(shelf.states(0, 1, 2)) == {schema.SETTLED}


def test_it_sends_its_own_first_and_leaves_the_rest_to_the_drain(shelf: Shelf) -> None:
    """An analyst does not wait for what others left behind."""
    shelf.take(*shelf.attributes(7))
    courier = _courier(shelf, 0)
    courier.wait()
    assert set(shelf.destination.held) == {"host0.example"}


def test_the_caller_stops_waiting_and_the_sending_goes_on(shelf: Shelf) -> None:
    """The thread is not cut off: what has begun is finished and booked."""
    release = threading.Event()
    shelf.before = lambda _: _ignore(release.wait(20))
    began = time.monotonic()
    courier = _courier(shelf, 0, seconds=0.3)
    courier.wait()
    assert time.monotonic() - began < 5
    drained = courier.drained()
    assert (drained.state, drained.reason) == (State.OK, Reason.NOT_IN_TIME)
    assert "goes on in the background" in drained.message
    assert set(shelf.states(0)) == {schema.DUE}
    release.set()
    _until(lambda: shelf.states(0) == [schema.SETTLED])


@pytest.mark.parametrize(("at_hand", "left"), [(1, True), (5, False)])
def test_of_a_large_submission_the_rest_is_left_to_the_drain(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, at_hand: int, left: bool
) -> None:
    """What is under way is finished, nothing else begins, and no word says that all was done; a small one goes on."""
    monkeypatch.setattr("misp_modules_ext.delivery.courier.AT_HAND", at_hand)
    inside, release = threading.Event(), threading.Event()

    def hang(_: int) -> None:
        inside.set()
        release.wait(20)

    shelf.before = hang
    numbers = range(5)
    courier = _courier(shelf, *numbers, seconds=0.3)
    assert inside.wait(20)
    courier.wait()
    courier.hand_over()
    release.set()
    _until(lambda: not courier.sends())
    assert (schema.DUE in shelf.states(*numbers)) is left
    assert ("goes on in the background" in courier.drained().message) is left
    drain(shelf.place())
    assert set(shelf.states(*numbers)) == {schema.SETTLED}
    assert sum(shelf.destination.requests) == len(numbers)


def test_a_caller_who_stops_waiting_learns_what_holds_it_up(shelf: Shelf) -> None:
    """Microsoft answers 503 and the request is being repeated: that is the reason, not the short time."""
    met = threading.Event()

    def first(number: int) -> None:
        if number == 1:
            met.set()
            raise Unavailable("Sentinel answered 503.")

    shelf.before = first
    store = shelf.ledger.write(shelf.store)
    settled = shelf.take(*shelf.attributes(0)).settled[store.destination_id]
    place = shelf.place(policy=Policy(attempts=2, first_wait=2.0))
    courier = Courier(place, settled, time.monotonic() + 1.0)
    assert met.wait(20)
    courier.wait()
    drained = courier.drained()
    assert (drained.state, drained.reason, drained.message) == (
        State.UNREACHABLE,
        Reason.UNREACHABLE,
        "Sentinel answered 503.",
    )
    _until(lambda: shelf.states(0) == [schema.SETTLED])
    _until(lambda: courier.drained() == Drained(sent=1))


def test_while_another_sends_it_waits_for_that(shelf: Shelf) -> None:
    """The other's drain takes up what is due here as well, so nothing is sent twice."""
    inside, release = threading.Event(), threading.Event()
    shelf.take(*shelf.attributes(7, 8, 9))

    def hang(number: int) -> None:
        if number == 1:
            inside.set()
            release.wait(20)

    shelf.before = hang
    other = threading.Thread(target=lambda: drain(shelf.place("other")))
    other.start()
    assert inside.wait(20)
    courier = _courier(shelf, 0)
    release.set()
    courier.wait()
    other.join()
    assert set(shelf.states(0)) == {schema.SETTLED}
    assert sum(shelf.destination.requests) == len(shelf.destination.held) == 4


def test_when_the_other_stops_before_that_it_sends_itself(shelf: Shelf) -> None:
    """Another's lease that ends without anything done."""
    place = shelf.place()
    taken = shelf.ledger.write(lambda c: lease.acquire(c, place.store.destination_id, "other"))
    assert taken is not None
    courier = _courier(shelf, 0)
    time.sleep(0.3)
    assert shelf.destination.requests == []
    shelf.ledger.write(lambda c: lease.release(c, taken))
    courier.wait()
    assert shelf.states(0) == [schema.SETTLED]


def test_it_does_not_wait_for_another_beyond_its_time(shelf: Shelf) -> None:
    """MISP's patience ends although another holds the lease."""
    place = shelf.place()
    assert shelf.ledger.write(lambda c: lease.acquire(c, place.store.destination_id, "other")) is not None
    courier = _courier(shelf, 0, seconds=0.5)
    courier.wait()
    assert courier.drained().reason is Reason.NOT_IN_TIME
    assert shelf.destination.requests == []
    assert shelf.states(0) == [schema.DUE]


def test_when_the_other_finds_the_destination_down_the_courier_learns_why(shelf: Shelf) -> None:
    """It tries itself, and has the destination's own words."""
    inside, release = threading.Event(), threading.Event()
    shelf.take(*shelf.attributes(9))

    def refuse(_: int) -> None:
        inside.set()
        release.wait(20)
        raise PermissionRefused("The role is missing.")

    shelf.before = refuse
    other = threading.Thread(target=lambda: drain(shelf.place("other")))
    other.start()
    assert inside.wait(20)
    courier = _courier(shelf, 0)
    release.set()
    courier.wait()
    other.join()
    assert (courier.drained().state, courier.drained().message) == (State.REFUSED, "The role is missing.")


def test_progress_counts_what_is_settled(shelf: Shelf) -> None:
    """From none to all, and it says when it is over."""
    release = threading.Event()
    told: list[tuple[str, int, int]] = []

    def hang(number: int) -> None:
        if number == 2:
            release.wait(20)

    shelf.before = hang
    courier = _courier(shelf, 0, 1, 2)
    _until(lambda: courier.tell(lambda *so_far: told.append(so_far)) and told[-1][1] == 2)
    release.set()
    courier.wait()
    assert courier.tell(lambda *so_far: told.append(so_far)) is False
    assert told[-1] == ("microsoft", 3, 3)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_while_sending_is_no_arrival(shelf: Shelf) -> None:
    """An exception that nobody expected: named by its class, pending, and the words stay in the log."""

    def broken(_: int) -> None:
        raise KeyError("secret detail")

    shelf.before = broken
    courier = _courier(shelf, 0)
    courier.wait()
    drained = courier.drained()
    assert drained.state is State.UNREACHABLE
    assert "KeyError" in drained.message
    assert "secret detail" not in drained.message
    assert shelf.states(0) == [schema.DUE]


def _ignore(_: object) -> None:
    """Drop a value."""


def _until(true: object, seconds: float = 20) -> None:
    """Wait for a condition."""
    assert callable(true)
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never became true"
        time.sleep(0.02)
