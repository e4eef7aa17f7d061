"""Reading Graph's answers, without sockets."""

from __future__ import annotations

from typing import Any

import pytest

from misp_modules_ext.config.settings import Api
from misp_modules_ext.destinations import graph as graph_module
from misp_modules_ext.destinations.answers import Answer
from misp_modules_ext.destinations.graph import Graph
from misp_modules_ext.destinations.graph_answers import results
from misp_modules_ext.destinations.graph_payload import entity
from misp_modules_ext.destinations.interface import Entry, Refusal
from misp_modules_ext.errors import BatchRefused, Retired, Unavailable
from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.model.outcome import Outcome, Reason
from tests.support.build import destination, due

from .scripted import API, LOGIN, Scripted, as_json
from .values import HELD_BY_DEFENDER, HELD_BY_GRAPH, VALUES

A, B = due(Kind.DOMAIN_NAME, "a.evil.example"), due(Kind.DOMAIN_NAME, "b.evil.example")
FAILED = "Failed to create, check Error element for reason"
OK, NO, UNKNOWN = Outcome.ACCEPTED, Outcome.REJECTED, Outcome.PENDING


def _graph(*answers: Answer | Unavailable, **fields: Any) -> tuple[Graph, Scripted]:
    transport = Scripted(list(answers))
    settings = destination(api=Api.GRAPH, endpoint_login=LOGIN, endpoint_api=API, app_id=str(id(transport)), **fields)
    return Graph(settings, transport), transport  # type: ignore[arg-type]


def _item(of: Any, **fields: Any) -> dict[str, Any]:
    return {"id": "id-1", "externalId": of.stamp.stix_id} | fields


@pytest.mark.parametrize(
    ("items", "outcomes"),
    [
        ([_item(A), _item(B)], [OK, OK]),
        ([_item(B), _item(A, id=FAILED, Error="no")], [NO, OK]),
        ([_item(A)], [OK, UNKNOWN]),
        ([], [UNKNOWN, UNKNOWN]),
        ([_item(A, id=None), _item(B, id="")], [NO, NO]),
        ([_item(A, Error="odd")], [NO, UNKNOWN]),
        ([{"id": FAILED, "Error": "x"}, _item(B)], [NO, OK]),
        ([{"id": "id-9"}, {"id": "id-8"}], [UNKNOWN, UNKNOWN]),
        ([{"id": FAILED, "Error": "x"}], [UNKNOWN, UNKNOWN]),
        ([_item(A), _item(A, id=FAILED, Error="x"), _item(B)], [NO, OK]),
        ([_item(A, id=FAILED, Error="x"), _item(A), _item(B)], [NO, OK]),
        ([{"externalId": [1], "id": {"a": 1}}], [UNKNOWN, UNKNOWN]),
    ],
)
def test_results_are_matched_by_external_id(items: list[dict[str, Any]], outcomes: list[Outcome]) -> None:
    """A failure without a name counts by its place; an acceptance needs a name."""
    assert [result.outcome for result in results([A, B], items)] == outcomes


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ('{"error":{"code":"InvalidInput","message":"Empty value.","target":"x"}}', "InvalidInput: Empty value."),
        ({"code": "X", "message": "y"}, "X: y"),
        ("plain words", "plain words"),
        (None, "Graph refused it without a reason."),
    ],
)
def test_peers_02_the_error_element_is_read(error: Any, message: str) -> None:
    """Also the JSON of Defender that stands in it as a string."""
    answer = as_json({"value": [_item(A, id=FAILED, Error=error)]}, 206)
    result = _graph(answer)[0].send([A], 5.0)[0]
    assert (result.outcome, result.reason, result.message) == (NO, Reason.REJECTED, message)


@pytest.mark.parametrize("document", [{}, {"value": None}, {"value": ["x"]}, [], "x"])
def test_an_answer_of_another_shape_accepts_nothing(document: Any) -> None:
    """A clear error instead of a KeyError."""
    for call in ("send", "survey"):
        with pytest.raises(Unavailable):
            getattr(_graph(as_json(document))[0], call)([A], 5.0)


