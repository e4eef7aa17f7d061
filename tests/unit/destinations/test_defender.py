"""Reading Defender's answers and its list, without sockets."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from misp_modules_ext.config.settings import Api
from misp_modules_ext.destinations.answers import Answer
from misp_modules_ext.destinations.defender import Defender
from misp_modules_ext.destinations.interface import Cleared, Refusal
from misp_modules_ext.errors import DestinationError, NotFound, Unavailable
from misp_modules_ext.model.indicator import Action, Due, Kind
from misp_modules_ext.model.outcome import Outcome, Reason
from tests.support.build import destination, due

from .scripted import API, LOGIN, Scripted, as_json, discovery, token

A, B = due(Kind.DOMAIN_NAME, "a.evil.example"), due(Kind.IPV6_ADDR, "2001:db8::b")
OURS = "MISP-modules-ext"


def _defender(*answers: Answer | Unavailable, **fields: Any) -> tuple[Defender, Scripted]:
    transport = Scripted(list(answers))
    # Request rates are remembered by application.
    app = str(uuid.uuid4())
    settings = destination(api=Api.DEFENDER, endpoint_login=LOGIN, endpoint_api=API, app_id=app, **fields)
    return Defender(settings, transport), transport  # type: ignore[arg-type]


def _result(indicator: Any, failed: Any = False, **more: Any) -> dict[str, Any]:
    return {"id": "7", "indicator": indicator, "isFailed": failed, "failureReason": None} | more


def _send(*results: dict[str, Any], batch: tuple[Due, ...] = (A, B)) -> list[Outcome]:
    return [result.outcome for result in _defender(as_json({"value": list(results)}))[0].send(batch, 5.0)]


OK, NO, UNKNOWN = Outcome.ACCEPTED, Outcome.REJECTED, Outcome.PENDING


@pytest.mark.parametrize(
    ("results", "outcomes"),
    [
        ([_result("a.evil.example"), _result("2001:db8:0:0:0:0:0:b")], [OK, OK]),
        ([_result("2001:db8:0:0:0:0:0:b", True), _result("a.evil.example")], [OK, NO]),
        ([_result("A.EVIL.example"), _result("2001:DB8::B")], [OK, OK]),
        ([_result("a.evil.example")], [OK, UNKNOWN]),
        ([], [UNKNOWN, UNKNOWN]),
        ([_result("a.evil.example"), _result("a.evil.example", True)], [NO, UNKNOWN]),
        ([_result("a.evil.example", None)], [UNKNOWN, UNKNOWN]),
        ([_result("a.evil.example", "false")], [UNKNOWN, UNKNOWN]),
        ([{"indicator": "a.evil.example"}], [UNKNOWN, UNKNOWN]),
        ([_result("a.evil.example", id=None), _result("2001:db8::b", id=True)], [UNKNOWN, UNKNOWN]),
        ([_result(None), _result(5), _result("other.example")], [UNKNOWN, UNKNOWN]),
    ],
)
def test_results_are_matched_by_value(results: list[dict[str, Any]], outcomes: list[Outcome]) -> None:
    """In any order and spelling; without a result of its own nothing counts as accepted."""
    assert _send(*results) == outcomes


def test_an_entry_whose_id_is_not_said_keeps_the_one_that_is_known() -> None:
    """And without any it is looked up before it counts: it could not be withdrawn."""
    api, _ = _defender(as_json({"value": [_result("a.evil.example", id=""), _result("2001:db8::b", id="9")]}))
    results = api.send([A._replace(remote_id="5"), B._replace(remote_id="6")], 5.0)
    assert [(result.outcome, result.remote_id) for result in results] == [(OK, "5"), (OK, "9")]


def test_values_that_differ_in_case_only_keep_their_own_results() -> None:
    """Two URLs with the same letters are not mixed up, and a respelled answer that fits both speaks for neither."""
    batch = (due(Kind.URL, "http://e.example/A"), due(Kind.URL, "http://e.example/a"))
    assert _send(_result("http://e.example/a"), _result("http://e.example/A", True), batch=batch) == [NO, OK]
    assert _send(_result("HTTP://E.EXAMPLE/A"), batch=batch) == [UNKNOWN, UNKNOWN]


def test_peers_02_is_failed_is_read_with_its_reason() -> None:
    """A rejected indicator carries Microsoft's words, an accepted one Microsoft's id."""
    answer = as_json(
        {"value": [_result("a.evil.example", True, failureReason="Bad\nvalue"), _result("2001:db8::b", id=9)]}
    )
    first, second = _defender(answer)[0].send([A, B], 5.0)
    assert (first.outcome, first.reason, first.message) == (NO, Reason.REJECTED, "Bad value")
    assert (second.outcome, second.remote_id) == (OK, "9")
    unexplained = _defender(as_json({"value": [_result("a.evil.example", True)]}))[0].send([A], 5.0)
    assert unexplained[0].message


@pytest.mark.parametrize(
    ("reason", "full"),
    [
        ("InvalidInput: The tenant holds 15000 indicators, the most it can.", True),
        ("Maximum number of indicators for the organization reached", True),
        ("Indicators limit exceeded", True),
        ("Max capacity exceeded", True),
        ("Quota exceeded", True),
        ("indicatorValue exceeds the maximum length", False),
        ("Description of indicators is limited to 100 characters, the limit", False),
        ("Indicators cannot be created for internal addresses.", False),
        ("Action is not supported for this tenant", False),
        ("'quota-mail.evil.example' is not a valid domain name", False),
        ('"capacity" is no value of indicatorType', False),
        ("The tenant's maximum of indicators isn't to be exceeded", True),
    ],
)
def test_a_full_tenant_is_no_fault_of_the_indicator(reason: str, full: bool) -> None:
    """Capacity is skipped with its own reason; every other failure is a rejection."""
    result = _defender(as_json({"value": [_result("a.evil.example", True, failureReason=reason)]}))[0].send([A], 5.0)[0]
    assert result.outcome is (Outcome.SKIPPED if full else Outcome.REJECTED)
    assert result.reason is (Reason.CAPACITY if full else Reason.REJECTED)


@pytest.mark.parametrize("document", [{}, {"value": None}, {"value": {}}, {"value": ["x"]}, [], "x", None])
def test_an_answer_of_another_shape_accepts_nothing(document: Any) -> None:
    """A clear error instead of a KeyError."""
    for call in ("send", "survey"):
        with pytest.raises(Unavailable, match="Microsoft Defender answered 200"):
            getattr(_defender(as_json(document))[0], call)([A], 5.0)


#: A page after the last.
END = as_json({"value": []})


def _entry(value: str, type_: str = "DomainName", application: str | None = OURS, **more: Any) -> dict[str, Any]:
    return {
        "id": "5",
        "indicatorValue": value,
        "indicatorType": type_,
        "action": "Audit",
        "application": application,
    } | more


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        ([], ""),
        ([_entry("a.evil.example")], "5"),
        ([_entry("A.Evil.Example")], "5"),
        ([_entry("a.evil.example", id=5)], "5"),
        ([_entry("a.evil.example", "Url", "Other")], ""),
        ([_entry("a.evil.example", action="Block")], "5"),
        ([_entry("a.evil.example", action="Block"), _entry("a.evil.example", id="6")], "6"),
        ([_entry("a.evil.example", application="Other"), _entry("a.evil.example", id="6")], "6"),
        ([_entry("a.evil.example", id=None), _entry("a.evil.example", id="6")], "6"),
        ([_entry("b.evil.example", application="Other"), {}, {"indicatorValue": 5}], ""),
    ],
)
def test_what_an_unanswered_request_may_have_made_is_found(entries: list[dict[str, Any]], found: str) -> None:
    """By our name, value and type, whatever spelling and action; entries of other values and types do not matter."""
    one = A._replace(unanswered=True)
    answer = _defender(as_json({"value": entries}), END)[0].survey([one], 5.0)[0]
    assert answer == one._replace(remote_id=found)


@pytest.mark.parametrize("remote_id", ["", "gone"])
def test_an_entry_of_ours_that_this_ledger_does_not_know_is_left_alone(remote_id: str) -> None:
    """Two ledgers on one store would change and delete each other's: the refusal says how to take it over."""
    one = A._replace(remote_id=remote_id)
    answers = _defender(as_json({"value": [_entry("a.evil.example")]}), END)[0].survey([one, B], 5.0)
    assert isinstance(answers[0], Refusal)
    assert answers[0].reason is Reason.ALREADY_THERE
    assert "another ledger or an earlier installation" in answers[0].message
    assert "`misp-microsoft reconcile --adopt`" in answers[0].message
    assert answers[1] == B


