"""Stores that the configuration no longer has, at the commands for values."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, update

from misp_modules_ext.cli import withdraw
from misp_modules_ext.cli.looking import places
from misp_modules_ext.cli.show_output import Told, print_stories
from misp_modules_ext.config.settings import LedgerSettings, Settings
from misp_modules_ext.ledger import Ledger, Origin, open_ledger, register, schema, take
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.ledger.story import story
from misp_modules_ext.model.indicator import Kind, Observable
from tests.support.build import attribute, destination, event

VALUE = Observable(Kind.DOMAIN_NAME, "c2.evil-domain.com")


@pytest.fixture
def moved(tmp_path: Path) -> tuple[Settings, Ledger]:
    """A value is live in a workspace, and the configuration names another one by now."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    former = destination(name="microsoft old", workspace_id="44444444-4444-4444-8444-444444444444")
    ledger = open_ledger(url)

    def work(connection: Connection) -> None:
        stores = register(connection, [(former, lambda _: None)])
        take(connection, [event(attribute("domain", VALUE.value))], Origin.REQUEST, stores, "https://misp.example")
        settled = {"state": schema.SETTLED, "sent_hash": schema.holding.c.due_hash, "reason": "cap-lifted"}
        connection.execute(update(schema.holding).values(**settled))

    ledger.write(work)
    ledger_settings = LedgerSettings(url=SecretStr(url))
    return Settings(path=tmp_path / "x.conf", destinations=(destination(),), ledger=ledger_settings), ledger


def test_withdraw_names_them(moved: tuple[Settings, Ledger]) -> None:
    """What may still be there is not passed over in silence."""
    settings, ledger = moved
    (note,) = withdraw._left_elsewhere(settings, ledger, {observable_id(VALUE)})
    assert note.startswith("microsoft old (no longer configured): 1 indicator may still be there")
    assert withdraw._left_elsewhere(settings, ledger, set()) == []


def test_show_marks_them(moved: tuple[Settings, Ledger], capfd: pytest.CaptureFixture[str]) -> None:
    """As `status` does; and the ledger's own marks are no reasons."""
    settings, ledger = moved
    found = ledger.read(lambda connection: story(connection, VALUE))
    assert found is not None
    told = Told(found, tuple(places(ledger, settings, ())), "")
    print_stories(ledger, VALUE.value, [told], as_json=False)
    shown = capfd.readouterr().out
    assert "microsoft old (no longer configured): there" in shown
    assert "cap-lifted" not in shown
    print_stories(ledger, VALUE.value, [told], as_json=True)
    assert json.loads(capfd.readouterr().out)["found"][0]["destinations"][1]["reason"] is None
