"""What is special to one destination: foreign entries, capacity, paging, retirement, revocation."""

from __future__ import annotations

from typing import Any

import pytest

from misp_modules_ext.config.settings import Api
from misp_modules_ext.destinations import create
from misp_modules_ext.destinations.interface import Destination, Refusal
from misp_modules_ext.emulator import Behaviour, Emulator
from misp_modules_ext.errors import Retired, Unavailable
from misp_modules_ext.model.indicator import Due, Kind
from misp_modules_ext.model.outcome import Outcome, Reason
from tests.support.build import due

from .conftest import APP, SECRET, TENANT, Make, settings_for
from .test_all import held, known, push

OURS, THEIRS = "MISP-modules-ext", "Another tool"


def _at(emulator: Emulator, api: Api = Api.SENTINEL) -> Destination:
    return create(settings_for(emulator, api))


def _domains(count: int) -> list[Due]:
    return [due(Kind.DOMAIN_NAME, f"c{number}.evil.example") for number in range(count)]


@pytest.mark.parametrize("count", [1, 30])
def test_peers_22_someone_elses_entry_at_defender_is_left_alone(make: Make, emulator: Emulator, count: int) -> None:
    """Found in the list: refused with its owner's name, and never deleted by its value."""
    push(make(Api.DEFENDER, source_system=THEIRS), _domains(count)[:1])
    defender = make(Api.DEFENDER)
    first, *others = defender.survey(_domains(count), 5.0)
    assert isinstance(first, Refusal)
    assert first.reason is Reason.ALREADY_THERE
    assert THEIRS in first.message
    assert all(isinstance(other, Due) for other in others)
    for unanswered in (False, True):
        taken = defender.withdraw([_domains(1)[0]._replace(unanswered=unanswered)], 5.0)
        assert [result.outcome for result in taken] == [Outcome.ACCEPTED]
    assert [entity["application"] for entity in held(emulator, Api.DEFENDER)] == [THEIRS]


def test_someone_elses_entry_is_known_in_any_spelling(make: Make, emulator: Emulator) -> None:
    """People write hashes in capitals: it is the same value, and it is theirs."""
    theirs = make(Api.DEFENDER, source_system=THEIRS)
    push(theirs, [due(Kind.FILE_MD5, "0123456789ABCDEF" * 2)])
    (answer,) = make(Api.DEFENDER).survey([due(Kind.FILE_MD5, "0123456789abcdef" * 2)], 5.0)
    assert isinstance(answer, Refusal)
    assert answer.reason is Reason.ALREADY_THERE


def test_an_unanswered_submission_to_graph_doubles_nothing(make: Make, emulator: Emulator) -> None:
    """The answer is lost, the indicators are there: the repetition finds them."""
    graph = make(Api.GRAPH)
    emulator.fault(api="graph", drop="after", times=1, path="/submitTiIndicators")
    with pytest.raises(Unavailable):
        graph.send(_domains(3), 5.0)
    results = graph.send(_domains(3), 5.0)
    assert [result.outcome for result in results] == [Outcome.ACCEPTED] * 3
    assert len(held(emulator, Api.GRAPH)) == 3


def test_check_fails_for_an_api_version_that_microsoft_does_not_know(make: Make) -> None:
    """Every upload would be refused, so `check` may not call it well."""
    findings = make(Api.SENTINEL, api_version="2023-01-01").check()
    assert [finding.ok for finding in findings] == [True, False]
    assert "apiVersion" in findings[1].remedy


def test_peers_12_values_with_quotes_are_found_at_defender(make: Make) -> None:
    """The entry is found although its value holds quotes."""
    url = due(Kind.URL, "http://evil.example/it's/'quoted'?a=b&c=d#e")
    defender = make(Api.DEFENDER)
    (result,) = push(defender, [url])
    assert defender.survey([url._replace(unanswered=True)], 5.0) == [
        url._replace(unanswered=True, remote_id=result.remote_id)
    ]


def test_a_full_defender_skips_and_still_updates(make: Make) -> None:
    """15,000 are there: a new one is skipped for capacity and not blamed, one that is there is updated."""
    defender = make(Api.DEFENDER)
    first = due(Kind.DOMAIN_NAME, "first.evil.example")
    push(defender, [first])
    theirs = make(Api.DEFENDER, source_system=THEIRS)
    for batch in theirs.batches(_domains(14_999)):
        theirs.send(batch, 10.0)
    new, known = due(Kind.DOMAIN_NAME, "new.evil.example"), due(Kind.DOMAIN_NAME, "first.evil.example", title="changed")
    results = defender.send([new, known], 10.0)
    assert (results[0].outcome, results[0].reason) == (Outcome.SKIPPED, Reason.CAPACITY)
    assert results[1].outcome is Outcome.ACCEPTED


