"""Reading Microsoft's answers in every documented shape."""

from __future__ import annotations

import pytest

from misp_modules_ext.destinations.answers import (
    TO_DO,
    Advice,
    Answer,
    clean,
    error_for,
    error_text,
    retry_after,
    unreadable,
)
from misp_modules_ext.errors import (
    BatchRefused,
    DestinationError,
    NotFound,
    PermissionRefused,
    Retired,
    Throttled,
    Unavailable,
)

from .scripted import as_json

ADVICE = Advice("The API", "fix the audience.", "give the role.", "fix the workspace.")


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        (as_json({"error": {"code": "InvalidInput", "message": "bad", "target": "x"}}), "InvalidInput", "bad"),
        (as_json({"error": {"code": "Forbidden"}}), "Forbidden", ""),
        (as_json({"error": {"message": ["odd"]}}), "", ""),
        (as_json({"error": "invalid_client", "error_description": "AADSTS1: no"}), "invalid_client", "AADSTS1: no"),
        (as_json({"statusCode": 429, "message": "Rate limit is exceeded."}), "", "Rate limit is exceeded."),
        (as_json({"Message": "No HTTP resource was found"}), "", "No HTTP resource was found"),
        (as_json({"Error": {"Code": "X", "Message": "y"}}), "X", "y"),
        (as_json("plain"), "", "plain"),
        (as_json([1, 2]), "", ""),
        (as_json({"error": None}, x_ms_error_code="HeaderCode"), "HeaderCode", ""),
        (Answer(502, {}, b"<html><head><title>502 Bad Gateway</title></head><body>x</body>"), "", "502 Bad Gateway"),
        (Answer(502, {}, b"<p>one</p><script>var two;</script><p>three</p>"), "", "one three"),
        (Answer(502, {}, b"<title>" * 1_000_000), "", ""),
        (Answer(502, {}, b"<script>" * 1_000_000), "", ""),
        (Answer(500, {}, b"upstream connect error"), "", "upstream connect error"),
        (Answer(500, {}, b"\xff\xfe{"), "", "\ufffd\ufffd{"),
        (Answer(500, {}, b""), "", ""),
        (Answer(500, {"warning": '199 - "Microsoft/Defender/405/12"'}, b""), "", '199 - "Microsoft/Defender/405/12"'),
    ],
)
def test_code_and_message_are_found_in_every_shape(answer: Answer, code: str, message: str) -> None:
    """Graph's, Defender's, Sentinel's, the gateway's, Entra's, HTML, text and nothing."""
    assert error_text(answer) == (code, message)


def test_messages_are_one_short_printable_line() -> None:
    """Control and direction characters, line ends and length are dealt with."""
    assert clean("a\r\nb\x00c\x1b[31m\u202ed\te") == "a b c [31m d e"
    assert len(clean("x" * 1000)) == 300
    assert clean("x" * 300) == "x" * 300


@pytest.mark.parametrize(
    "secret",
    [
        "eyJhbGciOiJub25lIn0.eyJhdWQiOiJ4In0.",
        "eyJhbGciOiJub25lIn0.eyJhdWQiOiJ4In0.abc-_1",
        "Bearer opaque-token-value",
        "bearer\topaque-token-value",
    ],
)
def test_messages_hold_no_bearer_token(secret: str) -> None:
    """A gateway that sends the request's headers back does not put the token into a report."""
    shown = clean(f"Request had Authorization: {secret} and failed")
    assert "opaque" not in shown
    assert "eyJ" not in shown
    assert "failed" in shown


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (Answer(429, {"retry-after": "17"}), 17.0),
        (Answer(429, {"retry-after": " 1.5 "}), 1.5),
        (Answer(429, {"retry-after": "-3"}), 0.0),
        (Answer(429, {"retry-after": "Tue, 24 Nov 2026 12:00:30 GMT"}), 30.0),
        (Answer(429, {"retry-after": "Tue, 24 Nov 2026 11:00:00 GMT"}), 0.0),
        (Answer(429, {"retry-after": "soon"}), None),
        (Answer(429, {"retry-after": "nan"}), None),
        (Answer(429, {"retry-after": "inf"}), None),
        (Answer(429, {}), None),
        (as_json({"statusCode": 429, "message": "Rate limit is exceeded. Try again in 42 seconds."}), 42.0),
        (as_json({"error": {"message": "Too many. Try again in 1 second."}}), 1.0),
        (as_json({"message": "Try again in 42 seconds."}, retry_after="5"), 5.0),
        (as_json({"message": "Try again in a while."}), None),
    ],
)
def test_the_wait_is_read_from_header_or_message(answer: Answer, seconds: float | None) -> None:
    """Seconds, an HTTP date, or the gateway's sentence; the header counts first."""
    assert retry_after(answer, now=1_795_521_600.0) == seconds


