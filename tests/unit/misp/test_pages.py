"""Putting an event together from pages; without a MISP."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from misp_modules_ext.misp.pages import Pages
from misp_modules_ext.model.misp import NO_DECAY, NO_SIGHTINGS, Tag

EVENT = "e8d1649e-c6e0-46a7-8fe4-b75cc91b8674"


def _header(count: int, **fields: Any) -> dict[str, Any]:
    head = {"id": "1", "uuid": EVENT, "info": "x", "published": True, "timestamp": "100", "publish_timestamp": "100"}
    return head | {"attribute_count": str(count)} | fields


def _row(number: int, **fields: Any) -> dict[str, Any]:
    made = {"uuid": str(uuid.UUID(int=number)), "event_id": "1", "object_id": "0", "type": "domain", "to_ids": True}
    return made | {"value": f"h{number}.example", "distribution": "5", "deleted": False} | fields


def _object(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": str(number), "uuid": str(uuid.UUID(int=1000 + number)), "name": "file", "deleted": False} | fields


def test_all_that_misp_counts_is_complete() -> None:
    """Deleted ones are there and not counted, neither are those of a deleted object."""
    pages = Pages(_header(2))
    pages.add_objects([_object(7), _object(8, deleted=True)])
    assert pages.add_attributes([_row(1), _row(2, object_id="7")]) == 2
    assert pages.all_seen
    assert pages.add_attributes([_row(3, deleted=True), _row(4, object_id="8")]) == 2
    event = pages.finish(_header(2))
    assert (event.complete, len(event.attributes)) == (True, 4)


@pytest.mark.parametrize("count", ["1", "3", None, ""])
def test_a_count_that_differs_or_is_missing(count: str | None) -> None:
    """Is never complete."""
    pages = Pages(_header(0, attribute_count=count))
    pages.add_attributes([_row(1), _row(2)])
    assert not pages.finish(_header(0, attribute_count=count)).complete


@pytest.mark.parametrize(
    "change",
    [
        {"timestamp": "101"},
        {"published": False},
        {"publish_timestamp": "101"},
        {"attribute_count": "2"},
        {"distribution": "0"},
        {"Tag": [{"name": "tlp:red", "exportable": True}]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_header_that_changed_meanwhile(change: dict[str, Any]) -> None:
    """The view is mixed: it carries the newest marks, and claims neither to be complete nor to be as new."""
    pages = Pages(_header(1))
    pages.add_attributes([_row(1)])
    event = pages.finish(_header(1) | change)
    assert (event.complete, event.timestamp) == (False, 100)
    assert event.counts_as_published is event.published
    assert [t.name for t in event.tags] == [t["name"] for t in change.get("Tag", [])]


def test_an_event_published_meanwhile_was_not_yet() -> None:
    """Its attributes were read as those of a draft."""
    pages = Pages(_header(1, published=False))
    pages.add_attributes([_row(1)])
    event = pages.finish(_header(1))
    assert (event.published, event.counts_as_published, event.complete) == (True, False, False)


@pytest.mark.parametrize(
    "doubtful",
    [
        _row(1),
        _row(9, event_id="2"),
        _row(9, object_id="99"),
        _row(9, uuid=None),
        "no attribute",
        None,
    ],
    ids=["seen before", "another event's", "of an object not shown", "no UUID", "text", "null"],
)
def test_what_cannot_be_placed_is_left_out(doubtful: object) -> None:
    """And whatever the count says, the view is not complete."""
    for count in (1, 2):
        pages = Pages(_header(count))
        pages.add_attributes([_row(1)])
        pages.add_attributes([doubtful])
        event = pages.finish(_header(count))
        assert ([a.value for a in event.attributes], event.complete) == (["h1.example"], False)


def test_a_deleted_attribute_needs_no_object() -> None:
    """It goes nowhere, so who may see it does not matter; that it is deleted is worth knowing."""
    pages = Pages(_header(0))
    pages.add_attributes([_row(1, object_id="99", deleted=True)])
    event = pages.finish(_header(0))
    assert (event.complete, event.attributes[0].deleted, event.attributes[0].object) == (True, True, None)


def test_deleted_only_takes_no_others() -> None:
    """A version that does not understand the question answers with what was seen already; that is no doubt."""
    pages = Pages(_header(1))
    pages.add_attributes([_row(1)])
    assert pages.add_attributes([_row(1), _row(2, deleted=True)], deleted_only=True) == 1
    event = pages.finish(_header(1))
    assert (event.complete, len(event.attributes)) == (True, 2)


def test_an_object_that_comes_twice_is_doubtful() -> None:
    """The first one stays."""
    pages = Pages(_header(0))
    assert pages.add_objects([_object(7), _object(7, name="other"), "none"]) == 1
    assert not pages.finish(_header(0)).complete


def test_tags_without_a_word_on_export_stay_inside() -> None:
    """Until MISP has shown that they are exportable."""
    pages = Pages(_header(4, Tag=[{"name": "of the event", "exportable": True}]))
    tags = [{"name": name, "local": False} for name in ("of the event", "shown", "not shown")]
    rows = [_row(1, Tag=tags), _row(2, Tag=[*tags, {"name": "told", "exportable": False}])]
    unknown = pages.unknown_tags(rows)
    assert set(unknown) == {"shown", "not shown"}
    pages.learn_tags(unknown, [_row(2, Tag=[{"name": "of the event"}, {"name": "shown"}])])
    assert pages.unknown_tags(rows) == {}
    pages.add_attributes(rows)
    pages.add_attributes([_row(3, Tag=[{"name": "never asked"}])])
    event = pages.finish(_header(4))
    assert event.attributes[1].tags == (
        Tag("of the event"),
        Tag("shown"),
        Tag("not shown", exportable=False),
        Tag("told", exportable=False),
    )
    assert event.attributes[2].tags == (Tag("never asked", exportable=False),)


def test_sharing_groups_by_number() -> None:
    """The header names its own; others are asked for once, and one that stays unnamed is not asked for again."""
    pages = Pages(_header(3, distribution="4", SharingGroup={"id": "5", "uuid": str(uuid.UUID(int=5))}))
    rows = [_row(n, distribution="4", sharing_group_id=str(n)) for n in (5, 6, 7)]
    assert pages.unknown_groups(rows) == {"6", "7"}
    pages.learn_group("6", {"id": "6", "uuid": str(uuid.UUID(int=6))})
    pages.learn_group("7", None)
    assert pages.unknown_groups(rows) == set()
    pages.add_attributes(rows)
    groups = [a.sharing.group for a in pages.finish(_header(3)).attributes]
    assert groups == [str(uuid.UUID(int=5)), str(uuid.UUID(int=6)), None]


def test_an_objects_unreadable_distribution_closes_its_attributes() -> None:
    """As in a request."""
    pages = Pages(_header(1))
    pages.add_objects([_object(7, distribution="all")])
    pages.add_attributes([_row(1, object_id="7")])
    assert "cannot be read" in pages.finish(_header(1)).attributes[0].problem


def test_siblings_with_marks_of_their_own_are_not_told() -> None:
    """Across pages as within one."""
    pages = Pages(_header(3))
    pages.add_objects([_object(7)])
    several: list[dict[str, Any]] = [{}, {"Tag": [{"name": "tlp:red"}]}, {"distribution": "0"}]
    for number, marks in enumerate(several, 1):
        pages.add_attributes([_row(number, object_id="7", object_relation="domain", **marks)])
    contexts = {a.object for a in pages.finish(_header(3)).attributes}
    assert [context.siblings for context in contexts if context] == [(("domain", "h1.example"),)]


def test_siblings_do_not_depend_on_the_order_of_pages() -> None:
    """Which twenty of thirty are kept: MISP's order is that of its database."""
    found = []
    for order in (range(1, 31), range(30, 0, -1)):
        pages = Pages(_header(30))
        pages.add_objects([_object(7)])
        for number in order:
            pages.add_attributes([_row(number, object_id="7", object_relation="domain")])
        found.append({a.object for a in pages.finish(_header(30)).attributes})
    assert found[0] == found[1]
    assert [len(context.siblings) for context in found[0] if context] == [20]