@pytest.mark.parametrize("status", [403, 404, 410])
def test_refusals_of_a_dead_api_say_so(status: int) -> None:
    """For 403 both possibilities are named: retired, or no permission."""
    for call in ("send", "survey"):
        with pytest.raises(Retired, match="api = sentinel") as caught:
            getattr(_graph(as_json({"error": {"code": "X", "message": "y"}}, status))[0], call)([A], 5.0)
        assert ("ThreatIndicators.ReadWrite.OwnedBy" in str(caught.value)) is (status == 403)


@pytest.mark.parametrize("status", [200, 201, 204])
def test_an_empty_answer_to_a_submission_accepts_nothing(status: int) -> None:
    """What Microsoft announced, that the API stops returning data, may look like this."""
    with pytest.raises(Retired):
        _graph(Answer(status))[0].send([A], 5.0)


def test_a_400_refuses_the_batch() -> None:
    """The delivery then halves it."""
    with pytest.raises(BatchRefused) as caught:
        _graph(as_json({"error": {"code": "BadRequest", "message": "x"}}, 400))[0].send([A], 5.0)
    assert caught.value.code == "BadRequest"


def test_new_and_existing_ones_go_to_different_operations() -> None:
    """Submitting what exists would double it."""
    known = B._replace(remote_id="id-b")
    graph, transport = _graph(as_json({"value": [_item(A)]}, 201), as_json({"value": [_item(B, id="id-b")]}))
    assert graph.batches([known, A]) == [[A], [known]]
    found = graph.send([known, A], 5.0)
    assert [result.remote_id for result in found] == ["id-b", "id-1"]
    assert [asked.url.rpartition("/")[2] for asked in transport.of(API)] == ["submitTiIndicators", "updateTiIndicators"]
    assert transport.of(API)[1].json["value"][0]["id"] == "id-b"


def test_peers_24_the_next_page_is_asked_by_its_whole_address() -> None:
    """The next link is used as it is, not as a token in another address."""
    link = f"{API}/beta/security/tiIndicators?$skiptoken=a%2Bb"
    graph, transport = _graph(
        as_json({"value": [_item(A, id="id-a")], "@odata.nextLink": link}), as_json({"value": [_item(B, id="id-b")]})
    )
    known = [A._replace(remote_id="id-a"), B._replace(unanswered=True)]
    assert graph.survey(known, 5.0) == [known[0], known[1]._replace(remote_id="id-b")]
    assert transport.of(API)[1].url == link


def test_an_entry_that_this_ledger_does_not_know_is_left_alone() -> None:
    """It has our STIX id, so another ledger made it; one that is gone goes as new."""
    known, new = A._replace(remote_id="id-gone"), due(Kind.DOMAIN_NAME, "new.evil.example")
    graph, _ = _graph(as_json({"value": [_item(B, id="id-b")]}))
    first, second, third = graph.survey([known, B, new], 5.0)
    assert (first, third) == (A, new)
    assert isinstance(second, Refusal)
    assert second.reason is Reason.ALREADY_THERE
    assert "reconcile --adopt" in second.message


def test_nothing_is_listed_when_every_id_is_known() -> None:
    """Updates need no look."""
    graph, transport = _graph()
    known = [A._replace(remote_id="id-a"), B._replace(remote_id="id-b")]
    assert graph.survey(known, 5.0) == known
    assert transport.asked == []


@pytest.mark.parametrize(
    "link",
    [
        "https://elsewhere.example/beta/security/tiIndicators?$skip=1",
        "http://api.example/beta/security/tiIndicators",
        "https://api.example:8443/x",
        "https://api.example@elsewhere.example/x",
        "//elsewhere.example/x",
        "https://[bad",
        "https://api.example:99999/x",
        5,
    ],
)
def test_the_token_follows_no_link_to_another_origin(link: Any) -> None:
    """A list that goes on elsewhere is an error, and nothing is asked there."""
    graph, transport = _graph(as_json({"value": [], "@odata.nextLink": link}))
    with pytest.raises(Unavailable):
        graph.survey([A], 5.0)
    assert len(transport.of(API)) == 1


