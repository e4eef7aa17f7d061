"""The transport against real servers: TLS, environment, deadlines, sizes."""

from __future__ import annotations

import gzip
import os
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr
from requests.adapters import HTTPAdapter

from misp_modules_ext import __version__
from misp_modules_ext.destinations import transport
from misp_modules_ext.destinations.sentinel import read_errors
from misp_modules_ext.destinations.transport import Transport, transport_for
from misp_modules_ext.emulator import Emulator
from misp_modules_ext.errors import Unavailable

from .servers import Authority, drips, proxy_server, read_head, says, silent_server, tls_server

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
DISCOVERY = "/11111111-1111-4111-8111-111111111111/v2.0/.well-known/openid-configuration"


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_peers_25_the_environment_cannot_replace_the_configured_ca(
    emulator: Emulator, wrong_ca: Path, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The requests library would take these variables before its own `verify`; with `ca` set they change nothing."""
    monkeypatch.setenv(variable, str(wrong_ca))
    assert Transport(emulator.ca).request("GET", emulator.url + DISCOVERY, timeout=5.0).status == 200
    monkeypatch.setenv(variable, str(emulator.ca))
    with pytest.raises(Unavailable, match="could not be verified"):
        Transport(wrong_ca).request("GET", emulator.url + DISCOVERY, timeout=5.0)


@pytest.mark.parametrize("value", ["", "/nonexistent"])
def test_peers_25_the_environment_cannot_switch_verification_off(
    emulator: Emulator, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without `ca` an unknown authority is refused, with the remedy."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", value)
    with pytest.raises(Unavailable, match="`ca`"):
        Transport().request("GET", emulator.url + DISCOVERY, timeout=5.0)


def test_a_certificate_for_another_name_is_refused(authority: Authority) -> None:
    """The authority alone is not enough."""
    with tls_server(authority, says(OK), "other.example") as url, pytest.raises(Unavailable, match="verified"):
        Transport(authority.ca).request("GET", url, timeout=5.0)


def test_tls_older_than_1_2_is_refused() -> None:
    """The context that all connections use, through a proxy or not, starts at 1.2 and verifies."""
    session = Transport()._session
    adapter = session.get_adapter("https://x.example")
    direct = adapter.poolmanager.connection_pool_kw["ssl_context"]  # type: ignore[attr-defined]
    proxied = adapter.proxy_manager_for("http://p.example").connection_pool_kw["ssl_context"]  # type: ignore[attr-defined]
    for context in (direct, proxied):
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname


def test_a_ca_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    """Before anything is asked."""
    with pytest.raises(Unavailable, match="named by `ca` is not there"):
        Transport(tmp_path / "none.pem").request("GET", "https://127.0.0.1:1", timeout=5.0)


def test_a_ca_file_that_is_no_certificate_is_said(emulator: Emulator, tmp_path: Path) -> None:
    """The sentence leads to `ca`."""
    bad = tmp_path / "bad.pem"
    bad.write_text("not a certificate")
    with pytest.raises(Unavailable, match="`ca`"):
        Transport(bad).request("GET", emulator.url, timeout=5.0)


def test_plain_http_is_refused() -> None:
    """No token goes over a connection that anyone can read."""
    with pytest.raises(Unavailable, match="only https"):
        Transport().request("GET", "http://127.0.0.1:1/", timeout=5.0)


def test_a_refused_connection_is_said() -> None:
    """Nobody listens there."""
    with pytest.raises(Unavailable, match="refused the connection"):
        Transport().request("GET", "https://127.0.0.1:1/", timeout=5.0)


def test_requests_say_who_asks_and_carry_no_password_of_netrc(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """User-Agent names program and version; `.netrc` is not read, the bearer token is sent."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password from-netrc\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    heads: list[str] = []

    def _talk(connection: ssl.SSLSocket) -> None:
        heads.append(read_head(connection))
        connection.sendall(OK)

    with tls_server(authority, _talk) as url:
        Transport(authority.ca).request("GET", url, timeout=5.0)
        Transport(authority.ca).request("GET", url, timeout=5.0, bearer=SecretStr("opaque"))
    assert f"user-agent: misp-modules-ext/{__version__}" in heads[0].lower()
    assert "authorization" not in heads[0].lower()
    assert "Authorization: Bearer opaque\r\n" in heads[1]


def test_redirects_are_answers_not_followed(authority: Authority) -> None:
    """Not even their bodies are read beyond the limit; a token never travels on."""
    asked: list[str] = []

    def _talk(connection: ssl.SSLSocket) -> None:
        asked.append(read_head(connection))
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")

    with tls_server(authority, _talk) as url:
        answer = Transport(authority.ca).request("GET", url, timeout=5.0)
    assert (answer.status, answer.headers["location"]) == (302, "/elsewhere")
    assert len(asked) == 1


def test_cookies_are_not_kept(authority: Authority) -> None:
    """Nothing of one answer goes into the next request."""
    heads: list[str] = []

    def _talk(connection: ssl.SSLSocket) -> None:
        heads.append(read_head(connection))
        connection.sendall(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n")

    with tls_server(authority, _talk) as url:
        transport = Transport(authority.ca)
        transport.request("GET", url, timeout=5.0)
        transport.request("GET", url, timeout=5.0)
    assert "cookie" not in heads[1].lower()


BAD = {
    "silence": drips(b"", b""),
    "dripping headers": drips(b"HTTP/1.1 200 OK\r\n", b"X-More: x\r\n"),
    "a dripping header": drips(b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "a dripping body": drips(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"x"),
    "an endless chunked body": drips(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
}


@pytest.mark.parametrize("behaviour", BAD)
def test_peers_03_every_request_ends_by_its_deadline(authority: Authority, behaviour: str) -> None:
    """A server that keeps the connection busy does not keep the caller; its thread ends as well."""
    before = set(threading.enumerate())
    with tls_server(authority, BAD[behaviour]) as url:
        with pytest.raises(Unavailable, match=r"did not answer within 0\.3 seconds"):
            Transport(authority.ca).request("POST", url, timeout=0.3, body=b"{}")
        left = [t for t in threading.enumerate() if t not in before and t.name == "misp-microsoft-http"]
        for thread in left:
            thread.join(5.0)
        assert not any(thread.is_alive() for thread in left)


def test_no_time_left_asks_nothing() -> None:
    """A timeout of zero or less is over at once."""
    for timeout in (0.0, -1.0):
        with pytest.raises(Unavailable):
            Transport().request("GET", "https://127.0.0.1:1/", timeout=timeout)


@pytest.mark.parametrize("packed", [False, True])
def test_answers_larger_than_the_limit_are_not_read_on(authority: Authority, packed: bool) -> None:
    """Counted after unpacking, so that a small answer cannot become a huge one."""
    body = b"x" * 3_000_000
    data = gzip.compress(body) if packed else body
    encoding = b"Content-Encoding: gzip\r\n" if packed else b""
    answer = b"HTTP/1.1 200 OK\r\n" + encoding + b"Content-Length: %d\r\n\r\n" % len(data) + data
    with tls_server(authority, says(answer)) as url:
        with pytest.raises(Unavailable, match="more than 1000000 bytes"):
            Transport(authority.ca, max_answer=1_000_000).request("GET", url, timeout=5.0)
        assert Transport(authority.ca).request("GET", url, timeout=5.0).body == body


BROKEN = {
    "nothing": b"",
    "no HTTP": b"SSH-2.0-server\r\n\r\n",
    "half a body": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
    "half a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nx",
    "a wrong chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx",
    "no gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    "a huge header": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 200 + b"\r\n",
}


@pytest.mark.parametrize("answer", BROKEN)
def test_a_broken_answer_is_unavailable(authority: Authority, answer: str) -> None:
    """Half an answer never counts as one."""
    with tls_server(authority, says(BROKEN[answer])) as url, pytest.raises(Unavailable, match="What to do: "):
        Transport(authority.ca).request("GET", url, timeout=5.0)


def test_proxies_of_the_environment_are_used(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTPS_PROXY with its password, TLS to the server inside the tunnel, NO_PROXY respected."""
    with proxy_server() as (proxy, seen):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        assert Transport(emulator.ca).request("GET", emulator.url + DISCOVERY, timeout=5.0).status == 200
        assert seen[0].startswith(f"CONNECT {emulator.url.removeprefix('https://')} ")
        assert "Proxy-Authorization: Basic " in seen[0]
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert Transport(emulator.ca).request("GET", emulator.url + DISCOVERY, timeout=5.0).status == 200
        assert len(seen) == 1


def test_a_proxy_that_is_not_there_is_said_without_its_password(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The remedy names HTTPS_PROXY and NO_PROXY."""
    monkeypatch.setenv("HTTPS_PROXY", "http://user:proxy-password@127.0.0.1:1")
    with pytest.raises(Unavailable, match="HTTPS_PROXY") as caught:
        Transport(emulator.ca).request("GET", emulator.url, timeout=5.0)
    assert "proxy-password" not in str(caught.value)


def test_a_hanging_proxy_ends_at_the_deadline(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that takes the connection and says nothing."""
    with silent_server() as url:
        monkeypatch.setenv("HTTPS_PROXY", url)
        with pytest.raises(Unavailable, match=r"within 0\.3 seconds"):
            Transport(authority.ca).request("GET", "https://127.0.0.1:2/", timeout=0.3)


def test_several_threads_send_at_once(emulator: Emulator) -> None:
    """One transport serves them all; connections are reused, none is mixed up."""
    transport = Transport(emulator.ca)

    def _ask(number: int) -> bool:
        tenant = f"{number:08}-1111-4111-8111-111111111111"
        answer = transport.request(
            "GET", f"{emulator.url}/{tenant}/v2.0/.well-known/openid-configuration", timeout=10.0
        )
        return answer.status == 400 and tenant in answer.body.decode()

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(_ask, range(200)))


def test_transports_are_shared_until_the_ca_file_changes(emulator: Emulator, tmp_path: Path) -> None:
    """Connections are reused between requests of doors; a renewed `ca` is taken up."""
    ca = tmp_path / "ca.pem"
    ca.write_bytes(emulator.ca.read_bytes())
    first = transport_for(ca)
    assert transport_for(ca) is first
    ca.write_bytes(ca.read_bytes() + b"\n")
    assert transport_for(None) is transport_for(None)
    os.utime(ca, ns=(1, 1))
    assert transport_for(ca) is not first


@pytest.mark.parametrize(
    "proxy", ["http://user:hidden@127.0.0.1:notaport", "http://user:hidden@[bad", "ftp://user:hidden@127.0.0.1:1"]
)
def test_a_proxy_with_a_wrong_address_is_named(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The remedy is about HTTPS_PROXY, not about Microsoft's address."""
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(Unavailable, match=r"What to do: .*HTTPS_PROXY") as caught:
        Transport().request("GET", "https://api.example/", timeout=5.0)
    assert "hidden" not in str(caught.value)
    assert "did not answer" not in str(caught.value)


def test_an_unexpected_error_is_no_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a library raises in the sending thread arrives at once, by its class."""

    def _broken(*_: object, **__: object) -> None:
        raise LookupError("odd")

    monkeypatch.setattr(HTTPAdapter, "send", _broken)
    with pytest.raises(Unavailable, match="unexpected LookupError"):
        Transport().request("GET", "https://api.example/", timeout=60.0)


def test_old_transports_of_a_changed_ca_are_dropped(emulator: Emulator, tmp_path: Path) -> None:
    """However often it is renewed, one is kept; those of other files stay."""
    ca, other = tmp_path / "ca.pem", tmp_path / "other.pem"
    ca.write_bytes(emulator.ca.read_bytes())
    other.write_bytes(emulator.ca.read_bytes())
    kept = transport_for(other)
    for number in range(5):
        os.utime(ca, ns=(number, number))
        transport_for(ca)
    assert [key[1] for key in transport._transports].count(ca) == 1
    assert transport_for(other) is kept


def test_an_empty_answer_that_the_connection_cut_is_not_whole(authority: Authority) -> None:
    """Sentinel's empty 200 accepts a batch only when the server said that it is empty."""
    for rest in (b"Content-Length: 0\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"):
        with tls_server(authority, says(b"HTTP/1.1 200 OK\r\n" + rest)) as url:
            assert read_errors(Transport(authority.ca).request("GET", url, timeout=5.0), 3) == {}
    with tls_server(authority, says(b"HTTP/1.1 200 OK\r\n\r\n")) as url:
        answer = Transport(authority.ca).request("GET", url, timeout=5.0)
    with pytest.raises(Unavailable):
        read_errors(answer, 3)