def test_an_entry_that_is_ours_by_its_id_goes_on() -> None:
    """Also when the list shows it under another name or spelling; one that is gone goes as new."""
    here, gone, new = A._replace(remote_id="5"), B._replace(remote_id="7"), due(Kind.DOMAIN_NAME, "new.evil.example")
    listed = as_json({"value": [_entry("A.evil.example", application=None), _entry("other.example", id="9")]})
    assert _defender(listed, END)[0].survey([here, gone, new], 5.0) == [here, B, new]


def test_nothing_is_listed_when_every_id_is_known() -> None:
    """A changed event of known indicators costs no request more than its import."""
    api, transport = _defender()
    known = [A._replace(remote_id="5"), B._replace(remote_id="6", unanswered=True)]
    assert api.survey(known, 5.0) == known
    assert api.survey([], 5.0) == []
    assert transport.asked == []


@pytest.mark.parametrize(
    ("entry", "owner"),
    [
        (_entry("a.evil.example", application="Other tool"), "Other tool"),
        (_entry("a.evil.example", application=None, createdByDisplayName="A. Analyst"), "A. Analyst"),
        (_entry("a.evil.example", application="", createdBy="app-id"), "app-id"),
        (_entry("a.evil.example", application=None), "Someone else"),
    ],
)
def test_someone_elses_entry_is_left_alone(entry: dict[str, Any], owner: str) -> None:
    """The refusal names whose it is."""
    answer = _defender(as_json({"value": [entry]}), END)[0].survey([A], 5.0)[0]
    assert isinstance(answer, Refusal)
    assert answer.reason is Reason.ALREADY_THERE
    assert owner in answer.message


