"""What MISP ends, ends at the destinations: by our own reading alone, and only where nothing else counts longer."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from misp_modules_ext.config.settings import IndicatorRules
from misp_modules_ext.ledger import Taken, schema
from misp_modules_ext.ledger.keys import observable_id
from misp_modules_ext.model.misp import NO_DECAY, NO_SIGHTINGS, Attribute, Decay, Event, Sightings
from tests.ledger.house import House, domain
from tests.support.build import attribute, event

DAY = 86_400
NAME = "one.evil.example"
OTHER = "0e0e0e0e-0000-4000-8000-000000000000"


@pytest.fixture
def now() -> int:
    """The database's clock, in seconds."""
    return int(time.time())


def _one(now: int, **fields: object) -> Attribute:
    made = attribute("domain", NAME, timestamp=now - 10 * DAY, first_seen=now - 20 * DAY)
    return replace(made, **fields)  # type: ignore[arg-type]


def _view(now: int, given: Attribute, **fields: object) -> Event:
    return replace(event(given, timestamp=now - DAY, tags=["tlp:green"]), **fields)  # type: ignore[arg-type]


def _arrive(house: House, view: Event) -> None:
    """A request for it has come, and our own reading has confirmed what it says; all is sent."""
    house.take(replace(view, attributes=tuple(replace(a, sightings=None, decay=None) for a in view.attributes)))
    house.read(view)
    house.send()


def _until(house: House) -> int | None:
    row = house.row(domain(NAME))
    assert row is not None
    return row.valid_until


def _state(taken: Taken) -> set[int]:
    """How the value stands at the destinations."""
    return {settled.standings[observable_id(domain(NAME))].state for settled in taken.settled.values()}


def test_what_is_over_when_it_comes_is_not_sent(house: House, now: int) -> None:
    """It stands as expired, with its date."""
    taken = house.take(_view(now, _one(now, sightings=Sightings(expires=now - 5))))
    assert _state(taken) == {schema.EXPIRED}
    standing = next(iter(taken.settled.values())).standings[observable_id(domain(NAME))]
    assert standing.valid_until == now - 5
    assert house.send() == []


def test_an_expiration_sighting_withdraws_what_is_there(house: House, now: int) -> None:
    """Its expiry at the destination lies months ahead, and MISP has said that it is over."""
    house.take(_view(now, _one(now)))
    house.send()
    house.read(_view(now, _one(now, sightings=Sightings(expires=now - 5))))
    assert [row.due_hash for row in house.send()] == [None]
    assert house.holds() == set()
    # Said again, it is over and nothing is sent.
    again = house.read(_view(now, _one(now, sightings=Sightings(expires=now - 5))))
    assert _state(again) == {schema.EXPIRED}
    assert house.send() == []


def test_a_decay_model_that_is_new_in_misp_does_as_well(house: House, now: int) -> None:
    """Its date was ten days ago."""
    house.take(_view(now, _one(now)))
    house.send()
    house.read(_view(now, _one(now, decay=Decay(5, "NIDS"))))
    house.send()
    assert house.holds() == set()


@pytest.mark.parametrize(
    "end", [{"sightings": Sightings(expires=-5)}, {"decay": Decay(5, "NIDS")}], ids=["sighting", "decay"]
)
def test_a_request_ends_nothing(house: House, now: int, end: dict[str, object]) -> None:
    """Anyone can send one; before and after our own reading, with a newer timestamp too."""
    if "sightings" in end:
        end = {"sightings": Sightings(expires=now - 5)}
    house.take(_view(now, _one(now)))
    house.send()
    until = _until(house)
    for confirmed in (False, True):
        if confirmed:
            house.read(_view(now, _one(now)))
        for edited in (0, 60):
            house.take(_view(now, _one(now, timestamp=now - 10 * DAY + edited, **end)))
            assert house.send() == []
    assert (_until(house), house.holds()) == (until, {NAME})


def test_a_request_does_not_end_it_by_an_old_last_seen_either(house: House, now: int) -> None:
    """From which a decay model would count after an edit."""
    lasting = _one(now, decay=Decay(50 * DAY, "NIDS"), sightings=NO_SIGHTINGS)
    _arrive(house, _view(now, lasting))
    until = _until(house)
    assert until == now + 40 * DAY
    house.take(_view(now, replace(lasting, timestamp=now, last_seen=5, decay=None, sightings=None)))
    assert house.send() == []
    house.take(_view(now, replace(lasting, timestamp=now, comment="edited", decay=None, sightings=None)))
    house.send()
    assert _until(house) == now + 50 * DAY


def test_an_end_ahead_is_sent(house: House, now: int) -> None:
    """Sooner than the window, the destination ends it by itself; a later one renews it."""
    house.take(_view(now, _one(now)))
    house.send()
    house.read(_view(now, _one(now, sightings=Sightings(expires=now + 5 * DAY))))
    assert len(house.send()) == 1
    assert _until(house) == now + 5 * DAY
    house.read(_view(now, _one(now, sightings=Sightings(expires=now + 50 * DAY))))
    house.send()
    assert _until(house) == now + 50 * DAY


