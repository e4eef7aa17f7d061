"""Tokens through unmodified MSAL over a transport without sockets."""

from __future__ import annotations

import logging
import traceback
from typing import Any

import pytest
from pydantic import SecretStr

from misp_modules_ext.destinations import tokens as tokens_module
from misp_modules_ext.destinations.answers import Answer
from misp_modules_ext.destinations.tokens import Token, Tokens
from misp_modules_ext.errors import CredentialsRefused, DestinationError, Throttled, Unavailable
from tests.support.build import destination

from .scripted import LOGIN, Scripted, as_json, discovery, token

SECRET = "quite-secret"


def _tokens(*entra: Answer | Unavailable, **fields: Any) -> tuple[Tokens, Scripted]:
    transport = Scripted(entra=list(entra))
    given = {"app_id": str(id(transport)), "app_secret": SecretStr(SECRET)} | fields
    return Tokens(destination(endpoint_login=LOGIN, **given), transport), transport  # type: ignore[arg-type]


def _refusal(code: str, error: str = "invalid_client", status: int = 401) -> Answer:
    description = f"AADSTS{code}: Some words. Trace ID: t Correlation ID: c"
    return as_json({"error": error, "error_description": description, "error_codes": [int(code)]}, status)


def test_a_token_is_asked_once_and_then_remembered() -> None:
    """The second one comes from MSAL's memory; nothing is asked before the first."""
    tokens, transport = _tokens(discovery(), token())
    assert transport.asked == []
    assert tokens.get(5.0) == Token(SecretStr("token-1"), cached=False)
    assert tokens.get(5.0) == Token(SecretStr("token-1"), cached=True)
    assert len(transport.asked) == 2
    form = (transport.asked[1].body or b"").decode()
    assert "grant_type=client_credentials" in form
    assert f"client_secret={SECRET}" in form


def test_two_destinations_of_one_application_share_a_token() -> None:
    """One application object for each (login, tenant, application) of the process, whatever the case of its ids."""
    tokens, transport = _tokens(discovery(), token(), app_id="AAAA-shared")
    other = Tokens(
        destination(endpoint_login=LOGIN + "/", app_id="aaaa-SHARED", app_secret=SecretStr(SECRET), name="microsoft b"),
        transport,  # type: ignore[arg-type]
    )
    tokens.get(5.0)
    assert other.get(5.0).cached


def test_a_changed_secret_makes_a_new_application_object() -> None:
    """The old token is not used on: the new secret is tried at once."""
    tokens, transport = _tokens(discovery(), token(), discovery(), token("token-2"))
    tokens.get(5.0)
    changed = destination(endpoint_login=LOGIN, app_id=str(id(transport)), app_secret=SecretStr("new"))
    assert Tokens(changed, transport).get(5.0).value.get_secret_value() == "token-2"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("7000215", "the client secret is wrong"),
        ("7000222", "the client secret has expired"),
        ("700016", "the application does not exist"),
        ("500011", "the tenant has no such API"),
        ("53003", "conditional access"),
        ("424242", "Entra refused the application"),
    ],
)
def test_a_refusal_says_meaning_and_remedy(code: str, words: str) -> None:
    """With the section's name and Entra's own first line, without trace ids."""
    tokens, _ = _tokens(discovery(), _refusal(code), name="microsoft soc")
    with pytest.raises(CredentialsRefused) as caught:
        tokens.get(5.0)
    sentence = str(caught.value)
    assert "[microsoft soc]" in sentence
    assert words in sentence
    assert f"AADSTS{code}: Some words" in sentence
    assert "Trace" not in sentence
    assert "What to do: " in sentence


def test_a_corrected_refusal_is_not_replayed() -> None:
    """MSAL would answer the same 400 for 60 seconds from its memory; a thrown-away object asks again at once."""
    tokens, _ = _tokens(discovery(), _refusal("700016", "unauthorized_client", 400), discovery(), token())
    with pytest.raises(CredentialsRefused):
        tokens.get(5.0)
    assert tokens.get(5.0).value.get_secret_value() == "token-1"


