"""What a sender writes down: before a request begins, when it was answered, and when it is in doubt."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest

from misp_modules_ext.delivery.sender import Delivered, Policy, Sender
from misp_modules_ext.destinations.interface import Limit
from misp_modules_ext.destinations.limits import Limiter
from misp_modules_ext.errors import (
    CredentialsRefused,
    DestinationError,
    LedgerError,
    NotFound,
    PermissionRefused,
    Retired,
    Throttled,
    Unavailable,
)
from misp_modules_ext.model.indicator import Due, Kind, Stamp
from misp_modules_ext.model.outcome import Outcome, Reason, State
from tests.support.build import due
from tests.support.memory import MemoryDestination
from tests.unit.delivery.notebook import Notebook

FAST = Policy(attempts=3, first_wait=0.0, longest_wait=5.0)


def _dues(count: int) -> list[Due]:
    return [due(Kind.DOMAIN_NAME, f"host{n}.example") for n in range(count)]


def _names(*numbers: int) -> list[str]:
    return [f"host{n}.example" for n in numbers]


def _deliver(
    destination: MemoryDestination, notebook: Notebook, count: int, *, withdrawing: bool = False
) -> tuple[Delivered, Sender]:
    sender = Sender(destination, None, None, FAST, notebook, withdrawing=withdrawing)
    sender.start(_dues(count))
    return sender.wait(), sender


def _raising(error: DestinationError, *numbers: int) -> MemoryDestination:
    """A destination that fails at these requests."""

    def before(number: int) -> None:
        if number in numbers:
            raise error

    return MemoryDestination(size=2, before=before)


def test_each_batch_is_begun_before_its_request_and_recorded_after() -> None:
    """In this order for every batch: begin, hold, the request, record; the survey holds first of all."""
    notebook = Notebook()
    destination = MemoryDestination(size=2, before=lambda number: notebook.calls.append(("request", [])))
    delivered, sender = _deliver(destination, notebook, 4)
    once = ["begin", "hold", "request", "record"]
    assert notebook.names == ["hold", *once, *once]
    assert notebook.told("begin") == notebook.told("record") == _names(0, 1, 2, 3)
    assert (delivered.state, sender.answered) == (State.OK, 4)


def test_what_may_no_longer_go_is_not_sent() -> None:
    """A row that changed since it was looked at goes with another request; an empty batch makes none."""
    notebook = Notebook(held_back=_names(1, 2, 3))
    destination = MemoryDestination(size=2)
    delivered, sender = _deliver(destination, notebook, 4)
    assert destination.requests == [1]
    assert set(destination.held) == {"host0.example"}
    assert notebook.told("record") == _names(0)
    assert (delivered.state, delivered.message, sender.answered) == (State.OK, "", 1)


def test_it_goes_under_the_stamp_that_the_journal_gives() -> None:
    """`modified` is the ledger's to say, at the moment of sending."""
    given = Stamp("indicator--11111111-1111-4111-8111-111111111111", 5, 6)
    destination = MemoryDestination()
    _deliver(destination, Notebook(stamp=lambda _: given), 1)
    assert [entry.stix_id for entry in destination.entries(1)] == [given.stix_id]


@pytest.mark.parametrize("kind", [CredentialsRefused, PermissionRefused, NotFound, Retired])
def test_a_request_refused_as_a_whole_has_not_arrived(kind: type[DestinationError]) -> None:
    """The marks go, so that the rows are no longer in doubt; what went before is recorded."""
    notebook = Notebook()
    _deliver(_raising(kind("no"), 2), notebook, 6)
    assert notebook.told("record") == _names(0, 1)
    assert notebook.told("refused") == _names(2, 3)
    assert notebook.told("begin") == _names(0, 1, 2, 3)


def test_a_429_at_the_end_of_all_attempts_leaves_no_doubt() -> None:
    """Microsoft said no three times."""
    notebook = Notebook()
    delivered, _ = _deliver(_raising(Throttled("slow", 0.0), 1, 2, 3), notebook, 2)
    assert notebook.names == ["hold", "begin", "hold", "hold", "hold", "refused"]
    assert notebook.told("refused") == _names(0, 1)
    assert delivered.state is State.THROTTLED


