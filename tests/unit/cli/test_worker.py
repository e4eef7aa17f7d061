"""The exit code of `worker --once`."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection, update

from misp_modules_ext.cli.worker import _Worker
from misp_modules_ext.config.settings import LedgerSettings, Settings
from misp_modules_ext.delivery.rounds import Rounds
from misp_modules_ext.ledger import Origin, open_ledger, register, schema, take
from tests.support.build import attribute, destination, event


def test_once_tells_of_rejections_as_status_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Microsoft refused is not settled only because nothing is due."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    settings = Settings(path=tmp_path, destinations=(destination(),), ledger=LedgerSettings(url=url))
    monkeypatch.setattr(Rounds, "go", lambda *_, **__: None)

    def work(connection: Connection) -> None:
        stores = register(connection, [(d, lambda _: None) for d in settings.destinations])
        take(
            connection,
            [event(attribute("domain", "c2.evil-domain.com"))],
            Origin.REQUEST,
            stores,
            "https://misp.example",
        )
        connection.execute(update(schema.holding).values(state=schema.REJECTED))

    open_ledger(url).write(work)
    assert _Worker(None, 1).once(settings) == 1
