"""The one file that opens sockets to Microsoft.

Rules that requests alone does not keep: every request ends by its deadline, whatever the server does (a name server
that is silent, headers or a body that drip); TLS is always verified, and REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE can
neither switch that off nor replace the configured `ca` (requests lets them beat `session.verify`); no redirect is
followed, no `.netrc` read, no cookie kept. Proxies come from the environment, as HTTPS_PROXY and NO_PROXY say.

The identity endpoint of an Azure machine speaks plain HTTP on the machine's own link: `identity_transport` alone may,
and it goes through no proxy.
"""

from __future__ import annotations

import inspect
import os
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests
from pydantic import SecretStr
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies, select_proxy
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.ssl_ import create_urllib3_context

from misp_modules_ext import __version__
from misp_modules_ext.destinations.answers import Answer
from misp_modules_ext.destinations.failures import TooLarge, explain
from misp_modules_ext.errors import TO_DO, Unavailable
from misp_modules_ext.logs import Traffic

CONNECT_TIMEOUT = 10.0
#: Bytes of the largest answer that is read: 10,000 of Defender's entries take some 12 MB.
MAX_ANSWER = 64 * 1024 * 1024
#: Connections kept open for each host; more than any destination has in flight.
POOL_SIZE = 24
USER_AGENT = f"misp-modules-ext/{__version__}"

_CHUNK = 64 * 1024
_here = threading.local()


class Transport:
    """Requests over pooled TLS connections. Safe to use from several threads at once.

    Args:
        ca: PEM file with the only authorities to trust; `None` for those of the system and of certifi.
        max_answer: bytes of the largest answer that is read.
        near: for addresses of this machine and its link alone: plain HTTP is allowed, and no proxy is used.
    """

    def __init__(self, ca: Path | None = None, max_answer: int = MAX_ANSWER, *, near: bool = False) -> None:
        self.ca = ca
        self._max_answer = max_answer
        self._near = near
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["User-Agent"] = USER_AGENT
        # Only https: an address with another scheme finds no adapter and is refused.
        self._session.adapters.clear()
        self._session.mount("https://", _Adapter(ca))
        if near:
            self._session.mount("http://", _Adapter(ca))

    def request(
        self,
        method: str,
        url: str,
        *,
        timeout: float,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        bearer: SecretStr | None = None,
    ) -> Answer:
        """Make one request and read its answer, whatever its status.

        Args:
            method: `GET`, `POST` or `DELETE`.
            url: with `https:`.
            timeout: seconds that all of it may take: name, connection, sending, and the last byte of the answer.
            headers: in addition to `User-Agent` and what the other arguments bring.
            body: sent as it is.
            bearer: the access token.

        Raises:
            Unavailable: no answer, with the reason as a sentence.
        """
        if self.ca is not None and not self.ca.is_file():
            raise Unavailable(f"The file {self.ca} named by `ca` is not there.{TO_DO}correct `ca` of this destination.")
        authorities = str(self.ca or DEFAULT_CA_BUNDLE_PATH)
        exchange = _Exchange(self._session, authorities, timeout, self._max_answer, proxied=not self._near)
        sent = dict(headers or {})
        traffic = Traffic(method, url, sent, body, [bearer.get_secret_value()] if bearer else [])
        try:
            answer = exchange.run(requests.Request(method, url, headers=sent, data=body), bearer)
        except Unavailable as error:
            traffic.failed(str(error))
            raise
        traffic.answered(answer.status, answer.body)
        return answer


