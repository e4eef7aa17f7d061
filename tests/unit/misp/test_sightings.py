"""Sightings of an attribute are counted wherever MISP writes them; our own never count."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misp_modules_ext.misp.parse import parse_event
from misp_modules_ext.model.misp import NO_SIGHTINGS, OWN_SIGHTINGS, Attribute, Sightings
from tests.support.shared import shared

_KEYS = ["type", "date_sighting", "source", "attribute_uuid", "attribute_id"]
_UUID = "5b6464ca-e0a0-40e0-8e21-d0350acd0835"


def _sighting(kind: object, date: object, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "date_sighting": date, "source": "", "attribute_id": "7", "attribute_uuid": _UUID, **fields}


def _read(*sightings: object, **beside: object) -> Attribute:
    attribute = {"uuid": _UUID, "id": "7", "type": "domain", "value": "a.example", "Sighting": list(sightings)}
    return parse_event({"Event": {"info": "x", "Attribute": [attribute]}, **beside}).attributes[0]


def test_each_kind_is_counted() -> None:
    """Seen and false positives as numbers, the latest date of each other kind."""
    told = _read(_sighting("0", "100"), _sighting("0", "300"), _sighting("1", "250"), _sighting("2", "900"))
    assert told.sightings == Sightings(seen=2, false_positives=1, expires=900, last=300)


def test_the_latest_expiration_counts() -> None:
    """MISP keeps one for each organisation: what one of them still vouches for is not over."""
    assert _read(_sighting("2", "900"), _sighting(2, 700)).sightings == Sightings(expires=900)


def test_what_was_seen_after_its_expiration_counts_again() -> None:
    """A false positive after it does not bring it back."""
    assert _read(_sighting("2", "900"), _sighting("0", "901")).sightings == Sightings(seen=1, last=901)
    assert _read(_sighting("2", "900"), _sighting("0", "900")).sightings == Sightings(1, 0, 900, 900)
    assert _read(_sighting("2", "900"), _sighting("1", "950")).sightings == Sightings(0, 1, 900, None)


@pytest.mark.parametrize("source", [OWN_SIGHTINGS, f"{OWN_SIGHTINGS}: soc-emea", f" {OWN_SIGHTINGS.upper()}"])
def test_our_own_sightings_never_count(source: str) -> None:
    """What this tool reports back to MISP would else keep an indicator alive by its own hits."""
    own = (_sighting("0", "950", source=source), _sighting("1", "950", source=source))
    assert _read(*own).sightings == NO_SIGHTINGS
    assert _read(_sighting("2", "900"), *own).sightings == Sightings(expires=900)


def test_none_and_not_said_are_told_apart() -> None:
    """An empty list says that there are none; without the key MISP may have been told not to load them."""
    assert _read().sightings == NO_SIGHTINGS
    plain = {"uuid": _UUID, "type": "domain", "value": "a.example"}
    assert parse_event({"Event": {"info": "x", "Attribute": [plain]}}).attributes[0].sightings is None


@pytest.mark.parametrize("named", [{}, {"attribute_uuid": None}])
def test_sightings_beside_the_event_belong_to_their_attribute(named: dict[str, Any]) -> None:
    """As the internal format has them, also those of attributes in objects; by UUID, or by the id alone."""
    inside = {"uuid": _UUID, "id": "7", "type": "domain", "value": "a.example"}
    other = {"uuid": _UUID.replace("5", "6"), "id": "8", "type": "domain", "value": "b.example"}
    body = {
        "Event": {"info": "x"},
        "Attribute": [other],
        "Object": [{"name": "domain-ip", "Attribute": [inside]}],
        "Sighting": [_sighting("0", "100", **named), _sighting("1", "200", **named)],
    }
    assert [a.sightings for a in parse_event(body).attributes] == [None, Sightings(1, 1, None, 100)]


def test_odd_sightings_cost_themselves_alone() -> None:
    """Unknown kinds, no date, no object: the others count."""
    odd = (_sighting("3", "100"), _sighting(None, "100"), _sighting("2", "soon"), "text", None, 7)
    assert _read(*odd, _sighting(0, None)).sightings == Sightings(seen=1)
    assert _read({"0": _sighting("0", "100")}).sightings == NO_SIGHTINGS


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(_KEYS), inner),
    )
)
def test_whatever_stands_there_nothing_raises(odd: object) -> None:
    """With the attribute and beside the event."""
    body = {"Event": {"info": "x", "Attribute": [{"type": "domain", "value": "a", "Sighting": odd}]}, "Sighting": odd}
    assert len(parse_event(body).attributes) == 1


def test_a_real_event_with_sightings() -> None:
    """Six sightings of 2019, one an expiration; nothing is said of the other attributes."""
    path = shared("events", "real", "pymisp-tests", "tests", "reportlab_testfiles", "sighting_1.json")
    event = parse_event(json.loads(path.read_bytes()))
    said = [a.sightings for a in event.attributes if a.sightings is not None]
    assert said == [
        Sightings(1, 0, None, 1551253950),
        Sightings(0, 1, None, None),
        Sightings(0, 1, None, None),
        Sightings(0, 1, 1551253968, None),
        Sightings(1, 0, None, 1551253943),
    ]
