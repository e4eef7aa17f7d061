"""Microsoft misbehaves at the network: each indicator gets the right outcome, and no arrival is made up."""

from __future__ import annotations

import time
from typing import Any

import pytest

from misp_modules_ext.config import load
from misp_modules_ext.delivery.sender import Policy
from misp_modules_ext.delivery.submit import Order, submit
from misp_modules_ext.model.account import Account, DestinationAccount
from misp_modules_ext.model.outcome import Outcome, Reason, State
from misp_modules_ext.report import check_identity, exit_code
from tests.support.build import attribute, event
from tests.support.world import SECRET, World

QUICK = Policy(attempts=3, first_wait=0.05, longest_wait=5, request_timeout=3)


def _push(
    world: World, count: int = 250, only: str = "microsoft", deadline: float | None = None, **every: str
) -> Account:
    """Push `count` domains to one destination and check that the account is true."""
    config = world.configure(only=(only,), **every)
    now = int(time.time())
    attributes = [attribute("domain", f"host{n}.evil.example", timestamp=now) for n in range(count)]
    limit = None if deadline is None else time.monotonic() + deadline
    account = submit([event(*attributes)], load(config), Order("cli", deadline=limit), QUICK)
    assert check_identity(account) == []
    _claims_only_what_is_there(world, account.destinations[0])
    return account


def _claims_only_what_is_there(world: World, destination: DestinationAccount) -> None:
    """Everything accepted is held."""
    held = {
        "sentinel": {p.split("'")[1] for p in world.patterns()},
        "defender": set(world.defender()),
        "graph": {entity.get("domainName") for entity in world.graph()},
    }[destination.api]
    accepted = {item.value for item in destination.items if item.outcome is Outcome.ACCEPTED}
    assert accepted <= held


def _only(account: Account) -> DestinationAccount:
    (destination,) = account.destinations
    return destination


def _reasons(account: Account) -> set[Reason | None]:
    return {item.reason for item in _only(account).items}


@pytest.mark.parametrize(("only", "requests"), [("microsoft", 3), ("microsoft defender", 1), ("microsoft graph", 3)])
def test_peers_06_as_few_requests_as_the_api_allows(world: World, only: str, requests: int) -> None:
    """PEERS 6: 250 domains arrive in full batches, not in one POST for each."""
    account = _push(world, only=only)
    assert _only(account).counts["accepted"] == 250
    assert len(world.uploads()) == requests
    assert exit_code(account) == 0


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("AADSTS7000215", "value"),
        ("AADSTS7000222", "expired"),
        ("AADSTS700016", "appId"),
        ("AADSTS7000112", "disabled"),
    ],
)
def test_refused_credentials(world: World, code: str, word: str) -> None:
    """Wrong and expired secrets, unknown and disabled applications: refused, pending, with a hint."""
    world.emulator.fault(api="login", status=401, code=code)
    account = _push(world)
    assert _only(account).state is State.REFUSED
    assert _reasons(account) == {Reason.CREDENTIALS_REFUSED}
    assert code in _only(account).message
    assert word in _only(account).message
    assert SECRET not in str(account)
    assert exit_code(account) == 4


def test_a_corrected_secret_works_at_once(world: World) -> None:
    """No refusal is remembered beyond its request."""
    world.emulator.fault(api="login", status=401, code="AADSTS7000215", times=1)
    assert _only(_push(world)).state is State.REFUSED
    assert _only(_push(world)).counts["accepted"] == 250


@pytest.mark.parametrize(
    ("only", "api", "word"),
    [("microsoft", "sentinel", "Contributor"), ("microsoft defender", "defender", "Ti.ReadWrite")],
)
def test_missing_permission(world: World, only: str, api: str, word: str) -> None:
    """403 names the role or permission that is missing."""
    world.emulator.fault(api=api, status=403)
    account = _push(world, only=only)
    assert _only(account).state is State.REFUSED
    assert _reasons(account) == {Reason.PERMISSION_REFUSED}
    assert word in _only(account).message
    assert exit_code(account) == 4


