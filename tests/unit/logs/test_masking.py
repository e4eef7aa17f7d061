"""What is secret in requests and answers is not shown, however it is written, and what is not stays readable."""

from __future__ import annotations

import json
import logging
import time
from urllib.parse import urlencode

import pytest

from misp_modules_ext.logs import Traffic, fields_of, masking

SECRET = 'p~"q/r\\s+t&ü=u'
TOKEN = "eyJhbGciOiJub25lIn0.eyJhdWQiOiJ4In0."
PLAIN = "opaque-token-without-a-shape"


@pytest.mark.parametrize(
    "name",
    [
        "client_secret",
        "appSecret",
        "access_token",
        "refresh_token",
        "client_assertion",
        "authkey",
        "Authorization",
        "password",
        "certificatePassword",
        "api_key",
    ],
)
def test_a_field_whose_name_says_so(name: str) -> None:
    """In JSON, in JSON within JSON, in a form and in an address; cut off as well."""
    once = json.dumps({"before": "b", name: SECRET, "after": "a"})
    assert json.loads(masking.masked(once)) == {"before": "b", name: masking.MASK, "after": "a"}
    # Within JSON, what follows in the same string goes as well.
    assert json.loads(masking.masked(json.dumps({"outer": once, "next": 1})))["next"] == 1
    for text in (json.dumps({"outer": once}), once[: once.index("+t")], once[: once.index("q/")]):
        shown = masking.masked(text)
        assert "before" in shown
        assert "q/r" not in shown
        assert "p~" not in shown
    form = masking.masked(urlencode({"a": "b", name: SECRET, "scope": "https://x/.default"}))
    assert form == f"a=b&{name}={masking.MASK}&scope=https%3A%2F%2Fx%2F.default"
    assert masking.masked(f"https://x.example/y?{name}=z%20z#f") == f"https://x.example/y?{name}={masking.MASK}#f"


def test_what_it_was_made_with_however_it_is_spelled() -> None:
    """A server may quote it in JSON, in a page or in an address."""
    for spelled in masking._spellings(SECRET):
        assert masking.masked(f"You sent {spelled}!", [SECRET]) == f"You sent {masking.MASK}!"
    assert masking.masked("it is a b", ["a"]) == "it is a b", "so short a value would take everything with it"


def test_whatever_looks_like_a_token_or_a_password_in_an_address() -> None:
    """Also where nobody expects it."""
    shown = masking.masked(f"got {TOKEN} and Bearer {PLAIN} at https://someone:hidden@x.example/")
    assert shown == f"got {masking.MASK} and {masking.MASK} at https://{masking.MASK}@x.example/"


#: What a value of somebody else's may repeat, each for a place where a pattern could begin anew.
HOSTILE = [
    "secret",
    "client_secret",
    "\\",
    '\\"',
    '"',
    '"secret',
    '"secret"',
    '"a" : ',
    '"secret":"\\',
    '"a":',
    "a-",
    " ",
]
HOSTILE += [
    "eyJ",
    "eyJabcdefgh-",
    "eyJabcdefgh.",
    "Bearer",
    "Bearer ",
    "://",
    "://a",
    "a@",
    "secret=",
    "?secret",
    "&a=",
]


@pytest.mark.parametrize("before", ["", '{"x": "', "://", "Bearer "])
@pytest.mark.parametrize("repeated", HOSTILE)
def test_no_text_takes_longer_than_its_length(repeated: str, before: str) -> None:
    """Values are attackers'. A pattern that begins anew at every character would take minutes at this length."""
    text = (before + repeated * 400_000)[:400_000]
    began = time.process_time()
    shown = masking._without_what_looks_secret(f'{text} "authkey": "{PLAIN}" {TOKEN} Bearer {PLAIN}')
    assert time.process_time() - began < 5
    assert PLAIN not in shown
    assert TOKEN not in shown