def test_what_an_analyst_edits_or_sees_afterwards_comes_back(house: House, now: int) -> None:
    """With another id, as after every withdrawal; a publication alone does not bring it back."""
    expired = Sightings(expires=now - DAY)
    house.take(_view(now, _one(now)))
    house.send()
    house.read(_view(now, _one(now, sightings=expired)))
    house.send()
    published = _view(now, _one(now, sightings=expired), publish_timestamp=now, timestamp=now)
    house.read(published)
    assert house.send() == []
    edited = _view(now, _one(now, sightings=expired, timestamp=now - 60), timestamp=now)
    house.take(edited)
    house.send()
    assert house.holds() == {NAME}
    house.read(edited)
    row = house.row(domain(NAME))
    assert row is not None
    assert (row.generation, house.send()) == (1, [])


def test_the_same_value_in_another_event_keeps_it(house: House, now: int) -> None:
    """The latest expiry of all that count is the indicator's; what is over does not veto, and goes with the rest."""
    other = replace(attribute("domain", NAME, timestamp=now - 3 * DAY), uuid=OTHER)
    second = replace(event(other, timestamp=now - DAY, tags=["tlp:green"]), uuid=OTHER)
    house.take(_view(now, _one(now)))
    house.take(second)
    house.send()
    house.read(_view(now, _one(now, sightings=Sightings(expires=now - 5))))
    house.send()
    assert house.holds() == {NAME}
    house.read(replace(second, attributes=(replace(other, sightings=Sightings(expires=now - 5)),)))
    house.send()
    assert house.holds() == set()


def test_an_unpublished_event_stays_as_it_was(house: House, now: int) -> None:
    """Frozen: it ends when it is published again."""
    house.take(_view(now, _one(now)))
    house.send()
    ended = _view(now, _one(now, sightings=Sightings(expires=now - 5)))
    house.read(replace(ended, published=False, counts_as_published=False))
    assert house.send() == []
    assert house.holds() == {NAME}
    house.read(ended)
    house.send()
    assert house.holds() == set()


def test_facts_keep_their_value_whatever_door_comes_next(house: House, now: int) -> None:
    """Rule 4: what a request or a reading does not say is not that it is gone; what our own reading says is."""
    told = _one(now, sightings=Sightings(1, 0, None, now - DAY), decay=Decay(60 * DAY, "NIDS"), warninglists=("X",))
    _arrive(house, _view(now, told))
    until = _until(house)
    assert until == now + 59 * DAY
    silent = replace(told, sightings=None, decay=None, warninglists=None)
    for said in (silent, replace(silent, sightings=NO_SIGHTINGS, decay=NO_DECAY)):
        house.take(_view(now, said))
        assert house.send() == []
    house.read(_view(now, silent))
    assert house.send() == []
    assert _until(house) == until
    house.read(_view(now, replace(told, sightings=NO_SIGHTINGS, decay=NO_DECAY, warninglists=())))
    assert len(house.send()) == 1
    assert _until(house) != until


def test_without_our_own_reading_a_request_adds_to_what_was_said(house: House, now: int) -> None:
    """More sightings, and what was seen after its end counts again; a view that shows fewer takes nothing back."""
    house.take(_view(now, _one(now, sightings=Sightings(2, 1, now - DAY, now - 2 * DAY))))
    assert house.send() == []
    house.take(_view(now, _one(now, sightings=Sightings(1, 0, None, now - 3 * DAY))))
    assert house.send() == []
    house.take(_view(now, _one(now, sightings=Sightings(1, 3, None, now - 60))))
    assert len(house.send()) == 1


def test_a_date_far_ahead_of_a_sighting_is_not_believed(house: House, now: int) -> None:
    """It would keep an indicator by its decay model for centuries."""
    seen = _one(now, decay=Decay(60 * DAY, "NIDS"), sightings=Sightings(1, 0, None, now + 400 * DAY))
    house.take(_view(now, seen))
    house.send()
    assert _until(house) == now + 50 * DAY


def test_a_short_life_is_renewed_in_small_steps(house: House, now: int) -> None:
    """A tenth of it counts where that is less than a tenth of the window: else it would lapse before it is renewed."""
    # The same number of sightings each time: how many there are may be content.
    seen = Sightings(1, 0, None, now - DAY)
    short = _one(now, timestamp=now - DAY, first_seen=None, decay=Decay(3 * DAY, "Phishing"), sightings=seen)
    _arrive(house, _view(now, short))
    assert _until(house) == now + 2 * DAY
    house.read(_view(now, replace(short, sightings=seen._replace(last=now - DAY + 600))))
    assert house.send() == []
    house.read(_view(now, replace(short, sightings=seen._replace(last=now))))
    assert len(house.send()) == 1
    assert _until(house) == now + 3 * DAY


@pytest.mark.parametrize("confirmed", [False, True])
def test_a_view_from_before_a_publication_does_not_undo_it(house: House, now: int, *, confirmed: bool) -> None:
    """A late request has the same timestamps: it would end at one destination what counts longer at the other."""
    house.settings = [s.model_copy(update={"indicator": IndicatorRules(window=2 * DAY)}) for s in house.settings]
    before = _view(now, _one(now), publish_timestamp=now - DAY)
    house.take(before)
    published = replace(before, publish_timestamp=now + DAY // 2)
    house.take(published)
    if confirmed:
        house.read(published)
    house.send()
    house.send(1)
    everywhere, house.settings = house.settings, house.settings[:1]
    house.take(before)
    house.take(replace(before, publish_timestamp=0))
    assert house.send() == []
    house.settings = everywhere
    rows = [house.row(domain(NAME), store) for store in range(2)]
    assert [row and row.valid_until for row in rows] == [now + DAY // 2 + 2 * DAY] * 2
    # Our own reading says what is so in MISP today.
    house.read(before)
    assert len(house.send()) == 1
