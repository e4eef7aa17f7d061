"""Whether values were seen: statistics, advanced hunting and Log Analytics of the emulator, over TLS."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Any

import pytest
import requests

from misp_modules_ext.config.settings import Api
from misp_modules_ext.destinations import create
from misp_modules_ext.destinations.looking import (
    ASKED_HUNTING,
    ASKED_LOGS,
    ASKED_STATISTICS,
    LooksUp,
    Probe,
    Sighting,
)
from misp_modules_ext.emulator import Behaviour, Emulator
from misp_modules_ext.model.indicator import Kind, Observable
from tests.unit.destinations.values import VALUES

from .conftest import APP, SECRET, TENANT, WORKSPACE, Make, settings_for

pytestmark = pytest.mark.usefixtures("unhurried")

DAY = 86_400
DOMAIN = Observable(Kind.DOMAIN_NAME, "c2.evil.example")
URL = Observable(Kind.URL, "http://evil.example/Gate.php?a='b'")
ADDRESS = Observable(Kind.IPV6_ADDR, "2001:db8::1")
SHA1 = Observable(Kind.FILE_SHA1, "ab" * 20)
SHA256 = Observable(Kind.FILE_SHA256, "cd" * 32)
MAIL = Observable(Kind.EMAIL_ADDR, "bad@evil.example")


def _ago(seconds: float) -> str:
    return datetime.fromtimestamp(time.time() - seconds, timezone.utc).isoformat()


def _saw(emulator: Emulator, value: str, **fields: Any) -> None:
    order = {"value": value, "first": _ago(2 * DAY), "last": _ago(DAY), "count": 7, "devices": 3, **fields}
    answer = requests.post(f"{emulator.url}/_emulator/sightings", json=[order], verify=str(emulator.ca), timeout=10)
    assert answer.status_code == 200, answer.text


def _probes(make: Make, asked: str, *observables: Observable, days: float = 30) -> list[Probe[Sighting]]:
    destination = make(Api.SENTINEL if asked == ASKED_LOGS else Api.DEFENDER)
    assert isinstance(destination, LooksUp)
    since = int(time.time() - days * DAY)
    return [probe for probe in destination.estate(observables, since) if probe.asked == asked]


def _ask(make: Make, asked: str, *observables: Observable, days: float = 30) -> list[Sighting]:
    return [one for probe in _probes(make, asked, *observables, days=days) for one in probe.ask(20.0)]


@pytest.mark.parametrize("observable", [DOMAIN, ADDRESS, SHA1, SHA256])
def test_statistics_count_devices(make: Make, emulator: Emulator, observable: Observable) -> None:
    """Nothing before it was seen (404 of a file, prevalence 0 of the others); then how many, since when, until when."""
    assert _ask(make, ASKED_STATISTICS, observable) == []
    _saw(emulator, observable.value)
    (found,) = _ask(make, ASKED_STATISTICS, observable)
    assert (found.observable, found.source, found.times, found.devices) == (observable, ASKED_STATISTICS, 3, 3)
    assert found.first == pytest.approx(time.time() - 2 * DAY, abs=60)
    assert found.last == pytest.approx(time.time() - DAY, abs=60)


@pytest.mark.parametrize(
    ("observable", "tables"),
    [
        (DOMAIN, {"DeviceNetworkEvents", "EmailUrlInfo", "EmailEvents", "AlertEvidence"}),
        (URL, {"DeviceNetworkEvents", "EmailUrlInfo", "UrlClickEvents", "AlertEvidence"}),
        (ADDRESS, {"DeviceNetworkEvents", "EmailEvents", "AlertEvidence"}),
        (Observable(Kind.FILE_MD5, "ef" * 16), {"DeviceFileEvents", "DeviceProcessEvents"}),
        (SHA1, {"DeviceFileEvents", "DeviceProcessEvents", "AlertEvidence"}),
        (SHA256, {"DeviceFileEvents", "DeviceProcessEvents", "EmailAttachmentInfo", "AlertEvidence"}),
        (MAIL, {"EmailEvents"}),
    ],
)
def test_advanced_hunting_says_where_it_was_seen(
    make: Make, emulator: Emulator, observable: Observable, tables: set[str]
) -> None:
    """Each table once, with devices where it knows them."""
    assert _ask(make, ASKED_HUNTING, observable) == []
    _saw(emulator, observable.value)
    found = _ask(make, ASKED_HUNTING, observable)
    assert {one.source for one in found} == tables
    assert len(found) == len(tables)
    for one in found:
        assert (one.observable, one.times) == (observable, 7)
        assert one.devices == (None if one.source.startswith(("Email", "Url")) else 3)
        assert one.last == pytest.approx(time.time() - DAY, abs=60)


@pytest.mark.parametrize(
    ("observable", "tables"),
    [
        (DOMAIN, {"CommonSecurityLog", "DnsEvents", "AlertEvidence"}),
        (URL, {"CommonSecurityLog", "AlertEvidence"}),
        (ADDRESS, {"CommonSecurityLog", "AlertEvidence"}),
        (SHA256, {"CommonSecurityLog", "AlertEvidence"}),
    ],
)
def test_log_analytics_says_where_it_was_seen(
    make: Make, emulator: Emulator, observable: Observable, tables: set[str]
) -> None:
    """In the tables of the workspace."""
    assert _ask(make, ASKED_LOGS, observable) == []
    _saw(emulator, observable.value, workspace=WORKSPACE)
    assert {one.source for one in _ask(make, ASKED_LOGS, observable)} == tables


@pytest.mark.parametrize("asked", [ASKED_STATISTICS, ASKED_HUNTING, ASKED_LOGS])
def test_what_was_seen_before_the_window_or_elsewhere_is_not_told(make: Make, emulator: Emulator, asked: str) -> None:
    """A last time before it, another tenant, another workspace; a first time before it is no time of the window."""
    _saw(emulator, DOMAIN.value, first=_ago(30 * DAY), last=_ago(2 * DAY + 7200))
    assert _ask(make, asked, DOMAIN, days=2) == []
    assert _ask(make, asked, DOMAIN, days=3) != []
    emulator.reset()
    _saw(emulator, DOMAIN.value, tenant="another", workspace="another")
    assert _ask(make, asked, DOMAIN) == []
    emulator.reset()
    _saw(emulator, DOMAIN.value, first=_ago(9 * DAY))
    for one in _ask(make, asked, DOMAIN, days=3):
        assert one.first is None or one.first >= time.time() - 3 * DAY - 60


def test_a_host_within_a_url_is_a_sighting_of_the_domain(make: Make, emulator: Emulator) -> None:
    """By exact name: a subdomain is another one."""
    _saw(emulator, "https://c2.evil.example:8443/a", table="DeviceNetworkEvents")
    _saw(emulator, "https://sub.c2.evil.example/a", table="AlertEvidence")
    assert [(one.source, one.times) for one in _ask(make, ASKED_HUNTING, DOMAIN)] == [("DeviceNetworkEvents", 7)]


def test_spellings_of_a_value_are_one(make: Make, emulator: Emulator) -> None:
    """Capitals, and IPv6 with all segments."""
    _saw(emulator, SHA1.value.upper(), table="DeviceFileEvents")
    _saw(emulator, "2001:DB8:0:0:0:0:0:1", table="CommonSecurityLog")
    assert [one.observable for one in _ask(make, ASKED_HUNTING, SHA1)] == [SHA1]
    assert [one.observable for one in _ask(make, ASKED_LOGS, ADDRESS)] == [ADDRESS]


def test_many_values_are_few_queries(make: Make, emulator: Emulator) -> None:
    """One for each kind and 200 values; every one that was seen is told, no other."""
    names = [Observable(Kind.DOMAIN_NAME, f"c{number}.evil.example") for number in range(450)]
    _saw(emulator, names[449].value, table="DnsEvents")
    _saw(emulator, names[3].value, table="EmailUrlInfo")
    assert [one.observable for one in _ask(make, ASKED_HUNTING, *names, SHA1)] == [names[3]]
    assert [one.observable for one in _ask(make, ASKED_LOGS, *names, SHA1)] == [names[449]]
    asked = [one["api"] for one in emulator.requests()]
    assert (asked.count("hunting"), asked.count("logs")) == (4, 4)


def test_kinds_without_a_place_are_not_asked_about(make: Make) -> None:
    """No probe for them, and none for no values."""
    for api in (Api.SENTINEL, Api.DEFENDER):
        destination = make(api)
        assert isinstance(destination, LooksUp)
        assert destination.estate([], 0) == []
        odd = [Observable(kind, VALUES[kind]) for kind in (Kind.MUTEX, Kind.FILE_NAME, Kind.IPV4_CIDR)]
        assert destination.estate([*odd, Observable(Kind.URL, "http://e.example/\ud800")], 0) == []


def test_keys_with_capitals_are_read_too() -> None:
    """As in an older example of Microsoft's."""
    behaviour = Behaviour(hunting_capitals=True)
    with Emulator(rates=False, apps=[(TENANT, APP, SECRET)], behaviour=behaviour) as emulator:
        _saw(emulator, DOMAIN.value)
        destination = create(settings_for(emulator, Api.DEFENDER))
        assert isinstance(destination, LooksUp)
        probes = destination.estate([DOMAIN], int(time.time()) - DAY * 9)
        (hunting,) = (probe for probe in probes if probe.asked == ASKED_HUNTING)
        assert len(hunting.ask(10.0)) == 4


@pytest.mark.parametrize(
    "value",
    [
        'http://e.example/a"]; DeviceInfo | take 1 //',
        "http://e.example/it's/\\'x\\\\",
        "http://e.example/line\nbreak\r\ttab\x00\x07",
        "http://e.example/\u2028\u2029\x85 {{since}} #0 , #1",
        "http://e.example/" + '"\\' * 4096,
    ],
)
def test_a_value_that_would_break_out_is_found_as_itself(make: Make, emulator: Emulator, value: str) -> None:
    """Through to the emulator's own reader: exactly this value, not its neighbour, and no error."""
    wanted = Observable(Kind.URL, value)
    _saw(emulator, value, table="EmailUrlInfo")
    _saw(emulator, value + "/neighbour", table="UrlClickEvents")
    _saw(emulator, value, table="CommonSecurityLog")
    assert [(one.observable, one.source) for one in _ask(make, ASKED_HUNTING, wanted)] == [(wanted, "EmailUrlInfo")]
    assert [(one.observable, one.source) for one in _ask(make, ASKED_LOGS, wanted)] == [(wanted, "CommonSecurityLog")]
