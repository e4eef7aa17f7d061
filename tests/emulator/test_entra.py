"""Discovery, tokens and refusals."""

from __future__ import annotations

import base64
import json

import pytest

from misp_modules_ext.emulator.entra import code_number

from .world import ARM, DEFENDER, GRAPH, UPLOAD, World

APPS = [("tenant-1", "app-1", "first-secret"), ("tenant-1", "app-1", "second-secret"), ("tenant-2", "app-2", "other")]


def test_discovery_names_the_addresses_under_which_it_was_asked(world: World) -> None:
    """A client finds the token endpoint on the address it used."""
    answer = world.reply("GET", "/tenant-1/v2.0/.well-known/openid-configuration").answer
    assert answer is not None
    assert answer.json()["token_endpoint"] == "https://127.0.0.1/tenant-1/oauth2/v2.0/token"
    assert answer.json()["issuer"] == "https://127.0.0.1/tenant-1/v2.0"


def test_instance_discovery_knows_this_host(world: World) -> None:
    """Clients that verify the authority get metadata with the emulator's host."""
    answer = world.reply("GET", "/common/discovery/instance").answer
    assert answer is not None
    assert answer.json()["metadata"][0]["aliases"] == ["127.0.0.1"]


def test_a_token_lives_as_long_as_the_answer_says(world: World) -> None:
    """The token works until `expires_in` and is refused right after."""
    answer = world.login()
    assert (answer.status, answer.json()["token_type"], answer.json()["expires_in"]) == (200, "Bearer", 3599)
    header = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    world.core.advance(3598)
    before = world.reply("POST", UPLOAD, {}, header).answer
    world.core.advance(1)
    after = world.reply("POST", UPLOAD, {}, header).answer
    assert before is not None
    assert after is not None
    assert (before.status, after.status) == (400, 401)
    assert "expired" in after.json()["error"]["message"]


