"""What goes wrong while Microsoft is asked: refusals, haste, silence, broken answers; over TLS, at the network."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import SecretStr

from misp_modules_ext.config.settings import Api
from misp_modules_ext.destinations import create
from misp_modules_ext.destinations.answers import Advice
from misp_modules_ext.destinations.asking import Asking
from misp_modules_ext.destinations.interface import Limit
from misp_modules_ext.destinations.looking import (
    ASKED_ALERTS,
    ASKED_DEFENDER,
    ASKED_HUNTING,
    ASKED_LOGS,
    ASKED_MANAGEMENT,
    ASKED_STATISTICS,
    ClassifiesAlerts,
    FalseAlert,
    LooksUp,
    Probe,
)
from misp_modules_ext.emulator import Emulator
from misp_modules_ext.errors import (
    BatchRefused,
    CredentialsRefused,
    DestinationError,
    NotFound,
    PermissionRefused,
    Throttled,
    Unavailable,
)
from misp_modules_ext.model.indicator import Kind, Observable
from tests.support.build import due

from .conftest import TENANT, Make, settings_for
from .servers import Authority, drips, hears_out, tls_server
from .test_all import push
from .test_reading_back import PLACE

pytestmark = pytest.mark.usefixtures("unhurried")

DOMAIN = Observable(Kind.DOMAIN_NAME, "c2.evil.example")


class Question(NamedTuple):
    """A question, the fault's name of its API, where its address is configured, and the permission it needs."""

    asked: str
    api: Api
    fault: str
    endpoint: str
    permission: str


QUESTIONS = [
    Question(ASKED_MANAGEMENT, Api.SENTINEL, "management", "endpoint_management", "Microsoft Sentinel Contributor"),
    Question(ASKED_LOGS, Api.SENTINEL, "logs", "endpoint_logs", "Log Analytics Reader"),
    Question(ASKED_DEFENDER, Api.DEFENDER, "defender", "endpoint_api", "Ti.ReadWrite of"),
    Question(ASKED_STATISTICS, Api.DEFENDER, "statistics", "endpoint_api", "URL.Read.All"),
    Question(ASKED_HUNTING, Api.DEFENDER, "hunting", "endpoint_hunting", "ThreatHunting.Read.All"),
    Question(ASKED_ALERTS, Api.DEFENDER, "graph", "endpoint_hunting", "SecurityAlert.Read.All"),
]
every_question = pytest.mark.parametrize("question", QUESTIONS, ids=[one.fault for one in QUESTIONS])


class AboutAlerts(NamedTuple):
    """The question about false alerts, which is about no value."""

    destination: ClassifiesAlerts

    def ask(self, timeout: float) -> Sequence[FalseAlert]:
        """As a probe is asked."""
        return self.destination.false_alerts(int(time.time()) - 3600, timeout)


def _probe(make: Make, question: Question, **fields: Any) -> Probe[Any] | AboutAlerts:
    destination = make(question.api, **(PLACE if question.api is Api.SENTINEL else {}), **fields)
    if question.asked == ASKED_ALERTS:
        assert isinstance(destination, ClassifiesAlerts)
        return AboutAlerts(destination)
    assert isinstance(destination, LooksUp)
    probes = [*destination.presence([DOMAIN]), *destination.estate([DOMAIN], int(time.time()) - 3600)]
    return next(probe for probe in probes if probe.asked == question.asked)


@every_question
def test_a_missing_permission_is_named_with_its_remedy(make: Make, emulator: Emulator, question: Question) -> None:
    """The least that is needed, and where."""
    emulator.fault(api=question.fault, status=403)
    with pytest.raises(PermissionRefused, match="What to do: give the application of") as caught:
        _probe(make, question).ask(10.0)
    assert question.permission in str(caught.value)


@every_question
@pytest.mark.parametrize(("status", "error"), [(401, PermissionRefused), (500, Unavailable), (503, Unavailable)])
def test_refusals_are_errors_with_a_remedy(
    make: Make, emulator: Emulator, question: Question, status: int, error: type[DestinationError]
) -> None:
    """Never an empty answer: that would say that nothing is there."""
    emulator.fault(api=question.fault, status=status)
    with pytest.raises(error, match="What to do: "):
        _probe(make, question).ask(10.0)


@pytest.mark.parametrize("question", [one for one in QUESTIONS if one.fault != "statistics"], ids=lambda one: one.fault)
def test_an_address_that_is_not_there_is_no_absence(make: Make, emulator: Emulator, question: Question) -> None:
    """404; of statistics it says that a file was not seen."""
    emulator.fault(api=question.fault, status=404)
    with pytest.raises(NotFound, match="What to do: correct"):
        _probe(make, question).ask(10.0)


