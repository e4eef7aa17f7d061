"""Rounds of draining: who drains is known, old things are forgotten, and another ledger's stores are left alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, insert, select, update

from misp_modules_ext.config.settings import LedgerSettings, Selection, Settings
from misp_modules_ext.delivery.rounds import ALIVE_MS, Rounds
from misp_modules_ext.errors import LedgerError
from misp_modules_ext.ledger import Ledger, Origin, open_ledger, register, schema, submissions, take
from misp_modules_ext.ledger.engine import now_ms
from misp_modules_ext.ledger.marks import mark
from tests.support.build import attribute, destination, event

HERE = destination(selection=Selection(allow_documentation_ranges=True))


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A configuration with a ledger of its own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    kept = LedgerSettings(url=SecretStr(f"sqlite:///{tmp_path / 'ledger.db'}"), retention=3600)
    return Settings(path=tmp_path / "rh-isac.conf", destinations=(HERE,), ledger=kept)


def _ledger(settings: Settings) -> Ledger:
    return open_ledger(settings.ledger.url.get_secret_value())


def test_a_drain_shows_that_it_lives(settings: Settings) -> None:
    """Holder, kind, host and process, and when it was seen last: `status` tells whether anybody sends."""
    for _ in range(2):
        Rounds("me", "worker").go(settings, wait=True)
    found = _ledger(settings).read(lambda c: (c.execute(select(schema.drain)).all(), now_ms(c)))
    ((row,), clock) = found
    assert (row.holder, row.kind, row.pid) == ("me", "worker", os.getpid())
    assert clock - ALIVE_MS < row.seen_ms <= clock


def test_drains_that_are_long_gone_are_forgotten(settings: Settings) -> None:
    """Every start of a service has another name."""
    Rounds("gone", "service").go(settings, wait=True)
    long_ago = update(schema.drain).values(seen_ms=1)
    _ledger(settings).write(lambda connection: connection.execute(long_ago))
    Rounds("me", "service").go(settings, wait=True)
    holders = _ledger(settings).read(lambda c: set(c.execute(select(schema.drain.c.holder)).scalars()))
    assert holders == {"me"}


def test_old_submissions_are_forgotten(settings: Settings) -> None:
    """After `retention`; what is younger stays."""
    ledger = _ledger(settings)

    def two(connection: Connection) -> None:
        for name, age in (("old", 3601), ("young", 3500)):
            started = now_ms(connection) - age * 1000
            values = {"submission_id": name, "door": "cli", "started_ms": started, "document": b""}
            connection.execute(insert(schema.submission).values(**values))

    ledger.write(two)
    Rounds("me", "service").go(settings, wait=True)
    assert [kept.submission_id for kept in ledger.read(lambda c: submissions.latest(c, 9))] == ["young"]


def _something_due(settings: Settings, ledger: Ledger) -> None:
    def work(connection: Connection) -> None:
        stores = register(connection, [(d, lambda _: None) for d in settings.destinations])
        take(connection, [event(attribute())], Origin.REQUEST, stores, "")

    ledger.write(work)


def test_a_store_of_another_ledger_is_left_alone(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is sent there (this test has no sockets), and the log says once how to resolve it."""
    mark(settings, HERE, Ledger(f"sqlite:///{tmp_path / 'first.db'}"))
    _something_due(settings, _ledger(settings))
    rounds = Rounds("me", "service")
    rounds.go(settings, wait=True)
    rounds.go(settings, wait=True)
    (record,) = caplog.records
    assert "belongs to another ledger" in record.getMessage()
    state = _ledger(settings).read(lambda c: c.execute(select(schema.destination)).one())
    assert (state.epoch, state.paused_until_ms) == (0, None)


def test_a_store_of_another_ledger_is_told_once(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Not with every round; again when it was ours in between."""
    other = Ledger(f"sqlite:///{tmp_path / 'first.db'}")
    rounds = Rounds("me", "service")
    for told in (1, 2):
        mark(settings, HERE, other, adopt=True)
        for _ in range(3):
            rounds.go(settings, wait=True)
        assert len(caplog.records) == told
        mark(settings, HERE, _ledger(settings), adopt=True)
        rounds.go(settings, wait=True)


def test_a_ledger_that_cannot_be_opened_is_told(settings: Settings, tmp_path: Path) -> None:
    """Whoever goes the rounds decides what to do about it."""
    (tmp_path / "ledger.db").mkdir()
    with pytest.raises(LedgerError, match=r"ledger\.db cannot be created or written"):
        Rounds("me", "service").go(settings)