def test_peers_24_values_are_looked_up_in_the_whole_list_page_by_page() -> None:
    """Until a page is empty, whatever the size of the server's pages."""
    dues = [due(Kind.DOMAIN_NAME, f"c{number}.evil.example")._replace(unanswered=True) for number in range(21)]
    pages = [[_entry(f"c{n}.evil.example", id=str(n)) for n in numbers] for numbers in ((0, 1), (2,), ())]
    api, transport = _defender(*(as_json({"value": page}) for page in pages))
    found = api.survey(dues, 5.0)
    assert [one.remote_id for one in found if isinstance(one, Due)] == ["0", "1", "2"] + [""] * 18
    assert [parse_qs(urlsplit(asked.url).query)["$skip"] for asked in transport.of(API)] == [["0"], ["2"], ["3"]]


@pytest.mark.parametrize("call", ["survey", "entries"])
def test_peers_21_a_repeated_page_is_not_the_end_of_the_list(call: str) -> None:
    """A server that ignores `$skip` hides what comes after: that is no list."""
    page = as_json({"value": [_entry("c1.evil.example")]})
    api, _ = _defender(page, page)
    with pytest.raises(Unavailable, match="repeats a page"):
        api.survey([A], 5.0) if call == "survey" else api.entries(5.0)


@pytest.mark.parametrize("call", ["survey", "entries", "withdraw"])
def test_peers_21_a_missing_page_is_not_the_end_of_the_list(call: str) -> None:
    """Neither for what is there nor for what is gone: the error goes up, and nothing is deleted."""
    page = as_json({"value": [_entry("c1.evil.example")]})
    api, transport = _defender(page, Unavailable("no answer"))
    with pytest.raises(Unavailable, match="no answer"):
        api.entries(5.0) if call == "entries" else getattr(api, call)([A._replace(unanswered=True)], 5.0)
    assert [asked.method for asked in transport.of(API)] == ["GET", "GET"]