@pytest.mark.parametrize("strange", ["", None, "not a uuid", 7])
def test_an_attribute_whose_uuid_cannot_be_read_makes_the_view_doubtful(strange: object) -> None:
    """Under a derived one the real one would look absent, and be withdrawn."""
    pages = Pages(_header(2))
    pages.add_attributes([_row(1), _row(2, uuid=strange)])
    assert not pages.finish(_header(2)).complete


def test_inherited_tags_are_not_asked_for() -> None:
    """They stand in pages with decay scores; the header says what they are, and the attribute does not carry them."""
    pages = Pages(_header(1))
    rows = [_row(1, Tag=[{"name": "tlp:red", "local": False, "inherited": 1}])]
    assert pages.unknown_tags(rows) == {}
    pages.add_attributes(rows)
    assert pages.finish(_header(1)).attributes[0].tags == ()


@pytest.mark.parametrize(
    ("fields", "scored", "said"),
    [
        ({"Sighting": []}, True, (NO_SIGHTINGS, NO_DECAY)),
        ({"Sighting": []}, False, (NO_SIGHTINGS, None)),
        ({}, True, (None, None)),
    ],
    ids=["no model", "not asked", "an old MISP"],
)
def test_no_decay_and_not_asked_are_told_apart(fields: dict[str, Any], scored: bool, said: tuple[Any, Any]) -> None:
    """MISP leaves scores out where no model is for the type."""
    pages = Pages(_header(1))
    pages.add_attributes([_row(1, **fields)], scored=scored)
    (read,) = pages.finish(_header(1)).attributes
    assert (read.sightings, read.decay) == said