def test_deleting_what_someone_deleted_meanwhile_is_no_error(make: Make, emulator: Emulator) -> None:
    """Defender answers 404 for the batch; what is left is deleted."""
    defender = make(Api.DEFENDER)
    dues = _domains(3)
    there = known(dues, push(defender, dues))
    defender.withdraw(there[:1], 5.0)
    assert [result.outcome for result in defender.withdraw(there, 5.0)] == [Outcome.ACCEPTED] * 3
    assert held(emulator, Api.DEFENDER) == []


def test_defender_batches_are_one_request_each(make: Make, emulator: Emulator) -> None:
    """Peers send one request per indicator; 1,100 indicators are three imports here."""
    results = push(make(Api.DEFENDER), _domains(1100))
    assert [result.outcome for result in results] == [Outcome.ACCEPTED] * 1100
    imports = [request["objects"] for request in emulator.requests() if request["path"].endswith("/import")]
    assert imports == [500, 500, 100]
    assert len({result.remote_id for result in results}) == 1100


def test_peers_24_graphs_list_is_read_to_its_last_page(make: Make, emulator: Emulator) -> None:
    """Indicators of the second page are known, so that sending again updates them."""
    graph = make(Api.GRAPH)
    dues = _domains(1050)
    there = known(dues, push(graph, dues))
    lost = [one._replace(unanswered=True) for one in dues]
    assert graph.survey(lost, 10.0) == [one._replace(unanswered=True) for one in there]
    pages = [request for request in emulator.requests() if request["method"] == "GET" and request["api"] == "graph"]
    assert len(pages) >= 2


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_retired_graph_says_so_before_anything_is_sent(make: Make, emulator: Emulator, status: int) -> None:
    """Survey, entries, send, withdraw and check alike; the sentence names the other APIs."""
    emulator.fault(api="graph", status=status)
    graph = make(Api.GRAPH)
    for call in (graph.survey, graph.send, graph.withdraw):
        with pytest.raises(Retired, match="api = sentinel"):
            call([due()._replace(unanswered=True)], 5.0)
    with pytest.raises(Retired, match="api = sentinel"):
        graph.entries(5.0)
    finding = graph.check()[1]
    assert not finding.ok
    assert "api = sentinel" in finding.remedy


@pytest.mark.parametrize("key", ["errorMessages", "validationErrorMessages"])
@pytest.mark.parametrize("status", [200, 400])
def test_sentinels_undocumented_choices_are_all_understood(key: Any, status: Any) -> None:
    """Both names of the list of messages, both answers to an upload whose objects are all wrong."""
    behaviour = Behaviour(upload_error_key=key, all_invalid_status=status)
    with Emulator(rates=False, apps=[(TENANT, APP, SECRET)], behaviour=behaviour) as emulator:
        sentinel = _at(emulator)
        assert all(finding.ok for finding in sentinel.check())
        emulator.fault(api="sentinel", itemErrors=[1], times=1)
        results = sentinel.send(_domains(2), 5.0)
        assert [result.outcome for result in results] == [Outcome.ACCEPTED, Outcome.REJECTED]


def test_a_missing_permission_is_told_from_a_missing_store() -> None:
    """403 for each API when the application has no role anywhere."""
    behaviour = Behaviour(without_permission=frozenset({"sentinel", "defender"}))
    with Emulator(rates=False, apps=[(TENANT, APP, SECRET)], behaviour=behaviour) as emulator:
        for api in (Api.SENTINEL, Api.DEFENDER):
            finding = _at(emulator, api).check()[1]
            assert finding.refused
            assert "403" in finding.answer


def test_defender_with_the_narrow_permission_updates_its_own(make: Make) -> None:
    """Ti.ReadWrite sees only what this application created; that is enough to find and update it."""
    behaviour = Behaviour(defender_own_only=True)
    with Emulator(rates=False, apps=[(TENANT, APP, SECRET)], behaviour=behaviour) as emulator:
        defender = _at(emulator, Api.DEFENDER)
        push(defender, known(_domains(1), push(defender, _domains(1))))
        assert len(held(emulator, Api.DEFENDER)) == 1
