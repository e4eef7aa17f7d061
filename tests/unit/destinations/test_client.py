"""What all three destinations share when they ask an API."""

from __future__ import annotations

import pytest

from misp_modules_ext.destinations.answers import Advice, Answer
from misp_modules_ext.destinations.client import Client
from misp_modules_ext.errors import PermissionRefused, Unavailable
from tests.support.build import destination

from .scripted import API, LOGIN, Scripted, as_json, discovery, token

ADVICE = Advice("The API", "u.", "f.", "n.")


def _client(*answers: Answer | Unavailable, entra: list[Answer | Unavailable] | None = None) -> tuple[Client, Scripted]:
    transport = Scripted(list(answers), entra)
    settings = destination(endpoint_login=LOGIN, endpoint_api=API, app_id=str(id(transport)))
    return Client(settings, ADVICE, transport), transport  # type: ignore[arg-type]


def test_peers_25_a_token_that_comes_back_is_in_no_answer() -> None:
    """Whatever the token looks like: an answer that repeats it is kept without it."""
    client, _ = _client(as_json({"error": {"message": "Got Authorization token-1 from you"}}, 500))
    answer = client.call("GET", "/x", timeout=5.0)
    assert b"token-1" not in answer.body
    with pytest.raises(Unavailable, match="Got Authorization"):
        client.expect(answer, 200)


def test_a_remembered_token_that_is_refused_is_renewed_once() -> None:
    """The request is repeated with the new one; a token that is new already is not renewed."""
    client, transport = _client(
        Answer(200), Answer(401), Answer(200), entra=[discovery(), token("token-1"), token("token-2")]
    )
    client.call("GET", "/x", timeout=5.0)
    assert client.call("GET", "/x", timeout=5.0).status == 200
    assert [asked.bearer for asked in transport.of(API)] == ["token-1", "token-1", "token-2"]
    fresh, transport = _client(Answer(401))
    with pytest.raises(PermissionRefused, match="What to do: u"):
        fresh.expect(fresh.call("GET", "/x", timeout=5.0), 200)
    assert len(transport.of(API)) == 1


def test_an_address_of_the_same_origin_is_used_whole() -> None:
    """Paths go below `endpoint.api`, addresses of pages stay as they are."""
    client, transport = _client(Answer(200), Answer(200))
    client.call("GET", "/path?x=1", timeout=5.0)
    client.call("GET", f"{API}/next", timeout=5.0)
    assert [asked.url for asked in transport.of(API)] == [f"{API}/path?x=1", f"{API}/next"]


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/next",
        "https://evil.example\\@{host}/next",
        "https://evil.example\\.{host}/next",
        "https://{host}@evil.example/next",
        "https://user@{host}/next",
        "https://{host}.evil.example/next",
        "https://{host}:444/next",
        "http://{host}/next",
        "//{host}/next",
        "https:///{host}/next",
        "https://{host}:port/next",
        "https://[::1/next",
        "/next",
        "",
    ],
)
def test_what_leads_elsewhere_is_not_ours(address: str) -> None:
    """By the host that would be connected to, however it is written: the token goes along."""
    client, _ = _client()
    host = API.removeprefix("https://")
    assert not client.is_ours(address.format(host=host))
    assert client.is_ours(f"https://{host.upper()}:443/next?x=1")
