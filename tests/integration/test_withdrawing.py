"""What withdraws, and what never does: our own reading of MISP, other events, entries of others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from misp_modules_ext.config import load
from misp_modules_ext.config.settings import Settings
from misp_modules_ext.delivery.acting import places
from misp_modules_ext.delivery.reconcile import Wanted, settle
from misp_modules_ext.delivery.rounds import Rounds
from misp_modules_ext.delivery.submit import Order, submit
from misp_modules_ext.ledger import Origin, holds, open_ledger, schema
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.model.outcome import Reason
from tests.support.build import NOW, due, event
from tests.support.compared import (
    BEFORE,
    DEFENDER,
    ONE,
    QUICK,
    SENTINEL,
    THREE,
    TWO,
    compared,
    configure,
    domains,
    push,
    row_of,
    shown,
    somebody,
)
from tests.support.keys import misp_key
from tests.support.misp_server import Fault, MispServer
from tests.support.misp_world import World as Misp
from tests.support.world import World


def test_peers_22_a_value_of_another_event_is_not_withdrawn(world: World) -> None:
    """PEERS 22: our own reading takes it from one event; the other one still vouches for it."""
    settings = load(world.configure(only=(SENTINEL, DEFENDER)))
    first, second = domains(ONE, TWO), domains(ONE, uuid="0e0e0e0e-0000-4000-8000-000000000000")
    push(settings, first, replace(second, attributes=(replace(second.attributes[0], uuid=_uuid(7)),)))
    own = Order("cli", origin=Origin.OWN_READING)
    off = tuple(replace(a, to_ids=False, timestamp=BEFORE + 10) for a in first.attributes)
    submit([replace(first, attributes=off, timestamp=NOW + 10, complete=True)], settings, own, QUICK)
    assert (shown(world, SENTINEL), shown(world, DEFENDER)) == ({ONE}, {ONE})


def _uuid(number: int) -> str:
    return f"0a0a0a0a-0000-4000-8000-{number:012d}"


def test_peers_22_entries_of_others_are_never_deleted(world: World) -> None:
    """PEERS 22: the same value of somebody else's at Defender outlives withdrawals, holds and reconcile."""
    settings = configure(world, DEFENDER)
    theirs = somebody(settings, source_system="Another tool")
    theirs.send([due(Kind.DOMAIN_NAME, ONE), due(Kind.DOMAIN_NAME, THREE)], 10.0)
    account = push(settings, domains(ONE, TWO))
    reasons = {item.value: item.reason for item in account.destinations[0].items}
    assert reasons == {ONE: Reason.ALREADY_THERE, TWO: None}
    assert row_of(settings, ONE).remote_id is None
    own = Order("cli", origin=Origin.OWN_READING)
    submit([replace(domains(), timestamp=NOW + 10, complete=True)], settings, own, QUICK)
    found = compared(settings)
    settle(found, Wanted(True, True, True), settings)
    assert found.findings == []
    assert shown(world, DEFENDER) == {ONE, THREE}
    (place,) = places(settings, ())
    numbers = [observable_id(Observable(Kind.DOMAIN_NAME, value)) for value in (ONE, TWO)]
    assert place.ledger.write(lambda c: holds.take_back(c, place.store, numbers, lifted=True)) == set()
    Rounds("test", "worker", QUICK).go(settings, wait=True)
    assert shown(world, DEFENDER) == {ONE, THREE}


KEY = misp_key()
Cause = Callable[[Misp, str, str], None]


def _with_warning(misp: Misp, event_uuid: str, attribute_uuid: str) -> None:
    misp.edit(attribute_uuid, warnings=("List of known Office 365 URLs",))


