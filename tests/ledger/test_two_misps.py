"""One event that two MISPs show: each vouches for what it shows, and takes away only that (DESIGN.md 4, rule 4)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pydantic import SecretStr

from misp_modules_ext.config.settings import MispSettings, Settings
from misp_modules_ext.delivery.places import readable
from misp_modules_ext.ledger import holds
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.ledger.story import story
from tests.ledger.house import House, domain
from tests.support.build import EVENT, NOW, attribute, event

SHARED = domain("one.evil.example")
ONLY_THERE = domain("two.evil.example")
OURS = event(attribute("domain", SHARED.value), timestamp=NOW, tags=["tlp:green"])
THEIRS = replace(
    event(
        attribute("domain", SHARED.value, comment="seen by others"),
        attribute("domain", ONLY_THERE.value),
        timestamp=NOW,
        tags=["tlp:green"],
    ),
    misp="https://misp.other.example",
)


def _both(house: House) -> None:
    house.take(OURS)
    house.take(THEIRS)
    house.read(OURS)
    house.read(THEIRS)
    house.send()


def test_the_value_is_one_indicator_that_says_what_both_say(house: House) -> None:
    """One row; links to one event, facts of both."""
    _both(house)
    assert house.holds() == {SHARED.value, ONLY_THERE.value}
    told = house.ledger.read(lambda c: story(c, SHARED))
    assert told is not None
    merged = told.content(house.ledger.write(house.stores)[0], "https://misp.example")
    assert merged is not None
    assert [reference.event for reference in merged.indicator.references] == [EVENT]
    assert "comment: seen by others" in merged.indicator.facts
    assert {said.witness.event.misp for said in told.said} == {"", "https://misp.other.example"}


def test_what_one_takes_away_stays_while_the_other_shows_it(house: House) -> None:
    """And goes with the last of them."""
    _both(house)
    gone = replace(THEIRS, attributes=(), timestamp=NOW + 10)
    house.read(gone)
    house.send()
    assert house.holds() == {SHARED.value}
    house.read(replace(OURS, attributes=(), timestamp=NOW + 10))
    house.send()
    assert house.holds() == set()


def test_one_that_is_older_there_is_not_outdated(house: House) -> None:
    """Each MISP has its own state of an event, and its own clock."""
    _both(house)
    taken = house.take(replace(THEIRS, timestamp=NOW - 10_000), replace(OURS, uuid="0e" * 16))
    assert taken.stale == {EVENT}
    assert house.take(replace(OURS, timestamp=NOW)).stale == set()


def test_a_person_takes_back_what_both_show(house: House) -> None:
    """`withdraw --event` means the event, wherever it is shown."""
    _both(house)
    store = house.ledger.write(house.stores)[0]
    found = house.ledger.read(lambda c: holds.of_event(c, EVENT, store, "https://misp.example"))
    assert found is not None
    assert found.alone == {observable_id(SHARED), observable_id(ONLY_THERE)}


def test_every_section_with_a_key_is_read_by_its_address() -> None:
    """The MISP that the modules serve has two names: by the other one `sync` reads it, for itself."""
    served = MispSettings(name="misp", url="https://MISP.example/", key=SecretStr("k"))
    rh_isac = MispSettings(name="RH-ISAC MISP", url="https://misp.rhisac.example", key=SecretStr("k"))
    other = MispSettings(name="misp b", url="https://b.example", key=None)
    settings = Settings(path=Path("rh-isac.conf"), misp=served, rh_isac=rh_isac, other_misps=(other,))
    assert readable(settings) == {"": served, "https://misp.example": served, rh_isac.url: rh_isac}