def test_unknown_workspace(world: World) -> None:
    """404 says that workspaceId is the GUID."""
    world.emulator.fault(api="sentinel", status=404)
    account = _push(world)
    assert _only(account).state is State.MISCONFIGURED
    assert _reasons(account) == {Reason.NOT_FOUND}
    assert "workspaceId" in _only(account).message


@pytest.mark.parametrize("retry_after", [None, 0, 1])
def test_peers_01_a_429_loses_nothing(world: World, retry_after: int | None) -> None:
    """PEERS 1: with and without Retry-After all 250 arrive, and 250 are reported."""
    fault: dict[str, Any] = {"api": "sentinel", "status": 429, "times": 1}
    world.emulator.fault(**fault | ({} if retry_after is None else {"retryAfter": retry_after}))
    account = _push(world)
    assert _only(account).counts["accepted"] == 250
    assert len(world.patterns()) == 250


def test_peers_01_endless_429s_report_what_did_not_arrive(world: World) -> None:
    """PEERS 1: a batch that was throttled away is pending, never reported as pushed."""
    world.emulator.fault(api="defender", status=429, path="/import", retryAfter=60)
    account = _push(world, only="microsoft defender")
    assert _only(account).state is State.THROTTLED
    assert _only(account).counts["pending"] == 250
    assert world.defender() == []
    assert exit_code(account) == 3


def test_peers_04_failures_are_never_counted_as_pushed(world: World) -> None:
    """PEERS 4: a storm of 500s is bounded, everything is pending, and the exit code says so."""
    world.emulator.fault(api="sentinel", status=500)
    account = _push(world, 50)
    assert _only(account).state is State.UNREACHABLE
    assert _reasons(account) == {Reason.UNREACHABLE}
    assert len(world.uploads()) == 3
    assert exit_code(account) == 3


def test_peers_03_a_hanging_server_is_left(world: World) -> None:
    """PEERS 3: every request has a time-out, and the deadline holds."""
    world.emulator.fault(api="sentinel", delay=30)
    began = time.monotonic()
    account = _push(world, 50, deadline=1.5)
    assert time.monotonic() - began < 3
    assert _only(account).counts["pending"] == 50


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_lost_answer_is_asked_for_again(world: World, drop: str) -> None:
    """Whether or not the request took effect, repeating it leaves each indicator once."""
    world.emulator.fault(api="sentinel", drop=drop, times=1)
    account = _push(world)
    assert _only(account).counts["accepted"] == 250
    assert len(world.patterns()) == 250


@pytest.mark.parametrize("only", ["microsoft", "microsoft defender", "microsoft graph"])
def test_peers_02_item_errors_in_a_good_answer_are_read(world: World, only: str) -> None:
    """PEERS 2: a partial answer rejects its items and accepts the others."""
    api = {"microsoft": "sentinel"}.get(only, only.rsplit(maxsplit=1)[-1])
    path = {"defender": {"path": "/import"}, "graph": {"path": "/submitTiIndicators"}}.get(api, {})
    # Not for one request only: what an earlier test gave up may be repeated at this moment.
    world.emulator.fault(api=api, itemErrors=[3, 7], **path)
    account = _push(world, 90, only=only)
    rejected = [item for item in _only(account).items if item.outcome is Outcome.REJECTED]
    assert {item.value for item in rejected} == {"host3.evil.example", "host7.evil.example"}
    assert all(item.message for item in rejected)
    assert _only(account).counts["accepted"] == 88
    assert exit_code(account) == 1


@pytest.mark.parametrize("only", ["microsoft", "microsoft defender"])
def test_peers_02_one_guilty_item_costs_itself(world: World, only: str) -> None:
    """PEERS 2: a whole batch answered 400 is halved to the guilty item; all others arrive."""
    api = {"microsoft": "sentinel", "microsoft defender": "defender"}[only]
    world.emulator.fault(api=api, match="host42.", message="The pattern of host42 is not accepted")
    account = _push(world, only=only)
    rejected = [item for item in _only(account).items if item.outcome is Outcome.REJECTED]
    assert [item.value for item in rejected] == ["host42.evil.example"]
    assert "not accepted" in rejected[0].message
    assert _only(account).counts["accepted"] == 249


