"""Sending: retries, waits, deadlines; nothing is accepted without an answer that says so."""

from __future__ import annotations

import threading
import time

import pytest

from misp_modules_ext.delivery.sender import TROUBLE, Delivered, Policy, Sender
from misp_modules_ext.destinations.interface import Limit
from misp_modules_ext.destinations.limits import Limiter
from misp_modules_ext.errors import (
    CredentialsRefused,
    DestinationError,
    NotFound,
    PermissionRefused,
    Retired,
    Throttled,
    Unavailable,
)
from misp_modules_ext.model.indicator import Due, Kind, Observable
from misp_modules_ext.model.outcome import Outcome, Reason, State
from tests.support.build import due
from tests.support.memory import MemoryDestination

FAST = Policy(attempts=3, first_wait=0.0, longest_wait=5.0)


def _dues(count: int) -> list[Due]:
    return [due(Kind.DOMAIN_NAME, f"host{n}.example") for n in range(count)]


def _deliver(
    destination: MemoryDestination, count: int, deadline: float | None = None, policy: Policy = FAST
) -> Delivered:
    sender = Sender(destination, None, None if deadline is None else time.monotonic() + deadline, policy)
    sender.start(_dues(count))
    return sender.wait()


def _accepted(delivered: Delivered) -> set[str]:
    return {observable.value for observable, r in delivered.results.items() if r.outcome is Outcome.ACCEPTED}


def test_all_batches_arrive() -> None:
    """350 indicators in requests of 100, several at once."""
    destination = MemoryDestination(in_flight=4)
    delivered = _deliver(destination, 350)
    assert sorted(destination.requests) == [50, 100, 100, 100]
    assert _accepted(delivered) == set(destination.held)
    assert len(destination.held) == 350
    assert (delivered.state, delivered.message) == (State.OK, "")


def test_peers_01_after_a_429_the_same_batch_is_sent_again() -> None:
    """PEERS 1: one 429 in the middle and all 350 arrive, each reported once."""

    def once(number: int) -> None:
        if number == 2:
            raise Throttled("slow down", retry_after=0.0)

    destination = MemoryDestination(before=once)
    delivered = _deliver(destination, 350)
    assert len(destination.held) == 350
    assert len(_accepted(delivered)) == 350
    assert destination.requests == [100, 100, 100, 100, 50]


def test_peers_03_retry_after_is_obeyed() -> None:
    """PEERS 3: no request begins before Microsoft's time is over."""
    times: list[float] = []

    def first(number: int) -> None:
        times.append(time.monotonic())
        if number == 1:
            raise Throttled("slow down", retry_after=0.3)

    _deliver(MemoryDestination(before=first), 1)
    assert times[1] - times[0] >= 0.3


def test_a_thread_that_waits_for_the_rate_also_obeys_retry_after() -> None:
    """A 429 that arrives while another thread waits for its slot holds that thread back too."""
    times: list[float] = []

    def second(number: int) -> None:
        times.append(time.monotonic())
        if number == 2:
            raise Throttled("slow down", retry_after=1.0)

    destination = MemoryDestination(size=1, in_flight=3, before=second)
    sender = Sender(destination, Limiter(Limit(2, 0.3)), None, FAST)
    sender.start(_dues(3))
    assert len(_accepted(sender.wait())) == 3
    assert all(moment - times[1] >= 1.0 for moment in times[2:])


def test_a_fatal_error_wakes_those_that_wait_for_the_rate() -> None:
    """403 at once: nobody waits a minute for a slot that is of no use, and the slots are free for others."""

    def always(number: int) -> None:
        raise PermissionRefused("no")

    limiter = Limiter(Limit(1, 60))
    sender = Sender(MemoryDestination(size=1, in_flight=3, before=always), limiter, None, FAST)
    began = time.monotonic()
    sender.start(_dues(3))
    assert sender.wait().state is State.REFUSED
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("error", [Throttled("slow", 0.0), Unavailable("broken")])
def test_retries_are_bounded(error: DestinationError) -> None:
    """A destination that never recovers gets three requests, and everything is pending with the reason."""

    def always(number: int) -> None:
        raise error

    destination = MemoryDestination(before=always)
    delivered = _deliver(destination, 250)
    assert len(destination.requests) == 3
    assert delivered.results == {}
    state, reason = TROUBLE[type(error)]
    assert (delivered.state, delivered.reason, delivered.message) == (state, reason, str(error))


