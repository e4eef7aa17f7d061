"""Defender's list and its entries, without sockets."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from misp_modules_ext.config.settings import Api
from misp_modules_ext.destinations import defender_list, listing
from misp_modules_ext.destinations.answers import Answer
from misp_modules_ext.destinations.defender import Defender
from misp_modules_ext.destinations.defender_payload import entity
from misp_modules_ext.destinations.interface import Entry
from misp_modules_ext.errors import Throttled, Unavailable
from misp_modules_ext.model.indicator import Kind, Observable, Severity
from tests.support.build import NOW, destination, due

from .scripted import API, LOGIN, Scripted, as_json
from .values import HELD_BY_DEFENDER, VALUES

OURS = "MISP-modules-ext"
END = as_json({"value": []})


def _defender(*answers: Answer | Unavailable, **fields: Any) -> tuple[Defender, Scripted]:
    transport = Scripted(list(answers))
    # Request rates are remembered by application.
    app = str(uuid.uuid4())
    settings = destination(api=Api.DEFENDER, endpoint_login=LOGIN, endpoint_api=API, app_id=app, **fields)
    return Defender(settings, transport), transport  # type: ignore[arg-type]


def _item(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": str(number),
        "indicatorValue": f"c{number}.evil.example",
        "indicatorType": "DomainName",
        "action": "Audit",
        "application": OURS,
    } | fields


def _page(*numbers: int) -> Answer:
    return as_json({"value": [_item(number) for number in numbers]})


def _entry(**fields: Any) -> Entry:
    """The one entry of a list that holds this item."""
    (found,) = _defender(as_json({"value": [_item(1, **fields)]}), END)[0].entries(5.0)
    return found


def _ids(entries: list[Entry]) -> list[str]:
    return sorted(entry.remote_id for entry in entries)


def test_defender_can_always_list() -> None:
    """No further key is needed."""
    assert _defender()[0].cannot_list == ""


def test_one_page_and_an_empty_one_are_the_whole_list() -> None:
    """Two requests; others' entries are there too, because they take slots."""
    theirs = _item(2, application="Other")
    api, transport = _defender(as_json({"value": [_item(1), theirs]}), END)
    assert [(entry.remote_id, entry.ours) for entry in api.entries(5.0)] == [("1", True), ("2", False)]
    assert len(transport.of(API)) == 2


def test_a_list_of_several_pages_is_read_until_it_rests() -> None:
    """A deletion between two pages moves an entry into the page that was read: the second reading finds it."""
    moved = (_page(1, 2), _page(4), END)
    resting = (_page(2, 3), _page(4), END)
    api, transport = _defender(*moved, *resting, *resting)
    assert _ids(api.entries(5.0)) == ["2", "3", "4"]
    assert len(transport.of(API)) == 9


def test_a_list_that_never_rests_is_no_list() -> None:
    """Rather no answer than a wrong one."""
    pages = [page for n in range(listing.ATTEMPTS) for page in (_page(n), _page(n + 100), END)]
    with pytest.raises(Unavailable, match="changes while it is read"):
        _defender(*pages)[0].entries(5.0)


def test_a_full_first_page_is_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """There may have been a second one, which a deletion emptied."""
    monkeypatch.setattr(defender_list, "PAGE", 2)
    api, transport = _defender(_page(1, 2), END, _page(2, 3), END, _page(2, 3), END)
    assert _ids(api.entries(5.0)) == ["2", "3"]
    assert len(transport.of(API)) == 6


def test_a_list_that_does_not_end_is_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """Something new on every page, for longer than a tenant can hold."""
    monkeypatch.setattr(defender_list, "MAX_PAGES", 3)
    with pytest.raises(Unavailable, match="does not end"):
        _defender(*(_page(n) for n in range(4)))[0].entries(5.0)


def test_a_used_up_rate_says_so() -> None:
    """Lists have a rate of their own."""
    api, _ = _defender(*[END] * 100)
    for _ in range(100):
        assert api.entries(5.0) == []
    with pytest.raises(Throttled):
        api.entries(5.0)


@pytest.mark.parametrize("kind", sorted(HELD_BY_DEFENDER))
def test_every_kind_comes_back_as_it_went(kind: Kind) -> None:
    """Type and value name the observable, and a fresh entry says nothing else than its due."""
    api, _ = _defender()
    one = due(kind, VALUES[kind])
    entry = _entry(**entity(one, api.settings))
    assert entry.observable == one.indicator.observable
    assert (entry.stix_id, entry.valid_until) == (one.stamp.stix_id, one.indicator.valid_until)
    assert (entry.ours, entry.revoked) == (True, False)
    assert api.differs(entry, one) == ""


