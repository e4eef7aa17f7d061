"""Sentinel's batches and the reading of its answers, without sockets."""

from __future__ import annotations

from typing import Any

import pytest

from misp_modules_ext.destinations.answers import Answer
from misp_modules_ext.destinations.sentinel import Sentinel, read_errors
from misp_modules_ext.errors import NotFound, Unavailable
from misp_modules_ext.model.indicator import Kind, Observable
from misp_modules_ext.model.outcome import Outcome, Reason
from tests.support.build import destination, due, indicator

from .scripted import API, LOGIN, Scripted, as_json
from .values import HELD_BY_SENTINEL, VALUES

GOOD = Answer(200, {"content-length": "0"})


def _sentinel(*answers: Answer | Unavailable, **fields: Any) -> tuple[Sentinel, Scripted]:
    transport = Scripted(list(answers))
    settings = destination(endpoint_login=LOGIN, endpoint_api=API + "/", app_id=str(id(transport)), **fields)
    return Sentinel(settings, transport), transport  # type: ignore[arg-type]


DUES = [due(Kind.DOMAIN_NAME, f"c{number}.evil.example") for number in range(3)]


def _outcomes(*answers: Answer) -> list[Outcome]:
    return [result.outcome for result in _sentinel(*answers)[0].send(DUES, 5.0)]


@pytest.mark.parametrize("body", [b"", b" \r\n", b"{}", b'{"errors": []}', b'{"errors": [], "more": 1}'])
def test_a_200_without_errors_accepts_all(body: bytes) -> None:
    """Empty is what is documented; an empty object or list says the same."""
    assert _outcomes(Answer(200, {"content-length": str(len(body.strip()))}, body)) == [Outcome.ACCEPTED] * 3


def test_an_empty_chunked_answer_accepts_all() -> None:
    """A chunked body that ended was read whole."""
    assert _outcomes(Answer(200, {"transfer-encoding": "chunked"})) == [Outcome.ACCEPTED] * 3


def test_a_connection_that_just_ends_accepts_nothing() -> None:
    """Without length and without chunks nobody knows whether item errors were to come."""
    with pytest.raises(Unavailable, match="closed the connection"):
        _outcomes(Answer(200))


@pytest.mark.parametrize("key", ["errorMessages", "validationErrorMessages"])
def test_peers_02_item_errors_in_a_200_are_read_in_both_spellings(key: str) -> None:
    """The guilty one is rejected in Microsoft's words, the others are accepted, none is sent again."""
    sentinel, transport = _sentinel(as_json({"errors": [{"recordIndex": 1, key: ["Error for Property=id.", "Bad."]}]}))
    results = sentinel.send(DUES, 5.0)
    assert [result.outcome for result in results] == [Outcome.ACCEPTED, Outcome.REJECTED, Outcome.ACCEPTED]
    assert (results[1].reason, results[1].message) == (Reason.REJECTED, "Error for Property=id. Bad.")
    assert len(transport.of(API)) == 1


def test_errors_without_words_and_repeated_ones_still_reject() -> None:
    """An error entry rejects its object whatever it says."""
    errors = [{"recordIndex": 0}, {"recordIndex": 2, "errorMessages": "one"}, {"recordIndex": 2, "errorMessages": [2]}]
    found = read_errors(as_json({"errors": errors}), 3)
    assert found == {0: [], 2: ["one"]}


@pytest.mark.parametrize(
    "document",
    [
        {"errors": [{"recordIndex": 3, "errorMessages": ["x"]}]},
        {"errors": [{"recordIndex": -1}]},
        {"errors": [{"recordIndex": "0"}]},
        {"errors": [{"recordIndex": True}]},
        {"errors": [{}]},
        {"errors": ["x"]},
        {"errors": {"0": "x"}},
        {"errors": "x"},
        {"errors": None},
        {"Result": "partial"},
        [],
        "ok",
        1,
    ],
)
def test_an_answer_that_cannot_be_relied_on_accepts_nothing(document: Any) -> None:
    """Better to repeat an upload than to report something as there that may not be."""
    with pytest.raises(Unavailable, match="Microsoft Sentinel answered 200"):
        read_errors(as_json(document), 3)


@pytest.mark.parametrize("body", [b"<html>Sign in</html>", b"\xff", b"{", b"null"])
def test_a_200_that_is_no_json_accepts_nothing(body: bytes) -> None:
    """A captive portal's page is no acceptance."""
    with pytest.raises(Unavailable):
        _outcomes(Answer(200, {}, body))


