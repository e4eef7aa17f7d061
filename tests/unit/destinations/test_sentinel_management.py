"""Reading back from Sentinel and deleting there, without sockets."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misp_modules_ext.destinations import sentinel_management
from misp_modules_ext.destinations.answers import Answer
from misp_modules_ext.destinations.sentinel import Sentinel
from misp_modules_ext.destinations.sentinel_payload import PATHS, observable, pattern, stix_object
from misp_modules_ext.errors import NotFound, PermissionRefused, Throttled, Unavailable
from misp_modules_ext.model.indicator import Due, Kind, Observable
from misp_modules_ext.model.outcome import Outcome, Reason
from tests.support.build import destination, due

from .scripted import API, LOGIN, Scripted, as_json
from .values import HELD_BY_SENTINEL, VALUES

SUBSCRIPTION = "44444444-4444-4444-8444-444444444444"
PLACE = {"subscription_id": SUBSCRIPTION, "resource_group": "soc (a)", "workspace_name": "soc-workspace"}
BASE = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/soc (a)/providers/Microsoft.OperationalInsights/workspaces/"
    "soc-workspace/providers/Microsoft.SecurityInsights/threatIntelligence"
)
ASKED = BASE.replace(" ", "%20")
OURS = "MISP-modules-ext"
GOOD = Answer(200, {"content-length": "0"})
DUES = [due(Kind.DOMAIN_NAME, f"c{number}.evil.example") for number in range(3)]


def _sentinel(*answers: Answer | Unavailable, **fields: Any) -> tuple[Sentinel, Scripted]:
    transport = Scripted(list(answers))
    defaults: dict[str, Any] = {"endpoint_login": LOGIN, "endpoint_api": API, "app_id": str(id(transport)), **PLACE}
    return Sentinel(destination(**(defaults | fields)), transport), transport  # type: ignore[arg-type]


def _item(one: Due, **properties: Any) -> dict[str, Any]:
    """An indicator as `queryIndicators` shows it."""
    document = stix_object(one)
    return {
        "name": f"TUlT---{one.stamp.stix_id}",
        "kind": "indicator",
        "properties": {
            "source": OURS,
            "externalId": document["id"],
            "displayName": document["name"],
            "description": document["description"],
            "pattern": document["pattern"],
            "threatIntelligenceTags": document["labels"],
            "confidence": document["confidence"],
            "revoked": False,
            "validUntil": document["valid_until"],
        }
        | properties,
    }


def _object(one: Due, **fields: Any) -> dict[str, Any]:
    """An indicator as `query` shows it."""
    name = f"TUlT---{one.stamp.stix_id}"
    properties = {"source": OURS, "data": {"id": one.stamp.stix_id}}
    return {"id": f"{BASE}/{name}", "name": name, "properties": properties} | fields


def _page(*items: dict[str, Any], link: Any = None) -> Answer:
    return as_json({"value": list(items)} | ({} if link is None else {"nextLink": link}))


def _link(token: str) -> str:
    return f"https://management.example{ASKED}/main/queryIndicators?api-version=2025-09-01&$skipToken={token}"


def test_without_its_place_sentinel_cannot_be_read() -> None:
    """The keys are named, nothing is asked, and nothing looks empty."""
    sentinel, transport = _sentinel(subscription_id="", resource_group="", workspace_name="")
    for key in ("subscriptionId", "resourceGroup", "workspaceName"):
        assert f"`{key}`" in sentinel.cannot_list
    with pytest.raises(NotFound, match="subscriptionId"):
        sentinel.entries(5.0)
    assert transport.asked == []
    assert _sentinel()[0].cannot_list == ""


def test_the_list_is_asked_by_source_with_revoked_ones_oldest_change_first() -> None:
    """What changes while it is read moves to its end, where it is found."""
    sentinel, transport = _sentinel(_page())
    assert sentinel.entries(5.0) == []
    (asked,) = transport.of(API)
    assert (asked.method, asked.url) == ("POST", f"{API}{ASKED}/main/queryIndicators?api-version=2025-09-01")
    assert asked.json == {
        "sources": [OURS],
        "includeDisabled": True,
        "pageSize": 1000,
        "sortBy": [{"itemKey": "lastUpdatedTimeUtc", "sortOrder": "ascending"}],
    }


def test_the_resource_manager_may_be_elsewhere() -> None:
    """It is another host than the upload's in Microsoft's clouds, and a firewall has to know both."""
    sentinel, transport = _sentinel(_page(), GOOD, endpoint_management=f"{API}:8443/arm")
    sentinel.entries(5.0)
    assert transport.of(API)[0].url.startswith(f"{API}:8443/arm/subscriptions/")
    assert sentinel.hosts() == ["https://login.example:443", "https://api.example:443", "https://api.example:8443"]
    assert "8443" not in str(_sentinel(endpoint_management=f"{API}:8443", workspace_name="")[0].hosts())


@pytest.mark.parametrize("kind", sorted(HELD_BY_SENTINEL))
def test_every_kind_comes_back_as_it_went(kind: Kind) -> None:
    """The pattern names the observable, and a fresh entry says nothing else than its due."""
    one = due(kind, VALUES[kind])
    sentinel, _ = _sentinel(_page(_item(one)))
    (entry,) = sentinel.entries(5.0)
    assert entry.observable == one.indicator.observable
    assert (entry.stix_id, entry.valid_until) == (one.stamp.stix_id, one.indicator.valid_until)
    assert (entry.ours, entry.revoked, entry.remote_id) == (True, False, f"TUlT---{one.stamp.stix_id}")
    assert sentinel.differs(entry, one) == ""


@given(st.sampled_from(sorted(HELD_BY_SENTINEL)), st.text(max_size=20))
def test_peers_24_patterns_with_quotes_are_read_back(kind: Kind, value: str) -> None:
    """Whatever the value holds; for addresses a slash tells a network."""
    if kind in (Kind.IPV4_ADDR, Kind.IPV6_ADDR, Kind.IPV4_CIDR, Kind.IPV6_CIDR):
        value = value.replace("/", "") + ("/24" if "cidr" in kind.value else "")
    assert observable(pattern(Observable(kind, value))) == Observable(kind, value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[domain-name:value = 'a'] ",
        "[ domain-name:value='a' ]",
    ],
)
def test_spaces_in_patterns_mean_nothing(text: str) -> None:
    """Around the brackets and the sign."""
    assert observable(text) == (Observable(Kind.DOMAIN_NAME, "a") if text else None)


@pytest.mark.parametrize(
    "text",
    [
        "[domain-name:value = 'a' OR domain-name:value = 'b']",
        "[domain-name:value != 'a']",
        "[mutex:name = 'a']",
        "[domain-name:value = 'it's']",
        "[domain-name:value = 'a\\n']",
    ],
)
def test_patterns_that_we_do_not_send(text: str) -> None:
    """None is guessed."""
    assert observable(text) is None
    assert PATHS.keys() == HELD_BY_SENTINEL


def test_peers_24_the_next_page_is_asked_by_the_token_in_its_link() -> None:
    """The token alone, decoded, in the body of the same question; never the whole link."""
    pages = [_page(_item(DUES[0]), link=_link("a%2Bb+c%3D=")), _page(link=_link("second")), _page(_item(DUES[1]))]
    sentinel, transport = _sentinel(*pages, *pages)
    assert [entry.stix_id for entry in sentinel.entries(5.0)] == [one.stamp.stix_id for one in DUES[:2]]
    first, second, third, *again = transport.of(API)
    assert again == [first, second, third]
    assert second.url == first.url
    assert second.json == first.json | {"skipToken": "a+b+c=="}
    assert third.json == first.json | {"skipToken": "second"}


def test_what_changes_meanwhile_counts_once() -> None:
    """As it was seen last."""
    changed = _item(DUES[0], displayName="changed")
    pages = [_page(_item(DUES[0]), _item(DUES[1]), link=_link("2")), _page(changed)]
    sentinel, _ = _sentinel(*pages, *pages)
    entries = sentinel.entries(5.0)
    assert len(entries) == 2
    assert "name is changed" in sentinel.differs(entries[0], DUES[0])


def test_a_list_of_several_pages_is_read_until_it_rests() -> None:
    """A change between two pages pushes an entry into the part that was read: the second reading finds it."""
    moved = (_page(_item(DUES[0]), link=_link("2")), _page(_item(DUES[2])))
    resting = (_page(_item(DUES[0]), _item(DUES[1]), link=_link("2")), _page(_item(DUES[2])))
    sentinel, _ = _sentinel(*moved, *resting, *resting)
    assert [entry.stix_id for entry in sentinel.entries(5.0)] == [one.stamp.stix_id for one in DUES]
    with pytest.raises(Unavailable, match="Sentinel's list of indicators changes while it is read"):
        _sentinel(*moved, *resting, *moved, *resting)[0].entries(5.0)


@pytest.mark.parametrize(
    "link",
    [
        "https://management.example/next",
        "https://management.example/next?$skipToken=",
        "https://[management/next?$skipToken=x",
        "opaque",
        7,
        {"href": "x"},
    ],
)
def test_peers_21_a_next_page_that_cannot_be_asked_is_not_the_end(link: Any) -> None:
    """What comes after is unknown, so nothing is known."""
    with pytest.raises(Unavailable, match="next page"):
        _sentinel(_page(_item(DUES[0]), link=link))[0].entries(5.0)


def test_peers_21_pages_that_lead_in_a_circle_are_not_the_end() -> None:
    """The same link again, at once or later."""
    for tokens in (["1", "1"], ["1", "2", "1"]):
        pages = [_page(_item(DUES[0]), link=_link(token)) for token in tokens]
        with pytest.raises(Unavailable, match="leads back into itself"):
            _sentinel(*pages)[0].entries(5.0)


@pytest.mark.parametrize(
    "last",
    [
        Unavailable("no answer"),
        as_json({"error": {"code": "InternalServerError"}}, 500),
        as_json({}),
        as_json({"value": None}),
        as_json([]),
        as_json({"value": ["x"]}),
        as_json({"value": [{"name": "x"}]}),
        as_json({"value": [{"properties": {"externalId": "x"}}]}),
        Answer(200, {}, b"<html>Sign in</html>"),
        Answer(204),
    ],
)
def test_peers_21_a_missing_page_is_not_the_end_of_the_list(last: Answer | Unavailable) -> None:
    """Neither the first nor a later one, and neither are objects that do not say whose they are."""
    for pages in ([last], [_page(_item(DUES[0]), link=_link("2")), last]):
        with pytest.raises(Unavailable):
            _sentinel(*pages)[0].entries(5.0)


def test_other_sources_do_not_count() -> None:
    """Should the filter find more than it was asked for."""
    sentinel, _ = _sentinel(_page(_item(DUES[0], source="misp-modules-ext"), _item(DUES[1])))
    assert [entry.stix_id for entry in sentinel.entries(5.0)] == [DUES[1].stamp.stix_id]


def test_a_throttled_page_is_waited_for() -> None:
    """A page must not be missing because there are many."""
    busy = as_json({"error": {"code": "TooManyRequests"}}, 429, retry_after="0")
    sentinel, transport = _sentinel(busy, busy, _page(_item(DUES[0])))
    assert len(sentinel.entries(5.0)) == 1
    assert len(transport.of(API)) == 3


@pytest.mark.parametrize(("wait", "requests"), [("0", sentinel_management.ATTEMPTS), ("60", 1)])
def test_the_patience_ends(wait: str, requests: int) -> None:
    """After some attempts, or when the wait is longer than the time that is left."""
    busy = as_json({"error": {"code": "TooManyRequests"}}, 429, retry_after=wait)
    sentinel, transport = _sentinel(*[busy] * 9)
    with pytest.raises(Throttled):
        sentinel.entries(5.0)
    assert len(transport.of(API)) == requests


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"revoked": True}, "revoked is True, not False"),
        ({"validUntil": "2026-12-01T00:00:00Z"}, "end is 2026-12-01T00:00:00.000Z, not 2027-03-24T12:00:00.000Z"),
        ({"validUntil": None}, "end is never, not 2027-03-24T12:00:00.000Z"),
        ({"confidence": 90}, "confidence is 90, not 50"),
        ({"displayName": "Mine"}, "name is Mine, not Campaign"),
        ({"threatIntelligenceTags": ["mine"]}, "labels lack rhisac: vetted, tlp:amber"),
        ({"pattern": "[domain-name:value = 'b']"}, "pattern is [domain-name:value = 'b'], not [domain-name:value = "),
    ],
)
def test_edits_by_people_are_told(properties: dict[str, Any], words: str) -> None:
    """What it is and what it should be."""
    sentinel, _ = _sentinel(_page(_item(DUES[0], **properties)))
    (entry,) = sentinel.entries(5.0)
    assert sentinel.differs(entry, DUES[0]).startswith(words)
    assert entry.revoked is bool(properties.get("revoked"))


@pytest.mark.parametrize(
    "properties",
    [
        {"validUntil": "2027-03-24T12:00:00.0000000Z"},
        {"validUntil": "2027-03-24T12:00:00"},
        {"threatIntelligenceTags": ["TLP:AMBER", "RHISAC: vetted", "checked by the SOC"]},
        {"threatIntelligenceTags": None, "labels": ["tlp:amber", "rhisac: vetted"]},
        {"threatIntelligenceTags": None},
        {"confidence": 50.0},
        {"displayName": "Campaign ", "description": None, "revoked": None},
    ],
)
def test_microsofts_own_ways_are_no_difference(properties: dict[str, Any]) -> None:
    """Notation, tags that people add, fields that are not given back."""
    sentinel, _ = _sentinel(_page(_item(DUES[0], **properties)))
    (entry,) = sentinel.entries(5.0)
    assert sentinel.differs(entry, DUES[0]) == ""


def _hard(*answers: Answer | Unavailable) -> tuple[Sentinel, Scripted]:
    return _sentinel(*answers, hard_delete=True)


def _outcomes(sentinel: Sentinel, batch: list[Due]) -> list[Outcome]:
    return [result.outcome for result in sentinel.withdraw(batch, 5.0)]


def test_hard_delete_deletes_the_resources_that_the_query_shows() -> None:
    """Found by source and STIX id in one question; no upload."""
    sentinel, transport = _hard(_page(*map(_object, DUES)), Answer(200), Answer(204), Answer(404))
    assert _outcomes(sentinel, DUES) == [Outcome.ACCEPTED] * 3
    query, *deletions = transport.of(API)
    assert (query.method, query.url) == ("POST", f"{API}{ASKED}/main/query?api-version=2025-10-01-preview")
    assert query.json["condition"]["clauses"] == [
        {"field": "source", "operator": "Equals", "clauseConnective": "Or", "values": [OURS]},
        {
            "field": "id",
            "operator": "Equals",
            "clauseConnective": "Or",
            "values": [one.stamp.stix_id for one in DUES],
        },
    ]
    assert [(asked.method, asked.url) for asked in deletions] == [
        ("DELETE", f"{API}{ASKED}/TUlT---{one.stamp.stix_id}?api-version=2025-10-01-preview") for one in DUES
    ]


def test_what_the_query_does_not_show_is_revoked() -> None:
    """It may have come too lately to be seen, and would stay live for good."""
    sentinel, transport = _hard(_page(_object(DUES[1])), GOOD, Answer(200))
    assert _outcomes(sentinel, DUES) == [Outcome.ACCEPTED] * 3
    upload = transport.of(API)[1].json["stixobjects"]
    assert [(one["id"], one["revoked"]) for one in upload] == [(DUES[n].stamp.stix_id, True) for n in (0, 2)]


@pytest.mark.parametrize(
    "shown",
    [
        _object(DUES[0], properties={"source": "Other", "data": {"id": DUES[0].stamp.stix_id}}),
        _object(DUES[0], id=f"{BASE}/TUlT---{DUES[1].stamp.stix_id}"),
        _object(DUES[0], id=f"{BASE.replace('soc-workspace', 'other')}/TUlT---{DUES[0].stamp.stix_id}"),
        _object(DUES[0], id=None),
        _object(DUES[0], properties={"source": OURS, "data": None}),
        _object(DUES[2]),
    ],
)
def test_peers_22_nothing_is_deleted_that_is_not_the_indicator(shown: dict[str, Any]) -> None:
    """Another source's object, another object, another workspace: ours is revoked instead."""
    sentinel, transport = _hard(_page(shown), GOOD)
    assert _outcomes(sentinel, DUES[:1]) == [Outcome.ACCEPTED]
    assert [asked.method for asked in transport.of(API)] == ["POST", "POST"]