def test_a_trouble_that_passes_is_not_replayed_either() -> None:
    """Entra says so with a 400, too, which MSAL would repeat for a minute after it has passed."""
    tokens, _ = _tokens(discovery(), _refusal("90033", "temporarily_unavailable", 400), discovery(), token())
    with pytest.raises(Unavailable):
        tokens.get(5.0)
    assert tokens.get(5.0).value.get_secret_value() == "token-1"


def test_an_unknown_tenant_is_a_refusal() -> None:
    """MSAL raises ValueError at discovery and hides Entra's words; they are found again."""
    tokens, _ = _tokens(_refusal("90002", "invalid_tenant", 400), discovery(), token())
    with pytest.raises(CredentialsRefused, match="no such tenant") as caught:
        tokens.get(5.0)
    assert "`tenantId`" in str(caught.value)
    assert tokens.get(5.0)


def test_an_address_that_msal_refuses_is_a_matter_of_configuration() -> None:
    """No https, or no tenant: nothing is asked."""
    tokens, transport = _tokens(tenant_id="")
    with pytest.raises(CredentialsRefused, match="tenantId"):
        tokens.get(5.0)
    assert transport.asked == []


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ([Unavailable("no network")], Unavailable),
        ([discovery(), Unavailable("no network")], Unavailable),
        ([Answer(503, {"retry-after": "3"})], Unavailable),
        ([discovery(), Answer(500, {}, b"<html>")], Unavailable),
        ([discovery(), as_json({"error": "x"}, 429, retry_after="3")], Throttled),
        ([discovery(), _refusal("90033", "temporarily_unavailable", 400)], Unavailable),
        ([discovery(), _refusal("90055", "invalid_request", 400)], Unavailable),
        ([Answer(200, {}, b"<html>Sign in</html>")], Unavailable),
        ([Answer(403, {}, b"<html>Blocked</html>")], Unavailable),
        ([Answer(302, {"location": "https://portal.example"})], Unavailable),
        ([as_json({})], Unavailable),
        ([as_json({"authorization_endpoint": 5, "token_endpoint": 5})], Unavailable),
        ([as_json([])], Unavailable),
        ([discovery(), Answer(200, {}, b'{"access_token": "eyJ')], Unavailable),
        ([discovery(), as_json({})], Unavailable),
        ([discovery(), as_json({"access_token": 5, "expires_in": 5})], Unavailable),
        ([discovery(), as_json({"access_token": "", "expires_in": 5})], Unavailable),
        ([discovery(), as_json({"access_token": "x", "expires_in": "soon"})], Unavailable),
    ],
)
def test_outages_and_odd_answers_are_no_refusals(
    answers: list[Answer | Unavailable], kind: type[DestinationError], caplog: pytest.LogCaptureFixture
) -> None:
    """They pass, so they must not be reported as wrong credentials; nothing of them is logged."""
    tokens, _ = _tokens(*answers)
    with caplog.at_level(logging.DEBUG), pytest.raises(kind) as caught:
        tokens.get(5.0)
    assert type(caught.value) is kind
    assert "eyJ" not in caplog.text


def test_waits_of_entra_travel_on() -> None:
    """429 and 503 carry Retry-After, and neither is replayed from MSAL's memory."""
    tokens, _ = _tokens(discovery(), as_json({}, 429, retry_after="7"), Answer(503, {"retry-after": "9"}), token())
    with pytest.raises(Throttled) as throttled:
        tokens.get(5.0)
    with pytest.raises(Unavailable) as outage:
        tokens.get(5.0)
    assert (throttled.value.retry_after, outage.value.retry_after) == (7.0, 9.0)
    assert tokens.get(5.0)


@pytest.mark.parametrize("trouble", [Answer(500), Unavailable("no network"), as_json({}, 429)])
def test_a_token_that_is_still_good_outlives_an_outage(trouble: Answer | Unavailable) -> None:
    """When Entra wants a token refreshed early and cannot give a new one, the old one is used on."""
    tokens, transport = _tokens(discovery(), token(refresh_in=-1), trouble)
    tokens.get(5.0)
    assert tokens.get(5.0).value.get_secret_value() == "token-1"
    assert len(transport.asked) == 3