def test_an_indicator_without_its_source_is_no_absence(
    authority: Authority, answering: Callable[[Question, str], Any]
) -> None:
    """Whose it is cannot be told then."""
    answer = hears_out(_body(b'{"value": [{"properties": {}}]}'))
    with tls_server(authority, answer) as address, pytest.raises(Unavailable, match=_NO_ANSWER):
        answering(QUESTIONS[0], address).ask(5.0)


@every_question
def test_a_short_refusal_for_haste_is_waited_out(make: Make, emulator: Emulator, question: Question) -> None:
    """When Microsoft says for how long, and there is time."""
    emulator.fault(api=question.fault, status=429, retryAfter=1, times=1)
    began = time.monotonic()
    assert _probe(make, question).ask(10.0) == []
    assert time.monotonic() - began >= 1.0


@every_question
def test_a_long_refusal_for_haste_is_said_at_once(make: Make, emulator: Emulator, question: Question) -> None:
    """The time given is kept."""
    emulator.fault(api=question.fault, status=429, retryAfter=60, message="CPU quota")
    began = time.monotonic()
    with pytest.raises(Throttled, match=r"CPU quota.*What to do: "):
        _probe(make, question).ask(3.0)
    assert time.monotonic() - began < 2.5


@pytest.mark.parametrize("question", QUESTIONS[1:], ids=[one.fault for one in QUESTIONS[1:]])
def test_after_it_the_api_is_left_alone(make: Make, emulator: Emulator, question: Question) -> None:
    """Until the time that Microsoft named: without a request, and without a wait."""
    emulator.fault(api=question.fault, status=429, retryAfter=60)
    with pytest.raises(Throttled):
        _probe(make, question).ask(3.0)
    asked = len(emulator.requests())
    with pytest.raises(Throttled, match=r"asked to slow down\. What to do: repeat in (59|60) seconds"):
        _probe(make, question).ask(3.0)
    assert len(emulator.requests()) == asked


def test_a_pause_that_ends_in_time_is_waited_for(make: Make, emulator: Emulator) -> None:
    """By whoever asks next, too; without a word of how long, it is five seconds."""
    question = QUESTIONS[4]
    emulator.fault(api="hunting", status=429, times=1)
    with pytest.raises(Throttled):
        _probe(make, question).ask(1.0)
    with pytest.raises(Throttled, match="repeat in 5 seconds"):
        _probe(make, question).ask(1.0)
    began = time.monotonic()
    assert _probe(make, question).ask(10.0) == []
    assert 3.0 < time.monotonic() - began < 6.0


@every_question
def test_silence_ends_in_time(make: Make, emulator: Emulator, question: Question) -> None:
    """The answer would come after a minute."""
    _probe(make, question).ask(10.0)
    emulator.fault(api=question.fault, delay=60)
    began = time.monotonic()
    with pytest.raises(Unavailable, match="did not answer within 1 seconds"):
        _probe(make, question).ask(1.0)
    assert time.monotonic() - began < 2.0


@every_question
def test_a_connection_that_breaks_is_said(make: Make, emulator: Emulator, question: Question) -> None:
    """Before and after the question arrived."""
    for when in ("before", "after"):
        emulator.fault(api=question.fault, drop=when, times=1)
        with pytest.raises(Unavailable, match="What to do: "):
            _probe(make, question).ask(5.0)


@every_question
def test_a_wrong_secret_is_entras_word(make: Make, question: Question) -> None:
    """With Entra's code, and without the secret."""
    with pytest.raises(CredentialsRefused, match="AADSTS7000215") as caught:
        _probe(make, question, app_secret=SecretStr("the-wrong-secret")).ask(10.0)
    assert "the-wrong-secret" not in str(caught.value)


@pytest.mark.parametrize(("question", "scope"), [(QUESTIONS[1], "logs_scope"), (QUESTIONS[4], "hunting_scope")])
def test_a_token_for_another_api_is_of_no_use(make: Make, question: Question, scope: str) -> None:
    """Each API has its own."""
    wrong = {scope: "https://management.azure.com/.default"}
    with pytest.raises(PermissionRefused, match="is for https://management\\.azure\\.com, not for this API"):
        _probe(make, question, **wrong).ask(10.0)


#: Why an answer cannot be relied on.
_NO_ANSWER = r", but (not|with)|answered without the columns|does not say what|before its answer was complete"


def _body(text: bytes, length: int | None = None) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (len(text) if length is None else length) + text


