"""What the ledger keeps of attributes and events comes back as it was."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from misp_modules_ext.errors import LedgerError
from misp_modules_ext.ledger.documents import (
    read_attribute,
    read_header,
    read_indicator,
    write_attribute,
    write_header,
    write_indicator,
)
from misp_modules_ext.misp.files import read_events
from misp_modules_ext.misp.parse import parse_event
from misp_modules_ext.model.indicator import Context
from misp_modules_ext.model.misp import NO_DECAY, NO_SIGHTINGS, Attribute, Decay, ObjectContext, Sharing, Sightings, Tag
from tests.support.build import attribute, event, indicator
from tests.support.shared import event_files, shared

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SHARING = st.builds(Sharing, st.none() | st.integers(0, 5), st.none() | TEXT)
TAGS = st.lists(st.builds(Tag, TEXT, st.booleans(), st.booleans()), max_size=3).map(tuple)
OBJECT = st.builds(
    ObjectContext, TEXT, TEXT, TEXT, st.booleans(), SHARING, st.lists(st.tuples(TEXT, TEXT), max_size=2).map(tuple)
)
SECONDS = st.none() | st.integers(0, 2**40)
ATTRIBUTES = st.builds(
    Attribute,
    uuid=TEXT,
    type=TEXT,
    value=TEXT,
    category=TEXT,
    comment=TEXT,
    to_ids=st.none() | st.booleans(),
    deleted=st.booleans(),
    timestamp=st.integers(0, 2**40),
    first_seen=SECONDS,
    last_seen=SECONDS,
    sharing=SHARING,
    tags=TAGS,
    warninglists=st.none() | st.lists(TEXT, max_size=2).map(tuple),
    sightings=st.none() | st.builds(Sightings, st.integers(0, 9), st.integers(0, 9), SECONDS, SECONDS),
    decay=st.none() | st.builds(Decay, SECONDS, TEXT),
    object=st.none() | OBJECT,
    relation=TEXT,
    problem=TEXT,
)


ABSURD = "99999999999999999999"


@pytest.mark.parametrize("number", [ABSURD, int(ABSURD), 2**64 - 1, -(2**63) - 1, 1e300])
def test_no_number_that_a_source_may_write_is_too_large_to_keep(number: float | str) -> None:
    """It costs what it stands in, as everything unreadable does, and not the event."""
    fields = ("distribution", "timestamp", "first_seen", "last_seen", "publish_timestamp", "threat_level_id")
    wild = {
        **dict.fromkeys((*fields, "attribute_count", "to_ids", "deleted"), number),
        "type": "domain",
        "value": "a.b",
    }
    read = parse_event({"Event": {**wild, "info": "x", "Object": [{**wild, "Attribute": [wild]}], "Attribute": [wild]}})
    for written in read.attributes:
        write_attribute(written)
    write_header(read, ())
    assert read.problem
    assert all(written.problem for written in read.attributes)


@given(ATTRIBUTES)
def test_any_attribute_comes_back(given_attribute: Attribute) -> None:
    """Every field; a field that the document forgot would fail here."""
    again = read_attribute(given_attribute.uuid, given_attribute.timestamp, write_attribute(given_attribute))
    # That there is none of these, and that nobody was asked, are the same to every end. Not so no hit of a warninglist:
    # what nobody has looked for does not block.
    assert again == replace(
        given_attribute,
        sightings=None if given_attribute.sightings == NO_SIGHTINGS else given_attribute.sightings,
        decay=None if given_attribute.decay == NO_DECAY else given_attribute.decay,
    )


def test_documents_of_the_first_layout_are_read() -> None:
    """They had no sightings, no decay and no relation in an object."""
    given_attribute = attribute(tags=["tlp:amber"], comment="C2", warninglists=("a list",))
    written = orjson.loads(write_attribute(given_attribute))
    assert written[0] == 2
    first = orjson.dumps([1, *written[1:-3]])
    assert read_attribute(given_attribute.uuid, given_attribute.timestamp, first) == given_attribute


def test_events_from_the_wild_come_back() -> None:
    """Headers without what no gate and no content looks at, of all the files."""
    shared("events", "INDEX.tsv")
    left_out = {"id": "", "timestamp": 0, "published": None, "attribute_count": None, "complete": False}
    for path in event_files():
        for found in read_events(path.read_bytes(), path.name).events:
            again, picked = read_header(found.uuid, write_header(found, ()))
            assert again == replace(found, attributes=(), notes=(), **left_out)
            assert picked == ()


def test_the_pick_tag_is_remembered_for_the_event() -> None:
    """Whether any attribute is picked decides about the others, also when they are judged alone."""
    assert read_header("u", write_header(event(), ("microsoft:push",)))[1] == ("microsoft:push",)


def test_a_change_that_no_content_shows_makes_no_other_header() -> None:
    """MISP moves an event's timestamp and count with every edit of any attribute."""
    assert write_header(event(timestamp=1, attribute_count=5), ()) == write_header(event(timestamp=2), ())


def test_an_indicator_comes_back() -> None:
    """Its hash is that of what was sent, so every field counts."""
    told = indicator(context=Context((("mitre-attack", "execution"),), (("T1059", "Scripting"),), ("A",), ("M",)))
    assert read_indicator(write_indicator(told)) == told


def test_an_indicator_of_the_first_layout_is_read() -> None:
    """It had no context."""
    layout, *parts = orjson.loads(write_indicator(indicator()))
    assert layout == 2
    assert read_indicator(orjson.dumps([1, *parts[:-1]])) == indicator()


@pytest.mark.parametrize("document", [b"", b"{", b"[99]", b'["1"]'])
def test_damaged_and_newer_documents_are_a_sentence(document: bytes) -> None:
    """Not a traceback."""
    with pytest.raises(LedgerError):
        read_attribute("u", 0, document)
    with pytest.raises(LedgerError):
        read_header("u", document)