def test_without_an_answer_it_stays_in_doubt() -> None:
    """A time-out: the request may have arrived, so its marks stay."""
    notebook = Notebook()
    delivered, _ = _deliver(_raising(Unavailable("broken"), 1, 2, 3), notebook, 2)
    assert notebook.told("begin") == _names(0, 1)
    assert notebook.told("refused") == notebook.told("record") == []
    assert delivered.state is State.UNREACHABLE


def test_a_doubt_outlasts_a_later_refusal() -> None:
    """First no answer, then a clear no: the first request may have arrived all the same."""

    def before(number: int) -> None:
        raise Unavailable("broken") if number == 1 else PermissionRefused("no")

    notebook = Notebook()
    _deliver(MemoryDestination(before=before), notebook, 2)
    assert notebook.told("refused") == notebook.told("record") == []


def test_a_repetition_that_is_answered_ends_the_doubt() -> None:
    """No answer, then a good one: recorded as accepted, begun once."""
    notebook = Notebook()
    _deliver(_raising(Unavailable("broken"), 1), notebook, 2)
    assert notebook.names == ["hold", "begin", "hold", "hold", "record"]
    assert {r.outcome for r in notebook.results.values()} == {Outcome.ACCEPTED}


def test_a_guilty_item_is_recorded_apart_from_the_others() -> None:
    """Halving: what passes is recorded at once, the guilty one with Microsoft's words, and nothing twice."""
    notebook = Notebook()
    destination = MemoryDestination(guilty={"host3.example": "the pattern is wrong"})
    _deliver(destination, notebook, 8)
    assert sorted(notebook.told("record")) == _names(*range(8))
    assert notebook.told("begin") == _names(*range(8))
    rejected = {value: r for value, r in notebook.results.items() if r.outcome is Outcome.REJECTED}
    assert {value: r.reason for value, r in rejected.items()} == {"host3.example": Reason.REJECTED}
    assert notebook.told("refused") == []


def test_in_the_middle_of_halving_only_what_is_open_is_given_back() -> None:
    """Half of a batch is there when the permission goes: the other half has not arrived."""
    notebook = Notebook()

    def before(number: int) -> None:
        if number == 3:
            raise PermissionRefused("role removed")

    _deliver(MemoryDestination(guilty={"host7.example": "no"}, before=before), notebook, 8)
    assert notebook.told("record") == _names(0, 1, 2, 3)
    assert notebook.told("refused") == _names(4, 5, 6, 7)


def test_everything_refused_alike_is_given_back_and_not_recorded() -> None:
    """Nobody is to blame, so no row says so; and those of a small batch can be taken back."""
    notebook = Notebook()
    destination = MemoryDestination(guilty=dict.fromkeys(_names(*range(9)), "not today"), size=8)
    delivered, sender = _deliver(destination, notebook, 9)
    assert delivered.state is State.PAUSED
    assert notebook.told("refused") == _names(*range(8))
    assert notebook.told("record") == []
    assert sender.wrongly_rejected() == []


def test_a_small_batch_that_was_blamed_first_can_be_taken_back() -> None:
    """A batch of one has no other to compare with; the next batch shows that the cause is not the item's."""

    class ShortBatchFirst(MemoryDestination):
        """Sends the last one alone, before the others."""

        def batches(self, dues: Sequence[Due]) -> list[list[Due]]:
            return [list(dues[-1:]), list(dues[:-1])]

    notebook = Notebook()
    destination = ShortBatchFirst(guilty=dict.fromkeys(_names(*range(9)), "not today"))
    delivered, sender = _deliver(destination, notebook, 9)
    assert delivered.results == {}
    assert notebook.told("record") == _names(8)
    assert [o.value for o in sender.wrongly_rejected()] == _names(8)


