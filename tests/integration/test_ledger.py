"""What the ledger makes of pushes over time, against the emulator over TLS."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from misp_modules_ext.config import load
from misp_modules_ext.delivery.rounds import Rounds
from misp_modules_ext.delivery.sender import Policy
from misp_modules_ext.delivery.submit import Order, submit
from misp_modules_ext.model.account import Account
from misp_modules_ext.model.misp import Event
from misp_modules_ext.model.outcome import Outcome, Reason, State
from tests.support.build import NOW, attribute, event
from tests.support.world import WORKSPACE, World

QUICK = Policy(attempts=2, first_wait=0.05, longest_wait=1.0, request_timeout=10.0)
BEFORE = NOW - 30 * 86_400
EVERYWHERE = ("microsoft", "microsoft defender", "microsoft graph")


def _event(count: int = 5, **fields: object) -> Event:
    attributes = [attribute("domain", f"host{n}.evil.example", timestamp=BEFORE) for n in range(count)]
    return event(*attributes, timestamp=NOW, **fields)  # type: ignore[arg-type]


def _push(world: World, given: Event, **order: object) -> Account:
    return submit([given], load(world.config), Order("cli", **order), QUICK)  # type: ignore[arg-type]


def _outcomes(account: Account) -> list[set[Outcome]]:
    return [{item.outcome for item in d.items} for d in account.destinations]


def _drain(world: World) -> None:
    Rounds("test", "worker", QUICK).go(load(world.config), wait=True)


def test_peers_17_the_second_push_sends_nothing(world: World) -> None:
    """PEERS 17: Sentinel's tables are append-only and billed; not even a token is asked for."""
    assert _outcomes(_push(world, _event())) == [{Outcome.ACCEPTED}] * 3
    before = world.emulator.requests()
    account = _push(world, _event())
    assert _outcomes(account) == [{Outcome.UNCHANGED}] * 3
    assert world.emulator.requests() == before
    assert {d.message for d in account.destinations} == {"Nothing was to be sent, so Microsoft was not asked."}


@pytest.mark.parametrize("only", EVERYWHERE)
def test_peers_18_what_exists_is_changed_and_renewed(world: World, only: str) -> None:
    """PEERS 18: a new comment and a later expiry reach the entry that is there, without a second one."""
    held: dict[str, Callable[[], int]] = {
        "microsoft": lambda: len(world.patterns()),
        "microsoft defender": lambda: len(world.defender()),
        "microsoft graph": lambda: len(world.graph()),
    }
    world.configure(only=(only,), window="1 day")
    first = _push(world, _event(1))
    later = int(time.time()) + 50_000
    seen = attribute("domain", "host0.evil.example", timestamp=NOW, comment="seen again", last_seen=later)
    second = _push(world, event(seen, timestamp=NOW + 10))
    assert _outcomes(second) == [{Outcome.ACCEPTED}]
    expires = [a.destinations[0].items[0].observables[0].expires for a in (first, second)]
    assert expires[0] is not None
    assert expires[1] is not None
    assert expires[1] > expires[0]
    assert held[only]() == 1


@pytest.mark.parametrize("only", EVERYWHERE)
def test_peers_20_a_failed_creation_is_tried_again(world: World, only: str) -> None:
    """PEERS 20: what Microsoft did not take is due, and goes with the next round."""
    world.configure(only=(only,))
    api = {"microsoft": "sentinel"}.get(only, only.rsplit(maxsplit=1)[-1])
    world.emulator.fault(api=api, status=500, times=2)
    assert _outcomes(_push(world, _event())) == [{Outcome.PENDING}]
    account = _push(world, _event())
    assert _outcomes(account) == [{Outcome.ACCEPTED}]


def test_what_waits_goes_with_the_drain(world: World) -> None:
    """A pause is respected by the drain, and ended by whoever pushes with success."""
    world.configure(only=("microsoft",))
    world.emulator.fault(api="sentinel", status=503, times=2)
    account = _push(world, _event())
    assert account.destinations[0].state is State.UNREACHABLE
    assert account.destinations[0].items[0].reason is Reason.UNREACHABLE
    before = len(world.uploads())
    _drain(world)
    assert len(world.uploads()) == before
    _push(world, _event(6))
    assert len(world.patterns()) == 6


def test_a_rejection_stays_until_content_or_configuration_changes(world: World) -> None:
    """What Microsoft refuses is not sent again and again."""
    world.configure(only=("microsoft",))
    world.emulator.fault(api="sentinel", itemErrors=[0], times=1)
    assert _outcomes(_push(world, _event(2))) == [{Outcome.REJECTED, Outcome.ACCEPTED}]
    before = len(world.uploads())
    account = _push(world, _event(2))
    assert _outcomes(account) == [{Outcome.REJECTED, Outcome.UNCHANGED}]
    assert account.destinations[0].items[0].message
    assert len(world.uploads()) == before
    world.configure(only=("microsoft",), wipe=False, confidence="60")
    assert _outcomes(_push(world, _event(2))) == [{Outcome.ACCEPTED}]
    assert len(world.patterns()) == 2


