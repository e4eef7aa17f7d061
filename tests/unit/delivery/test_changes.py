"""What a preview would change."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, update

from misp_modules_ext.config.settings import LedgerSettings, Selection, Settings
from misp_modules_ext.delivery.changes import differences
from misp_modules_ext.delivery.submit import Order, submit
from misp_modules_ext.ledger import Ledger, Origin, open_ledger, register, schema, take
from misp_modules_ext.model.account import Account, Difference, ObservableAccount
from misp_modules_ext.model.indicator import Reference, Severity
from misp_modules_ext.model.misp import Event, Tlp
from misp_modules_ext.model.outcome import Outcome
from tests.support.build import EVENT, attribute, destination, event, indicator

HERE = destination(selection=Selection(allow_documentation_ranges=True))


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A configuration with a ledger of its own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    kept = LedgerSettings(url=SecretStr(f"sqlite:///{tmp_path / 'ledger.db'}"))
    return Settings(path=tmp_path / "rh-isac.conf", destinations=(HERE,), ledger=kept)


def _ledger(settings: Settings) -> Ledger:
    return open_ledger(settings.ledger.url.get_secret_value())


def _sent(settings: Settings, *events: Event) -> None:
    """Have the ledger hold these as sent."""

    def work(connection: Connection) -> None:
        take(connection, events, Origin.REQUEST, register(connection, [(HERE, lambda _: None)]), "")
        arrived = {"sent_hash": schema.holding.c.due_hash, "state": schema.SETTLED}
        connection.execute(update(schema.holding).values(**arrived))

    _ledger(settings).write(work)


def _preview(settings: Settings, *events: Event, own: bool = False) -> Account:
    origin = Origin.OWN_READING if own else Origin.REQUEST
    return submit(events, settings, Order("cli", preview=True, origin=origin))


def _parts(account: Account) -> dict[str, ObservableAccount]:
    return {part.value: part for item in account.destinations[0].items for part in item.observables}


def _event(*names: str, **fields: object) -> Event:
    attributes = [attribute("domain", f"{name}.example", timestamp=int(time.time()) - 60) for name in names]
    return event(*attributes, tags=["tlp:amber"], timestamp=1, **fields)


def test_new_ones_are_created(settings: Settings) -> None:
    """Nothing of them is there."""
    parts = _parts(_preview(settings, _event("a", "b")))
    assert {(part.value, part.change, part.differences) for part in parts.values()} == {
        ("a.example", "create", ()),
        ("b.example", "create", ()),
    }


def test_unchanged_ones_have_no_change(settings: Settings) -> None:
    """They would not be sent."""
    known = _event("a")
    _sent(settings, known)
    part = _parts(_preview(settings, known))["a.example"]
    assert (part.outcome, part.change) == (Outcome.UNCHANGED, "")


def test_an_update_says_which_fields_differ(settings: Settings) -> None:
    """A tag more, and another title: nothing else."""
    known = _event("a")
    _sent(settings, known)
    edited = replace(known, info="Campaign 2", tags=(*known.tags, *event(tags=["malware:x"]).tags))
    part = _parts(_preview(settings, edited))["a.example"]
    assert part.change == "update"
    assert part.differences == (
        Difference("title", "Campaign", "Campaign 2"),
        Difference("labels", "", "malware:x"),
    )


def test_all_attributes_of_one_value_say_the_same(settings: Settings) -> None:
    """They share the indicator."""
    twice = _event("a")
    again = replace(twice.attributes[0], uuid="0a0a0a0a-0000-4000-8000-000000000000", type="hostname")
    account = _preview(settings, replace(twice, attributes=(*twice.attributes, again)))
    told = {item.outcome: item.observables[0].change for item in account.destinations[0].items}
    assert told == {Outcome.ACCEPTED: "create", Outcome.MERGED: "create"}


def test_what_was_sent_by_other_rules_cannot_be_told(settings: Settings) -> None:
    """The stored evidence gives something else today than what is there."""
    known = _event("a")
    _sent(settings, known)
    ledger = _ledger(settings)
    ledger.write(lambda c: c.execute(update(schema.holding).values(sent_hash=bytes(32))))
    part = _parts(_preview(settings, replace(known, info="Campaign 2")))["a.example"]
    assert (part.change, part.differences) == ("update", ())


def test_what_our_own_reading_takes_away(settings: Settings) -> None:
    """Attributes that no longer go, and such as are gone; where another one vouches, the indicator stays."""
    shared = replace(
        _event("a").attributes[0], uuid="0a0a0a0a-0000-4000-8000-000000000000", value="shared.example", type="hostname"
    )
    known = _event("a", "b", "shared", complete=True)
    known = replace(known, attributes=(*known.attributes, shared))
    _sent(settings, known)
    off = {known.attributes[0].uuid, known.attributes[2].uuid}
    left = [replace(a, to_ids=a.uuid not in off, timestamp=a.timestamp + 1) for a in known.attributes]
    view = replace(known, attributes=tuple(a for a in left if a.value != "b.example"), timestamp=2)
    account = _preview(settings, view, own=True)
    (place,) = account.destinations
    by_value = {(item.type, item.value): item for item in place.items}
    gone = by_value["domain", "a.example"]
    assert gone.outcome is Outcome.WITHDRAWN
    assert [part.change for part in gone.observables] == ["withdraw"]
    # The other attribute of that value still vouches.
    assert by_value["domain", "shared.example"].observables == ()
    assert by_value["hostname", "shared.example"].observables[0].change in ("", "update")
    assert [removed.value for removed in place.removed] == ["b.example"]


@pytest.mark.parametrize("change", [lambda e: e, lambda e: replace(e, info="Campaign 2")])
def test_nothing_is_kept(settings: Settings, change: Callable[[Event], Event], tmp_path: Path) -> None:
    """Neither rows nor a mark of the store."""
    known = _event("a")
    _sent(settings, known)
    before = _ledger(settings).read(_rows)
    _preview(settings, change(known))
    assert _ledger(settings).read(_rows) == before
    assert not list(tmp_path.rglob("stores/*"))


def _rows(connection: Connection) -> list[Sequence[object]]:
    tables = (schema.event, schema.header, schema.evidence, schema.holding, schema.submission, schema.audience)
    return [tuple(row) for table in tables for row in connection.execute(table.select())]


def test_every_field_can_differ() -> None:
    """In words; of lists only what goes and comes."""
    before = indicator(labels=("a", "b"), facts=("old",))
    other = Reference(EVENT, "0a0a0a0a-0000-4000-8000-000000000000")
    after = indicator(
        title="New",
        severity=Severity.HIGH,
        confidence=70,
        threat_type="Malware",
        tlp=Tlp.GREEN,
        labels=("b", "c"),
        facts=(),
        references=(*before.references, other),
        valid_from=0,
        valid_until=86_400,
    )
    found = {difference.field: difference[1:] for difference in differences(before, after)}
    assert found["severity"] == ("Medium", "High")
    assert found["confidence"] == ("50", "70")
    assert found["threatType"] == ("WatchList", "Malware")
    assert found["tlp"] == ("tlp:amber", "tlp:green")
    assert found["labels"] == ("a", "c")
    assert found["facts"] == ("old", "")
    assert found["references"] == ("", f"event {EVENT}, attribute {other.attribute}")
    assert found["validUntil"][1] == "1970-01-02T00:00:00Z"
    assert set(found) | {"action"} == {
        *("title", "severity", "confidence", "threatType", "action", "tlp", "labels", "facts", "references"),
        *("validFrom", "validUntil"),
    }
    assert list(differences(before, before)) == []


def test_the_old_value_of_an_attribute_stands_among_what_is_removed(settings: Settings) -> None:
    """The attribute itself tells of its new value, also when that does not go."""
    known = _event("a", "b", complete=True)
    _sent(settings, known)
    first, second = known.attributes
    later = (
        replace(first, value="c.example", timestamp=first.timestamp + 1),
        replace(second, value="d.example", to_ids=False, timestamp=second.timestamp + 1),
    )
    (place,) = _preview(settings, replace(known, attributes=later, timestamp=2), own=True).destinations
    assert [(item.value, item.outcome) for item in place.items] == [
        ("c.example", Outcome.ACCEPTED),
        ("d.example", Outcome.SKIPPED),
    ]
    assert {removed.value for removed in place.removed} == {"a.example", "b.example"}