def test_a_resource_group_in_other_letters_is_the_same() -> None:
    """Azure writes its paths in several ways."""
    path = _object(DUES[0])["id"].replace("resourceGroups/soc", "resourcegroups/SOC")
    sentinel, transport = _hard(_page(_object(DUES[0], id=path)), Answer(200))
    assert _outcomes(sentinel, DUES[:1]) == [Outcome.ACCEPTED]
    assert transport.of(API)[1].method == "DELETE"


def test_what_was_deleted_before_an_error_has_its_result() -> None:
    """The rest is pending; when nothing was done, the error is the answer."""
    shown = _page(*map(_object, DUES))
    results = _hard(shown, Answer(200), Answer(429), Answer(200))[0].withdraw(DUES, 5.0)
    assert [result.outcome for result in results] == [Outcome.ACCEPTED, Outcome.PENDING, Outcome.PENDING]
    assert [result.reason for result in results] == [None, Reason.THROTTLED, Reason.THROTTLED]
    with pytest.raises(PermissionRefused, match="Microsoft Sentinel Contributor"):
        _hard(shown, Answer(403))[0].withdraw(DUES, 5.0)


def test_the_query_goes_on_by_its_links() -> None:
    """Its body takes no token; a link to another address is not followed."""
    link = f"{API}{ASKED}/main/query?api-version=x&$skipToken=y"
    sentinel, transport = _hard(_page(_object(DUES[0]), link=link), _page(_object(DUES[1])), Answer(200), Answer(200))
    assert _outcomes(sentinel, DUES[:2]) == [Outcome.ACCEPTED] * 2
    assert (transport.of(API)[1].method, transport.of(API)[1].url) == ("GET", link)
    sentinel, transport = _hard(_page(_object(DUES[0]), link="https://elsewhere.example/x"))
    with pytest.raises(Unavailable, match="not Azure's"):
        sentinel.withdraw(DUES, 5.0)
    assert len(transport.of(API)) == 1


