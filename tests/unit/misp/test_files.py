"""MISP JSON as people keep it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from misp_modules_ext.errors import UsageError
from misp_modules_ext.misp.files import read_events
from tests.support.shared import event_files, shared

EVENT = {"info": "x", "uuid": "886313e1-3b8a-5372-9b90-0c9aee199e5d", "Attribute": [{"type": "domain", "value": "a"}]}


@pytest.mark.parametrize(
    ("document", "count"),
    [
        ({"Event": EVENT}, 1),
        (EVENT, 1),
        ({"response": [{"Event": EVENT}, {"Event": EVENT}]}, 2),
        ({"response": {"Event": EVENT}}, 1),
        ([{"Event": EVENT}, EVENT], 2),
        ([{"response": [{"Event": EVENT}]}], 1),
    ],
)
def test_every_shape_is_known(document: object, count: int) -> None:
    """One event or many, wrapped or bare."""
    events = read_events(json.dumps(document).encode(), "file").events
    assert [e.info for e in events] == ["x"] * count
    assert all(len(e.attributes) == 1 for e in events)


def test_a_byte_order_mark_is_no_obstacle() -> None:
    """Editors on Windows write one."""
    assert read_events(b"\xef\xbb\xbf" + json.dumps(EVENT).encode(), "file").events[0].info == "x"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"<html>", "is no JSON"),
        (b"\xff\xfe", "is no JSON"),
        (b"[]", "holds no MISP event"),
        (b'{"response": []}', "holds no MISP event"),
        (b'{"foo": 1}', "entry 1"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(content: bytes, words: str) -> None:
    """The message names the file, the fault and the shapes that are known."""
    with pytest.raises(UsageError, match=words) as caught:
        read_events(content, "wrong.json")
    assert "wrong.json" in str(caught.value)
    assert "{" in str(caught.value)


def test_peers_05_one_entry_that_is_no_event_costs_itself() -> None:
    """PEERS 5: the events beside it are read, and it is named."""
    content = read_events(b'[{"Event": {"info": "x"}}, 7, {"foo": 1}, {"Event": {"info": "y"}}]', "f.json")
    assert [e.info for e in content.events] == ["x", "y"]
    assert [line.split(":")[0] for line in content.refused] == ["f.json, entry 2", "f.json, entry 3"]


def test_a_lone_surrogate_costs_nothing() -> None:
    """Python and PHP write them as escapes; one in a comment must not cost the file."""
    document = b'{"info": "x", "Attribute": [{"type": "domain", "value": "a.example", "comment": "\\ud800"}]}'
    assert len(read_events(document, "file").events[0].attributes) == 1


def test_endless_nesting_is_no_event() -> None:
    """A hostile file is a clear refusal, not a traceback."""
    for depth in (900, 500_000):
        with pytest.raises(UsageError):
            read_events(b"[" * depth + b"]" * depth, "nest.json")


def test_every_event_file_from_the_wild_is_read() -> None:
    """134 files, each with its events, none refused."""
    shared("events", "INDEX.tsv")
    files = event_files()
    assert len(files) == 134
    for path in files:
        content = read_events(path.read_bytes(), path.name)
        assert content.events, path
        assert not content.refused, path


def test_attribute_counts_match_the_index() -> None:
    """No attribute of the files from the wild is lost in reading."""
    index = shared("events", "INDEX.tsv")
    rows = [line.split("\t") for line in index.read_text().splitlines()[1:]]
    for row in rows:
        path: Path = index.parent / row[0]
        events = read_events(path.read_bytes(), path.name).events
        assert sum(len(e.attributes) for e in events) == int(row[4]), row[0]
