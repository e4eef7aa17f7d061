"""Whoever changes evidence and rows together takes turns, and acts on nothing that is older than what has come."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from misp_modules_ext.config.settings import ActionRules, MispSettings
from misp_modules_ext.delivery import reading, reconcile
from misp_modules_ext.delivery.drain import Place
from misp_modules_ext.delivery.drift import Comparison
from misp_modules_ext.errors import EventNotFound
from misp_modules_ext.ledger import schema
from misp_modules_ext.ledger.engine import alone
from misp_modules_ext.misp.client import MispClient
from tests.ledger.house import WIDE, House
from tests.support import lists
from tests.support.build import EVENT, attribute, event
from tests.support.memory import MemoryDestination

MISP = MispSettings(name="misp", url="https://misp.example", key=SecretStr("a-key"))


def _event(house: House) -> Any:
    return house.ledger.read(lambda c: c.execute(select(schema.event)).one())


@pytest.mark.parametrize("asked_again", [True, False])
def test_an_event_that_was_pushed_again_meanwhile_is_not_missing(
    house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, asked_again: bool
) -> None:
    """MISP's answer is older than the push: it is read again, and only then it counts."""
    house.take(event(attribute()))
    house.ledger.write(lambda c: reading.read_soon(c, EVENT))

    def read_of_any_size(_: MispClient, uuid: str, *, failed: int) -> None:
        assert failed == 0
        if asked_again:
            house.ledger.write(lambda c: reading.read_soon(c, uuid))
        raise EventNotFound("not there")

    monkeypatch.setattr(MispClient, "read_of_any_size", read_of_any_size)
    stores = house.ledger.write(house.stores)
    assert reading.read_one(house.ledger, {"": MISP}, stores, MISP.url, tmp_path / "warninglists.db")
    found = _event(house)
    assert (found.missing_since_ms is None) is asked_again
    assert (found.read_message is None) is asked_again


def test_that_warninglists_cannot_be_asked_is_told_once(
    house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where a destination may block: else nobody would know why nothing does. Once, not with every event."""
    rules = ActionRules(block_tags=frozenset({"block"}))
    monkeypatch.setattr(MispClient, "read_of_any_size", lambda _, uuid, *, failed: event(attribute(), uuid=uuid))
    monkeypatch.setattr(reading, "_told", set())
    house.take(event(attribute()))

    def read(path: Path) -> list[str]:
        house.ledger.write(lambda c: reading.read_soon(c, EVENT))
        stores = house.ledger.write(house.stores)
        caplog.clear()
        assert reading.read_one(house.ledger, {"": MISP}, stores, MISP.url, path)
        return [record.message for record in caplog.records if record.levelname == "WARNING"]

    missing = tmp_path / "warninglists.db"
    assert read(missing) == []
    house.settings = (WIDE.model_copy(update={"actions": rules}),)
    monkeypatch.setattr(reading, "_told", set())
    (told,) = read(missing)
    assert told.startswith("Nothing new is blocked: The index of warninglists")
    assert read(missing) == []
    built = tmp_path / "built.db"
    lists.index(built, lists.TOP)
    assert read(built) == []
    assert len(read(missing)) == 1


def test_a_repair_waits_for_its_turn(house: House) -> None:
    """It puts rows and observables where a push may put them at the same moment."""
    store = house.ledger.write(house.stores)[0]
    place = Place(house.ledger, store, MemoryDestination(settings=store.settings), "test")
    done = threading.Event()

    def repair() -> None:
        house.ledger.write(lambda c: reconcile._repair(c, Comparison(place), []))
        done.set()

    thread = threading.Thread(target=repair)
    with house.ledger.engine.begin() as connection:
        alone(connection)
        thread.start()
        assert not done.wait(0.5)
    assert done.wait(30)
    thread.join()