def test_what_the_survey_refuses_is_left_out_before_anything_begins() -> None:
    """Somebody else's entry: its reason is written, no request carries it, and it was never in flight."""
    notebook = Notebook()
    destination = MemoryDestination(foreign={"host1.example"})
    _deliver(destination, notebook, 3)
    assert notebook.names == ["hold", "left_out", "begin", "hold", "record"]
    assert notebook.told("left_out") == _names(1)
    assert notebook.told("begin") == _names(0, 2)
    assert notebook.results["host1.example"].reason is Reason.ALREADY_THERE


def test_a_withdrawal_is_booked_alike_and_surveys_nothing() -> None:
    """It takes back what is ours by id; others' entries do not matter."""
    destination = MemoryDestination(foreign={"host1.example"})
    _deliver(destination, Notebook(), 1)
    assert set(destination.held) == {"host0.example"}
    notebook = Notebook()
    delivered, _ = _deliver(destination, notebook, 2, withdrawing=True)
    assert destination.held == {}
    assert notebook.names == ["begin", "hold", "record"]
    assert {r.outcome for r in delivered.results.values()} == {Outcome.ACCEPTED}


@pytest.mark.parametrize("call", ["begin", "hold"])
def test_no_request_begins_that_cannot_be_booked(call: str) -> None:
    """The lease is lost or the disk is full: nothing goes out, and the ledger's words are the message."""

    def fails(name: str) -> None:
        if name == call:
            raise LedgerError("The ledger is full.")

    destination = MemoryDestination()
    delivered, sender = _deliver(destination, Notebook(fails=fails), 2)
    assert destination.requests == []
    assert (delivered.state, delivered.reason, delivered.message) == (
        State.OK,
        Reason.NOT_IN_TIME,
        "The ledger is full.",
    )
    assert sender.answered == 0


def test_an_answer_that_cannot_be_booked_is_no_answer() -> None:
    """It was accepted, but the ledger does not know: it is pending, and the request is repeated some day."""

    def fails(name: str) -> None:
        if name == "record":
            raise LedgerError("The ledger is full.")

    destination = MemoryDestination(size=1)
    delivered, sender = _deliver(destination, Notebook(fails=fails), 3)
    assert destination.requests == [1]
    assert (delivered.results, delivered.message, sender.answered) == ({}, "The ledger is full.", 0)


def test_what_another_thread_has_begun_is_given_back_when_the_sending_ends() -> None:
    """A thread that waits for its turn when another one meets a 403 has sent nothing."""
    both = threading.Barrier(2, timeout=10)

    class Together(Notebook):
        """Lets no thread go on before both have begun."""

        def begin(self, batch: Sequence[Due]) -> list[Due]:
            begun = super().begin(batch)
            both.wait()
            return begun

    def before(number: int) -> None:
        raise PermissionRefused("no")

    notebook = Together()
    destination = MemoryDestination(size=1, in_flight=2, before=before)
    sender = Sender(destination, Limiter(Limit(1, 60)), None, FAST, notebook)
    sender.start(_dues(2))
    assert sender.wait().state is State.REFUSED
    assert destination.requests == [1]
    assert sorted(notebook.told("refused")) == sorted(notebook.told("begin")) == _names(0, 1)


def test_the_wait_that_microsoft_asked_for_is_told() -> None:
    """So that the pause of the destination is at least as long."""

    def always(number: int) -> None:
        raise Throttled("in an hour", retry_after=3600)

    delivered, _ = _deliver(MemoryDestination(before=always), Notebook(), 1)
    assert (delivered.state, delivered.retry_after) == (State.THROTTLED, 3600)


def test_another_request_that_succeeds_does_not_shorten_the_wait() -> None:
    """A 429 has ended the sending while another request was under way, which is answered well a little later."""
    both, refused = threading.Barrier(2, timeout=10), threading.Event()

    def before(number: int) -> None:
        both.wait()
        if number == 1:
            refused.set()
            raise Throttled("in five minutes", retry_after=300)
        refused.wait(10)
        time.sleep(0.2)

    destination = MemoryDestination(size=1, in_flight=2, before=before)
    delivered, _ = _deliver(destination, Notebook(), 2)
    assert len(delivered.results) == 1
    assert (delivered.state, delivered.message, delivered.retry_after) == (State.THROTTLED, "in five minutes", 300)