def test_withdrawing_deletes_by_id() -> None:
    """One request for what is known; its 204 is acceptance."""
    api, transport = _defender(Answer(204))
    results = api.withdraw([A._replace(remote_id="5"), B._replace(remote_id="6")], 5.0)
    assert [result.outcome for result in results] == [OK, OK]
    assert transport.of(API)[0].json == {"IndicatorIds": ["5", "6"]}


def test_withdrawing_with_one_missing_deletes_the_rest() -> None:
    """404 means that nothing was deleted: what the list still shows is deleted, the absent one counts as gone."""
    api, transport = _defender(Answer(404), as_json({"value": [_entry("a.evil.example")]}), END, Answer(204))
    results = api.withdraw([A._replace(remote_id="5"), B._replace(remote_id="6")], 5.0)
    assert [result.outcome for result in results] == [OK, OK]
    assert transport.of(API)[3].json == {"IndicatorIds": ["5"]}


@pytest.mark.parametrize("unanswered", [False, True])
def test_peers_22_withdrawing_never_touches_other_peoples_entries_of_the_value(unanswered: bool) -> None:
    """Deleted is by id, or what our own unanswered request made; whoever else holds the value keeps it."""
    entries = [
        _entry("a.evil.example", application="Other"),
        _entry("2001:db8::b", "IpAddress", "Other", id="6"),
        _entry("2001:db8:0:0:0:0:0:b", "IpAddress", id="7"),
    ]
    api, transport = _defender(as_json({"value": entries}), END, Answer(204))
    batch = [A._replace(unanswered=unanswered), B._replace(unanswered=unanswered)]
    assert [result.outcome for result in api.withdraw(batch, 5.0)] == [OK, OK]
    deletions = [asked.json for asked in transport.of(API) if asked.method == "POST"]
    assert deletions == ([{"IndicatorIds": ["7"]}] if unanswered else [])


def test_withdrawing_what_this_ledger_never_sent_asks_nothing() -> None:
    """Absent entries count as withdrawn."""
    api, transport = _defender()
    assert [result.outcome for result in api.withdraw([A], 5.0)] == [OK]
    assert transport.asked == []


def test_a_deletion_that_stays_refused_is_an_error() -> None:
    """404 twice although the list shows the entry: nothing counts as withdrawn."""
    listed = as_json({"value": [_entry("a.evil.example")]})
    with pytest.raises(Unavailable):
        _defender(Answer(404), listed, END, Answer(404))[0].withdraw([A._replace(remote_id="5")], 5.0)
    with pytest.raises(NotFound):
        _defender(Answer(404), Answer(404))[0].withdraw([A._replace(remote_id="5")], 5.0)


def test_batches_hold_five_hundred() -> None:
    """Documented for one import."""
    dues = [due(Kind.DOMAIN_NAME, f"c{number}.evil.example") for number in range(1100)]
    assert [len(batch) for batch in _defender()[0].batches(dues)] == [500, 500, 100]


def test_a_value_that_says_quota_is_no_full_tenant() -> None:
    """The value is taken out of Microsoft's words in any case before they are judged."""
    one = due(Kind.DOMAIN_NAME, "my.quota.evil.example")
    failed = _result("my.quota.evil.example", True, failureReason="My.Quota.evil.example is no domain")
    assert _send(failed, batch=(one,)) == [NO]