@pytest.mark.parametrize(
    ("status", "kind", "remedy"),
    [
        (400, BatchRefused, ""),
        (413, BatchRefused, ""),
        (422, BatchRefused, ""),
        (401, PermissionRefused, "fix the audience."),
        (403, PermissionRefused, "give the role."),
        (404, NotFound, "fix the workspace."),
        (405, NotFound, "fix the workspace."),
        (410, Retired, "`api`"),
        (429, Throttled, "wait"),
        (407, Unavailable, "HTTPS_PROXY"),
        (302, Unavailable, "redirects are not followed"),
        (408, Unavailable, "repeat later"),
        (500, Unavailable, "repeat later"),
        (503, Unavailable, "repeat later"),
        (599, Unavailable, "repeat later"),
        (418, Unavailable, "proxy or gateway"),
        (204, Unavailable, "proxy or gateway"),
        (0, Unavailable, "proxy or gateway"),
    ],
)
def test_each_status_is_one_error_with_its_remedy(status: int, kind: type[DestinationError], remedy: str) -> None:
    """What a caller does differently is a class; what a person does is the end of the sentence."""
    error = error_for(as_json({"error": {"code": "Code", "message": "Words."}}, status), ADVICE)
    assert type(error) is kind
    assert "Code: Words." in str(error)
    assert remedy in str(error).partition(TO_DO)[2]


def test_waits_travel_with_throttling_and_outages() -> None:
    """429 and 503 carry what Retry-After says."""
    throttled = error_for(as_json({"message": "Try again in 7 seconds."}, 429), ADVICE)
    outage = error_for(Answer(503, {"retry-after": "9"}), ADVICE)
    assert isinstance(throttled, Throttled)
    assert isinstance(outage, Unavailable)
    assert (throttled.retry_after, outage.retry_after) == (7.0, 9.0)


def test_a_400_says_something_even_when_microsoft_does_not() -> None:
    """An empty 400 is no empty message."""
    error = error_for(Answer(400), ADVICE)
    assert isinstance(error, BatchRefused)
    assert "400" in str(error)
    assert error.code == ""


def test_an_answer_shows_no_body() -> None:
    """The body of a token answer must not come into a log by way of repr."""
    assert "secret" not in repr(as_json({"access_token": "secret"}, authorization="secret"))


def test_json_is_safe_on_anything() -> None:
    """Deep nesting, bad UTF-8, NaN and emptiness are no JSON, not exceptions."""
    for body in (b"", b"{", b"\xff", b"NaN", b"[" * 100_000):
        assert Answer(200, {}, body).json() is None


def test_an_unreadable_answer_shows_its_beginning() -> None:
    """What came instead helps to find the proxy that sent it."""
    error = unreadable(Answer(200, {}, b"<html>Please log in"), "The API", "not with a list")
    assert "Please log in" in str(error)
    assert "(nothing)" in str(unreadable(Answer(200), "The API", "not with a list"))