class _Exchange:
    """One request in a thread of its own, so that its caller gets on at the deadline even if the thread does not."""

    def __init__(
        self, session: requests.Session, authorities: str, timeout: float, max_answer: int, *, proxied: bool
    ) -> None:
        self._session = session
        self._proxied = proxied
        self._authorities = authorities
        self._timeout = timeout
        self._max_answer = max_answer
        self._done = threading.Event()
        self._answer: Answer | None = None
        self._failure: Unavailable | None = None
        self._connection: HTTPConnection | None = None
        self._abandoned = False

    def run(self, request: requests.Request, bearer: SecretStr | None) -> Answer:
        url = str(request.url)
        if self._timeout <= 0:
            raise _too_slow(url, self._timeout)
        threading.Thread(target=self._work, args=(request, bearer), daemon=True, name="misp-microsoft-http").start()
        finished = False
        try:
            finished = self._done.wait(self._timeout)
        finally:
            if not finished:
                self._abandon()
        if finished and self._answer is not None:
            return self._answer
        # What the thread says after it was cut off is the cut, not the cause.
        raise (self._failure if finished else None) or _too_slow(url, self._timeout)

    def attach(self, connection: HTTPConnection) -> None:
        """Note which connection to cut at the deadline."""
        self._connection = connection
        if self._abandoned:
            raise TimeoutError("the deadline of the request is over")

    def _abandon(self) -> None:
        """Cut the connection: a thread that waits for a dripping server then ends instead of waiting for ever."""
        self._abandoned = True
        sock = getattr(self._connection, "sock", None)
        if isinstance(sock, socket.socket):
            with suppress(OSError):
                # Not SSLSocket.shutdown, which takes the TLS state away from under the thread that reads.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def _work(self, request: requests.Request, bearer: SecretStr | None) -> None:
        _here.exchange = self
        began = time.monotonic()
        url, proxy = str(request.url), None
        try:
            proxies = get_environ_proxies(url) if self._proxied else {}
            proxy = select_proxy(url, proxies)
            self._answer = self._send(request, bearer, proxies)
        except Exception as error:  # noqa: BLE001 - a thread that dies silently would look like a time-out
            # Only the sentence goes on: the error itself holds the request, and with it the token.
            waited = min(time.monotonic() - began, self._timeout)
            self._failure = Unavailable(explain(error, url, proxy, waited))
        finally:
            _here.exchange = None
            self._done.set()

    def _send(self, request: requests.Request, bearer: SecretStr | None, proxies: dict[str, str]) -> Answer:
        prepared = self._session.prepare_request(request)
        if bearer is not None:
            prepared.headers["Authorization"] = f"Bearer {bearer.get_secret_value()}"
        deadline = time.monotonic() + self._timeout
        # The adapter, not the session: Session.send reads the body of a redirect whole even if it may not follow it.
        with self._session.get_adapter(str(prepared.url)).send(
            prepared,
            stream=True,
            timeout=(min(CONNECT_TIMEOUT, self._timeout), self._timeout),
            verify=self._authorities,
            proxies=proxies,
        ) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status_code, headers, _read(response, deadline, self._max_answer))


def _read(response: requests.Response, deadline: float, most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    for chunk in response.iter_content(_CHUNK):
        parts.append(chunk)
        size += len(chunk)
        if size > most:
            raise TooLarge(most)
        if time.monotonic() > deadline:
            raise TimeoutError("the answer did not end in time")
    return b"".join(parts)


def _too_slow(url: str, timeout: float) -> Unavailable:
    return Unavailable(explain(TimeoutError(), url, None, timeout))


class _Connection(HTTPSConnection):
    """Tells the exchange of its thread which socket is in use."""

    def connect(self) -> None:
        _attach(self)
        super().connect()

    def request(self, *args: Any, **kwargs: Any) -> None:
        _attach(self)
        super().request(*args, **kwargs)


class _PlainConnection(HTTPConnection):
    """The same for plain HTTP."""

    def connect(self) -> None:
        _attach(self)
        super().connect()

    def request(self, *args: Any, **kwargs: Any) -> None:
        _attach(self)
        super().request(*args, **kwargs)


def _attach(connection: HTTPConnection) -> None:
    exchange: _Exchange | None = getattr(_here, "exchange", None)
    if exchange is not None:
        exchange.attach(connection)


class _Pool(HTTPSConnectionPool):
    ConnectionCls = _Connection


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _Adapter(HTTPAdapter):
    """TLS 1.2 or newer, with the authorities of the transport, also through a proxy."""

    def __init__(self, ca: Path | None) -> None:
        self._context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        if ca is None:
            self._context.load_default_certs()
        super().__init__(pool_maxsize=POOL_SIZE)

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        """As requests has it, also after misp-modules' `--debug-extended` has put its own method in its place.

        That one logs headers and bodies as they are: the client secret and every token.
        """
        original = inspect.unwrap(HTTPAdapter.send)
        response: requests.Response = original(self, *args, **kwargs)
        return response

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"https": _Pool, "http": _PlainPool}

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, ssl_context=self._context, **proxy_kwargs)
        if not proxy.lower().startswith("socks"):
            # A SOCKS proxy needs connections of its own kind; the deadline then holds by its time-outs alone.
            manager.pool_classes_by_scheme = {**manager.pool_classes_by_scheme, "https": _Pool}
        return manager


_transports: dict[tuple[int, Path | None, int], Transport] = {}
_identity: dict[int, Transport] = {}
_lock = threading.Lock()


def transport_for(ca: Path | None) -> Transport:
    """The transport that everything in this process shares for these authorities, so that connections are reused.

    A changed `ca` file gives a new one, and so does a fork: TLS connections cannot be shared between processes.
    """
    changed = 0
    if ca is not None:
        with suppress(OSError):
            changed = ca.stat().st_mtime_ns
    key = (os.getpid(), ca, changed)
    with _lock:
        if key not in _transports:
            # What was made for an older state of this file, or before a fork, is of no use any more.
            for old in [k for k in _transports if k[0] != key[0] or k[1] == ca]:
                del _transports[old]
            _transports[key] = Transport(ca)
        return _transports[key]


def identity_transport() -> Transport:
    """The transport of this process to the identity endpoint of the Azure machine that it runs on."""
    pid = os.getpid()
    with _lock:
        if pid not in _identity:
            _identity.clear()
            _identity[pid] = Transport(near=True)
        return _identity[pid]
