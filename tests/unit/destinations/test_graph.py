"""Reading Graph's answers, without sockets."""

from __future__ import annotations

from typing import Any

import pytest

from misp_modules_ext.config.settings import Api
from misp_modules_ext.destinations.answers import Answer
from misp_modules_ext.destinations.graph import Graph, results
from misp_modules_ext.errors import BatchRefused, Retired, Unavailable
from misp_modules_ext.model.indicator import Kind
from misp_modules_ext.model.outcome import Outcome, Reason
from tests.support.build import destination, due

from .scripted import API, LOGIN, Scripted, as_json

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
    assert graph.survey([A, B], 5.0) == [A._replace(remote_id="id-a"), B._replace(remote_id="id-b")]
    assert transport.of(API)[1].url == link


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
    """No endless loop over the same page."""
    link = f"{API}/beta/security/tiIndicators?x"
    page = as_json({"value": [], "@odata.nextLink": link})
    with pytest.raises(Unavailable):
        _graph(page, page, page)[0].survey([A], 5.0)


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


def test_withdrawing_looks_up_ids_that_are_not_known() -> None:
    """What is nowhere counts as withdrawn without a deletion."""
    graph, transport = _graph(as_json({"value": [_item(A, id="id-a")]}), as_json({"value": [_info("0")]}))
    assert [result.outcome for result in graph.withdraw([A, B], 5.0)] == [OK, OK]
    assert transport.of(API)[1].json == {"value": ["id-a"]}
    assert [result.outcome for result in _graph(as_json({"value": []}))[0].withdraw([A], 5.0)] == [OK]


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
            getattr(_graph(as_json({"value": [item]}))[0], call)([A], 5.0)


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
