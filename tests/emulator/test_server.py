"""The emulator over sockets: TLS, unmodified clients, inspection, dropped connections, restarts."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msal
import pytest
import requests

from misp_modules_ext.emulator import Behaviour, Emulator, FaultError, StateError

from .world import ARM, DEFENDER, GRAPH, MANAGEMENT, UPLOAD, WORKSPACE, entity, indicator, stix_id, ti

PATIENCE = 20.0


class Client:
    """A requests session that trusts the emulator's CA, and MSAL as it comes."""

    def __init__(self, emulator: Emulator, secret: str | None = None) -> None:
        self.url = emulator.url
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = str(emulator.ca)
        self._ca = str(emulator.ca)
        self._secret = secret or "not-a-secret"

    def token(self, resource: str) -> dict[str, Any]:
        """Whatever MSAL answers."""
        app = msal.ConfidentialClientApplication(
            "app-1",
            authority=f"{self.url}/tenant-1",
            client_credential=self._secret,
            instance_discovery=False,
            verify=self._ca,
            timeout=PATIENCE,
        )
        answer: dict[str, Any] = app.acquire_token_for_client([f"{resource}/.default"])
        return answer

    def send(self, method: str, path: str, payload: object = None, resource: str | None = None) -> requests.Response:
        """One request, with a token when a resource is named."""
        header = {"Authorization": f"Bearer {self.token(resource)['access_token']}"} if resource else {}
        return self.session.request(method, self.url + path, json=payload, headers=header, timeout=PATIENCE)

    def upload(self, *items: object) -> requests.Response:
        """Upload to Sentinel."""
        return self.send("POST", UPLOAD, {"sourcesystem": "MISP", "stixobjects": list(items)}, ARM)


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests prefers these variables to the CA it is given, so msal would not trust the emulator."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """A running emulator."""
    with Emulator() as running:
        yield running


@pytest.fixture
def client(emulator: Emulator) -> Iterator[Client]:
    """A client of it."""
    made = Client(emulator)
    yield made
    made.session.close()


def test_unmodified_msal_gets_tokens(client: Client) -> None:
    """Discovery and the token request work for every API and for the emulator's own address."""
    for resource in (ARM, DEFENDER, GRAPH, client.url):
        assert client.token(resource)["token_type"] == "Bearer"


def test_msal_shows_refusals(emulator: Emulator) -> None:
    """A refused secret arrives as Entra's error, an unknown tenant as MSAL's own."""
    emulator.fault(api="login", code="AADSTS7000222", times=1)
    assert Client(emulator).token(ARM)["error_codes"] == [7000222]
    emulator.fault(api="login", code="AADSTS90002")
    with pytest.raises(ValueError, match="tenant name or GUID"):
        Client(emulator).token(ARM)


def test_named_applications() -> None:
    """With `apps` only the right secret gets a token."""
    with Emulator(apps=[("tenant-1", "app-1", "right")]) as emulator:
        assert "access_token" in Client(emulator, "right").token(ARM)
        assert Client(emulator, "wrong").token(ARM)["error_codes"] == [7000215]


def test_every_api_on_one_address(emulator: Emulator, client: Client) -> None:
    """Upload, read back, import, list, delete, submit: over TLS with real tokens."""
    assert client.upload(indicator()).content == b""
    found = client.send("POST", f"{MANAGEMENT}/main/query?api-version=2025-10-01-preview", {}, ARM).json()["value"]
    assert client.send("GET", f"{found[0]['id']}?api-version=2025-10-01-preview", None, ARM).json() == found[0]
    assert client.send("POST", "/api/indicators/import", {"Indicators": [entity()]}, DEFENDER).status_code == 200
    listed = client.send("GET", "/api/indicators?$filter=application+eq+'MISP'&$top=10", None, DEFENDER).json()
    assert [item["id"] for item in listed["value"]] == ["1"]
    assert client.send("DELETE", "/api/indicators/1", None, DEFENDER).status_code == 204
    assert client.send("POST", "/beta/security/tiIndicators", ti(), GRAPH).status_code == 201
    assert list(emulator.state()["sentinel"][WORKSPACE]) == [stix_id(1)]


def test_helpers_and_addresses_tell_the_same(emulator: Emulator, client: Client) -> None:
    """State, requests and history read alike in process and over HTTP."""
    client.upload(indicator())
    assert client.send("GET", "/_emulator/state").json() == emulator.state()
    assert client.send("GET", "/_emulator/requests").json() == emulator.requests()
    assert client.send("GET", "/_emulator/history?last=1").json() == emulator.history(1)


