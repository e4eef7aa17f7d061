"""Whether values are at Sentinel and Defender, asked of the emulator over TLS with unmodified msal and requests."""

from __future__ import annotations

import json
import ssl
import time
from collections import Counter
from pathlib import Path
from typing import Any, cast

import pytest

from misp_modules_ext.config.settings import Api
from misp_modules_ext.destinations import create
from misp_modules_ext.destinations.interface import Destination
from misp_modules_ext.destinations.looking import (
    ASKED_DEFENDER,
    ASKED_LOGS,
    ASKED_MANAGEMENT,
    EntryState,
    LooksUp,
    Presence,
    Probe,
)
from misp_modules_ext.emulator import Emulator
from misp_modules_ext.model.indicator import Due, Kind, Observable
from tests.support.build import due
from tests.unit.destinations.values import VALUES

from .conftest import TENANT, Make, settings_for
from .servers import Authority, answer, hear, tls_server
from .test_all import push
from .test_reading_back import PLACE

THEIRS = "Another tool"
DAY = 86_400
#: API of the destination, and which of its questions.
QUESTIONS = [(Api.SENTINEL, ASKED_MANAGEMENT), (Api.SENTINEL, ASKED_LOGS), (Api.DEFENDER, ASKED_DEFENDER)]


def _make(make: Make, api: Api, **fields: Any) -> Destination:
    return make(api, **(PLACE if api is Api.SENTINEL else {}), **fields)


def _probe(destination: Destination, asked: str, observable: Observable) -> Probe[Presence]:
    assert isinstance(destination, LooksUp)
    return next(probe for probe in destination.presence([observable]) if probe.asked == asked)


def _ask(make: Make, api: Api, asked: str, one: Due) -> list[Presence]:
    return list(_probe(_make(make, api), asked, one.indicator.observable).ask(10.0))


def _lasting(kind: Kind = Kind.DOMAIN_NAME, value: str = "c2.evil.example", lasts: int = 30 * DAY) -> Due:
    return due(kind, value, valid_from=int(time.time()) - DAY, valid_until=int(time.time()) + lasts)


@pytest.mark.parametrize(("api", "asked"), QUESTIONS)
def test_a_value_that_is_not_there(make: Make, api: Api, asked: str) -> None:
    """Nothing, also when a value is there that it is a part of."""
    push(_make(make, api), [_lasting(Kind.DOMAIN_NAME, "sub.c2.evil.example")])
    assert _ask(make, api, asked, _lasting()) == []


@pytest.mark.parametrize(("api", "asked"), QUESTIONS)
def test_every_kind_that_is_there_is_found(make: Make, api: Api, asked: str) -> None:
    """All kinds that a destination holds, ours, active, with their end."""
    destination = _make(make, api)
    dues = [_lasting(kind, VALUES[kind]) for kind in Kind]
    dues = [one for one in dues if destination.refuses(one.indicator) is None]
    push(destination, dues)
    for one in dues:
        (found,) = _ask(make, api, asked, one)
        assert found.observable == one.indicator.observable
        assert (found.ours, found.state) == (True, EntryState.ACTIVE)
        assert found.valid_until == one.indicator.valid_until
        if api is Api.DEFENDER:
            assert (found.action, found.severity, found.confidence) == ("Audit", "Medium", None)
        else:
            assert (found.action, found.severity, found.confidence) == ("", "", 50)
        if asked != ASKED_LOGS:
            assert cast("int", found.since) >= time.time() - 300


@pytest.mark.parametrize(("api", "asked"), QUESTIONS)
def test_someone_elses_entry_is_not_ours(make: Make, api: Api, asked: str) -> None:
    """Told apart by the name that it carries."""
    push(_make(make, api, source_system=THEIRS), [_lasting()])
    (found,) = _ask(make, api, asked, _lasting())
    assert not found.ours
    if api is Api.SENTINEL:
        push(_make(make, api), [_lasting()])
        assert sorted(one.ours for one in _ask(make, api, asked, _lasting())) == [False, True]


@pytest.mark.parametrize("asked", [ASKED_MANAGEMENT, ASKED_LOGS])
def test_a_revoked_and_an_expired_indicator_are_said_to_be_so(make: Make, emulator: Emulator, asked: str) -> None:
    """Sentinel keeps both."""
    sentinel = _make(make, Api.SENTINEL)
    revoked, expired = _lasting(), _lasting(Kind.URL, "http://evil.example/a", lasts=-3600)
    push(sentinel, [revoked, expired])
    sentinel.withdraw([revoked], 10.0)
    states = [found.state for one in (revoked, expired) for found in _ask(make, Api.SENTINEL, asked, one)]
    assert states == [EntryState.REVOKED, EntryState.EXPIRED]


def test_what_expired_at_defender_is_gone(make: Make, emulator: Emulator) -> None:
    """Defender deletes it."""
    push(_make(make, Api.DEFENDER), [_lasting(lasts=60)])
    emulator.advance(120)
    try:
        assert _ask(make, Api.DEFENDER, ASKED_DEFENDER, _lasting()) == []
    finally:
        emulator.advance(-120)


