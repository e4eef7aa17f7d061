"""The identity endpoints of an Azure machine."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from misp_modules_ext.emulator import ManagedIdentity
from misp_modules_ext.emulator.calls import Answer, Call
from misp_modules_ext.emulator.identity import APP_SERVICE, HEADER, IMDS

from .world import ARM, START, World

NEAR = "http://127.0.0.1:8880"
APPS: list[Any] = [
    ("tenant-1", "system-1", ManagedIdentity(system=True)),
    ("tenant-1", "user-1", ManagedIdentity()),
    ("tenant-1", "app-1", "a-secret"),
]


def _ask(
    world: World, path: str = IMDS, *, origin: str = NEAR, headers: dict[str, str] | None = None, **query: str
) -> Answer:
    given = {"api-version": "2018-02-01", "resource": ARM} | query
    fields = headers if headers is not None else {"Metadata": "true", "X-IDENTITY-HEADER": HEADER}
    call = Call.read("GET", path, query={k: v for k, v in given.items() if v}, headers=fields, origin=origin)
    answer = world.core.handle(call).answer
    assert answer is not None
    return answer


@pytest.mark.parametrize("path", [IMDS, APP_SERVICE])
def test_a_token_is_given_that_the_api_takes(path: str) -> None:
    """With its end in seconds since 1970, as text."""
    world = World()
    answer = _ask(world, path)
    assert answer.json()["expires_on"] == str(int(START + 3599))
    header = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    listed = world.reply("GET", "/subscriptions/s", None, header).answer
    assert listed is not None
    assert listed.status != 401


@pytest.mark.parametrize(("client_id", "app"), [("", "system-1"), ("USER-1", "user-1"), ("system-1", "system-1")])
def test_named_identities(client_id: str, app: str) -> None:
    """The system's own without a client id, any by its client id."""
    assert _ask(World(apps=APPS), client_id=client_id).json()["client_id"] == app


@pytest.mark.parametrize("client_id", ["user-2", "app-1"])
def test_an_identity_that_is_not_there(client_id: str) -> None:
    """An application with a secret is no identity of this machine; each endpoint has its own words."""
    imds, service = (_ask(World(apps=APPS), path, client_id=client_id) for path in (IMDS, APP_SERVICE))
    assert (imds.status, imds.json()["error_description"]) == (400, "Identity not found")
    assert (service.status, service.json()["statusCode"]) == (400, 400)
    assert _ask(World(apps=APPS[1:])).status == 400


@pytest.mark.parametrize(
    ("path", "headers", "query", "status"),
    [
        (IMDS, {}, {}, 400),
        (APP_SERVICE, {}, {}, 401),
        (APP_SERVICE, {"X-IDENTITY-HEADER": "wrong"}, {}, 401),
        (IMDS, None, {"resource": ""}, 400),
        (IMDS, None, {"resource": f"{ARM}/.default"}, 400),
        (IMDS, None, {"resource": "https://unknown.example"}, 400),
    ],
)
def test_refusals(path: str, headers: dict[str, str] | None, query: dict[str, str], status: int) -> None:
    """The header that shows that no proxy asks, the resource, and its existence."""
    assert _ask(World(), path, headers=headers, **query).status == status


def test_only_identity_speaks_plain_http() -> None:
    """And it does not speak TLS: each of Azure's endpoints is where it is."""
    world = World()
    assert _ask(world, origin="https://127.0.0.1").status == 404
    form = urlencode({"grant_type": "client_credentials"}).encode()
    answer = world.core.handle(Call.read("POST", "/tenant-1/oauth2/v2.0/token", body=form, origin=NEAR)).answer
    assert answer is not None
    assert answer.status == 404


def test_faults() -> None:
    """As for the other APIs."""
    world = World()
    world.core.fault({"api": "identity", "status": 429, "retryAfter": 3, "times": 1})
    answer = _ask(world)
    assert (answer.status, answer.headers["Retry-After"]) == (429, "3")
    assert _ask(world).status == 200
    assert world.core.requests()[-1]["api"] == "identity"
