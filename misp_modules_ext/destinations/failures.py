"""Why no answer came, as a sentence with the remedy. Pure: takes the error, opens nothing."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import ReadTimeoutError

from misp_modules_ext.destinations.answers import clean
from misp_modules_ext.errors import TO_DO

_FIREWALL = "open the firewall for this host, or name the way out with HTTPS_PROXY."


class TooLarge(Exception):
    """An answer of more than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"more than {limit} bytes")
        self.limit = limit


def explain(error: Exception, url: str, proxy: str | None, timeout: float) -> str:
    """What happened on the way to `url` and what to do.

    Args:
        error: what requests, urllib3 or the system raised.
        url: the address asked.
        proxy: the proxy that the environment names for it.
        timeout: seconds that were waited.
    """
    host = _host(url)
    causes = list(_causes(error))
    if any(isinstance(cause, requests.exceptions.ProxyError) for cause in causes):
        happened, remedy = _proxy(host, causes)
    elif any(isinstance(cause, (requests.exceptions.SSLError, ssl.SSLError)) for cause in causes):
        happened, remedy = _tls(host, causes)
    elif any(isinstance(cause, (TimeoutError, requests.Timeout, ReadTimeoutError)) for cause in causes):
        happened, remedy = (
            f"{host} did not answer within {_rounded(timeout)} seconds.",
            f"repeat later; if it stays, {_FIREWALL}",
        )
    elif isinstance(error, TooLarge):
        happened, remedy = (
            f"{host} sent more than {error.limit} bytes.",
            "see whether that address is Microsoft's.",
        )
    else:
        happened, remedy = _bad_proxy(host) if proxy and _is_wrong_address(causes) else _connection(host, causes)
    where = " (through the proxy that the environment names)" if proxy else ""
    return f"{happened.removesuffix('.')}{where}.{TO_DO}{remedy}"


def _rounded(seconds: float) -> str:
    """As people say it: `0.3`, `2`, `40`."""
    return f"{seconds:.1f}".removesuffix(".0") if seconds < 10 else f"{seconds:.0f}"


def _is_wrong_address(causes: list[BaseException]) -> bool:
    wrong = (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, ValueError, TypeError)
    return any(isinstance(cause, wrong) for cause in causes[:1])


def _bad_proxy(host: str) -> tuple[str, str]:
    return (
        f"{host} cannot be asked",
        "correct HTTPS_PROXY, which should be http://host:port, or name this host in NO_PROXY.",
    )


def _host(url: str) -> str:
    """Host and port only: an address in a file may carry a password."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port not in (None, 443) else ""
        return f"{parts.hostname}{port}" if parts.hostname else clean(url, 60)
    except ValueError:
        return clean(url, 60)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and what it wraps in any of the ways that requests and urllib3 have."""
    seen: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop(0)
        # `reason` of an SSLError is a text, not the error it came from.
        if not isinstance(cause, BaseException) or cause in seen:
            continue
        seen.append(cause)
        inner = [arg for arg in cause.args if isinstance(arg, BaseException)]
        waiting += [*inner, getattr(cause, "reason", None), cause.__cause__, cause.__context__]
    return iter(seen)


def _proxy(host: str, causes: list[BaseException]) -> tuple[str, str]:
    words = _words(causes, OSError)
    return (
        f"The proxy did not open the way to {host}{words}.",
        "correct HTTPS_PROXY, or name this host in NO_PROXY if it is reached directly.",
    )


def _tls(host: str, causes: list[BaseException]) -> tuple[str, str]:
    words = _words(causes, ssl.SSLError)
    return (
        f"The TLS certificate of {host} could not be verified{words}.",
        "if your network has its own certificate authority, name its PEM file with `ca` at this destination; "
        "verification cannot be switched off.",
    )


def _connection(host: str, causes: list[BaseException]) -> tuple[str, str]:
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return f"The name {host} could not be resolved.", "correct the address, or the name servers of this machine."
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return f"{host} refused the connection.", f"correct the address, or {_FIREWALL}"
    if any(isinstance(cause, requests.exceptions.InvalidSchema) for cause in causes):
        return f"{host} cannot be asked: only https addresses (and http proxies) can be used.", "correct the address."
    if any(isinstance(cause, (requests.exceptions.InvalidURL, ValueError)) for cause in causes[:1]):
        return f"{host} is no address that can be asked.", "correct `endpoint.login` or `endpoint.api`."
    if any(isinstance(cause, (ConnectionError, requests.exceptions.ChunkedEncodingError)) for cause in causes):
        return f"{host} closed the connection before its answer was complete.", "repeat later."
    words = _words(causes, OSError) or f" (unexpected {type(causes[0]).__name__})"
    return f"{host} could not be asked{words}.", f"repeat later; if it stays, {_FIREWALL}"


def _words(causes: list[BaseException], kind: type[BaseException]) -> str:
    """The innermost reason of a kind, in the system's own words."""
    told = [
        str(cause) for cause in causes if isinstance(cause, kind) and not isinstance(cause, requests.RequestException)
    ]
    text = clean(told[-1], 120) if told else ""
    return f" ({text})" if text else ""