def test_a_kind_that_a_destination_cannot_hold_is_not_asked_about(make: Make) -> None:
    """No probe, and so no request."""
    for api in (Api.SENTINEL, Api.DEFENDER):
        destination = _make(make, api)
        assert isinstance(destination, LooksUp)
        for kind in Kind:
            if destination.refuses(due(kind, VALUES[kind]).indicator) is not None and kind is not Kind.X509_SHA1:
                assert destination.presence([Observable(kind, VALUES[kind])]) == []
        assert destination.presence([Observable(Kind.URL, "http://evil.example/\ud800")]) == []


def test_many_values_are_few_requests(make: Make, emulator: Emulator) -> None:
    """One query of Log Analytics for 200, and Defender's list once; each value's own answer, and nobody else's."""
    names = [f"c{number}.evil.example" for number in range(250)]
    there = [_lasting(value=names[number]) for number in (3, 240)]
    wanted = [Observable(Kind.DOMAIN_NAME, name) for name in names]
    for api, asked, requests in ((Api.SENTINEL, ASKED_LOGS, 2), (Api.DEFENDER, ASKED_DEFENDER, 2)):
        destination = make(api)
        push(destination, [*there, _lasting(value="other.evil.example")])
        assert isinstance(destination, LooksUp)
        before = len(emulator.requests())
        found = [one for probe in destination.presence(wanted) for one in probe.ask(20.0)]
        assert sorted(one.observable.value for one in found) == sorted([names[3], names[240]])
        made = [one["api"] for one in emulator.requests()[before:] if one["api"] != "login"]
        assert made == ["logs" if asked == ASKED_LOGS else "defender"] * requests


@pytest.mark.parametrize("kind", [Kind.FILE_SHA256, Kind.IPV6_ADDR])
def test_among_many_values_spellings_are_one(make: Make, emulator: Emulator, kind: Kind) -> None:
    """As others wrote them: hashes in capitals, IPv6 with all segments."""
    others = {Kind.FILE_SHA256: "AB" * 32, Kind.IPV6_ADDR: "2001:0DB8:0000:0000:0000:0000:0000:0001"}
    value = {Kind.FILE_SHA256: "ab" * 32, Kind.IPV6_ADDR: "2001:db8::1"}[kind]
    destination = make(Api.DEFENDER)
    push(destination, [_lasting(kind, value)])
    held = emulator.core.dump()
    held["defender"][TENANT]["entities"][0]["indicatorValue"] = others[kind]
    emulator.core.load(held)
    many = [Observable(Kind.DOMAIN_NAME, f"c{number}.evil.example") for number in range(30)]
    assert isinstance(destination, LooksUp)
    (probe,) = destination.presence([*many, Observable(kind, value)])
    assert [one.observable for one in probe.ask(10.0)] == [Observable(kind, value)]


def test_a_table_cut_at_its_most_rows_hides_no_value(emulator: Emulator, authority: Authority, tmp_path: Path) -> None:
    """Values are asked about in halves until no value can have lost its rows to another."""
    columns = ("Id", "SourceSystem", "ObservableKey", "ObservableValue", "Confidence", "ValidUntil", "Revoked")
    names = ["loud.evil.example", "quiet.evil.example"]
    asked: list[str] = []

    def _talk(connection: ssl.SSLSocket) -> None:
        query = hear(connection)
        asked.append(query)
        about = [name for name in names if name in query]
        # Every row that fits is of the first value.
        shown = [about[0]] * 1000 if about[0] == names[0] else about
        rows = [[str(row), "x", "domain-name:value", value, 50, None, ""] for row, value in enumerate(shown)]
        table = {"columns": [{"name": name, "type": "string"} for name in columns], "rows": rows}
        connection.sendall(answer(json.dumps({"tables": [table]}).encode()))

    both = tmp_path / "both.pem"
    both.write_bytes(emulator.ca.read_bytes() + authority.ca.read_bytes())
    with tls_server(authority, _talk) as address:
        sentinel = create(settings_for(emulator, Api.SENTINEL, ca=both, endpoint_logs=address))
        assert isinstance(sentinel, LooksUp)
        (probe,) = sentinel.presence([Observable(Kind.DOMAIN_NAME, name) for name in names])
        found = Counter(one.observable.value for one in probe.ask(10.0))
    assert found == {names[0]: 1000, names[1]: 1}
    assert len(asked) == 3


def test_without_the_resource_managers_keys_the_workspace_alone_is_asked(make: Make) -> None:
    """`workspaceId` is enough for Log Analytics."""
    sentinel = make(Api.SENTINEL)
    assert isinstance(sentinel, LooksUp)
    assert [probe.asked for probe in sentinel.presence([Observable(Kind.DOMAIN_NAME, "a.example")])] == [ASKED_LOGS]