def test_faults_over_http(emulator: Emulator, client: Client) -> None:
    """One object adds, a list replaces, an empty list clears, a bad one is 400 with the reason."""
    assert client.send("POST", "/_emulator/faults", {"api": "sentinel", "status": 500}).status_code == 200
    assert client.upload(indicator()).status_code == 500
    two = [{"api": "graph", "status": 410}, {"api": "defender", "status": 403}]
    assert [fault["api"] for fault in client.send("POST", "/_emulator/faults", two).json()["faults"]] == [
        "graph",
        "defender",
    ]
    assert client.upload(indicator()).status_code == 200
    assert len(client.send("GET", "/_emulator/faults").json()) == 2
    for bad in ({"api": "x"}, ["x"], None):
        answer = client.send("POST", "/_emulator/faults", bad)
        assert (answer.status_code, "error" in answer.json()) == (400, True)
    client.send("POST", "/_emulator/faults", [])
    assert emulator.core.faults() == []


def test_the_other_addresses(emulator: Emulator, client: Client) -> None:
    """Sightings, clock and reset; what is unknown names what there is."""
    assert client.send("POST", "/_emulator/sightings", [{"value": "x"}]).json() == {"sightings": 1}
    before = emulator.core.clock.now()
    client.send("POST", "/_emulator/clock", {"advance": 3600})
    assert emulator.core.clock.now() - before >= 3600
    for bad in ({}, {"advance": "long"}, None):
        assert client.send("POST", "/_emulator/clock", bad).status_code == 400
    client.send("POST", "/_emulator/reset")
    assert emulator.state()["sightings"] == []
    assert client.send("GET", "/_emulator/history?last=x").status_code == 400
    unknown = client.send("GET", "/_emulator/x")
    assert (unknown.status_code, "GET /_emulator/state" in unknown.json()["error"]) == (404, True)


def test_in_process_helpers(emulator: Emulator, client: Client) -> None:
    """The same arrangements without HTTP."""
    emulator.fault(api="sentinel", status=503)
    assert client.upload(indicator()).status_code == 503
    emulator.clear_faults()
    assert client.upload(indicator(valid_until="2027-02-22T10:00:00Z")).status_code == 200
    client.send("POST", "/api/indicators/import", {"Indicators": [entity()]}, DEFENDER)
    emulator.advance(365 * 86400)
    assert emulator.state()["defender"] == {}
    emulator.reset()
    assert emulator.state()["sentinel"] == {}
    with pytest.raises(FaultError):
        emulator.fault(api="sentinel", statuz=500)


@pytest.mark.parametrize(("drop", "stored"), [(True, 0), ("after", 1)])
def test_dropped_connections(emulator: Emulator, client: Client, drop: Any, stored: int) -> None:
    """The client sees the connection close without an answer; the effect is as ordered."""
    emulator.fault(api="sentinel", drop=drop, times=1)
    with pytest.raises(requests.ConnectionError):
        client.upload(indicator())
    assert len(emulator.state()["sentinel"].get(WORKSPACE, {})) == stored
    assert client.upload(indicator()).status_code == 200


def test_a_hanging_answer(emulator: Emulator, client: Client) -> None:
    """The client's patience ends before the answer; the request has taken effect."""
    header = {"Authorization": f"Bearer {client.token(ARM)['access_token']}"}
    emulator.fault(api="sentinel", delay=60)
    body = {"sourcesystem": "MISP", "stixobjects": [indicator()]}
    with pytest.raises(requests.Timeout):
        client.session.post(client.url + UPLOAD, json=body, headers=header, timeout=0.5)
    assert list(emulator.state()["sentinel"][WORKSPACE]) == [stix_id(1)]


def test_a_stop_ends_waiting_answers_quietly(caplog: pytest.LogCaptureFixture) -> None:
    """A request whose answer is delayed sees its connection close at the stop, and nothing is logged."""
    seen: list[type[Exception]] = []
    with Emulator() as emulator:
        client = Client(emulator)
        header = {"Authorization": f"Bearer {client.token(DEFENDER)['access_token']}"}
        emulator.fault(api="defender", delay=600)

        def ask() -> None:
            try:
                client.session.get(f"{emulator.url}/api/indicators", headers=header, timeout=PATIENCE)
            except requests.RequestException as error:
                seen.append(type(error))

        thread = threading.Thread(target=ask)
        thread.start()
        end = time.monotonic() + PATIENCE
        while emulator.requests()[-1]["api"] != "defender" and time.monotonic() < end:
            time.sleep(0.01)
    thread.join()
    client.session.close()
    assert seen == [requests.ConnectionError]
    assert [record for record in caplog.records if record.name.startswith(("asyncio", "tornado"))] == []


def test_the_page_and_odd_methods(client: Client) -> None:
    """The page is HTML with its policy; HEAD answers; other addresses are JSON."""
    shown = client.send("GET", "/")
    assert shown.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "What has arrived" in shown.text
    assert client.send("HEAD", "/").status_code == 200
    assert client.send("PUT", "/elsewhere").json()["error"]["code"] == "NotFound"


