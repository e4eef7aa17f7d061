"""Entra's refusals as the emulator gives them, through unmodified MSAL."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from misp_modules_ext.config.settings import Api
from misp_modules_ext.destinations import tokens
from misp_modules_ext.emulator import Emulator
from misp_modules_ext.errors import CredentialsRefused, Throttled, Unavailable
from misp_modules_ext.model.outcome import Outcome
from tests.support.build import due

from .conftest import Make


def test_a_wrong_secret_is_refused_and_a_corrected_one_works_at_once(make: Make, emulator: Emulator) -> None:
    """Nothing was sent with the wrong one; nobody waits for MSAL's memory of the refusal."""
    with pytest.raises(CredentialsRefused, match="AADSTS7000215"):
        make(Api.SENTINEL, app_secret=SecretStr("wrong")).send([due()], 5.0)
    assert emulator.state()["sentinel"] == {}
    assert make(Api.SENTINEL).send([due()], 5.0)[0].outcome is Outcome.ACCEPTED


def test_a_refusal_with_400_is_not_replayed_either(make: Make, emulator: Emulator) -> None:
    """The same secret works as soon as Entra takes it: an application that was created meanwhile."""
    _drop_token(make)
    unknown = make(Api.SENTINEL)
    emulator.fault(api="login", code="AADSTS700016", status=400, times=1)
    with pytest.raises(CredentialsRefused, match="AADSTS700016"):
        unknown.send([due()], 5.0)
    assert unknown.send([due()], 5.0)[0].outcome is Outcome.ACCEPTED


def _drop_token(make: Make) -> None:
    """Have the process forget its tokens, as a new one would."""
    tokens._applications.clear()


def test_two_authorities_of_one_application_keep_their_tokens(make: Make, emulator: Emulator, tmp_path: Path) -> None:
    """Two sections with different `ca` files ask Entra once each, however often they take turns."""
    _drop_token(make)
    other = tmp_path / "ca.pem"
    other.write_bytes(emulator.ca.read_bytes())
    sections = [make(Api.SENTINEL), make(Api.SENTINEL, ca=other)]
    for _ in range(5):
        for section in sections:
            section.send([due()], 5.0)
    asked = [r for r in emulator.requests() if r["api"] == "login" and r["method"] == "POST"]
    assert len(asked) == 2


def test_an_unknown_tenant_is_a_refusal_with_its_remedy(make: Make) -> None:
    """Found at discovery, where MSAL raises ValueError."""
    with pytest.raises(CredentialsRefused, match=r"AADSTS90002.*`tenantId`"):
        make(Api.DEFENDER, tenant_id="99999999-9999-4999-8999-999999999999").send([due()], 5.0)


def test_an_unknown_application_is_a_refusal_with_its_remedy(make: Make) -> None:
    """The remedy names the keys that must fit each other."""
    with pytest.raises(CredentialsRefused, match=r"AADSTS700016.*`appId`"):
        make(Api.GRAPH, app_id="99999999-9999-4999-8999-999999999999").send([due()], 5.0)


@pytest.mark.parametrize("code", ["7000222", "7000112", "53003", "500011", "90038"])
def test_every_refusal_names_its_code(make: Make, emulator: Emulator, code: str) -> None:
    """Expired secret, disabled application, conditional access, missing API, wrong cloud."""
    _drop_token(make)
    emulator.fault(api="login", code=f"AADSTS{code}", status=401, times=1)
    with pytest.raises(CredentialsRefused, match=f"AADSTS{code}"):
        make(Api.SENTINEL).send([due()], 5.0)


def test_entras_outages_are_no_refusals(make: Make, emulator: Emulator) -> None:
    """500, 429, silence and a dropped connection pass by themselves."""
    _drop_token(make)
    destination = make(Api.SENTINEL)
    emulator.fault(api="login", status=503, retryAfter=4, times=1)
    with pytest.raises(Unavailable) as outage:
        destination.send([due()], 5.0)
    assert outage.value.retry_after == 4.0
    emulator.fault(api="login", status=429, retryAfter=6, times=1)
    with pytest.raises(Throttled) as throttled:
        destination.send([due()], 5.0)
    assert throttled.value.retry_after == 6.0
    emulator.fault(api="login", drop=True, times=1)
    with pytest.raises(Unavailable, match="closed the connection"):
        destination.send([due()], 5.0)
    emulator.fault(api="login", delay=2, times=1)
    with pytest.raises(Unavailable, match="did not answer within"):
        destination.send([due()], 0.3)
    assert destination.send([due()], 5.0)[0].outcome is Outcome.ACCEPTED


def test_a_token_that_an_api_no_longer_takes_is_renewed_once(make: Make, emulator: Emulator) -> None:
    """401 for a remembered token: a new one is asked and the request repeated; a second 401 is final."""
    destination = make(Api.SENTINEL)
    destination.send([due()], 5.0)
    emulator.fault(api="sentinel", status=401, times=1)
    assert destination.send([due()], 5.0)[0].outcome is Outcome.ACCEPTED
    emulator.fault(api="sentinel", status=401)
    before = _tokens_asked(emulator)
    with pytest.raises(Exception, match=re.escape("answered 401")):
        destination.send([due()], 5.0)
    assert _tokens_asked(emulator) - before == 1


def _tokens_asked(emulator: Emulator) -> int:
    return sum(request["path"].endswith("/token") for request in emulator.requests())