def test_a_rejected_token_is_renewed_once_for_all() -> None:
    """Whoever comes second with the same rejected token gets the new one without asking Entra again."""
    tokens, transport = _tokens(discovery(), token(), token("token-2"))
    rejected = tokens.get(5.0)
    assert tokens.renew(rejected, 5.0).value.get_secret_value() == "token-2"
    assert tokens.renew(rejected, 5.0).value.get_secret_value() == "token-2"
    assert len(transport.asked) == 3


def test_nothing_is_asked_when_the_time_is_over() -> None:
    """A wait for another thread's request ends at the deadline too."""
    tokens, _ = _tokens(Unavailable("no time left"))
    with pytest.raises(Unavailable):
        tokens.get(0.0)


def test_peers_25_the_secret_is_in_no_error_repr_or_log(caplog: pytest.LogCaptureFixture) -> None:
    """Not even when Entra's words repeat it, and not in the values that a traceback with locals prints."""
    echo = as_json({"error": "invalid_client", "error_description": f"Secret {SECRET} is wrong"}, 401)
    tokens, _ = _tokens(discovery(), echo)
    with caplog.at_level(logging.DEBUG), pytest.raises(CredentialsRefused) as caught:
        tokens.get(5.0)
    trace = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    shown = "".join(trace.format()) + caplog.text + repr(caught.value) + repr(tokens) + repr(vars(tokens))
    # The test's own frames hold what it made itself.
    ours = [line for line in shown.splitlines() if SECRET in line and "echo = " not in line]
    assert ours == []
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_regions_of_msal_are_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """MSAL_FORCE_REGION of the environment would have MSAL ask a metadata address of the cloud."""
    monkeypatch.setenv("MSAL_FORCE_REGION", "westeurope")
    tokens, transport = _tokens(discovery(), token())
    tokens.get(5.0)
    assert {asked.url.split("/")[2] for asked in transport.asked} == {"login.example"}


def _elsewhere(token_endpoint: str) -> Answer:
    return as_json({"issuer": LOGIN, "authorization_endpoint": f"{LOGIN}/a", "token_endpoint": token_endpoint})


@pytest.mark.parametrize("address", ["https://evil.example/t", f"{LOGIN}:8443/t", "https://login.windows.net:444/t"])
def test_the_secret_goes_to_no_host_that_discovery_invents(address: str) -> None:
    """Nothing is sent there, and the next token asks discovery anew."""
    tokens, transport = _tokens(_elsewhere(address), discovery(), token())
    with pytest.raises(Unavailable, match="secret was not sent"):
        tokens.get(5.0)
    assert [asked.method for asked in transport.asked] == ["GET"]
    assert tokens.get(5.0).value.get_secret_value() == "token-1"


@pytest.mark.parametrize(
    "answers",
    [
        [discovery(), token(id_token="x")],
        [discovery(), as_json({"error": {}}, 400)],
        [discovery(), as_json({"error": {"code": "x"}}, 400)],
        [discovery(), as_json({"error": ["x"], "error_description": 5}, 401)],
    ],
)
def test_whatever_msal_raises_is_no_usable_answer(answers: list[Answer | Unavailable]) -> None:
    """MSAL documents no exceptions; none gets out, and none is kept with frames that hold the secret."""
    tokens, _ = _tokens(*answers)
    with pytest.raises(Unavailable) as caught:
        tokens.get(5.0)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_two_secrets_of_one_application_take_turns_without_asking_again() -> None:
    """Twenty tokens for two sections cost two requests, and no secret is in the memory's keys."""
    one, transport = _tokens(discovery(), token(), discovery(), token("token-2"))
    settings = destination(endpoint_login=LOGIN, app_id=str(id(transport)), app_secret=SecretStr("another-secret"))
    two = Tokens(settings, transport)  # type: ignore[arg-type]
    got = [section.get(5.0).value.get_secret_value() for _ in range(10) for section in (one, two)]
    assert got == ["token-1", "token-2"] * 10
    assert len(transport.asked) == 4
    assert "another-secret" not in repr(tokens_module._applications)