def test_a_request_names_its_destinations(world: World) -> None:
    """What was asked for at one goes to the others neither now nor with a later drain."""
    _push(world, _event(), destinations=("defender",))
    _drain(world)
    assert world.patterns() == []
    assert len(world.defender()) == 5


def test_what_defender_does_not_show_is_not_sent_to_it(world: World) -> None:
    """Its descriptions are cut: more at their end makes no other entry, and another one is sent as soon as it shows."""
    world.configure(only=("microsoft", "microsoft defender"))

    def push(minute: int, comment: str) -> list[set[Outcome]]:
        seen = attribute("domain", "host0.evil.example", timestamp=BEFORE + 60 * minute, comment=comment)
        given = event(seen, timestamp=NOW + minute)
        foretold = _outcomes(_push(world, given, preview=True))
        assert foretold == _outcomes(_push(world, given))
        return foretold

    long = "seen in a campaign " * 10
    assert push(0, long) == [{Outcome.ACCEPTED}, {Outcome.ACCEPTED}]
    for minute, end in enumerate(("against banks", "against retail", ""), 1):
        assert push(minute, long + end) == [{Outcome.ACCEPTED}, {Outcome.UNCHANGED}]
    imports = [r for r in world.uploads() if r["api"] == "defender"]
    assert len(imports) == 1
    assert push(4, "seen in another campaign") == [{Outcome.ACCEPTED}, {Outcome.ACCEPTED}]


def test_a_second_attribute_with_the_same_value_is_not_sent(world: World) -> None:
    """Sentinel shows the event, not its attributes: its tables are billed, and the object would be the same."""
    world.configure(only=("microsoft", "microsoft defender"))
    first = attribute("domain", "c2.evil.example", timestamp=BEFORE)
    second = attribute("hostname", "c2.evil.example", timestamp=BEFORE)
    assert _outcomes(_push(world, event(first, timestamp=NOW))) == [{Outcome.ACCEPTED}] * 2
    before = len(world.uploads())
    assert _outcomes(_push(world, event(first, second, timestamp=NOW + 1))) == [{Outcome.UNCHANGED}] * 2
    assert len(world.uploads()) == before


def test_a_preview_keeps_nothing(world: World) -> None:
    """It says what would go; afterwards nothing is due."""
    assert _outcomes(_push(world, _event(), preview=True)) == [{Outcome.ACCEPTED}] * 3
    _drain(world)
    assert world.uploads() == []
    assert _outcomes(_push(world, _event())) == [{Outcome.ACCEPTED}] * 3


def test_modified_moves_with_content_and_created_stays(world: World) -> None:
    """Rule 3, as the emulator holds it."""
    world.configure(only=("microsoft",))
    _push(world, _event(1))
    first = dict(next(iter(world.emulator.state()["sentinel"][WORKSPACE].values())))
    changed = replace(_event(1, info="Another title"), timestamp=NOW + 1)
    _push(world, changed)
    second = next(iter(world.emulator.state()["sentinel"][WORKSPACE].values()))
    assert second["id"] == first["id"]
    assert second["created"] == first["created"]
    assert second["modified"] > first["modified"]


def test_the_daily_brake_holds_back_what_is_new(world: World) -> None:
    """More than `maxPerDay` wait, with the reason; what was there is still updated."""
    world.configure(only=("microsoft",), maxPerDay="3")
    account = _push(world, _event(5))
    reasons = sorted(str(item.reason) for item in account.destinations[0].items if item.reason)
    assert reasons == ["max-per-day", "max-per-day"]
    assert len(world.patterns()) == 3


def test_a_request_says_what_it_does_not_take_away(world: World) -> None:
    """The flag is off in the request: skipped, still there, and the report says until when."""
    world.configure(only=("microsoft",))
    _push(world, _event(1))
    off = attribute("domain", "host0.evil.example", timestamp=NOW, to_ids=False)
    account = _push(world, event(off, timestamp=NOW + 1))
    (item,) = account.destinations[0].items
    assert (item.outcome, item.reason) == (Outcome.SKIPPED, Reason.TO_IDS_OFF)
    assert "stays until this tool has read the event from MISP itself" in item.message
    assert len(world.patterns()) == 1


def test_a_request_takes_nothing_from_those_it_does_not_name(world: World) -> None:
    """A stricter marking passes where it is pushed; the other destination keeps what it had, and gets it back later."""
    world.configure(only=("microsoft", "microsoft defender"))
    text = world.config.read_text("utf-8").replace("[microsoft defender]\n", "[microsoft defender]\nmaxTlp = green\n")
    world.config.write_text(text, "utf-8")
    _push(world, _event(1, tags=["tlp:green"]))
    stricter = replace(_event(1, tags=["tlp:amber"]), timestamp=NOW + 1)
    _push(world, stricter, destinations=("microsoft",))
    _drain(world)
    assert _outcomes(_push(world, _event(1, tags=["tlp:green"]))) == [{Outcome.UNCHANGED}] * 2
    assert len(world.defender()) == 1
