"""Each failure of MISP's is a sentence with the remedy."""

from __future__ import annotations

import socket
import ssl

import pytest
import requests

from misp_modules_ext.errors import EventNotFound, MispError, MispRefused
from misp_modules_ext.misp.answers import MOST_WORDS, TooLarge, host_of, no_misp, not_found, refusal, unreachable

URL = "https://someone:word@misp.example:8443/misp"


@pytest.mark.parametrize(
    ("error", "happened"),
    [
        (requests.ReadTimeout(), "did not answer within 60 seconds"),
        (TimeoutError(), "did not answer within 60 seconds"),
        (requests.exceptions.ProxyError(OSError("no")), "The proxy did not open the way"),
        (
            requests.exceptions.SSLError(ssl.SSLCertVerificationError(1, "certificate verify failed")),
            "(certificate verify failed)",
        ),
        (requests.ConnectionError(socket.gaierror()), "could not be resolved"),
        (requests.ConnectionError(ConnectionRefusedError()), "refused the connection"),
        (requests.exceptions.InvalidURL(), "cannot be asked"),
        (requests.exceptions.ChunkedEncodingError(), "closed the connection"),
        (TooLarge(), "sent more than 268435456 bytes"),
        (RuntimeError(), "closed the connection"),
    ],
)
def test_no_answer(error: Exception, happened: str) -> None:
    """What happened, where, and what to do; the address's password stays out."""
    said = str(unreachable(error, URL, "misp", 60))
    assert happened in said
    assert "misp.example:8443" in said
    assert " What to do: " in said
    assert "word" not in said


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, MispError),
        (400, MispError),
        (401, MispRefused),
        (403, MispRefused),
        (404, EventNotFound),
        (405, MispRefused),
        (429, MispError),
        (500, MispError),
        (502, MispError),
    ],
)
def test_statuses(status: int, kind: type[MispError]) -> None:
    """Which ones repeating may cure."""
    error = refusal(status, b'{"name": "Sorry", "message": "Not today", "url": "/x"}', "/x", URL, "RH-ISAC MISP")
    assert type(error) is kind
    assert "[RH-ISAC MISP]" in str(error) or status in {429, 500, 502}
    assert str(status) in str(error) or status == 301
    assert "Not today" in str(error) or status == 301


@pytest.mark.parametrize("status", [200, 201])
def test_what_can_be_read_is_no_refusal(status: int) -> None:
    """Whatever it holds."""
    assert refusal(status, b"", "", URL, "misp") is None


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'{"message": {"a": 1}}', b"\xff"])
def test_other_bodies_give_no_words(content: bytes) -> None:
    """Pages of proxies are not repeated."""
    assert "(503)" in str(refusal(503, content, "", URL, "misp"))


def test_words_are_one_short_line() -> None:
    """A log line stays a line."""
    content = b'{"message": "a\\nb\\u001b[31m' + b"x" * 500 + b'"}'
    said = str(refusal(500, content, "", URL, "misp"))
    assert "a b [31mxxx" in said
    assert "\n" not in said
    assert "x" * MOST_WORDS not in said


def test_redirects_name_the_host_only() -> None:
    """What stands behind it may hold a secret."""
    said = str(refusal(302, b"", "https://other.example/a?token=1", URL, "misp"))
    assert "other.example;" in said
    assert "token" not in said


def test_the_others() -> None:
    """An event that is not shown, and something that is no MISP."""
    assert "e1" in str(not_found("e1", URL))
    assert "`url` of [misp]" in str(no_misp(URL, "misp"))
    assert (host_of("https://[::1"), host_of(""), host_of("https://a:b")) == ("MISP", "MISP", "MISP")