@pytest.mark.parametrize(
    ("type_", "value", "observable"),
    [
        ("FileMd5", "0123456789ABCDEF" * 2, Observable(Kind.FILE_MD5, "0123456789abcdef" * 2)),
        ("domainname", " C1.Evil.EXAMPLE ", Observable(Kind.DOMAIN_NAME, "c1.evil.example")),
        ("IpAddress", "2001:DB8:0:0:0:0:0:1", Observable(Kind.IPV6_ADDR, "2001:db8::1")),
        ("IpAddress", "198.51.100.1", Observable(Kind.IPV4_ADDR, "198.51.100.1")),
        ("IpAddress", "198.51.100.0/24", None),
        ("Url", "HTTP://EVIL.example/Path", Observable(Kind.URL, "http://evil.example/Path")),
        ("CertificateThumbprint", "AB" * 20, Observable(Kind.X509_SHA1, "ab" * 20)),
        (None, "c1.evil.example", None),
        ("DomainName", None, None),
    ],
)
def test_other_peoples_spellings(type_: Any, value: Any, observable: Observable | None) -> None:
    """In our spelling where it is a value that we could have sent; else none is guessed."""
    assert _entry(indicatorType=type_, indicatorValue=value).observable == observable


@pytest.mark.parametrize(
    ("fields", "end"),
    [
        ({"expirationTime": "2026-11-24T12:00:00.1234567Z"}, NOW),
        ({"expirationTime": None}, None),
        ({"expirationTime": "soon"}, None),
        ({}, None),
        ({"externalId": 7}, None),
    ],
)
def test_ends_of_entries(fields: dict[str, Any], end: int | None) -> None:
    """Whole seconds; what is none is none."""
    entry = _entry(**fields)
    assert (entry.valid_until, entry.stix_id) == (end, "")


DUE = due(Kind.DOMAIN_NAME, "c1.evil.example")


@pytest.mark.parametrize(
    "fields",
    [
        {"expirationTime": "2027-03-24T12:00:00+00:00"},
        {"expirationTime": "2027-03-24T12:00:00.9999999Z"},
        {"title": " Campaign "},
        {"severity": None},
        {"recommendedActions": "call us", "lastUpdatedBy": "someone", "rbacGroupNames": []},
        {"indicatorValue": "C1.evil.example"},
        {"externalId": None},
        {"expirationTime": "soon"},
    ],
)
def test_microsofts_own_ways_are_no_difference(fields: dict[str, Any]) -> None:
    """Notation, fields that we do not set, fields that are not given back."""
    api, _ = _defender()
    assert api.differs(_entry(**(entity(DUE, api.settings) | fields)), DUE) == ""


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"severity": "High"}, "severity is High, not Medium"),
        ({"action": "Block"}, "action is Block, not Audit"),
        ({"title": "Mine"}, "title is Mine, not Campaign"),
        ({"title": ""}, "title is empty, not Campaign"),
        ({"expirationTime": None}, "end is never, not 2027-03-24T12:00:00.000Z"),
        ({"expirationTime": "2027-03-24T12:00:01Z"}, "end is 2027-03-24T12:00:01.000Z, not 2027-03-24T12:00:00.000Z"),
        ({"generateAlert": False}, "alert is False, not True"),
        ({"action": "Block", "severity": "Low"}, "action is Block, not Audit; severity is Low, not Medium"),
    ],
)
def test_edits_by_people_are_told(fields: dict[str, Any], words: str) -> None:
    """What it is and what it should be."""
    api, _ = _defender()
    assert api.differs(_entry(**(entity(DUE, api.settings) | fields)), DUE) == words


def test_device_groups_are_compared_where_we_set_them() -> None:
    """In any order."""
    api, _ = _defender(rbac_group_names=("Servers", "Clients"))
    same, other = ({"rbacGroupNames": groups} for groups in (["Clients", "Servers"], ["Clients"]))
    assert api.differs(_entry(**(entity(DUE, api.settings) | same)), DUE) == ""
    assert "device groups" in api.differs(_entry(**(entity(DUE, api.settings) | other)), DUE)


def test_the_severity_of_the_section_counts() -> None:
    """An entry says what would be sent, not what the event says."""
    api, _ = _defender(severity=Severity.HIGH)
    assert api.differs(_entry(**entity(DUE, api.settings)), DUE) == ""