def test_a_list_that_leads_to_itself_ends() -> None:
    """No endless loop over the same pages."""
    links = [f"{API}/beta/security/tiIndicators?{n}" for n in (1, 2, 1)]
    pages = [as_json({"value": [], "@odata.nextLink": link}) for link in links]
    with pytest.raises(Unavailable, match="does not end"):
        _graph(*pages)[0].survey([A], 5.0)


@pytest.mark.parametrize("call", ["survey", "entries", "withdraw"])
def test_peers_21_a_missing_page_is_not_the_end_of_the_list(call: str) -> None:
    """Neither for what is there nor for what is gone: the error goes up, and nothing is deleted."""
    page = as_json({"value": [_item(A)], "@odata.nextLink": f"{API}/beta/security/tiIndicators?2"})
    graph, transport = _graph(page, Unavailable("no answer"))
    with pytest.raises(Unavailable, match="no answer"):
        graph.entries(5.0) if call == "entries" else getattr(graph, call)([A._replace(unanswered=True)], 5.0)
    assert [asked.method for asked in transport.of(API)] == ["GET", "GET"]


def test_a_list_without_end_is_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """Always another link."""
    monkeypatch.setattr(graph_module, "MAX_PAGES", 3)
    pages = [as_json({"value": [], "@odata.nextLink": f"{API}/beta/security/tiIndicators?{n}"}) for n in range(4)]
    with pytest.raises(Unavailable, match="does not end"):
        _graph(*pages)[0].entries(5.0)


def _info(code: str, message: str = "") -> dict[str, str]:
    return {"code": code, "message": message, "subCode": "0"}


@pytest.mark.parametrize(
    ("answer", "outcomes"),
    [
        (Answer(204), [OK, OK]),
        (as_json({"value": [_info("0"), _info("0")]}), [OK, OK]),
        (as_json({"value": [_info("404", "not found"), _info("400", "no")]}, 206), [OK, NO]),
    ],
)
def test_withdrawing_reads_each_result(answer: Answer, outcomes: list[Outcome]) -> None:
    """Absent ones count as withdrawn, failed ones do not."""
    batch = [A._replace(remote_id="id-a"), B._replace(remote_id="id-b")]
    assert [result.outcome for result in _graph(answer)[0].withdraw(batch, 5.0)] == outcomes


def test_peers_22_withdrawing_looks_up_only_what_an_unanswered_request_may_have_made() -> None:
    """All of it, should it have come twice; another ledger's stay, and what is nowhere counts as withdrawn."""
    listed = as_json({"value": [_item(A, id="id-a"), _item(A, id="id-2"), _item(B, id="id-b")]})
    graph, transport = _graph(listed, as_json({"value": [_info("0"), _info("404")]}))
    assert [result.outcome for result in graph.withdraw([A._replace(unanswered=True), B], 5.0)] == [OK, OK]
    assert transport.of(API)[1].json == {"value": ["id-a", "id-2"]}
    graph, transport = _graph(as_json({"value": []}))
    assert [result.outcome for result in graph.withdraw([A._replace(unanswered=True)], 5.0)] == [OK]
    assert len(transport.of(API)) == 1
    graph, transport = _graph()
    assert [result.outcome for result in graph.withdraw([A, B], 5.0)] == [OK, OK]
    assert transport.asked == []


def test_one_that_stays_of_two_is_told() -> None:
    """An indicator is withdrawn when all that was made for it is gone."""
    listed = as_json({"value": [_item(A, id="id-a"), _item(A, id="id-2")]})
    graph, _ = _graph(listed, as_json({"value": [_info("0"), _info("400", "no")]}, 206))
    (result,) = graph.withdraw([A._replace(unanswered=True)], 5.0)
    assert (result.outcome, result.message) == (NO, "400 no")


def test_a_deletion_answered_with_fewer_results_accepts_nothing() -> None:
    """Results have no names, so their number must fit."""
    batch = [A._replace(remote_id="id-a"), B._replace(remote_id="id-b")]
    with pytest.raises(Unavailable):
        _graph(as_json({"value": [_info("0")]}))[0].withdraw(batch, 5.0)


