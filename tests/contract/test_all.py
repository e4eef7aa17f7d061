"""What holds for each destination alike."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterable
from typing import Any

import pytest
from pydantic import SecretStr

from misp_modules_ext.config.settings import Api
from misp_modules_ext.destinations.interface import Destination, ItemResult, Refusal
from misp_modules_ext.emulator import Emulator
from misp_modules_ext.errors import (
    BatchRefused,
    DestinationError,
    NotFound,
    PermissionRefused,
    Retired,
    Throttled,
    Unavailable,
)
from misp_modules_ext.model.indicator import Due, Kind
from misp_modules_ext.model.outcome import Outcome
from tests.support.build import due
from tests.unit.destinations.values import VALUES

from .conftest import SECRET, Make

APIS = list(Api)
GRAPH_PRODUCTS = ["Azure Sentinel", "Microsoft Defender ATP"]


def push(destination: Destination, dues: Iterable[Due]) -> list[ItemResult]:
    """Survey, split and send, as the delivery does."""
    surveyed = destination.survey(list(dues), 5.0)
    ready = [answer for answer in surveyed if not isinstance(answer, Refusal)]
    return [result for batch in destination.batches(ready) for result in destination.send(batch, 5.0)]


def known(dues: Iterable[Due], results: Iterable[ItemResult]) -> list[Due]:
    """As the ledger has them after these results."""
    return [one._replace(remote_id=result.remote_id) for one, result in zip(dues, results, strict=True)]


def held(emulator: Emulator, api: Api) -> list[dict[str, Any]]:
    """What one of the emulator's stores holds."""
    stores = emulator.state()[api.value].values()
    return [entity for store in stores for entity in (store.values() if isinstance(store, dict) else store)]


def _held_kinds(destination: Destination) -> list[Due]:
    every = [due(kind, VALUES[kind]) for kind in Kind]
    return [one for one in every if destination.refuses(one.indicator) is None]


@pytest.mark.parametrize(
    ("api", "fields", "count"),
    [
        (Api.SENTINEL, {}, 16),
        (Api.DEFENDER, {}, 7),
        (Api.GRAPH, {"product": "Azure Sentinel"}, 21),
        (Api.GRAPH, {"product": "Microsoft Defender ATP"}, 7),
    ],
)
def test_every_kind_that_is_held_arrives_and_twice_is_once(
    make: Make, emulator: Emulator, api: Api, fields: dict[str, Any], count: int
) -> None:
    """All kinds are accepted; sending them again, changed, updates what is there; withdrawing leaves nothing live."""
    destination = make(api, **fields)
    dues = _held_kinds(destination)
    assert len(dues) == count
    ids = [""] * count
    for title in ("first", "second"):
        changed = [
            due(one.indicator.observable.kind, one.indicator.observable.value, title=title)._replace(remote_id=number)
            for one, number in zip(dues, ids, strict=True)
        ]
        results = push(destination, changed)
        assert [result.outcome for result in results] == [Outcome.ACCEPTED] * count
        ids = [result.remote_id for result in results]
    found = held(emulator, api)
    assert len(found) == count
    name = {Api.SENTINEL: "name", Api.DEFENDER: "title", Api.GRAPH: "description"}[api]
    assert {entity[name] for entity in found} == {"second"}
    taken = destination.withdraw(known(dues, results), 5.0)
    assert [result.outcome for result in taken] == [Outcome.ACCEPTED] * count
    assert [entity for entity in held(emulator, api) if not entity.get("revoked")] == []


@pytest.mark.parametrize("api", APIS)
def test_check_finds_all_well_and_changes_nothing(make: Make, emulator: Emulator, api: Api) -> None:
    """Token and permission are tried; the stores stay empty."""
    findings = make(api).check()
    assert len(findings) >= 2
    assert all(finding.ok and finding.answer and not finding.remedy for finding in findings)
    assert held(emulator, api) == []


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(("status", "refused"), [(401, True), (403, True), (404, False), (500, False)])
def test_check_names_the_remedy(make: Make, emulator: Emulator, api: Api, status: int, refused: bool) -> None:
    """The token is fine, the API is not: the finding says what to do."""
    emulator.fault(api=api.value, status=status)
    token, *others = make(api).check()
    assert token.ok
    assert others
    assert not any(finding.ok for finding in others)
    assert all(finding.remedy and finding.answer for finding in others)
    retired = api is Api.GRAPH and status == 403
    assert all(finding.refused is (refused and not retired) for finding in others)