@pytest.mark.parametrize("kind", [CredentialsRefused, PermissionRefused, NotFound, Retired])
def test_what_no_repetition_mends_is_tried_once(kind: type[DestinationError]) -> None:
    """Credentials, permission, address, retirement: one request, everything pending with that reason."""

    def always(number: int) -> None:
        raise kind("because")

    destination = MemoryDestination(before=always)
    delivered = _deliver(destination, 250)
    assert len(destination.requests) == 1
    assert (delivered.state, delivered.reason) == TROUBLE[kind]
    assert delivered.message == "because"


def test_every_destination_error_has_a_meaning() -> None:
    """No class of errors can fall through to an unexpected one."""
    assert set(TROUBLE) == set(DestinationError.__subclasses__())


def test_a_wait_that_is_too_long_ends_the_sending() -> None:
    """Microsoft asks for an hour: nothing waits for it, the rest is pending."""

    def always(number: int) -> None:
        raise Throttled("in an hour", retry_after=3600)

    destination = MemoryDestination(before=always)
    assert _deliver(destination, 1).state is State.THROTTLED
    assert len(destination.requests) == 1


def test_an_answer_that_comes_too_late_is_no_answer() -> None:
    """A destination that hangs: the caller gets its account at the deadline, with everything pending."""
    release = threading.Event()
    destination = MemoryDestination(before=lambda number: void(release.wait(20)))
    try:
        delivered = _deliver(destination, 150, deadline=0.4)
    finally:
        release.set()
    assert delivered.results == {}
    assert delivered.reason is Reason.NOT_IN_TIME


def void(_: object) -> None:
    """Drop a value."""


def test_nothing_begins_after_the_deadline() -> None:
    """When the caller has stopped waiting, no further request is begun."""
    release = threading.Event()
    destination = MemoryDestination(before=lambda number: void(release.wait(20)))
    _deliver(destination, 500, deadline=0.3)
    # A wait may end a moment before its time, which is no time for another request in life.
    time.sleep(0.05)
    release.set()
    time.sleep(0.1)
    assert destination.requests == [100]


def test_a_wait_beyond_the_deadline_keeps_its_reason() -> None:
    """Throttled until after the deadline: pending as throttled, not merely late."""

    def always(number: int) -> None:
        raise Throttled("slow down", retry_after=3.0)

    delivered = _deliver(MemoryDestination(before=always), 1, deadline=0.5)
    assert (delivered.state, delivered.reason) == (State.THROTTLED, Reason.THROTTLED)


def test_part_of_the_batches_arrives() -> None:
    """What was accepted before the trouble stays accepted; the rest is pending with the trouble's reason."""

    def later(number: int) -> None:
        if number > 2:
            raise PermissionRefused("role removed")

    destination = MemoryDestination(before=later)
    delivered = _deliver(destination, 350)
    assert len(_accepted(delivered)) == 200 == len(destination.held)
    assert delivered.state is State.REFUSED


def test_peers_02_a_refused_batch_is_halved_not_repeated() -> None:
    """PEERS 2: a guilty item costs itself; the same batch is never sent for ever."""
    destination = MemoryDestination(guilty={"host42.example": "the pattern is wrong"})
    delivered = _deliver(destination, 150)
    rejected = {o.value: r for o, r in delivered.results.items() if r.outcome is Outcome.REJECTED}
    assert set(rejected) == {"host42.example"}
    assert "the pattern is wrong" in rejected["host42.example"].message
    assert len(destination.held) == 149


def test_a_systemic_refusal_pauses_and_rejects_nothing() -> None:
    """Everything refused in the same words: paused, all pending."""
    destination = MemoryDestination(guilty={f"host{n}.example": "not today" for n in range(100)})
    delivered = _deliver(destination, 100)
    assert delivered.results == {}
    assert (delivered.state, delivered.reason) == (State.PAUSED, Reason.PAUSED)
    assert "not today" in delivered.message


def test_a_small_batch_does_not_blame_an_item_for_a_systemic_refusal() -> None:
    """101 indicators refused alike: the batch of one at the end is no more guilty than the hundred."""
    destination = MemoryDestination(guilty={f"host{n}.example": "not today" for n in range(101)}, in_flight=2)
    delivered = _deliver(destination, 101)
    assert delivered.results == {}
    assert delivered.state is State.PAUSED


def test_what_is_there_already_is_left_alone() -> None:
    """The survey's refusals are answers; the others go."""
    destination = MemoryDestination(foreign={"host1.example"})
    delivered = _deliver(destination, 3)
    result = delivered.results[Observable(Kind.DOMAIN_NAME, "host1.example")]
    assert (result.outcome, result.reason) == (Outcome.SKIPPED, Reason.ALREADY_THERE)
    assert set(destination.held) == {"host0.example", "host2.example"}
