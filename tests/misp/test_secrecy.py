"""The key is in no message, log, traceback or repr, whatever is switched on."""

from __future__ import annotations

import json
import logging
import pickle
import traceback
from collections.abc import Iterator

import pytest
from misp_modules import http_debug
from requests.adapters import HTTPAdapter

from misp_modules_ext.errors import MispError
from misp_modules_ext.misp.client import MispClient
from tests.support.misp_server import Fault, MispServer

from .conftest import KEY, Connect, settings


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Everything that any library says, at its lowest level."""
    loggers = [logging.getLogger(name) for name in ("", "pymisp", "urllib3", "requests", "misp-modules")]
    before = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.DEBUG)
    yield caplog
    for one, level in zip(loggers, before, strict=True):
        one.setLevel(level)


def test_at_debug_a_whole_reading_names_no_key(
    connect: Connect, event: str, logged: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """PyMISP logs all headers and answers, and this MISP sends the key back in `users/view/me`."""
    client = connect()
    client.read_event(event)
    said = logged.text + "".join(capfd.readouterr())
    assert "authkey" in said, "PyMISP does log the answers"
    assert "restSearch" in said
    assert KEY not in said
    assert KEY not in repr(client) + str(vars(client))


@pytest.mark.parametrize(
    "fault",
    [
        Fault(body=json.dumps({"errors": [KEY], "User": {"authkey": KEY}}).encode()),
        Fault(body=f"<html>{KEY}</html>".encode()),
        Fault(status=500, echo=KEY),
        Fault(status=403, echo=KEY),
        Fault(status=302, headers=(("Location", f"https://elsewhere.example/?key={KEY}"),)),
        Fault(drop=True),
        Fault(truncate=True),
        Fault(delay=0.6),
    ],
    ids=["errors", "page", "500", "403", "redirect", "drop", "truncate", "slow"],
)
@pytest.mark.parametrize("path", ["users/view/me", "attributes/restSearch"])
def test_no_failure_names_the_key(
    connect: Connect, server: MispServer, event: str, logged: pytest.LogCaptureFixture, fault: Fault, path: str
) -> None:
    """Not in its message, its chain of causes, its pickle, nor in what was logged, even if the server repeats it."""
    server.faults.append(Fault(**{**vars(fault), "path": path}))
    with pytest.raises(MispError) as caught:
        connect(timeout=0.3).read_event(event)
    error = caught.value
    assert (error.__cause__, error.__context__) == (None, None)
    assert KEY not in "".join(traceback.format_exception(error)) + logged.text
    assert KEY.encode() not in pickle.dumps(error)


def test_misp_modules_own_tracing_does_not_see_it(
    connect: Connect, event: str, logged: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--debug-extended` replaces requests' adapter by one that logs all headers as they are."""
    monkeypatch.setattr(HTTPAdapter, "send", HTTPAdapter.send)
    monkeypatch.setattr(http_debug, "_enabled", False)
    http_debug.configure_http_debug(True)
    assert connect().read_event(event).complete
    assert KEY not in logged.text


def test_an_address_with_a_password_is_not_told(server: MispServer, event: str) -> None:
    """Messages name host and port alone."""
    address = server.url.replace("http://", "http://someone:hidden-word@")
    server.faults.append(Fault(status=503))
    with pytest.raises(MispError) as caught:
        MispClient(settings(address)).read_event(event)
    assert "hidden-word" not in str(caught.value)