@pytest.mark.parametrize("api", APIS)
def test_check_stops_at_a_refused_token(make: Make, api: Api) -> None:
    """One line, with the remedy, marked as a matter of credentials."""
    findings = make(api, app_secret=SecretStr("wrong")).check()
    assert [(finding.ok, finding.refused) for finding in findings] == [(False, True)]
    assert "`appSecret`" in findings[0].remedy
    assert "What to do" not in findings[0].answer


def test_check_of_a_missing_workspace_or_role_says_which_key(make: Make, emulator: Emulator) -> None:
    """404 leads to `workspaceId`, 403 to the role."""
    finding = make(Api.SENTINEL, workspace_id="my-workspace-name").check()[1]
    assert "`workspaceId`" in finding.remedy
    assert "GUID" in finding.remedy
    emulator.fault(api="sentinel", status=403)
    assert "Microsoft Sentinel Contributor" in make(Api.SENTINEL).check()[1].remedy
    emulator.fault(api="defender", status=403)
    assert "Ti.ReadWrite.All" in make(Api.DEFENDER).check()[1].remedy


ERRORS: list[tuple[int, type[DestinationError]]] = [
    (400, BatchRefused),
    (401, PermissionRefused),
    (403, PermissionRefused),
    (404, NotFound),
    (410, Retired),
    (429, Throttled),
    (500, Unavailable),
    (503, Unavailable),
]


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(("status", "kind"), ERRORS)
def test_peers_01_and_02_a_refused_request_is_an_error_not_a_result(
    make: Make, emulator: Emulator, api: Api, status: int, kind: type[DestinationError]
) -> None:
    """Nothing of it counts as accepted or is stored, and it is sent once: repeating is the delivery's decision."""
    if api is Api.GRAPH and status in (403, 404):
        kind = Retired
    emulator.fault(api=api.value, status=status, method="POST")
    destination = make(api)
    _warm_up(destination, status)
    before = len(emulator.requests())
    with pytest.raises(DestinationError) as caught:
        destination.send([due()], 5.0)
    assert type(caught.value) is kind
    assert held(emulator, api) == []
    api_requests = [one for one in emulator.requests()[before:] if one["api"] == api.value]
    assert len(api_requests) == (2 if status == 401 else 1)
    emulator.clear_faults()
    assert destination.send([due()], 5.0)[0].outcome is Outcome.ACCEPTED


def _warm_up(destination: Destination, status: int) -> None:
    """Have a remembered token, so that a 401 is tried with a new one."""
    if status == 401:
        assert destination.check()[0].ok


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(("given", "read"), [(7, 7.0), (None, None)])
def test_peers_03_retry_after_is_read(
    make: Make, emulator: Emulator, api: Api, given: int | None, read: float | None
) -> None:
    """From the header; without one Sentinel's gateway says it in its message, the others do not say it."""
    emulator.fault(api=api.value, status=429, retryAfter=given)
    with pytest.raises(Throttled) as caught:
        make(api).send([due()], 5.0)
    assert caught.value.retry_after == (1.0 if read is None and api is Api.SENTINEL else read)


def test_peers_03_the_wait_in_sentinels_message_is_read(make: Make, emulator: Emulator) -> None:
    """Its gateway sends no header."""
    emulator.fault(api="sentinel", status=429, message="Rate limit is exceeded. Try again in 42 seconds.")
    with pytest.raises(Throttled) as caught:
        make(Api.SENTINEL).send([due()], 5.0)
    assert caught.value.retry_after == 42.0


@pytest.mark.parametrize("api", APIS)
def test_a_hanging_api_is_left_in_time(make: Make, emulator: Emulator, api: Api) -> None:
    """The answer would come after the time is over; whether the request took effect is not claimed."""
    destination = make(api)
    assert destination.check()[0].ok
    emulator.fault(api=api.value, delay=3)
    with pytest.raises(Unavailable, match="did not answer within"):
        destination.send([due()], 0.3)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_dropped_connection_is_unavailable_and_a_repetition_does_not_double(
    make: Make, emulator: Emulator, api: Api, drop: str
) -> None:
    """Before or after it took effect: pushing again leaves exactly one."""
    destination = make(api)
    emulator.fault(api=api.value, drop=drop, method="POST", times=1)
    with pytest.raises(Unavailable, match="closed the connection"):
        push(destination, [due()])
    again = push(destination, [due()._replace(unanswered=True)])
    assert [result.outcome for result in again] == [Outcome.ACCEPTED]
    assert len(held(emulator, api)) == 1


