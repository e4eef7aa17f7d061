"""Why no answer came: every cause has its sentence and remedy."""

from __future__ import annotations

import http.client
import socket
import ssl

import pytest
import requests
import urllib3

from misp_modules_ext.destinations.failures import TooLarge, explain
from misp_modules_ext.errors import TO_DO

URL = "https://user:pass@api.example:8443/path?x=1"


def _wrapped(reason: Exception) -> requests.ConnectionError:
    """As requests wraps what urllib3 gave up on."""
    return requests.ConnectionError(urllib3.exceptions.MaxRetryError(None, "/path", reason))  # type: ignore[arg-type]


def _caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


CASES = [
    (_wrapped(_caused(urllib3.exceptions.HTTPError("x"), socket.gaierror(-2, "Name not known"))), "resolved", "name"),
    (
        _wrapped(_caused(urllib3.exceptions.HTTPError("x"), ConnectionRefusedError(111, "refused"))),
        "refused",
        "firewall",
    ),
    (requests.ConnectTimeout("x"), "within 5 seconds", "firewall"),
    (requests.ReadTimeout("x"), "within 5 seconds", "repeat"),
    (TimeoutError(), "within 5 seconds", "repeat"),
    (requests.exceptions.SSLError(_wrapped(ssl.SSLError("bad", "self-signed certificate"))), "verified", "`ca`"),
    (ssl.SSLCertVerificationError("hostname mismatch"), "verified", "`ca`"),
    (requests.exceptions.ProxyError(OSError("Tunnel failed: 407 Proxy Auth")), "407", "HTTPS_PROXY"),
    (
        requests.ConnectionError(urllib3.exceptions.ProtocolError("x", http.client.RemoteDisconnected("x"))),
        "closed",
        "repeat",
    ),
    (
        requests.ConnectionError(urllib3.exceptions.ProtocolError("Aborted", ConnectionResetError(104, "reset"))),
        "closed",
        "",
    ),
    (requests.exceptions.ChunkedEncodingError("short"), "closed", "repeat"),
    (requests.exceptions.InvalidSchema("no adapter"), "only https", "correct"),
    (requests.exceptions.InvalidURL("bad"), "no address", "endpoint"),
    (OSError("disk"), "could not be asked (disk)", "repeat"),
    (KeyError("x"), "unexpected KeyError", "repeat"),
    (TooLarge(10), "more than 10 bytes", "address"),
]


@pytest.mark.parametrize(("error", "happened", "remedy"), CASES, ids=lambda case: type(case).__name__)
def test_each_failure_says_what_happened_and_what_to_do(error: Exception, happened: str, remedy: str) -> None:
    """Host and port are named, the password of an address is not."""
    sentence = explain(error, URL, None, 5.0)
    first, _, second = sentence.partition(TO_DO)
    assert happened in first
    assert remedy in second
    assert second
    assert "api.example:8443" in first
    assert "pass@" not in sentence


def test_a_proxy_in_between_is_mentioned() -> None:
    """Who reads "refused" must know that the proxy was asked; its password is not shown."""
    sentence = explain(ConnectionRefusedError(), URL, "http://user:pass@proxy.example", 5.0)
    assert "through the proxy" in sentence
    assert "pass" not in sentence


@pytest.mark.parametrize("url", ["", "https://", "https://[::1", "https://x:99999999/", "nonsense"])
def test_bad_addresses_are_no_second_error(url: str) -> None:
    """The sentence about a bad address can always be made."""
    assert TO_DO in explain(requests.exceptions.InvalidURL("bad"), url, None, 1.0)


def test_errors_that_refer_to_each_other_end() -> None:
    """A ring of causes is walked once."""
    one, two = OSError("one"), OSError("two")
    one.__cause__, two.__cause__ = two, one
    assert "could not be asked" in explain(one, URL, None, 1.0)


@pytest.mark.parametrize(
    "error",
    [
        requests.exceptions.InvalidProxyURL("malformed"),
        requests.exceptions.InvalidSchema("Missing dependencies for SOCKS support."),
        urllib3.exceptions.ProxySchemeUnknown("ftp"),
        urllib3.exceptions.LocationParseError("user:pass@proxy.example:notaport"),
    ],
)
def test_a_wrong_proxy_is_the_proxys_fault(error: Exception) -> None:
    """The remedy names HTTPS_PROXY, not Microsoft's address; the proxy's password is not shown."""
    sentence = explain(error, URL, "http://user:pass@proxy.example:notaport", 5.0)
    assert "HTTPS_PROXY" in sentence.partition(TO_DO)[2]
    assert "endpoint" not in sentence
    assert "pass" not in sentence


@pytest.mark.parametrize(("waited", "told"), [(0.307, "0.3"), (2.0, "2"), (9.96, "10"), (10.02, "10"), (40.0, "40")])
def test_a_wait_is_told_as_people_say_it(waited: float, told: str) -> None:
    """Milliseconds of a wait say nothing to anyone."""
    assert f"did not answer within {told} seconds" in explain(TimeoutError(), "https://api.example/", None, waited)