def test_without_hard_delete_nothing_is_looked_up() -> None:
    """One upload that revokes, with the content as it was."""
    sentinel, transport = _sentinel(GOOD)
    assert _outcomes(sentinel, DUES) == [Outcome.ACCEPTED] * 3
    assert transport.of(API)[0].json["stixobjects"][0] == stix_object(DUES[0], revoked=True)
    assert _hard()[0].withdraw([], 5.0) == []


PROBED = as_json({"errors": [{"recordIndex": 0, "errorMessages": ["x"]}]})


@pytest.mark.parametrize(
    ("answer", "ok", "remedy"),
    [
        (_page(), True, ""),
        (as_json({"error": {"code": "AuthorizationFailed"}}, 403), False, "Microsoft Sentinel Contributor"),
        (as_json({"error": {"code": "ResourceGroupNotFound"}}, 404), False, "`resourceGroup`"),
        (as_json({}), False, "proxy"),
    ],
)
def test_check_tries_the_read_back(answer: Answer, ok: bool, remedy: str) -> None:
    """Only where it is configured."""
    finding = _sentinel(PROBED, answer, as_json({"count": 1234}))[0].check()[2]
    assert "soc-workspace" in finding.what
    assert finding.ok is ok
    assert remedy in finding.remedy
    assert len(_sentinel(PROBED, workspace_name="")[0].check()) == 2


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (as_json({"count": 1234}), "1,234 indicators"),
        (as_json({"count": "?"}), "documented count"),
        (Answer(404), "404"),
    ],
)
def test_check_counts_what_is_there(answer: Answer, words: str) -> None:
    """By an API that is in preview: where it fails, that is told, and all else is well."""
    destination, transport = _sentinel(PROBED, _page(), answer)
    found = destination.check()[3]
    assert found.ok
    assert words in found.answer
    assert bool(found.remedy) is (words != "1,234 indicators")
    assert "main/count?api-version=2025-10-01-preview" in transport.asked[-1].url