def test_what_is_looked_at_is_bounded() -> None:
    """And nothing is shown that was not looked at."""
    text = "a" * 70_000 + PLAIN
    assert masking.masked(text, ["b" * 10]) == "a" * 66_000


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"secret": ""}', '{"secret": "***"}'),
        ('{"a": "x", "b": {"key": "y"}}', '{"a": "x", "b": {"key": "***"}}'),
        ('"a"secret":"x"', '"a"secret":"***"'),
        ('"a":"secret":"x"', '"a":"secret":"***"'),
        (f'"{"n" * 500}_secret": "x", "monkey": "y"', f'"{"n" * 500}_secret": "***", "monkey": "y"'),
        ("a=b?secret=x y=z", "a=b?secret=*** y=z"),
        ("tokens=1&token=2&deviceToken=3&key=", "tokens=1&token=***&deviceToken=***&key=***"),
        ("xeyJshort eyJab.c eyJabcdeeyJ.x.y.z.w.eyJabcde.v", "xeyJshort eyJab.c ***.***"),
        ("got-eyJabcde.x", "got-***"),
        ("eyJabcdefgh.Bearer abc", "******"),
    ],
)
def test_where_names_and_tokens_begin_and_end(text: str, shown: str) -> None:
    """A name that is not secret hides none that follows, and its value stays."""
    assert masking.masked(text) == shown


def test_a_secret_is_found_before_the_body_is_cut() -> None:
    """Its first half would be shown otherwise."""
    content = b"x" * (masking.LONGEST - 5) + PLAIN.encode() + b"y" * 100
    shown = masking.body(content, [PLAIN])
    assert PLAIN[:4] not in shown
    assert shown.endswith(f"… ({len(content):,} bytes)")
    assert len(shown) < masking.LONGEST + 30


def test_a_body_of_bytes_is_no_failure() -> None:
    """Whatever a proxy answers."""
    assert masking.body(b"\xff\x00") == "\\xff\x00"


def test_headers_show_what_never_holds_a_secret() -> None:
    """Of unknown ones only the name: a header may be anybody's."""
    assert masking.headers({"Content-Type": "a/b", "X-IDENTITY-HEADER": PLAIN, "Of-Somebody": PLAIN}) == {
        "Content-Type": "a/b",
        "X-IDENTITY-HEADER": masking.MASK,
        "Of-Somebody": masking.MASK,
    }


@pytest.fixture
def at_debug(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """With requests in the log."""
    caplog.set_level(logging.DEBUG, "misp_modules_ext")
    return caplog


def test_a_request_with_all_of_them(at_debug: pytest.LogCaptureFixture) -> None:
    """The answer quotes what was sent, in a field that nobody knows."""
    form = urlencode({"client_id": "app", "client_secret": SECRET}).encode()
    sent = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Bearer {PLAIN}"}
    traffic = Traffic("POST", "https://login.example/token?x=1", sent, form)
    traffic.answered(401, json.dumps({"error": "bad", "you sent": SECRET, "and": PLAIN}).encode())
    (record,) = at_debug.records
    request = fields_of(record)["request"]
    assert (request["method"], request["status"], request["url"]) == ("POST", 401, "https://login.example/token?x=1")
    assert (request["sent"], request["headers"]["Authorization"]) == (len(form), masking.MASK)
    assert request["body"] == f"client_id=app&client_secret={masking.MASK}"
    assert json.loads(request["answer"]) == {"error": "bad", "you sent": masking.MASK, "and": masking.MASK}
    assert PLAIN not in str(vars(record))
    assert "q/r" not in str(vars(record))


def test_one_without_an_answer(at_debug: pytest.LogCaptureFixture) -> None:
    """It is told, with the reason."""
    Traffic("GET", "https://x.example/", {}, None, [PLAIN]).failed(f"cut off after {PLAIN}")
    assert f"no answer: cut off after {masking.MASK}" in at_debug.text


def test_nothing_is_told_at_other_levels(caplog: pytest.LogCaptureFixture) -> None:
    """No payload in the usual log."""
    caplog.set_level(logging.INFO, "misp_modules_ext")
    Traffic("GET", "https://x.example/", {}, b"payload").answered(200, b"payload")
    assert caplog.records == []