@pytest.mark.parametrize("message", ["Parameter Indicators is missing", "The request is not valid."])
def test_check_shows_what_defender_says_to_an_empty_import(message: str) -> None:
    """400 means the permission is there; Microsoft's words are not documented, so they are shown and not judged."""
    refusal = as_json({"error": {"code": "BadRequest", "message": message}}, 400)
    finding = _defender(as_json({"value": []}), refusal)[0].check()[2]
    assert finding.ok
    assert message in finding.answer


@pytest.mark.parametrize(
    ("claims", "warned"),
    [
        ({"roles": ["Ti.ReadWrite"]}, True),
        ({"roles": []}, True),
        ({"roles": ["Ti.ReadWrite", "Ti.ReadWrite.All"]}, False),
        ({"aud": "x"}, False),
        ({"roles": "Ti.ReadWrite"}, False),
        ([], False),
        (None, False),
    ],
)
def test_check_says_when_others_entries_cannot_be_seen(claims: Any, warned: bool) -> None:
    """Only when the token itself names its permissions; it stays a note."""
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    text = "opaque" if claims is None else f"e30.{payload}.x"
    transport = Scripted([as_json({"value": []}), Answer(200)], [discovery(), token(text)])
    settings = destination(api=Api.DEFENDER, endpoint_login=LOGIN, endpoint_api=API, app_id=str(id(transport)))
    finding = Defender(settings, transport).check()[1]  # type: ignore[arg-type]
    assert finding.ok
    assert ("Ti.ReadWrite.All" in finding.remedy) is warned


CHANGED = A._replace(remote_id="5", rewritten=True)
BLOCK = due(Kind.DOMAIN_NAME, "a.evil.example", action=Action.BLOCK)._replace(remote_id="5", rewritten=True)


@pytest.mark.parametrize(
    ("entries", "unanswered", "others"),
    [
        ([_entry("a.evil.example")], False, ()),
        ([_entry("a.evil.example", action="Block")], False, ("5",)),
        ([_entry("a.evil.example", rbacGroupNames=["Servers"])], False, ("5",)),
        ([_entry("a.evil.example"), _entry("a.evil.example", id="6", action="Block")], True, ("6",)),
        ([_entry("a.evil.example", action="Warn"), _entry("a.evil.example", id="6", action="Block")], True, ("5", "6")),
        ([_entry("a.evil.example"), _entry("a.evil.example", id="6", action="Block")], False, ()),
        ([_entry("a.evil.example"), _entry("a.evil.example", application="Other", id="6", action="Block")], True, ()),
        ([_entry("a.evil.example"), _entry("a.evil.example", application="Other", id="6", action="Alert")], True, ()),
    ],
)
def test_entries_that_an_import_would_leave_beside_it(
    entries: list[dict[str, Any]], unanswered: bool, others: tuple[str, ...]
) -> None:
    """Ours with another action or other device groups; what an unanswered request may have made counts as ours."""
    one = CHANGED._replace(unanswered=unanswered)
    (found,) = _defender(as_json({"value": entries}), END)[0].survey([one], 5.0)
    assert found == one._replace(others=others, lowers=_does_more(entries, others))


def _does_more(entries: list[dict[str, Any]], others: tuple[str, ...]) -> bool:
    return any(entry["action"] != "Audit" for entry in entries if entry["id"] in others)


def test_after_a_lost_first_answer_the_entry_with_another_action_is_found() -> None:
    """Its id was never known: the import of another action would make a second one."""
    one = A._replace(rewritten=True, unanswered=True)
    (found,) = _defender(as_json({"value": [_entry("a.evil.example", action="Block")]}), END)[0].survey([one], 5.0)
    assert found == one._replace(remote_id="5", others=("5",), lowers=True)