CAUSES: dict[str, Cause] = {
    "flag off": lambda misp, _, a: misp.set_to_ids(a, on=False),
    "deleted": lambda misp, _, a: misp.delete_attribute(a),
    "deleted for good": lambda misp, _, a: misp.delete_attribute(a, hard=True),
    "another value": lambda misp, _, a: misp.edit(a, value="new.evil.example"),
    "stricter tag": lambda misp, _, a: misp.tag(a, "tlp:red"),
    "narrower": lambda misp, _, a: misp.edit(a, distribution=0),
    "warninglist": _with_warning,
    "event gone": lambda misp, e, _: misp.delete_event(e),
    "event unpublished": lambda misp, e, _: misp.unpublish(e),
}


@contextmanager
def _misp() -> Iterator[tuple[MispServer, str]]:
    made = Misp(lambda: int(time.time()))
    org = made.add_org("Ours")
    made.add_user(KEY, org, perm_auth=True)
    uuid = made.add_event(org, distribution=1)
    for value in (ONE, TWO):
        made.add_attribute(uuid, "domain", value, to_ids=True)
    made.publish(uuid)
    with MispServer(made) as server:
        yield server, uuid


def _let_the_grace_pass(settings: Settings) -> None:
    columns = (schema.event.c.unpublished_since_ms, schema.event.c.missing_since_ms)
    earlier = schema.event.update().values({column: column - 61_000 for column in columns})
    open_ledger(settings.ledger.url.get_secret_value()).write(lambda connection: connection.execute(earlier))


@pytest.mark.parametrize("cause", list(CAUSES))
def test_peers_23_every_cause_in_misp_withdraws(world: World, cause: str) -> None:
    """PEERS 23: what peers are blind to, seen by our own reading of MISP."""
    with _misp() as (server, uuid):
        selection = {
            "unpublishedGrace": "1 minute",
            "missingGrace": "1 minute",
            "minDistribution": "1",
            "warninglists": "List of known Office 365 URLs",
        }
        config = world.configure(selection, (SENTINEL, DEFENDER), misp={"url": server.url, "key": KEY})
        settings = load(config)
        submit([event(uuid=uuid)], settings, Order("cli", read_later=True), QUICK)
        Rounds("test", "worker", QUICK).go(settings, wait=True)
        assert (shown(world, SENTINEL), shown(world, DEFENDER)) == ({ONE, TWO}, {ONE, TWO})
        misp = server.world
        first = next(a.uuid for a in misp.events[uuid].attributes if a.value == ONE)
        CAUSES[cause](misp, uuid, first)
        if uuid in misp.events and cause != "event unpublished":
            misp.publish(uuid)
        for grace in (True, False) if cause.startswith("event") else (False,):
            submit([event(uuid=uuid)], settings, Order("cli", read_later=True), QUICK)
            Rounds("test", "worker", QUICK).go(settings, wait=True)
            assert not grace or shown(world, SENTINEL) == {ONE, TWO}
            _let_the_grace_pass(settings)
        left = set() if cause.startswith("event") else {TWO}
        left |= {"new.evil.example"} if cause == "another value" else set()
        assert (shown(world, SENTINEL), shown(world, DEFENDER)) == (left, left)


@pytest.mark.parametrize("fault", ["status", "truncate"])
def test_peers_23_an_unread_misp_withdraws_nothing(world: World, fault: str) -> None:
    """An error is no evidence of absence."""
    with _misp() as (server, uuid):
        settings = load(world.configure(None, (SENTINEL,), misp={"url": server.url, "key": KEY}))
        submit([event(uuid=uuid)], settings, Order("cli", read_later=True), QUICK)
        Rounds("test", "worker", QUICK).go(settings, wait=True)
        server.world.delete_attribute(server.world.events[uuid].attributes[0].uuid)
        server.world.publish(uuid)
        many = [Fault(path="restSearch", status=500) if fault == "status" else Fault(path="restSearch", truncate=True)]
        server.faults += many * 20
        submit([event(uuid=uuid)], settings, Order("cli", read_later=True), QUICK)
        Rounds("test", "worker", QUICK).go(settings, wait=True)
        assert shown(world, SENTINEL) == {ONE, TWO}