def test_only_its_own_ca_is_trusted(emulator: Emulator) -> None:
    """The certificate is for the loopback names and verifies with ca.pem only."""
    port = int(emulator.url.rsplit(":", 1)[1])
    context = ssl.create_default_context(cafile=str(emulator.ca))
    for name in ("127.0.0.1", "localhost"):
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as plain:
            context.wrap_socket(plain, server_hostname=name).close()
    strange = ssl.create_default_context()
    with (
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        strange.wrap_socket(plain, server_hostname="127.0.0.1")


def test_start_and_stop_may_be_repeated() -> None:
    """A stopped emulator answers no more and leaves nothing behind; it can be started again."""
    emulator = Emulator()
    emulator.stop()
    for _ in range(2):
        emulator.start()
        emulator.start()
        ca, client = emulator.ca, Client(emulator)
        assert client.send("GET", "/_emulator/state").status_code == 200
        client.session.close()
        emulator.stop()
        emulator.stop()
        assert not ca.exists()
    with pytest.raises(requests.ConnectionError):
        requests.get(emulator.url, timeout=PATIENCE)


def test_ipv6_loopback() -> None:
    """The emulator can listen on ::1, with a certificate for it."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with Emulator(host="::1") as emulator:
        client = Client(emulator)
        assert emulator.url.startswith("https://[::1]:")
        assert "access_token" in client.token(emulator.url)
        client.session.close()


def test_a_taken_port_is_an_error_of_start(emulator: Emulator) -> None:
    """The caller gets the operating system's error."""
    with pytest.raises(OSError, match="in use"):
        Emulator(port=int(emulator.url.rsplit(":", 1)[1])).start()


def test_state_and_ca_outlive_the_process(tmp_path: Path) -> None:
    """With a folder, what was accepted, the CA and the tokens are there again; the files are private."""
    folder = tmp_path / "new" / "state"
    with Emulator(state=folder) as first:
        client = Client(first)
        header = {"Authorization": f"Bearer {client.token(ARM)['access_token']}"}
        client.upload(indicator(1), indicator(2, revoked=True))
        ca, state = first.ca.read_bytes(), first.state()
        client.session.close()
    with Emulator(state=folder, behaviour=Behaviour(revived="refuse")) as second:
        assert (second.ca, second.ca.read_bytes()) == (folder / "ca.pem", ca)
        assert second.state() == state
        client = Client(second)
        body = {"sourcesystem": "MISP", "stixobjects": [indicator(1), indicator(2, revoked=False)]}
        answer = client.session.post(second.url + UPLOAD, json=body, headers=header, timeout=PATIENCE)
        assert [error["recordIndex"] for error in answer.json()["errors"]] == [1]
        client.session.close()
    for name in ("state.json", "ca-key.pem"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600


def test_state_is_written_while_it_runs(tmp_path: Path) -> None:
    """A change reaches the disk within moments, without a shutdown."""
    with Emulator(state=tmp_path) as emulator:
        client = Client(emulator)
        client.upload(indicator())
        client.session.close()
        written = tmp_path / "state.json"
        end = time.monotonic() + PATIENCE
        while not written.exists() and time.monotonic() < end:
            time.sleep(0.05)
        assert stix_id(1) in written.read_text("utf-8")


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"tokens": 7}'])
def test_a_broken_state_file_is_named(tmp_path: Path, text: str) -> None:
    """The error says which file and what to do."""
    (tmp_path / "state.json").write_text(text, "utf-8")
    with pytest.raises(StateError, match=r"state\.json is not a state file"):
        Emulator(state=tmp_path).start()


def test_many_clients_at_once(emulator: Emulator) -> None:
    """Requests of several threads are each counted once."""
    client = Client(emulator)
    header = {"Authorization": f"Bearer {client.token(ARM)['access_token']}"}

    def work(start: int) -> None:
        with requests.Session() as session:
            session.trust_env, session.verify = False, str(emulator.ca)
            for number in range(start, start + 10):
                body = {"sourcesystem": "MISP", "stixobjects": [indicator(number)]}
                session.post(emulator.url + UPLOAD, json=body, headers=header, timeout=PATIENCE)

    threads = [threading.Thread(target=work, args=(start,)) for start in range(0, 60, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(emulator.state()["sentinel"][WORKSPACE]) == 60
    client.session.close()


SERVE = """
import sys
from pathlib import Path
from misp_modules_ext.emulator import serve
serve(0, Path(sys.argv[1]), True, (), lambda emulator: print(emulator.url, emulator.ca, flush=True))
print("ended", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_ends_by_signal_and_keeps_the_state(tmp_path: Path, number: int) -> None:
    """In the foreground it announces itself, and a signal ends it in order."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", SERVE, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root, env=dict(os.environ)) as process:
        try:
            assert process.stdout is not None
            url, ca = process.stdout.readline().split()
            answer = requests.post(f"{url}/_emulator/sightings", json=[{"value": "x"}], verify=ca, timeout=PATIENCE)
            assert answer.status_code == 200
            process.send_signal(number)
            assert process.stdout.readline() == "ended\n"
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
    (kept,) = json.loads((tmp_path / "state.json").read_text("utf-8"))["sightings"]
    assert kept["value"] == "x"
