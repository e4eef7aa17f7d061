"""misp-modules' `--debug-extended` logs what every module sends, unredacted: ours must not be in it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from misp_modules import http_debug
from requests.adapters import HTTPAdapter

from misp_modules_ext.config.settings import Api
from misp_modules_ext.destinations import tokens
from misp_modules_ext.model.outcome import Outcome
from tests.support.build import due

from .conftest import SECRET, Make


@pytest.fixture
def _debug_extended() -> Iterator[None]:
    before = HTTPAdapter.send
    http_debug.configure_http_debug(True)
    assert HTTPAdapter.send is not before, "misp-modules patches another place now: look where"
    yield
    HTTPAdapter.send = before  # type: ignore[method-assign]


@pytest.mark.usefixtures("_debug_extended")
def test_peers_25_neither_secret_nor_token_is_logged(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """PEERS 25: a push under `--debug-extended` leaves no credential in any log."""
    caplog.set_level(logging.DEBUG)
    tokens._applications.clear()
    destination = make(Api.SENTINEL)
    assert destination.send([due()], 5.0)[0].outcome is Outcome.ACCEPTED
    assert SECRET not in caplog.text
    assert "Bearer " not in caplog.text
    given = [token for application in tokens._applications.values() for token in application._last.values()]
    assert given
    assert not any(token.get_secret_value() in caplog.text for token in given)