def test_the_token_names_tenant_application_and_audience(world: World) -> None:
    """The token reads like a JWT, for clients that look into it."""
    payload = world.login().json()["access_token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert (claims["aud"], claims["appid"], claims["tid"]) == (ARM, "app-1", "tenant-1")


@pytest.mark.parametrize(
    ("form", "status", "error", "code"),
    [
        ({"grant_type": ""}, 400, "invalid_request", 900144),
        ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
        ({"client_id": ""}, 400, "invalid_request", 900144),
        ({"client_secret": ""}, 401, "invalid_client", 7000218),
        ({"scope": ""}, 400, "invalid_request", 900144),
        ({"scope": ARM}, 400, "invalid_scope", 70011),
        ({"scope": f"{ARM}/.default {GRAPH}/.default"}, 400, "invalid_request", 700022),
        ({"scope": "https://unknown.example/.default"}, 400, "invalid_resource", 500011),
        ({"tenant": "common"}, 400, "invalid_request", 9001023),
    ],
)
def test_refusals(world: World, form: dict[str, str], status: int, error: str, code: int) -> None:
    """Each documented mistake in a request has its AADSTS code, in Entra's shape."""
    answer = world.login(**form)
    body = answer.json()
    assert (answer.status, body["error"], body["error_codes"]) == (status, error, [code])
    assert body["error_description"].startswith(f"AADSTS{code}: ")
    assert {"trace_id", "correlation_id", "timestamp"} <= set(body)


@pytest.mark.parametrize(
    ("tenant", "app", "secret", "code"),
    [
        ("tenant-3", "app-1", "first-secret", 90002),
        ("tenant-2", "app-1", "first-secret", 700016),
        ("tenant-1", "app-1", "other", 7000215),
    ],
)
def test_named_applications_are_the_only_ones(tenant: str, app: str, secret: str, code: int) -> None:
    """With --app, other tenants, applications and secrets are refused, each with its own code."""
    answer = World(apps=APPS).login(tenant, client_id=app, client_secret=secret)
    assert answer.json()["error_codes"] == [code]
    assert secret not in answer.body.decode()


@pytest.mark.parametrize("secret", ["first-secret", "second-secret"])
def test_an_application_may_have_two_secrets(secret: str) -> None:
    """Both secrets of an application work, as during a rotation; ids are compared without case."""
    assert World(apps=APPS).login("TENANT-1", client_id="APP-1", client_secret=secret).status == 200


def test_an_unknown_tenant_is_refused_at_discovery() -> None:
    """The refusal comes before the token request, as with Entra."""
    answer = World(apps=APPS).reply("GET", "/tenant-3/v2.0/.well-known/openid-configuration").answer
    assert answer is not None
    assert (answer.status, answer.json()["error_codes"]) == (400, [90002])


def test_only_post_asks_for_a_token(world: World) -> None:
    """GET at the token endpoint is refused in Entra's shape."""
    answer = world.reply("GET", "/tenant-1/oauth2/v2.0/token").answer
    assert answer is not None
    assert answer.json()["error_codes"] == [900561]


@pytest.mark.parametrize(
    "resource",
    [
        "https://management.core.windows.net/",
        "https://management.usgovcloudapi.net",
        "https://api-gov.securitycenter.microsoft.us",
        "https://graph.microsoft.us",
        "https://127.0.0.1",
    ],
)
def test_audiences_of_other_clouds_exist(world: World, resource: str) -> None:
    """Tokens are given for government clouds' hosts and for the emulator's own address."""
    assert world.login(scope=f"{resource}/.default").status == 200


@pytest.mark.parametrize(
    ("target", "good", "wrong", "code"),
    [
        (UPLOAD, ARM, DEFENDER, "Unauthorized"),
        ("/subscriptions/s", ARM, GRAPH, "AuthenticationFailed"),
        ("/api/indicators", DEFENDER, ARM, "Unauthorized"),
        ("/beta/security/tiIndicators", GRAPH, DEFENDER, "InvalidAuthenticationToken"),
    ],
)
def test_each_api_checks_the_audience(world: World, target: str, good: str, wrong: str, code: str) -> None:
    """401 in the API's own shape without a token, with an unknown one, or one for another API."""
    headers = [{}, {"Authorization": "Bearer unknown"}, {"Authorization": "Basic YTpi"}, world.bearer(wrong)]
    # A token for the emulator as such would hide a wrong scope, since all APIs share its address.
    headers.append(world.bearer("https://127.0.0.1"))
    for header in headers:
        answer = world.reply("GET", target, None, header).answer
        assert answer is not None
        assert (answer.status, answer.json()["error"]["code"]) == (401, code)
    answer = world.reply("GET", target, None, world.bearer(good)).answer
    assert answer is not None
    assert answer.status != 401


def test_the_own_address_as_audience_is_a_switch() -> None:
    """Only the behaviour makes a token for the emulator's own address good for an API."""
    world = World(own_audience=True)
    answer = world.reply("GET", "/api/indicators", None, world.bearer("https://127.0.0.1")).answer
    assert answer is not None
    assert answer.status == 200


@pytest.mark.parametrize(
    ("target", "resources"),
    [
        (UPLOAD, [ARM, "https://management.core.windows.net", "https://management.usgovcloudapi.net"]),
        ("/api/indicators", [DEFENDER, "https://api-gcc.securitycenter.microsoft.us"]),
        ("/beta/security/tiIndicators", [GRAPH, "https://graph.microsoft.us"]),
    ],
)
def test_an_api_takes_its_own_audiences_of_both_clouds(world: World, target: str, resources: list[str]) -> None:
    """The host cannot tell the cloud, so global and government tokens pass, each at its own API only."""
    for resource in resources:
        for other in (UPLOAD, "/api/indicators", "/beta/security/tiIndicators"):
            answer = world.reply("GET", other, None, world.bearer(resource)).answer
            assert answer is not None
            assert (answer.status == 401) is (other != target)


@pytest.mark.parametrize("resource", ["https://management.chinacloudapi.cn", "https://microsoftgraph.chinacloudapi.cn"])
def test_there_is_nothing_in_china(world: World, resource: str) -> None:
    """Neither product exists there any more, so no token does."""
    assert world.login(scope=f"{resource}/.default").json()["error_codes"] == [500011]


@pytest.mark.parametrize(("text", "number"), [("AADSTS7000222", 7000222), ("90002", 90002), (None, None), ("x", None)])
def test_codes_are_read_in_both_spellings(text: str | None, number: int | None) -> None:
    """A fault may name a code with or without its prefix."""
    assert code_number(text) == number