@pytest.mark.parametrize("status", [201, 202, 204, 206])
def test_another_good_status_is_not_taken_for_acceptance(status: int) -> None:
    """Only 200 is documented."""
    with pytest.raises(Unavailable):
        _outcomes(Answer(status))


def test_a_request_names_workspace_version_and_source() -> None:
    """Braces around the GUID are allowed by the swagger and left away; the source is the configured one."""
    sentinel, transport = _sentinel(GOOD, GOOD, workspace_id="{ABC-1}", api_version="", source_system="Mine")
    sentinel.send(DUES[:1], 5.0)
    sentinel.withdraw(DUES[:1], 5.0)
    sent, taken = transport.of(API)
    path = "/workspaces/ABC-1/threat-intelligence-stix-objects:upload?api-version=2024-02-01-preview"
    assert (sent.method, sent.url) == ("POST", API + path)
    assert sent.bearer == "token-1"
    assert sent.json["sourcesystem"] == "Mine"
    assert "revoked" not in sent.json["stixobjects"][0]
    assert taken.json["stixobjects"] == [sent.json["stixobjects"][0] | {"revoked": True}]


def test_the_path_of_the_upload_is_the_configured_one() -> None:
    """What the template for government clouds has; a character that ends a path does not."""
    sentinel, transport = _sentinel(GOOD, upload_path="threatintelligence-stix-objects:upload")
    sentinel.send(DUES[:1], 5.0)
    (sent,) = transport.of(API)
    assert "/workspaces/33333333-3333-4333-8333-333333333333/threatintelligence-stix-objects:upload?" in sent.url


@pytest.mark.parametrize(("cloud", "told"), [("global", False), ("gcc", False), ("gcc-high", True), ("dod", True)])
def test_a_404_in_a_cloud_whose_path_is_not_verified_says_so(cloud: str, told: bool) -> None:
    """The workspace need not be the culprit there."""
    with pytest.raises(NotFound) as caught:
        _sentinel(Answer(404), cloud=cloud)[0].send(DUES, 5.0)
    assert ("uploadPath" in str(caught.value)) is told


def test_batches_hold_a_hundred() -> None:
    """Documented for one request; nothing is lost or doubled."""
    dues = [due(Kind.DOMAIN_NAME, f"c{number}.evil.example") for number in range(250)]
    batches = _sentinel()[0].batches(dues)
    assert [len(batch) for batch in batches] == [100, 100, 50]
    assert [one for batch in batches for one in batch] == dues


@pytest.mark.parametrize("kind", Kind)
def test_sentinel_holds_what_it_can_match(kind: Kind) -> None:
    """A refusal of another kind has its reason; what is held is not refused."""
    refusal = _sentinel()[0].refuses(indicator(kind, VALUES[kind]))
    assert (refusal is None) is (kind in HELD_BY_SENTINEL)
    assert refusal is None or refusal.reason is Reason.KIND_NOT_HELD


def test_sentinel_holds_no_half_characters() -> None:
    """A refusal of an unsendable value has its reason."""
    sentinel, _ = _sentinel()
    refusal = sentinel.refuses(indicator(observable=Observable(Kind.URL, "http://a.example/\udc00")))
    assert refusal is not None
    assert refusal.reason is Reason.INVALID_VALUE


def test_an_empty_batch_asks_nothing() -> None:
    """Nothing to send is no request."""
    sentinel, transport = _sentinel()
    assert sentinel.send([], 5.0) == []
    assert transport.asked == []


@pytest.mark.parametrize(
    ("answer", "ok", "words"),
    [
        (as_json({"error": {"code": "BadRequest", "message": "Error for Property=id: missing"}}, 400), True, ""),
        (as_json({"errors": [{"recordIndex": 0, "errorMessages": ["x"]}]}, 400), True, ""),
        (as_json({"errors": [{"recordIndex": 0, "errorMessages": ["x"]}]}), True, ""),
        (as_json({"error": {"code": "BadRequest", "message": "sourcesystem is taken"}}, 400), True, "sourcesystem"),
        (as_json({"error": {"code": "InvalidApiVersionParameter"}}, 400), False, "InvalidApiVersionParameter"),
        (Answer(400), True, "400"),
        (Answer(200, {}, b"<html>Sign in"), False, "Sign in"),
        (Answer(200), False, "200"),
    ],
)
def test_check_shows_what_sentinel_says_to_an_incomplete_object(answer: Answer, ok: bool, words: str) -> None:
    """A 400 comes after token, role and workspace; only an unknown API version would meet every upload as well."""
    finding = _sentinel(answer)[0].check()[1]
    assert finding.ok is ok
    assert words in finding.answer
    assert bool(finding.remedy) is not ok
