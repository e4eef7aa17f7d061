"""The one file that opens sockets to MISP: what PyMISP's requests go through.

It alone knows the key: PyMISP logs headers and answers at DEBUG and quotes answers in exceptions, and old MISPs send
the key back. It takes the key out of answers, makes an error of each that is none, verifies TLS, and follows no
redirect.
"""

from __future__ import annotations

import inspect
import io
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any

import requests
from pydantic import SecretStr
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import HTTPResponse
from urllib3.util.ssl_ import create_urllib3_context

from misp_modules_ext.config.settings import MispSettings
from misp_modules_ext.errors import TO_DO, MispError
from misp_modules_ext.logs import Traffic
from misp_modules_ext.misp.answers import MAX_ANSWER, TooLarge, refusal, unreachable

CONNECT_TIMEOUT = 10.0
_CHUNK = 64 * 1024


class Adapter(HTTPAdapter):
    """Sends PyMISP's requests: with the key, to one host, in limited time, TLS verified."""

    def __init__(self, settings: MispSettings, key: SecretStr, timeout: float) -> None:
        self._url, self._section, self._ca = settings.url, settings.name, settings.ca
        self._key, self._timeout = key, timeout
        self._plain = settings.url.lower().startswith("http:")
        self._context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self._ca is None and not self._plain:
            self._context.load_default_certs()
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """As `HTTPAdapter`'s, with our TLS."""
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        """As `HTTPAdapter`'s, with our TLS."""
        return super().proxy_manager_for(proxy, ssl_context=self._context, **proxy_kwargs)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send one request; of requests' own options only the proxies count.

        Raises:
            MispError: there is no answer, or none that can be read.
        """
        if self._ca is not None and not self._ca.is_file():
            raise MispError(f"The file {self._ca} is not there.{TO_DO}correct `ca` of [{self._section}].")
        traffic = Traffic(str(request.method), str(request.url), dict(request.headers), _sent(request), self._secrets())
        try:
            status, location, content = self._exchange(request, proxies)
        except Exception as error:  # noqa: BLE001 - whatever it is, it holds the request, and with it the key
            failure: MispError | None = unreachable(error, self._url, self._section, self._timeout)
            traffic.failed(str(failure))
        else:
            traffic.answered(status, content)
            failure = refusal(status, content, location, self._url, self._section)
        if failure is not None:
            raise failure
        # The answer to PyMISP's request, not to the one with the key.
        return self.build_response(request, HTTPResponse(io.BytesIO(content), status=status, preload_content=False))

    def _secrets(self) -> list[str]:
        return [self._key.get_secret_value().strip()]

    def _exchange(self, request: requests.PreparedRequest, proxies: Mapping[str, str] | None) -> tuple[int, str, bytes]:
        """Status, where a redirect points, and the body without the key."""
        key = self._key.get_secret_value().strip()
        sent = request.copy()
        if self._plain:
            sent.url = "http" + str(sent.url).removeprefix("https")
        sent.headers["Authorization"] = key
        # Not the `send` that misp-modules' --debug-extended puts in its place: that one logs all headers.
        original = inspect.unwrap(HTTPAdapter.send)
        with original(
            self,
            sent,
            stream=True,
            timeout=(min(CONNECT_TIMEOUT, self._timeout), self._timeout),
            verify=str(self._ca or DEFAULT_CA_BUNDLE_PATH),
            proxies=proxies,
        ) as response:
            content = _read(response, time.monotonic() + self._timeout)
            return response.status_code, response.headers.get("location", ""), content.replace(key.encode(), b"***")


def _sent(request: requests.PreparedRequest) -> bytes:
    body = request.body
    return body if isinstance(body, bytes) else str(body or "").encode("utf-8", "replace")


def _read(response: requests.Response, deadline: float) -> bytes:
    """The whole body, unpacked."""
    # Packed, read1 gives what has arrived, so that a body that drips ends soon after the deadline. Unpacking waits.
    packed = _bounded(lambda: response.raw.read1(_CHUNK, decode_content=False), deadline)
    how = {"content-encoding": response.headers.get("content-encoding", "")}
    body = HTTPResponse(io.BytesIO(packed), how, preload_content=False)
    return _bounded(lambda: body.read(_CHUNK, decode_content=True), deadline)


def _bounded(read: Callable[[], bytes], deadline: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := read():
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER:
            raise TooLarge
        if time.monotonic() > deadline:
            raise TimeoutError("the answer did not end in time")
    return b"".join(parts)