@pytest.fixture
def answering(emulator: Emulator, authority: Authority, tmp_path: Path) -> Callable[[Question, str], Any]:
    """`answering(question, address)`: the probe, with the token from the emulator and the answer from elsewhere."""
    both = tmp_path / "both.pem"
    both.write_bytes(emulator.ca.read_bytes() + authority.ca.read_bytes())

    def _answering(question: Question, address: str) -> Any:
        def _make(api: Api, **fields: Any) -> Any:
            return create(settings_for(emulator, api, ca=both, **{question.endpoint: address}, **fields))

        return _probe(_make, question)

    return _answering


@every_question
@pytest.mark.parametrize(
    "answer",
    [
        _body(b"{}"),
        _body(b"[]"),
        _body(b"null"),
        _body(b""),
        _body(b"<html><title>Proxy</title></html>"),
        _body(b'{"value": {}}'),
        _body(b'{"value": [1]}'),
        _body(b'{"results": {}, "schema": []}'),
        _body(b'{"results": [{"Value": "c2.evil.example", "Times": 3}]}'),
        _body(b'{"tables": []}'),
        _body(b'{"tables": [{"columns": [{"name": "Value"}], "rows": [["a", "b"]]}]}'),
        _body(b'{"tables": [{"columns": [{"name": "Id"}], "rows": [["a"]]}]}'),
        _body(b'{"tables": [{"columns": [{"name": "Id"}], "rows": []}], "error": {"code": "PartialError"}}'),
        _body(b'{"organizationPrevalence": null}'),
        _body(b'{"value": [], "results": [], "tables": []', length=400),
    ],
)
def test_an_answer_that_is_none_is_no_absence(
    authority: Authority, answering: Callable[[Question, str], Any], question: Question, answer: bytes
) -> None:
    """Half columns, other shapes, a body cut short: an error, never "not there"."""
    with (
        tls_server(authority, hears_out(answer)) as address,
        pytest.raises(Unavailable, match=_NO_ANSWER),
    ):
        answering(question, address).ask(5.0)


@every_question
def test_an_answer_that_drips_ends_in_time(
    authority: Authority, answering: Callable[[Question, str], Any], question: Question
) -> None:
    """However long the server goes on."""
    start = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"
    with tls_server(authority, drips(start, b" ")) as address:
        probe = answering(question, address)
        began = time.monotonic()
        with pytest.raises(Unavailable):
            probe.ask(1.0)
        assert time.monotonic() - began < 2.5


def test_numbers_as_texts_and_capitals_are_read(
    authority: Authority, answering: Callable[[Question, str], Any]
) -> None:
    """What hunting and statistics answered in older examples."""
    row = b'{"VALUE": "C2.evil.example", "times": "12", "SOURCE": "EmailEvents", "Devices": null, "First": null}'
    with tls_server(authority, hears_out(_body(b'{"Schema": [], "Results": [' + row + b"]}"))) as address:
        (found,) = answering(QUESTIONS[4], address).ask(5.0)
    assert (found.observable, found.times, found.devices, found.first) == (DOMAIN, 12, None, None)
    text = b'{"host": "c2.evil.example", "orgPrevalence": "4070", "orgFirstSeen": "2017-07-30T13:23:48Z"}'
    with tls_server(authority, hears_out(_body(text))) as address:
        (found,) = answering(QUESTIONS[3], address).ask(5.0)
    assert (found.times, found.devices, found.first, found.last) == (4070, 4070, None, None)


def test_a_gateways_404_is_no_absence(authority: Authority, answering: Callable[[Question, str], Any]) -> None:
    """Only Defender's own says that a file was not seen."""
    answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot here!"
    with tls_server(authority, hears_out(answer)) as address, pytest.raises(NotFound, match="What to do: correct"):
        answering(QUESTIONS[3], address).ask(5.0)


def test_what_defenders_statistics_do_not_take_is_said(make: Make) -> None:
    """400, in Defender's words."""
    destination = make(Api.DEFENDER)
    assert isinstance(destination, LooksUp)
    odd = Observable(Kind.DOMAIN_NAME, "no such/domain?")
    probe = destination.estate([odd], int(time.time()) - 3600)[0]
    with pytest.raises(BatchRefused, match=r"InvalidInput: The domain is not valid\. What to do: "):
        probe.ask(5.0)


def test_the_rate_of_advanced_hunting_is_kept(emulator: Emulator) -> None:
    """45 a minute; the next one is told to come later, without a request and without a wait."""
    destination = create(settings_for(emulator, Api.DEFENDER, app_id="22222222-2222-4222-8222-222222222245"))
    assert isinstance(destination, LooksUp)
    probe = destination.estate([DOMAIN], int(time.time()) - 3600)[-1]
    assert probe.asked == ASKED_HUNTING
    for _ in range(45):
        with pytest.raises(CredentialsRefused):
            probe.ask(5.0)
    asked = len(emulator.requests())
    with pytest.raises(Throttled, match="may be asked 45 times in 60 seconds"):
        probe.ask(5.0)
    with pytest.raises(Throttled, match="may be asked 45 times in 60 seconds"):
        probe.ask(5.0)
    assert len(emulator.requests()) == asked