@pytest.mark.parametrize("item", [{"externalId": [1], "id": "x"}, {"externalId": "x", "id": {"a": 1}}, {"id": 5}])
def test_ids_that_are_no_texts_accept_nothing(item: dict[str, Any]) -> None:
    """What cannot be recognized would be submitted again: a clear error instead of a TypeError."""
    for call in ("send", "survey", "withdraw"):
        with pytest.raises(Unavailable, match="no texts"):
            getattr(_graph(as_json({"value": [item]}))[0], call)([A._replace(unanswered=True)], 5.0)


def test_what_may_have_been_taken_is_looked_up_before_it_is_sent_again() -> None:
    """After no answer, and after an answer that does not mention it: then it is updated, not doubled."""
    graph, transport = _graph(
        Unavailable("no answer"),
        as_json({"value": []}),
        as_json({"value": [_item(A)]}),
        as_json({"value": [_item(B, id="id-b")]}),
        as_json({"value": [_item(B, id="id-b")]}),
    )
    with pytest.raises(Unavailable):
        graph.send([A, B], 5.0)
    assert [result.outcome for result in graph.send([A, B], 5.0)] == [OK, UNKNOWN]
    assert [result.remote_id for result in graph.send([B], 5.0)] == ["id-b"]
    operations = [asked.url.rpartition("/")[2] for asked in transport.of(API)]
    submit, listing, update = "submitTiIndicators", "tiIndicators", "updateTiIndicators"
    assert operations == [submit, listing, submit, listing, update]


def _entries(graph: Graph, *items: dict[str, Any]) -> list[Entry]:
    return _graph(as_json({"value": list(items)}), product=graph.settings.product)[0].entries(5.0)


HELD = [("Azure Sentinel", kind) for kind in HELD_BY_GRAPH] + [
    ("Microsoft Defender ATP", kind) for kind in HELD_BY_DEFENDER
]


@pytest.mark.parametrize(("product", "kind"), sorted(HELD))
def test_every_kind_comes_back_as_it_went(product: str, kind: Kind) -> None:
    """The fields name the observable, and a fresh entry says nothing else than its due."""
    graph, _ = _graph(product=product)
    one = due(kind, VALUES[kind])
    (entry,) = _entries(graph, _item(one) | entity(one, graph.settings))
    assert entry.observable == one.indicator.observable
    assert (entry.remote_id, entry.stix_id, entry.valid_until) == ("id-1", one.stamp.stix_id, one.indicator.valid_until)
    assert (entry.ours, entry.revoked) == (True, False)
    assert graph.differs(entry, one) == ""
    changed = graph.differs(entry, due(kind, VALUES[kind], title="Other"))
    assert changed == "description is Campaign, not Other"
    assert graph.cannot_list == ""


def test_what_others_made_with_this_application_is_not_ours() -> None:
    """Their ids are no STIX ids as we make them; those for another product are not there at all."""
    graph, _ = _graph()
    items = [
        {"id": "1", "externalId": "MISP-7"},
        {"id": "2", "externalId": "indicator--67e62408-e3de-4783-9480-f595d4fdae52"},
        {"id": "3", "targetProduct": "Microsoft Defender ATP"},
        {"id": "4", "targetProduct": "Azure Sentinel", "domainName": "a.example", "url": "http://a.example/"},
        {"id": "5", "fileHashType": "SHA256", "fileHashValue": "AB" * 32, "isActive": False},
    ]
    entries = _entries(graph, *items)
    assert [entry.remote_id for entry in entries] == ["1", "2", "4", "5"]
    assert not any(entry.ours for entry in entries)
    assert [entry.observable for entry in entries[:3]] == [None] * 3
    assert entries[3].observable == Observable(Kind.FILE_SHA256, "ab" * 32)
    assert entries[3].revoked


def test_labels_that_people_add_are_no_difference() -> None:
    """One of ours that is missing is."""
    graph, _ = _graph()
    document = _item(A) | entity(A, graph.settings)
    more, less = (_entries(graph, document | {"tags": tags})[0] for tags in ([*document["tags"], "x"], ["tlp:amber"]))
    assert graph.differs(more, A) == ""
    assert graph.differs(less, A) == "labels lack rhisac: vetted"
