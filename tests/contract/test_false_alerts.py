"""Which alerts were false: the emulator's list of alerts over TLS, and answers that no list of alerts has."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import requests

from misp_modules_ext.config.settings import Api
from misp_modules_ext.destinations import create
from misp_modules_ext.destinations.looking import ClassifiesAlerts, FalseAlert
from misp_modules_ext.emulator import Behaviour, Emulator
from misp_modules_ext.errors import Throttled, Unavailable
from misp_modules_ext.model.indicator import Kind

from .conftest import APP, SECRET, TENANT, Make, settings_for
from .servers import Authority, says, tls_server

pytestmark = pytest.mark.usefixtures("unhurried")

DAY = 86_400
FALSE = "falsePositive"
ADDRESS = (Kind.IPV4_ADDR, Kind.IPV6_ADDR)
URL = (Kind.URL, Kind.DOMAIN_NAME)


def _ago(seconds: float) -> str:
    return datetime.fromtimestamp(time.time() - seconds, timezone.utc).isoformat()


def _order(emulator: Emulator, *orders: dict[str, Any]) -> None:
    url = f"{emulator.url}/_emulator/sightings"
    kept = [{"first": _ago(2 * DAY), "last": _ago(DAY), "classification": FALSE, **one} for one in orders]
    assert requests.post(url, json=kept, verify=str(emulator.ca), timeout=10).status_code == 200


def _ask(destination: Any, days: float = 3, timeout: float = 20.0) -> list[FalseAlert]:
    assert isinstance(destination, ClassifiesAlerts)
    return list(destination.false_alerts(int(time.time() - days * DAY), timeout))


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("203.0.113.9", {(ADDRESS, "203.0.113.9")}),
        ("2001:DB8::1", {(ADDRESS, "2001:DB8::1")}),
        ("evil.example", {(URL, "evil.example")}),
        ("https://Evil.example/A", {(URL, "https://Evil.example/A")}),
        ("ab" * 16, {((Kind.FILE_MD5,), "ab" * 16)}),
        ("CD" * 20, {((Kind.FILE_SHA1,), "CD" * 20)}),
        ("ef" * 32, {((Kind.FILE_SHA256,), "ef" * 32)}),
        ("a@evil.example", {((Kind.EMAIL_ADDR,), "a@evil.example"), ((Kind.DOMAIN_NAME,), "evil.example")}),
    ],
)
def test_an_alert_names_its_values_and_nothing_of_the_tenant(
    make: Make, emulator: Emulator, value: str, named: set[Any]
) -> None:
    """Each once, as Microsoft spells them: no device, parent process or recipient."""
    assert _ask(make(Api.DEFENDER)) == []
    _order(emulator, {"value": value})
    found = _ask(make(Api.DEFENDER))
    assert {(one.kinds, one.value) for one in found} == named
    assert len(found) == len(named)
    assert all(one.moment == pytest.approx(time.time() - DAY, abs=60) for one in found)


def test_the_window_and_the_classification_are_asked_for(make: Make, emulator: Emulator) -> None:
    """By the last change; the moment is that of the resolution, if there is one."""
    _order(
        emulator,
        {"value": "old.example", "updated": _ago(4 * DAY)},
        {"value": "new.example", "updated": _ago(0), "resolved": _ago(DAY / 2)},
        {"value": "true.example", "classification": "truePositive"},
    )
    (found,) = _ask(make(Api.DEFENDER))
    assert found.value == "new.example"
    assert found.moment == pytest.approx(time.time() - DAY / 2, abs=60)
    assert len(_ask(make(Api.DEFENDER), days=5)) == 2


def test_pages_are_read_to_the_end_whatever_their_size() -> None:
    """As many requests as pages; each alert once."""
    with Emulator(rates=False, apps=[(TENANT, APP, SECRET)], behaviour=Behaviour(alerts_page=7)) as emulator:
        _order(emulator, *({"value": f"n{number}.example"} for number in range(20)))
        found = _ask(create(settings_for(emulator, Api.DEFENDER)))
        assert sorted(one.value for one in found) == sorted(f"n{number}.example" for number in range(20))
        assert [one["path"] for one in emulator.requests() if one["api"] == "graph"] == ["/v1.0/security/alerts_v2"] * 3


def test_the_documented_rate_is_kept(make: Make, emulator: Emulator) -> None:
    """150 a minute, each page counted; then it is said at once."""
    destination = make(Api.DEFENDER, app_id="22222222-2222-4222-8222-222222222150")
    for _ in range(150):
        with pytest.raises(Exception, match="AADSTS"):
            _ask(destination, timeout=5.0)
    with pytest.raises(Throttled, match="may be asked 150 times in 60 seconds"):
        _ask(destination, timeout=5.0)


def _alert(**fields: Any) -> dict[str, Any]:
    evidence = {"@odata.type": "#microsoft.graph.security.urlEvidence", "url": "evil.example"}
    alert = {"id": "a", "classification": FALSE, "lastUpdateDateTime": "2026-11-24T10:00:00Z", "evidence": [evidence]}
    return {name: value for name, value in (alert | fields).items() if value != "left out"}


def _answer(document: Any) -> bytes:
    text = json.dumps(document).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    return head % len(text) + text


@pytest.fixture
def answering(emulator: Emulator, authority: Authority, tmp_path: Path) -> Callable[[Any], Any]:
    """`answering(document)`: what the destination makes of it as the whole answer."""
    both = tmp_path / "both.pem"
    both.write_bytes(emulator.ca.read_bytes() + authority.ca.read_bytes())

    def _answering(document: Any) -> list[FalseAlert]:
        with tls_server(authority, says(_answer(document))) as address:
            there = settings_for(emulator, Api.DEFENDER, ca=both, endpoint_hunting=address)
            return _ask(create(there), timeout=5.0)

    return _answering


def test_a_list_that_goes_on_elsewhere_is_not_followed(answering: Callable[[Any], Any], emulator: Emulator) -> None:
    """The token goes to no other host, port or scheme."""
    for link in ("https://evil.example/x", f"{emulator.url}/v1.0/security/alerts_v2", "http://127.0.0.1/x", 5):
        with pytest.raises(Unavailable, match=r"goes on at an address that is not Graph's\. What to do: "):
            answering({"value": [_alert()], "@odata.nextLink": link})
    assert not any(one["api"] == "graph" for one in emulator.requests())


def test_a_list_that_leads_back_or_breaks_off_is_none(emulator: Emulator, authority: Authority, tmp_path: Path) -> None:
    """The second page is the first one again, or does not come: half a list is an error."""
    both = tmp_path / "both.pem"
    both.write_bytes(emulator.ca.read_bytes() + authority.ca.read_bytes())
    pages: list[bytes] = []

    def talk(connection: ssl.SSLSocket) -> None:
        if pages:
            says(pages.pop(0))(connection)

    with tls_server(authority, talk) as address:
        destination = create(settings_for(emulator, Api.DEFENDER, ca=both, endpoint_hunting=address))
        page = _answer({"value": [_alert()], "@odata.nextLink": f"{address}/v1.0/security/alerts_v2?$skip=1"})
        last = _answer({"value": [_alert(id="b")]})
        for answers, words in (([page, page], "does not end"), ([page], "closed the connection")):
            pages[:] = answers
            with pytest.raises(Unavailable, match=words):
                _ask(destination, timeout=5.0)
        pages[:] = [page, last]
        assert [one.alert for one in _ask(destination, timeout=5.0)] == ["a", "b"]


def test_a_filter_that_is_not_heeded_makes_no_false_positives(answering: Callable[[Any], Any]) -> None:
    """Only those that say it themselves count."""
    others = [_alert(id=name, classification=name) for name in ("truePositive", "unknown", "FALSEPOSITIVE")]
    assert answering({"value": [*others, _alert(id="b", classification=None)]}) == []
    assert [one.alert for one in answering({"value": [*others, _alert()]})] == ["a"]


@pytest.mark.parametrize("name", ["id", "classification", "evidence"])
def test_an_alert_that_lacks_what_is_relied_on_is_no_absence(answering: Callable[[Any], Any], name: str) -> None:
    """An error, never "there was none"."""
    with pytest.raises(Unavailable, match="not with the documented list of alerts"):
        answering({"value": [_alert(), _alert(**{name: "left out"})]})


def test_odd_evidence_is_passed_over(answering: Callable[[Any], Any]) -> None:
    """Unknown types, other shapes, nothing at all: the rest is read."""
    url = {"@odata.type": "#microsoft.graph.security.urlEvidence", "url": " good.example "}
    odd = [
        None,
        5,
        {},
        {"@odata.type": 7, "url": "x.example"},
        {"@odata.type": "#microsoft.graph.security.newEvidence", "url": "x.example"},
        {**url, "url": {"a": 1}},
        {**url, "url": ""},
        {**url, "url": "beside.example", "roles": ["contextual"]},
        {"@odata.type": "#microsoft.graph.security.fileEvidence", "fileDetails": "none"},
    ]
    assert [one.value for one in answering({"value": [_alert(evidence=[*odd, url])]})] == ["good.example"]
    assert answering({"value": [_alert(evidence=None)]}) == []
    (undated,) = answering({"value": [_alert(lastUpdateDateTime=None, resolvedDateTime="soon")]})
    assert undated.moment is None
    (open_,) = answering({"value": [_alert(resolvedDateTime="0001-01-01T00:00:00Z")]})
    assert open_.moment == 1_795_514_400


def test_names_and_messages_are_read_where_they_are_documented(answering: Callable[[Any], Any]) -> None:
    """Resolved addresses count, the name server and its client do not; of a message its senders and links."""
    kind = "#microsoft.graph.security."

    def address(text: str) -> dict[str, str]:
        return {"@odata.type": f"{kind}ipEvidence", "ipAddress": text}

    resolved = {
        "@odata.type": f"{kind}dnsEvidence",
        "domainName": "evil.example",
        "ipAddresses": [address("203.0.113.1"), address("203.0.113.2")],
        "dnsServerIp": address("203.0.113.53"),
        "hostIpAddress": address("203.0.113.54"),
    }
    message = {
        "@odata.type": f"{kind}analyzedMessageEvidence",
        "senderIp": "203.0.113.3",
        "recipientEmailAddress": "us@tenant.example",
        "urls": ["https://evil.example/a", "https://evil.example/b"],
        "p1Sender": {"emailAddress": "a@evil.example", "domainName": "evil.example", "displayName": "A"},
        "p2Sender": None,
    }
    found = [one.value for one in answering({"value": [_alert(evidence=[resolved, message])]})]
    assert found == [
        "evil.example",
        "203.0.113.1",
        "203.0.113.2",
        "203.0.113.3",
        "https://evil.example/a",
        "https://evil.example/b",
        "a@evil.example",
    ]