@pytest.mark.parametrize("theirs", ["Audit", "Block"])
def test_an_entry_of_someone_else_where_ours_would_go(theirs: str) -> None:
    """An import with that action would change theirs: ours goes, theirs stays. With another it is no hindrance."""
    entries = [
        _entry("a.evil.example", action="Warn"),
        _entry("a.evil.example", application="Other", id="6", action=theirs),
    ]
    api, transport = _defender(as_json({"value": entries}), END, Answer(204))
    (found,) = api.survey([CHANGED], 5.0)
    deleted = [asked.json for asked in transport.of(API) if asked.method == "POST"]
    if theirs == "Audit":
        assert isinstance(found, Refusal)
        assert isinstance(found, Cleared)
        assert (found.reason, deleted) == (Reason.ALREADY_THERE, [{"IndicatorIds": ["5"]}])
    else:
        assert (found, deleted) == (CHANGED._replace(others=("5",), lowers=True), [])


def _asked(transport: Scripted) -> list[str]:
    return [urlsplit(asked.url).path.rpartition("/")[2] for asked in transport.of(API)]


@pytest.mark.parametrize(
    ("there", "wanted", "lowers"),
    [
        ("Block", Action.AUDIT, True),
        ("Block", Action.WARN, True),
        ("Block", Action.ALLOWED, True),
        ("Allowed", Action.AUDIT, True),
        ("AlertAndBlock", Action.AUDIT, True),
        ("Audit", Action.BLOCK, False),
        ("Warn", Action.BLOCK, False),
    ],
)
def test_what_is_there_and_does_more_than_asked_for_goes_with_a_refusal(
    there: str, wanted: Action, lowers: bool
) -> None:
    """Nothing keeps blocking because what should replace it is refused."""
    one = due(Kind.DOMAIN_NAME, "a.evil.example", action=wanted)._replace(remote_id="5", rewritten=True)
    refused = as_json({"value": [_result("a.evil.example", True, failureReason="InvalidInput: the title is bad")]})
    entry = as_json({"value": [_entry("a.evil.example", action=there)]})
    api, transport = _defender(entry, END, refused, Answer(204))
    (found,) = api.survey([one], 5.0)
    assert isinstance(found, Due)
    (result,) = api.send([found], 5.0)
    assert (result.outcome, result.gone) == (NO, lowers)
    assert ("BatchDelete" in _asked(transport)) is lowers


def test_where_the_old_one_went_first_and_the_new_one_is_refused_nothing_is_there() -> None:
    """Which the ledger has to know."""
    full = as_json({"value": [_result("a.evil.example", True, failureReason="Quota exceeded")]})
    api, _ = _defender(full, Answer(204), full)
    (result,) = api.send([BLOCK._replace(others=("5",))], 5.0)
    assert (result.reason, result.gone) == (Reason.CAPACITY, True)


def test_what_is_left_beside_a_new_entry_is_deleted_after_it() -> None:
    """Never before: between the two the value would be free."""
    api, transport = _defender(as_json({"value": [_result("a.evil.example", id="9")]}), Answer(204))
    (result,) = api.send([BLOCK._replace(others=("5", "6"))], 5.0)
    assert (result.outcome, result.remote_id) == (OK, "9")
    assert _asked(transport) == ["import", "BatchDelete"]
    assert transport.of(API)[1].json == {"IndicatorIds": ["5", "6"]}


def test_an_entry_that_changed_in_its_place_is_not_deleted() -> None:
    """Should Defender keep the id although the action changed."""
    api, transport = _defender(as_json({"value": [_result("a.evil.example", id="5")]}))
    assert api.send([BLOCK._replace(others=("5",))], 5.0)[0].remote_id == "5"
    assert _asked(transport) == ["import"]


@pytest.mark.parametrize(
    "reason", ["The tenant holds 15000 indicators, the most it can.", "Conflict: an indicator exists already"]
)
def test_where_two_cannot_stand_beside_each_other_the_old_one_goes_first(reason: str) -> None:
    """A full tenant must not keep a block alive that was taken back."""
    answers = (
        as_json({"value": [_result("a.evil.example", True, failureReason=reason), _result("2001:db8:0:0:0:0:0:b")]}),
        Answer(204),
        as_json({"value": [_result("a.evil.example", id="9")]}),
    )
    api, transport = _defender(*answers)
    first, second = api.send([BLOCK._replace(others=("5",)), B], 5.0)
    assert (first.outcome, first.remote_id, second.outcome) == (OK, "9", OK)
    assert _asked(transport) == ["import", "BatchDelete", "import"]
    assert [item["indicatorValue"] for item in transport.of(API)[2].json["Indicators"]] == ["a.evil.example"]