def test_looking_up_leaves_half_of_defenders_list_to_sending(emulator: Emulator) -> None:
    """50 a minute; what is beyond that is told so at once, and the reading before an import still finds its turn."""
    destination = create(settings_for(emulator, Api.DEFENDER))
    assert isinstance(destination, LooksUp)
    values = [Observable(Kind.DOMAIN_NAME, f"c{number}.evil.example") for number in range(60)]
    probes = [probe for one in values for probe in destination.presence([one])]
    refused: list[str] = []
    began = time.monotonic()
    for probe in probes:
        try:
            probe.ask(20.0)
        except Throttled as error:
            refused.append(str(error))
    assert time.monotonic() - began < 15
    listed = [one for one in emulator.requests() if one["api"] == "defender"]
    assert (len(listed), len(refused)) == (50, 10)
    assert all("may be asked 50 times in 60 seconds, so that sending keeps the rest" in one for one in refused)
    push(destination, [due(Kind.DOMAIN_NAME, "ours.evil.example")])
    assert [one["indicatorValue"] for one in emulator.state()["defender"][TENANT]] == ["ours.evil.example"]


def test_reading_the_whole_list_to_look_up_is_of_that_half_too(emulator: Emulator) -> None:
    """Two requests each time: after 25 of them the half is used up, and sending still finds its turn."""
    settings = settings_for(emulator, Api.DEFENDER)
    destination = create(settings)
    push(destination, [due(Kind.DOMAIN_NAME, "ours.evil.example")])
    before = len(emulator.requests())
    assert isinstance(destination, LooksUp)
    (probe,) = destination.presence([Observable(Kind.DOMAIN_NAME, f"c{number}.evil.example") for number in range(21)])
    for _ in range(25):
        assert probe.ask(20.0) == []
    with pytest.raises(Throttled, match="may be asked 50 times in 60 seconds"):
        probe.ask(20.0)
    assert len(emulator.requests()) - before == 50
    push(destination, [due(Kind.DOMAIN_NAME, "more.evil.example")])
    assert len(emulator.state()["defender"][TENANT]) == 2


def test_a_share_is_not_waited_for(emulator: Emulator) -> None:
    """Although there would be time: whoever waits holds a thread that others need."""
    settings = settings_for(emulator, Api.DEFENDER)
    advice = Advice("Defender", "a", "b", "c")
    asking = Asking(settings, advice, {}, share={"a share": Limit(1, 8.0)})
    began = time.monotonic()
    asking.ask("GET", "/api/indicators", began + 20.0)
    with pytest.raises(Throttled, match="may be asked 1 times in 8 seconds"):
        asking.ask("GET", "/api/indicators", began + 20.0)
    assert time.monotonic() - began < 4


@pytest.mark.parametrize(
    "value",
    [
        "http://e.example/it's' or 1 eq 1 or 'a' eq '",
        "http://e.example/'') or (indicatorValue ne ''",
        'http://e.example/"]; ThreatIntelIndicators //',
        "http://e.example/?a=b&$top=1#f%27",
        "http://e.example/\u2028|\\\\",
    ],
)
@pytest.mark.parametrize("question", QUESTIONS[:3], ids=[one.fault for one in QUESTIONS[:3]])
def test_a_value_that_would_break_out_is_found_as_itself(
    make: Make, emulator: Emulator, question: Question, value: str
) -> None:
    """Through to the emulator's own readers of filters and queries: this one, and none of the others."""
    place = PLACE if question.api is Api.SENTINEL else {}
    destination = make(question.api, **place)
    now = int(time.time())
    wanted = due(Kind.URL, value, valid_until=now + 86_400)
    others = [due(Kind.URL, f"http://e.example/{name}", valid_until=now + 86_400) for name in ("", "x")]
    push(destination, others if question.api is Api.DEFENDER else [*others, wanted])
    if question.api is Api.DEFENDER:
        # Its import refuses most of these, so one that is there gets the value instead.
        held = emulator.core.dump()
        held["defender"][TENANT]["entities"][0]["indicatorValue"] = value
        emulator.core.load(held)
    assert isinstance(destination, LooksUp)
    (probe,) = (one for one in destination.presence([wanted.indicator.observable]) if one.asked == question.asked)
    (found,) = probe.ask(10.0)
    assert found.observable.value == value