@pytest.mark.parametrize("api", APIS)
def test_an_unanswered_creation_can_be_withdrawn(make: Make, emulator: Emulator, api: Api) -> None:
    """Its answer is lost, and with it its id; a request that created nothing is withdrawn as well."""
    destination = make(api)
    emulator.fault(api=api.value, drop="after", method="POST", times=1)
    with pytest.raises(Unavailable):
        push(destination, [due()])
    lost = [due()._replace(unanswered=True), due(Kind.DOMAIN_NAME, "never.evil.example")._replace(unanswered=True)]
    assert [result.outcome for result in make(api).withdraw(lost, 5.0)] == [Outcome.ACCEPTED] * 2
    assert [entity for entity in held(emulator, api) if not entity.get("revoked")] == []


@pytest.mark.parametrize("api", APIS)
def test_peers_02_a_partial_answer_rejects_exactly_the_guilty(make: Make, emulator: Emulator, api: Api) -> None:
    """Items 0 and 3 fail in a good answer: those are rejected with words, the others are there."""
    emulator.fault(api=api.value, itemErrors=[0, 3], times=1, method="POST")
    dues = [due(Kind.DOMAIN_NAME, f"c{number}.evil.example") for number in range(5)]
    results = make(api).send(dues, 5.0)
    accepted, rejected = Outcome.ACCEPTED, Outcome.REJECTED
    assert [result.outcome for result in results] == [rejected, accepted, accepted, rejected, accepted]
    assert all(result.message for result in results if result.outcome is rejected)
    assert len(held(emulator, api)) == 3


@pytest.mark.parametrize("api", APIS)
def test_a_batch_with_one_guilty_item_is_refused_whole(make: Make, emulator: Emulator, api: Api) -> None:
    """400 and nothing stored; without the guilty one the rest passes."""
    emulator.fault(api=api.value, match="guilty.evil.example", status=400)
    good, guilty = due(Kind.DOMAIN_NAME, "good.evil.example"), due(Kind.DOMAIN_NAME, "guilty.evil.example")
    with pytest.raises(BatchRefused):
        make(api).send([good, guilty], 5.0)
    assert held(emulator, api) == []
    assert make(api).send([good], 5.0)[0].outcome is Outcome.ACCEPTED


@pytest.mark.parametrize("api", APIS)
def test_the_wrong_ca_is_said_with_the_remedy(make: Make, api: Api, wrong_ca: Any) -> None:
    """For Entra as for the API."""
    finding = make(api, ca=wrong_ca).check()[0]
    assert not finding.ok
    assert "`ca`" in finding.remedy


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_peers_25_a_ca_bundle_in_the_environment_changes_nothing(
    make: Make, api: Api, variable: str, wrong_ca: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tokens and uploads work with the configured `ca`."""
    monkeypatch.setenv(variable, str(wrong_ca))
    destination = make(api, app_secret=SecretStr("wrong"))
    assert "AADSTS" in destination.check()[0].answer
    assert make(api).send([due()], 5.0)[0].outcome is Outcome.ACCEPTED


@pytest.mark.parametrize("api", APIS)
def test_peers_25_secret_and_token_are_in_no_log_error_or_repr(
    make: Make, emulator: Emulator, api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    """At DEBUG, with MSAL's and urllib3's loggers, through success, refusals and drops, with locals in tracebacks."""
    shown = []
    with caplog.at_level(logging.DEBUG):
        make(api, app_secret=SecretStr("wrong-but-secret")).check()
        destination = make(api)
        shown += [repr(destination), repr(vars(destination)), repr(destination.check())]
        destination.send([due()], 5.0)
        for fault in ({"status": 401}, {"status": 403}, {"status": 500}, {"drop": True}, {"delay": 2}):
            emulator.clear_faults()
            emulator.fault(api=api.value, **fault)
            with pytest.raises(DestinationError) as caught:
                destination.send([due()], 0.5)
            trace = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
            shown += ["".join(trace.format()), repr(caught.value)]
    assert {"msal", "urllib3"} <= {record.name.partition(".")[0] for record in caplog.records}
    everything = "\n".join([caplog.text, *shown])
    assert "Bearer " not in everything
    assert "eyJ" not in everything
    assert "wrong-but-secret" not in everything
    assert SECRET not in everything


@pytest.mark.parametrize("api", APIS)
def test_a_gateway_that_returns_the_token_does_not_put_it_into_a_message(
    make: Make, emulator: Emulator, api: Api
) -> None:
    """Words of an error answer that hold a bearer token are shown without it."""
    emulator.fault(api=api.value, status=500, message="Headers: Authorization: Bearer eyJabcdefgh.eyJijkl.mn failed")
    with pytest.raises(Unavailable, match="token removed") as caught:
        make(api).send([due()], 5.0)
    assert "eyJ" not in str(caught.value)