@pytest.mark.parametrize("only", ["microsoft", "microsoft defender"])
def test_a_refusal_of_everything_blames_nobody(world: World, only: str) -> None:
    """A 400 whose cause is not the items': paused, pending, few requests, nothing rejected."""
    api = {"microsoft": "sentinel", "microsoft defender": "defender"}[only]
    world.emulator.fault(api=api, status=400, method="POST", message="This workspace does not take part in the preview")
    account = _push(world, only=only)
    assert _only(account).state is State.PAUSED
    assert _reasons(account) == {Reason.PAUSED}
    assert "preview" in _only(account).message
    assert len(world.uploads()) < 120


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_retired_graph(world: World, status: int) -> None:
    """Whatever way the retired API says no, the destination is retired and names the alternative."""
    world.emulator.fault(api="graph", status=status)
    account = _push(world, only="microsoft graph")
    assert _only(account).state is State.RETIRED
    assert _reasons(account) == {Reason.RETIRED}


def test_nobody_listens(world: World) -> None:
    """A closed port: unreachable, with a sentence."""
    account = _push(world, 3, **{"endpoint.api": "https://127.0.0.1:9"})
    assert _only(account).state is State.UNREACHABLE
    assert "127.0.0.1" in _only(account).message


def test_an_untrusted_certificate(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the CA nothing is sent, and the message names the key `ca`."""
    config = world.configure(only=("microsoft",))
    config.write_text("\n".join(line for line in config.read_text().splitlines() if not line.startswith("ca ")))
    account = submit([event(attribute(timestamp=int(time.time())))], load(config), Order("cli"), QUICK)
    assert account.destinations[0].counts["pending"] == 1
    assert "ca" in account.destinations[0].message
    assert world.uploads() == []


def test_verification_holds_against_the_environment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """REQUESTS_CA_BUNDLE neither switches verification off nor replaces the configured CA."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent/bundle.pem")
    monkeypatch.setenv("CURL_CA_BUNDLE", "/nonexistent/bundle.pem")
    assert _only(_push(world, 3)).counts["accepted"] == 3


def test_one_failing_destination_holds_up_no_other(world: World) -> None:
    """Sentinel is down, Defender and Graph receive everything."""
    world.emulator.fault(api="sentinel", status=500)
    config = world.configure()
    attributes = [attribute("domain", f"host{n}.evil.example", timestamp=int(time.time())) for n in range(5)]
    account = submit([event(*attributes)], load(config), Order("cli"), QUICK)
    assert [d.counts["accepted"] for d in account.destinations] == [0, 5, 5]
    assert check_identity(account) == []


def test_someone_elses_entry_is_left_alone(world: World) -> None:
    """A value that another application has put into Defender is neither changed nor claimed."""
    first = world.configure(only=("microsoft defender",), sourceSystem="Somebody else")
    moment = int(time.time())
    theirs = event(attribute("domain", "host1.evil.example", timestamp=moment), info="Theirs")
    submit([theirs], load(first), Order("cli"), QUICK)
    account = _push(world, 3, only="microsoft defender")
    assert [item.reason for item in _only(account).items] == [None, Reason.ALREADY_THERE, None]
    titles = {e["indicatorValue"]: e["title"] for held in world.emulator.state()["defender"].values() for e in held}
    assert titles["host1.evil.example"] == "Theirs"


def test_max_per_event(world: World) -> None:
    """More than `maxPerEvent` new indicators are skipped with that reason."""
    account = _push(world, 5, maxPerEvent="3")
    assert _only(account).counts["accepted"] == 3
    assert _only(account).counts["skipped"] == 2
    assert _reasons(account) == {None, Reason.MAX_PER_EVENT}


def test_a_closed_door(world: World) -> None:
    """A destination that is not open to this door gets nothing and says which doors it has."""
    account = _push(world, 2, doors="sync")
    assert _reasons(account) == {Reason.DOOR_CLOSED}
    assert world.uploads() == []