@pytest.mark.parametrize(
    ("reason", "others"),
    [
        ("InvalidInput: the title is bad", ("5",)),
        ("The tenant holds 15000 indicators, the most it can.", ()),
    ],
)
def test_a_refusal_deletes_nothing_that_is_not_in_its_way(reason: str, others: tuple[str, ...]) -> None:
    """What is there stays as it was."""
    answer = as_json({"value": [_result("a.evil.example", True, failureReason=reason)]})
    api, transport = _defender(answer)
    assert api.send([BLOCK._replace(others=others)], 5.0)[0].outcome is not OK
    assert _asked(transport) == ["import"]


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        (as_json({}, 429, retry_after="7"), 7.0),
        (as_json({"error": {"code": "InvalidInput", "message": "no"}}, 400), None),
        (as_json({}, 403), None),
        (as_json({}, 503, retry_after="9"), 9.0),
    ],
    ids=["429", "400", "403", "503"],
)
@pytest.mark.parametrize("stuck", [False, True])
def test_a_refusal_after_an_answered_import_leaves_it_in_doubt(answer: Answer, wait: float | None, stuck: bool) -> None:
    """The new entry is there: forgotten, it would count as another ledger's, and stand for ever beside the old one."""
    full = "The tenant holds 15000 indicators, the most it can."
    item = _result("a.evil.example", True, failureReason=full) if stuck else _result("a.evil.example", id="9")
    api, _ = _defender(as_json({"value": [item]}), answer)
    with pytest.raises(Unavailable) as raised:
        api.send([BLOCK._replace(others=("5",))], 5.0)
    assert raised.value.retry_after == wait


@pytest.mark.parametrize("status", [400, 403, 429])
def test_a_refused_import_leaves_nothing_in_doubt(status: int) -> None:
    """Nothing of it was taken, which the error says."""
    api, _ = _defender(as_json({}, status))
    with pytest.raises(DestinationError) as raised:
        api.send([BLOCK._replace(others=("5",))], 5.0)
    assert not isinstance(raised.value, Unavailable)


def test_withdrawing_what_may_have_got_another_action_deletes_both() -> None:
    """The import of the other action was not answered."""
    entries = [_entry("a.evil.example"), _entry("a.evil.example", id="6", action="Block")]
    api, transport = _defender(as_json({"value": entries}), END, Answer(204))
    api.withdraw([CHANGED._replace(unanswered=True)], 5.0)
    (deletion,) = (asked for asked in transport.of(API) if asked.method == "POST")
    assert sorted(deletion.json["IndicatorIds"]) == ["5", "6"]


@pytest.mark.parametrize(
    ("kind", "value", "action", "fits"),
    [
        (Kind.DOMAIN_NAME, "a.evil.example", Action.BLOCK_AND_REMEDIATE, False),
        (Kind.URL, "https://a.evil.example/", Action.BLOCK_AND_REMEDIATE, False),
        (Kind.IPV4_ADDR, "203.0.113.9", Action.BLOCK_AND_REMEDIATE, False),
        (Kind.IPV4_ADDR, "203.0.113.9", Action.WARN, True),
        (Kind.FILE_MD5, "0" * 32, Action.BLOCK_AND_REMEDIATE, True),
        (Kind.FILE_SHA256, "0" * 64, Action.ALLOWED, True),
    ],
)
def test_an_action_that_a_type_does_not_have_is_not_sent(kind: Kind, value: str, action: Action, fits: bool) -> None:
    """Whatever decided on it: Defender would not import it."""
    refused = _defender()[0].refuses(due(kind, value, action=action).indicator)
    assert (refused is None) is fits
    assert refused is None or refused.reason is Reason.KIND_NOT_HELD
